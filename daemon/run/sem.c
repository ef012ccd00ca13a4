/*
 * sem -- counting semaphore with FIFO hand-off. A waiter's record of permits is made before it
 * waits, so that a grant cannot fail; when any waiter leaves, the grants are tried again, because a
 * large one at the head may have held up small ones.
 */
#include "run/internal.h"

#include <stdlib.h>

struct act_sem {
	act_shard *sh;
	enum act_sem_kind kind;
	int64_t n_free;
	uint32_t max, n_waiting;
	struct link waiters; /* tasks by wait */
	struct link holders; /* holds by of_object */
};

act_sem *act_sem_new(act_shard *sh, enum act_sem_kind kind, uint32_t n, uint32_t max)
{
	act_sem *s = malloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	*s = (act_sem){.sh = sh, .kind = kind, .n_free = n, .max = max != 0 ? max : n};
	list_init(&s->waiters);
	list_init(&s->holders);
	return s;
}

static void grant(act_sem *s)
{
	while (!list_empty(&s->waiters)) {
		struct task *t = LIST_ENTRY(list_first(&s->waiters), struct task, wait);
		if ((int64_t)t->w.on.n > s->n_free)
			return;
		list_remove(&t->wait);
		s->n_waiting--;
		s->n_free -= (int64_t)t->w.on.n;
		if (t->w.on.hold != NULL)
			t->w.on.hold->n += t->w.on.n;
		rt_task_wake(s->sh, t, ACT_OK);
	}
}

static void end_hold(act_shard *sh, struct hold *h, int rc)
{
	(void)sh;
	(void)rc;
	act_sem *s = h->object;
	s->n_free += (int64_t)h->n;
	h->n = 0;
	grant(s);
}

static const struct hold_kind permits = {"permits", end_hold};

/* The task's record on s, made if there is none. */
static struct hold *record(act_self *self, act_sem *s)
{
	struct task *t = rt_me(self);
	struct hold *h = rt_hold_find(t, &permits, s);
	if (h != NULL)
		return h;
	h = rt_hold_new(self->sh, t, &permits, s);
	if (h != NULL)
		list_push_back(&s->holders, &h->of_object);
	return h;
}

static void drop_empty(act_shard *sh, struct hold *h)
{
	if (h != NULL && h->n == 0)
		rt_hold_free(sh, h);
}

static int take(act_self *self, act_sem *s, uint32_t n, struct hold **ret_h)
{
	*ret_h = NULL;
	if (n == 0 || n > s->max)
		return ACT_EINVAL;
	if (s->kind == ACT_SEM_OWNED && (*ret_h = record(self, s)) == NULL)
		return ACT_ENOMEM;
	if (!list_empty(&s->waiters) || s->n_free < n)
		return ACT_EFULL;
	s->n_free -= n;
	if (*ret_h != NULL)
		(*ret_h)->n += n;
	return ACT_OK;
}

int act_sem_try(act_self *self, act_sem *s, uint32_t n)
{
	struct task *t;
	struct hold *h;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	rc = take(self, s, n, &h);
	drop_empty(self->sh, h);
	return rc;
}

int act_sem_acquire(act_self *self, act_sem *s, uint32_t n)
{
	struct task *t;
	struct hold *h;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	rc = take(self, s, n, &h);
	if (rc == ACT_OK)
		return rt_done(self->sh, t, ACT_OK);
	if (rc != ACT_EFULL)
		return rc;
	t->w.on.object = s;
	t->w.on.n = n;
	t->w.on.hold = h;
	list_push_back(&s->waiters, &t->wait);
	s->n_waiting++;
	return rt_park(self->sh, t, WAIT_SEM);
}

bool rt_sem_abandon(act_shard *sh, struct task *t)
{
	act_sem *s = t->w.on.object;
	list_remove(&t->wait);
	s->n_waiting--;
	drop_empty(sh, t->w.on.hold);
	grant(s);
	return true;
}

static int give_back_own(act_self *self, act_sem *s, uint32_t n)
{
	struct task *t = rt_me(self);
	struct hold *h = t != NULL ? rt_hold_find(t, &permits, s) : NULL;
	if (h == NULL || h->n < n)
		return ACT_EPERM;
	h->n -= n;
	drop_empty(self->sh, h);
	return ACT_OK;
}

int act_sem_release(act_self *self, act_sem *s, uint32_t n)
{
	if (n == 0 || s->n_free + n > (int64_t)s->max)
		return ACT_EINVAL;
	int rc = s->kind == ACT_SEM_OWNED ? give_back_own(self, s, n) : ACT_OK;
	if (rc != ACT_OK)
		return rc;
	s->n_free += n;
	grant(s);
	return ACT_OK;
}

/* Waiters that now want more than there can ever be keep their place: max may grow again. */
void act_sem_resize(act_sem *s, uint32_t max)
{
	s->n_free += (int64_t)max - (int64_t)s->max;
	s->max = max;
	grant(s);
}

int64_t act_sem_available(const act_sem *s)
{
	return s->n_free;
}

uint32_t act_sem_waiting(const act_sem *s)
{
	return s->n_waiting;
}

void act_sem_free(act_sem *s)
{
	if (s == NULL)
		return;
	struct task *t;
	while ((t = rt_waiter_shift(&s->waiters)) != NULL)
		rt_task_wake(s->sh, t, ACT_ECLOSED);
	while (!list_empty(&s->holders))
		rt_hold_free(s->sh, LIST_ENTRY(list_first(&s->holders), struct hold, of_object));
	free(s);
}
