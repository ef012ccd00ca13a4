/*
 * set, clear, wait: a named event. What they say is committed with their outcome, then told.
 */
#include "edge/store.h"
#include "job/recall.h"
#include "job/verb.h"
#include "job/verb_named.h"

#include <stdlib.h>

/* ---- what all verbs of named objects share ---- */

static struct named_frame *frame_of(struct task *t)
{
	return (void *)t->frame;
}

bool named_render(struct named_frame *f, struct task *t, const struct tmpl *name)
{
	struct interp_env env = names_env(t->names);
	struct interp_error e = {0};
	f->name.limit = INTERP_MAX_BYTES;
	bytes_clear(&f->name);
	if (tmpl_render_text(name, &env, &f->name, &e) == ERR_OK)
		return true;
	task_fail(t, KIND_REQUEST_INVALID, "%s: %s", verb_name(t->node->verb), e.sentence);
	return false;
}

struct named_ask *named_ask_of(const struct named_frame *f, struct task *t, enum named_op op,
			       enum named_kind kind)
{
	char buf[NAMED_SESSION_MAX], path[TASK_PATH_MAX];
	struct slice none = {NULL, 0};
	struct slice session = named_session(buf, jobenv_id(t->env), task_path_in(t, path));
	struct named_ask *ask = named_ask_new(op, kind, bytes_slice(&f->name), session,
					      op == NAMED_PUT ? slice_of(f->text) : none);
	if (ask == NULL)
		return NULL;
	ask->n = f->n;
	ask->size = f->text != NULL ? slice_of(f->text).n : 0;
	return ask;
}

int named_asks(act_self *self, struct task *t, struct named_ask *ask, act_msg **ret_m)
{
	task_waits(t, TASK_WAITS_NAMED, act_now_ns(self), 0);
	return t->env->port.named_ask(self, t->env->port.ctx, ask, ret_m);
}

void named_tells(act_self *self, struct task *t, struct named_ask *ask)
{
	t->env->port.named_tell(self, t->env->port.ctx, ask);
}

bool named_granted(act_self *self, struct named_frame *f, struct task *t)
{
	if (f->rc != ACT_OK) {
		task_await_failed(self, t, f->rc);
		return false;
	}
	const struct named_answer *r = act_data(f->m);
	f->n = r->n;
	if (r->kind != KIND_NONE)
		task_fail(t, r->kind, "%s", r->message);
	act_drop(self, f->m);
	return t->out.state == OUTCOME_NONE;
}

void named_row(const struct named_frame *f, struct task *t, enum named_kind kind, struct slice data)
{
	char key[NAMED_KEY_MAX];
	struct jobenv *env = t->env;
	struct store_op *op = env->is_volatile ? NULL : results_op(env->results, STORE_NAMED_PUT);
	if (op != NULL)
		op->named = (struct store_named){
			.name = results_text(env->results,
					     named_key(key, kind, env->uid, bytes_slice(&f->name))),
			.n = f->n,
			.data = results_text(env->results, data)};
}

int named_ends(act_self *self, void *task)
{
	struct task *t = task;
	struct named_frame *f = frame_of(t);
	char path[TASK_PATH_MAX];
	f->line.t = t;
	if (t->out.state == OUTCOME_FAILED)
		return line_plain(self, &f->line);
	if (t->out.state == OUTCOME_CANCELLED)
		return ACT_EXIT;
	if (f->wait.r == NULL) {
		recall_put_outcome(t->env, task_path_in(t, path), &t->out, 0);
		task_waits(t, TASK_WAITS_COMMIT, act_now_ns(self), 0);
		f->wait = results_wait_for(t->env->results);
	}
	return results_wait(self, &f->wait);
}

void verb_named_fini(struct task *t)
{
	struct named_frame *f = frame_of(t);
	bytes_fini(&f->name);
	free(f->text);
	free(f->taken);
	f->text = NULL;
	f->taken = NULL;
}

/* ---- wait ---- */

int verb_wait_step(act_self *self, void *task)
{
	struct task *t = task;
	struct named_frame *f = frame_of(t);
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	if (named_render(f, t, t->node->u.event)) {
		CO_AWAIT(&f->co, f->rc,
			 named_asks(self, t, named_ask_of(f, t, NAMED_WAIT, NAMED_EVENT), &f->m));
		if (named_granted(self, f, t))
			task_ok(t, NULL);
	}
	CO_CALL(&f->co, f->rc, named_ends, t);
	CO_END(&f->co);
}

/* ---- set, clear ---- */

static void say(act_self *self, struct named_frame *f, struct task *t)
{
	bool is_set = t->node->verb == VERB_SET;
	if (act_is_cancelled(self)) {
		named_tells(self, t, named_ask_of(f, t, NAMED_UNWORD, NAMED_EVENT));
		task_cancelled(self, t);
		return;
	}
	named_row(f, t, NAMED_EVENT, slice_of(is_set ? "set" : "clear"));
	task_ok(t, NULL);
}

static enum named_op word_of(const struct task *t)
{
	return t->node->verb == VERB_SET ? NAMED_SET : NAMED_CLEAR;
}

int verb_word_step(act_self *self, void *task)
{
	struct task *t = task;
	struct named_frame *f = frame_of(t);
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	if (named_render(f, t, t->node->u.event)) {
		CO_AWAIT(&f->co, f->rc,
			 named_asks(self, t, named_ask_of(f, t, NAMED_WORD, NAMED_EVENT), &f->m));
		if (named_granted(self, f, t))
			say(self, f, t);
	}
	CO_CALL(&f->co, f->rc, named_ends, t);
	if (t->out.state == OUTCOME_OK)
		named_tells(self, t, named_ask_of(f, t, word_of(t), NAMED_EVENT));
	CO_END(&f->co);
}
