/*
 * fakeloop -- a clock that stands still and an event loop that moves it: waiting takes no time.
 *
 * poll with a timeout moves the clock by it; poll for ever (nothing can happen any more) sets
 * `is_stuck`, and moves nothing. Callbacks put in with fakeloop_at run from poll when the clock has
 * reached their time, in the order of their times, then of their coming.
 */
#pragma once

#include "base/clock.h"
#include "run/loop.h"

#include <stdbool.h>

struct fakeloop_call {
	struct fakeloop_call *next;
	int64_t at_ns;
	void (*fn)(void *ctx);
	void *ctx;
};

struct fakeloop {
	struct act_loop loop;
	struct clock clock;
	int64_t now_ns; /* all three clocks; wall adds wall_offset_ns */
	int64_t wall_offset_ns;
	bool is_woken, is_stuck;
	struct fakeloop_call *calls;
};

void fakeloop_init(struct fakeloop *f);
void fakeloop_fini(struct fakeloop *f);
/* fn(ctx) runs from a poll at or after at_ns. */
void fakeloop_at(struct fakeloop *f, int64_t at_ns, void (*fn)(void *ctx), void *ctx);
/* When the next call is due; INT64_MAX: none. */
int64_t fakeloop_next_ns(const struct fakeloop *f);
