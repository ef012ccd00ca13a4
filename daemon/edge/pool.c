#include "edge/pool.h"

#include "base/check.h"
#include "base/table.h"
#include "model/reuse.h"

#include <stdlib.h>
#include <string.h>

struct pool {
	const struct clock *clock;
	struct ticks *ticks;
	struct tick tick;
	struct table keys;
	struct link closed; /* conn_place.link: closed themselves while idle */
	struct link all;    /* pool_key.link: keys with idle connections */
	struct pool_limits limits;
	uint32_t n_idle;
};

struct pool_key {
	struct pool *pool;
	struct link link; /* in pool.all while idle is not empty */
	struct link idle; /* conn_place.link, used last first */
	uint32_t n_idle, n_users;
	size_t n;
	char text[];
};

static void on_tick(struct tick *t);

enum err pool_new(const struct clock *clock, struct ticks *ticks, uint64_t seed,
		  struct pool_limits limits, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	p->clock = clock;
	p->ticks = ticks;
	p->limits = limits;
	tick_init(&p->tick, on_tick);
	table_init(&p->keys, seed);
	list_init(&p->closed);
	list_init(&p->all);
	*ret = p;
	return ERR_OK;
}

struct slice pool_key_text(const struct pool_key *k)
{
	return (struct slice){k->text, k->n};
}

enum err pool_use_key(struct pool *p, struct slice text, struct pool_key **ret)
{
	struct pool_key *k = table_get(&p->keys, text);
	if (k == NULL) {
		k = calloc(1, sizeof(*k) + text.n + 1);
		if (k == NULL)
			return ERR_NOMEM;
		k->pool = p;
		k->n = text.n;
		memcpy(k->text, text.p, text.n);
		list_init(&k->link);
		list_init(&k->idle);
		if (table_put(&p->keys, text, k, NULL) != ERR_OK) {
			free(k);
			return ERR_NOMEM;
		}
	}
	k->n_users++;
	*ret = k;
	return ERR_OK;
}

static void drop_unused(struct pool *p, struct pool_key *k)
{
	if (k->n_users > 0 || k->n_idle > 0)
		return;
	table_remove(&p->keys, pool_key_text(k));
	free(k);
}

void pool_leave_key(struct pool *p, struct pool_key *k)
{
	CHECK(k->n_users > 0);
	k->n_users--;
	drop_unused(p, k);
}

uint32_t pool_in_use(const struct pool *p, struct slice prefix)
{
	uint32_t n = 0;
	TABLE_EACH (e, &p->keys) {
		const struct pool_key *k = e->value;
		if (k->n >= prefix.n && memcmp(k->text, prefix.p, prefix.n) == 0)
			n += k->n_users;
	}
	return n;
}

uint32_t pool_idle(const struct pool *p)
{
	return p->n_idle;
}

/* Takes it out of the idle ones; the key stays even if nobody uses it. */
static struct pool_key *unlink_idle(struct pool *p, struct conn_place *place)
{
	struct pool_key *k = place->key;
	list_remove(&place->link);
	place->key = NULL;
	k->n_idle--;
	p->n_idle--;
	if (k->n_idle == 0)
		list_remove(&k->link);
	return k;
}

static void close_idle(struct pool *p, struct conn_place *place)
{
	struct pool_key *k = unlink_idle(p, place);
	conn_close(conn_of_place(place));
	drop_unused(p, k);
}

void pool_mark_closed(struct pool *p, struct conn *c)
{
	struct conn_place *place = conn_place(c);
	if (place->key == NULL)
		return;
	struct pool_key *k = unlink_idle(p, place);
	list_push_back(&p->closed, &place->link);
	drop_unused(p, k);
}

void pool_sweep(struct pool *p)
{
	while (!list_empty(&p->closed)) {
		struct conn_place *place =
			LIST_ENTRY(list_pop_front(&p->closed), struct conn_place, link);
		conn_close(conn_of_place(place));
	}
}

static int64_t old_at(const struct pool *p, const struct conn_place *c)
{
	int64_t idle = c->idle_since_ns + c->idle_limit_ms * NS_PER_MS;
	int64_t age = c->born_ns + p->limits.age_ms * NS_PER_MS;
	return idle < age ? idle : age;
}

static bool is_old(const struct pool *p, const struct conn_place *c, int64_t now_ns)
{
	return now_ns >= old_at(p, c);
}

struct conn *pool_take(struct pool *p, struct pool_key *k)
{
	int64_t now = k->n_idle > 0 ? clock_mono_ns(p->clock) : 0;
	while (k->n_idle > 0) {
		struct conn_place *place =
			LIST_ENTRY(list_first(&k->idle), struct conn_place, link);
		struct conn *c = conn_of_place(place);
		unlink_idle(p, place);
		if (!is_old(p, place, now) && conn_is_quiet(c))
			return c;
		conn_close(c);
	}
	return NULL;
}

static struct conn_place *last_of(struct pool_key *k)
{
	return LIST_ENTRY(k->idle.prev, struct conn_place, link);
}

/* The tick comes when the first of them is too old, at most once a second. */
static void arm(struct pool *p, int64_t due_ns)
{
	if (!list_empty(&p->tick.link)) {
		if (p->tick.due_ns <= due_ns)
			return;
		tick_disarm(&p->tick);
	}
	tick_arm(p->ticks, &p->tick, due_ns);
}

void pool_close_one(struct pool *p)
{
	if (!list_empty(&p->all))
		close_idle(p, last_of(LIST_ENTRY(list_first(&p->all), struct pool_key, link)));
}

void pool_put(struct pool *p, struct pool_key *k, struct conn *c)
{
	struct conn_place *place = conn_place(c);
	int64_t now = clock_mono_ns(p->clock);
	place->idle_since_ns = now;
	place->idle_limit_ms = reuse_idle_ms(place->said_idle_ms, p->limits.idle_ms);
	if (is_old(p, place, now) || p->limits.total == 0) {
		conn_close(c);
		return;
	}
	if (k->n_idle >= p->limits.per_key)
		close_idle(p, last_of(k));
	if (p->n_idle >= p->limits.total)
		pool_close_one(p);
	place->key = k;
	list_push_front(&k->idle, &place->link);
	if (k->n_idle++ == 0)
		list_push_back(&p->all, &k->link);
	p->n_idle++;
	int64_t due = old_at(p, place);
	arm(p, due < now + NS_PER_S ? now + NS_PER_S : due);
}

/* What is too old goes, oldest first within a key. */
static void on_tick(struct tick *t)
{
	struct pool *p = LIST_ENTRY(t, struct pool, tick);
	int64_t now = clock_mono_ns(p->clock), next = INT64_MAX;
	pool_sweep(p);
	LIST_EACH_SAFE (l, &p->all) {
		struct pool_key *k = LIST_ENTRY(l, struct pool_key, link);
		LIST_EACH_SAFE (i, &k->idle) {
			struct conn_place *place = LIST_ENTRY(i, struct conn_place, link);
			bool last = k->n_idle == 1;
			int64_t at = old_at(p, place);
			if (now >= at)
				close_idle(p, place);
			else if (at < next)
				next = at;
			if (last)
				break;
		}
	}
	if (p->n_idle > 0)
		arm(p, next < now + NS_PER_S ? now + NS_PER_S : next);
}

void pool_close_idle(struct pool *p)
{
	pool_sweep(p);
	while (!list_empty(&p->all)) {
		struct pool_key *k = LIST_ENTRY(list_first(&p->all), struct pool_key, link);
		close_idle(p, last_of(k));
	}
}

void pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	pool_close_idle(p);
	tick_disarm(&p->tick);
	TABLE_EACH (e, &p->keys) {
		free(e->value);
	}
	table_fini(&p->keys);
	free(p);
}
