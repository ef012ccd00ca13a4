#include "tests/sim/jobtree.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define NODES_MOST   40
#define REPEATS_MOST 4

struct growing {
	struct rng *rng;
	uint32_t n_serials, n_nodes, repeats;
};

static bool one_in(struct growing *g, uint32_t n)
{
	return rng_below(g->rng, n) == 0;
}

static struct jobtree *node(struct growing *g, enum jobtree_verb verb)
{
	struct jobtree *t = calloc(1, sizeof(*t));
	CHECK(t != NULL);
	t->verb = verb;
	t->serial = g->n_serials++;
	t->host = (uint8_t)(t->serial % 3);
	t->stagger = -1;
	t->ms = 1;
	g->n_nodes++;
	CHECK(g->n_serials < JOBTREE_FETCHES);
	return t;
}

static struct jobtree *grow_fetch(struct growing *g)
{
	static const uint8_t server[] = {JOBTREE_WORKS,	     JOBTREE_WORKS,	 JOBTREE_WORKS,
					 JOBTREE_WORKS,	     JOBTREE_WORKS,	 JOBTREE_MISSING,
					 JOBTREE_MISSING,    JOBTREE_DOWN,	 JOBTREE_HANGS,
					 JOBTREE_FLAKY_ONCE, JOBTREE_FLAKY_TWICE};
	struct jobtree *t = node(g, JOBTREE_FETCH);
	t->server = (enum jobtree_server)server[rng_below(g->rng, sizeof(server))];
	if (one_in(g, 3))
		t->ms = 1 + (uint32_t)rng_below(g->rng, 1200);
	return t;
}

static struct jobtree *grow_leaf(struct growing *g)
{
	static const uint8_t verb[] = {JOBTREE_FETCH, JOBTREE_FETCH, JOBTREE_FETCH, JOBTREE_FETCH,
				       JOBTREE_EMIT,  JOBTREE_FAIL,  JOBTREE_SLEEP};
	enum jobtree_verb v = (enum jobtree_verb)verb[rng_below(g->rng, sizeof(verb))];
	struct jobtree *t = v == JOBTREE_FETCH ? grow_fetch(g) : node(g, v);
	if (v == JOBTREE_SLEEP)
		t->ms = 1 + (uint32_t)rng_below(g->rng, one_in(g, 2) ? 50 : 2500);
	return t;
}

/* Of the tasks that clean up or handle: nothing that takes long. */
static struct jobtree *grow_small(struct growing *g)
{
	struct jobtree *t = node(g, one_in(g, 2) ? JOBTREE_FETCH : JOBTREE_EMIT);
	if (t->verb == JOBTREE_FETCH && one_in(g, 4))
		t->server = JOBTREE_MISSING;
	return t;
}

static void put_mod(struct growing *g, struct jobtree *t, enum jobtree_mod m)
{
	static const unsigned caught[] = {JOBTREE_KIND_STATUS, JOBTREE_KIND_DEADLINE,
					  JOBTREE_KIND_FAIL | JOBTREE_KIND_ATTEMPT,
					  JOBTREE_KIND_ALL, JOBTREE_KIND_ALL};
	t->mods |= 1u << m;
	if (m == JOBTREE_FINALLY)
		t->finally = grow_small(g);
	if (m == JOBTREE_CATCH) {
		t->handler = grow_small(g);
		t->catches = caught[rng_below(g->rng, sizeof(caught) / sizeof(caught[0]))];
	}
	if (m == JOBTREE_TIMEOUT)
		t->timeout_s = one_in(g, 3) ? 3600 : 1 + (int64_t)rng_below(g->rng, 3);
	if (m == JOBTREE_WITH) {
		t->enter = grow_small(g);
		t->exit = one_in(g, 4) ? NULL : grow_small(g);
	}
}

/* Some modifiers; `when` is its sequence's to give. */
static void decorate(struct growing *g, struct jobtree *t, uint32_t rarity)
{
	for (int m = JOBTREE_FINALLY; m < JOBTREE_MODS; m++)
		if (m != JOBTREE_RETRY && one_in(g, rarity))
			put_mod(g, t, (enum jobtree_mod)m);
}

/* Before its tasks are grown: they are run that often. A fetch has attempts of its own. */
static bool decide_retry(struct growing *g, struct jobtree *t, uint32_t rarity)
{
	if (t->verb == JOBTREE_FETCH || g->repeats * 2 > REPEATS_MOST || !one_in(g, rarity))
		return false;
	t->mods |= 1u << JOBTREE_RETRY;
	g->repeats *= 2;
	return true;
}

/* ---- each: all items have one shape ---- */

enum item_shape { ITEM_PLAIN, ITEM_FALLBACK, ITEM_SEQUENCE, ITEM_GATHER, ITEM_MODS, ITEM_SHAPES };

static struct jobtree *item_of(struct growing *g, const struct jobtree *first)
{
	struct jobtree *t = grow_fetch(g);
	t->is_item = true;
	if (first == NULL)
		return t;
	while (!first->is_item)
		first = first->child[0];
	/* Of a range the URLs differ in the serial alone. */
	t->host = first->host;
	return t;
}

static struct jobtree *copy_of(const struct jobtree *t)
{
	if (t == NULL)
		return NULL;
	struct jobtree *c = malloc(sizeof(*c));
	CHECK(c != NULL);
	*c = *t;
	c->finally = copy_of(t->finally);
	c->handler = copy_of(t->handler);
	c->enter = copy_of(t->enter);
	c->exit = copy_of(t->exit);
	for (uint32_t i = 0; i < t->n; i++)
		c->child[i] = copy_of(t->child[i]);
	return c;
}

static struct jobtree *first_item(struct growing *g)
{
	enum item_shape shape = (enum item_shape)rng_below(g->rng, ITEM_SHAPES);
	static const enum jobtree_verb verb[] = {[ITEM_FALLBACK] = JOBTREE_FALLBACK,
						 [ITEM_SEQUENCE] = JOBTREE_SEQUENCE,
						 [ITEM_GATHER] = JOBTREE_GATHER};
	struct jobtree *leaf = item_of(g, NULL), *t;
	if (shape == ITEM_MODS)
		decorate(g, leaf, 3);
	if (shape == ITEM_PLAIN || shape == ITEM_MODS)
		return leaf;
	t = node(g, verb[shape]);
	t->n = 2;
	t->child[0] = leaf;
	t->child[1] = grow_small(g);
	decorate(g, t, 6);
	return t;
}

/* As the first, but for its own URL. */
static struct jobtree *next_item(struct growing *g, const struct jobtree *first, bool is_range)
{
	struct jobtree *t = copy_of(first), *at = t;
	while (!at->is_item)
		at = at->child[0];
	struct jobtree *fresh = item_of(g, first);
	at->serial = fresh->serial;
	if (!is_range) {
		at->server = fresh->server;
		at->ms = fresh->ms;
		at->host = (uint8_t)(fresh->serial % 3);
	}
	free(fresh);
	return t;
}

/* The items of a range are its numbers, which are part of their URLs. */
static void number_items(struct growing *g, struct jobtree *each)
{
	uint32_t first = g->n_serials;
	g->n_serials += each->n;
	CHECK(g->n_serials < JOBTREE_FETCHES);
	for (uint32_t i = 0; i < each->n; i++) {
		struct jobtree *at = each->child[i];
		while (!at->is_item)
			at = at->child[0];
		at->serial = first + i;
	}
}

static void grow_items(struct growing *g, struct jobtree *t)
{
	t->source = one_in(g, 3) ? JOBTREE_RANGE : JOBTREE_LIST;
	t->has_where = t->source == JOBTREE_LIST && one_in(g, 3);
	t->n = 1 + (uint32_t)rng_below(g->rng, JOBTREE_CHILDREN);
	t->child[0] = first_item(g);
	for (uint32_t i = 1; i < t->n; i++)
		t->child[i] = next_item(g, t->child[0], t->source == JOBTREE_RANGE);
	if (t->source == JOBTREE_RANGE)
		number_items(g, t);
	for (uint32_t i = 0; i < t->n && t->has_where; i++)
		t->child[i]->is_dropped = one_in(g, 3);
}

/* ---- the tree ---- */

static struct jobtree *grow(struct growing *g, int depth);

static void grow_children(struct growing *g, struct jobtree *t, int depth)
{
	bool has_when = t->verb == JOBTREE_SEQUENCE && one_in(g, 2);
	t->n = 1 + (uint32_t)rng_below(g->rng, 3);
	if (has_when)
		t->child[t->n++] = NULL;
	for (uint32_t i = 0; i < t->n; i++) {
		bool opens = has_when && i == 0;
		t->child[i] = opens ? node(g, JOBTREE_EMIT) : grow(g, depth - 1);
		if (!has_when || i == 0 || one_in(g, 2))
			continue;
		t->child[i]->mods |= 1u << JOBTREE_WHEN;
		t->child[i]->when_holds = one_in(g, 2);
	}
	if (t->verb == JOBTREE_GATHER && one_in(g, 3))
		t->min_ok = 1 + (uint32_t)rng_below(g->rng, t->n);
	if (t->verb == JOBTREE_ANY && one_in(g, 2))
		t->stagger = (int32_t)rng_below(g->rng, 300);
}

static struct jobtree *grow(struct growing *g, int depth)
{
	bool is_leaf = depth == 0 || g->n_nodes > NODES_MOST || one_in(g, 3);
	enum jobtree_verb first = JOBTREE_GATHER;
	uint32_t n = JOBTREE_VERBS - JOBTREE_GATHER;
	struct jobtree *t =
		is_leaf ? grow_leaf(g) : node(g, (enum jobtree_verb)(first + rng_below(g->rng, n)));
	bool repeats = decide_retry(g, t, 8);
	if (jobtree_is_each(t))
		grow_items(g, t);
	else if (!is_leaf)
		grow_children(g, t, depth);
	decorate(g, t, 8);
	if (repeats)
		g->repeats /= 2;
	return t;
}

struct jobtree *jobtree_new(struct rng *rng)
{
	struct growing g = {.rng = rng, .repeats = 1};
	struct jobtree *t = grow(&g, 3);
	if (jobtree_is_each(t) && t->source == JOBTREE_LIST && !jobtree_has(t, JOBTREE_RETRY) &&
	    one_in(&g, 2))
		t->source = JOBTREE_FED;
	return t;
}

void jobtree_free(struct jobtree *t)
{
	if (t == NULL)
		return;
	jobtree_free(t->finally);
	jobtree_free(t->handler);
	jobtree_free(t->enter);
	jobtree_free(t->exit);
	for (uint32_t i = 0; i < t->n; i++)
		jobtree_free(t->child[i]);
	free(t);
}

void jobtree_walk(const struct jobtree *t, uint32_t times, jobtree_visit visit, void *ctx)
{
	if (t == NULL)
		return;
	uint32_t inside = jobtree_has(t, JOBTREE_RETRY) ? 2 * times : times;
	visit(ctx, t, t->n > 0 || t->verb != JOBTREE_FETCH ? inside : times);
	jobtree_walk(t->finally, times, visit, ctx);
	jobtree_walk(t->handler, times, visit, ctx);
	jobtree_walk(t->enter, inside, visit, ctx);
	jobtree_walk(t->exit, inside, visit, ctx);
	for (uint32_t i = 0; i < t->n; i++)
		jobtree_walk(t->child[i], inside, visit, ctx);
}

/* ---- by shape ---- */

struct reading {
	const char *at;
	struct growing g;
};

static bool word(struct reading *r, const char *w)
{
	size_t n = strlen(w);
	if (strncmp(r->at, w, n) != 0)
		return false;
	r->at += n;
	return true;
}

static struct jobtree *shaped(struct reading *r);

static struct jobtree *shaped_node(struct reading *r)
{
	static const struct {
		const char *word;
		enum jobtree_verb verb;
		enum jobtree_server server;
	} known[] = {
		{"200", JOBTREE_FETCH, JOBTREE_WORKS},
		{"404", JOBTREE_FETCH, JOBTREE_MISSING},
		{"503", JOBTREE_FETCH, JOBTREE_DOWN},
		{"hang", JOBTREE_FETCH, JOBTREE_HANGS},
		{"flaky", JOBTREE_FETCH, JOBTREE_FLAKY_ONCE},
		{"emit", JOBTREE_EMIT, JOBTREE_WORKS},
		{"fail", JOBTREE_FAIL, JOBTREE_WORKS},
		{"sleep", JOBTREE_SLEEP, JOBTREE_WORKS},
		{"gather(", JOBTREE_GATHER, JOBTREE_WORKS},
		{"group(", JOBTREE_GROUP, JOBTREE_WORKS},
		{"sequence(", JOBTREE_SEQUENCE, JOBTREE_WORKS},
		{"fallback(", JOBTREE_FALLBACK, JOBTREE_WORKS},
		{"any(", JOBTREE_ANY, JOBTREE_WORKS},
		{"each(", JOBTREE_EACH, JOBTREE_WORKS},
		{"eachgroup(", JOBTREE_EACH_GROUP, JOBTREE_WORKS},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!word(r, known[i].word))
			continue;
		struct jobtree *t = node(&r->g, known[i].verb);
		t->server = known[i].server;
		t->ms = t->verb == JOBTREE_SLEEP ? 30 : 1;
		return t;
	}
	CHECK(false);
}

static void shaped_mods(struct reading *r, struct jobtree *t)
{
	while (word(r, "?")) {
		enum jobtree_mod m = word(r, "finally")	  ? JOBTREE_FINALLY
				     : word(r, "catch")	  ? JOBTREE_CATCH
				     : word(r, "timeout") ? JOBTREE_TIMEOUT
				     : word(r, "retry")	  ? JOBTREE_RETRY
							  : JOBTREE_WITH;
		CHECK(m != JOBTREE_WITH || word(r, "with"));
		t->mods |= 1u << m;
		if (m == JOBTREE_FINALLY)
			t->finally = node(&r->g, JOBTREE_FETCH);
		if (m == JOBTREE_CATCH)
			t->handler = node(&r->g, JOBTREE_FETCH);
		t->catches = JOBTREE_KIND_ALL;
		t->timeout_s = 1;
		if (m == JOBTREE_WITH) {
			t->enter = node(&r->g, JOBTREE_FETCH);
			t->exit = node(&r->g, JOBTREE_FETCH);
		}
	}
}

static struct jobtree *shaped(struct reading *r)
{
	struct jobtree *t = shaped_node(r);
	while (t->verb >= JOBTREE_GATHER) {
		struct jobtree *c = shaped(r);
		CHECK(t->n < JOBTREE_CHILDREN);
		c->is_item = jobtree_is_each(t);
		t->child[t->n++] = c;
		if (word(r, ")"))
			break;
		CHECK(word(r, ","));
	}
	shaped_mods(r, t);
	return t;
}

struct jobtree *jobtree_shaped(const char *shape)
{
	struct reading r = {.at = shape};
	struct jobtree *t = shaped(&r);
	CHECK(*r.at == 0);
	return t;
}
