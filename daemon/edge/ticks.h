/*
 * ticks -- very many coarse deadlines on one timer of the loop.
 *
 * A deadline is never early and at most two ticks (2 x 16 ms) late. Arming, moving and disarming
 * are a few instructions and touch no timer of the loop unless the earliest deadline changes.
 * Threads: the loop's.
 */
#pragma once

#include "base/clock.h"
#include "base/err.h"
#include "base/list.h"

struct event_base;
struct ticks;

/* Embedded in what waits; zero-initialise with tick_init. */
struct tick {
	struct link link;
	int64_t due_ns;
	void (*fire)(struct tick *t); /* disarmed before the call */
};

enum err ticks_new(struct event_base *base, const struct clock *clock, struct ticks **ret);
/* What is still armed never fires. NULL is allowed. */
void ticks_free(struct ticks *w);
void tick_init(struct tick *t, void (*fire)(struct tick *t));
/* Monotonic nanoseconds. Moving it to a later time costs nothing. */
void tick_arm(struct ticks *w, struct tick *t, int64_t due_ns);
void tick_disarm(struct tick *t);
