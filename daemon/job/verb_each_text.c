/*
 * Sources of an each that are a task's text: lines of it, texts between two marks, a list in its
 * JSON. The task runs first, as `.s`; then its body is cut as it is needed, block by block: out of
 * the task's value, or out of the file in which a larger one is kept.
 *
 * Nothing is written for it. The body is part of the task's committed outcome, so a later life cuts
 * the same items again and passes over those that are done.
 */
#include "job/bodytext.h"
#include "job/itemcut.h"
#include "job/recall.h"
#include "job/verb_each.h"
#include "model/pointer.h"

#include <stdlib.h>

struct text {
	struct itemcut cut;
	struct bodytext body;
	uint64_t next;	  /* index of the item that is cut next */
	struct slice now; /* the one before */
	bool is_ended;
};

static struct text *text_of(const struct each_frame *e)
{
	return e->src;
}

static const char *pointer_of(const struct source *s)
{
	return s->items.p != NULL ? s->items.p : "";
}

/* ---- what the task gave ---- */

/* A value that is no text: its list is there as a whole. */
static bool open_tree(struct each_frame *e)
{
	const struct source *s = &e->t->node->u.each.in;
	const json_t *items = pointer_get(e->source->out.value, s->items);
	if (!json_is_array(items)) {
		task_fail(e->t, KIND_BODY_DECODE, "in: there is no list at \"%.200s\" of the value",
			  pointer_of(s));
		return false;
	}
	e->list = json_incref((json_t *)(uintptr_t)items);
	e->n_source = json_array_size(items);
	return true;
}

static bool was_over(const struct each_frame *e)
{
	char path[TASK_PATH_MAX];
	struct slice data;
	int64_t wall_ns;
	const struct recall *recall = e->t->env->recall;
	return !recall_is_empty(recall) &&
	       recall_get(recall, each_source_path(e, path), RECALL_PAGES, &wall_ns, &data);
}

static bool open_body(struct each_frame *e, struct text *x)
{
	switch (bodytext_open(&x->body, e->t->env, e->source->out.value)) {
	case ERR_OK:
		x->is_ended = x->body.value == NULL || was_over(e); /* NULL: it was skipped */
		return true;
	case ERR_INVALID:
		task_fail(e->t, KIND_BODY_DECODE, "in: the task gave neither a body nor a text");
		return false;
	case ERR_TOO_LARGE:
		task_fail(e->t, KIND_BODY_TOO_LARGE,
			  "in: the program wrote more than exec.max_output");
		return false;
	default:
		task_fail(e->t, KIND_MEMORY, "in: no memory for the text");
		return false;
	}
}

bool each_text_open(struct each_frame *e)
{
	const struct source *s = &e->t->node->u.each.in;
	const json_t *v = e->source->out.value;
	if (s->kind == SOURCE_JSON && v != NULL && !json_is_string(v) && !bodytext_is_result(v) &&
	    !bodytext_is_exec(v))
		return open_tree(e);
	struct text *x = calloc(1, sizeof(*x));
	if (x == NULL || itemcut_init(&x->cut, s) != ERR_OK) {
		free(x);
		task_fail(e->t, KIND_MEMORY, "no memory for an each");
		return false;
	}
	e->src = x;
	return open_body(e, x);
}

void each_text_fini(struct each_frame *e)
{
	struct text *x = text_of(e);
	if (x == NULL)
		return;
	itemcut_fini(&x->cut);
	bodytext_close(&x->body);
	free(x);
	e->src = NULL;
}

/* ---- items ---- */

/* In one commit: the file may go, and a later life does not look for it. */
void each_text_over(struct each_frame *e)
{
	char path[TASK_PATH_MAX];
	struct text *x = text_of(e);
	if (x == NULL || x->body.file == 0 || was_over(e))
		return;
	results_make_room(e->t->env->results);
	recall_put(e->t->env, each_source_path(e, path), RECALL_PAGES, 0, SLICE_LIT("over"));
	bodytext_release(&x->body);
}

static void broken(struct each_frame *e, struct text *x, enum err why)
{
	const struct source *s = &e->t->node->u.each.in;
	x->is_ended = true;
	if (why == ERR_NOMEM)
		each_source_breaks(e, KIND_MEMORY, "in: no memory for the text");
	else if (why == ERR_CORRUPT)
		each_source_breaks(e, KIND_STORE_CORRUPT, "in: the stored body is damaged or gone");
	else if (why == ERR_NOT_FOUND)
		each_source_breaks(e, KIND_BODY_DECODE,
				   "in: there is no list at \"%.200s\" of the JSON: %s",
				   pointer_of(s), x->cut.why);
	else
		each_source_breaks(e, why == ERR_TOO_LARGE ? KIND_BODY_TOO_LARGE : KIND_BODY_DECODE,
				   "in: %s, after %llu items", x->cut.why,
				   (unsigned long long)x->next);
}

enum feed_got each_text_take(struct feeder *f, uint64_t index)
{
	struct each_frame *e = f->e;
	struct text *x = text_of(e);
	if (x == NULL)
		return each_take_known(f, index);
	while (x->next <= index && !x->is_ended) {
		enum err err = itemcut_next(&x->cut, &x->now);
		if (err == ERR_AGAIN)
			return FEED_LOAD;
		if (err == ERR_OK)
			x->next++;
		else if (err == ERR_END)
			x->is_ended = true;
		else
			broken(e, x, err);
	}
	if (x->next <= index)
		return FEED_END;
	f->line = x->now;
	return FEED_ITEM;
}

int each_text_load(act_self *self, void *load)
{
	struct each_load *l = load;
	CO_BEGIN(&l->co);
	l->body.b = &text_of(l->e)->body;
	CO_CALL(&l->co, l->rc, bodytext_read, &l->body);
	if (l->rc != ACT_OK)
		return l->rc;
	struct text *x = text_of(l->e);
	if (l->body.err != ERR_OK)
		broken(l->e, x, l->body.err);
	else if (l->body.block.n == 0)
		itemcut_end(&x->cut);
	else if (itemcut_feed(&x->cut, l->body.block) != ERR_OK)
		broken(l->e, x, ERR_NOMEM);
	CO_END(&l->co);
}
