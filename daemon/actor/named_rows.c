/*
 * named_rows -- who waits at which object, for how long, behind whom: for `explain`.
 */
#include "actor/named_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 64

static void cut(char *out, size_t cap, struct slice text)
{
	size_t n = text.n < cap ? text.n : cap - 1;
	if (n > 0)
		memcpy(out, text.p, n);
	out[n] = 0;
}

static bool is_of_job(struct slice session, const char *job)
{
	size_t n = strlen(job);
	return session.n > n && memcmp(session.p, job, n) == 0 && session.p[n] == ' ';
}

/* Whoever has it for the longest time. */
static void tell_holder(const struct named_obj *o, struct named_row *row)
{
	struct link *l = NULL;
	if (o->kind == NAMED_LOCK || o->kind == NAMED_SEMAPHORE)
		l = list_first(&o->gate.holds);
	if (l == NULL)
		return;
	const struct named_hold *h = LIST_ENTRY(l, struct named_hold, link);
	cut(row->holder, sizeof(row->holder), h->session);
	row->held_since_ns = h->since_ns;
}

static void add_waiters(const struct named_obj *o, const struct link *line, const char *job,
			struct named_rows *rows, uint32_t max)
{
	uint32_t n = 0, first = rows->n;
	LIST_EACH (l, line) {
		const struct named_waiter *w = LIST_ENTRY(l, struct named_waiter, link);
		uint32_t position = n++;
		if (rows->n == max || !is_of_job(w->ask->session, job))
			continue;
		struct named_row *row = &rows->row[rows->n++];
		size_t skip = strlen(job) + 1;
		*row = (struct named_row){
			.kind = o->kind, .since_ns = w->since_ns, .position = position};
		cut(row->name, sizeof(row->name), named_name_of(o));
		cut(row->task, sizeof(row->task),
		    (struct slice){w->ask->session.p + skip, w->ask->session.n - skip});
		tell_holder(o, row);
	}
	for (uint32_t i = first; i < rows->n; i++)
		rows->row[i].n_waiting = n;
}

void named_on_explain(struct named *a, act_msg *m)
{
	const struct named_explain *e = act_data(m);
	uint32_t max = e->max == 0 || e->max > ROWS_MAX ? ROWS_MAX : e->max;
	struct named_rows *rows = calloc(1, sizeof(*rows) + max * sizeof(rows->row[0]));
	if (rows == NULL) {
		act_reply_error(a->self, m->token, ACT_ENOMEM);
		return;
	}
	TABLE_EACH (it, &a->objects) {
		const struct named_obj *o = it->value;
		add_waiters(o, &o->line, e->job, rows, max);
		if (o->kind == NAMED_QUEUE)
			add_waiters(o, &o->queue.putters, e->job, rows, max);
	}
	act_reply_buf(a->self, m->token, NAMED_ROWS, rows,
		      sizeof(*rows) + max * sizeof(rows->row[0]), free);
}
