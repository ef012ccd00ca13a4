#include "job/again.h"

#include "edge/store.h"
#include "job/recall.h"
#include "job/task.h"
#include "job/verb_each.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct again_batch {
	struct link link;
	struct store_batch *b;
};

void again_begin(struct again *a, struct jobenv *env, int64_t wall_ns, int64_t last_wall_ns)
{
	*a = (struct again){.env = env, .wall_ns = wall_ns, .last_wall_ns = last_wall_ns};
	list_init(&a->batches);
}

struct store_batch *again_take(struct again *a)
{
	struct link *l = list_pop_front(&a->batches);
	if (l == NULL)
		return NULL;
	struct again_batch *h = LIST_ENTRY(l, struct again_batch, link);
	struct store_batch *b = h->b;
	free(h);
	return b;
}

void again_fini(struct again *a)
{
	for (struct store_batch *b; (b = again_take(a)) != NULL;)
		store_batch_free(b);
	free(a->item);
	a->item = NULL;
}

/* ---- what becomes of a path ---- */

enum fate {
	KEEP,	   /* above it something ended well */
	IF_FAILED, /* runs again if it did not end well */
	REDO,	   /* clean-up of a task that runs again: however it ended */
};

static bool is_settled(const struct recall *r, struct slice path)
{
	struct slice data;
	int64_t at;
	return recall_get(r, path, RECALL_SETTLED, &at, &data);
}

/* `.f`, `.c0`, `.w0`, `.x0`: what is there belongs to the task before it. */
static bool is_cleanup(char piece)
{
	return piece == 'f' || piece == 'c' || piece == 'w' || piece == 'x';
}

static enum fate fate_of(const struct recall *r, struct slice path)
{
	for (size_t i = 0; i <= path.n; i++) {
		if (i < path.n && path.p[i] != '.')
			continue;
		if (is_settled(r, (struct slice){path.p, i}))
			return KEEP;
		if (i + 1 < path.n && is_cleanup(path.p[i + 1]))
			return REDO;
	}
	return IF_FAILED;
}

/* ---- ops ---- */

static struct store_op *op_new(struct again *a, enum store_op_kind kind)
{
	struct again_batch *h = list_empty(&a->batches)
					? NULL
					: LIST_ENTRY(a->batches.prev, struct again_batch, link);
	if (h == NULL || h->b->n >= AGAIN_BATCH_OPS) {
		h = calloc(1, sizeof(*h));
		struct store_batch *b = h != NULL ? store_batch_new() : NULL;
		if (b == NULL) {
			free(h);
			a->err = ERR_NOMEM;
			return NULL;
		}
		h->b = b;
		b->is_urgent = true;
		list_push_back(&a->batches, &h->link);
	}
	struct store_op *op = store_batch_add(h->b, kind);
	if (op == NULL)
		a->err = ERR_NOMEM;
	return op;
}

static struct slice text_of(struct again *a, struct slice text)
{
	struct slice copy = {NULL, 0};
	struct store_batch *b = LIST_ENTRY(a->batches.prev, struct again_batch, link)->b;
	if (store_batch_copy(b, text, &copy) != ERR_OK)
		a->err = ERR_NOMEM;
	return copy;
}

static void drop_fact(struct again *a, struct slice path, enum recall_fact n)
{
	struct store_op *op = op_new(a, STORE_FACT_DROP);
	if (op != NULL)
		op->range = (struct store_range_op){
			.job = a->env->number, .path = text_of(a, path), .n = n};
}

static void drop_tree(struct again *a, struct slice path)
{
	struct store_op *op = op_new(a, STORE_TREE_DROP);
	if (op != NULL)
		op->range =
			(struct store_range_op){.job = a->env->number, .path = text_of(a, path)};
}

static void put_fact(struct again *a, struct slice path, enum recall_fact n, int64_t at,
		     const char *data)
{
	struct store_op *op = op_new(a, STORE_FACT_PUT);
	if (op != NULL)
		op->fact = (struct store_fact){
			.job = a->env->number,
			.path = text_of(a, path),
			.n = n,
			.kind = slice_of(n == RECALL_AGAIN ? "again" : "retry"),
			.wall_at_ns = at,
			.data = text_of(a, slice_of(data)),
		};
}

/* ---- facts ---- */

static int class_of(const struct outcome *o)
{
	if (outcome_is_ok(o))
		return RESULTS_OK;
	bool is_cancelled = o->state == OUTCOME_CANCELLED &&
			    (o->error == NULL || failure_kind(o->error) == KIND_CANCELLED);
	return is_cancelled ? RESULTS_CANCELLED : RESULTS_FAILED;
}

/* Of an ordered job the number may have come later. */
static uint64_t seq_of(const struct again *a, struct slice path, struct slice data)
{
	char buf[TASK_PATH_MAX];
	uint64_t seq = recall_outcome_seq(data);
	int64_t later;
	int n = snprintf(buf, sizeof(buf), "%c%.*s", RECALL_ITEMS, (int)path.n, path.p);
	if (seq == 0 && n < TASK_PATH_MAX &&
	    recall_get(a->env->recall, (struct slice){buf, (size_t)n}, RECALL_SEQ, &later, &data))
		seq = (uint64_t)later;
	return seq;
}

static void plan_outcome(struct again *a, struct slice path, enum fate fate, struct slice data)
{
	struct outcome o = {0};
	char text[64];
	if (fate == KEEP || !recall_outcome(a->env->recall, path, &o))
		return;
	int c = class_of(&o);
	outcome_fini(&o);
	if (fate == IF_FAILED && c == RESULTS_OK)
		return;
	snprintf(text, sizeof(text), "%d %lld", c, (long long)a->wall_ns);
	drop_fact(a, path, RECALL_OUTCOME);
	put_fact(a, path, RECALL_AGAIN, (int64_t)seq_of(a, path, data), text);
	a->uncounted[c]++;
	a->n += fate == IF_FAILED;
}

/* Left by an order that was carried out (its line does not count any more), or was not. */
static void plan_again(struct again *a, enum fate fate, struct slice data)
{
	int c = RESULTS_CLASSES;
	long long wall_ns = 0;
	if (fate == KEEP || sscanf(data.p, "%d %lld", &c, &wall_ns) != 2 || c < 0 ||
	    c >= RESULTS_CLASSES)
		return;
	a->uncounted[c] += wall_ns > a->last_wall_ns;
	a->n += fate == IF_FAILED;
}

/* Attempts begin anew; the lines of those before stay handled. A fetch has five numbers there. */
static void plan_retry(struct again *a, struct slice path, enum fate fate, struct slice data)
{
	unsigned attempts;
	unsigned long long seq, handled;
	char text[80], rest;
	if (fate == KEEP || sscanf(data.p, "%u,%llu,%llu%c", &attempts, &seq, &handled, &rest) != 3)
		return;
	if (fate == REDO) {
		drop_fact(a, path, RECALL_RETRY);
		return;
	}
	snprintf(text, sizeof(text), "0,%llu,%llu", seq, handled);
	put_fact(a, path, RECALL_RETRY, 0, text);
}

static void plan_fact(void *ctx, struct slice path, enum recall_fact n, int64_t wall_ns,
		      struct slice data)
{
	struct again *a = ctx;
	(void)wall_ns;
	if (path.n == 0 || path.p[0] == RECALL_ITEMS)
		return;
	enum fate fate = fate_of(a->env->recall, path);
	if (n == RECALL_OUTCOME)
		plan_outcome(a, path, fate, data);
	else if (n == RECALL_AGAIN)
		plan_again(a, fate, data);
	else if (n == RECALL_RETRY)
		plan_retry(a, path, fate, data);
	else if ((n == RECALL_DEADLINE || n == RECALL_FINALLY) && fate != KEEP)
		drop_fact(a, path, n);
	else if ((n == RECALL_DUE || n == RECALL_SETTLED) && fate == REDO)
		drop_fact(a, path, n);
	else if (n == RECALL_PAGES && fate == REDO)
		drop_tree(a, path);
}

/* ---- items ---- */

static bool add_item(struct again *a, struct again_item item)
{
	if (a->n_item == a->cap_item) {
		size_t cap = a->cap_item > 0 ? a->cap_item * 2 : 64;
		struct again_item *p = realloc(a->item, cap * sizeof(*p));
		if (p == NULL) {
			a->err = ERR_NOMEM;
			return false;
		}
		a->item = p;
		a->cap_item = cap;
	}
	a->item[a->n_item++] = item;
	return true;
}

static void open_item(struct again *a, struct slice path, const struct each_kept *kept)
{
	const struct recall *r = a->env->recall;
	size_t dot = path.n;
	while (dot > 0 && path.p[dot - 1] != '.')
		dot--;
	struct slice each = {path.p, dot > 0 ? dot - 1 : 0};
	struct again_item item = {.cursor = recall_cursor_of(r, each)};
	for (size_t i = dot; i < path.n; i++)
		item.index = item.index * 10 + (uint64_t)(path.p[i] - '0');
	if (item.cursor == NULL || fate_of(r, path) != IF_FAILED)
		return;
	a->n++;
	if (!cursor_is_done(&item.cursor->cursor, item.index) || !add_item(a, item))
		return; /* it is open: an earlier order did not come to it */
	done_tally_take(&item.cursor->tally, &kept->mark);
	if (kept->c < RESULTS_CLASSES)
		a->uncounted[kept->c]++;
}

void again_item(void *ctx, const struct store_fact *f)
{
	struct again *a = ctx;
	struct slice path = {f->path.p + 1, f->path.n - 1}, data;
	struct each_kept kept;
	int64_t at;
	if (f->n == RECALL_SEQ && recall_get(a->env->recall, path, RECALL_OUTCOME, &at, &data))
		recall_fact_add(a->env->recall, f);
	if (f->n != RECALL_ITEM || !each_kept_read(f->data, &kept))
		return;
	if (kept.is_full)
		a->is_full = true;
	else
		open_item(a, path, &kept);
}

static int by_cursor(const void *x, const void *y)
{
	const struct again_item *a = x, *b = y;
	if (a->cursor != b->cursor) {
		struct slice p = a->cursor->path, q = b->cursor->path;
		int d = memcmp(p.p, q.p, p.n < q.n ? p.n : q.n);
		return d != 0 ? d : (p.n > q.n) - (p.n < q.n);
	}
	return (a->index > b->index) - (a->index < b->index);
}

static enum err put_cursor(struct again *a, struct store_batch *b, const struct results_cursor *c)
{
	struct bytes text = BYTES_LIMIT(STORE_TEXT_MAX);
	struct store_op *op = store_batch_add(b, STORE_CURSOR_PUT);
	results_cursor_write(c, &text);
	enum err e = op == NULL ? ERR_TOO_LARGE : text.err;
	if (e == ERR_OK) {
		op->cursor = (struct store_cursor){.job = a->env->number,
						   .watermark = cursor_watermark(&c->cursor),
						   .seq = results_last_seq(a->env->results)};
		e = store_batch_copy(b, c->path, &op->cursor.path);
	}
	if (e == ERR_OK)
		e = store_batch_copy(b, bytes_slice(&text), &op->cursor.gaps);
	bytes_fini(&text);
	return e;
}

static enum err open_items(struct again *a, struct store_batch *last)
{
	uint64_t *index = calloc(a->n_item + 1, sizeof(*index));
	enum err e = index == NULL ? ERR_NOMEM : ERR_OK;
	if (a->n_item > 0)
		qsort(a->item, a->n_item, sizeof(*a->item), by_cursor);
	for (size_t i = 0; e == ERR_OK && i < a->n_item;) {
		struct results_cursor *c = a->item[i].cursor;
		size_t n = 0;
		for (; i < a->n_item && a->item[i].cursor == c; i++)
			index[n++] = a->item[i].index;
		e = cursor_reopen(&c->cursor, index, n);
		if (e == ERR_OK)
			e = put_cursor(a, last, c);
	}
	free(index);
	return e;
}

/* Eaches of a clean-up that runs again begin anew; what their items told is not counted. */
struct redo {
	struct again *a;
	struct store_batch *last;
};

static void redo_cursor(void *ctx, struct slice path, struct results_cursor *c)
{
	struct redo *d = ctx;
	const struct results_cursor fresh = {.path = path};
	if (d->a->err != ERR_OK || fate_of(d->a->env->recall, path) != REDO)
		return;
	d->a->uncounted[RESULTS_OK] += c->tally.n_ok;
	d->a->uncounted[RESULTS_FAILED] += done_tally_failed(&c->tally);
	d->a->uncounted[RESULTS_CANCELLED] += c->tally.n_cancelled;
	d->a->err = put_cursor(d->a, d->last, &fresh);
}

enum err again_plan(struct again *a, struct store_batch *last)
{
	struct redo d = {a, last};
	if (a->err == ERR_OK)
		recall_visit(a->env->recall, plan_fact, a);
	if (a->err == ERR_OK)
		recall_visit_cursors(a->env->recall, redo_cursor, &d);
	return a->err == ERR_OK ? open_items(a, last) : a->err;
}
