/*
 * task -- birth, activation and end of stackless tasks, and what ends their waits.
 *
 * The end of a task comes in this order: the groups it left open end their children (it waits for
 * them), its scopes close, defers run (youngest first), what it holds is given back, its argument
 * is freed, its group is told, then it is released like any actor.
 */
#include "run/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { AHEAD = 8 };

const act_class rt_task_class = {.name = "task"};

static void link_home(struct task *t, act_scope *home)
{
	t->scope = home;
	list_push_back(&home->tasks, &t->in_scope);
}

/* For three lines a string instruction would take longer to begin than this takes. */
static inline void zero_task(struct task *t)
{
	typedef uint64_t pair __attribute__((vector_size(16), may_alias));
	pair *at = (pair *)(void *)t;
#pragma GCC unroll 16
	for (size_t i = 0; i < sizeof(*t) / sizeof(*at); i++)
		at[i] = (pair){0, 0};
}

struct task *rt_task_new(act_shard *sh, act_step step, size_t frame_bytes,
			 const struct act_task_opts *opts, act_scope *home, act_id parent)
{
	static const struct act_task_opts none = {.name = NULL};
	const struct act_task_opts *o = opts != NULL ? opts : &none;
	CHECK(o->frame_init_size <= frame_bytes && frame_bytes < UINT32_MAX / 2);
	size_t bytes = sizeof(struct task) + frame_bytes;
	rt_block_fetch_ahead(&sh->blocks, bytes, 4);
	struct actor *a = rt_actor_new(sh, &rt_task_class, o->cap);
	struct task *t = a != NULL ? rt_block_take(&sh->blocks, bytes) : NULL;
	if (t == NULL) {
		if (a != NULL)
			rt_actor_release(sh, a, ACT_ENOMEM, NULL);
		return NULL;
	}
	zero_task(t);
	t->step = step;
	t->slot = rt_slot_of(sh, a);
	t->frame_bytes = (uint32_t)frame_bytes;
	t->wait_of = WAIT_GRANTED;
	t->timer.kind = WHEEL_TASK;
	t->name = o->name != NULL ? o->name : "task";
	t->arg = o->arg;
	t->arg_dtor = o->arg_dtor;
	if (home->group != NULL)
		t->of.group = home->group;
	else
		t->of.parent = parent;
	list_init(&t->wait);
	link_home(t, home);
	if (frame_bytes > 0)
		memset(rt_task_frame(t), 0, frame_bytes);
	if (o->frame_init_size > 0)
		memcpy(rt_task_frame(t), o->frame_init, o->frame_init_size);
	a->state = t;
	uint32_t flags = STATUS(0, 0, FLAG_TASK) | (o->high ? STATUS(0, 0, FLAG_HIGH) : 0);
	a->status += flags + STATUS(RUN_PARKED - RUN_IDLE, 0, 0);
	return t;
}

act_id act_spawn_task(act_self *self, act_step step, size_t frame_size,
		      const struct act_task_opts *opts)
{
	act_shard *sh = self->sh;
	act_id me = act_whoami(self);
	struct task *t = rt_task_new(sh, step, frame_size, opts, &sh->root, me);
	if (t == NULL) {
		if (opts != NULL && opts->arg_dtor != NULL)
			opts->arg_dtor(opts->arg);
		return 0;
	}
	struct actor *a = rt_task_actor(sh, t);
	rt_enqueue(sh, a);
	if (opts != NULL && opts->link && self->a != NULL && act_link(self, rt_id(sh, a)) != ACT_OK)
		rt_kill_actor(sh, a);
	return rt_id(sh, a);
}

/* ---- activation ---- */

/* Its step sees what was granted; or it is killed, and nobody will. */
static void settle_granted(act_shard *sh, struct task *t, bool is_killed)
{
	enum granted kind = (enum granted)t->granted_is;
	t->granted_is = GRANTED_NOTHING;
	if (kind == GRANTED_JOB)
		rt_offload_settle(t->w.granted, is_killed);
	else if (is_killed && kind == GRANTED_MSG)
		rt_msg_free(sh, t->w.granted);
	else if (is_killed && kind == GRANTED_RESULT)
		act_child_result_drop(t->w.granted);
}

static int first_step(act_shard *sh, struct task *t)
{
	if (rt_is_cancelled(t))
		return ACT_ECANCELED;
	t->flags |= TASK_STARTED;
	return t->step(&sh->self, rt_task_frame(t));
}

static int one_step(act_shard *sh, struct actor *a, struct task *t)
{
	bool is_killed = (a->sig & SIG_KILL) != 0;
	if (t->granted_is != GRANTED_NOTHING)
		settle_granted(sh, t, is_killed);
	if (__builtin_expect(is_killed, 0))
		return ACT_EKILLED;
	if (__builtin_expect((t->flags & TASK_STARTED) == 0, 0))
		return first_step(sh, t);
	return t->step(&sh->self, rt_task_frame(t));
}

/* The tasks that come next, so that their lines arrive while this one runs. */
static inline void fetch_ahead(const act_shard *sh)
{
	const struct runq *q = &sh->lo;
	uint32_t n = rt_runq_count(q);
	if (n <= AHEAD)
		return;
	__builtin_prefetch(&sh->actors[rt_runq_at(q, AHEAD)], 1);
	const char *t = sh->actors[rt_runq_at(q, AHEAD / 2)].state;
	for (int i = 0; i < 4; i++)
		__builtin_prefetch(t + 64 * i, 1);
}

void rt_task_run(act_shard *sh, struct actor *a)
{
	struct task *t = rt_task(a);
	fetch_ahead(sh);
	CHECK_DEBUG(t->wait_of == WAIT_GRANTED);
	t->wait_of = WAIT_NONE;
	if (__builtin_expect((t->flags & TASK_ENDING) != 0, 0)) {
		rt_task_end(sh, t, ACT_OK);
	} else {
		int rc = one_step(sh, a, t);
		if (rc == ACT_WAIT) {
			CHECK(t->wait_of != WAIT_NONE);
			if ((a->status & STATUS(0xff, 0, 0)) == STATUS(RUN_RUNNING, 0, 0))
				a->status += STATUS(RUN_PARKED - RUN_RUNNING, 0, 0);
		} else {
			CHECK(t->wait_of == WAIT_NONE);
			rt_task_end(sh, t, rc == ACT_OK ? ACT_EXIT : rc);
		}
	}
}

int act_result(act_self *self)
{
	struct task *t = rt_me(self);
	CHECK(t != NULL);
	return t->result;
}

void *act_arg(const act_self *self)
{
	struct task *t = rt_me(self);
	return t != NULL ? t->arg : NULL;
}

/* ---- end ---- */

/* False: children are still alive; the task will be run again when they are not. */
static __attribute__((noinline)) bool close_scopes(act_shard *sh, struct actor *a, struct task *t)
{
	while (!rt_is_home(t, t->scope)) {
		act_group *g = t->scope->group;
		if (g == NULL) {
			rt_scope_leave(sh, t);
			continue;
		}
		if (g->live > 0) {
			if ((a->sig & SIG_KILL) != 0)
				rt_scope_kill_tasks(sh, &g->scope, t);
			else
				rt_scope_cancel(sh, &g->scope, ACT_WHY_CANCEL, NULL);
			g->waiter = t;
			rt_park(sh, t, WAIT_ENDING);
			a->run = RUN_PARKED;
			return false;
		}
		rt_group_free(sh, g);
	}
	return true;
}

static act_err *final_error(act_shard *sh, struct actor *a, int rc)
{
	act_err *err = NULL;
	if (__builtin_expect(a->more != NULL, 0)) {
		err = a->more->err;
		a->more->err = NULL;
	}
	if (rc >= 0) {
		if (err != NULL)
			act_err_drop(err);
		return NULL;
	}
	if (err == NULL && rc == ACT_ECANCELED)
		return NULL;
	if (err == NULL)
		err = act_err_new(rc, "task", act_rc_text(rc), NULL);
	if (err->refs == 0)
		return err;
	if (err->task == 0) {
		err->task = rt_id(sh, a);
		err->at_ns = sh->now_ns;
	}
	return err;
}

void rt_task_end(act_shard *sh, struct task *t, int rc)
{
	struct actor *a = rt_task_actor(sh, t);
	if ((t->flags & TASK_ENDING) == 0) {
		t->flags |= TASK_ENDING;
		t->end_rc = rc;
		a->status |= STATUS(0, 0, FLAG_CLOSING);
	}
	if ((a->sig & SIG_KILL) != 0)
		t->end_rc = ACT_EKILLED;
	if (!rt_is_home(t, t->scope) && !close_scopes(sh, a, t))
		return;
	rc = t->end_rc;
	if (a->defers != NULL)
		rt_defer_run(sh, &a->defers);
	if (t->holds != NULL)
		rt_hold_end_all(sh, t, rc);
	if (t->arg_dtor != NULL)
		t->arg_dtor(t->arg);
	act_err *err = final_error(sh, a, rc);
	if (t->child != NULL)
		err = rt_group_child_ended(sh, t, rc, err);
	list_remove(&t->in_scope);
	a->state = NULL;
	rt_block_give(&sh->blocks, t, sizeof(*t) + t->frame_bytes);
	rt_actor_release(sh, a, rc, err);
}

int act_fail(act_self *self, int code, const char *type, act_err *cause, const char *fmt, ...)
{
	char text[ACT_ERR_MESSAGE_MAX + 1];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	int rc = code < 0 ? code : ACT_EFAILED;
	struct more *more = self->a != NULL ? rt_actor_more(self->sh, self->a) : NULL;
	act_err *err = act_err_new(rc, type, text, cause);
	if (more == NULL) {
		act_err_drop(err);
		return rc;
	}
	if (err->refs != 0) {
		err->task = act_whoami(self);
		err->at_ns = self->sh->now_ns;
	}
	act_err_drop(more->err);
	more->err = err;
	return rc;
}

/* ---- ends of waits ---- */

void rt_task_interrupt(act_shard *sh, struct task *t, int result)
{
	const struct wait_row *row = &rt_wait_row[t->wait_of];
	if (row->abandon != NULL && row->abandon(sh, t))
		rt_task_wake(sh, t, result);
}

void rt_task_kill_one(act_shard *sh, struct task *t)
{
	rt_task_actor(sh, t)->sig |= SIG_KILL;
	const struct wait_row *row = &rt_wait_row[t->wait_of];
	bool (*leave)(act_shard *, struct task *) = row->kill != NULL ? row->kill : row->abandon;
	if (leave != NULL && leave(sh, t))
		rt_task_wake(sh, t, ACT_EKILLED);
}

void rt_task_kill(act_shard *sh, struct task *t)
{
	if ((rt_task_actor(sh, t)->sig & SIG_KILL) != 0)
		return;
	rt_task_kill_one(sh, t);
	if (rt_is_home(t, t->scope))
		return;
	act_scope *s = t->scope;
	while (!rt_is_home(t, s->parent))
		s = s->parent;
	rt_scope_kill_tasks(sh, s, t);
}

void rt_task_timer(act_shard *sh, struct task *t)
{
	if (t->wait_of == WAIT_SLEEP) {
		rt_task_wake(sh, t, ACT_OK);
		return;
	}
	COUNT(sh, timeouts, 1);
	rt_task_interrupt(sh, t, ACT_ETIMEDOUT);
}

void rt_task_give_mail(act_shard *sh, struct actor *a)
{
	struct task *t = rt_task(a);
	if (t->wait_of != WAIT_RECV)
		return;
	rt_mail_note_depth(a);
	act_msg *m = rt_mail_shift(a);
	if (m->token != 0)
		rt_ask_taken(sh, m);
	*t->w.on.ret_item = m;
	rt_granted(t, GRANTED_MSG, m);
	a->received++;
	COUNT(sh, delivered, 1);
	rt_task_wake(sh, t, ACT_OK);
}

/* Each waits for at most one, so the walk is a line. */
bool rt_task_would_circle(act_shard *sh, const struct task *t, act_id on)
{
	for (int steps = 0; steps < 64; steps++) {
		struct actor *a = rt_find(sh, on);
		if (a == NULL || !rt_is_task(a))
			return false;
		struct task *next = rt_task(a);
		if (next == t)
			return true;
		const struct wait_row *row = &rt_wait_row[next->wait_of];
		if (row->owner == NULL)
			return false;
		on = row->owner(sh, next);
	}
	return false;
}
