/*
 * fallback: tasks in order until one succeeds; what failed before it counts as handled. If all
 * fail, it fails with all of their errors.
 */
#include "job/verb.h"
#include "job/verb_row.h"

static void failed(struct row_frame *f, struct task *t)
{
	char path[TASK_PATH_MAX];
	if (f->errors == NULL)
		f->errors = failure_group_new(task_path_in(t, path));
	failure_group_add(f->errors, failure_ref(f->child->out.error));
	if (f->i + 1 < t->node->n_child)
		return;
	failure_group_seal(f->errors, t->node->n_child);
	task_fail_with(t, f->errors);
	f->errors = NULL;
}

static void next_or_end(struct row_frame *f, struct task *t)
{
	struct task *child = f->child;
	task_sum(t, &child->out);
	if (outcome_is_ok(&child->out)) {
		if (t->out.n_failed > 0)
			task_settled(t);
		task_handled(t, t->out.n_failed);
		task_ok(t, json_incref(child->out.value));
	} else if (child->out.state == OUTCOME_FAILED || row_went_on(f, t)) {
		failed(f, t);
	} else {
		task_cut_by(t, child);
	}
	task_free(child);
	f->child = NULL;
	f->i++;
}

int verb_fallback_step(act_self *self, void *task)
{
	struct task *t = task;
	struct row_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (t->node->n_child == 0)
		task_ok(t, NULL);
	while (t->out.state == OUTCOME_NONE) {
		if (!row_begin(f, t, t->names))
			break;
		CO_CALL(&f->co, f->rc, task_step, f->child);
		next_or_end(f, t);
	}
	CO_END(&f->co);
}

void verb_fallback_fini(struct task *t)
{
	row_fini((void *)t->frame);
}
