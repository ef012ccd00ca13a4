/*
 * lock -- a mutex whose owner is a task, handed over directly. An owner that fails or is killed
 * leaves the lock inconsistent, as pthread's robust mutexes do: the next owner is told.
 */
#include "run/internal.h"

#include <stdlib.h>

enum lock_state { LOCK_SOUND, LOCK_INCONSISTENT, LOCK_UNUSABLE };

struct act_lock {
	act_shard *sh;
	struct hold *owner; /* NULL: free */
	enum lock_state state;
	uint32_t n_waiting;
	struct link waiters;
};

act_lock *act_lock_new(act_shard *sh)
{
	act_lock *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->sh = sh;
	list_init(&l->waiters);
	return l;
}

static int result_of_taking(const act_lock *l)
{
	return l->state == LOCK_INCONSISTENT ? ACT_EOWNERDEAD : ACT_OK;
}

static void close_to_all(act_lock *l)
{
	struct task *t;
	while ((t = rt_waiter_shift(&l->waiters)) != NULL) {
		rt_hold_free(l->sh, t->w.on.hold);
		rt_task_wake(l->sh, t, ACT_ECLOSED);
	}
	l->n_waiting = 0;
}

static void hand_over(act_lock *l)
{
	l->owner = NULL;
	struct task *t = rt_waiter_shift(&l->waiters);
	if (t == NULL)
		return;
	l->n_waiting--;
	l->owner = t->w.on.hold;
	rt_task_wake(l->sh, t, result_of_taking(l));
}

/* Let go by an owner that did not fail. */
static void let_go(act_lock *l)
{
	if (l->state != LOCK_SOUND) {
		l->state = LOCK_UNUSABLE;
		l->owner = NULL;
		close_to_all(l);
		return;
	}
	hand_over(l);
}

static void end_hold(act_shard *sh, struct hold *h, int rc)
{
	(void)sh;
	act_lock *l = h->object;
	if (l == NULL || l->owner != h)
		return;
	if (rc >= 0 || rc == ACT_ECANCELED) {
		let_go(l);
		return;
	}
	l->state = LOCK_INCONSISTENT;
	hand_over(l);
}

static const struct hold_kind lock_kind = {"lock", end_hold};

int act_lock_acquire(act_self *self, act_lock *l)
{
	act_shard *sh = self->sh;
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	if (l->state == LOCK_UNUSABLE)
		return ACT_ECLOSED;
	if (l->owner != NULL &&
	    (l->owner->task == t || rt_task_would_circle(sh, t, rt_task_id(sh, l->owner->task))))
		return ACT_EDEADLK;
	struct hold *h = rt_hold_new(sh, t, &lock_kind, l);
	if (h == NULL)
		return ACT_ENOMEM;
	if (l->owner == NULL) {
		l->owner = h;
		return rt_done(sh, t, result_of_taking(l));
	}
	t->w.on.object = l;
	t->w.on.hold = h;
	list_push_back(&l->waiters, &t->wait);
	l->n_waiting++;
	return rt_park(sh, t, WAIT_LOCK);
}

bool rt_lock_abandon(act_shard *sh, struct task *t)
{
	act_lock *l = t->w.on.object;
	list_remove(&t->wait);
	l->n_waiting--;
	rt_hold_free(sh, t->w.on.hold);
	return true;
}

act_id rt_lock_waits_for(act_shard *sh, struct task *t)
{
	const act_lock *l = t->w.on.object;
	return l->owner != NULL ? rt_task_id(sh, l->owner->task) : 0;
}

static bool is_mine(act_self *self, const act_lock *l)
{
	return l->owner != NULL && l->owner->task == rt_me(self);
}

int act_lock_release(act_self *self, act_lock *l)
{
	if (!is_mine(self, l))
		return ACT_EPERM;
	struct hold *h = l->owner;
	let_go(l);
	rt_hold_free(self->sh, h);
	return ACT_OK;
}

int act_lock_consistent(act_self *self, act_lock *l)
{
	if (!is_mine(self, l))
		return ACT_EPERM;
	if (l->state != LOCK_INCONSISTENT)
		return ACT_EINVAL;
	l->state = LOCK_SOUND;
	return ACT_OK;
}

act_id act_lock_owner(const act_lock *l)
{
	return l->owner != NULL ? rt_task_id(l->sh, l->owner->task) : 0;
}

uint32_t act_lock_waiting(const act_lock *l)
{
	return l->n_waiting;
}

void act_lock_free(act_lock *l)
{
	if (l == NULL)
		return;
	close_to_all(l);
	if (l->owner != NULL)
		rt_hold_free(l->sh, l->owner);
	free(l);
}
