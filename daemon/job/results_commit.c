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

/* One without lines only counts. */
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
	if (ok)
		to_front(f->batch);
	else
		f->batch->n--;
	return ok;
}

bool results_cursor_put(struct results *r, struct results_cursor *c, uint64_t seq)
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
	c->has_row = op != NULL && op->cursor.gaps.p != NULL && op->cursor.path.p != NULL;
	return c->has_row;
}

static bool add_snapshots(struct results *r, uint64_t seq)
{
	bool ok = true;
	LIST_EACH (l, &r->cursors)
		ok = results_cursor_put(r, LIST_ENTRY(l, struct results_cursor, link), seq) && ok;
	return ok;
}

/* Marks without a line have no chunk to stand in. */
static bool wants_snapshots(const struct results *r, const struct fill *f)
{
	return f->n_lines > 0 ? r->n_chunks + 1 >= RESULTS_SNAPSHOT : f->done.n > 0;
}

static bool is_counting(const struct fill *f)
{
	return f->n_lines > 0 || f->n[RESULTS_OK] + f->n[RESULTS_FAILED] + f->n[RESULTS_CANCELLED];
}

struct store_batch *results_pack(struct results *r)
{
	struct fill *f = r->fill;
	bool snapshots = wants_snapshots(r, f);
	if (f->batch == NULL && (f->batch = store_batch_new()) == NULL)
		return NULL;
	for (int c = 0; c < 3; c++)
		f->n[c] += (uint32_t)r->dropped[c];
	memset(r->dropped, 0, sizeof(r->dropped));
	if (snapshots && !add_snapshots(r, f->first_seq + f->n_lines - 1))
		return NULL;
	if (f->n_lines == 0)
		done_fini(&f->done); /* the snapshots have it */
	if (is_counting(f) && !add_chunk(r, f))
		return NULL;
	r->n_chunks = snapshots ? 0 : r->n_chunks + (f->n_lines > 0);
	return f->batch;
}

struct fill *results_turn_over(struct results *r)
{
	struct fill *f = r->fill, *next = fill_new(r);
	if (next == NULL)
		return NULL;
	if (results_pack(r) == NULL) {
		r->next_no--;
		fill_free(next);
		return NULL;
	}
	next->first_seq = r->next_seq;
	r->fill = next;
	return f;
}

/* Makes the next one the one under way. NULL: no memory now, nothing changed. */
static struct store_batch *next_batch(struct results *r)
{
	struct link *l = list_pop_front(&r->full);
	struct fill *f = l != NULL ? LIST_ENTRY(l, struct fill, link) : results_turn_over(r);
	if (f == NULL)
		return NULL;
	r->under_way = f;
	struct store_batch *b = f->batch;
	f->batch = NULL;
	b->is_urgent = true;
	if (list_empty(&r->full) && !r->fill->is_used) {
		act_event_clear(r->some);
		act_event_clear(r->ready);
	}
	return b;
}

static bool has_some(const struct results *r)
{
	return r->fill->is_used || !list_empty(&r->full);
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

int results_commit_step(act_self *self, void *frame)
{
	struct results_committer *k = frame;
	struct leaf_port *port = &k->r->env->port;
	CO_BEGIN(&k->co);
	for (;;) {
		if (k->r->is_closed && !has_some(k->r))
			return ACT_OK;
		CO_AWAIT(&k->co, k->rc, act_event_wait(self, k->r->some));
		if (k->rc != ACT_OK)
			return k->rc;
		if (has_some(k->r) && !results_is_ready(k->r)) {
			k->scope = act_scope_open_at(self, k->r->fill->since_ns + RESULTS_FILL_NS);
			CO_AWAIT(&k->co, k->rc, act_event_wait(self, k->r->ready));
			if (k->scope != NULL)
				act_scope_close(self, k->scope, k->rc, NULL);
		}
		if (!has_some(k->r))
			continue;
		k->batch = next_batch(k->r);
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
