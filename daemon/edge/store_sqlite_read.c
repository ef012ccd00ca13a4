/*
 * store_sqlite_read -- the queries: one statement, one row function and its binds each.
 */
#include "edge/store_sqlite.h"

#include "base/check.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

/* One row of the statement into the rows. END: they are full. */
typedef enum err (*row_fn)(struct sq *q, const struct store_query *query, struct store_rows *rows);

/* Copies n text columns into the rows; to[i] is filled from column col[i]. */
static enum err copy_texts(struct sq *q, struct store_rows *rows, const int *col,
			   struct slice *const *to, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		enum err e = store_rows_copy(rows, sq_col_text(q, col[i]), to[i]);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static size_t text_bytes(struct sq *q, const int *col, size_t n)
{
	size_t sum = 64;

	for (size_t i = 0; i < n; i++)
		sum += sq_col_text(q, col[i]).n;
	return sum;
}

#define N_OF(a) (sizeof(a) / sizeof((a)[0]))

static void job_numbers(struct sq *q, struct store_job *j)
{
	j->id = sq_col_u64(q, 0);
	j->uid = (uint32_t)sq_col(q, 1);
	j->priority = (uint8_t)sq_col(q, 2);
	j->is_attached = sq_col(q, 3) != 0;
	j->wall_created_ns = sq_col(q, 7);
	j->wall_started_ns = sq_col(q, 8);
	j->was_started = j->wall_started_ns != 0;
	j->wall_ended_ns = sq_col(q, 9);
	j->wall_due_ns = sq_col(q, 10);
	j->wall_deadline_ns = sq_col(q, 11);
	j->remaining_ns = sq_col(q, 12);
	j->keep_ns = sq_col(q, 13);
	j->totals = (struct store_totals){
		.total = sq_col_u64(q, 14),
		.ok = sq_col_u64(q, 15),
		.failed = sq_col_u64(q, 16),
		.handled = sq_col_u64(q, 17),
		.cancelled = sq_col_u64(q, 18),
		.not_started = sq_col_u64(q, 19),
	};
	j->last_seq = sq_col_u64(q, 20);
	j->acked_seq = sq_col_u64(q, 21);
	j->n_bytes = sq_col_u64(q, 22);
}

static enum err job_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {5, 6};
	struct store_row *row;
	struct store_job *j;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, 2) + sizeof(*j), &row);

	if (e != ERR_OK)
		return e;
	j = &row->job;
	job_numbers(q, j);
	if (!store_job_state_parse(sq_col_text(q, 4), &j->state))
		return failure_set(&q->conn->store->base.failure, ERR_CORRUPT, "store.db",
				   "a job has an unknown state");
	return copy_texts(q, rows, col, (struct slice *[]){&j->name, &j->idem}, 2);
}

static enum err job_full_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {24, 25, 26, 27};
	enum err e = job_row(q, query, rows);
	struct store_job *j;

	if (e != ERR_OK)
		return e;
	j = &rows->row[rows->n - 1].job;
	if (store_sum(sq_col_text(q, 25)) != sq_col_u64(q, 23))
		return ERR_CORRUPT;
	return copy_texts(q, rows, col,
			  (struct slice *[]){&j->vars, &j->spec, &j->error, &j->scopes}, N_OF(col));
}

static enum err fact_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {1, 3, 5};
	struct store_row *row;
	struct store_fact *f;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, N_OF(col)), &row);

	if (e != ERR_OK)
		return e;
	f = &row->fact;
	f->job = sq_col_u64(q, 0);
	f->n = sq_col_u64(q, 2);
	f->wall_at_ns = sq_col(q, 4);
	return copy_texts(q, rows, col, (struct slice *[]){&f->path, &f->kind, &f->data},
			  N_OF(col));
}

static enum err feed_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {1, 6};
	struct store_row *row;
	struct store_feed *f;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, N_OF(col)), &row);

	if (e != ERR_OK)
		return e;
	if (store_sum(sq_col_text(q, 6)) != sq_col_u64(q, 5))
		return ERR_CORRUPT;
	f = &row->feed;
	f->job = sq_col_u64(q, 0);
	f->first = sq_col_u64(q, 2);
	f->n = (uint32_t)sq_col(q, 3);
	f->is_eof = sq_col(q, 4) != 0;
	return copy_texts(q, rows, col, (struct slice *[]){&f->path, &f->lines}, N_OF(col));
}

static void chunk_numbers(struct sq *q, struct store_chunk *c)
{
	c->job = sq_col_u64(q, 0);
	c->first_seq = sq_col_u64(q, 1);
	c->n = (uint32_t)sq_col(q, 2);
	c->n_ok = (uint32_t)sq_col(q, 3);
	c->n_failed = (uint32_t)sq_col(q, 4);
	c->n_cancelled = (uint32_t)sq_col(q, 5);
}

static enum err chunk_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {6, 8};
	struct store_row *row;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, N_OF(col)), &row);

	if (e != ERR_OK)
		return e;
	if (store_sum(sq_col_text(q, 8)) != sq_col_u64(q, 7))
		return ERR_CORRUPT;
	chunk_numbers(q, &row->chunk);
	return copy_texts(q, rows, col, (struct slice *[]){&row->chunk.done, &row->chunk.lines},
			  N_OF(col));
}

static enum err done_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {6};
	struct store_row *row;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, 1), &row);

	if (e != ERR_OK)
		return e;
	chunk_numbers(q, &row->chunk);
	row->chunk.lines = (struct slice){"", 0};
	return copy_texts(q, rows, col, (struct slice *[]){&row->chunk.done}, 1);
}

static enum err cursor_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {1, 3};
	struct store_row *row;
	struct store_cursor *c;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, N_OF(col)), &row);

	if (e != ERR_OK)
		return e;
	c = &row->cursor;
	c->job = sq_col_u64(q, 0);
	c->watermark = sq_col_u64(q, 2);
	c->seq = sq_col_u64(q, 4);
	return copy_texts(q, rows, col, (struct slice *[]){&c->path, &c->gaps}, N_OF(col));
}

static enum err key_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {0, 4, 5};
	struct store_row *row;
	struct store_key *k;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, N_OF(col)), &row);

	if (e != ERR_OK)
		return e;
	k = &row->key;
	k->tat_ns = sq_col(q, 1);
	k->horizon_ns = sq_col(q, 2);
	k->blocked_until_ns = sq_col(q, 3);
	return copy_texts(q, rows, col, (struct slice *[]){&k->name, &k->quota, &k->learned},
			  N_OF(col));
}

static enum err hold_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {0, 1, 3};
	struct store_row *row;
	struct store_hold *h;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, N_OF(col)), &row);

	if (e != ERR_OK)
		return e;
	h = &row->hold;
	h->fence = sq_col_u64(q, 2);
	return copy_texts(q, rows, col, (struct slice *[]){&h->name, &h->session, &h->data},
			  N_OF(col));
}

static enum err opid_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	static const int col[] = {1, 3};
	struct store_row *row;
	struct store_opid *o;
	enum err e = store_rows_add(rows, query, text_bytes(q, col, N_OF(col)), &row);

	if (e != ERR_OK)
		return e;
	o = &row->opid;
	o->uid = (uint32_t)sq_col(q, 0);
	o->wall_at_ns = sq_col(q, 2);
	return copy_texts(q, rows, col, (struct slice *[]){&o->op_id, &o->answer}, N_OF(col));
}

static enum err body_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	struct slice sha256 = sq_col_text(q, 4);
	struct store_row *row;
	enum err e = store_rows_add(rows, query, 64, &row);

	if (e != ERR_OK)
		return e;
	if (sha256.n != sizeof(row->body.sha256))
		return ERR_CORRUPT;
	row->body.id = sq_col_u64(q, 0);
	row->body.job = sq_col_u64(q, 1);
	row->body.seq = sq_col_u64(q, 2);
	row->body.size = sq_col_u64(q, 3);
	memcpy(row->body.sha256, sha256.p, sizeof(row->body.sha256));
	return ERR_OK;
}

static enum err counter_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	struct store_row *row;
	enum err e = store_rows_add(rows, query, 64, &row);

	if (e != ERR_OK)
		return e;
	row->counter.value = sq_col_u64(q, 0);
	return store_rows_copy(rows, query->text, &row->counter.name);
}

static uint64_t disk_bytes(struct sq_store *s)
{
	const char *path = sqlite3_db_filename(s->reader.db, NULL);
	struct stat db = {0}, wal = {0};

	stat(path, &db);
	stat(sqlite3_filename_wal(path), &wal);
	return (uint64_t)db.st_size + (uint64_t)wal.st_size;
}

static enum err usage_row(struct sq *q, const struct store_query *query, struct store_rows *rows)
{
	struct sq_store *s = q->conn->store;
	struct store_row *row;
	enum err e = store_rows_add(rows, query, 64, &row);

	if (e != ERR_OK)
		return e;
	row->usage = (struct store_usage){
		.n_jobs = sq_col_u64(q, 0),
		.n_queued = sq_col_u64(q, 1),
		.n_open = sq_col_u64(q, 2),
		.n_bytes = atomic_load(&s->used_bytes),
		.disk_bytes = disk_bytes(s),
		.is_low = atomic_load(&s->is_low),
	};
	return ERR_OK;
}

/* ---- binds ---- */

static void bind_none(struct sq *q, const struct store_query *o)
{
	(void)q;
	(void)o;
}

static void bind_job(struct sq *q, const struct store_query *o)
{
	sq_u64(q, o->job);
}

static void bind_uid_text(struct sq *q, const struct store_query *o)
{
	sq_int(q, o->uid);
	sq_text(q, o->text);
}

static void bind_after(struct sq *q, const struct store_query *o)
{
	sq_u64(q, o->after);
}

static void bind_after_uid(struct sq *q, const struct store_query *o)
{
	sq_u64(q, o->after);
	sq_int(q, o->uid);
}

static void bind_facts(struct sq *q, const struct store_query *o)
{
	const struct slice none = {"", 0};

	sq_u64(q, o->job);
	sq_text(q, o->has_after ? o->after_path : none);
	sq_int(q, o->has_after ? (int64_t)o->after_n : -1);
}

static void bind_feed(struct sq *q, const struct store_query *o)
{
	sq_u64(q, o->job);
	sq_text(q, o->path);
	sq_u64(q, o->after);
}

static void bind_job_after(struct sq *q, const struct store_query *o)
{
	sq_u64(q, o->job);
	sq_u64(q, o->after);
}

static void bind_cursors(struct sq *q, const struct store_query *o)
{
	const struct slice none = {"", 0};

	sq_u64(q, o->job);
	sq_text(q, o->has_after ? o->after_path : none);
}

static void bind_keys(struct sq *q, const struct store_query *o)
{
	const struct slice none = {"", 0};

	sq_text(q, o->has_after ? o->text : none);
}

static void bind_holds(struct sq *q, const struct store_query *o)
{
	const struct slice none = {"", 0};

	sq_text(q, o->has_after ? o->text : none);
	sq_text(q, o->has_after ? o->after_path : none);
}

static void bind_text(struct sq *q, const struct store_query *o)
{
	sq_text(q, o->text);
}

struct plan {
	enum sq_stmt stmt;
	void (*bind)(struct sq *q, const struct store_query *o);
	row_fn row;
	bool is_one; /* names one thing: NOT_FOUND if it is not there */
};

static const struct plan plans[STORE_QUERY_KINDS] = {
	[STORE_Q_JOB] = {SQ_Q_JOB, bind_job, job_full_row, true},
	[STORE_Q_JOB_IDEM] = {SQ_Q_JOB_IDEM, bind_uid_text, job_row, true},
	[STORE_Q_JOBS] = {SQ_Q_JOBS, bind_after, job_row, false},
	[STORE_Q_OPEN] = {SQ_Q_OPEN, bind_after, job_row, false},
	[STORE_Q_FACTS] = {SQ_Q_FACTS, bind_facts, fact_row, false},
	[STORE_Q_FEED] = {SQ_Q_FEED, bind_feed, feed_row, false},
	[STORE_Q_CHUNKS] = {SQ_Q_CHUNKS, bind_job_after, chunk_row, false},
	[STORE_Q_DONE] = {SQ_Q_DONE, bind_job_after, done_row, false},
	[STORE_Q_CURSORS] = {SQ_Q_CURSORS, bind_cursors, cursor_row, false},
	[STORE_Q_KEYS] = {SQ_Q_KEYS, bind_keys, key_row, false},
	[STORE_Q_HOLDS] = {SQ_Q_HOLDS, bind_holds, hold_row, false},
	[STORE_Q_NAMED] = {SQ_Q_NAMED, sq_named_bind, sq_named_row, false},
	[STORE_Q_VALIDATOR] = {SQ_Q_VALIDATOR, bind_uid_text, sq_validator_row, true},
	[STORE_Q_OPID] = {SQ_Q_OPID, bind_uid_text, opid_row, true},
	[STORE_Q_BODY] = {SQ_Q_BODY, bind_job_after, body_row, true},
	[STORE_Q_BODIES] = {SQ_Q_BODIES, bind_job_after, body_row, false},
	[STORE_Q_COUNTER] = {SQ_COUNTER_OF, bind_text, counter_row, false},
	[STORE_Q_USAGE] = {SQ_Q_USAGE, bind_none, usage_row, true},
};

static enum err run_plan(struct sq_store *s, const struct plan *plan, const struct store_query *o,
			 struct store_rows *rows)
{
	struct sq q = sq_use(&s->reader, plan->stmt);
	uint32_t n_before = rows->n;
	enum err e;

	plan->bind(&q, o);
	while ((e = sq_step(&q)) == ERR_OK) {
		e = plan->row(&q, o, rows);
		if (e != ERR_OK) {
			sq_end(&q);
			break;
		}
	}
	if (e != ERR_END)
		return e;
	return plan->is_one && rows->n == n_before ? ERR_NOT_FOUND : ERR_OK;
}

/* One level of priority after the other: each is a range of the index. */
static enum err read_queued(struct sq_store *s, const struct store_query *o,
			    struct store_rows *rows)
{
	enum err e = ERR_OK;
	uint64_t after = o->after;

	for (int p = o->priority; e == ERR_OK && p >= 0 && !rows->more; p--) {
		struct sq q = sq_use(&s->reader, SQ_Q_QUEUED);
		sq_int(&q, p);
		sq_u64(&q, after);
		while ((e = sq_step(&q)) == ERR_OK) {
			e = job_row(&q, o, rows);
			if (e != ERR_OK) {
				sq_end(&q);
				break;
			}
		}
		if (e == ERR_END)
			e = ERR_OK;
		after = 0;
	}
	return e;
}

enum err sq_read(struct store *base, const struct store_query *o, struct store_rows *rows)
{
	struct sq_store *s = (struct sq_store *)base;
	struct plan plan = plans[o->kind];
	enum err e;

	if (o->kind == STORE_Q_QUEUED)
		return read_queued(s, o, rows);
	if (o->kind == STORE_Q_JOBS && o->has_uid)
		plan = (struct plan){SQ_Q_JOBS_UID, bind_after_uid, job_row, false};
	e = run_plan(s, &plan, o, rows);
	if (e == ERR_OK && o->kind == STORE_Q_COUNTER && rows->n == 0) {
		struct store_row *row;
		e = store_rows_add(rows, o, 0, &row);
		if (e == ERR_OK)
			e = store_rows_copy(rows, o->text, &row->counter.name);
	}
	return e;
}
