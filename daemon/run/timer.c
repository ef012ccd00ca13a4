/*
 * timer -- timers of plain actors, embedded in their state. Fired ones wait on the owner's list;
 * nothing is allocated after the owner's first timer.
 */
#include "run/internal.h"

enum { TIMER_IDLE, TIMER_SET, TIMER_FIRED };

static void unlink_armed(struct more *more, struct act_timer *t)
{
	if (t->prev_of_owner != NULL)
		t->prev_of_owner->next_of_owner = t->next_of_owner;
	else
		more->timers = t->next_of_owner;
	if (t->next_of_owner != NULL)
		t->next_of_owner->prev_of_owner = t->prev_of_owner;
	t->next_of_owner = t->prev_of_owner = NULL;
}

static void unlink_fired(struct more *more, struct act_timer *t)
{
	struct act_timer *before = NULL;
	for (struct act_timer *f = more->fired; f != t; f = f->next_fired)
		before = f;
	if (before == NULL)
		more->fired = t->next_fired;
	else
		before->next_fired = t->next_fired;
	if (more->fired_last == t)
		more->fired_last = before;
	t->next_fired = NULL;
}

void act_timer_clear(act_self *self, struct act_timer *t)
{
	struct more *more = self->a != NULL ? self->a->more : NULL;
	if (t->state == TIMER_IDLE)
		return;
	CHECK(more != NULL && t->owner == act_whoami(self));
	if (t->state == TIMER_SET) {
		rt_wheel_remove(&self->sh->wheel, &t->node);
		unlink_armed(more, t);
	} else {
		unlink_fired(more, t);
	}
	t->state = TIMER_IDLE;
}

/* More is part of the actor from its birth where timers matter; without memory for it the timer
 * cannot be kept apart from others, which is the end. */
void act_timer_set_at(act_self *self, struct act_timer *t, int64_t at_ns)
{
	act_shard *sh = self->sh;
	CHECK(self->a != NULL && !rt_is_task(self->a));
	if (t->state == TIMER_SET) {
		rt_wheel_remove(&sh->wheel, &t->node);
		rt_wheel_add(&sh->wheel, &t->node, at_ns);
		return;
	}
	act_timer_clear(self, t);
	struct more *more = rt_actor_more(sh, self->a);
	CHECK(more != NULL);
	t->owner = act_whoami(self);
	t->node.kind = WHEEL_TIMER;
	t->state = TIMER_SET;
	t->prev_of_owner = NULL;
	t->next_of_owner = more->timers;
	if (more->timers != NULL)
		more->timers->prev_of_owner = t;
	more->timers = t;
	rt_wheel_add(&sh->wheel, &t->node, at_ns);
}

void act_timer_set(act_self *self, struct act_timer *t, int64_t after_ns)
{
	int64_t now = self->sh->now_ns, at;
	if (__builtin_add_overflow(now, after_ns, &at))
		at = INT64_MAX;
	act_timer_set_at(self, t, at);
}

bool act_timer_is_set(const struct act_timer *t)
{
	return t->state != TIMER_IDLE;
}

void rt_timer_fire(act_shard *sh, struct act_timer *t)
{
	struct actor *a = rt_find(sh, t->owner);
	CHECK(a != NULL && a->more != NULL);
	unlink_armed(a->more, t);
	t->state = TIMER_FIRED;
	t->next_fired = NULL;
	if (a->more->fired == NULL)
		a->more->fired = t;
	else
		a->more->fired_last->next_fired = t;
	a->more->fired_last = t;
	a->sig |= SIG_TIMER;
	rt_enqueue_high(sh, a);
}

void rt_timer_clear_all(act_shard *sh, struct more *more)
{
	while (more->timers != NULL) {
		struct act_timer *t = more->timers;
		rt_wheel_remove(&sh->wheel, &t->node);
		unlink_armed(more, t);
	}
	more->fired = NULL;
}

/* What a wheel node belongs to. */
void rt_timers_run(act_shard *sh)
{
	struct act_wheel_node *node;
	rt_wheel_advance(&sh->wheel, sh->now_ns);
	while ((node = rt_wheel_pop(&sh->wheel)) != NULL) {
		if (node->kind == WHEEL_TIMER)
			rt_timer_fire(sh, LIST_ENTRY(node, struct act_timer, node));
		else if (node->kind == WHEEL_TASK)
			rt_task_timer(sh, LIST_ENTRY(node, struct task, timer));
		else
			rt_scope_expired(sh, node);
	}
}
