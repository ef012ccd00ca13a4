/*
 * errgroup -- how a task failed: one error, or the errors of a scope's tasks, nested as the scopes.
 *
 * An error is immutable once made and counted by references. A group lists at most
 * ERRGROUP_MAX_LEAVES leaves and ERRGROUP_MAX_DEPTH groups within groups, and counts all; so a
 * group over millions of failures stays small. Splitting by kinds keeps the structure, like
 * Python's except*: what matches and what does not are two groups of the same shape.
 *
 * Threads    one owner's thread; references are counted without locks.
 * Ownership  functions that return a struct errgroup give a reference to the caller.
 */
#pragma once

#include "base/bytes.h"
#include "model/kindset.h"
#include "proto/errors.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define ERRGROUP_MAX_LEAVES 64
#define ERRGROUP_MAX_DEPTH  16

struct errgroup;

/* One error; kind is neither NONE nor GROUP. Slices are copied (message cut at 1 KiB), phase may
 * be empty. NULL: NOMEM. */
struct errgroup *errgroup_leaf(enum kind kind, struct slice task, struct slice message,
			       struct slice phase);
struct errgroup *errgroup_ref(struct errgroup *e);
/* NULL is allowed. */
void errgroup_unref(struct errgroup *e);

/* ---- a group in the making ---- */

/* The group of the scope at `task`; NULL: NOMEM. Not shared until errgroup_seal. */
struct errgroup *errgroup_open(struct slice task);
/* Adds a failed child; takes the reference. Beyond the limits it is counted only. NOMEM: counted
 * too, but not listed. */
enum err errgroup_add(struct errgroup *g, struct errgroup *child);
/* Children that failed but are known only by kind. */
void errgroup_count(struct errgroup *g, enum kind kind, uint64_t n);
/* n_total: how many tasks the scope had, for "2 of 3 tasks failed". */
void errgroup_seal(struct errgroup *g, uint64_t n_total);

/* ---- reading ---- */

bool errgroup_is_group(const struct errgroup *e);
/* KIND_GROUP for a group. */
enum kind errgroup_kind(const struct errgroup *e);
/* Leaves in all, listed or not. */
uint64_t errgroup_leaves(const struct errgroup *e);
/* How many leaves of that kind. */
uint64_t errgroup_count_of(const struct errgroup *e, enum kind kind);
struct slice errgroup_task(const struct errgroup *e);
/* Of a leaf; of a group the sentence made from its numbers is written by errgroup_add_json. */
struct slice errgroup_message(const struct errgroup *e);
struct slice errgroup_phase(const struct errgroup *e);
/* The listed leaves, in order. */
void errgroup_each_leaf(const struct errgroup *e,
			void (*visit)(void *ctx, const struct errgroup *leaf), void *ctx);

/*
 * What of e is of these kinds, and what is not: each a new reference or NULL for nothing, both of
 * e's shape (a leaf stays a leaf, empty groups vanish). Leaves that are counted only go by their
 * kind. Cancellation never matches. NOMEM leaves both NULL.
 */
enum err errgroup_split(const struct errgroup *e, struct kindset kinds, struct errgroup **ret_match,
			struct errgroup **ret_rest);
/* Both together: what a failing handler adds to what was left. Either may be NULL; references are
 * taken. *ret is NULL only if both are. */
enum err errgroup_join(struct slice task, struct errgroup *a, struct errgroup *b,
		       struct errgroup **ret);

/* Appends {"kind":…}; the form is proto/final.h's. Errors: those of bytes, NOMEM. */
enum err errgroup_add_json(struct bytes *out, const struct errgroup *e);
/* For ${error}: the same as a tree. NULL: NOMEM. */
json_t *errgroup_to_json(const struct errgroup *e);
