/*
 * bench -- what the actor benchmarks share: a shard on the real loop, a result with its answer.
 *
 * Names, parameters and answers are those of README.md beside this file.
 */
#pragma once

#include "base/check.h"
#include "run/group.h"
#include "run/shard.h"
#include "run/sync.h"

struct event_base;

struct run {
	act_shard *shard;
	act_self *root;
	struct event_base *base;
	uint64_t ops;
	double answer;
	double inner_s; /* > 0: the part that counts, when set-up does not */
	double bytes, p99_us;
};

/* Runs with everything set up; leaves ops and answer. */
typedef void (*bench_fn)(struct run *r);

struct bench {
	const char *name;
	bench_fn fn;
};

/* Tables end with a NULL name. */
extern const struct bench bench_mail[], bench_many[], bench_ask[], bench_task[], bench_io[];

double bench_now_s(void);
uint64_t bench_rss_bytes(void);

/* CHECKs that the message was taken. */
static inline void bench_send(act_self *self, act_id to, uint32_t type, const void *p, size_t len)
{
	int rc = act_send(self, to, type, p, len);
	CHECK(rc == ACT_OK);
}

static inline struct run *run_of(act_self *self)
{
	return act_user(self);
}

/* The last message of a benchmark: keeps the answer and ends the loop. */
static inline void run_end(struct run *r, double answer)
{
	r->answer = answer;
	act_shard_ask_stop(r->shard);
}

/* CHECKs that the spawn succeeded. */
act_id bench_spawn(act_self *self, const act_class *cls, const void *arg, uint16_t cap);

/* The work of one item: `cost` steps of the logistic map. */
double bench_burn(unsigned cost);
