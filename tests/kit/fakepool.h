/*
 * fakepool -- offloaded work without threads: each job begins and ends at times that a seed
 * chooses, as calls of a fake loop. A job that has not begun can be withdrawn.
 */
#pragma once

#include "base/rng.h"
#include "run/offload.h"
#include "tests/kit/fakeloop.h"

struct fakepool {
	struct act_offload_pool pool;
	struct fakeloop *fake;
	struct rng rng;
	int64_t max_delay_ns; /* of the beginning and of the work, each */
	struct fakepool_ticket *tickets;
	bool is_dead;
	unsigned n_run, n_withdrawn, n_lost;
};

void fakepool_init(struct fakepool *p, struct fakeloop *fake, uint64_t seed, int64_t max_delay_ns);
/* kill -9: what has not begun never does; what was being done is done, and nobody hears of it.
 * Nothing more is taken. Before the shard is freed. */
void fakepool_kill(struct fakepool *p);
/* For the next life, once the loop has forgotten its calls. */
void fakepool_revive(struct fakepool *p);
