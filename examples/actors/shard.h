/*
 * What each example needs around it: the clock of the machine and one shard on libevent.
 */
#pragma once

#include <edge/loop_libevent.h>
#include <run/shard.h>
#include <stddef.h>
#include <time.h>

static inline int64_t example_now_ns(void *ctx)
{
	struct timespec t;
	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Runs what `start` sets up, until no actor is left. Returns 0, or 1 without memory. */
static inline int example_run(void (*start)(act_self *root))
{
	static const struct clock clock = {
		.mono_ns = example_now_ns, .boot_ns = example_now_ns, .wall_ns = example_now_ns};
	struct loop_libevent *loop = loop_libevent_new();
	if (loop == NULL)
		return 1;
	const struct act_shard_opts opts = {.clock = &clock, .loop = loop_libevent_loop(loop)};
	act_shard *shard = act_shard_new(&opts);
	if (shard != NULL) {
		start(act_shard_root(shard));
		act_shard_run(shard, true);
		act_shard_free(shard);
	}
	loop_libevent_free(loop);
	return shard != NULL ? 0 : 1;
}
