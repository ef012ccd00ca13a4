/*
 * limiter_keys -- which keys there are: named ones (rules and origins), those of jobs; and which of
 * them a request counts under. Where that is the same for all requests of an origin, a route
 * remembers it, so that a fetch costs two look-ups.
 */
#include "actor/limiter_state.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_NS	   (60 * NS_PER_S)
#define SWEEP_MOST 1000u /* keys looked at in one sweep */

struct own_name {
	uint64_t job;
	uint64_t scope;
};

/* ---- jobs ---- */

struct limit_job *limit_job_get(struct limiter *l, const struct limit_ticket *t)
{
	struct slice name = {(const char *)&t->job, sizeof(t->job)};
	struct limit_job *j = table_get(&l->jobs, name);
	if (j == NULL) {
		j = calloc(1, sizeof(*j));
		if (j == NULL || table_put(&l->jobs, name, j, NULL) != ERR_OK) {
			free(j);
			return NULL;
		}
		j->id = t->job;
		j->uid = t->uid;
		list_init(&j->keys);
		list_init(&j->lanes);
	}
	j->priority = t->priority;
	j->refs++;
	return j;
}

void limit_job_unref(struct limiter *l, struct limit_job *j)
{
	if (--j->refs > 0)
		return;
	CHECK(table_remove(&l->jobs, (struct slice){(const char *)&j->id, sizeof(j->id)}) == j);
	free(j);
}

/* ---- one key's life ---- */

static struct limit_key *key_new(struct limiter *l, enum limit_key_kind kind, struct slice name)
{
	struct limit_key *k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->name = malloc(name.n + 1);
	if (k->name == NULL) {
		free(k);
		return NULL;
	}
	memcpy(k->name, name.p, name.n);
	k->name[name.n] = '\0';
	k->name_n = (uint32_t)name.n;
	k->serial = ++l->next_serial;
	k->kind = kind;
	k->used_ns = l->now_ns;
	limits_init(&k->limits);
	list_init(&k->users);
	list_init(&k->by_use);
	list_init(&k->of_job);
	list_init(&k->dirty);
	return k;
}

static void key_free(struct limiter *l, struct limit_key *k)
{
	for (uint32_t i = 0; i < k->n_quota; i++)
		quota_fini(&k->quota[i]);
	heap_remove(&l->ready, &k->ready);
	list_remove(&k->dirty);
	list_remove(&k->by_use);
	list_remove(&k->of_job);
	free(k->name);
	free(k);
}

void limit_key_unref(struct limiter *l, struct limit_key *k)
{
	CHECK(k->refs > 0);
	if (--k->refs == 0 && k->is_gone)
		key_free(l, k);
}

static struct slice name_of(const struct limit_key *k)
{
	return (struct slice){k->name, k->name_n};
}

/* Out of its table; freed now or with its last reference. */
static void key_retire(struct limiter *l, struct limit_key *k)
{
	if (k->kind != LIMIT_KEY_JOB)
		CHECK(table_remove(&l->named, name_of(k)) == k);
	list_remove(&k->by_use);
	k->is_gone = true;
	if (k->is_saved)
		limit_store_forget(l, k->name);
	if (k->refs == 0)
		key_free(l, k);
}

static bool needs_store(const struct limiter *l, const struct limits *limits)
{
	return l->store != 0 && (limits->rate.n > 0 || limits->n_quota > 0);
}

/* The longest unused key that has nothing to remember goes. */
static bool make_room(struct limiter *l)
{
	uint32_t looked = 0;
	LIST_EACH_SAFE (it, &l->keys_by_use) {
		struct limit_key *k = LIST_ENTRY(it, struct limit_key, by_use);
		if (++looked > SWEEP_MOST)
			break;
		if (k->refs == 0 && k->n_waiting == 0 && limit_key_is_fresh(l, k)) {
			key_retire(l, k);
			return true;
		}
	}
	return false;
}

static void route_free(struct limiter *l, struct limit_route *r);

static enum err named_key(struct limiter *l, enum limit_key_kind kind, struct slice name,
			  struct limit_key **ret)
{
	struct limit_key *k = table_get(&l->named, name);
	if (k != NULL) {
		*ret = k;
		return ERR_OK;
	}
	if (table_count(&l->named) >= l->max_keys) {
		struct link *oldest = list_first(&l->routes_by_use);
		if (oldest != NULL)
			route_free(l, LIST_ENTRY(oldest, struct limit_route, by_use));
		if (!make_room(l))
			return ERR_FULL;
	}
	k = key_new(l, kind, name);
	if (k == NULL)
		return ERR_NOMEM;
	if (table_put(&l->named, name, k, NULL) != ERR_OK) {
		key_free(l, k);
		return ERR_NOMEM;
	}
	list_push_back(&l->keys_by_use, &k->by_use);
	*ret = k;
	return ERR_OK;
}

static enum err rule_key(struct limiter *l, const struct rules_hit *hit, struct limit_key **ret)
{
	enum err e = named_key(l, LIMIT_KEY_RULE, (struct slice){hit->key, hit->key_n}, ret);
	struct limit_key *k = *ret;
	if (e != ERR_OK || (k->rule == hit->rule && !k->is_stale))
		return e;
	bool is_new = k->rule == NULL;
	e = limit_key_apply(l, k, &hit->rule->limits);
	if (e != ERR_OK)
		return e;
	k->rule = hit->rule;
	k->is_stale = false;
	k->is_blockable = hit->rule->host.n > 0 || hit->rule->by_host || hit->rule->by_header;
	k->persists = needs_store(l, &k->limits);
	if (is_new && l->store != 0)
		limit_store_recall(l, k);
	return ERR_OK;
}

static enum err origin_key(struct limiter *l, struct slice origin, bool has_rule,
			   struct limit_key **ret)
{
	char name[512];
	int n = snprintf(name, sizeof(name), "origin:%.*s", (int)origin.n, origin.p);
	enum err e = named_key(l, LIMIT_KEY_ORIGIN, (struct slice){name, (size_t)n}, ret);
	if (e == ERR_OK) {
		(*ret)->limits.concurrency = has_rule ? 0 : LIMIT_ORIGIN_DEFAULT;
		(*ret)->is_blockable = true;
	}
	return e;
}

static enum err connections_key(struct limiter *l, struct limit_key **ret)
{
	enum err e = named_key(l, LIMIT_KEY_ALL, SLICE_LIT("daemon:connections"), ret);
	if (e == ERR_OK)
		(*ret)->limits.concurrency = l->connections;
	return e;
}

/* ---- what a request counts under ---- */

static void bind_headers(const struct limiter *l, const struct limit_ticket *t,
			 struct rules_query *q)
{
	uint32_t have = t->rules != NULL ? rules_headers(t->rules) : 0;
	for (uint32_t i = 0; i < rules_headers(l->rules); i++) {
		for (uint32_t k = 0; k < have; k++) {
			if (slice_eq(rules_header(l->rules, i), rules_header(t->rules, k)))
				q->header[i] = t->header[k];
		}
	}
}

static void use_add(struct limit_use_of *use, uint32_t *n, struct limit_key *k, uint32_t cost)
{
	k->refs++;
	use[(*n)++] = (struct limit_use_of){.key = k, .cost = cost};
}

/* The keys of rules and of the origin. On failure those found so far stay in use. */
static enum err find_named(struct limiter *l, const struct limit_ticket *t,
			   struct limit_use_of *use, uint32_t *n)
{
	struct rules_hit hit[RULES_HITS_MAX];
	struct rules_query q = {.host = t->host,
				.domain = t->domain,
				.path = t->path,
				.method = t->method,
				.port = t->port,
				.uid = t->uid};
	bind_headers(l, t, &q);
	uint32_t hits = rules_match(l->rules, &q, hit);
	struct limit_key *k;
	for (uint32_t i = 0; i < hits; i++) {
		enum err e = rule_key(l, &hit[i], &k);
		if (e != ERR_OK)
			return e;
		use_add(use, n, k, hit[i].rule->limits.cost);
	}
	enum err e = origin_key(l, t->origin, hits > 0, &k);
	if (e == ERR_OK)
		use_add(use, n, k, 1);
	if (e == ERR_OK && l->connections > 0)
		e = connections_key(l, &k);
	if (e == ERR_OK && l->connections > 0)
		use_add(use, n, k, 1);
	return e;
}

static void route_free(struct limiter *l, struct limit_route *r)
{
	CHECK(table_remove(&l->routes, (struct slice){r->origin, r->origin_n}) == r);
	list_remove(&r->by_use);
	for (uint32_t i = 0; i < r->n; i++)
		limit_key_unref(l, r->use[i].key);
	free(r->origin);
	free(r);
}

/* Remembers what was found; without memory it is found again the next time. */
static void route_add(struct limiter *l, const struct limit_ticket *t,
		      const struct limit_use_of *use, uint32_t n)
{
	struct limit_route *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return;
	r->origin = malloc(t->origin.n + 1);
	if (r->origin == NULL || table_put(&l->routes, t->origin, r, NULL) != ERR_OK) {
		free(r->origin);
		free(r);
		return;
	}
	memcpy(r->origin, t->origin.p, t->origin.n);
	r->origin_n = (uint32_t)t->origin.n;
	r->used_ns = l->now_ns;
	list_push_back(&l->routes_by_use, &r->by_use);
	r->is_constant = rules_constant_for(l->rules, t->host, t->port);
	for (uint32_t i = 0; i < n && r->is_constant; i++)
		use_add(r->use, &r->n, use[i].key, use[i].cost);
}

static enum err add_named(struct limiter *l, struct limit_ticket *t)
{
	struct limit_route *r = table_get(&l->routes, t->origin);
	if (r != NULL) {
		r->used_ns = l->now_ns;
		list_remove(&r->by_use);
		list_push_back(&l->routes_by_use, &r->by_use);
	}
	if (r != NULL && r->is_constant) {
		for (uint32_t i = 0; i < r->n; i++)
			use_add(t->use, &t->n_use, r->use[i].key, r->use[i].cost);
		return ERR_OK;
	}
	uint32_t first = t->n_use;
	enum err e = find_named(l, t, t->use, &t->n_use);
	if (e == ERR_OK && r == NULL)
		route_add(l, t, t->use + first, t->n_use - first);
	return e;
}

static struct limit_key *own_new(struct limiter *l, const struct limit_ticket *t,
				 const struct limit_own *own)
{
	char text[64];
	struct own_name name = {t->job, own->scope};
	int n = snprintf(text, sizeof(text), "job:%llu:%u", (unsigned long long)t->job,
			 (unsigned)own->scope);
	struct limit_job *job = limit_job_get(l, t);
	struct limit_key *k =
		job != NULL ? key_new(l, LIMIT_KEY_JOB, (struct slice){text, (size_t)n}) : NULL;
	if (k == NULL || table_put(&l->own, (struct slice){(const char *)&name, sizeof(name)}, k,
				   NULL) != ERR_OK) {
		if (k != NULL)
			key_free(l, k);
		if (job != NULL)
			limit_job_unref(l, job);
		return NULL;
	}
	list_push_back(&job->keys, &k->of_job);
	struct limits limits;
	limits_init(&limits);
	limits.concurrency = own->concurrency;
	limits.rate = own->rate;
	limits.burst = own->burst > 0 ? own->burst : 1;
	limit_key_apply(l, k, &limits); /* no quota: cannot fail */
	k->persists = t->is_durable && needs_store(l, &limits);
	if (k->persists)
		limit_store_recall(l, k);
	return k;
}

static enum err add_own(struct limiter *l, struct limit_ticket *t)
{
	for (uint32_t i = 0; i < t->n_own; i++) {
		struct own_name name = {t->job, t->own[i].scope};
		struct limit_key *k =
			table_get(&l->own, (struct slice){(const char *)&name, sizeof(name)});
		if (k == NULL)
			k = own_new(l, t, &t->own[i]);
		if (k == NULL)
			return ERR_NOMEM;
		use_add(t->use, &t->n_use, k, 1);
	}
	return ERR_OK;
}

/* The rule that bears this very name; templates have many. NULL: none. */
static const struct rule *rule_named(const struct limiter *l, struct slice key)
{
	for (uint32_t i = 0; i < rules_count(l->rules); i++) {
		const struct rule *r = rules_at(l->rules, i);
		if (!r->by_host && !r->by_user && !r->by_header && slice_eq(r->key, key))
			return r;
	}
	return NULL;
}

/* NOT_FOUND; INVALID: more than there ever is. */
static enum err add_permit(struct limiter *l, struct limit_ticket *t)
{
	const struct rule *rule = rule_named(l, t->key);
	struct rules_hit hit = {.rule = rule};
	struct limit_key *k;
	if (rule == NULL || t->key.n > sizeof(hit.key))
		return ERR_NOT_FOUND;
	for (uint32_t i = 0; i < rule->limits.n_quota; i++)
		if (t->cost > rule->limits.quota[i].n)
			return ERR_INVALID;
	memcpy(hit.key, t->key.p, t->key.n);
	hit.key_n = (uint32_t)t->key.n;
	enum err e = rule_key(l, &hit, &k);
	if (e == ERR_OK)
		use_add(t->use, &t->n_use, k, t->cost);
	return e;
}

enum err limit_keys_resolve(struct limiter *l, struct limit_ticket *t)
{
	t->n_use = 0;
	enum err e = add_own(l, t);
	if (e == ERR_OK && t->key.n > 0)
		e = add_permit(l, t);
	else if (e == ERR_OK && t->origin.n > 0)
		e = add_named(l, t);
	if (e != ERR_OK)
		limit_keys_drop(l, t);
	return e;
}

void limit_keys_drop(struct limiter *l, struct limit_ticket *t)
{
	for (uint32_t i = 0; i < t->n_use; i++) {
		struct limit_key *k = t->use[i].key;
		if (k->kind != LIMIT_KEY_JOB && !k->is_gone) {
			k->used_ns = l->now_ns;
			list_remove(&k->by_use);
			list_push_back(&l->keys_by_use, &k->by_use);
		}
		limit_key_unref(l, k);
	}
	t->n_use = 0;
}

/* ---- ends ---- */

static void own_retire(struct limiter *l, uint64_t job, struct limit_key *k)
{
	/* "job:7:0" */
	struct own_name name = {job, strtoull(strrchr(k->name, ':') + 1, NULL, 10)};
	struct slice own = {(const char *)&name, sizeof(name)};
	CHECK(table_remove(&l->own, own) == k);
	key_retire(l, k);
}

void limit_keys_job_end(struct limiter *l, uint64_t id)
{
	char saved[40];
	snprintf(saved, sizeof(saved), "job:%llu:0", (unsigned long long)id);
	limit_store_forget_saved(l, saved);
	struct limit_job *j = table_get(&l->jobs, (struct slice){(const char *)&id, sizeof(id)});
	if (j == NULL)
		return;
	j->refs++;
	for (struct link *it; (it = list_pop_front(&j->keys)) != NULL;) {
		own_retire(l, id, LIST_ENTRY(it, struct limit_key, of_job));
		limit_job_unref(l, j);
	}
	limit_job_unref(l, j);
}

void limit_keys_waited_for(struct limiter *l, void (*fn)(struct limiter *l, struct limit_key *k))
{
	TABLE_EACH (it, &l->named) {
		if (((struct limit_key *)it->value)->n_waiting > 0)
			fn(l, it->value);
	}
	TABLE_EACH (it, &l->own) {
		if (((struct limit_key *)it->value)->n_waiting > 0)
			fn(l, it->value);
	}
}

void limit_keys_reload(struct limiter *l, struct rules *rules)
{
	for (struct link *it; (it = list_first(&l->routes_by_use)) != NULL;)
		route_free(l, LIST_ENTRY(it, struct limit_route, by_use));
	/* the old rules may be freed, and a new one lie at the same address */
	TABLE_EACH (it, &l->named) {
		struct limit_key *k = it->value;
		if (k->rule != NULL)
			k->is_stale = true;
	}
	rules_unref(l->rules);
	l->rules = rules;
}

int64_t limit_keys_idle_at(const struct limiter *l)
{
	int64_t at = INT64_MAX;
	struct link *r = list_first(&l->routes_by_use), *k = list_first(&l->keys_by_use);
	if (r != NULL)
		at = LIST_ENTRY(r, struct limit_route, by_use)->used_ns;
	if (k != NULL && LIST_ENTRY(k, struct limit_key, by_use)->used_ns < at)
		at = LIST_ENTRY(k, struct limit_key, by_use)->used_ns;
	return at == INT64_MAX ? at : at + IDLE_NS;
}

void limit_keys_sweep(struct limiter *l)
{
	for (struct link *it; (it = list_first(&l->routes_by_use)) != NULL;) {
		struct limit_route *r = LIST_ENTRY(it, struct limit_route, by_use);
		if (l->now_ns - r->used_ns < IDLE_NS)
			break;
		route_free(l, r);
	}
	uint32_t looked = 0;
	LIST_EACH_SAFE (it, &l->keys_by_use) {
		struct limit_key *k = LIST_ENTRY(it, struct limit_key, by_use);
		if (l->now_ns - k->used_ns < IDLE_NS || ++looked > SWEEP_MOST)
			break;
		if (k->refs == 0 && k->n_waiting == 0 && limit_key_is_fresh(l, k))
			key_retire(l, k);
	}
}

/* A key that granted tickets still hold is freed with the last of them. */
static void key_leave(struct limiter *l, struct limit_key *k)
{
	list_remove(&k->by_use);
	list_remove(&k->of_job);
	heap_remove(&l->ready, &k->ready);
	k->is_gone = true;
	if (k->refs == 0)
		key_free(l, k);
}

void limit_keys_fini(struct limiter *l)
{
	for (struct link *it; (it = list_first(&l->routes_by_use)) != NULL;)
		route_free(l, LIST_ENTRY(it, struct limit_route, by_use));
	TABLE_EACH (it, &l->named)
		key_leave(l, it->value);
	TABLE_EACH (it, &l->own)
		key_leave(l, it->value);
	TABLE_EACH (it, &l->jobs)
		free(it->value);
	table_fini(&l->named);
	table_fini(&l->own);
	table_fini(&l->jobs);
	table_fini(&l->routes);
	table_fini(&l->lanes);
}
