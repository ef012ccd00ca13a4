/*
 * put and take: a named queue. An item that is put is committed with the outcome of the put; one
 * that is taken belongs to the task around the take until that ends (job/taken.h).
 */
#include "job/recall.h"
#include "job/taken.h"
#include "job/verb.h"
#include "job/verb_named.h"

#include <stdlib.h>

static struct named_frame *frame_of(struct task *t)
{
	return (void *)t->frame;
}

/* ---- put ---- */

static bool render_value(struct named_frame *f, struct task *t)
{
	struct interp_env env = names_env(t->names);
	struct interp_error e = {0};
	json_t *v = NULL;
	enum err err = spec_value_render(&t->node->u.put.value, &env, &v, &e);
	if (err != ERR_OK) {
		task_fail(t, err == ERR_NOMEM ? KIND_MEMORY : KIND_REQUEST_INVALID, "put: %s",
			  e.sentence);
		return false;
	}
	f->text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(v);
	if (f->text == NULL)
		task_fail(t, KIND_MEMORY, "no memory for the value");
	return f->text != NULL;
}

static void put(act_self *self, struct named_frame *f, struct task *t)
{
	if (act_is_cancelled(self)) {
		named_tells(self, t, named_ask_of(f, t, NAMED_UNROOM, NAMED_QUEUE));
		task_cancelled(self, t);
		return;
	}
	named_row(f, t, NAMED_QUEUE, slice_of(f->text));
	task_ok(t, NULL);
}

int verb_put_step(act_self *self, void *task)
{
	struct task *t = task;
	struct named_frame *f = frame_of(t);
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	if (named_render(f, t, t->node->u.put.queue) && render_value(f, t)) {
		CO_AWAIT(&f->co, f->rc,
			 named_asks(self, t, named_ask_of(f, t, NAMED_ROOM, NAMED_QUEUE), &f->m));
		if (named_granted(self, f, t))
			put(self, f, t);
	}
	CO_CALL(&f->co, f->rc, named_ends, t);
	if (t->out.state == OUTCOME_OK)
		named_tells(self, t, named_ask_of(f, t, NAMED_PUT, NAMED_QUEUE));
	CO_END(&f->co);
}

/* ---- take ---- */

/* The item is the enclosing task's until it ends; the take itself ends now. */
static struct task *holder_of(struct task *t)
{
	return t->up != NULL ? t->up : t;
}

static struct named_ask *take_ask(const struct named_frame *f, struct task *t, enum named_op op)
{
	char buf[NAMED_SESSION_MAX];
	struct named_ask *ask =
		named_ask_new(op, NAMED_QUEUE, bytes_slice(&f->name),
			      taken_session(holder_of(t), buf), (struct slice){NULL, 0});
	if (ask != NULL)
		ask->n = f->n;
	return ask;
}

static void keep_item(struct named_frame *f, struct task *t)
{
	const struct named_answer *r = act_data(f->m);
	if (r->kind != KIND_NONE)
		return;
	f->has_item = true;
	f->n = r->n;
	f->text = malloc(r->value.n + 1);
	f->taken = taken_new(bytes_slice(&f->name), r->n, r->tries);
	if (f->text == NULL || f->taken == NULL) {
		task_fail(t, KIND_MEMORY, "no memory for the item");
		return;
	}
	for (size_t i = 0; i < r->value.n; i++)
		f->text[i] = r->value.p[i];
	f->text[r->value.n] = '\0';
}

static void forget_item(struct named_frame *f)
{
	free(f->text);
	free(f->taken);
	f->text = NULL;
	f->taken = NULL;
	f->has_item = false;
}

/* The item in hand becomes the outcome, or goes back as if nothing had been asked. */
static void take(act_self *self, struct named_frame *f, struct task *t)
{
	char path[TASK_PATH_MAX];
	struct task *holder = holder_of(t);
	if (act_is_cancelled(self) && t->out.state == OUTCOME_NONE)
		task_cancelled(self, t);
	if (t->out.state != OUTCOME_NONE) {
		named_tells(self, t, take_ask(f, t, NAMED_BACK));
		return;
	}
	if (!act_event_is_set(t->env->go)) {
		named_tells(self, t, take_ask(f, t, NAMED_BACK));
		forget_item(f);
		return;
	}
	taken_put(t->env, task_path_in(holder, path), f->taken);
	f->taken->next = holder->taken;
	holder->taken = f->taken;
	f->taken = NULL;
	task_ok(t, json_loads(f->text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
}

/* A paused job takes nothing. */
static int await_go(act_self *self, struct task *t)
{
	if (act_event_is_set(t->env->go))
		return ACT_OK;
	task_waits(t, TASK_WAITS_RESUME, act_now_ns(self), 0);
	return act_event_wait(self, t->env->go);
}

int verb_take_step(act_self *self, void *task)
{
	struct task *t = task;
	struct named_frame *f = frame_of(t);
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	while (t->out.state == OUTCOME_NONE && named_render(f, t, t->node->u.take)) {
		CO_AWAIT(&f->co, f->rc, await_go(self, t));
		if (f->rc == ACT_OK)
			CO_AWAIT(&f->co, f->rc,
				 named_asks(self, t, take_ask(f, t, NAMED_TAKE), &f->m));
		if (f->rc == ACT_OK)
			keep_item(f, t);
		if (named_granted(self, f, t) || f->has_item)
			take(self, f, t);
	}
	f->line.t = t;
	if (t->out.state == OUTCOME_OK)
		f->line.value = slice_of(f->text);
	CO_CALL(&f->co, f->rc, line_plain, &f->line);
	CO_END(&f->co);
}
