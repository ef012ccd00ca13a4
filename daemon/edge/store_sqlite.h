/*
 * store_sqlite -- the inside of the SQLite store, for the files store_sqlite*.c only.
 *
 * A writer connection and a reader connection on DIR/store.db (WAL, synchronous=FULL). Statements
 * are prepared once per connection, at first use. Any result code that leaves the content of the
 * disk in doubt ends the store (failure.h).
 */
#pragma once

#include "edge/diskspace.h"
#include "edge/store_keeper.h"

#include <sqlite3.h>

enum sq_stmt {
#define SQ(name, conn, text) SQ_##name,
#include "edge/store_sqlite.def"
#undef SQ
	SQ_STMTS
};

struct sq_store;

struct sq_conn {
	struct sq_store *store;
	sqlite3 *db;
	sqlite3_stmt *stmt[SQ_STMTS];
};

struct sq_store {
	struct store base;
	struct sq_conn writer, reader;
	struct diskspace disk;
	/* The rest is the writer's, but for the atomics. */
	atomic_uint_fast64_t used_bytes; /* results and bodies kept */
	atomic_bool is_low, is_untidy;
	uint64_t job_counter, job_counter_stored;
	uint64_t body_counter, body_counter_stored;
	uint64_t n_commits;
	int wal_pages, wal_mark_pages;
	int64_t pending_bytes; /* what used_bytes changes by at commit */
	uint64_t known_job;    /* seen in this transaction and not forgotten since; 0: none */
	bool must_sync_bodies;
	uint64_t *dead_body; /* to be removed after the commit */
	size_t n_dead, cap_dead;
};

/* Remembers a failure that ends the store, or maps one that does not. */
enum err sq_failed(struct sq_conn *c, int rc);

/* ---- one use of a statement: sq_use, binds in order, then sq_exec or sq_step … sq_end ---- */

struct sq {
	struct sq_conn *conn;
	sqlite3_stmt *st;
	int at;
	int rc;
};

struct sq sq_use(struct sq_conn *c, enum sq_stmt which);
void sq_int(struct sq *q, int64_t v);
void sq_u64(struct sq *q, uint64_t v);
void sq_text(struct sq *q, struct slice text);	       /* must live until the end of the use */
void sq_text_or_null(struct sq *q, struct slice text); /* empty: NULL */
void sq_blob(struct sq *q, struct slice data);
/* Runs it to its end. */
enum err sq_exec(struct sq *q);
/* ERR_OK: a row; ERR_END: none (left), ended already; else failed, ended already. */
enum err sq_step(struct sq *q);
void sq_end(struct sq *q);
int64_t sq_col(const struct sq *q, int i);
uint64_t sq_col_u64(const struct sq *q, int i);
struct slice sq_col_text(const struct sq *q, int i); /* valid until the next step or end */
/* Executes and reads one number of the first row, absent if there is none. */
enum err sq_number(struct sq *q, int64_t absent, int64_t *ret);

/* store_sqlite_schema.c: creates or migrates. UNSUPPORTED: a newer version wrote it. */
enum err sq_schema(struct sq_store *s);
/* store_sqlite_ops.c: conditions first, then the ops. ERR_OK with batch->result set: refused. */
enum err sq_batch(struct sq_store *s, struct store_batch *b);
/* store_sqlite_named.c */
enum err sq_named_put(struct sq_store *s, struct store_op *op);
enum err sq_named_hold(struct sq_store *s, struct store_op *op);
enum err sq_named_drop(struct sq_store *s, struct store_op *op);
void sq_named_bind(struct sq *q, const struct store_query *o);
enum err sq_named_row(struct sq *q, const struct store_query *query, struct store_rows *rows);
/* store_sqlite_validator.c */
enum err sq_validator_put(struct sq_store *s, struct store_op *op);
enum err sq_validator_row(struct sq *q, const struct store_query *query, struct store_rows *rows);
/* store_sqlite_prune.c */
enum err sq_body_seq(struct sq_store *s, struct store_op *op);
enum err sq_prune(struct sq_store *s, struct store_prune_op *op);
/* store_sqlite_read.c */
enum err sq_read(struct store *base, const struct store_query *q, struct store_rows *rows);
