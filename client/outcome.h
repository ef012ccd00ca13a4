/*
 * outcome -- the final record of a job as the daemon tells it: what it means for the exit status,
 * and one sentence of it for people.
 */
#pragma once

#include "client/session.h"

struct outcome {
	struct bytes text; /* the record, one line of JSON */
	char state[24];
	uint64_t total, ok, failed, handled, cancelled, not_started, elapsed_ms;
};

void outcome_fini(struct outcome *o);
/* INVALID if it is no record. */
enum err outcome_read(struct slice record, struct outcome *ret);
/* Asks the daemon. Failures are said. */
enum status outcome_get(struct session *s, const char *job, struct outcome *ret);
bool outcome_is_end(const struct outcome *o);
enum status outcome_status(const struct outcome *o);
/* "3 of 10 failed (status 2, read.timeout 1), 7 ok in 1.2 s". */
void outcome_add_sentence(struct bytes *out, const struct outcome *o);
