/*
 * runnerlink -- the daemon's side of musterd-runner, on libevent.
 *
 * A runner is sought when the first program is to run, and again, with growing pauses, after one
 * has died. What ran in a dead one ends at once as lost; what had not been sent waits for the next
 * one, and is lost only if that cannot be had either.
 * Threads: the loop's. Everything about calls is in runner.h.
 */
#pragma once

#include "base/log.h"
#include "edge/runner.h"
#include "edge/runnerspawn.h"

struct event_base;

#define RUNNERLINK_BACKOFF_MIN_MS 100
#define RUNNERLINK_BACKOFF_MAX_MS 5000
#define RUNNERLINK_END_MS	  2000 /* given to one of our own to end with us */

struct runnerlink_options {
	struct event_base *base;
	const struct log *log;
	const char *place;	  /* runnerspawn_open's; copied */
	struct runnerspawn spawn; /* one that is there already, taken over; fd -1: none */
};

/* Errors: NOMEM (then the spawn is still the caller's). */
enum err runnerlink_new(const struct runnerlink_options *o, struct runner **ret);
/* After all its calls. What still runs is killed. NULL is fine. */
void runnerlink_free(struct runner *r);
