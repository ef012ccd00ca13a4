/*
 * sequence: tasks in order; it stops at the first that does not succeed, and ends as that did.
 * Later tasks see the values of earlier ones that bear an id.
 */
#include "job/recall.h"
#include "job/verb.h"
#include "job/verb_row.h"

#include <stdio.h>
#include <stdlib.h>

bool row_begin(struct row_frame *f, struct task *t, const struct names *names)
{
	f->child = task_new(t->env, t->node->child[f->i], t, names);
	if (f->child == NULL) {
		task_fail(t, KIND_MEMORY, "no memory for a task");
		return false;
	}
	f->child->index = f->i;
	return true;
}

static bool was_begun(const struct task *t, uint32_t i)
{
	char path[TASK_PATH_MAX];
	if (recall_is_empty(t->env->recall))
		return false;
	struct slice at = task_path_in(t, path);
	int n = snprintf(path + at.n, TASK_PATH_MAX - at.n, ".%u", i);
	return recall_was_begun(t->env->recall, (struct slice){path, at.n + (size_t)n});
}

bool row_went_on(const struct row_frame *f, const struct task *t)
{
	for (uint32_t i = f->i + 1; i < t->node->n_child; i++)
		if (was_begun(t, i))
			return true;
	return false;
}

void row_fini(struct row_frame *f)
{
	struct names *n = f->bound;
	for (; f->n_bound > 0; f->n_bound--) {
		struct names *outer = (struct names *)(uintptr_t)n->outer;
		names_fini(n);
		free(n);
		n = outer;
	}
	f->bound = NULL;
	failure_drop(f->errors);
	f->errors = NULL;
}

/* What has ended under an id can be asked for from now on. */
static void bind(struct row_frame *f, const struct task *t)
{
	struct task *child = f->child;
	struct names *n;
	if (!child->node->is_read || (n = malloc(sizeof(*n))) == NULL)
		return;
	names_init(n, f->bound != NULL ? f->bound : t->names, child->node->id);
	n->value = json_incref(child->out.value);
	n->has_result = child->out.state == OUTCOME_OK;
	f->bound = n;
	f->n_bound++;
}

static void count_unstarted(const struct task *t, uint32_t from)
{
	for (uint32_t i = from; i < t->node->n_child; i++)
		t->env->tally.not_started += verb_leaves(t->node->child[i]);
}

static void stop_or_go_on(struct row_frame *f, struct task *t)
{
	struct task *child = f->child;
	uint32_t n = t->node->n_child;
	task_sum(t, &child->out);
	bind(f, t);
	if (!outcome_is_ok(&child->out) && row_went_on(f, t)) {
		/* It had succeeded: by what leaves no fact, or before this scope was cancelled. */
	} else if (!outcome_is_ok(&child->out)) {
		count_unstarted(t, f->i + 1);
		t->out.state = child->out.state;
		t->out.error = failure_ref(child->out.error);
	} else if (f->i + 1 == n) {
		task_ok(t, json_incref(child->out.value));
	}
	task_free(child);
	f->child = NULL;
	f->i++;
}

int verb_sequence_step(act_self *self, void *task)
{
	struct task *t = task;
	struct row_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (t->node->n_child == 0)
		task_ok(t, NULL);
	while (t->out.state == OUTCOME_NONE) {
		if (act_is_cancelled(self) && f->i > 0 && !was_begun(t, f->i) &&
		    !row_went_on(f, t)) {
			count_unstarted(t, f->i);
			task_cancelled(self, t);
			break;
		}
		if (!row_begin(f, t, f->bound != NULL ? f->bound : t->names))
			break;
		CO_CALL(&f->co, f->rc, task_step, f->child);
		stop_or_go_on(f, t);
	}
	CO_END(&f->co);
}

void verb_sequence_fini(struct task *t)
{
	row_fini((void *)t->frame);
}
