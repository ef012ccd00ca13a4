/*
 * done -- the text that tells which items of which each a chunk finished, and how.
 *
 * `PATH RANGE,RANGE… PATH …`: a range is `5` or `5-9`, all ok, or one item and how it ended
 * otherwise: `7!status` failed, `7~` cancelled, with `h2` behind it if two failures below it were
 * handled, and `f1` if one was not. Written per commit, read when a job starts anew.
 * Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"
#include "proto/errors.h"

struct done_mark {
	uint64_t index;
	enum kind kind;		      /* KIND_NONE: ok; KIND_CANCELLED: cancelled; else failed */
	uint32_t n_handled, n_failed; /* leaves below; of a single leaf n_failed is 0 */
};

/* All marks of one each, added up. */
struct done_tally {
	uint64_t n_ok, n_cancelled, n_handled, n_failed;
	uint64_t count[KIND_COUNT]; /* failed items by kind */
};
void done_tally_add(struct done_tally *t, uint64_t n, const struct done_mark *how);
/* One mark less; it had been added. */
void done_tally_take(struct done_tally *t, const struct done_mark *how);
uint64_t done_tally_failed(const struct done_tally *t);
/* `ok=5,status=3` */
void done_tally_write(const struct done_tally *t, struct bytes *out);
/* Errors: INVALID. */
enum err done_tally_read(struct done_tally *t, struct slice text);

struct done_list {
	struct done_path *path; /* few */
	uint32_t n_path, cap_path;
	uint32_t n; /* marks in all */
};

void done_fini(struct done_list *d);
enum err done_add(struct done_list *d, struct slice path, const struct done_mark *mark);
/* Sorts and appends the text, empties the list. Errors: those of bytes. */
enum err done_write(struct done_list *d, struct bytes *out);

/* Of a range all are alike. */
typedef enum err (*done_visit)(void *ctx, struct slice path, uint64_t from, uint64_t to,
			       const struct done_mark *how);
/* INVALID for what done_write cannot have made; else the first error of visit. */
enum err done_read(struct slice text, done_visit visit, void *ctx);
