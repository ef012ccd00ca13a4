#include "job/children.h"

#include "base/check.h"
#include "job/done.h"
#include "job/recall.h"
#include "job/verb.h"

#define HELPER UINT64_MAX

struct child_frame {
	act_co co;
	int rc;
	struct task *t;
};

static int child_step(act_self *self, void *frame)
{
	struct child_frame *f = frame;
	CO_BEGIN(&f->co);
	CO_CALL(&f->co, f->rc, task_step, f->t);
	CO_END(&f->co);
}

/* However it ended: its parent takes it from here. */
static void child_ended(void *task)
{
	struct task *t = task;
	struct jobenv *env = t->env;
	list_push_back(&t->owner->ended, &t->link);
	jobenv_unref(env);
}

bool children_open(act_self *self, struct children *c, struct task *owner,
		   enum children_policy policy)
{
	*c = (struct children){.owner = owner, .policy = policy};
	list_init(&c->ended);
	list_init(&c->refused);
	c->group = act_group_open(self, ACT_COLLECT, 0, ACT_FOREVER);
	if (c->group == NULL)
		task_fail(owner, KIND_MEMORY, "no memory for a group");
	return c->group != NULL;
}

void children_go(act_self *self, struct children *c, struct task *child)
{
	struct child_frame f = {.t = child};
	struct act_task_opts opts = {
		.name = verb_name(child->node->verb),
		.frame_init = &f,
		.frame_init_size = sizeof(f),
		.arg = child,
		.arg_dtor = child_ended,
		.tag = child->index,
	};
	child->owner = c;
	jobenv_ref(child->env);
	c->n_running++;
	/* Refused, its dtor has run already: it stands in `ended`, but the group does not know it.
	 */
	if (act_group_go(self, c->group, child_step, sizeof(f), &opts) == ACT_OK)
		return;
	list_remove(&child->link);
	list_push_back(&c->refused, &child->link);
}

static void helper_ended(void *env)
{
	jobenv_unref(env);
}

int children_help(act_self *self, struct children *c, act_step step, const void *frame,
		  size_t frame_size)
{
	struct act_task_opts opts = {
		.name = "feeder",
		.frame_init = frame,
		.frame_init_size = frame_size,
		.arg = jobenv_ref(c->owner->env),
		.arg_dtor = helper_ended,
		.tag = HELPER,
	};
	int rc = act_group_go(self, c->group, step, frame_size, &opts);
	return rc == ACT_OK || rc == ACT_ENOMEM ? rc : ACT_ECANCELED;
}

static void fold_failure(struct children *c, struct task *t)
{
	char path[TASK_PATH_MAX];
	c->n_failed++;
	if (c->errors == NULL)
		c->errors = failure_group_new(task_path_in(c->owner, path));
	failure_group_add(c->errors, failure_ref(t->out.error));
}

static void fold(act_self *self, struct children *c, struct task *t)
{
	c->n++;
	c->n_running--;
	c->below.n_failed += t->out.n_failed;
	c->below.n_handled += t->out.n_handled;
	switch (t->out.state) {
	case OUTCOME_OK:
	case OUTCOME_SKIPPED:
		c->n_ok++;
		if (c->policy == CHILDREN_FIRST)
			children_cancel(self, c, ACT_WHY_ENOUGH);
		break;
	case OUTCOME_FAILED:
		fold_failure(c, t);
		if (c->policy == CHILDREN_FAIL_FAST)
			children_cancel(self, c, ACT_WHY_SIBLING);
		break;
	case OUTCOME_CANCELLED:
		c->n_cancelled++;
		break;
	case OUTCOME_NONE:
		c->n_never++;
		t->env->tally.not_started += verb_leaves(t->node);
		break;
	}
}

static struct task *take(struct children *c)
{
	struct link *l = list_pop_front(&c->refused);
	if (l == NULL && c->rc == ACT_OK) {
		act_child_result_drop(&c->r);
		l = list_pop_front(&c->ended);
		CHECK(l != NULL);
	}
	return l != NULL ? LIST_ENTRY(l, struct task, link) : NULL;
}

/* Cancelled before its first step, and yet begun in an earlier life: what that life left has to be
 * counted and cleaned up. The parent stands in the same cancelled scope. */
static bool is_late(const struct task *t)
{
	char path[TASK_PATH_MAX];
	const struct recall *recall = t->env->recall;
	return !t->is_started && !recall_is_empty(recall) &&
	       recall_was_begun(recall, task_path_in(t, path));
}

int children_next(act_self *self, void *children)
{
	struct children *c = children;
	CO_BEGIN(&c->co);
	c->got = NULL;
	do {
		if (list_empty(&c->refused))
			CO_AWAIT(&c->co, c->rc, act_group_next(self, c->group, &c->r));
	} while (list_empty(&c->refused) && c->rc == ACT_OK && c->r.index == HELPER);
	c->got = take(c);
	if (c->got != NULL && is_late(c->got))
		CO_CALL(&c->co, c->rc, task_step, c->got);
	if (c->got != NULL)
		fold(self, c, c->got);
	c->co.pc = 0; /* fit for the next call */
	return ACT_OK;
	CO_END(&c->co);
}

void children_cancel(act_self *self, struct children *c, enum act_why why)
{
	act_scope_cancel(self, act_group_scope(c->group), (int)why, NULL);
}

void children_recall(struct children *c, const struct done_tally *tally)
{
	char path[TASK_PATH_MAX];
	uint64_t n_failed = done_tally_failed(tally);
	c->n += tally->n_ok + tally->n_cancelled + n_failed;
	c->n_ok += tally->n_ok;
	c->n_cancelled += tally->n_cancelled;
	c->n_failed += n_failed;
	c->below.n_failed += tally->n_failed;
	c->below.n_handled += tally->n_handled;
	if (n_failed == 0)
		return;
	if (c->errors == NULL)
		c->errors = failure_group_new(task_path_in(c->owner, path));
	for (int k = 0; k < KIND_COUNT; k++)
		if (tally->count[k] > 0)
			failure_group_count(c->errors, (enum kind)k, tally->count[k]);
}

void children_close(act_self *self, struct children *c)
{
	int rc = act_group_join(self, c->group); /* at once: none is left */
	CHECK(rc != ACT_WAIT);
	act_group_close(self, c->group);
	c->group = NULL;
	if (c->owner->up == NULL)
		results_turns_over(c->owner->env->results);
}

struct failure *children_errors(struct children *c)
{
	struct failure *f = c->errors;
	if (f != NULL)
		failure_group_seal(f, c->n);
	c->errors = NULL;
	return f;
}

void children_fini(struct children *c)
{
	failure_drop(c->errors);
	c->errors = NULL;
}
