/*
 * Sources of an each that are a task's text: lines of it, texts between two marks, a list in its
 * JSON. The task runs first, as `.s`; then its body is cut as it is needed, block by block: out of
 * the task's value, or out of the file in which a larger one is kept.
 *
 * Nothing is written for it. The body is part of the task's committed outcome, so a later life cuts
 * the same items again and passes over those that are done.
 */
#include "job/bodypiece.h"
#include "job/itemcut.h"
#include "job/verb_each.h"
#include "model/pointer.h"
#include "proto/base64.h"
#include "proto/units.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK (64u << 10)

struct text {
	struct itemcut cut;
	json_t *value;	    /* what the task gave */
	struct bytes plain; /* a body that came as base64 */
	struct slice rest;  /* not yet fed; of value or plain */
	uint64_t file;	    /* body to be read; 0: rest is all */
	struct bodypiece *piece;
	uint64_t next;	  /* index of the item that is cut next */
	struct slice now; /* the one before */
	bool is_ended;
};

static struct text *text_of(const struct each_frame *e)
{
	return e->src;
}

/* ---- what the task gave ---- */

/* A fetch gives its line, others what they say. */
static bool is_result(const json_t *v)
{
	return json_object_get(v, "task") != NULL && json_object_get(v, "attempts") != NULL;
}

static bool is_exec(const json_t *v)
{
	return json_is_integer(json_object_get(v, "exit"));
}

static struct slice string_at(const json_t *v, const char *name)
{
	const json_t *s = json_object_get(v, name);
	return (struct slice){json_string_value(s), json_string_length(s)};
}

/* `name`, or `name_base64`; empty if there is neither. False: no memory. */
static bool take_member(struct text *x, const char *name, const char *encoded)
{
	struct slice base64 = string_at(x->value, encoded);
	x->rest = string_at(x->value, name);
	if (base64.p == NULL)
		return true;
	if (base64_decode(base64, &x->plain) != ERR_OK)
		return false;
	x->rest = bytes_slice(&x->plain);
	return true;
}

static bool take_body(struct text *x)
{
	struct slice file = string_at(x->value, "file");
	if (file.p == NULL)
		return take_member(x, "body", "body_base64");
	return units_u64(file, &x->file) == ERR_OK;
}

static bool is_cut(const json_t *exec)
{
	size_t i;
	json_t *name;
	json_array_foreach(json_object_get(exec, "truncated"), i,
			   name) if (strcmp(json_string_value(name), "stdout") == 0) return true;
	return false;
}

/* False: the each has been failed. */
static bool take_value(struct each_frame *e, struct text *x)
{
	const json_t *v = x->value;
	bool ok = true;
	if (is_exec(v) && is_cut(v)) {
		task_fail(e->t, KIND_BODY_TOO_LARGE,
			  "in: the program wrote more than exec.max_output");
		return false;
	}
	if (is_result(v))
		ok = take_body(x);
	else if (is_exec(v))
		ok = take_member(x, "stdout", "stdout_base64");
	else if (json_is_string(v))
		x->rest = (struct slice){json_string_value(v), json_string_length(v)};
	else if (v != NULL) {
		task_fail(e->t, KIND_BODY_DECODE, "in: the task gave neither a body nor a text");
		return false;
	}
	if (!ok)
		task_fail(e->t, KIND_MEMORY, "in: no memory for the text");
	return ok;
}

static const char *pointer_of(const struct source *s)
{
	return s->items.p != NULL ? s->items.p : "";
}

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

bool each_text_open(struct each_frame *e)
{
	const struct source *s = &e->t->node->u.each.in;
	json_t *v = e->source->out.value;
	if (s->kind == SOURCE_JSON && v != NULL && !is_result(v) && !is_exec(v) &&
	    !json_is_string(v))
		return open_tree(e);
	struct text *x = calloc(1, sizeof(*x));
	if (x == NULL || itemcut_init(&x->cut, s) != ERR_OK) {
		free(x);
		task_fail(e->t, KIND_MEMORY, "no memory for an each");
		return false;
	}
	e->src = x;
	x->value = json_incref(v);
	if (v == NULL) /* it was skipped */
		x->is_ended = true;
	return take_value(e, x);
}

void each_text_fini(struct each_frame *e)
{
	struct text *x = text_of(e);
	if (x == NULL)
		return;
	itemcut_fini(&x->cut);
	bytes_fini(&x->plain);
	bodypiece_free(x->piece);
	json_decref(x->value);
	free(x);
	e->src = NULL;
}

/* ---- items ---- */

static void broken(struct each_frame *e, struct text *x, enum err why)
{
	const struct source *s = &e->t->node->u.each.in;
	x->is_ended = true;
	if (why == ERR_NOMEM)
		each_source_breaks(e, KIND_MEMORY, "in: no memory for the text");
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

/* ---- the next block ---- */

static void feed(struct each_frame *e, struct slice block)
{
	struct text *x = text_of(e);
	if (block.n == 0)
		itemcut_end(&x->cut);
	else if (itemcut_feed(&x->cut, block) != ERR_OK)
		broken(e, x, ERR_NOMEM);
}

static void feed_rest(struct each_frame *e)
{
	struct text *x = text_of(e);
	struct slice block = {x->rest.p, x->rest.n < BLOCK ? x->rest.n : BLOCK};
	x->rest = (struct slice){x->rest.p + block.n, x->rest.n - block.n};
	feed(e, block);
}

static void is_gone(struct each_frame *e)
{
	text_of(e)->is_ended = true;
	each_source_breaks(e, KIND_STORE_CORRUPT, "in: the stored body is damaged or gone");
}

static void open_file(struct each_frame *e, const struct store_rows *rows)
{
	struct leaf_port *port = &e->t->env->port;
	struct text *x = text_of(e);
	if (rows == NULL || rows->n == 0 || rows->row[0].body.id != x->file)
		is_gone(e);
	else if ((x->piece = port->body(port->ctx, &rows->row[0].body, BLOCK)) == NULL)
		broken(e, x, ERR_NOMEM);
}

static void feed_piece(struct each_frame *e, struct bodypiece *p)
{
	text_of(e)->piece = p;
	if (p->result != ERR_OK) {
		is_gone(e);
		return;
	}
	p->offset += p->n;
	feed(e, (struct slice){p->data, p->n});
}

static int ask_row(act_self *self, struct each_load *l)
{
	struct jobenv *env = l->e->t->env;
	struct store_query q = {.kind = STORE_Q_BODIES,
				.job = env->number,
				.after = text_of(l->e)->file - 1,
				.max_rows = 1};
	return env->port.read(self, env->port.ctx, &q, &l->m);
}

static int read_piece(act_self *self, struct each_load *l)
{
	struct leaf_port *port = &l->e->t->env->port;
	text_of(l->e)->piece = NULL; /* the worker has it */
	return port->piece(self, port->ctx, l->piece);
}

int each_text_load(act_self *self, void *load)
{
	struct each_load *l = load;
	CO_BEGIN(&l->co);
	if (text_of(l->e)->file == 0) {
		feed_rest(l->e);
		return ACT_OK;
	}
	if (text_of(l->e)->piece == NULL) {
		CO_AWAIT(&l->co, l->rc, ask_row(self, l));
		if (l->rc != ACT_OK)
			return l->rc;
		open_file(l->e, l->e->t->env->port.rows(l->m));
		act_drop(self, l->m);
	}
	l->piece = text_of(l->e)->piece;
	if (l->piece == NULL)
		return ACT_OK;
	CO_AWAIT(&l->co, l->rc, read_piece(self, l));
	if (l->rc == ACT_ECANCELED)
		return l->rc;
	if (l->rc == ACT_OK) {
		feed_piece(l->e, l->piece);
		return ACT_OK;
	}
	text_of(l->e)->piece = l->piece; /* the workers are busy */
	CO_AWAIT(&l->co, l->rc, act_sleep(self, 100 * NS_PER_MS));
	return l->rc;
	CO_END(&l->co);
}
