/*
 * sleep: does nothing for a while. The instant it ends at is stored, so that a restart does not
 * begin it anew.
 */
#include "job/recall.h"
#include "job/verb.h"
#include "job/verb_line.h"

/* Shorter ones may as well begin anew. */
#define STORED_FROM_MS 1000

static int64_t time_left(struct task *t, int64_t ms)
{
	char path[TASK_PATH_MAX];
	struct slice at = task_path_in(t, path), data;
	int64_t wall_now = clock_wall_ns(t->env->clock), due;
	int64_t ns = ms * NS_PER_MS;
	if (recall_get(t->env->recall, at, RECALL_DUE, &due, &data))
		return due - wall_now < ns ? due - wall_now : ns;
	if (ms >= STORED_FROM_MS)
		recall_put(t->env, at, RECALL_DUE, wall_now + ns, SLICE_LIT(""));
	return ns;
}

static bool begin(act_self *self, struct sleep_frame *f, struct task *t)
{
	struct interp_env env = names_env(t->names);
	struct interp_error e = {0};
	int64_t ms;
	if (spec_dur_render(&t->node->u.sleep, &env, &ms, &e) != ERR_OK) {
		task_fail(t, KIND_REQUEST_INVALID, "sleep: %s", e.sentence);
		return false;
	}
	f->until_ns = act_now_ns(self) + time_left(t, ms);
	task_waits(t, TASK_WAITS_TIME, act_now_ns(self), f->until_ns);
	return true;
}

int verb_sleep_step(act_self *self, void *task)
{
	struct task *t = task;
	struct sleep_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	if (begin(self, f, t)) {
		CO_AWAIT(&f->co, f->rc, act_sleep_until(self, f->until_ns));
		if (f->rc == ACT_OK)
			task_ok(t, NULL);
		else
			task_await_failed(self, t, f->rc);
	}
	if (t->out.state != OUTCOME_FAILED)
		return ACT_OK;
	f->line.t = t;
	CO_CALL(&f->co, f->rc, line_plain, &f->line);
	CO_END(&f->co);
}
