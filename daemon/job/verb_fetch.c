/*
 * fetch: one request, by the port; everything about it is in the leaf.
 */
#include "job/verb.h"

int verb_fetch_step(act_self *self, void *task)
{
	struct task *t = task;
	struct leaf_fetch *f = (void *)t->frame;
	f->task = t;
	return t->env->port.fetch(self, f);
}

void verb_fetch_fini(struct task *t)
{
	struct leaf_fetch *f = (void *)t->frame;
	if (f->task != NULL)
		t->env->port.fetch_fini(f);
}
