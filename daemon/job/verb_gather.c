/*
 * gather: all tasks at once, each to its end; succeeds whatever they do, unless it is cancelled or
 * fewer than min_ok succeed.
 */
#include "job/children.h"
#include "job/verb.h"
#include "job/verb_group.h"

static void gather_ends(act_self *self, struct group_frame *f, struct task *t)
{
	children_close(self, &f->c);
	task_sum(t, &f->c.below);
	if (children_were_cut(&f->c))
		task_cancelled(self, t);
	else if ((int64_t)f->c.n_ok < t->node->u.gather.min_ok && f->c.n_failed > 0)
		task_fail_with(t, children_errors(&f->c));
	else if ((int64_t)f->c.n_ok < t->node->u.gather.min_ok)
		task_fail(t, KIND_GROUP, "%llu of %u tasks succeeded, min_ok is %lld",
			  (unsigned long long)f->c.n_ok, t->node->n_child,
			  (long long)t->node->u.gather.min_ok);
	else
		task_ok(t, collect_take(&f->values));
}

int verb_gather_step(act_self *self, void *task)
{
	struct task *t = task;
	struct group_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (!task_reads_late(t, LATE_INNER) || !children_open(self, &f->c, t, CHILDREN_ALL))
		return ACT_OK;
	group_start(self, f, t);
	task_waits(t, TASK_WAITS_CHILDREN, act_now_ns(self), 0);
	for (;;) {
		CO_CALL(&f->co, f->rc, children_next, &f->c);
		if (f->c.got == NULL)
			break;
		group_child_ended(f, t, f->c.got);
	}
	gather_ends(self, f, t);
	CO_END(&f->co);
}

void verb_gather_fini(struct task *t)
{
	verb_group_fini(t);
}
