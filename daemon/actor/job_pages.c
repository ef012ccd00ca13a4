/*
 * job_pages -- what the store holds of a job, read page by page: the chunks of its feed, facts,
 * cursors, what chunks finished, and the items an order to retry would run again.
 */
#include "actor/job_state.h"
#include "actor/store.h"
#include "job/feed.h"
#include "job/recall.h"
#include "job/results.h"

const struct store_rows *job_rows(act_msg *m)
{
	const struct store_reading *r = act_data(m);
	return r->result == ERR_OK ? &r->rows : NULL;
}

int job_read(act_self *self, struct job *j, const struct store_query *q, act_msg **ret_m)
{
	struct store_reading *r = store_reading_new(q);
	if (r == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, j->store, STORE_READ, r, sizeof(*r), store_reading_drop, ret_m);
}

static struct store_query page_query(struct job_pages *p)
{
	static const enum store_query_kind kind[PAGES] = {
		[PAGE_FEED] = STORE_Q_FEED,	  [PAGE_FACTS] = STORE_Q_FACTS,
		[PAGE_CURSORS] = STORE_Q_CURSORS, [PAGE_DONE] = STORE_Q_DONE,
		[PAGE_ITEMS] = STORE_Q_FACTS,
	};
	struct store_query q = {.kind = kind[p->page],
				.job = p->j->number,
				.after = p->after,
				.has_after = p->has_after,
				.after_path = bytes_slice(&p->j->page_path),
				.after_n = p->after_n};
	if (p->page == PAGE_FEED)
		q.path = FEED_CLIENT;
	return q;
}

void job_pages_begin(struct job_pages *p, struct job *j, int page)
{
	bytes_clear(&j->page_path);
	*p = (struct job_pages){.j = j, .page = page, .more = true, .item = p->item, .ctx = p->ctx};
	if (page == PAGE_DONE)
		p->after = recall_done_after(j->env->recall);
	if (page != PAGE_ITEMS)
		return;
	bytes_add_byte(&j->page_path, RECALL_ITEMS);
	p->has_after = true;
}

static void take_fact(struct job_pages *p, const struct store_fact *f)
{
	struct job *j = p->j;
	bool is_item = f->path.n > 0 && f->path.p[0] == RECALL_ITEMS;
	bytes_clear(&j->page_path);
	bytes_add_slice(&j->page_path, f->path);
	p->after_n = f->n;
	p->has_after = true;
	if (is_item && p->page == PAGE_ITEMS)
		p->item(p->ctx, f);
	else if (is_item)
		p->more = false; /* they are the last, and read when their turn comes */
	else if (slice_is(f->kind, "line"))
		results_restore_held(j->env->results, f->n, f->data);
	else if (f->path.n > 0)
		recall_fact_add(j->env->recall, f);
	else if (f->n == STORE_COMMAND_RETRY)
		j->again_ns = f->wall_at_ns;
}

static void take_row(struct job_pages *p, const struct store_row *row)
{
	struct jobenv *env = p->j->env;
	switch ((enum job_page)p->page) {
	case PAGE_FEED:
		if (env->feed != NULL)
			feed_resume(env->feed, row->feed.first, row->feed.n, row->feed.lines.n,
				    row->feed.is_eof);
		p->after = row->feed.first + row->feed.n;
		break;
	case PAGE_FACTS:
	case PAGE_ITEMS:
		take_fact(p, &row->fact);
		break;
	case PAGE_CURSORS:
		recall_cursor_add(env->recall, &row->cursor);
		bytes_clear(&p->j->page_path);
		bytes_add_slice(&p->j->page_path, row->cursor.path);
		p->has_after = true;
		break;
	case PAGE_DONE:
		p->after = row->chunk.first_seq + row->chunk.n - 1;
		recall_done_add(env->recall, p->after, row->chunk.done);
		break;
	case PAGES:
		break;
	}
}

static void take_page(act_self *self, struct job_pages *p)
{
	const struct store_rows *rows = job_rows(p->m);
	p->more = rows != NULL && rows->more && rows->n > 0;
	for (uint32_t i = 0; rows != NULL && i < rows->n; i++)
		take_row(p, &rows->row[i]);
	act_drop(self, p->m);
}

static int load(act_self *self, struct job_pages *p)
{
	struct store_query q = page_query(p);
	return job_read(self, p->j, &q, &p->m);
}

int job_pages_step(act_self *self, void *pages)
{
	struct job_pages *p = pages;
	CO_BEGIN(&p->co);
	while (p->more) {
		CO_AWAIT(&p->co, p->rc, load(self, p));
		if (p->rc != ACT_OK)
			return p->rc;
		take_page(self, p);
	}
	CO_END(&p->co);
}
