/*
 * queue -- a bounded queue of messages between tasks, with done and join.
 *
 * An item got is lent: its record is with the task, so that it comes back if the task dies. Getters
 * wait only while the queue is empty, putters only while it is full; each item, place and record is
 * handed over at once.
 */
#include "run/internal.h"

#include <stdlib.h>

struct act_queue {
	act_shard *sh;
	act_msg *first, *last;
	uint32_t cap, depth;
	uint64_t unfinished;
	bool is_closed, is_discarding;
	struct link putters, getters, joiners; /* tasks by wait */
	struct link loans;		       /* holds by of_object */
};

act_queue *act_queue_new(act_shard *sh, uint32_t cap)
{
	act_queue *q = cap > 0 ? calloc(1, sizeof(*q)) : NULL;
	if (q == NULL)
		return NULL;
	q->sh = sh;
	q->cap = cap;
	list_init(&q->putters);
	list_init(&q->getters);
	list_init(&q->joiners);
	list_init(&q->loans);
	return q;
}

static void append(act_queue *q, act_msg *m)
{
	m->next = NULL;
	if (q->first == NULL)
		q->first = m;
	else
		q->last->next = m;
	q->last = m;
	q->depth++;
}

static void prepend(act_queue *q, act_msg *m)
{
	m->next = q->first;
	q->first = m;
	if (q->last == NULL || m->next == NULL)
		q->last = m;
	q->depth++;
}

static act_msg *shift(act_queue *q)
{
	act_msg *m = q->first;
	q->first = m->next;
	if (q->first == NULL)
		q->last = NULL;
	q->depth--;
	return m;
}

static void finish(act_queue *q, uint64_t n)
{
	q->unfinished -= n;
	if (q->unfinished == 0)
		rt_waiters_wake(q->sh, &q->joiners, ACT_OK);
}

static void lend(struct hold *h, act_msg *m, act_msg **ret_item)
{
	h->item = m;
	h->n = 1;
	*ret_item = m;
}

/* To the first getter; false: none waits. */
static bool give(act_queue *q, act_msg *m)
{
	struct task *t = rt_waiter_shift(&q->getters);
	if (t == NULL)
		return false;
	lend(t->w.on.hold, m, t->w.on.ret_item);
	rt_task_wake(q->sh, t, ACT_OK);
	return true;
}

/* A place is free: the first putter has it. */
static void admit(act_queue *q)
{
	while (q->depth < q->cap) {
		struct task *t = rt_waiter_shift(&q->putters);
		if (t == NULL)
			return;
		q->unfinished++;
		append(q, t->w.on.item);
		rt_task_wake(q->sh, t, ACT_OK);
	}
}

/* ---- putting ---- */

static int put_now(act_queue *q, act_msg *item)
{
	if (q->is_closed)
		return ACT_ECLOSED;
	if (!list_empty(&q->putters) || (q->depth >= q->cap && list_empty(&q->getters)))
		return ACT_EFULL;
	q->unfinished++;
	if (!give(q, item))
		append(q, item);
	return ACT_OK;
}

int act_queue_try_put(act_self *self, act_queue *q, act_msg *item)
{
	(void)self;
	return put_now(q, item);
}

int act_queue_put(act_self *self, act_queue *q, act_msg *item)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	rc = put_now(q, item);
	if (rc == ACT_OK)
		return rt_done(self->sh, t, ACT_OK);
	if (rc != ACT_EFULL)
		return rc;
	t->w.on.object = q;
	t->w.on.item = item;
	list_push_back(&q->putters, &t->wait);
	return rt_park(self->sh, t, WAIT_PUT);
}

bool rt_queue_abandon_put(act_shard *sh, struct task *t)
{
	(void)sh;
	list_remove(&t->wait);
	rt_granted(t, GRANTED_MSG, t->w.on.item);
	return true;
}

/* ---- lent items ---- */

static void lose(act_shard *sh, act_queue *q, act_msg *m)
{
	COUNT(sh, dead_items, 1);
	rt_msg_free(sh, m);
	if (q != NULL)
		finish(q, 1);
}

static void end_loan(act_shard *sh, struct hold *h, int rc)
{
	act_queue *q = h->object;
	act_msg *m = h->item;
	h->item = NULL;
	if (m == NULL)
		return;
	if (rc >= 0 && q != NULL) {
		COUNT(sh, leaked_items, 1);
		rt_msg_free(sh, m);
		finish(q, 1);
	} else if (q == NULL || q->is_discarding || (m->flags & ACT_MSG_REDELIVERED) != 0) {
		lose(sh, q, m);
	} else {
		m->flags |= ACT_MSG_REDELIVERED;
		if (!give(q, m))
			prepend(q, m);
	}
}

static const struct hold_kind loan = {"item", end_loan};

/* The oldest item lent to the caller; NULL: none. */
static struct hold *oldest_loan(act_self *self, act_queue *q)
{
	struct task *t = rt_me(self);
	return t != NULL ? rt_hold_find(t, &loan, q) : NULL;
}

act_msg *act_queue_accept(act_self *self, act_queue *q)
{
	struct hold *h = oldest_loan(self, q);
	if (h == NULL)
		return NULL;
	act_msg *m = h->item;
	rt_hold_free(self->sh, h);
	finish(q, 1);
	return m;
}

int act_queue_done(act_self *self, act_queue *q)
{
	act_msg *m = act_queue_accept(self, q);
	if (m == NULL)
		return ACT_EINVAL;
	rt_msg_free(self->sh, m);
	return ACT_OK;
}

/* ---- getting ---- */

static int get_now(act_self *self, act_queue *q, act_msg **ret_item, struct hold **ret_h)
{
	*ret_h = NULL;
	if (q->depth == 0 && q->is_closed)
		return ACT_ECLOSED;
	struct hold *h = rt_hold_new(self->sh, rt_me(self), &loan, q);
	if (h == NULL)
		return ACT_ENOMEM;
	list_push_back(&q->loans, &h->of_object);
	*ret_h = h;
	if (q->depth == 0)
		return ACT_EFULL;
	lend(h, shift(q), ret_item);
	admit(q);
	return ACT_OK;
}

int act_queue_try_get(act_self *self, act_queue *q, act_msg **ret_item)
{
	struct task *t;
	struct hold *h;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	rc = get_now(self, q, ret_item, &h);
	if (rc == ACT_EFULL)
		rt_hold_free(self->sh, h);
	return rc;
}

int act_queue_get(act_self *self, act_queue *q, act_msg **ret_item)
{
	struct task *t;
	struct hold *h;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	rc = get_now(self, q, ret_item, &h);
	if (rc == ACT_OK)
		return rt_done(self->sh, t, ACT_OK);
	if (rc != ACT_EFULL)
		return rc;
	t->w.on.object = q;
	t->w.on.ret_item = ret_item;
	t->w.on.hold = h;
	list_push_back(&q->getters, &t->wait);
	return rt_park(self->sh, t, WAIT_GET);
}

bool rt_queue_abandon_get(act_shard *sh, struct task *t)
{
	list_remove(&t->wait);
	rt_hold_free(sh, t->w.on.hold);
	return true;
}

/* ---- joining, closing ---- */

int act_queue_join(act_self *self, act_queue *q)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	if (q->unfinished == 0)
		return rt_done(self->sh, t, ACT_OK);
	t->w.on.object = q;
	list_push_back(&q->joiners, &t->wait);
	return rt_park(self->sh, t, WAIT_QUEUE_JOIN);
}

bool rt_queue_abandon_join(act_shard *sh, struct task *t)
{
	(void)sh;
	list_remove(&t->wait);
	return true;
}

static void discard(act_queue *q)
{
	uint64_t n = q->depth;
	while (q->depth > 0)
		rt_msg_free(q->sh, shift(q));
	finish(q, n);
}

void act_queue_close(act_queue *q, bool is_discarding)
{
	q->is_closed = true;
	struct task *t;
	while ((t = rt_waiter_shift(&q->putters)) != NULL) {
		rt_granted(t, GRANTED_MSG, t->w.on.item);
		rt_task_wake(q->sh, t, ACT_ECLOSED);
	}
	while ((t = rt_waiter_shift(&q->getters)) != NULL) {
		rt_hold_free(q->sh, t->w.on.hold);
		rt_task_wake(q->sh, t, ACT_ECLOSED);
	}
	if (is_discarding) {
		q->is_discarding = true;
		discard(q);
	}
}

uint32_t act_queue_depth(const act_queue *q)
{
	return q->depth;
}

uint64_t act_queue_unfinished(const act_queue *q)
{
	return q->unfinished;
}

/* Items still lent go down with their borrowers. */
void act_queue_free(act_queue *q)
{
	if (q == NULL)
		return;
	act_queue_close(q, true);
	rt_waiters_wake(q->sh, &q->joiners, ACT_ECLOSED);
	struct link *l;
	while ((l = list_pop_front(&q->loans)) != NULL)
		LIST_ENTRY(l, struct hold, of_object)->object = NULL;
	free(q);
}
