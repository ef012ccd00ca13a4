/*
 * store_sqlite -- the durable store: opening, transactions, tidying. See store_sqlite.h, store.h.
 *
 * SQLite by itself goes on acknowledging after a failed sync; this file does not let it: see
 * sq_failed. The log is moved into the database by the writer between transactions, past a mark.
 */
#include "edge/store_sqlite.h"

#include "base/check.h"
#include "edge/bodyfile.h"
#include "edge/bodykept.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE_BYTES	 4096
#define WAL_MARK_PAGES	 4000
#define BUSY_MS		 10000
#define TIDY_BUSY_MS	 50
#define VACUUM_MIN_PAGES 4096
#define RESTORE_EVERY	 64 /* commits between looks for room for the ballast */

/* ---- transactions ---- */

static enum err run(struct sq_conn *c, enum sq_stmt which)
{
	struct sq q = sq_use(c, which);

	return sq_exec(&q);
}

static enum err put_counter(struct sq_store *s, const char *name, uint64_t value, uint64_t *stored)
{
	struct sq q = sq_use(&s->writer, SQ_COUNTER_PUT);
	enum err e;

	if (value <= *stored)
		return ERR_OK;
	sq_text(&q, slice_of(name));
	sq_u64(&q, value);
	e = sq_exec(&q);
	if (e == ERR_OK)
		*stored = value;
	return e;
}

static enum err apply_all(struct sq_store *s, struct store_batch *const *batch, size_t n)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		if (batch[i]->result == ERR_TOO_LARGE)
			continue;
		batch[i]->result = ERR_OK;
		batch[i]->ret_job = 0;
		e = sq_batch(s, batch[i]);
	}
	if (e == ERR_OK)
		e = put_counter(s, "job", s->job_counter, &s->job_counter_stored);
	if (e == ERR_OK)
		e = put_counter(s, "body", s->body_counter, &s->body_counter_stored);
	if (e == ERR_OK && s->must_sync_bodies)
		e = bodydir_sync(s->base.bodies);
	return e;
}

static enum err transact(struct sq_store *s, struct store_batch *const *batch, size_t n)
{
	uint64_t job_stored = s->job_counter_stored, body_stored = s->body_counter_stored;
	enum err e = run(&s->writer, SQ_BEGIN);

	s->pending_bytes = 0;
	s->must_sync_bodies = false;
	s->known_job = 0;
	s->n_dead = 0;
	if (e == ERR_OK)
		e = apply_all(s, batch, n);
	if (e == ERR_OK) {
		FAULT(s->base.fault, before_commit);
		e = run(&s->writer, SQ_COMMIT);
	}
	if (e == ERR_OK)
		return ERR_OK;
	s->job_counter_stored = job_stored;
	s->body_counter_stored = body_stored;
	/* Its own failure tells nothing new. */
	if (sqlite3_get_autocommit(s->writer.db) == 0)
		sqlite3_exec(s->writer.db, "ROLLBACK", NULL, NULL, NULL);
	return e;
}

static void look_at_disk(struct sq_store *s)
{
	struct sq q = sq_use(&s->writer, SQ_FREE_PAGES);
	int64_t n_free = 0;

	if (diskspace_look(&s->disk, 0) && sq_number(&q, 0, &n_free) == ERR_OK)
		diskspace_look(&s->disk, (uint64_t)n_free * PAGE_BYTES);
	atomic_store(&s->is_low, s->disk.is_low);
}

/* Moves what it can of the log into the database without waiting for readers for long. */
static enum err checkpoint(struct sq_store *s, int mode)
{
	int rc, n_log = 0, n_moved = 0;
	enum err e = ERR_OK;

	sqlite3_busy_timeout(s->writer.db, TIDY_BUSY_MS);
	rc = sqlite3_wal_checkpoint_v2(s->writer.db, NULL, SQLITE_CHECKPOINT_PASSIVE, &n_log,
				       &n_moved);
	FAULT(s->base.fault, mid_checkpoint);
	if (rc == SQLITE_OK && mode != SQLITE_CHECKPOINT_PASSIVE)
		rc = sqlite3_wal_checkpoint_v2(s->writer.db, NULL, mode, &n_log, &n_moved);
	sqlite3_busy_timeout(s->writer.db, BUSY_MS);
	if (rc != SQLITE_OK)
		e = sq_failed(&s->writer, rc);
	/* A reader in the way: try again when the log has grown by as much once more. */
	s->wal_pages = 0;
	return e == ERR_BUSY || e == ERR_FULL ? ERR_OK : e;
}

static int wal_mark(const struct sq_store *s)
{
	return s->disk.is_low ? s->wal_mark_pages / 8 : s->wal_mark_pages;
}

static void after_commit(struct sq_store *s)
{
	atomic_store(&s->used_bytes,
		     (uint64_t)((int64_t)atomic_load(&s->used_bytes) + s->pending_bytes));
	FAULT(s->base.fault, mid_prune);
	for (size_t i = 0; i < s->n_dead; i++)
		(void)bodydir_remove(s->base.bodies, s->dead_body[i]);
	s->n_dead = 0;
	s->n_commits++;
	if (s->wal_pages >= wal_mark(s) || s->pending_bytes < 0 ||
	    (!s->disk.has_ballast && !s->disk.is_low && s->n_commits % RESTORE_EVERY == 0))
		atomic_store(&s->is_untidy, true);
}

static enum err sqlite_apply(struct store *base, struct store_batch *const *batch, size_t n)
{
	struct sq_store *s = (struct sq_store *)base;
	enum err e;

	look_at_disk(s);
	e = transact(s, batch, n);
	if (e == ERR_FULL) {
		if (diskspace_release(&s->disk))
			log_warn(base->log, "store.full", kv_s("reserve", "given up"));
		e = checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
		if (e == ERR_OK)
			e = transact(s, batch, n);
	}
	if (e != ERR_OK)
		return e;
	after_commit(s);
	FAULT(base->fault, after_commit_before_ack);
	return ERR_OK;
}

/* ---- tidying ---- */

static bool sqlite_is_untidy(const struct store *base)
{
	return atomic_load(&((const struct sq_store *)base)->is_untidy);
}

/* One bounded step; *ret_more if another is worth it. */
static enum err vacuum(struct sq_store *s, bool *ret_more)
{
	struct sq q = sq_use(&s->writer, SQ_FREE_PAGES);
	int64_t n_free = 0, n_pages = 0;
	enum err e = sq_number(&q, 0, &n_free);

	*ret_more = false;
	if (e != ERR_OK || n_free == 0)
		return e;
	q = sq_use(&s->writer, SQ_PAGES);
	e = sq_number(&q, 0, &n_pages);
	if (e != ERR_OK || (!s->disk.is_low && (n_free < VACUUM_MIN_PAGES || n_free < n_pages / 4)))
		return e;
	e = run(&s->writer, SQ_VACUUM);
	*ret_more = e == ERR_OK && n_free > VACUUM_MIN_PAGES;
	return e;
}

static enum err sqlite_tidy(struct store *base)
{
	struct sq_store *s = (struct sq_store *)base;
	bool more = false;
	enum err e;

	atomic_store(&s->is_untidy, false);
	e = vacuum(s, &more);
	if ((e == ERR_OK || e == ERR_FULL) && (s->wal_pages >= wal_mark(s) || s->disk.is_low))
		e = checkpoint(s, s->disk.is_low ? SQLITE_CHECKPOINT_TRUNCATE
						 : SQLITE_CHECKPOINT_PASSIVE);
	diskspace_restore(&s->disk);
	if (more)
		atomic_store(&s->is_untidy, true);
	return e == ERR_FULL || e == ERR_BUSY ? ERR_OK : e;
}

static int on_wal(void *ctx, sqlite3 *db, const char *name, int n_pages)
{
	struct sq_store *s = ctx;

	(void)db;
	(void)name;
	s->wal_pages = n_pages;
	return SQLITE_OK;
}

/* ---- opening and closing ---- */

static void conn_close(struct sq_conn *c)
{
	for (int i = 0; i < SQ_STMTS; i++)
		sqlite3_finalize(c->stmt[i]);
	sqlite3_close(c->db);
}

static enum err conn_open(struct sq_conn *c, const char *path, const char *vfs,
			  const char *settings)
{
	int rc = sqlite3_open_v2(path, &c->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				 vfs);

	if (c->db == NULL)
		return ERR_NOMEM;
	sqlite3_extended_result_codes(c->db, 1);
	sqlite3_busy_timeout(c->db, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->db, settings, NULL, NULL, NULL);
	return rc == SQLITE_OK ? ERR_OK : sq_failed(c, rc);
}

/* The file, private to its owner, and its name made durable. */
static enum err file_make(const char *dir, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = fd >= 0 && dir_fd >= 0 && fsync(dir_fd) == 0 ? ERR_OK : ERR_IO;

	if (dir_fd >= 0)
		close(dir_fd);
	if (fd >= 0)
		close(fd);
	return e;
}

static const char writer_settings[] =
	"PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
	"PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-8192; PRAGMA mmap_size=0;"
	"PRAGMA temp_store=MEMORY; PRAGMA journal_size_limit=16777216;";
static const char reader_settings[] =
	"PRAGMA cache_size=-2048; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
	"PRAGMA query_only=1;";

static enum err files_open(struct sq_store *s, const struct store_options *o)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/store.db", o->dir);
	enum err e;

	if (n < 0 || (size_t)n >= sizeof(path))
		return ERR_TOO_LARGE;
	e = file_make(o->dir, path);
	if (e == ERR_OK)
		e = conn_open(&s->writer, path, o->vfs, writer_settings);
	if (e == ERR_OK)
		e = sq_schema(s);
	if (e == ERR_OK)
		e = conn_open(&s->reader, path, o->vfs, reader_settings);
	if (e == ERR_OK)
		sqlite3_wal_hook(s->writer.db, on_wal, s);
	return e;
}

static bool body_is_known(void *ctx, uint64_t id)
{
	struct sq_store *s = ctx;
	struct sq q = sq_use(&s->writer, SQ_BODY_KNOWN);
	int64_t known = 0;

	sq_u64(&q, id);
	return sq_number(&q, 0, &known) != ERR_OK || known != 0;
}

/* Whether what its requests have begun may be gone on with. */
static bool job_is_open(void *ctx, uint64_t job)
{
	struct sq_store *s = ctx;
	struct sq q = sq_use(&s->writer, SQ_JOB_STATE_OF);
	enum store_job_state state;

	sq_u64(&q, job);
	if (sq_step(&q) != ERR_OK)
		return false;
	bool is_open =
		store_job_state_parse(sq_col_text(&q, 0), &state) && !store_job_has_ended(state);
	sq_end(&q);
	return is_open;
}

static enum err number(struct sq_store *s, enum sq_stmt which, const char *name, int64_t *ret)
{
	struct sq q = sq_use(&s->writer, which);

	if (name != NULL)
		sq_text(&q, slice_of(name));
	return sq_number(&q, 0, ret);
}

static enum err recover(struct sq_store *s)
{
	int64_t used = 0, jobs = 0, bodies = 0, last_body = 0;
	uint64_t n_orphans = 0;
	enum err e = number(s, SQ_USED_BYTES, NULL, &used);

	FAULT(s->base.fault, mid_recovery);
	if (e == ERR_OK)
		e = number(s, SQ_COUNTER_OF, "job", &jobs);
	if (e == ERR_OK)
		e = number(s, SQ_COUNTER_OF, "body", &bodies);
	if (e == ERR_OK)
		e = number(s, SQ_BODY_LAST, NULL, &last_body);
	if (e != ERR_OK)
		return e;
	atomic_store(&s->used_bytes, (uint64_t)used);
	s->job_counter = s->job_counter_stored = (uint64_t)jobs;
	s->body_counter = s->body_counter_stored = (uint64_t)bodies;
	bodydir_start_after(s->base.bodies, (uint64_t)(bodies > last_body ? bodies : last_body));
	e = bodydir_sweep(s->base.bodies, body_is_known, s, &n_orphans);
	if (e == ERR_OK)
		e = bodykept_sweep(s->base.bodies, job_is_open, s, &n_orphans);
	if (n_orphans > 0)
		log_info(s->base.log, "store.sweep", kv_i("orphans", (int64_t)n_orphans));
	return e;
}

static enum err places_open(struct sq_store *s, const struct store_options *o)
{
	const struct diskspace_options disk = {.dir = o->dir,
					       .low_water_bytes = o->low_water_bytes,
					       .ballast_bytes = o->ballast_bytes,
					       .free_ctx = o->free_ctx,
					       .free_bytes = o->free_bytes};
	const struct bodydir_options bodies = {.dir = o->dir,
					       .name = "bodies",
					       .is_durable = true,
					       .failure = &s->base.failure,
					       .fault = o->fault};
	uint64_t mark;
	enum err e = diskspace_init(&s->disk, &disk);

	if (e != ERR_OK)
		return e;
	/* On a small disk the log must not take it all. */
	mark = s->disk.total_bytes / 16 / PAGE_BYTES;
	s->wal_mark_pages = mark < WAL_MARK_PAGES ? (int)mark : WAL_MARK_PAGES;
	return bodydir_open(&bodies, &s->base.bodies);
}

static void sqlite_close(struct store *base)
{
	struct sq_store *s = (struct sq_store *)base;

	conn_close(&s->reader);
	if (s->writer.db != NULL && store_failed(base) == ERR_OK)
		(void)checkpoint(s, SQLITE_CHECKPOINT_TRUNCATE);
	conn_close(&s->writer);
	bodydir_close(base->bodies);
	diskspace_fini(&s->disk);
	free(s->dead_body);
	free(s);
}

static const struct store_keeper keeper = {
	.apply = sqlite_apply,
	.read = sq_read,
	.is_untidy = sqlite_is_untidy,
	.tidy = sqlite_tidy,
	.close = sqlite_close,
};

enum err store_sqlite_open(const struct store_options *o, struct store **ret_store)
{
	struct sq_store *s;
	enum err e;

	if (o->dir == NULL)
		return ERR_INVALID;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_NOMEM;
	s->base = (struct store){
		.keeper = &keeper, .log = o->log, .fault = o->fault, .max_bytes = o->max_bytes};
	s->writer.store = s->reader.store = s;
	e = places_open(s, o);
	if (e == ERR_OK)
		e = files_open(s, o);
	if (e == ERR_OK)
		e = recover(s);
	if (e != ERR_OK) {
		if (failure_err(&s->base.failure) != ERR_OK)
			log_error(o->log, "store.open", kv_s("error", err_text(e)),
				  kv_s("why", failure_text(&s->base.failure)));
		sqlite_close(&s->base);
		return e;
	}
	*ret_store = &s->base;
	return ERR_OK;
}
