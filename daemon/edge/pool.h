/*
 * pool -- connections kept between calls: by key, the one used last first, bounded in number per
 * key and in all, in idle time and in age. It decides nothing about a response: what comes here is
 * clean (model/reuse.h).
 *
 * Threads    the loop's. Ownership: the pool closes what it drops (conn_close), so nothing here may
 *            be called inside a callback of the library, except pool_mark_closed.
 */
#pragma once

#include "base/clock.h"
#include "edge/evhttp_conn.h"
#include "edge/ticks.h"

struct pool;
struct pool_key;

struct pool_limits {
	uint32_t total, per_key;
	int64_t idle_ms, age_ms;
};

enum err pool_new(const struct clock *clock, struct ticks *ticks, uint64_t seed,
		  struct pool_limits limits, struct pool **ret);
/* Closes what is idle. NULL is allowed. */
void pool_free(struct pool *p);
/*
 * The key of that text, one of its users counted. The text begins with the origin: see
 * pool_in_use. Errors: NOMEM.
 */
enum err pool_use_key(struct pool *p, struct slice text, struct pool_key **ret);
void pool_leave_key(struct pool *p, struct pool_key *k);
struct slice pool_key_text(const struct pool_key *k);
/* Users of all keys whose text begins so. */
uint32_t pool_in_use(const struct pool *p, struct slice prefix);

/* The idle connection used last that is still open, silent and young; NULL. */
struct conn *pool_take(struct pool *p, struct pool_key *k);
/* Keeps it, or closes it if it is too old or there are too many. */
void pool_put(struct pool *p, struct pool_key *k, struct conn *c);
/* It closed itself while idle: out of the pool, closed at the next pool call from a turn. */
void pool_mark_closed(struct pool *p, struct conn *c);
void pool_sweep(struct pool *p);
void pool_close_idle(struct pool *p);
/* The one used longest ago of the key that got its first longest ago; nothing if none is idle. */
void pool_close_one(struct pool *p);
uint32_t pool_idle(const struct pool *p);
