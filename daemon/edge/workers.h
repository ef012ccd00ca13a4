/*
 * workers -- threads for blocking work (run/offload.h): one line, first come first served, with a
 * limit per class on how many run at once and how many wait.
 *
 * Threads: made with all signals blocked. workers_free waits for what runs; free the shards that
 * use the pool before.
 */
#pragma once

#include "run/offload.h"

enum { WORKERS_CLASSES = 8, WORKERS_THREADS_MAX = 64 };

struct workers_opts {
	unsigned n_threads; /* 1 to WORKERS_THREADS_MAX */
	struct {
		unsigned max_running; /* 0 = n_threads */
		unsigned max_queued;  /* 0 = 65536; submit beyond is EFULL */
	} cls[WORKERS_CLASSES];
};

struct workers;

/* NULL: no memory, or no threads. */
struct workers *workers_new(const struct workers_opts *opts);
/* NULL is ignored. */
void workers_free(struct workers *w);
/* Lives as long as w. */
const struct act_offload_pool *workers_pool(const struct workers *w);
