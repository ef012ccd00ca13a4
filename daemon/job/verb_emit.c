/*
 * emit: gives a value as a result line.
 */
#include "job/verb.h"
#include "job/verb_line.h"

#include <stdlib.h>

static void make_value(struct emit_frame *f, struct task *t)
{
	struct interp_env env = names_env(t->names);
	struct interp_error e = {0};
	json_t *v = NULL;
	enum err err = spec_value_render(&t->node->u.emit, &env, &v, &e);
	if (err != ERR_OK) {
		task_fail(t, err == ERR_NOMEM ? KIND_MEMORY : KIND_REQUEST_INVALID, "emit: %s",
			  e.sentence);
		return;
	}
	f->text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	task_ok(t, v);
}

int verb_emit_step(act_self *self, void *task)
{
	struct task *t = task;
	struct emit_frame *f = (void *)t->frame;
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	if (act_is_cancelled(self))
		task_cancelled(self, t);
	else
		make_value(f, t);
	f->line.t = t;
	f->line.value = slice_of(f->text);
	CO_CALL(&f->co, f->rc, line_plain, &f->line);
	CO_END(&f->co);
}

void verb_emit_fini(struct task *t)
{
	free(((struct emit_frame *)(void *)t->frame)->text);
}
