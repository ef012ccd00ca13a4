/*
 * store_sqlite_named -- what named objects keep: items of queues, words about events.
 */
#include "edge/store_sqlite.h"

enum err sq_named_put(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_NAMED_PUT);

	sq_text(&q, op->named.name);
	sq_u64(&q, op->named.n);
	sq_text(&q, op->named.holder);
	sq_int(&q, op->named.tries);
	sq_u64(&q, store_sum(op->named.data));
	sq_text(&q, op->named.data);
	return sq_exec(&q);
}

enum err sq_named_hold(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_NAMED_HOLD);

	sq_text(&q, op->named.name);
	sq_u64(&q, op->named.n);
	sq_text(&q, op->named.holder);
	sq_int(&q, op->named.tries);
	sq_text(&q, op->named.was);
	return sq_exec(&q);
}

enum err sq_named_drop(struct sq_store *s, struct store_op *op)
{
	struct sq q = sq_use(&s->writer, SQ_NAMED_DROP);

	sq_text(&q, op->named.name);
	sq_u64(&q, op->named.n);
	sq_text(&q, op->named.holder);
	return sq_exec(&q);
}

void sq_named_bind(struct sq *q, const struct store_query *o)
{
	const struct slice none = {"", 0};

	sq_text(q, o->has_after ? o->text : none);
	sq_u64(q, o->has_after ? o->after_n : 0);
}

enum err sq_named_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	struct slice name = sq_col_text(q, 0), holder = sq_col_text(q, 2), data = sq_col_text(q, 5);
	struct store_row *row;
	enum err e = store_rows_add(rows, query, name.n + holder.n + data.n, &row);

	if (e != ERR_OK)
		return e;
	if (store_sum(data) != sq_col_u64(q, 4))
		return ERR_CORRUPT;
	row->named.n = sq_col_u64(q, 1);
	row->named.tries = (uint32_t)sq_col(q, 3);
	row->named.was = (struct slice){"", 0};
	e = store_rows_copy(rows, name, &row->named.name);
	if (e == ERR_OK)
		e = store_rows_copy(rows, holder, &row->named.holder);
	return e == ERR_OK ? store_rows_copy(rows, data, &row->named.data) : e;
}
