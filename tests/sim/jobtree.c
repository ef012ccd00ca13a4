#include "tests/sim/jobtree.h"

#include <stdlib.h>

struct growing {
	struct rng *rng;
	uint32_t n_fetches;
};

static struct jobtree *node(enum jobtree_verb verb)
{
	struct jobtree *t = calloc(1, sizeof(*t));
	if (t != NULL)
		t->verb = verb;
	return t;
}

static struct jobtree *grow_fetch(struct growing *g)
{
	static const int statuses[] = {200, 200, 200, 404, 503};
	struct jobtree *t = node(JOBTREE_FETCH);
	t->status = statuses[rng_below(g->rng, 5)];
	t->serial = g->n_fetches++;
	return t;
}

static struct jobtree *grow(struct growing *g, int depth)
{
	if (depth == 0 || rng_below(g->rng, 3) == 0)
		return grow_fetch(g);
	struct jobtree *t = node((enum jobtree_verb)(1 + rng_below(g->rng, JOBTREE_VERBS - 1)));
	bool is_each = t->verb == JOBTREE_EACH || t->verb == JOBTREE_EACH_GROUP;
	t->n = 1 + (uint32_t)rng_below(g->rng, is_each ? JOBTREE_CHILDREN : 3);
	for (uint32_t i = 0; i < t->n; i++)
		t->child[i] = is_each ? grow_fetch(g) : grow(g, depth - 1);
	t->has_catch = rng_below(g->rng, 5) == 0;
	if (t->has_catch)
		g->n_fetches++; /* the handler's */
	return t;
}

struct jobtree *jobtree_new(struct rng *rng)
{
	struct growing g = {.rng = rng};
	struct jobtree *t = grow(&g, 3);
	t->is_fed = t->verb == JOBTREE_EACH && !t->has_catch && rng_below(rng, 2) == 0;
	return t;
}

void jobtree_free(struct jobtree *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->n; i++)
		jobtree_free(t->child[i]);
	free(t);
}

uint32_t jobtree_count(const struct jobtree *t)
{
	uint32_t n = t->verb == JOBTREE_FETCH ? 1 : 0;
	for (uint32_t i = 0; i < t->n; i++)
		n += jobtree_count(t->child[i]);
	return n + (t->has_catch ? 1 : 0);
}

void jobtree_url(const struct jobtree *t, struct bytes *out)
{
	bytes_printf(out, "\"http://h%u.test/status/%d/n%u\"", t->serial % 3, t->status, t->serial);
}

static void add_list(const struct jobtree *t, struct bytes *out,
		     void (*add)(const struct jobtree *t, struct bytes *out))
{
	bytes_add_byte(out, '[');
	for (uint32_t i = 0; i < t->n; i++) {
		if (i > 0)
			bytes_add_byte(out, ',');
		add(t->child[i], out);
	}
	bytes_add_byte(out, ']');
}

static void add_each(const struct jobtree *t, struct bytes *out)
{
	bytes_add_str(out, "{\"each\":{\"in\":");
	if (t->is_fed)
		bytes_add_str(out, "{\"feed\":true}");
	else
		add_list(t, out, jobtree_url);
	bytes_printf(out,
		     ",\"as\":\"item\",\"concurrency\":2,\"mode\":\"%s\","
		     "\"do\":{\"fetch\":\"${item}\"}}",
		     t->verb == JOBTREE_EACH ? "gather" : "group");
}

static void add_task(const struct jobtree *t, struct bytes *out)
{
	static const char *const name[] = {"fetch", "gather", "group", "sequence", "fallback"};
	if (t->verb == JOBTREE_FETCH) {
		jobtree_url(t, out);
		return;
	}
	if (t->verb == JOBTREE_EACH || t->verb == JOBTREE_EACH_GROUP) {
		add_each(t, out);
	} else {
		bytes_printf(out, "{\"%s\":", name[t->verb]);
		add_list(t, out, add_task);
	}
	if (t->has_catch)
		bytes_add_str(out, ",\"catch\":[{\"kinds\":[\"status\"],\"do\":"
				   "\"http://h0.test/status/200/handler\"}]");
	bytes_add_byte(out, '}');
}

void jobtree_spec(const struct jobtree *t, struct bytes *out)
{
	bytes_add_str(out, "{\"defaults\":{\"retry\":{\"attempts\":2,\"backoff\":\"10ms\"}},"
			   "\"run\":");
	add_task(t, out);
	bytes_add_byte(out, '}');
}
