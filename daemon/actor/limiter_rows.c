/*
 * limiter_rows -- what people ask of the limiter: what a request waits for, and the keys.
 */
#include "actor/limiter_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_DEFAULT 256u
#define ROWS_MAX     4096u

static struct limit_rows *rows_new(uint32_t max)
{
	max = max == 0 ? ROWS_DEFAULT : max > ROWS_MAX ? ROWS_MAX : max;
	struct limit_rows *rows = calloc(1, sizeof(*rows) + max * sizeof(rows->row[0]));
	return rows;
}

static uint32_t bound(uint32_t max)
{
	return max == 0 ? ROWS_DEFAULT : max > ROWS_MAX ? ROWS_MAX : max;
}

static void answer(struct limiter *l, act_msg *m, struct limit_rows *rows)
{
	if (rows == NULL)
		act_reply_error(l->self, m->token, ACT_ENOMEM);
	else
		act_reply_buf(l->self, m->token, LIMIT_ROWS, rows,
			      sizeof(*rows) + rows->n * sizeof(rows->row[0]), free);
}

static int64_t until_of(const struct limiter *l, const struct limit_lane *lane)
{
	const struct limit_key *k = lane->at;
	if (lane->why == LIMIT_WHY_BLOCKED)
		return k->blocked_ns > l->now_ns ? k->blocked_ns : 0;
	return heap_has(&k->ready) ? k->ready_ns : 0;
}

/* Requests of the job that stand before this lane at its key. */
static uint32_t ahead_of(const struct limit_job *j, const struct limit_lane *lane)
{
	uint64_t number = limit_lane_head(lane)->number;
	uint32_t n = 0;
	LIST_EACH (it, &j->lanes) {
		const struct limit_lane *other = LIST_ENTRY(it, struct limit_lane, of_job);
		if (other->at == lane->at && limit_lane_head(other)->number < number)
			n += other->n;
	}
	return n;
}

static void explain_row(struct limiter *l, const struct limit_lane *lane,
			const struct limit_ticket *t, uint32_t position, struct limit_row *row)
{
	struct limit_lane *next = limit_line_next(l, lane->at);
	row->job = t->job;
	row->leaf = t->leaf;
	row->serial = lane->at->serial;
	snprintf(row->key, sizeof(row->key), "%s", lane->at->name);
	row->why = lane->why;
	row->position = position;
	row->since_ns = t->since_ns;
	row->until_ns = until_of(l, lane);
	row->behind_job = next != NULL && next->job != lane->job ? next->job->id : 0;
	row->limits = lane->at->limits;
	row->held = lane->at->held;
	row->waiting = lane->at->n_waiting;
	row->concurrency_now = limit_key_concurrency(lane->at);
	row->blocked_until_ns = lane->at->blocked_ns > l->now_ns ? lane->at->blocked_ns : 0;
}

void limit_rows_explain(struct limiter *l, act_msg *m)
{
	struct limit_explain_ask ask;
	memcpy(&ask, m->p, sizeof(ask));
	struct limit_rows *rows = rows_new(ask.max);
	struct limit_job *j =
		table_get(&l->jobs, (struct slice){(const char *)&ask.job, sizeof(ask.job)});
	if (rows == NULL || j == NULL) {
		answer(l, m, rows);
		return;
	}
	LIST_EACH (it, &j->lanes) {
		const struct limit_lane *lane = LIST_ENTRY(it, struct limit_lane, of_job);
		uint32_t position = ahead_of(j, lane);
		LIST_EACH (at, &lane->tickets) {
			const struct limit_ticket *t = LIST_ENTRY(at, struct limit_ticket, link);
			bool is_asked = ask.leaf == UINT64_MAX || ask.leaf == t->leaf;
			if (is_asked && rows->n == bound(ask.max))
				rows->more = true;
			else if (is_asked)
				explain_row(l, lane, t, position, &rows->row[rows->n++]);
			position++;
		}
	}
	answer(l, m, rows);
}

static void key_row(const struct limiter *l, const struct limit_key *k, struct limit_row *row)
{
	row->serial = k->serial;
	snprintf(row->key, sizeof(row->key), "%s", k->name);
	row->limits = k->limits;
	row->held = k->held;
	row->waiting = k->n_waiting;
	row->concurrency_now = limit_key_concurrency(k);
	row->blocked_until_ns = k->blocked_ns > l->now_ns ? k->blocked_ns : 0;
	row->until_ns = heap_has(&k->ready) ? k->ready_ns : 0;
}

static void add_keys(struct limiter *l, const struct table *t, const struct limit_keys_ask *ask,
		     struct limit_rows *rows)
{
	TABLE_EACH (it, t) {
		const struct limit_key *k = it->value;
		if (k->serial <= ask->after)
			continue;
		if (rows->n == bound(ask->max)) {
			rows->more = true;
			return;
		}
		key_row(l, k, &rows->row[rows->n++]);
	}
}

void limit_rows_keys(struct limiter *l, act_msg *m)
{
	struct limit_keys_ask ask;
	memcpy(&ask, m->p, sizeof(ask));
	struct limit_rows *rows = rows_new(ask.max);
	if (rows != NULL)
		add_keys(l, &l->named, &ask, rows);
	answer(l, m, rows);
}
