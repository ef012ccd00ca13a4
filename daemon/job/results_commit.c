/*
 * The committer: one task of the job that hands fills to the store, one at a time, and lets those
 * who wait for a commit go on, in the order in which they wrote.
 */
#include "base/check.h"
#include "job/jobenv.h"
#include "job/results.h"
#include "job/results_fill.h"

#include <string.h>

/* The chunk comes first: totals that an end of the job sets are the last word. */
static void to_front(struct store_batch *b)
{
	struct store_op last = b->op[b->n - 1];
	memmove(b->op + 1, b->op, (b->n - 1) * sizeof(*b->op));
	b->op[0] = last;
}

static bool add_chunk(struct results *r, struct fill *f)
{
	struct bytes done = BYTES_LIMIT(STORE_TEXT_MAX);
	struct store_op *op = results_op(r, STORE_CHUNK_ADD);
	if (op == NULL)
		return false;
	op->chunk = (struct store_chunk){
		.job = r->env->number,
		.first_seq = f->first_seq,
		.n = f->n_lines,
		.n_ok = f->n[RESULTS_OK],
		.n_failed = f->n[RESULTS_FAILED],
		.n_cancelled = f->n[RESULTS_CANCELLED],
		.lines = results_text(r, bytes_slice(&f->lines)),
	};
	bool ok = done_write(&f->done, &done) == ERR_OK && op->chunk.lines.p != NULL;
	op->chunk.done = ok ? results_text(r, bytes_slice(&done)) : (struct slice){NULL, 0};
	bytes_fini(&done);
	ok = ok && op->chunk.done.p != NULL;
	to_front(f->batch);
	return ok;
}

static bool add_snapshot(struct results *r, const struct results_cursor *c, uint64_t seq)
{
	struct bytes text = BYTES_LIMIT(STORE_TEXT_MAX);
	struct store_op *op = results_op(r, STORE_CURSOR_PUT);
	results_cursor_write(c, &text);
	if (op != NULL)
		op->cursor = (struct store_cursor){
			.job = r->env->number,
			.path = results_text(r, c->path),
			.watermark = cursor_watermark(&c->cursor),
			.gaps = results_text(r, bytes_slice(&text)),
			.seq = seq,
		};
	bytes_fini(&text);
	return op != NULL && op->cursor.gaps.p != NULL && op->cursor.path.p != NULL;
}

void results_cursor_put(struct results *r, const struct results_cursor *c)
{
	add_snapshot(r, c, r->last_seq);
}

/* Marks without a line have no chunk to stand in. */
static bool wants_snapshots(struct results *r, const struct fill *f)
{
	if (f->n_lines > 0)
		r->n_chunks++;
	if (r->n_chunks < RESULTS_SNAPSHOT && (f->n_lines > 0 || f->done.n == 0))
		return false;
	r->n_chunks = 0;
	return true;
}

/* The fill as a batch; NULL: no memory now. */
static struct store_batch *pack(struct results *r)
{
	struct fill *f = r->fill;
	bool snapshots = wants_snapshots(r, f), ok = true;
	for (int c = 0; c < 3; c++)
		f->n[c] += (uint32_t)r->dropped[c];
	memset(r->dropped, 0, sizeof(r->dropped));
	if (f->n_lines > 0)
		ok = add_chunk(r, f);
	else if (f->batch == NULL)
		f->batch = store_batch_new();
	if (snapshots)
		LIST_EACH (l, &r->cursors)
			ok = add_snapshot(r, LIST_ENTRY(l, struct results_cursor, link),
					  f->first_seq + f->n_lines - 1) &&
			     ok;
	struct store_batch *b = f->batch;
	if (!ok || b == NULL)
		return NULL;
	f->batch = NULL;
	b->is_urgent = true;
	return b;
}

static void committed(struct results *r)
{
	struct fill *f = r->under_way;
	if (f->n_lines > 0)
		tail_push(&r->tail, f->n_lines, bytes_slice(&f->lines));
	r->last_seq = f->first_seq + f->n_lines - 1;
	r->all_bytes += f->lines.n;
	r->committed_no = f->no;
	for (int c = 0; c < 3; c++)
		r->counted[c] += f->n[c];
	r->under_way = NULL;
	act_event_set(f->committed);
	fill_free(f);
	results_check_room(r);
	results_stir(r);
}

/* Makes the filling one the one under way. NULL: no memory now, nothing changed. */
static struct store_batch *turn_over(struct results *r)
{
	struct fill *next = fill_new(r);
	if (next == NULL)
		return NULL;
	struct store_batch *b = pack(r);
	if (b == NULL) {
		r->next_no--;
		fill_free(next);
		return NULL;
	}
	next->first_seq = r->next_seq;
	r->under_way = r->fill;
	r->fill = next;
	act_event_clear(r->some);
	act_event_clear(r->ready);
	return b;
}

int results_commit_step(act_self *self, void *frame)
{
	struct results_committer *k = frame;
	struct leaf_port *port = &k->r->env->port;
	CO_BEGIN(&k->co);
	for (;;) {
		if (k->r->is_closed && !k->r->fill->is_used)
			return ACT_OK;
		CO_AWAIT(&k->co, k->rc, act_event_wait(self, k->r->some));
		if (k->rc != ACT_OK)
			return k->rc;
		if (k->r->fill->is_used && !results_is_ready(k->r)) {
			k->scope = act_scope_open_at(self, k->r->fill->since_ns + RESULTS_FILL_NS);
			CO_AWAIT(&k->co, k->rc, act_event_wait(self, k->r->ready));
			if (k->scope != NULL)
				act_scope_close(self, k->scope, k->rc, NULL);
		}
		if (!k->r->fill->is_used)
			continue;
		k->batch = turn_over(k->r);
		if (k->batch == NULL) { /* no memory: when others have given some back */
			CO_AWAIT(&k->co, k->rc, act_sleep(self, 100 * NS_PER_MS));
			continue;
		}
		CO_AWAIT(&k->co, k->rc, port->apply(self, port->ctx, k->batch, &k->m));
		if (k->rc != ACT_OK)
			return k->rc; /* the store has failed: nothing is acknowledged any more */
		act_drop(self, k->m);
		committed(k->r);
		port->stirred(self, port->ctx);
	}
	CO_END(&k->co);
}

void results_close(struct results *r)
{
	r->is_closed = true;
	act_event_set(r->some);
	act_event_set(r->ready);
}
