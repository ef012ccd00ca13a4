/*
 * group: all tasks at once; all must succeed, and the first failure cancels the others. It ends
 * when the last of them has ended, clean-up included.
 */
#include "job/children.h"
#include "job/collect.h"
#include "job/verb.h"

#include "job/verb_group.h"

static void group_ends(act_self *self, struct group_frame *f, struct task *t)
{
	children_close(self, &f->c);
	task_sum(t, &f->c.below);
	struct failure *errors = children_errors(&f->c);
	if (errors != NULL)
		task_fail_with(t, errors);
	else if (f->c.n_failed > 0)
		task_fail(t, KIND_MEMORY, "no memory for a task");
	else if (children_were_cut(&f->c))
		task_cancelled(self, t);
	else
		task_ok(t, collect_take(&f->values));
}

int verb_group_step(act_self *self, void *task)
{
	struct task *t = task;
	struct group_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (!children_open(self, &f->c, t, CHILDREN_FAIL_FAST))
		return ACT_OK;
	group_start(self, f, t);
	task_waits(t, TASK_WAITS_CHILDREN, act_now_ns(self), 0);
	for (;;) {
		CO_CALL(&f->co, f->rc, children_next, &f->c);
		if (f->c.got == NULL)
			break;
		group_child_ended(f, t, f->c.got);
	}
	group_ends(self, f, t);
	CO_END(&f->co);
}

void verb_group_fini(struct task *t)
{
	struct group_frame *f = (void *)t->frame;
	children_fini(&f->c);
	collect_fini(&f->values);
}

/* ---- shared with gather ---- */

void group_start(act_self *self, struct group_frame *f, struct task *t)
{
	if (t->wants_value)
		collect_init(&f->values, t->node->n_child);
	for (uint32_t i = 0; i < t->node->n_child; i++) {
		struct task *child = task_new(t->env, t->node->child[i], t, t->names);
		if (child != NULL) {
			child->index = i;
			children_go(self, &f->c, child);
			continue;
		}
		f->c.n_failed++;
		children_cancel(self, &f->c, ACT_WHY_CANCEL);
	}
}

void group_child_ended(struct group_frame *f, struct task *t, struct task *child)
{
	if (t->wants_value)
		collect_put(&f->values, child->index, &child->out);
	if (t->up == NULL)
		results_turn_ends(t->env->results, child->index);
	task_free(child);
}
