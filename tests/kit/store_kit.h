/*
 * store_kit -- for tests of the store: a directory that goes away, short ways to write ops, and a
 * disk that fails on demand (an SQLite VFS over the real one).
 */
#pragma once

#include "edge/store.h"

#include <stdatomic.h>

/* A new empty directory; removed with all in it by store_kit_remove. Aborts on failure. */
char *store_kit_dir(void);
void store_kit_remove(char *dir);

struct slice store_kit_text(const char *cstr);

/* A job with this id, uid 1000, priority 5, queued, spec {"run":"http://a/"}. */
struct store_op *store_kit_job(struct store_batch *b, uint64_t id);
/* n lines {"seq":S,"ok":true} from first on. */
struct store_op *store_kit_chunk(struct store_batch *b, uint64_t job, uint64_t first, uint32_t n);
/* Applies one batch and frees it; the store's error, or the batch's result. */
enum err store_kit_apply(struct store *s, struct store_batch *b);
/* Reads or aborts (NOT_FOUND: no rows). */
void store_kit_read(struct store *s, struct store_query q, struct store_rows *rows);

/* Runs SQL on DIR/store.db as a person with a shell would; text may be several statements. Aborts
 * on failure. */
void store_kit_sql(const char *dir, const char *text);
/* The first row of a query, columns joined by '|'. */
void store_kit_sql_row(const char *dir, const char *text, char *row, size_t size);

/* What the disk does wrong, by the number of calls since store_kit_disk_reset. 0: nothing. */
struct store_kit_disk {
	atomic_int n_sync, n_write;
	int fail_sync_at;  /* EIO on this one */
	int fail_write_at; /* EIO */
	bool for_ever;	   /* and on all after it */
	int full_at;	   /* from this write on: no space, while is_full */
	bool is_full;
	int sync_delay_ms;
};

/* The VFS named "store_kit"; one disk per process. */
struct store_kit_disk *store_kit_disk(void);
