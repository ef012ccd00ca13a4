/*
 * named_rows -- how objects stand, told to people: who waits at which one, for how long, behind
 * whom, for `explain`; what is in one.
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

/* ---- one object ---- */

static uint32_t length(const struct link *line)
{
	uint32_t n = 0;
	LIST_EACH (l, line)
		n++;
	return n;
}

static void tell_object(const struct named_obj *o, enum named_kind kind, struct bytes *out)
{
	static const struct named_queue none = {.cap = NAMED_CAP};
	const struct named_queue *q = o != NULL && kind == NAMED_QUEUE ? &o->queue : &none;
	uint32_t waiting = o != NULL ? length(&o->line) : 0;
	if (kind == NAMED_EVENT)
		bytes_printf(out, "{\"set\":%s,\"waiting\":%u}",
			     o != NULL && o->event.is_set ? "true" : "false", waiting);
	else
		bytes_printf(out,
			     "{\"items\":%u,\"taken\":%u,\"cap\":%u,\"bytes\":%zu,\"closed\":%s,"
			     "\"takers_waiting\":%u,\"putters_waiting\":%u}",
			     q->n_ready, q->n_held, q->cap, q->bytes,
			     q->is_closed ? "true" : "false", waiting,
			     o != NULL ? length(&o->queue.putters) : 0);
}

void named_on_look(struct named *a, struct named_ask *ask, uint64_t token)
{
	char key[NAMED_KEY_MAX];
	struct bytes text = BYTES_LIMIT(4096);
	const struct named_obj *o = named_find(a, named_key(key, ask->kind, ask->uid, ask->name));
	tell_object(o, ask->kind, &text);
	struct named_answer *r = calloc(1, sizeof(*r) + text.n);
	if (r == NULL) {
		act_reply_error(a->self, token, ACT_ENOMEM);
	} else {
		memcpy(r->text, text.p != NULL ? text.p : "", text.n);
		r->value = (struct slice){r->text, text.n};
		act_reply_buf(a->self, token, NAMED_ANSWER, r, sizeof(*r) + text.n, free);
	}
	bytes_fini(&text);
	named_ask_free(ask);
}
