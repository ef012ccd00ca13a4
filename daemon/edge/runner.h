/*
 * runner -- what runs programs for the daemon, which never does so itself. The real one is behind
 * edge/runnerlink; a world without one has NULL.
 *
 * Threads    the loop's; on_end comes from its callbacks, never inside start, cancel or abandon.
 * Ownership  start copies what it is told; the call is the caller's memory, at its place from start
 *            until on_end or abandon.
 */
#pragma once

#include "base/list.h"
#include "proto/runnerwire.h"

struct runner;
struct runner_call;

/* How it ended; the texts are valid during the event. */
struct runner_end {
	bool is_lost; /* the runner died, or there is none: what follows is empty but for why */
	const char *why;
	struct runnerwire_ended ended;
};

struct runner_call {
	void (*on_end)(struct runner_call *c, const struct runner_end *end); /* in */
	/* The runner's. */
	struct link link;
	uint64_t id;
	struct bytes frame; /* until it is sent */
};

struct runner_ops {
	/* Errors: NOMEM, TOO_LARGE (arguments, environment and stdin together). */
	enum err (*start)(struct runner *r, const struct runnerwire_run *run,
			  struct runner_call *c);
	/* Asks for its end: SIGTERM, then SIGKILL. on_end comes all the same. */
	void (*cancel)(struct runner *r, struct runner_call *c);
	/* The same, and there will be no on_end. Of a call that has ended: nothing. */
	void (*abandon)(struct runner *r, struct runner_call *c);
	/* Calls that have not ended. */
	uint32_t (*n_calls)(const struct runner *r);
};

struct runner {
	const struct runner_ops *ops;
};
