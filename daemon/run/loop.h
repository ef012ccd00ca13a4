/*
 * loop -- what a shard needs of an event loop. edge/loop_libevent is the real one, tests/kit has a
 * fake one.
 */
#pragma once

#include <stdint.h>

struct act_loop {
	void *ctx;
	/* Runs what is ready. timeout_ns 0: does not wait; > 0: waits at most so long (rounded up
	 * to what the loop can); < 0: until something happens or wake. Owning thread. */
	void (*poll)(void *ctx, int64_t timeout_ns);
	/* Ends a waiting poll, or the next one at once. Any thread; coalesces. */
	void (*wake)(void *ctx);
};
