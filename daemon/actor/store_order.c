/*
 * store_order -- see store_order.h; and what travels to and from actor/store (store.h).
 */
#include "actor/store_order.h"

#include <stdlib.h>
#include <string.h>

#define PRUNE_ROWS   256
#define OPID_KEEP_NS (600 * NS_PER_S)
#define VALIDATOR_NS (90 * 24 * 3600 * NS_PER_S)

/* ---- what travels ---- */

void store_batch_drop(void *batch)
{
	store_batch_free(batch);
}

static size_t put_text(struct store_reading *r, size_t at, struct slice *text)
{
	if (text->n > 0)
		memcpy(r->text + at, text->p, text->n);
	*text = (struct slice){r->text + at, text->n};
	return at + text->n;
}

struct store_reading *store_reading_new(const struct store_query *q)
{
	size_t n = q->path.n + q->after_path.n + q->text.n, at = 0;
	struct store_reading *r = calloc(1, sizeof(*r) + n);

	if (r == NULL)
		return NULL;
	r->query = *q;
	at = put_text(r, at, &r->query.path);
	at = put_text(r, at, &r->query.after_path);
	put_text(r, at, &r->query.text);
	return r;
}

void store_reading_drop(void *reading)
{
	struct store_reading *r = reading;

	if (r == NULL)
		return;
	store_rows_fini(&r->rows);
	free(r);
}

/* ---- orders ---- */

struct order *order_new(act_self *self, act_msg *m)
{
	struct order *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	list_init(&o->link);
	o->token = m->token;
	o->from = m->from;
	if (o->token == 0 && o->from != 0) {
		o->reply = act_prepare(self, m->type == STORE_APPLY ? STORE_APPLIED : STORE_ROWS,
				       NULL, 0);
		if (o->reply == NULL) {
			free(o);
			return NULL;
		}
	}
	if (m->type == STORE_APPLY)
		o->batch = m->buf.ptr;
	else
		o->reading = m->buf.ptr;
	m->buf.ptr = NULL;
	m->buf.dtor = NULL;
	return o;
}

struct order *order_new_prune(const struct store_actor_opts *opts)
{
	struct order *o = calloc(1, sizeof(*o));
	struct store_batch *b = store_batch_new();
	struct store_op *op = b == NULL ? NULL : store_batch_add(b, STORE_PRUNE);
	int64_t now = clock_wall_ns(opts->clock);

	if (o == NULL || op == NULL) {
		store_batch_free(b);
		free(o);
		return NULL;
	}
	op->prune = (struct store_prune_op){.wall_now_ns = now,
					    .wall_opid_before_ns = now - OPID_KEEP_NS,
					    .wall_validator_before_ns = now - VALIDATOR_NS,
					    .default_keep_ns = opts->default_keep_ns,
					    .max_bytes = opts->max_bytes - opts->max_bytes / 8,
					    .full_bytes = opts->max_bytes,
					    .max_rows = PRUNE_ROWS};
	list_init(&o->link);
	o->batch = b;
	o->is_prune = true;
	return o;
}

void order_pass_faults(const struct order *o, struct fault *fault)
{
	static const enum fault_point point[STORE_OP_KINDS] = {
		[STORE_JOB_PUT] = FAULT_after_submit_commit_before_reply,
		[STORE_FEED_ADD] = FAULT_after_feed_commit_before_ack,
		[STORE_JOB_COMMAND] = FAULT_after_command_commit_before_reply,
		[STORE_CHUNK_ADD] = FAULT_after_chunk_commit_before_ack,
		[STORE_KEY_PUT] = FAULT_after_key_horizon_commit,
		[STORE_JOB_STATE] = FAULT_after_end_commit_before_reply,
	};

	for (uint32_t i = 0; i < o->batch->n; i++) {
		const struct store_op *op = &o->batch->op[i];
		if (op->kind == STORE_JOB_STATE && !store_job_has_ended(op->state.state))
			continue;
		if (point[op->kind] != FAULT_NONE)
			FAULT_AT(fault, point[op->kind]);
	}
}

void order_free(act_self *self, struct order *o)
{
	if (o->reply != NULL)
		act_unprepare(self, o->reply);
	store_batch_free(o->batch);
	store_reading_drop(o->reading);
	free(o);
}

static void answer_with(act_self *self, struct order *o, uint32_t type, void *object, size_t size,
			act_cleanup dtor)
{
	if (o->token != 0) {
		act_reply_buf(self, o->token, type, object, size, dtor);
	} else if (o->reply != NULL) {
		o->reply->flags |= ACT_MSG_OWNED;
		o->reply->buf.ptr = object;
		o->reply->buf.len = size;
		o->reply->buf.dtor = dtor;
		act_deliver(self, o->from, o->reply);
	} else {
		dtor(object);
	}
	free(o);
}

void order_answer(act_self *self, struct order *o)
{
	if (o->batch != NULL)
		answer_with(self, o, STORE_APPLIED, o->batch, sizeof(*o->batch), store_batch_drop);
	else
		answer_with(self, o, STORE_ROWS, o->reading, sizeof(*o->reading),
			    store_reading_drop);
}
