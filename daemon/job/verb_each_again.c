/*
 * Items of an each for another try: one that did not end well is kept as a fact when it ends, so
 * that `retry` of the job finds it when the chunk of its source is long gone. It is read back when
 * its turn comes: memory does not grow with what failed.
 */
#include "edge/store.h"
#include "job/again.h"
#include "job/recall.h"
#include "job/verb_each.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FULL "x"

static struct slice kept_path(const struct task *t, char buf[TASK_PATH_MAX])
{
	char path[TASK_PATH_MAX];
	struct slice at = task_path_in(t, path);
	int n = snprintf(buf, TASK_PATH_MAX, "%c%.*s", RECALL_ITEMS, (int)at.n, at.p);
	return (struct slice){buf, (size_t)n < TASK_PATH_MAX ? (size_t)n : TASK_PATH_MAX - 1};
}

static void put_full(struct task *each)
{
	char path[TASK_PATH_MAX];
	recall_put(each->env, kept_path(each, path), RECALL_ITEM, 0, SLICE_LIT(FULL));
}

/* Nothing of what a list or range will give again. */
static void add_text(const struct task *item, struct bytes *out)
{
	enum source_kind kind = item->up->node->u.each.in.kind;
	char *text = NULL;
	if (kind == SOURCE_LIST || kind == SOURCE_RANGE)
		return;
	if (item->item.raw.n > 0)
		bytes_add_slice(out, item->item.raw);
	else if (item->item.value != NULL)
		text = json_dumps(item->item.value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text != NULL)
		bytes_add_str(out, text);
	free(text);
}

/* `CLASS KIND FAILED HANDLED TEXT` */
static void put_item(struct task *item, const struct done_mark *m, int c, uint64_t seq)
{
	char path[TASK_PATH_MAX];
	struct bytes data = BYTES_LIMIT(STORE_TEXT_MAX);
	bytes_printf(&data, "%d %s %u %u ", c, m->kind == KIND_NONE ? "-" : kind_name(m->kind),
		     m->n_failed, m->n_handled);
	add_text(item, &data);
	recall_put(item->env, kept_path(item, path), RECALL_ITEM, (int64_t)seq, bytes_slice(&data));
	bytes_fini(&data);
}

void each_keep_item(struct task *item, const struct done_mark *m, int c, uint64_t seq)
{
	struct each_frame *e = (void *)item->up->frame;
	struct jobenv *env = item->env;
	uint64_t most = env->is_volatile ? AGAIN_ITEMS_VOLATILE : AGAIN_ITEMS;
	char path[TASK_PATH_MAX];
	if (!env->keeps_failed)
		return;
	if (m->kind == KIND_NONE && m->n_failed == 0) {
		if (item->is_again || m->n_handled > 0)
			recall_drop_tree(env, kept_path(item, path));
		e->n_kept -= item->is_again && e->n_kept > 0;
		return;
	}
	e->n_kept += !item->is_again;
	if (e->n_kept <= most)
		put_item(item, m, c, seq);
	else if (e->n_kept == most + 1)
		put_full(item->up);
}

bool each_kept_read(struct slice data, struct each_kept *ret)
{
	char head[96] = "", kind[40];
	int at = 0;
	*ret = (struct each_kept){.is_full = slice_is(data, FULL)};
	if (ret->is_full)
		return true;
	memcpy(head, data.p, data.n < sizeof(head) ? data.n : sizeof(head) - 1);
	if (sscanf(head, "%d %39s %u %u%n", &ret->c, kind, &ret->mark.n_failed,
		   &ret->mark.n_handled, &at) != 4 ||
	    (size_t)at >= data.n || ret->c < RESULTS_OK || ret->c > RESULTS_CLASSES)
		return false;
	ret->mark.kind = strcmp(kind, "-") == 0 ? KIND_NONE : kind_from_name(slice_of(kind));
	ret->text = (struct slice){data.p + at + 1, data.n - (size_t)at - 1};
	return true;
}

/* ---- reading back ---- */

static struct slice item_path(const struct each_again *a, char buf[TASK_PATH_MAX])
{
	int n = snprintf(buf, TASK_PATH_MAX, "%c%.*s.%llu", RECALL_ITEMS, (int)a->e->cursor->path.n,
			 a->e->cursor->path.p, (unsigned long long)a->index);
	return (struct slice){buf, (size_t)n < TASK_PATH_MAX ? (size_t)n : TASK_PATH_MAX - 1};
}

static int read_item(act_self *self, struct each_again *a)
{
	char path[TASK_PATH_MAX];
	const struct leaf_port *port = &a->e->t->env->port;
	struct store_query q = {.kind = STORE_Q_FACTS,
				.job = a->e->t->env->number,
				.after_path = item_path(a, path),
				.has_after = true,
				.max_rows = 2};
	return port->read(self, port->ctx, &q, &a->m);
}

static void take_rows(struct each_again *a)
{
	char path[TASK_PATH_MAX];
	struct slice at = item_path(a, path);
	const struct store_rows *rows = a->e->t->env->port.rows(a->m);
	for (uint32_t i = 0; rows != NULL && i < rows->n; i++) {
		const struct store_fact *f = &rows->row[i].fact;
		struct each_kept kept;
		if (!slice_eq(f->path, at))
			continue;
		if (f->wall_at_ns != 0)
			a->seq = (uint64_t)f->wall_at_ns;
		if (f->n != RECALL_ITEM || !each_kept_read(f->data, &kept))
			continue;
		a->is_item = true;
		a->text = kept.text;
	}
}

int each_again_step(act_self *self, void *again)
{
	struct each_again *a = again;
	CO_BEGIN(&a->co);
	CO_AWAIT(&a->co, a->rc, read_item(self, a));
	if (a->rc != ACT_OK)
		return a->rc;
	take_rows(a);
	a->is_read = true;
	CO_END(&a->co);
}

void each_again_done(act_self *self, struct each_again *a)
{
	if (a->m != NULL)
		act_drop(self, a->m);
	*a = (struct each_again){.e = NULL};
}
