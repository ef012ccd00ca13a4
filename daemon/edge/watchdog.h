/*
 * watchdog -- a thread that looks at shards from outside and names the actor that holds one: a
 * behaviour that does not return cannot be interrupted, but it can be known.
 *
 * Held means: two looks found the same activation. It is said once per activation (log, warn
 * "shard.held"), later once more, as an error and with a call, when it is stuck. A shard that
 * sleeps or runs many short behaviours is neither. Threads    watchdog_new, _start, _free: the
 * owner's. The thread takes no signals. on_stuck and the log's sink are called on it. Free it
 * before the shards.
 */
#pragma once

#include "base/log.h"
#include "run/shard.h"

struct watchdog;

struct watchdog_opts {
	act_shard *const *shards; /* copied; at most ACT_SHARDS_MAX */
	unsigned n_shards;
	const struct log *log;
	/* Between looks, 0 = 500 ms; ten times that while all shards sleep. Held is said after one
	 * to two of it, or up to ten more if it had slept before. */
	int64_t look_ns;
	int64_t stuck_ns; /* on_stuck after so long; 0 = never */
	void (*on_stuck)(void *ctx, unsigned shard, const char *class_name);
	void *ctx;
};

/* NULL: no memory. Looks at nothing until started. */
struct watchdog *watchdog_new(const struct watchdog_opts *opts);
/* False: no thread to be had. */
bool watchdog_start(struct watchdog *w);
/* One look, as the thread does it; for an owner that has not started it. */
void watchdog_look(struct watchdog *w, int64_t now_ns);
/* Stops the thread. NULL is ignored. */
void watchdog_free(struct watchdog *w);
