/*
 * fail: fails with a text.
 */
#include "job/verb.h"
#include "job/verb_line.h"

static void fail_now(struct task *t)
{
	struct bytes text = BYTES_LIMIT(INTERP_MAX_BYTES);
	struct interp_env env = names_env(t->names);
	struct interp_error e = {0};
	if (tmpl_render_text(t->node->u.fail, &env, &text, &e) == ERR_OK)
		task_fail(t, KIND_FAIL, "%s", bytes_cstr(&text));
	else
		task_fail(t, KIND_REQUEST_INVALID, "fail: %s", e.sentence);
	bytes_fini(&text);
}

int verb_fail_step(act_self *self, void *task)
{
	struct task *t = task;
	struct fail_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	fail_now(t);
	f->line.t = t;
	CO_CALL(&f->co, f->rc, line_plain, &f->line);
	CO_END(&f->co);
}
