/*
 * fail_fast -- a group whose first failure cancels the others, and clean-up that always runs.
 *
 * The three children sleep; the second fails after 20 ms. The group cancels the other two, their
 * defers run, and only then the join returns: with the error of the one that failed.
 */
#include "shard.h"

#include <run/group.h>
#include <stdio.h>

struct frame {
	act_co co;
	int rc;
	act_group *group;
};

static void clean_up(act_self *self, void *arg)
{
	(void)self;
	printf("clean-up of task %d\n", *(const int *)arg);
}

static int child(act_self *self, void *frame)
{
	struct frame *f = frame;
	const int *number = act_arg(self);
	CO_BEGIN(&f->co);
	if (act_defer(self, clean_up, act_arg(self)) != ACT_OK)
		return ACT_ENOMEM;
	if (*number == 2) {
		CO_AWAIT(&f->co, f->rc, act_sleep(self, 20 * NS_PER_MS));
		return act_fail(self, ACT_EFAILED, "example", NULL, "task 2 gives up");
	}
	CO_AWAIT(&f->co, f->rc, act_sleep(self, 3600 * NS_PER_S));
	return f->rc; /* ACT_ECANCELED: the sleep did not happen */
	CO_END(&f->co);
}

static int main_task(act_self *self, void *frame)
{
	static int numbers[] = {1, 2, 3};
	struct frame *f = frame;
	CO_BEGIN(&f->co);
	f->group = act_group_open(self, ACT_FAIL_FAST, 0, 5 * NS_PER_S);
	if (f->group == NULL)
		return ACT_ENOMEM;
	for (int i = 0; i < 3; i++) {
		struct act_task_opts opts = {.arg = &numbers[i], .tag = (uint64_t)i};
		act_group_go(self, f->group, child, sizeof(struct frame), &opts);
	}
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->group));
	{
		struct act_err_counts n = act_group_counts(f->group);
		const act_err *e = act_group_error(f->group);
		printf("%s: %llu failed, %llu cancelled; first: %s\n", act_rc_name(f->rc),
		       (unsigned long long)n.failed, (unsigned long long)n.cancelled,
		       e != NULL && e->n_child > 0 ? e->child[0]->message : "none");
	}
	act_group_close(self, f->group);
	CO_END(&f->co);
}

static void start(act_self *root)
{
	act_spawn_task(root, main_task, sizeof(struct frame), NULL);
}

int main(void)
{
	return example_run(start);
}
