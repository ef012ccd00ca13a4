/*
 * jobrow -- how far a job is, as live views show it: counts, part done, rate, time left.
 */
#pragma once

#include "client/live.h"
#include "client/rates.h"

struct jobrow {
	const char *job, *state, *name; /* of the answers they were read from */
	int64_t ok, failed, handled, cancelled, not_started, total, elapsed_ms;
	int64_t done;
	double per_s;	 /* now; < 0: unknown */
	double part;	 /* 0 to 1 */
	int64_t left_ms; /* < 0: unknown */
};

/* From an answer of job.get. */
void jobrow_read(struct jobrow *r, const json_t *record, struct rates *rates, int64_t now_ms);
bool jobrow_has_ended(const char *state);
enum style jobrow_style(const char *state);
/* "4.9/s", "-". */
const char *jobrow_rate(char *text, double per_s);
