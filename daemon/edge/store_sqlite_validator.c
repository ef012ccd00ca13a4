/*
 * store_sqlite_validator -- what servers called the present state of resources.
 */
#include "edge/store_sqlite.h"

enum err sq_validator_put(struct sq_store *s, struct store_op *op)
{
	const struct store_validator *v = &op->validator;
	bool is_gone = v->etag.n + v->last_modified.n == 0;
	struct sq q = sq_use(&s->writer, is_gone ? SQ_VALIDATOR_DROP : SQ_VALIDATOR_PUT);

	sq_int(&q, v->uid);
	sq_text(&q, v->url);
	if (is_gone)
		return sq_exec(&q);
	sq_text(&q, v->etag);
	sq_text(&q, v->last_modified);
	sq_int(&q, v->wall_at_ns);
	return sq_exec(&q);
}

enum err sq_validator_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	struct slice url = sq_col_text(q, 1), etag = sq_col_text(q, 2), date = sq_col_text(q, 3);
	struct store_row *row;
	enum err e = store_rows_add(rows, query, url.n + etag.n + date.n, &row);

	if (e != ERR_OK)
		return e;
	row->validator.uid = (uint32_t)sq_col(q, 0);
	row->validator.wall_at_ns = sq_col(q, 4);
	e = store_rows_copy(rows, url, &row->validator.url);
	if (e == ERR_OK)
		e = store_rows_copy(rows, etag, &row->validator.etag);
	return e == ERR_OK ? store_rows_copy(rows, date, &row->validator.last_modified) : e;
}
