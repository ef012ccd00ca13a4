/*
 * The job file of a tree. Items of an each are {"u":URL,"k":1 or 0}, numbers in a range; what is
 * dropped has k 0.
 */
#include "tests/sim/jobtree.h"

static void add_url_to(const struct jobtree *t, struct bytes *out)
{
	static const char *const path[JOBTREE_SERVERS] = {
		[JOBTREE_WORKS] = "/status/200",   [JOBTREE_MISSING] = "/status/404",
		[JOBTREE_DOWN] = "/status/503",	   [JOBTREE_HANGS] = "/hang",
		[JOBTREE_FLAKY_ONCE] = "/flaky/1", [JOBTREE_FLAKY_TWICE] = "/flaky/2",
	};
	bytes_printf(out, "http://h%u.test%s/ms/%u/n", t->host, path[t->server], t->ms);
}

static void add_fetch(const struct jobtree *t, const struct jobtree *each, struct bytes *out)
{
	bytes_add_str(out, "\"fetch\":{\"timeout\":\"1500ms\",\"url\":\"");
	if (t->is_item && each->source == JOBTREE_RANGE) {
		add_url_to(t, out);
		bytes_add_str(out, "${item}");
	} else if (t->is_item) {
		bytes_add_str(out, "${item/u}");
	} else {
		add_url_to(t, out);
		bytes_add_u64(out, t->serial);
	}
	bytes_add_str(out, "\"}");
}

static const struct jobtree *item_leaf(const struct jobtree *t)
{
	while (!t->is_item)
		t = t->child[0];
	return t;
}

void jobtree_item(const struct jobtree *each, uint32_t i, struct bytes *out)
{
	const struct jobtree *t = item_leaf(each->child[i]);
	bytes_add_str(out, "{\"u\":\"");
	add_url_to(t, out);
	bytes_printf(out, "%u\",\"k\":%d}", t->serial, each->child[i]->is_dropped ? 0 : 1);
}

/* Where a task stands: its each, and the sequence whose first task `when` looks at. */
struct place {
	const struct jobtree *each, *up;
};

static void add_task(const struct jobtree *t, struct place p, struct bytes *out);

static void add_source(const struct jobtree *t, struct bytes *out)
{
	if (t->source == JOBTREE_FED) {
		bytes_add_str(out, "{\"feed\":true}");
		return;
	}
	if (t->source == JOBTREE_RANGE) {
		uint32_t first = item_leaf(t->child[0])->serial;
		bytes_printf(out, "{\"range\":[%u,%u,1]}", first, first + t->n);
		return;
	}
	bytes_add_byte(out, '[');
	for (uint32_t i = 0; i < t->n; i++) {
		if (i > 0)
			bytes_add_byte(out, ',');
		jobtree_item(t, i, out);
	}
	bytes_add_byte(out, ']');
}

static void add_each(const struct jobtree *t, struct bytes *out)
{
	bytes_add_str(out, "\"each\":{\"in\":");
	add_source(t, out);
	if (t->has_where)
		bytes_add_str(out, ",\"where\":{\"/k\":1}");
	bytes_printf(out, ",\"as\":\"item\",\"concurrency\":2,\"mode\":\"%s\",\"do\":",
		     t->verb == JOBTREE_EACH ? "gather" : "group");
	add_task(t->child[0], (struct place){t, NULL}, out);
	bytes_add_byte(out, '}');
}

static void add_tasks(const struct jobtree *t, struct place p, struct bytes *out)
{
	static const char *const name[JOBTREE_VERBS] = {
		[JOBTREE_GATHER] = "gather",	 [JOBTREE_GROUP] = "group",
		[JOBTREE_SEQUENCE] = "sequence", [JOBTREE_FALLBACK] = "fallback",
		[JOBTREE_ANY] = "any",
	};
	p.up = t;
	bytes_printf(out, "\"%s\":[", name[t->verb]);
	for (uint32_t i = 0; i < t->n; i++) {
		if (i > 0)
			bytes_add_byte(out, ',');
		add_task(t->child[i], p, out);
	}
	bytes_add_byte(out, ']');
	if (t->min_ok > 0)
		bytes_printf(out, ",\"min_ok\":%u", t->min_ok);
	if (t->stagger >= 0 && t->verb == JOBTREE_ANY)
		bytes_printf(out, ",\"stagger\":\"%dms\"", t->stagger + 1);
}

static void add_verb(const struct jobtree *t, struct place p, struct bytes *out)
{
	if (t->verb == JOBTREE_FETCH)
		add_fetch(t, p.each, out);
	else if (t->verb == JOBTREE_EMIT)
		bytes_add_str(out, "\"emit\":{\"json\":{\"x\":1}}");
	else if (t->verb == JOBTREE_FAIL)
		bytes_add_str(out, "\"fail\":\"as it is told\"");
	else if (t->verb == JOBTREE_SLEEP)
		bytes_printf(out, "\"sleep\":\"%ums\"", t->ms);
	else if (jobtree_is_each(t))
		add_each(t, out);
	else
		add_tasks(t, p, out);
}

static void add_kinds(unsigned kinds, struct bytes *out)
{
	static const char *const name[] = {"status", "attempt.timeout", "deadline", "fail"};
	for (int i = 0, n = 0; i < 4; i++)
		if ((kinds >> i & 1u) != 0)
			bytes_printf(out, "%s\"%s\"", n++ > 0 ? "," : "", name[i]);
}

static void add_handling(const struct jobtree *t, struct place p, struct bytes *out)
{
	if (t->finally != NULL) {
		bytes_add_str(out, "\"finally\":");
		add_task(t->finally, p, out);
		bytes_add_byte(out, ',');
	}
	if (t->handler != NULL) {
		bytes_add_str(out, "\"catch\":[{\"kinds\":[");
		add_kinds(t->catches, out);
		bytes_add_str(out, "],\"do\":");
		add_task(t->handler, p, out);
		bytes_add_str(out, "}],");
	}
}

static void add_with(const struct jobtree *t, struct place p, struct bytes *out)
{
	bytes_add_str(out, "\"with\":[{\"enter\":");
	add_task(t->enter, p, out);
	bytes_printf(out, ",\"as\":\"w%u\"", t->serial);
	if (t->exit != NULL) {
		bytes_add_str(out, ",\"exit\":");
		add_task(t->exit, p, out);
	}
	bytes_add_str(out, "}],");
}

static void add_task(const struct jobtree *t, struct place p, struct bytes *out)
{
	bool opens = p.up != NULL && p.up->verb == JOBTREE_SEQUENCE && t == p.up->child[0] &&
		     t->verb == JOBTREE_EMIT;
	bytes_add_byte(out, '{');
	if (opens)
		bytes_printf(out, "\"id\":\"e%u\",", t->serial);
	if (jobtree_has(t, JOBTREE_WHEN))
		bytes_printf(out, "\"when\":{\"of\":\"e%u\",\"/x\":%d},", p.up->child[0]->serial,
			     t->when_holds ? 1 : 2);
	p.up = NULL;
	add_handling(t, p, out);
	if (jobtree_has(t, JOBTREE_TIMEOUT))
		bytes_printf(out, "\"timeout\":\"%llds\",", (long long)t->timeout_s);
	if (jobtree_has(t, JOBTREE_RETRY))
		bytes_add_str(out, "\"retry\":{\"attempts\":2,\"backoff\":\"200ms\"},");
	if (jobtree_has(t, JOBTREE_WITH))
		add_with(t, p, out);
	add_verb(t, p, out);
	bytes_add_byte(out, '}');
}

void jobtree_spec(const struct jobtree_job *job, struct bytes *out)
{
	bytes_add_str(out, "{\"defaults\":{\"retry\":{\"attempts\":2,\"backoff\":\"10ms\"}},");
	if (job->deadline_s > 0)
		bytes_printf(out, "\"deadline\":\"%llds\",", (long long)job->deadline_s);
	if (job->is_ordered)
		bytes_add_str(out, "\"results\":{\"ordered\":true},");
	bytes_add_str(out, "\"run\":");
	add_task(job->root, (struct place){NULL, NULL}, out);
	bytes_add_byte(out, '}');
}
