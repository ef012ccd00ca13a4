/*
 * named_store -- what outlives the daemon: rows are read at the start, a page after the other; what
 * the actor itself has to write gathers in one batch while the one before is under way.
 */
#include "actor/named_state.h"

#include "actor/store.h"

#include <stdlib.h>

/* ---- loading: rows of `hold`, then those of `named` ---- */

void named_load(struct named *a)
{
	struct store_query q = {.kind = a->loads_items ? STORE_Q_NAMED : STORE_Q_HOLDS,
				.has_after = a->last_name.n > 0,
				.text = bytes_slice(&a->last_name),
				.after_path = bytes_slice(&a->last_session),
				.after_n = a->last_n};
	struct store_reading *r = store_reading_new(&q);
	a->is_loading = true;
	if (r != NULL && act_send_buf(a->self, a->store, STORE_READ, r, sizeof(*r),
				      store_reading_drop) == ACT_OK)
		return;
	if (r != NULL)
		store_reading_drop(r);
	log_error(a->log, "named objects cannot be read", kv_s("why", "out of memory"));
}

static void take_hold(struct named *a, const struct store_hold *row)
{
	bytes_clear(&a->last_name);
	bytes_clear(&a->last_session);
	bytes_add_slice(&a->last_name, row->name);
	bytes_add_slice(&a->last_session, row->session);
	if (row->name.n > 1 && (row->name.p[0] == 'l' || row->name.p[0] == 's'))
		gate_load(a, row->name, row->session, row->data);
}

static void take_named(struct named *a, const struct store_named *row)
{
	bytes_clear(&a->last_name);
	bytes_add_slice(&a->last_name, row->name);
	a->last_n = row->n;
	if (row->n >= a->next_n)
		a->next_n = row->n + 1;
	if (row->name.n > 1 && row->name.p[0] == 'e')
		event_load(a, row->name, row->n, row->data);
	else if (row->name.n > 1 && row->name.p[0] == 'q')
		queue_load(a, row);
}

/* The next page, the next table, or the end. */
static void go_on(struct named *a, bool has_more)
{
	if (!has_more && a->loads_items) {
		a->is_loading = false;
		return;
	}
	if (!has_more) {
		a->loads_items = true;
		bytes_clear(&a->last_name);
		bytes_clear(&a->last_session);
	}
	named_load(a);
}

void named_loaded(struct named *a, act_msg *m)
{
	const struct store_reading *r = act_data(m);
	bool items = a->loads_items;
	if (r->result != ERR_OK) {
		log_error(a->log, "named objects cannot be read", kv_s("why", err_text(r->result)));
		return; /* whoever asks waits: to give what another holds would be worse */
	}
	for (uint32_t i = 0; i < r->rows.n; i++) {
		if (items)
			take_named(a, &r->rows.row[i].named);
		else
			take_hold(a, &r->rows.row[i].hold);
	}
	go_on(a, r->rows.more && r->rows.n > 0);
}

/* ---- writing ---- */

struct store_op *named_op_new(struct named *a, int kind)
{
	if (a->store == 0)
		return NULL;
	if (a->batch == NULL)
		a->batch = store_batch_new();
	return a->batch != NULL ? store_batch_add(a->batch, (enum store_op_kind)kind) : NULL;
}

struct slice named_op_text(struct named *a, struct slice text)
{
	struct slice copy = {NULL, 0};
	store_batch_copy(a->batch, text, &copy);
	return copy;
}

void named_grant_after(struct named *a, uint64_t token)
{
	struct named_after *x = a->batch != NULL ? malloc(sizeof(*x)) : NULL;
	if (x == NULL) {
		named_grant(a, token, 0);
		return;
	}
	*x = (struct named_after){.token = token, .commit = a->commit};
	list_push_back(&a->after, &x->link);
}

static void grant_written(struct named *a, uint64_t commit)
{
	struct link *l;
	while ((l = list_first(&a->after)) != NULL) {
		struct named_after *x = LIST_ENTRY(l, struct named_after, link);
		if (x->commit > commit)
			return;
		list_remove(l);
		named_grant(a, x->token, 0);
		free(x);
	}
}

void named_flush(struct named *a)
{
	struct store_batch *b = a->batch;
	if (b == NULL || a->is_committing)
		return;
	b->is_urgent = true;
	b->tag = a->commit;
	if (act_send_buf(a->self, a->store, STORE_APPLY, b, sizeof(*b), store_batch_drop) != ACT_OK)
		return; /* with the next message */
	a->batch = NULL;
	a->commit++;
	a->is_committing = true;
}

void named_committed(struct named *a, act_msg *m)
{
	const struct store_batch *b = act_data(m);
	a->is_committing = false;
	if (b->result != ERR_OK)
		log_error(a->log, "named: a commit was refused", kv_s("why", err_text(b->result)));
	gate_written(a, b->tag);
	grant_written(a, b->tag);
}
