/*
 * store_kit -- see store_kit.h.
 */
#include "tests/kit/store_kit.h"

#include "base/check.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- directories ---- */

char *store_kit_dir(void)
{
	char *dir = strdup("/tmp/muster-store-XXXXXX");

	CHECK(dir != NULL && mkdtemp(dir) != NULL);
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void store_kit_remove(char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
}

/* ---- ops ---- */

struct slice store_kit_text(const char *cstr)
{
	return slice_of(cstr);
}

struct store_op *store_kit_job(struct store_batch *b, uint64_t id)
{
	struct store_op *op = store_batch_add(b, STORE_JOB_PUT);

	CHECK(op != NULL);
	op->job = (struct store_job){.id = id,
				     .uid = 1000,
				     .priority = 5,
				     .wall_created_ns = 1000 + (int64_t)id,
				     .name = slice_of("a job"),
				     .spec = slice_of("{\"run\":\"http://a/\"}")};
	return op;
}

struct store_op *store_kit_chunk(struct store_batch *b, uint64_t job, uint64_t first, uint32_t n)
{
	struct store_op *op = store_batch_add(b, STORE_CHUNK_ADD);
	struct bytes lines = {0};
	size_t len;
	char *p;

	for (uint32_t i = 0; i < n; i++)
		bytes_printf(&lines, "{\"seq\":%llu,\"ok\":true}\n",
			     (unsigned long long)(first + i));
	p = bytes_steal(&lines, &len);
	CHECK(op != NULL && p != NULL && store_batch_adopt(b, p) == ERR_OK);
	op->chunk = (struct store_chunk){.job = job,
					 .first_seq = first,
					 .n = n,
					 .n_ok = n,
					 .done = slice_of("0:1-2"),
					 .lines = {p, len}};
	return op;
}

enum err store_kit_apply(struct store *s, struct store_batch *b)
{
	enum err e = store_apply(s, &b, 1);

	if (e == ERR_OK)
		e = b->result;
	store_batch_free(b);
	return e;
}

void store_kit_read(struct store *s, struct store_query q, struct store_rows *rows)
{
	enum err e;

	*rows = (struct store_rows){0};
	e = store_read(s, &q, rows);
	if (e != ERR_OK && e != ERR_NOT_FOUND) {
		fprintf(stderr, "store_read: %s: %s\n", err_text(e), store_failure_text(s));
		CHECK(false);
	}
}

/* ---- SQL ---- */

static sqlite3 *sql_open(const char *dir)
{
	char path[256];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/store.db", dir);
	CHECK(sqlite3_open(path, &db) == SQLITE_OK);
	return db;
}

void store_kit_sql(const char *dir, const char *text)
{
	sqlite3 *db = sql_open(dir);
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", text, why);
		CHECK(false);
	}
	sqlite3_close(db);
}

void store_kit_sql_row(const char *dir, const char *text, char *row, size_t size)
{
	sqlite3 *db = sql_open(dir);
	sqlite3_stmt *st = NULL;
	size_t n = 0;

	if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_ROW) {
		fprintf(stderr, "%s: %s\n", text, sqlite3_errmsg(db));
		CHECK(false);
	}
	for (int i = 0; i < sqlite3_column_count(st) && n < size; i++)
		n += (size_t)snprintf(row + n, size - n, "%s%s", i > 0 ? "|" : "",
				      (const char *)sqlite3_column_text(st, i));
	sqlite3_finalize(st);
	sqlite3_close(db);
}

/* ---- the disk ---- */

struct faulty_file {
	sqlite3_file base;
	sqlite3_file *real;
};

struct faulty_vfs {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	sqlite3_io_methods io;
	struct store_kit_disk disk;
};

static struct faulty_vfs faulty;

static sqlite3_file *real_of(sqlite3_file *f)
{
	return ((struct faulty_file *)f)->real;
}

static bool hits(int n, int at)
{
	return at != 0 && (n == at || (faulty.disk.for_ever && n > at));
}

static int f_close(sqlite3_file *f)
{
	int rc = real_of(f)->pMethods->xClose(real_of(f));

	free(real_of(f));
	return rc;
}

static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

/* A full disk takes half of what it is given before it says so. */
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	struct store_kit_disk *d = &faulty.disk;
	int count = atomic_fetch_add(&d->n_write, 1) + 1;
	bool is_full = d->is_full && d->full_at != 0 && count >= d->full_at;

	if (is_full || hits(count, d->fail_write_at)) {
		real_of(f)->pMethods->xWrite(real_of(f), p, n / 2, at);
		return is_full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	}
	return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
	struct store_kit_disk *d = &faulty.disk;
	int count = atomic_fetch_add(&d->n_sync, 1) + 1;

	if (d->sync_delay_ms > 0) {
		const struct timespec t = {.tv_nsec = d->sync_delay_ms * 1000000L};
		nanosleep(&t, NULL);
	}
	if (hits(count, d->fail_sync_at))
		return SQLITE_IOERR_FSYNC;
	return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int f_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int f_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int f_check_lock(sqlite3_file *f, int *ret)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int f_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
	return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int f_shm_unmap(sqlite3_file *f, int remove_it)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), remove_it);
}

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct faulty_file *ff = (struct faulty_file *)f;
	int rc;

	(void)vfs;
	ff->real = calloc(1, (size_t)faulty.real->szOsFile);
	ff->base.pMethods = NULL;
	if (ff->real == NULL)
		return SQLITE_NOMEM;
	rc = faulty.real->xOpen(faulty.real, name, ff->real, flags, ret_flags);
	if (ff->real->pMethods != NULL)
		ff->base.pMethods = &faulty.io;
	else
		free(ff->real);
	return rc;
}

static const sqlite3_io_methods io_methods = {
	.iVersion = 2,
	.xClose = f_close,
	.xRead = f_read,
	.xWrite = f_write,
	.xTruncate = f_truncate,
	.xSync = f_sync,
	.xFileSize = f_size,
	.xLock = f_lock,
	.xUnlock = f_unlock,
	.xCheckReservedLock = f_check_lock,
	.xFileControl = f_control,
	.xSectorSize = f_sector,
	.xDeviceCharacteristics = f_traits,
	.xShmMap = f_shm_map,
	.xShmLock = f_shm_lock,
	.xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap,
};

struct store_kit_disk *store_kit_disk(void)
{
	if (faulty.real == NULL) {
		faulty.real = sqlite3_vfs_find(NULL);
		CHECK(faulty.real != NULL);
		faulty.io = io_methods;
		faulty.vfs = *faulty.real;
		faulty.vfs.pNext = NULL;
		faulty.vfs.zName = "store_kit";
		faulty.vfs.szOsFile = sizeof(struct faulty_file);
		faulty.vfs.xOpen = v_open;
		CHECK(sqlite3_vfs_register(&faulty.vfs, 0) == SQLITE_OK);
	}
	return &faulty.disk;
}
