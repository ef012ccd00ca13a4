/*
 * supervise -- restarts actors that fail, as Erlang's supervisors do: strategy, intensity per
 * period, shutdown in reverse order (stop, wait, cancel, grace, kill); plus back-off with jitter.
 *
 *	static act_id start(act_self *self)
 *	{
 *		static const struct act_child_spec child[] = {
 *			{.cls = &counter}, {.cls = &counter, .restart = ACT_TRANSIENT}};
 *		static const struct act_sup sup = {
 *			.strategy = ACT_REST_FOR_ONE, .intensity = 3, .backoff_max_ms = 1000};
 *		return act_supervise(self, &sup, child, 2, NULL);
 *	}
 *
 * Actor code only; never blocks. A restarted child is a new actor with a new id; act_child_id finds
 *the present one. Its name in the supervisor is its place in the table.
 */
#pragma once

#include "run/actor.h"

enum act_restart { ACT_PERMANENT, ACT_TRANSIENT /* only if it failed */, ACT_TEMPORARY };
enum act_strategy { ACT_ONE_FOR_ONE, ACT_ONE_FOR_ALL, ACT_REST_FOR_ONE };

struct act_child_spec {
	const act_class *cls;
	const void *arg; /* must live as long as the supervisor */
	struct act_opts opts;
	uint8_t restart; /* enum act_restart */
};

struct act_sup {
	uint8_t strategy;
	uint16_t intensity;   /* restarts allowed per period; the next one fails the supervisor */
	uint32_t period_ms;   /* 0 = 5000 */
	uint32_t shutdown_ms; /* from stop to cancel, and again from cancel to kill; 0 = 5000 */
	uint32_t backoff_min_ms, backoff_max_ms; /* 0, 0: at once; doubles per restart in a row */
};

/* Spawns the supervisor and, in order, its children; both tables are copied. 0: no memory, or a
 * child could not be started (those before it are stopped). act_stop or act_cancel of the
 * supervisor shuts the children down in reverse order first; it then ends with ACT_EXIT. */
act_id act_supervise(act_self *self, const struct act_sup *sup, const struct act_child_spec *child,
		     size_t n, const struct act_opts *opts);
/* The present id of child i; 0 while it waits for its restart. Same shard. */
act_id act_child_id(act_self *self, act_id supervisor, size_t i);
