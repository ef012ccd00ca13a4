/*
 * The feeder of an each: takes items from the source, drops those that `where` does not want,
 * launches the others while the window, the reader and the user allow it.
 */
#include "job/feed.h"
#include "job/recall.h"
#include "job/results.h"
#include "job/verb.h"
#include "job/verb_each.h"

#include <stdlib.h>
#include <string.h>

#define LAUNCHES_PER_TURN 64

static void expect_less(struct each_frame *e)
{
	e->n_seen++;
	if (e->ops->is_counted && e->t->env->n_expected > 0)
		e->t->env->n_expected--;
}

/* The next item that is not done yet. False: what was kept of it has to be read first. */
static bool find_next(struct feeder *f)
{
	struct each_frame *e = f->e;
	while (cursor_is_done(&e->cursor->cursor, e->index)) {
		e->index++;
		expect_less(e);
	}
	return e->index >= e->again_below || (f->again.is_read && f->again.index == e->index);
}

static enum feed_got take(struct feeder *f)
{
	f->line = f->again.text;
	return f->again.text.n > 0 ? FEED_ITEM : f->e->ops->take(f, f->e->index);
}

/* ---- launching ---- */

static bool is_wanted(struct feeder *f)
{
	const struct cond *where = f->e->t->node->u.each.where;
	if (where == NULL)
		return true;
	if (f->value == NULL)
		f->value = json_loadb(f->line.p, f->line.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return names_hold(where, f->value, f->e->t->names);
}

static void drop(struct feeder *f)
{
	struct each_frame *e = f->e;
	cursor_done(&e->cursor->cursor, (struct cursor_range){e->index, e->index + 1});
	if (e->t->up == NULL)
		results_turn_ends(e->t->env->results, e->index);
	e->index++;
}

static struct task *item_new(struct feeder *f, uint64_t index)
{
	struct each_frame *e = f->e;
	const struct each_spec *s = &e->t->node->u.each;
	struct task *item = task_new(e->t->env, s->run, e->t, NULL);
	if (item == NULL)
		return NULL;
	names_init(&item->item, e->t->names, s->as);
	item->names = &item->item;
	item->index = index;
	if (f->value != NULL) {
		item->item.value = json_incref(f->value);
		return item;
	}
	item->raw = malloc(f->line.n + 1);
	if (item->raw == NULL) {
		task_free(item);
		return NULL;
	}
	memcpy(item->raw, f->line.p, f->line.n);
	item->item.raw = (struct slice){item->raw, f->line.n};
	return item;
}

static void go(act_self *self, struct each_frame *e, struct task *item)
{
	e->n_open++;
	e->t->env->n_open++;
	if (e->n_open >= e->window)
		act_event_clear(e->room);
	children_go(self, &e->c, item);
}

/* False: no memory now. */
static bool launch(act_self *self, struct feeder *f)
{
	struct each_frame *e = f->e;
	struct task *item = item_new(f, e->index);
	uint64_t index;
	if (item == NULL)
		return false;
	item->is_again = f->again.is_item;
	item->supersedes = f->again.seq;
	if (e->index >= e->cursor->cursor.next &&
	    cursor_launch(&e->cursor->cursor, &index) != ERR_OK) {
		task_free(item);
		return false;
	}
	e->index++;
	go(self, e, item);
	return true;
}

static void forget_item(struct feeder *f)
{
	json_decref(f->value);
	f->value = NULL;
	expect_less(f->e);
}

/* False: it could not be started now. */
static bool start_or_drop(act_self *self, struct feeder *f)
{
	bool ok = true;
	if (is_wanted(f))
		ok = launch(self, f);
	else
		drop(f);
	if (ok)
		forget_item(f);
	return ok;
}

/* ---- what an earlier life began ---- */

static bool late_begin(struct each_late *l)
{
	char path[TASK_PATH_MAX];
	struct task *t = l->f.e->t;
	return !recall_is_empty(t->env->recall) &&
	       recall_items(t->env->recall, task_path_in(t, path), &l->index, &l->n) == ERR_OK;
}

/* False: its text has to be read from the store first. */
static bool late_one(act_self *self, struct each_late *l)
{
	struct each_frame *e = l->f.e;
	uint64_t index = l->index[l->i];
	if (index < e->index || cursor_is_done(&e->cursor->cursor, index))
		return true;
	enum feed_got got = e->ops->take(&l->f, index);
	if (got == FEED_LOAD)
		return false;
	struct task *item = got == FEED_ITEM ? item_new(&l->f, index) : NULL;
	if (item != NULL)
		go(self, e, item);
	forget_item(&l->f);
	return true;
}

int each_late_step(act_self *self, void *late)
{
	struct each_late *l = late;
	CO_BEGIN(&l->co);
	if (!late_begin(l))
		return ACT_OK;
	while (l->i < l->n) {
		if (late_one(self, l)) {
			l->i++;
			continue;
		}
		l->f.load = (struct each_load){.e = l->f.e};
		l->shield = act_scope_shield(self, 0);
		CO_CALL(&l->co, l->rc, l->f.e->ops->load, &l->f.load);
		if (l->shield != NULL)
			act_scope_close(self, l->shield, ACT_OK, NULL);
		if (l->rc != ACT_OK)
			return ACT_OK;
	}
	CO_END(&l->co);
}

static act_event *reader_room(struct feeder *f)
{
	struct jobenv *env = f->e->t->env;
	results_check_room(env->results);
	return results_room(env->results);
}

/* A step: until one more may start. */
static int await_leave(act_self *self, struct feeder *f)
{
	struct task *t = f->e->t;
	if (!act_event_is_set(f->e->room))
		return act_event_wait(self, f->e->room);
	if (!act_event_is_set(t->env->go)) {
		task_waits(t, TASK_WAITS_RESUME, act_now_ns(self), 0);
		return act_event_wait(self, t->env->go);
	}
	if (!act_event_is_set(reader_room(f))) {
		task_waits(t, TASK_WAITS_READER, act_now_ns(self), 0);
		return act_event_wait(self, reader_room(f));
	}
	return ACT_OK;
}

static int await_more(act_self *self, struct feeder *f)
{
	struct each_frame *e = f->e;
	return e->ops->more != NULL ? act_event_wait(self, e->ops->more(e))
				    : act_sleep(self, 100 * NS_PER_MS);
}

static bool may_launch(struct feeder *f)
{
	return act_event_is_set(f->e->room) && act_event_is_set(f->e->t->env->go) &&
	       act_event_is_set(reader_room(f));
}

static int feeder_step(act_self *self, void *frame)
{
	struct feeder *f = frame;
	enum feed_got got;
	CO_BEGIN(&f->co);
	for (;;) {
		while (!may_launch(f)) {
			CO_AWAIT(&f->co, f->rc, await_leave(self, f));
			if (f->rc != ACT_OK)
				return ACT_OK;
		}
		if (act_is_cancelled(self))
			return ACT_OK;
		task_waits(f->e->t, TASK_WAITS_CHILDREN, act_now_ns(self), 0);
		if (!find_next(f)) {
			f->again = (struct each_again){.e = f->e, .index = f->e->index};
			CO_CALL(&f->co, f->rc, each_again_step, &f->again);
			if (f->rc != ACT_OK)
				return ACT_OK;
		}
		got = take(f);
		f->e->was_at_end |= got == FEED_END;
		if (got == FEED_END)
			return ACT_OK;
		if (got == FEED_LOAD) {
			f->load = (struct each_load){.e = f->e};
			CO_CALL(&f->co, f->rc, f->e->ops->load, &f->load);
			if (f->rc != ACT_OK)
				return ACT_OK;
			continue;
		}
		if (got == FEED_EMPTY) {
			task_waits(f->e->t, TASK_WAITS_ITEMS, act_now_ns(self), 0);
			CO_AWAIT(&f->co, f->rc, await_more(self, f));
			if (f->rc != ACT_OK)
				return ACT_OK;
			continue;
		}
		if (!start_or_drop(self, f)) {
			json_decref(f->value);
			f->value = NULL;
			CO_AWAIT(&f->co, f->rc, act_sleep(self, 100 * NS_PER_MS));
			if (f->rc != ACT_OK)
				return ACT_OK;
			continue;
		}
		each_again_done(self, &f->again);
		if (++f->n % LAUNCHES_PER_TURN == 0) {
			CO_AWAIT(&f->co, f->rc, act_yield(self));
			if (f->rc != ACT_OK)
				return ACT_OK;
		}
	}
	CO_END(&f->co);
}

bool each_feeder_start(act_self *self, struct each_frame *e)
{
	struct feeder f = {.e = e};
	return children_help(self, &e->c, feeder_step, &f, sizeof(f)) != ACT_ENOMEM;
}
