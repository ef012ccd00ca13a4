/*
 * store_sqlite_prune -- forgetting, a bounded number of rows at a time, in the order store.h says.
 */
#include "edge/store_sqlite.h"

#include <stdlib.h>

struct prune {
	struct sq_store *s;
	struct store_prune_op *op;
	uint32_t left; /* rows that may still go */
};

static bool spent(struct prune *p, int rows)
{
	uint32_t n = rows < 0 ? 0 : (uint32_t)rows;

	p->op->ret_rows += n;
	p->left = n < p->left ? p->left - n : 0;
	return p->left == 0;
}

/* Runs a statement with one or two numbers and counts the rows it changed. */
static enum err drop(struct prune *p, enum sq_stmt which, uint64_t a, bool has_limit)
{
	struct sq q = sq_use(&p->s->writer, which);
	enum err e;

	sq_u64(&q, a);
	if (has_limit)
		sq_int(&q, p->left);
	e = sq_exec(&q);
	if (e == ERR_OK)
		spent(p, sqlite3_changes(p->s->writer.db));
	return e;
}

/* The file goes after the commit. */
static enum err body_dies(struct sq_store *s, uint64_t id)
{
	if (s->n_dead == s->cap_dead) {
		size_t cap = s->cap_dead == 0 ? 64 : s->cap_dead * 2;
		uint64_t *dead = realloc(s->dead_body, cap * sizeof(*dead));
		if (dead == NULL)
			return ERR_NOMEM;
		s->dead_body = dead;
		s->cap_dead = cap;
	}
	s->dead_body[s->n_dead++] = id;
	return ERR_OK;
}

/* Bodies of a job's results up to seq; *size grows by what they took. */
static enum err drop_bodies(struct prune *p, uint64_t job, uint64_t seq, uint64_t *size)
{
	while (p->left > 0) {
		struct sq q = sq_use(&p->s->writer, SQ_PRUNE_BODY_NEXT);
		uint64_t id;
		enum err e;

		sq_u64(&q, job);
		sq_u64(&q, seq);
		e = sq_step(&q);
		if (e != ERR_OK)
			return e == ERR_END ? ERR_OK : e;
		id = sq_col_u64(&q, 0);
		*size += sq_col_u64(&q, 1);
		sq_end(&q);
		e = body_dies(p->s, id);
		if (e == ERR_OK)
			e = drop(p, SQ_PRUNE_BODY, id, false);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* Bodies go with the result they are of. */
enum err sq_body_seq(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_BODY_SEQ);

	sq_u64(&q, op->body.id);
	sq_u64(&q, op->body.job);
	sq_u64(&q, op->body.seq);
	return sq_exec(&q);
}

static enum err drop_job(struct prune *p, uint64_t job, uint64_t bytes)
{
	static const enum sq_stmt parts[] = {SQ_PRUNE_CHUNKS, SQ_PRUNE_FEED, SQ_PRUNE_FACTS,
					     SQ_PRUNE_CURSORS};
	static const enum sq_stmt rest[] = {SQ_PRUNE_SPEC, SQ_FINAL_DROP, SQ_PRUNE_JOB};
	uint64_t size = 0;
	enum err e = drop_bodies(p, job, INT64_MAX, &size);

	for (size_t i = 0; e == ERR_OK && p->left > 0 && i < sizeof(parts) / sizeof(parts[0]); i++)
		e = drop(p, parts[i], job, true);
	if (e != ERR_OK || p->left == 0)
		return e;
	for (size_t i = 0; e == ERR_OK && i < sizeof(rest) / sizeof(rest[0]); i++)
		e = drop(p, rest[i], job, false);
	p->s->pending_bytes -= (int64_t)bytes;
	return e;
}

static enum err prune_forgotten(struct prune *p)
{
	while (p->left > 0) {
		struct sq q = sq_use(&p->s->writer, SQ_PRUNE_FORGOTTEN);
		uint64_t job, bytes;
		enum err e = sq_step(&q);

		if (e != ERR_OK)
			return e == ERR_END ? ERR_OK : e;
		job = sq_col_u64(&q, 0);
		bytes = sq_col_u64(&q, 1);
		sq_end(&q);
		e = drop_job(p, job, bytes);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err prune_old(struct prune *p)
{
	const struct store_prune_op *op = p->op;
	enum err e = ERR_OK;

	if (op->wall_opid_before_ns > 0)
		e = drop(p, SQ_PRUNE_OPIDS, (uint64_t)op->wall_opid_before_ns, true);
	if (e == ERR_OK && p->left > 0 && op->wall_validator_before_ns > 0)
		e = drop(p, SQ_PRUNE_VALIDATORS_OLD, (uint64_t)op->wall_validator_before_ns, true);
	if (e == ERR_OK && p->left > 0)
		e = drop(p, SQ_PRUNE_VALIDATORS, STORE_VALIDATORS, true);
	if (e == ERR_OK && p->left > 0)
		e = drop(p, SQ_PRUNE_KEPT_OWN, (uint64_t)op->wall_now_ns, true);
	if (e == ERR_OK && p->left > 0 && op->default_keep_ns > 0 &&
	    op->wall_now_ns > op->default_keep_ns)
		e = drop(p, SQ_PRUNE_KEPT, (uint64_t)(op->wall_now_ns - op->default_keep_ns), true);
	return e;
}

static bool is_above(const struct prune *p)
{
	int64_t used = (int64_t)atomic_load(&p->s->used_bytes) + p->s->pending_bytes;

	return p->op->max_bytes != 0 && used > (int64_t)p->op->max_bytes;
}

struct acked {
	uint64_t job, limit; /* results up to limit may go */
	bool is_attached;
};

/* The oldest chunk, if all of it may go. END: it may not, or there is none. */
static enum err drop_chunk(struct prune *p, const struct acked *a)
{
	struct sq q = sq_use(&p->s->writer, SQ_PRUNE_CHUNK_NEXT);
	uint64_t id, last, size;
	enum err e;

	sq_u64(&q, a->job);
	e = sq_step(&q);
	if (e != ERR_OK)
		return e;
	id = sq_col_u64(&q, 0);
	last = sq_col_u64(&q, 1) + sq_col_u64(&q, 2) - 1;
	size = sq_col_u64(&q, 3);
	sq_end(&q);
	if (last > a->limit)
		return ERR_END;
	e = drop_bodies(p, a->job, last, &size);
	if (e == ERR_OK)
		e = drop(p, SQ_PRUNE_CHUNK, id, false);
	if (e != ERR_OK)
		return e;
	q = sq_use(&p->s->writer, SQ_PRUNED);
	sq_u64(&q, a->job);
	sq_u64(&q, last);
	sq_u64(&q, size);
	p->s->pending_bytes -= (int64_t)size;
	return sq_exec(&q);
}

/* What no recovery needs: the job has ended, or every cursor is past it. */
static enum err find_limit(struct prune *p, struct acked *a, bool has_ended)
{
	struct sq q = sq_use(&p->s->writer, SQ_PRUNE_FLOOR);
	int64_t floor = 0;
	enum err e;

	if (has_ended)
		return ERR_OK;
	sq_u64(&q, a->job);
	e = sq_number(&q, 0, &floor);
	if (e == ERR_OK && (uint64_t)floor < a->limit)
		a->limit = (uint64_t)floor;
	return e;
}

static enum err next_acked(struct prune *p, struct acked *a)
{
	struct sq q = sq_use(&p->s->writer, SQ_PRUNE_ACKED);
	enum store_job_state state = STORE_JOB_QUEUED;
	enum err e;

	sq_int(&q, a->is_attached);
	sq_u64(&q, a->job);
	e = sq_step(&q);
	if (e != ERR_OK)
		return e;
	a->job = sq_col_u64(&q, 0);
	a->limit = sq_col_u64(&q, 1);
	store_job_state_parse(sq_col_text(&q, 2), &state);
	sq_end(&q);
	if (state == STORE_JOB_FORGOTTEN) {
		a->limit = 0;
		return ERR_OK;
	}
	return find_limit(p, a, store_job_has_ended(state));
}

static enum err prune_acked(struct prune *p, bool is_attached)
{
	struct acked a = {.is_attached = is_attached};
	enum err e = ERR_OK;

	while (e == ERR_OK && p->left > 0 && (is_attached || is_above(p))) {
		e = next_acked(p, &a);
		while (e == ERR_OK && p->left > 0 && (is_attached || is_above(p))) {
			e = drop_chunk(p, &a);
			if (e == ERR_END) {
				e = ERR_OK;
				break;
			}
		}
	}
	return e == ERR_END ? ERR_OK : e;
}

enum err sq_prune(struct sq_store *s, struct store_prune_op *op)
{
	struct prune p = {.s = s, .op = op, .left = op->max_rows};
	enum err e;

	op->ret_rows = 0;
	op->ret_more = false;
	e = prune_forgotten(&p);
	if (e == ERR_OK && p.left > 0)
		e = prune_old(&p);
	if (e == ERR_OK && p.left > 0)
		e = prune_acked(&p, true);
	if (e == ERR_OK && p.left > 0)
		e = prune_acked(&p, false);
	if (e == ERR_OK && p.left > 0 && op->ret_rows > 0)
		e = prune_forgotten(&p);
	op->ret_more = p.left == 0;
	return e;
}
