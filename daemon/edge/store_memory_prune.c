/*
 * store_memory_prune -- forgetting in the memory store, in the order store.h says.
 */
#include "edge/store_memory.h"

#include "edge/bodyfile.h"

#include <stdlib.h>

struct prune {
	struct mem_store *s;
	struct store_prune_op *op;
	uint32_t left;
};

static void count(struct prune *p)
{
	p->op->ret_rows++;
	p->left--;
}

/* Bodies of results up to seq. */
static void drop_bodies(struct prune *p, struct mem_job *j, uint64_t seq)
{
	size_t kept = 0;

	for (size_t i = 0; i < j->body.n; i++) {
		struct store_body *b = j->body.at[i];
		if (b->seq > seq) {
			j->body.at[kept++] = b;
			continue;
		}
		j->job.n_bytes -= b->size;
		p->s->used_bytes -= b->size;
		if (p->s->base.bodies != NULL)
			(void)bodydir_remove(p->s->base.bodies, b->id);
		free(b);
	}
	j->body.n = kept;
}

static void prune_forgotten(struct prune *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->s->job.n; i++) {
		struct mem_job *j = p->s->job.at[i];
		if (j->job.state != STORE_JOB_FORGOTTEN || p->left == 0) {
			p->s->job.at[kept++] = j;
			continue;
		}
		drop_bodies(p, j, UINT64_MAX);
		p->s->used_bytes -= j->job.n_bytes;
		mem_job_free(j);
		count(p);
	}
	p->s->job.n = kept;
}

static void prune_opids(struct prune *p)
{
	struct ordered *o = &p->s->opid;
	size_t kept = 0;

	for (size_t i = 0; i < o->n; i++) {
		struct store_opid *id = o->at[i];
		if (id->wall_at_ns >= p->op->wall_opid_before_ns || p->left == 0) {
			o->at[kept++] = id;
			continue;
		}
		free(id);
		count(p);
	}
	o->n = kept;
}

static bool is_over(const struct prune *p, const struct mem_job *j)
{
	const struct store_prune_op *op = p->op;

	if (!store_job_has_ended(j->job.state) || j->job.state == STORE_JOB_FORGOTTEN)
		return false;
	if (j->wall_expires_ns > 0)
		return j->wall_expires_ns < op->wall_now_ns;
	return op->default_keep_ns > 0 &&
	       j->job.wall_ended_ns < op->wall_now_ns - op->default_keep_ns;
}

static void prune_kept(struct prune *p)
{
	for (size_t i = 0; i < p->s->job.n && p->left > 0; i++) {
		struct mem_job *j = p->s->job.at[i];
		if (is_over(p, j)) {
			j->job.state = STORE_JOB_FORGOTTEN;
			count(p);
		}
	}
}

static uint64_t limit_of(const struct mem_job *j)
{
	uint64_t limit = j->job.acked_seq;

	if (store_job_has_ended(j->job.state))
		return limit;
	if (j->cursor.n == 0)
		return 0;
	for (size_t i = 0; i < j->cursor.n; i++) {
		const struct store_cursor *c = j->cursor.at[i];
		if (c->seq < limit)
			limit = c->seq;
	}
	return limit;
}

static bool is_above(const struct prune *p)
{
	return p->op->max_bytes != 0 && p->s->used_bytes > p->op->max_bytes;
}

static void prune_job(struct prune *p, struct mem_job *j)
{
	uint64_t limit = limit_of(j);
	size_t n = 0;

	while (n < j->chunk.n && p->left > 0 && (j->job.is_attached || is_above(p))) {
		struct store_chunk *c = j->chunk.at[n];
		uint64_t last = c->first_seq + c->n - 1;
		if (last > limit)
			break;
		drop_bodies(p, j, last);
		j->job.n_bytes -= c->lines.n;
		p->s->used_bytes -= c->lines.n;
		j->pruned_seq = last;
		free(c);
		count(p);
		n++;
	}
	ordered_remove(&j->chunk, 0, n);
}

static void prune_acked(struct prune *p, bool is_attached)
{
	for (size_t i = 0; i < p->s->job.n && p->left > 0; i++) {
		struct mem_job *j = p->s->job.at[i];
		if (j->job.is_attached == is_attached && j->job.acked_seq > j->pruned_seq &&
		    j->job.state != STORE_JOB_FORGOTTEN)
			prune_job(p, j);
	}
}

enum err mem_prune(struct mem_store *s, struct store_prune_op *op)
{
	struct prune p = {.s = s, .op = op, .left = op->max_rows};

	op->ret_rows = 0;
	s->must_prune = false;
	prune_forgotten(&p);
	prune_opids(&p);
	while (p.left > 0 && mem_validator_forget(s, op->wall_validator_before_ns))
		count(&p);
	prune_kept(&p);
	prune_acked(&p, true);
	prune_acked(&p, false);
	prune_forgotten(&p);
	op->ret_more = p.left == 0;
	return ERR_OK;
}
