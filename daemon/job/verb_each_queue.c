/*
 * The source `queue` of an each: items of a named queue, until it is closed and empty. The task of
 * an item holds it: success is its end there, anything else puts it back at the head. Which item
 * has which index, and its text, is committed before its task begins.
 */
#include "job/recall.h"
#include "job/taken.h"
#include "job/verb_each.h"

#include <stdlib.h>
#include <string.h>

struct queue_source {
	struct bytes name;
	struct bytes text;	/* of the item in hand */
	bool has_item, is_over; /* an item is in hand, for the next index */
	uint64_t index;
	struct taken *begin; /* items whose tasks have not begun yet, by their .index */
	act_msg *m;
	struct results_wait wait;
};

static struct queue_source *source_of(const struct each_frame *e)
{
	return e->src;
}

/* Of the task of an item. */
static struct slice item_path(const struct each_frame *e, uint64_t index,
			      char buf[TASK_PATH_MAX + 24])
{
	struct bytes path = BYTES_LIMIT(0);
	bytes_add_slice(&path, e->cursor->path);
	bytes_printf(&path, ".%llu", (unsigned long long)index);
	size_t n = path.n < TASK_PATH_MAX + 23 ? path.n : TASK_PATH_MAX + 23;
	memcpy(buf, path.p, n);
	bytes_fini(&path);
	return (struct slice){buf, n};
}

bool each_queue_open(struct each_frame *e)
{
	struct interp_env env = names_env(e->t->names);
	struct interp_error err = {0};
	struct queue_source *q = calloc(1, sizeof(*q));
	if (q == NULL) {
		task_fail(e->t, KIND_MEMORY, "no memory for a source");
		return false;
	}
	e->src = q;
	/* An order to retry: what was taken before is all there is. */
	q->is_over = e->t->env->is_again && e->again_below > 0;
	q->name.limit = INTERP_MAX_BYTES;
	if (tmpl_render_text(e->t->node->u.each.in.name, &env, &q->name, &err) == ERR_OK)
		return true;
	task_fail(e->t, KIND_REQUEST_INVALID, "in: %s", err.sentence);
	return false;
}

void each_queue_fini(struct each_frame *e)
{
	struct queue_source *q = source_of(e);
	if (q == NULL)
		return;
	bytes_fini(&q->name);
	bytes_fini(&q->text);
	taken_free(q->begin);
	free(q);
	e->src = NULL;
}

/* What an earlier life gave this index. */
static bool recalled(struct feeder *f, uint64_t index)
{
	char path[TASK_PATH_MAX + 24];
	int64_t wall_ns;
	struct recall *r = f->e->t->env->recall;
	return !recall_is_empty(r) &&
	       recall_get(r, item_path(f->e, index, path), RECALL_QUEUED, &wall_ns, &f->line);
}

enum feed_got each_queue_take(struct feeder *f, uint64_t index)
{
	struct queue_source *q = source_of(f->e);
	if (recalled(f, index))
		return FEED_ITEM;
	if (q->has_item && q->index == index) {
		f->line = bytes_slice(&q->text);
		return FEED_ITEM;
	}
	q->has_item = false;
	if (q->is_over)
		return FEED_END;
	return FEED_LOAD;
}

static struct taken *out_of(struct queue_source *q, uint64_t index)
{
	for (struct taken **at = &q->begin; *at != NULL; at = &(*at)->next) {
		struct taken *x = *at;
		if (x->index != index)
			continue;
		*at = x->next;
		x->next = NULL;
		return x;
	}
	return NULL;
}

void each_queue_begun(struct each_frame *e, struct task *item)
{
	struct taken *x = out_of(source_of(e), item->index);
	if (x == NULL)
		return; /* an earlier life took it */
	x->next = item->taken;
	item->taken = x;
}

/* ---- the next item ---- */

static struct named_ask *ask_new(const struct each_frame *e, enum named_op op, uint64_t index)
{
	char buf[NAMED_SESSION_MAX], path[TASK_PATH_MAX + 24];
	struct slice session = named_session(buf, jobenv_id(e->t->env), item_path(e, index, path));
	return named_ask_new(op, NAMED_QUEUE, bytes_slice(&source_of(e)->name), session,
			     (struct slice){NULL, 0});
}

static int ask_item(act_self *self, struct each_load *l)
{
	struct task *t = l->e->t;
	task_waits(t, TASK_WAITS_ITEMS, act_now_ns(self), 0);
	return t->env->port.named_ask(self, t->env->port.ctx,
				      ask_new(l->e, NAMED_TAKE, l->e->index), &source_of(l->e)->m);
}

static void tell(act_self *self, struct each_frame *e, enum named_op op, uint64_t index, uint64_t n)
{
	struct named_ask *ask = ask_new(e, op, index);
	if (ask != NULL)
		ask->n = n;
	e->t->env->port.named_tell(self, e->t->env->port.ctx, ask);
}

static bool keep(struct queue_source *q, const struct named_answer *r, uint64_t index)
{
	struct taken *x = taken_new(bytes_slice(&q->name), r->n, r->tries);
	bytes_clear(&q->text);
	if (x == NULL || bytes_add_slice(&q->text, r->value) != ERR_OK) {
		taken_free(x);
		return false;
	}
	x->index = index;
	x->next = q->begin;
	q->begin = x;
	q->has_item = true;
	q->index = index;
	return true;
}

/* What `where` does not want is done with, and takes no index. */
static bool is_wanted(const struct each_frame *e, struct slice text)
{
	const struct cond *where = e->t->node->u.each.where;
	json_t *v;
	if (where == NULL)
		return true;
	v = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	bool holds = names_hold(where, v, e->t->names);
	json_decref(v);
	return holds;
}

static bool may_begin(act_self *self, const struct each_frame *e)
{
	return !act_is_cancelled(self) && act_event_is_set(e->t->env->go);
}

/* True: an item is in hand, to be committed. */
static bool take_answer(act_self *self, struct each_load *l)
{
	struct each_frame *e = l->e;
	struct queue_source *q = source_of(e);
	const struct named_answer *r = act_data(q->m);
	if (r->kind != KIND_NONE) {
		q->is_over = true;
		if (r->kind != KIND_CLOSED)
			each_source_breaks(e, r->kind, "in: %s", r->message);
	} else if (!is_wanted(e, r->value)) {
		taken_skip(e->t->env, bytes_slice(&q->name), r->n);
		tell(self, e, NAMED_ACK, e->index, r->n);
	} else if (!may_begin(self, e) || !keep(q, r, e->index)) {
		tell(self, e, NAMED_BACK, e->index, r->n);
	}
	act_drop(self, q->m);
	return q->has_item;
}

static void put_item(struct each_frame *e)
{
	char path[TASK_PATH_MAX + 24];
	struct queue_source *q = source_of(e);
	struct slice at = item_path(e, q->index, path);
	recall_put(e->t->env, at, RECALL_QUEUED, 0, bytes_slice(&q->text));
	taken_put(e->t->env, at, q->begin);
}

int each_queue_load(act_self *self, void *load)
{
	struct each_load *l = load;
	struct queue_source *q = source_of(l->e);
	CO_BEGIN(&l->co);
	CO_AWAIT(&l->co, l->rc, ask_item(self, l));
	if (l->rc != ACT_OK)
		return l->rc;
	if (!take_answer(self, l) || l->e->t->env->is_volatile)
		return ACT_OK;
	put_item(l->e);
	q->wait = results_wait_for(l->e->t->env->results);
	results_hurry(l->e->t->env->results);
	CO_CALL(&l->co, l->rc, results_wait, &q->wait);
	return ACT_OK;
	CO_END(&l->co);
}

/* ---- the end ---- */

static void tell_left(act_self *self, struct each_frame *e)
{
	struct queue_source *q = source_of(e);
	for (const struct taken *x = q->begin; x != NULL; x = x->next)
		tell(self, e, NAMED_BACK, x->index, x->n);
	taken_free(q->begin);
	q->begin = NULL;
}

/* Items whose tasks never began go back. */
int each_queue_close(act_self *self, void *load)
{
	struct each_load *l = load;
	struct queue_source *q = source_of(l->e);
	char path[TASK_PATH_MAX + 24];
	CO_BEGIN(&l->co);
	if (q->begin == NULL)
		return ACT_OK;
	if (!l->e->t->env->is_volatile) {
		for (const struct taken *x = q->begin; x != NULL; x = x->next) {
			taken_put_back(l->e->t->env, item_path(l->e, x->index, path), x);
			recall_drop_tree(l->e->t->env, item_path(l->e, x->index, path));
		}
		q->wait = results_wait_for(l->e->t->env->results);
		CO_CALL(&l->co, l->rc, results_wait, &q->wait);
	}
	tell_left(self, l->e);
	CO_END(&l->co);
}
