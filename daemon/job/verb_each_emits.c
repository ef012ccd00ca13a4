/*
 * Source `emits` of an each, a generator: a task, `.s`, that runs beside the items; what its
 * `emit` leaves give are the items. An emit stands still until its item has been taken, so no more
 * is made ahead than emits run at once.
 *
 * An item is committed with the line of its emit: a later life finds the one as it finds the
 * other. The task is cancelled with the items, and its failure fails the each after them.
 */
#include "job/verb_each.h"

struct emits {
	struct each_fed fed; /* first */
};

bool each_emits_make(struct each_frame *e)
{
	return each_fed_make(e, sizeof(struct emits));
}

static void source_ended(struct each_frame *e)
{
	struct outcome *o = &e->source->out;
	task_sum(e->t, o);
	if (o->state == OUTCOME_FAILED)
		e->broken = failure_ref(o->error);
	task_free(e->source);
	e->source = NULL;
}

int each_emits_produce(act_self *self, void *emits)
{
	struct emits *p = emits;
	struct each_frame *e = p->fed.e;
	CO_BEGIN(&p->fed.co);
	e->source = task_new(e->t->env, e->t->node->u.each.in.task, e->t, e->t->names);
	if (e->source == NULL) {
		each_source_breaks(e, KIND_MEMORY, "in: no memory for a task");
	} else {
		CO_CALL(&p->fed.co, p->fed.rc, task_step, p->fed.e->source);
		source_ended(e);
	}
	feed_end(p->fed.feed);
	CO_END(&p->fed.co);
}

bool each_emits_has(const struct node *n)
{
	while (n != NULL && n->place != PLACE_SOURCE)
		n = n->parent;
	return n != NULL && n->parent->u.each.in.kind == SOURCE_EMITS;
}

struct each_frame *each_emits_for(const struct task *t)
{
	if (!each_emits_has(t->node))
		return NULL;
	while (t->node->place != PLACE_SOURCE)
		t = t->up;
	return (struct each_frame *)(void *)t->up->frame;
}

struct feed *each_emits_feed(const struct each_frame *e)
{
	return ((const struct each_fed *)e->src)->feed;
}
