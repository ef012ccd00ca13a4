/*
 * emit: gives a value as a result line; within a generator also as an item, and stands still until
 * that has been taken.
 */
#include "job/verb.h"
#include "job/verb_each.h"
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

/* The line; for a generator the item goes into the same commit. */
static void tell(act_self *self, struct emit_frame *f, struct task *t)
{
	struct result_record rec = {
		.size = -1, .value = slice_of(f->text), .timing = RESULT_NO_TIMING};
	struct line_about about = {.rec = &rec};
	struct each_frame *e = outcome_is_ok(&t->out) ? each_emits_for(t) : NULL;
	struct bytes item = BYTES_LIMIT(0);
	line_tell(self, t, &about, &f->wait);
	if (e == NULL || f->text == NULL)
		return;
	bytes_add_str(&item, f->text);
	bytes_add_byte(&item, '\n');
	if (feed_put(each_emits_feed(e), &item, 1, &f->next) == ERR_OK)
		f->feed = each_emits_feed(e);
	else
		each_source_breaks(e, KIND_MEMORY, "in: no memory for an item");
	bytes_fini(&item);
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
	tell(self, f, t);
	CO_CALL(&f->co, f->rc, results_wait, &f->wait);
	if (f->feed == NULL)
		return ACT_OK;
	feed_settle(f->feed, f->next);
	task_waits(t, TASK_WAITS_TAKER, act_now_ns(self), 0);
	while (f->rc == ACT_OK && !feed_is_taken(f->feed, f->next - 1))
		CO_AWAIT(&f->co, f->rc, feed_await_taken(self, f->feed));
	CO_END(&f->co);
}

void verb_emit_fini(struct task *t)
{
	free(((struct emit_frame *)(void *)t->frame)->text);
}
