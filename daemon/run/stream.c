/*
 * stream -- items from one producer to one consumer, by demand: what is emitted was asked for, so
 * the buffer never holds more than the demand. The sides are holds of their tasks: their end is
 * noticed however it comes.
 */
#include "run/internal.h"

#include <stdlib.h>

struct act_stream {
	act_shard *sh;
	act_msg *first, *last;
	uint64_t demand;
	struct hold *producer, *consumer;
	struct task *emitting, *waiting; /* parked */
	bool had_consumer, is_ended;
	int end_rc; /* what the consumer gets after the last item */
};

act_stream *act_stream_new(act_shard *sh)
{
	act_stream *s = calloc(1, sizeof(*s));
	if (s != NULL)
		s->sh = sh;
	return s;
}

static act_msg *shift(act_stream *s)
{
	act_msg *m = s->first;
	s->first = m->next;
	return m;
}

/* An item for the consumer, in demand. */
static void pass(act_stream *s, act_msg *m)
{
	s->demand--;
	struct task *t = s->waiting;
	if (t != NULL) {
		s->waiting = NULL;
		*t->w.on.ret_item = m;
		rt_granted(t, GRANTED_MSG, m);
		rt_task_wake(s->sh, t, ACT_OK);
		return;
	}
	m->next = NULL;
	if (s->first == NULL)
		s->first = m;
	else
		s->last->next = m;
	s->last = m;
}

static void finish(act_stream *s, int rc)
{
	s->is_ended = true;
	s->end_rc = rc;
	struct task *t = s->waiting;
	s->waiting = NULL;
	if (t != NULL)
		rt_task_wake(s->sh, t, rc);
}

static void drop_all(act_stream *s)
{
	while (s->first != NULL)
		rt_msg_free(s->sh, shift(s));
}

static void end_producer(act_shard *sh, struct hold *h, int rc)
{
	(void)sh;
	(void)rc;
	act_stream *s = h->object;
	s->producer = NULL;
	if (!s->is_ended)
		finish(s, ACT_EDEAD);
}

static void refuse_emit(act_stream *s)
{
	struct task *t = s->emitting;
	s->emitting = NULL;
	if (t == NULL)
		return;
	rt_granted(t, GRANTED_MSG, t->w.on.item);
	rt_task_wake(s->sh, t, ACT_ECLOSED);
}

static void end_consumer(act_shard *sh, struct hold *h, int rc)
{
	(void)rc;
	act_stream *s = h->object;
	s->consumer = NULL;
	drop_all(s);
	refuse_emit(s);
	if (s->producer != NULL && !s->is_ended)
		rt_cancel_actor(sh, rt_task_actor(sh, s->producer->task), ACT_WHY_CANCEL);
}

static const struct hold_kind producing = {"producer", end_producer};
static const struct hold_kind consuming = {"consumer", end_consumer};

static int take_side(act_self *self, act_stream *s, const struct hold_kind *kind,
		     struct hold **side)
{
	struct task *t = rt_me(self);
	if (t == NULL)
		return ACT_EBUG;
	if (*side != NULL)
		return (*side)->task == t ? ACT_OK : ACT_EPERM;
	*side = rt_hold_new(self->sh, t, kind, s);
	return *side != NULL ? ACT_OK : ACT_ENOMEM;
}

int act_stream_produce(act_self *self, act_stream *s)
{
	return s->is_ended ? ACT_EPERM : take_side(self, s, &producing, &s->producer);
}

int act_stream_consume(act_self *self, act_stream *s)
{
	if (s->had_consumer && s->consumer == NULL)
		return ACT_EPERM;
	int rc = take_side(self, s, &consuming, &s->consumer);
	s->had_consumer = s->consumer != NULL;
	return rc;
}

void act_stream_request(act_stream *s, uint32_t n)
{
	s->demand += n;
	struct task *t = s->emitting;
	if (n == 0 || t == NULL)
		return;
	s->emitting = NULL;
	pass(s, t->w.on.item);
	rt_task_wake(s->sh, t, ACT_OK);
}

static bool is_side(act_self *self, const struct hold *side)
{
	return side != NULL && side->task == rt_me(self);
}

int act_stream_emit(act_self *self, act_stream *s, act_msg *item)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	if (!is_side(self, s->producer))
		return ACT_EPERM;
	if (s->is_ended)
		return ACT_EBUG;
	if (s->had_consumer && s->consumer == NULL)
		return ACT_ECLOSED;
	if (s->demand > 0) {
		pass(s, item);
		return rt_done(self->sh, t, ACT_OK);
	}
	t->w.on.object = s;
	t->w.on.item = item;
	s->emitting = t;
	return rt_park(self->sh, t, WAIT_EMIT);
}

bool rt_stream_abandon_emit(act_shard *sh, struct task *t)
{
	(void)sh;
	((act_stream *)t->w.on.object)->emitting = NULL;
	rt_granted(t, GRANTED_MSG, t->w.on.item);
	return true;
}

int act_stream_end(act_self *self, act_stream *s, int rc)
{
	if (!is_side(self, s->producer))
		return ACT_EPERM;
	if (s->is_ended)
		return ACT_EBUG;
	finish(s, rc < 0 ? rc : ACT_ECLOSED);
	return ACT_OK;
}

int act_stream_next(act_self *self, act_stream *s, act_msg **ret_item)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	if (!is_side(self, s->consumer))
		return ACT_EPERM;
	if (s->first == NULL && s->is_ended)
		return s->end_rc;
	if (s->first == NULL && s->demand == 0)
		act_stream_request(s, 1);
	if (s->first != NULL) {
		*ret_item = shift(s);
		rc = rt_done(self->sh, t, ACT_OK);
		if (rc == ACT_WAIT)
			rt_granted(t, GRANTED_MSG, *ret_item);
		return rc;
	}
	t->w.on.object = s;
	t->w.on.ret_item = ret_item;
	s->waiting = t;
	return rt_park(self->sh, t, WAIT_ITEM);
}

bool rt_stream_abandon_next(act_shard *sh, struct task *t)
{
	(void)sh;
	((act_stream *)t->w.on.object)->waiting = NULL;
	return true;
}

void act_stream_free(act_stream *s)
{
	if (s == NULL)
		return;
	drop_all(s);
	refuse_emit(s);
	if (s->waiting != NULL)
		finish(s, ACT_ECLOSED);
	if (s->producer != NULL)
		rt_hold_free(s->sh, s->producer);
	if (s->consumer != NULL)
		rt_hold_free(s->sh, s->consumer);
	free(s);
}
