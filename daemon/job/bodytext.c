#include "job/bodytext.h"

#include "job/bodypiece.h"
#include "job/jobenv.h"
#include "job/results.h"
#include "proto/base64.h"
#include "proto/units.h"

#include <string.h>

#define BLOCK (64u << 10)

bool bodytext_is_result(const json_t *v)
{
	return json_object_get(v, "task") != NULL && json_object_get(v, "attempts") != NULL;
}

bool bodytext_is_exec(const json_t *v)
{
	return json_is_integer(json_object_get(v, "exit"));
}

static struct slice string_of(const json_t *s)
{
	return (struct slice){json_string_value(s), json_string_length(s)};
}

/* `name`, or `name_base64`; empty if there is neither. */
static enum err take_member(struct bodytext *b, const char *name, const char *encoded)
{
	struct slice base64 = string_of(json_object_get(b->value, encoded));
	b->rest = string_of(json_object_get(b->value, name));
	if (base64.p == NULL)
		return ERR_OK;
	if (base64_decode(base64, &b->plain) != ERR_OK)
		return ERR_NOMEM;
	b->rest = bytes_slice(&b->plain);
	return ERR_OK;
}

static enum err take_body(struct bodytext *b)
{
	struct slice file = string_of(json_object_get(b->value, "file"));
	if (file.p == NULL)
		return take_member(b, "body", "body_base64");
	return units_u64(file, &b->file);
}

static enum err take_stdout(struct bodytext *b)
{
	size_t i;
	json_t *name;
	json_array_foreach(json_object_get(b->value, "truncated"), i,
			   name) if (strcmp(json_string_value(name), "stdout") ==
				     0) return ERR_TOO_LARGE;
	return take_member(b, "stdout", "stdout_base64");
}

enum err bodytext_open(struct bodytext *b, struct jobenv *env, json_t *value)
{
	*b = (struct bodytext){.env = env, .value = json_incref(value)};
	if (value == NULL)
		return ERR_OK;
	if (bodytext_is_result(value))
		return take_body(b);
	if (bodytext_is_exec(value))
		return take_stdout(b);
	b->rest = string_of(value);
	return json_is_string(value) ? ERR_OK : ERR_INVALID;
}

void bodytext_close(struct bodytext *b)
{
	bytes_fini(&b->plain);
	bodypiece_free(b->piece);
	json_decref(b->value);
	b->piece = NULL;
	b->value = NULL;
}

void bodytext_release(struct bodytext *b)
{
	const struct results_spec *r = &b->env->spec->results;
	json_int_t seq = json_integer_value(json_object_get(b->value, "seq"));
	struct store_op *op = NULL;
	if (seq == 0 && r->ordered && r->body_inline)
		return; /* its line waits for its turn, and names it */
	if (seq == 0)
		seq = 1; /* it has no line: the next that goes takes it along */
	if (b->file != 0)
		op = results_op(b->env->results, STORE_BODY_SEQ);
	if (op != NULL)
		op->body = (struct store_body){
			.id = b->file, .job = b->env->number, .seq = (uint64_t)seq};
}

/* ---- block by block ---- */

static void take_rest(struct bodytext_read *r)
{
	struct bodytext *b = r->b;
	r->block = (struct slice){b->rest.p, b->rest.n < BLOCK ? b->rest.n : BLOCK};
	if (r->block.n > 0)
		b->rest = (struct slice){b->rest.p + r->block.n, b->rest.n - r->block.n};
}

static int ask_row(act_self *self, struct bodytext_read *r)
{
	struct jobenv *env = r->b->env;
	struct store_query q = {
		.kind = STORE_Q_BODIES, .job = env->number, .after = r->b->file - 1, .max_rows = 1};
	return env->port.read(self, env->port.ctx, &q, &r->m);
}

static void open_file(struct bodytext_read *r)
{
	struct leaf_port *port = &r->b->env->port;
	const struct store_rows *rows = port->rows(r->m);
	if (rows == NULL || rows->n == 0 || rows->row[0].body.id != r->b->file) {
		r->err = ERR_CORRUPT;
		return;
	}
	r->b->piece = port->body(port->ctx, &rows->row[0].body, BLOCK);
	if (r->b->piece == NULL)
		r->err = ERR_NOMEM;
}

/* The worker has it. */
static int read_piece(act_self *self, struct bodytext_read *r)
{
	struct leaf_port *port = &r->b->env->port;
	r->piece = r->b->piece;
	r->b->piece = NULL;
	return port->piece(self, port->ctx, r->piece);
}

static void take_piece(struct bodytext_read *r)
{
	struct bodypiece *p = r->piece;
	r->b->piece = p;
	if (p->result != ERR_OK) {
		r->err = ERR_CORRUPT;
		return;
	}
	p->offset += p->n;
	r->block = (struct slice){p->data, p->n};
}

int bodytext_read(act_self *self, void *frame)
{
	struct bodytext_read *r = frame;
	CO_BEGIN(&r->co);
	r->block = (struct slice){NULL, 0};
	r->err = ERR_OK;
	if (r->b->file == 0) {
		take_rest(r);
		return ACT_OK;
	}
	if (r->b->piece == NULL) {
		CO_AWAIT(&r->co, r->rc, ask_row(self, r));
		if (r->rc != ACT_OK)
			return r->rc;
		open_file(r);
		act_drop(self, r->m);
	}
	while (r->err == ERR_OK) {
		CO_AWAIT(&r->co, r->rc, read_piece(self, r));
		if (r->rc == ACT_ECANCELED)
			return r->rc;
		if (r->rc == ACT_OK) {
			take_piece(r);
			break;
		}
		r->b->piece = r->piece; /* the workers are busy */
		CO_AWAIT(&r->co, r->rc, act_sleep(self, 100 * NS_PER_MS));
		if (r->rc != ACT_OK)
			return r->rc;
	}
	CO_END(&r->co);
}
