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
	uint32_t n_retries;   /* facts of back-offs */
	uint32_t n_taken;     /* items of queues that were held */
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

void recall_free(struct recall *r)
{
	if (r == NULL)
		return;
	TABLE_EACH (e, &r->facts)
		free(e->value);
	TABLE_EACH (e, &r->cursors)
		results_cursor_free(e->value);
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
	if (f->n == RECALL_RETRY)
		r->n_retries++;
	if (f->n == RECALL_TAKEN)
		r->n_taken++;
	return e;
}

/* ---- what an attempt that is over has left ---- */

static uint64_t over_at(const struct recall *r, struct slice path)
{
	unsigned long long attempts, seq = 0;
	int64_t wall_ns;
	struct slice data;
	if (recall_get(r, path, RECALL_RETRY, &wall_ns, &data))
		sscanf(data.p, "%llu,%llu", &attempts, &seq);
	return seq;
}

/* Chunks up to that seq tell nothing of the each at path. */
static uint64_t over_seq(const struct recall *r, struct slice path)
{
	uint64_t seq = 0;
	if (r->n_retries == 0)
		return 0;
	for (;;) {
		uint64_t here = over_at(r, path);
		seq = here > seq ? here : seq;
		while (path.n > 0 && path.p[path.n - 1] != '.')
			path.n--;
		if (path.n == 0)
			return seq;
		path.n--;
	}
}

static struct results_cursor *cursor_at(struct recall *r, struct slice path)
{
	struct results_cursor *c = table_get(&r->cursors, path);
	if (c != NULL)
		return c;
	c = results_cursor_new(path);
	if (c != NULL && table_put(&r->cursors, path, c, NULL) == ERR_OK)
		return c;
	results_cursor_free(c);
	return NULL;
}

enum err recall_cursor_add(struct recall *r, const struct store_cursor *s)
{
	struct results_cursor *c = cursor_at(r, s->path);
	if (c == NULL)
		return ERR_NOMEM;
	c->seq = s->seq;
	c->has_row = s->seq != RESULTS_CURSOR_OVER;
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
	if (d->seq <= over_seq(d->recall, path))
		return ERR_OK;
	struct results_cursor *c = cursor_at(d->recall, path);
	if (c == NULL)
		return ERR_NOMEM;
	if (d->seq <= c->seq)
		return ERR_OK; /* the snapshot knows it */
	/* And so it does some of the chunk that followed it. */
	for (uint64_t i = from; i < to; i++)
		done_tally_add(&c->tally, !cursor_is_done(&c->cursor, i), how);
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

/* Items that failed keep what is below them; it is counted with them already. */
static bool is_below_done(const struct recall *r, struct slice path)
{
	while (path.n > 0) {
		uint64_t index = 0;
		size_t end = path.n;
		while (path.n > 0 && path.p[path.n - 1] != '.')
			path.n--;
		bool is_index = path.n > 0 && end > path.n;
		for (size_t i = path.n; i < end; i++) {
			is_index = is_index && path.p[i] >= '0' && path.p[i] <= '9';
			index = index * 10 + (uint64_t)(path.p[i] - '0');
		}
		path.n -= path.n > 0;
		const struct results_cursor *c = is_index ? table_get(&r->cursors, path) : NULL;
		if (c != NULL && cursor_is_done(&c->cursor, index))
			return true;
	}
	return false;
}

uint64_t recall_handled(const struct recall *r)
{
	uint64_t n = 0;
	TABLE_EACH (e, &r->cursors)
		if (!is_below_done(r, (struct slice){e->key, e->key_len}))
			n += ((const struct results_cursor *)e->value)->tally.n_handled;
	return n;
}

struct results_cursor *recall_cursor_of(const struct recall *r, struct slice path)
{
	return table_get(&r->cursors, path);
}

void recall_visit_cursors(const struct recall *r, recall_cursor_visitor visit, void *ctx)
{
	TABLE_EACH (e, &r->cursors)
		visit(ctx, (struct slice){e->key, e->key_len}, e->value);
}

bool recall_is_empty(const struct recall *r)
{
	return table_count(&r->facts) == 0 && table_count(&r->cursors) == 0;
}

bool recall_has_taken(const struct recall *r)
{
	return r->n_taken > 0;
}

struct results_cursor *recall_cursor(struct recall *r, struct slice path)
{
	return table_remove(&r->cursors, path);
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

/* ---- what began ---- */

static bool is_in_tree(struct slice path, struct slice root)
{
	return path.n >= root.n && memcmp(path.p, root.p, root.n) == 0 &&
	       (path.n == root.n || path.p[root.n] == '.');
}

static struct slice path_of(const struct table_entry *fact)
{
	const char *space = memchr(fact->key, ' ', fact->key_len);
	return (struct slice){space + 1, fact->key_len - (size_t)(space + 1 - fact->key)};
}

static enum recall_fact fact_of(const struct table_entry *fact)
{
	return (enum recall_fact)strtoul(fact->key, NULL, 10);
}

void recall_visit(const struct recall *r, recall_visitor visit, void *ctx)
{
	TABLE_EACH (e, &r->facts) {
		const struct fact *f = e->value;
		visit(ctx, path_of(e), fact_of(e), f->wall_ns, (struct slice){f->data, f->n});
	}
}

/* What is to run again has not begun. */
static bool tells_beginning(const struct table_entry *fact)
{
	const struct fact *f = fact->value;
	enum recall_fact n = fact_of(fact);
	return n != RECALL_AGAIN && !(n == RECALL_RETRY && f->data[0] == '0');
}

bool recall_was_begun(const struct recall *r, struct slice path)
{
	TABLE_EACH (e, &r->facts)
		if (tells_beginning(e) && is_in_tree(path_of(e), path))
			return true;
	TABLE_EACH (e, &r->cursors)
		if (is_in_tree((struct slice){e->key, e->key_len}, path))
			return true;
	return false;
}

bool recall_went_on(const struct recall *r, struct slice path)
{
	const struct results_cursor *c = table_get(&r->cursors, path);
	int64_t wall_ns;
	struct slice data;
	if (recall_get(r, path, RECALL_OUTCOME, &wall_ns, &data) ||
	    (c != NULL && c->cursor.next > 0))
		return true;
	TABLE_EACH (e, &r->facts) {
		struct slice at = path_of(e);
		if (at.n > path.n && is_in_tree(at, path))
			return true;
	}
	TABLE_EACH (e, &r->cursors)
		if (e->key_len > path.n && is_in_tree((struct slice){e->key, e->key_len}, path))
			return true;
	return false;
}

uint64_t recall_last_seq(const struct recall *r, struct slice path)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%d ", RECALL_OUTCOME);
	int64_t last = 0;
	TABLE_EACH (e, &r->facts) {
		const struct fact *f = e->value;
		if (e->key_len > (size_t)n && memcmp(e->key, text, (size_t)n) == 0 &&
		    is_in_tree(path_of(e), path) && f->wall_ns > last)
			last = f->wall_ns;
	}
	return (uint64_t)last;
}

static int by_index(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static bool index_below(struct slice path, struct slice each, uint64_t *ret)
{
	uint64_t n = 0;
	if (path.n <= each.n + 1 || !is_in_tree(path, each))
		return false;
	const char *p = path.p + each.n + 1, *end = path.p + path.n;
	if (*p < '0' || *p > '9')
		return false;
	for (; p < end && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	*ret = n;
	return true;
}

enum err recall_items(const struct recall *r, struct slice path, uint64_t **ret, size_t *ret_n)
{
	size_t n = 0, kept = 0;
	uint64_t *index =
		calloc(table_count(&r->facts) + table_count(&r->cursors) + 1, sizeof(*index));
	if (index == NULL)
		return ERR_NOMEM;
	TABLE_EACH (e, &r->facts)
		if (tells_beginning(e))
			n += index_below(path_of(e), path, &index[n]);
	TABLE_EACH (e, &r->cursors)
		n += index_below((struct slice){e->key, e->key_len}, path, &index[n]);
	qsort(index, n, sizeof(*index), by_index);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || index[i] != index[kept - 1])
			index[kept++] = index[i];
	*ret = index;
	*ret_n = kept;
	return ERR_OK;
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

static void write_outcome(const struct outcome *o, uint64_t seq, struct bytes *out)
{
	bytes_printf(out, "{\"seq\":%llu,\"state\":\"%s\",\"n\":%llu", (unsigned long long)seq,
		     outcome_state_text(o->state), (unsigned long long)o->n_failed);
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

uint64_t recall_outcome_seq(struct slice data)
{
	unsigned long long seq = 0;
	return data.n > 0 && sscanf(data.p, "{\"seq\":%llu", &seq) == 1 ? seq : 0;
}

enum err recall_put_outcome(struct jobenv *env, struct slice path, const struct outcome *o,
			    uint64_t seq)
{
	struct bytes data = BYTES_LIMIT(STORE_TEXT_MAX);
	write_outcome(o, seq, &data);
	enum err e = data.err;
	if (e == ERR_OK)
		e = recall_put(env, path, RECALL_OUTCOME,
			       (int64_t)results_next_seq(env->results) - 1, bytes_slice(&data));
	bytes_fini(&data);
	return e;
}

static const char *const fact_kind[] = {
	[RECALL_OUTCOME] = "outcome", [RECALL_DEADLINE] = "deadline", [RECALL_DUE] = "due",
	[RECALL_FINALLY] = "finally", [RECALL_RETRY] = "retry",	      [RECALL_PAGES] = "pages",
	[RECALL_VALUE] = "value",     [RECALL_SETTLED] = "settled",   [RECALL_AGAIN] = "again",
	[RECALL_ITEM] = "item",	      [RECALL_SEQ] = "seq",	      [RECALL_TAKEN] = "taken",
	[RECALL_QUEUED] = "queued",
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

void recall_put_fresh_cursor(struct jobenv *env, struct slice path)
{
	struct results_cursor none = {.path = path};
	struct bytes text = BYTES_LIMIT(STORE_TEXT_MAX);
	struct store_op *op = results_op(env->results, STORE_CURSOR_PUT);
	results_cursor_write(&none, &text);
	if (op != NULL)
		op->cursor = (struct store_cursor){
			.job = env->number,
			.path = results_text(env->results, path),
			.gaps = results_text(env->results, bytes_slice(&text)),
			.seq = results_last_seq(env->results)};
	bytes_fini(&text);
}

void recall_drop(struct jobenv *env, struct slice path, enum recall_fact n)
{
	char buf[FACT_KEY_MAX];
	struct store_op *op = results_op(env->results, STORE_FACT_DROP);
	if (op != NULL)
		op->range = (struct store_range_op){
			.job = env->number, .path = results_text(env->results, path), .n = n};
	free(table_remove(&env->recall->facts, fact_key(buf, path, n)));
}

static void forget_tree(struct recall *r, struct slice root)
{
	if (table_count(&r->facts) > 0)
		TABLE_EACH (e, &r->facts)
			if (is_in_tree(path_of(e), root))
				free(table_remove(&r->facts, (struct slice){e->key, e->key_len}));
	if (table_count(&r->cursors) > 0)
		TABLE_EACH (e, &r->cursors) {
			struct slice at = {e->key, e->key_len};
			if (is_in_tree(at, root))
				results_cursor_free(table_remove(&r->cursors, at));
		}
}

static void drop_tree(struct jobenv *env, struct slice path)
{
	struct store_op *op = results_op(env->results, STORE_TREE_DROP);
	if (op != NULL)
		op->range = (struct store_range_op){.job = env->number,
						    .path = results_text(env->results, path)};
}

void recall_drop_tree(struct jobenv *env, struct slice path)
{
	forget_tree(env->recall, path);
	drop_tree(env, path);
}

void recall_drop_attempt(struct jobenv *env, struct slice path)
{
	char items[TASK_KEY_MAX];
	int n = snprintf(items, sizeof(items), "%c%.*s", RECALL_ITEMS, (int)path.n, path.p);
	recall_drop_tree(env, path);
	if (env->keeps_failed && (size_t)n < sizeof(items))
		drop_tree(env, (struct slice){items, (size_t)n});
}
