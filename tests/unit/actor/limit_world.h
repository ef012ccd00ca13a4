/* limit_world -- a limiter on a fake loop, and clients that ask it, for its tests. */
#pragma once

#include "actor/limiter.h"
#include "actor/store.h"
#include "base/rng.h"
#include "proto/jsontree.h"
#include "run/scope.h"
#include "tests/unit/run/world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MS NS_PER_MS
#define S  NS_PER_S

struct limit_world {
	struct world w;
	struct rules *rules;
	act_id limiter, store_actor;
	uint32_t held, most_held; /* by clients, now and ever */
	uint32_t n_granted;	  /* so far: order of grants */
};

/* One request: what it asks, how long it holds, how it ends; and what became of it. */
struct client {
	struct limit_world *lw;
	struct limit_ask ask;
	int64_t start_ns, hold_ns;
	struct limit_outcome outcome;
	bool leaves_it; /* dies with the ticket in its hands */
	/* what became of it */
	bool is_granted, is_refused, is_done, was_cancelled;
	enum kind kind;
	char message[256];
	int64_t granted_ns;
	uint32_t order; /* of its grant, from 1 */
	int64_t use_before_ns, bandwidth;
	act_id id;
	struct limit_ticket *ticket; /* in its hands */
};

struct client_frame {
	act_co co;
	int rc;
	act_msg *m;
};

static inline void client_note(act_self *self, struct client *c, struct client_frame *f)
{
	c->ticket = limit_granted(f->m);
	if (c->ticket != NULL) {
		struct limit_world *lw = c->lw;
		c->is_granted = true;
		c->granted_ns = act_now_ns(self);
		c->order = ++lw->n_granted;
		c->use_before_ns = limit_ticket_use_before_ns(c->ticket);
		c->bandwidth = limit_ticket_bandwidth(c->ticket);
		if (++lw->held > lw->most_held)
			lw->most_held = lw->held;
	} else {
		const struct limit_refusal *no = limit_refused(f->m);
		c->is_refused = true;
		c->kind = no->kind;
		memcpy(c->message, no->message, sizeof(c->message));
	}
	act_drop(self, f->m);
}

/* However the client ends. */
static inline void client_lost(act_self *self, void *arg)
{
	struct client *c = arg;
	(void)self;
	limit_abandon(c->ticket);
	c->ticket = NULL;
}

static inline int client_step(act_self *self, void *frame)
{
	struct client_frame *f = frame;
	struct client *c = act_arg(self);
	CO_BEGIN(&f->co);
	CO_AWAIT(&f->co, f->rc, act_sleep_until(self, c->start_ns));
	CO_AWAIT(&f->co, f->rc,
		 limit_acquire(self, c->lw->limiter, limit_ticket_new(&c->ask), &f->m));
	if (f->rc != ACT_OK) {
		c->was_cancelled = true;
		return f->rc;
	}
	act_defer(self, client_lost, c);
	client_note(self, c, f);
	if (c->ticket == NULL)
		return ACT_EXIT;
	CO_AWAIT(&f->co, f->rc, act_sleep(self, c->hold_ns));
	c->lw->held--;
	c->is_done = true;
	if (c->leaves_it)
		return ACT_EXIT;
	limit_release(self, c->lw->limiter, c->ticket, &c->outcome);
	c->ticket = NULL;
	CO_END(&f->co);
}

static inline struct rules *world_rules(const char *text)
{
	json_t *list = NULL;
	struct jsonscan_error at;
	struct fields_error error = {.text = ""};
	struct rules *r = NULL;
	ck_assert_int_eq(jsontree_parse(slice_of(text), NULL, &list, &at), ERR_OK);
	enum err e = rules_read(list, NULL, NULL, &r, &error);
	ck_assert_msg(e == ERR_OK, "%s", error.text);
	json_decref(list);
	return r;
}

/* store may be NULL. start_ns is where the clock stands. */
static inline void limit_open_at(struct limit_world *lw, const char *rules, struct store *store,
				 int64_t start_ns, int64_t wall_offset_ns, uint64_t boot_id)
{
	memset(lw, 0, sizeof(*lw));
	fakeloop_init(&lw->w.fake);
	lw->w.fake.now_ns = start_ns;
	lw->w.fake.wall_offset_ns = wall_offset_ns;
	struct act_shard_opts opts = {
		.seed = 1, .clock = &lw->w.fake.clock, .loop = &lw->w.fake.loop, .user = lw};
	lw->w.sh = act_shard_new(&opts);
	lw->w.root = act_shard_root(lw->w.sh);
	lw->rules = world_rules(rules);
	if (store != NULL) {
		struct store_actor_opts so = {.store = store, .clock = &lw->w.fake.clock};
		lw->store_actor = store_actor_spawn(lw->w.root, &so);
		ck_assert_uint_ne(lw->store_actor, 0);
	}
	struct limiter_opts lo = {.rules = lw->rules,
				  .store = lw->store_actor,
				  .clock = &lw->w.fake.clock,
				  .boot_id = boot_id,
				  .seed = 7};
	lw->limiter = limiter_spawn(lw->w.root, &lo);
	ck_assert_uint_ne(lw->limiter, 0);
}

static inline void limit_open(struct limit_world *lw, const char *rules)
{
	limit_open_at(lw, rules, NULL, S, 0, 1);
}

static inline void limit_close(struct limit_world *lw)
{
	world_close(&lw->w);
	rules_unref(lw->rules);
}

/* A request for http://HOST/ by job 1 of user 1000, held for no time, answered 200. */
static inline struct client client_of(struct limit_world *lw, const char *host)
{
	static char origin[64][80];
	static unsigned n;
	char *o = origin[n++ % 64];
	snprintf(o, sizeof(origin[0]), "http://%s", host);
	return (struct client){
		.lw = lw,
		.ask = {.rules = lw->rules,
			.job = 1,
			.leaf = 1,
			.uid = 1000,
			.priority = 5,
			.origin = slice_of(o),
			.host = slice_of(o + 7),
			.path = SLICE_LIT("/"),
			.method = SLICE_LIT("GET"),
			.port = 80,
			.deadline_ns = INT64_MAX,
			.attempt = 1},
		.outcome = {.use = LIMIT_USED, .status = 200, .retry_after_ms = -1},
	};
}

static inline void client_start(struct client *c)
{
	struct act_task_opts o = {.name = "client", .arg = c};
	c->id = act_spawn_task(c->lw->w.root, client_step, sizeof(struct client_frame), &o);
	ck_assert_uint_ne(c->id, 0);
}

/* Most of sorted times in any window [t, t + len). */
static inline int64_t most_within(const int64_t *at, size_t n, int64_t len)
{
	int64_t most = 0;
	size_t last = 0;
	for (size_t first = 0; first < n; first++) {
		while (last < n && at[last] - at[first] < len)
			last++;
		if ((int64_t)(last - first) > most)
			most = (int64_t)(last - first);
	}
	return most;
}

/* burst + rate * window + 1, for windows up to the whole. */
static inline void check_rate(const int64_t *at, size_t n, int64_t rate_n, int64_t per_ns,
			      int64_t burst)
{
	for (int64_t len = per_ns / rate_n / 2 + 1; len < 1000 * S; len = len * 3 / 2 + 1) {
		double most = (double)burst + (double)rate_n * (double)len / (double)per_ns + 1;
		ck_assert_msg((double)most_within(at, n, len) <= most,
			      "%lld in a window of %lld ns, at most %f",
			      (long long)most_within(at, n, len), (long long)len, most);
	}
}
