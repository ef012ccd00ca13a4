/*
 * store_sqlite_ops -- what each op does to the tables: first the conditions of a whole batch, then
 * its effects, so that a refused batch has none.
 */
#include "edge/store_sqlite.h"

#include "base/check.h"
#include "edge/bodyfile.h"

/* ---- conditions: ERR_OK with *ret_verdict, or what made looking fail ---- */

struct check {
	struct sq_store *s;
	struct store_batch *b;
	uint32_t i; /* the op's number */
	const struct store_op *op;
};

struct job_now {
	enum store_job_state state;
	bool was_started;
	uint64_t last_seq;
};

/* *ret_verdict NOT_FOUND if there is no such job. */
static enum err job_now(const struct check *c, uint64_t job, struct job_now *ret_now,
			enum err *ret_verdict)
{
	struct sq q;
	enum err e;

	*ret_now = (struct job_now){.state = STORE_JOB_QUEUED};
	*ret_verdict = ERR_OK;
	if (store_batch_puts_job(c->b, c->i, job))
		return ERR_OK;
	q = sq_use(&c->s->writer, SQ_JOB_STATE_OF);
	sq_u64(&q, job);
	e = sq_step(&q);
	if (e == ERR_END) {
		*ret_verdict = ERR_NOT_FOUND;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	if (!store_job_state_parse(sq_col_text(&q, 0), &ret_now->state))
		e = failure_set(&c->s->base.failure, ERR_CORRUPT, "store.db",
				"a job has an unknown state");
	ret_now->was_started = sq_col(&q, 1) != 0;
	ret_now->last_seq = sq_col_u64(&q, 2);
	sq_end(&q);
	return e;
}

static enum err check_job_there(const struct check *c, uint64_t job, enum err *ret_verdict)
{
	struct job_now now;

	return job_now(c, job, &now, ret_verdict);
}

/* Whether the job that is there under the same idempotency key is the same job. */
static enum err check_same_text(const struct check *c, uint64_t job, enum err *ret_verdict)
{
	struct sq q = sq_use(&c->s->writer, SQ_SPEC_OF);
	bool is_same;
	enum err e;

	sq_u64(&q, job);
	e = sq_step(&q);
	if (e != ERR_OK && e != ERR_END)
		return e;
	is_same = e == ERR_OK && slice_eq(sq_col_text(&q, 0), c->op->job.spec) &&
		  slice_eq(sq_col_text(&q, 1), c->op->job.vars);
	if (e == ERR_OK)
		sq_end(&q);
	*ret_verdict = is_same ? ERR_EXISTS : ERR_CONFLICT;
	c->b->ret_job = job;
	return ERR_OK;
}

static bool is_full(const struct sq_store *s)
{
	uint64_t max = s->base.max_bytes;

	return s->disk.is_low || (max != 0 && atomic_load(&s->used_bytes) >= max);
}

static enum err check_job_put(const struct check *c, enum err *ret_verdict)
{
	const struct store_job *job = &c->op->job;
	int64_t found = 0;
	enum err e = ERR_OK;
	struct sq q;

	if (job->idem.n > 0) {
		q = sq_use(&c->s->writer, SQ_JOB_IDEM);
		sq_int(&q, job->uid);
		sq_text(&q, job->idem);
		e = sq_number(&q, 0, &found);
		if (e == ERR_OK && found != 0)
			return check_same_text(c, (uint64_t)found, ret_verdict);
	}
	if (e != ERR_OK)
		return e;
	q = sq_use(&c->s->writer, SQ_JOB_EXISTS);
	sq_u64(&q, job->id);
	e = sq_number(&q, 0, &found);
	*ret_verdict = found != 0 ? ERR_EXISTS : is_full(c->s) ? ERR_FULL : ERR_OK;
	return e;
}

static enum err check_command(const struct check *c, enum err *ret_verdict)
{
	enum store_command command = c->op->command.command;
	struct job_now now;
	enum err e = job_now(c, c->op->command.job, &now, ret_verdict);

	if (e == ERR_OK && *ret_verdict == ERR_OK && !store_command_fits(command, now.state))
		*ret_verdict = ERR_CONFLICT;
	return e;
}

/* Many ops in a row are of one job: it is looked up once. */
static enum err check_owner(const struct check *c, enum err *ret_verdict)
{
	uint64_t job = store_op_owner(c->op);
	enum err e;

	if (c->s->known_job == job)
		return ERR_OK;
	e = check_job_there(c, job, ret_verdict);
	if (e == ERR_OK && *ret_verdict == ERR_OK)
		c->s->known_job = job;
	return e;
}

static enum err check_feed(const struct check *c, enum err *ret_verdict)
{
	enum err e = check_owner(c, ret_verdict);

	if (*ret_verdict == ERR_OK && c->s->disk.is_low && !c->op->feed.is_inner)
		*ret_verdict = ERR_FULL;
	return e;
}

static enum err check_chunk(const struct check *c, enum err *ret_verdict)
{
	const struct store_chunk *k = &c->op->chunk;
	struct job_now now;
	enum err e = job_now(c, k->job, &now, ret_verdict);

	if (e == ERR_OK && *ret_verdict == ERR_OK && k->n > 0 && k->first_seq <= now.last_seq)
		*ret_verdict = ERR_EXISTS;
	return e;
}

static enum err check_opid(const struct check *c, enum err *ret_verdict)
{
	struct sq q = sq_use(&c->s->writer, SQ_OPID_OF);
	enum err e;

	sq_int(&q, c->op->opid.uid);
	sq_text(&q, c->op->opid.op_id);
	e = sq_step(&q);
	if (e == ERR_END)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	e = store_batch_copy(c->b, sq_col_text(&q, 0), &c->b->ret_answer);
	sq_end(&q);
	*ret_verdict = ERR_EXISTS;
	return e;
}

static enum err (*const check_op[STORE_OP_KINDS])(const struct check *, enum err *) = {
	[STORE_JOB_PUT] = check_job_put,     [STORE_JOB_STATE] = check_owner,
	[STORE_JOB_COMMAND] = check_command, [STORE_JOB_FORGET] = check_owner,
	[STORE_FEED_ADD] = check_feed,	     [STORE_CHUNK_ADD] = check_chunk,
	[STORE_ACK] = check_owner,	     [STORE_OPID_PUT] = check_opid,
	[STORE_FACT_PUT] = check_owner,	     [STORE_CURSOR_PUT] = check_owner,
	[STORE_BODY_PUT] = check_owner,	     [STORE_BODY_SEQ] = check_owner,
};

/* ---- effects ---- */

static enum err do_job_put(struct sq_store *s, struct store_op *op)
{
	const struct store_job *j = &op->job;
	struct sq q = sq_use(&s->writer, SQ_JOB_PUT);
	const uint64_t totals[] = {j->totals.total,   j->totals.ok,	   j->totals.failed,
				   j->totals.handled, j->totals.cancelled, j->totals.not_started};
	enum err e;

	sq_u64(&q, j->id);
	sq_int(&q, j->uid);
	sq_int(&q, j->priority);
	sq_int(&q, j->is_attached);
	sq_text(&q, slice_of(store_job_state_text(j->state)));
	sq_text_or_null(&q, j->name);
	sq_text_or_null(&q, j->idem);
	sq_int(&q, j->wall_created_ns);
	sq_int(&q, j->wall_started_ns);
	sq_int(&q, j->wall_ended_ns);
	sq_int(&q, j->wall_due_ns);
	sq_int(&q, j->wall_deadline_ns);
	sq_int(&q, j->remaining_ns);
	sq_int(&q, j->keep_ns);
	for (size_t i = 0; i < sizeof(totals) / sizeof(totals[0]); i++)
		sq_u64(&q, totals[i]);
	e = sq_exec(&q);
	if (e != ERR_OK)
		return e;
	q = sq_use(&s->writer, SQ_SPEC_PUT);
	sq_u64(&q, j->id);
	sq_u64(&q, store_sum(j->spec));
	sq_text(&q, j->vars);
	sq_text(&q, j->spec);
	if (j->id > s->job_counter)
		s->job_counter = j->id;
	return sq_exec(&q);
}

static enum err put_totals(struct sq_store *s, uint64_t job, const struct store_totals *t)
{
	struct sq q = sq_use(&s->writer, SQ_JOB_TOTALS);

	sq_u64(&q, job);
	sq_u64(&q, t->total);
	sq_u64(&q, t->ok);
	sq_u64(&q, t->failed);
	sq_u64(&q, t->handled);
	sq_u64(&q, t->cancelled);
	sq_u64(&q, t->not_started);
	return sq_exec(&q);
}

static enum err put_state(struct sq_store *s, uint64_t job, enum store_job_state state,
			  int64_t wall_at_ns)
{
	struct sq q = sq_use(&s->writer, SQ_JOB_STATE);

	sq_u64(&q, job);
	sq_text(&q, slice_of(store_job_state_text(state)));
	sq_int(&q, state == STORE_JOB_RUNNING ? wall_at_ns : 0);
	sq_int(&q, store_job_has_ended(state) ? wall_at_ns : 0);
	return sq_exec(&q);
}

static enum err do_job_state(struct sq_store *s, struct store_op *op)
{
	const struct store_state_op *o = &op->state;
	enum err e = put_state(s, o->job, o->state, o->wall_at_ns);

	if (e == ERR_OK && o->has_totals)
		e = put_totals(s, o->job, &o->totals);
	if (e == ERR_OK && (o->error.n > 0 || o->scopes.n > 0)) {
		struct sq q = sq_use(&s->writer, SQ_FINAL_PUT);
		sq_u64(&q, o->job);
		sq_text_or_null(&q, o->error);
		sq_text_or_null(&q, o->scopes);
		e = sq_exec(&q);
	}
	return e;
}

static enum err do_fact_put(struct sq_store *s, struct store_op *op)
{
	const struct store_fact *f = &op->fact;
	struct sq q = sq_use(&s->writer, SQ_FACT_PUT);

	sq_u64(&q, f->job);
	sq_text(&q, f->path);
	sq_u64(&q, f->n);
	sq_text(&q, f->kind);
	sq_int(&q, f->wall_at_ns);
	sq_text(&q, f->data);
	return sq_exec(&q);
}

static enum err do_one_job(struct sq_store *s, enum sq_stmt which, uint64_t job)
{
	struct sq q = sq_use(&s->writer, which);

	sq_u64(&q, job);
	return sq_exec(&q);
}

/* The word itself, then the state it leads to. */
static enum err do_command(struct sq_store *s, struct store_op *op)
{
	const struct store_command_op *o = &op->command;
	struct store_op fact = {.kind = STORE_FACT_PUT,
				.fact = {.job = o->job,
					 .path = slice_of(""),
					 .n = o->command,
					 .kind = slice_of(store_command_text(o->command)),
					 .wall_at_ns = o->wall_at_ns,
					 .data = o->why}};
	struct sq q = sq_use(&s->writer, SQ_JOB_STATE_OF);
	bool was_started;
	enum err e;

	sq_u64(&q, o->job);
	e = sq_step(&q);
	if (e != ERR_OK)
		return e == ERR_END ? ERR_OK : e;
	was_started = sq_col(&q, 1) != 0;
	sq_end(&q);
	e = do_fact_put(s, &fact);
	if (e == ERR_OK)
		e = put_state(s, o->job, store_command_state(o->command, was_started), 0);
	if (e == ERR_OK && o->command == STORE_COMMAND_RETRY)
		e = do_one_job(s, SQ_FINAL_DROP, o->job);
	return e;
}

static enum err do_forget(struct sq_store *s, struct store_op *op)
{
	s->known_job = 0;
	return do_one_job(s, SQ_JOB_FORGET, op->ref.job);
}

static enum err do_feed_add(struct sq_store *s, struct store_op *op)
{
	const struct store_feed *f = &op->feed;
	struct sq q = sq_use(&s->writer, SQ_FEED_ADD);

	sq_u64(&q, f->job);
	sq_text(&q, f->path);
	sq_u64(&q, f->first);
	sq_int(&q, f->n);
	sq_int(&q, f->is_eof);
	sq_u64(&q, store_sum(f->lines));
	sq_text(&q, f->lines);
	return sq_exec(&q);
}

static enum err drop_range(struct sq_store *s, enum sq_stmt which, const struct store_range_op *r,
			   bool has_n)
{
	struct sq q = sq_use(&s->writer, which);

	sq_u64(&q, r->job);
	sq_text(&q, r->path);
	if (has_n)
		sq_u64(&q, r->n);
	return sq_exec(&q);
}

static enum err do_feed_drop(struct sq_store *s, struct store_op *op)
{
	return drop_range(s, SQ_FEED_DROP, &op->range, true);
}

static enum err do_fact_drop(struct sq_store *s, struct store_op *op)
{
	return drop_range(s, SQ_FACT_DROP, &op->range, true);
}

static enum err do_tree_drop(struct sq_store *s, struct store_op *op)
{
	static const enum sq_stmt which[] = {SQ_FACT_DROP_AT,	SQ_FACT_DROP_UNDER,
					     SQ_CURSOR_DROP_AT, SQ_CURSOR_DROP_UNDER,
					     SQ_FEED_DROP_AT,	SQ_FEED_DROP_UNDER};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < sizeof(which) / sizeof(which[0]); i++)
		e = drop_range(s, which[i], &op->range, false);
	return e;
}

static enum err put_chunk(struct sq_store *s, const struct store_chunk *c)
{
	struct sq q = sq_use(&s->writer, SQ_CHUNK_ADD);

	sq_u64(&q, c->job);
	sq_u64(&q, c->first_seq);
	sq_int(&q, c->n);
	sq_int(&q, c->n_ok);
	sq_int(&q, c->n_failed);
	sq_int(&q, c->n_cancelled);
	sq_u64(&q, c->lines.n);
	sq_u64(&q, store_sum(c->lines));
	sq_text(&q, c->done);
	sq_text(&q, c->lines);
	return sq_exec(&q);
}

static enum err do_chunk_add(struct sq_store *s, struct store_op *op)
{
	const struct store_chunk *c = &op->chunk;
	enum err e = c->n > 0 ? put_chunk(s, c) : ERR_OK;
	struct sq q;

	if (e != ERR_OK)
		return e;
	q = sq_use(&s->writer, SQ_JOB_CHUNK);
	sq_u64(&q, c->job);
	sq_u64(&q, c->n > 0 ? c->first_seq + c->n - 1 : 0);
	sq_int(&q, c->n_ok);
	sq_int(&q, c->n_failed);
	sq_int(&q, c->n_cancelled);
	sq_u64(&q, c->lines.n);
	s->pending_bytes += (int64_t)c->lines.n;
	return sq_exec(&q);
}

static enum err do_ack(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_ACK);

	sq_u64(&q, op->ack.job);
	sq_u64(&q, op->ack.seq);
	return sq_exec(&q);
}

static enum err do_cursor_put(struct sq_store *s, struct store_op *op)
{
	const struct store_cursor *c = &op->cursor;
	struct sq q = sq_use(&s->writer, SQ_CURSOR_PUT);

	sq_u64(&q, c->job);
	sq_text(&q, c->path);
	sq_u64(&q, c->watermark);
	sq_text(&q, c->gaps);
	sq_u64(&q, c->seq);
	return sq_exec(&q);
}

static enum err do_key_put(struct sq_store *s, struct store_op *op)
{
	const struct store_key *k = &op->key;
	struct sq q = sq_use(&s->writer, SQ_KEY_PUT);

	sq_text(&q, k->name);
	sq_int(&q, k->tat_ns);
	sq_int(&q, k->horizon_ns);
	sq_int(&q, k->blocked_until_ns);
	sq_blob(&q, k->quota);
	sq_blob(&q, k->learned);
	return sq_exec(&q);
}

static enum err do_key_drop(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_KEY_DROP);

	sq_text(&q, op->counter.name);
	return sq_exec(&q);
}

static enum err do_body_put(struct sq_store *s, struct store_op *op)
{
	const struct store_body *b = &op->body;
	struct sq q = sq_use(&s->writer, SQ_BODY_PUT);
	enum err e;

	sq_u64(&q, b->id);
	sq_u64(&q, b->job);
	sq_u64(&q, b->seq);
	sq_u64(&q, b->size);
	sq_blob(&q, (struct slice){(const char *)b->sha256, sizeof(b->sha256)});
	e = sq_exec(&q);
	if (e != ERR_OK)
		return e;
	s->must_sync_bodies = true;
	if (b->id > s->body_counter)
		s->body_counter = b->id;
	q = sq_use(&s->writer, SQ_JOB_BYTES);
	sq_u64(&q, b->job);
	sq_u64(&q, b->size);
	s->pending_bytes += (int64_t)b->size;
	return sq_exec(&q);
}

static enum err do_hold_put(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_HOLD_PUT);

	sq_text(&q, op->hold.name);
	sq_text(&q, op->hold.session);
	sq_u64(&q, op->hold.fence);
	sq_text(&q, op->hold.data);
	return sq_exec(&q);
}

static enum err do_hold_drop(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_HOLD_DROP);

	sq_text(&q, op->hold.name);
	sq_text(&q, op->hold.session);
	return sq_exec(&q);
}

static enum err do_opid_put(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_OPID_PUT);

	sq_int(&q, op->opid.uid);
	sq_text(&q, op->opid.op_id);
	sq_int(&q, op->opid.wall_at_ns);
	sq_text(&q, op->opid.answer);
	return sq_exec(&q);
}

static enum err do_counter_put(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_COUNTER_PUT);

	sq_text(&q, op->counter.name);
	sq_u64(&q, op->counter.value);
	return sq_exec(&q);
}

static enum err do_prune(struct sq_store *s, struct store_op *op)
{
	if (op->prune.full_bytes != 0)
		s->base.max_bytes = op->prune.full_bytes;
	s->known_job = 0;
	return sq_prune(s, &op->prune);
}

static enum err (*const do_op[STORE_OP_KINDS])(struct sq_store *, struct store_op *) = {
	[STORE_JOB_PUT] = do_job_put,
	[STORE_JOB_STATE] = do_job_state,
	[STORE_JOB_COMMAND] = do_command,
	[STORE_JOB_FORGET] = do_forget,
	[STORE_FEED_ADD] = do_feed_add,
	[STORE_FEED_DROP] = do_feed_drop,
	[STORE_FACT_PUT] = do_fact_put,
	[STORE_FACT_DROP] = do_fact_drop,
	[STORE_TREE_DROP] = do_tree_drop,
	[STORE_CHUNK_ADD] = do_chunk_add,
	[STORE_ACK] = do_ack,
	[STORE_CURSOR_PUT] = do_cursor_put,
	[STORE_KEY_PUT] = do_key_put,
	[STORE_KEY_DROP] = do_key_drop,
	[STORE_BODY_PUT] = do_body_put,
	[STORE_BODY_SEQ] = sq_body_seq,
	[STORE_HOLD_PUT] = do_hold_put,
	[STORE_HOLD_DROP] = do_hold_drop,
	[STORE_NAMED_PUT] = sq_named_put,
	[STORE_NAMED_HOLD] = sq_named_hold,
	[STORE_NAMED_DROP] = sq_named_drop,
	[STORE_VALIDATOR_PUT] = sq_validator_put,
	[STORE_OPID_PUT] = do_opid_put,
	[STORE_COUNTER_PUT] = do_counter_put,
	[STORE_PRUNE] = do_prune,
};

enum err sq_batch(struct sq_store *s, struct store_batch *b)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct check c = {.s = s, .b = b, .i = i, .op = &b->op[i]};
		enum err verdict = ERR_OK;
		CHECK(b->op[i].kind < STORE_OP_KINDS);
		if (check_op[b->op[i].kind] != NULL)
			e = check_op[b->op[i].kind](&c, &verdict);
		if (e != ERR_OK)
			return e;
		if (verdict != ERR_OK) {
			b->result = verdict;
			return ERR_OK;
		}
	}
	for (uint32_t i = 0; e == ERR_OK && i < b->n; i++)
		e = do_op[b->op[i].kind](s, &b->op[i]);
	return e;
}
