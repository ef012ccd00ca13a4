/*
 * watch_job -- one job, live: how far it is, what holds it back, what its tasks do, what failed.
 */
#pragma once

#include "client/live.h"
#include "client/rates.h"

#define WATCH_ERRORS 16

struct watch_job {
	const char *job;
	struct rates rates;
	uint64_t after; /* results up to here were looked at */
	bool is_placed; /* `after` has been set near the end */
	json_t *errors; /* the lines that failed last, newest last; NULL: none yet */
};

void watch_job_fini(struct watch_job *w);
enum muster_status watch_job_draw(struct live *l, void *view, struct frame *f);
