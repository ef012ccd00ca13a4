/*
 * store_sqlite_stmt -- statements: preparing, binding, stepping, and what their errors mean.
 */
#include "edge/store_sqlite.h"

#include "base/check.h"

#include <string.h>

static const char *const sql[SQ_STMTS] = {
#define SQ(name, conn, text) [SQ_##name] = (text),
#include "edge/store_sqlite.def"
#undef SQ
};

enum err sq_failed(struct sq_conn *c, int rc)
{
	struct failure *f = &c->store->base.failure;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_TOOBIG:
		return ERR_TOO_LARGE;
	case SQLITE_IOERR:
		/* No sync and no content of the database is in doubt with these. */
		if (rc == SQLITE_IOERR_NOMEM)
			return ERR_NOMEM;
		if (rc == SQLITE_IOERR_SHMSIZE)
			return ERR_FULL;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return failure_set(f, ERR_CORRUPT, "store.db", sqlite3_errmsg(c->db));
	default:
		break;
	}
	return failure_set(f, ERR_IO, "store.db", sqlite3_errmsg(c->db));
}

struct sq sq_use(struct sq_conn *c, enum sq_stmt which)
{
	struct sq q = {.conn = c, .rc = SQLITE_OK};

	if (c->stmt[which] == NULL)
		q.rc = sqlite3_prepare_v3(c->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
					  &c->stmt[which], NULL);
	q.st = c->stmt[which];
	return q;
}

static void bound(struct sq *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void sq_int(struct sq *q, int64_t v)
{
	if (q->rc == SQLITE_OK)
		bound(q, sqlite3_bind_int64(q->st, ++q->at, v));
}

void sq_u64(struct sq *q, uint64_t v)
{
	sq_int(q, (int64_t)v);
}

void sq_text(struct sq *q, struct slice text)
{
	if (q->rc == SQLITE_OK)
		bound(q, sqlite3_bind_text64(q->st, ++q->at, text.n == 0 ? "" : text.p, text.n,
					     SQLITE_STATIC, SQLITE_UTF8));
}

void sq_text_or_null(struct sq *q, struct slice text)
{
	if (text.n > 0)
		sq_text(q, text);
	else if (q->rc == SQLITE_OK)
		bound(q, sqlite3_bind_null(q->st, ++q->at));
}

void sq_blob(struct sq *q, struct slice data)
{
	if (q->rc == SQLITE_OK)
		bound(q, sqlite3_bind_blob64(q->st, ++q->at, data.n == 0 ? "" : data.p, data.n,
					     SQLITE_STATIC));
}

void sq_end(struct sq *q)
{
	if (q->st != NULL)
		sqlite3_reset(q->st);
}

enum err sq_step(struct sq *q)
{
	int rc = q->rc == SQLITE_OK ? sqlite3_step(q->st) : q->rc;
	enum err e = ERR_OK;

	if (rc == SQLITE_ROW)
		return ERR_OK;
	e = rc == SQLITE_DONE ? ERR_END : sq_failed(q->conn, rc);
	sq_end(q);
	return e;
}

enum err sq_exec(struct sq *q)
{
	enum err e;

	do {
		e = sq_step(q);
	} while (e == ERR_OK);
	return e == ERR_END ? ERR_OK : e;
}

int64_t sq_col(const struct sq *q, int i)
{
	return sqlite3_column_int64(q->st, i);
}

uint64_t sq_col_u64(const struct sq *q, int i)
{
	return (uint64_t)sq_col(q, i);
}

struct slice sq_col_text(const struct sq *q, int i)
{
	const char *p = sqlite3_column_blob(q->st, i);
	int n = sqlite3_column_bytes(q->st, i);

	return p == NULL ? (struct slice){"", 0} : (struct slice){p, (size_t)n};
}

enum err sq_number(struct sq *q, int64_t absent, int64_t *ret)
{
	enum err e = sq_step(q);

	if (e == ERR_END) {
		*ret = absent;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	*ret = sqlite3_column_type(q->st, 0) == SQLITE_NULL ? absent : sq_col(q, 0);
	sq_end(q);
	return ERR_OK;
}
