#include "job/recall.h"

#include "base/table.h"
#include "edge/store.h"
#include "job/jobenv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fact {
	int64_t wall_ns;
	size_t n;
	char data[];
};

struct recall {
	struct jobenv *env;
	struct table facts;   /* "n path" -> struct fact */
	struct table cursors; /* path -> struct results_cursor */
};

struct recall *recall_new(struct jobenv *env)
{
	struct recall *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->env = env;
	table_init(&r->facts, env->number);
	table_init(&r->cursors, env->number);
	return r;
}

static void cursor_free(struct results_cursor *c)
{
	cursor_fini(&c->cursor);
	free(c);
}

void recall_free(struct recall *r)
{
	if (r == NULL)
		return;
	TABLE_EACH (e, &r->facts)
		free(e->value);
	TABLE_EACH (e, &r->cursors)
		cursor_free(e->value);
	table_fini(&r->facts);
	table_fini(&r->cursors);
	free(r);
}

#define FACT_KEY_MAX (TASK_KEY_MAX + 24)
#define TASK_KEY_MAX 1024

static struct slice fact_key(char buf[FACT_KEY_MAX], struct slice path, uint64_t n)
{
	int w = snprintf(buf, FACT_KEY_MAX, "%llu %.*s", (unsigned long long)n,
			 (int)(path.n < TASK_KEY_MAX ? path.n : TASK_KEY_MAX), path.p);
	return (struct slice){buf, (size_t)w};
}

enum err recall_fact_add(struct recall *r, const struct store_fact *f)
{
	char buf[FACT_KEY_MAX];
	struct fact *fact = malloc(sizeof(*fact) + f->data.n + 1);
	void *old = NULL;
	if (fact == NULL)
		return ERR_NOMEM;
	fact->wall_ns = f->wall_at_ns;
	fact->n = f->data.n;
	memcpy(fact->data, f->data.n > 0 ? f->data.p : "", f->data.n);
	fact->data[f->data.n] = 0;
	enum err e = table_put(&r->facts, fact_key(buf, f->path, f->n), fact, &old);
	free(e == ERR_OK ? old : fact);
	return e;
}

static struct results_cursor *cursor_at(struct recall *r, struct slice path)
{
	struct results_cursor *c = table_get(&r->cursors, path);
	if (c != NULL)
		return c;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	cursor_init(&c->cursor);
	if (table_put(&r->cursors, path, c, NULL) == ERR_OK)
		return c;
	free(c);
	return NULL;
}

enum err recall_cursor_add(struct recall *r, const struct store_cursor *s)
{
	struct results_cursor *c = cursor_at(r, s->path);
	if (c == NULL)
		return ERR_NOMEM;
	c->seq = s->seq;
	return results_cursor_read(c, s->gaps);
}

struct done_ctx {
	struct recall *recall;
	uint64_t seq;
};

static enum err done_item(void *ctx, struct slice path, uint64_t from, uint64_t to,
			  const struct done_mark *how)
{
	struct done_ctx *d = ctx;
	struct results_cursor *c = cursor_at(d->recall, path);
	if (c == NULL)
		return ERR_NOMEM;
	if (d->seq <= c->seq)
		return ERR_OK; /* the snapshot knows it */
	done_tally_add(&c->tally, to - from, how);
	return cursor_done(&c->cursor, (struct cursor_range){from, to});
}

enum err recall_done_add(struct recall *r, uint64_t seq, struct slice done)
{
	struct done_ctx d = {r, seq};
	return done_read(done, done_item, &d);
}

uint64_t recall_done_after(const struct recall *r)
{
	uint64_t seq = UINT64_MAX;
	TABLE_EACH (e, &r->cursors) {
		const struct results_cursor *c = e->value;
		seq = c->seq < seq ? c->seq : seq;
	}
	return seq == UINT64_MAX ? 0 : seq;
}

uint64_t recall_handled(const struct recall *r)
{
	uint64_t n = 0;
	TABLE_EACH (e, &r->cursors)
		n += ((const struct results_cursor *)e->value)->tally.n_handled;
	return n;
}

bool recall_is_empty(const struct recall *r)
{
	return table_count(&r->facts) == 0 && table_count(&r->cursors) == 0;
}

bool recall_cursor(struct recall *r, struct slice path, struct results_cursor *ret)
{
	struct results_cursor *c = table_remove(&r->cursors, path);
	if (c == NULL)
		return false;
	ret->cursor = c->cursor;
	ret->tally = c->tally;
	free(c);
	return true;
}

bool recall_get(const struct recall *r, struct slice path, enum recall_fact n, int64_t *ret_wall_ns,
		struct slice *ret_data)
{
	char buf[FACT_KEY_MAX];
	if (table_count(&r->facts) == 0)
		return false;
	const struct fact *f = table_get(&r->facts, fact_key(buf, path, n));
	if (f == NULL)
		return false;
	*ret_wall_ns = f->wall_ns;
	*ret_data = (struct slice){f->data, f->n};
	return true;
}

/* ---- outcomes: {"state":"failed","n":1,"error":{…},"value":…} ---- */

static enum outcome_state state_of(const char *text)
{
	for (int s = OUTCOME_OK; s <= OUTCOME_CANCELLED; s++)
		if (text != NULL && strcmp(text, outcome_state_text((enum outcome_state)s)) == 0)
			return (enum outcome_state)s;
	return OUTCOME_NONE;
}

bool recall_outcome(struct recall *r, struct slice path, struct outcome *ret)
{
	int64_t wall_ns;
	struct slice data;
	if (!recall_get(r, path, RECALL_OUTCOME, &wall_ns, &data))
		return false;
	json_t *v = json_loadb(data.p, data.n, JSON_ALLOW_NUL, NULL);
	struct outcome o = {
		.state = state_of(json_string_value(json_object_get(v, "state"))),
		.n_failed = (uint64_t)json_integer_value(json_object_get(v, "n")),
		.value = json_incref(json_object_get(v, "value")),
	};
	const json_t *error = json_object_get(v, "error");
	if (error != NULL)
		o.error = failure_read(error);
	json_decref(v);
	if (o.state == OUTCOME_NONE) {
		outcome_fini(&o);
		return false;
	}
	*ret = o;
	return true;
}

static void write_outcome(const struct outcome *o, struct bytes *out)
{
	bytes_printf(out, "{\"state\":\"%s\",\"n\":%llu", outcome_state_text(o->state),
		     (unsigned long long)o->n_failed);
	if (o->error != NULL) {
		bytes_add_str(out, ",\"error\":");
		failure_write(o->error, out);
	}
	char *value =
		o->value != NULL ? json_dumps(o->value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (value != NULL) {
		bytes_add_str(out, ",\"value\":");
		bytes_add_str(out, value);
		free(value);
	}
	bytes_add_byte(out, '}');
}

enum err recall_put_outcome(struct jobenv *env, struct slice path, const struct outcome *o)
{
	struct bytes data = BYTES_LIMIT(STORE_TEXT_MAX);
	write_outcome(o, &data);
	enum err e = data.err;
	if (e == ERR_OK)
		e = recall_put(env, path, RECALL_OUTCOME, 0, bytes_slice(&data));
	bytes_fini(&data);
	return e;
}

static const char *const fact_kind[] = {
	[RECALL_OUTCOME] = "outcome",
	[RECALL_DEADLINE] = "deadline",
	[RECALL_DUE] = "due",
	[RECALL_FINALLY] = "finally",
};

enum err recall_put(struct jobenv *env, struct slice path, enum recall_fact n, int64_t wall_ns,
		    struct slice data)
{
	struct store_op *op = results_op(env->results, STORE_FACT_PUT);
	if (op == NULL)
		return ERR_NOMEM;
	op->fact = (struct store_fact){.job = env->number,
				       .path = results_text(env->results, path),
				       .n = n,
				       .kind = slice_of(fact_kind[n]),
				       .wall_at_ns = wall_ns,
				       .data = results_text(env->results, data)};
	return op->fact.path.p != NULL ? ERR_OK : ERR_NOMEM;
}

void recall_drop_tree(struct jobenv *env, struct slice path)
{
	struct store_op *op = results_op(env->results, STORE_TREE_DROP);
	if (op != NULL)
		op->range = (struct store_range_op){.job = env->number,
						    .path = results_text(env->results, path)};
}
