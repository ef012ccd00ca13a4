/*
 * outcome -- how a task ended, and the tree of failures it leaves.
 *
 * A failure is a leaf (kind, message, task) or a group of failures; groups list at most
 * FINAL_ERRORS_MAX leaves and count all of them by kind. Failures are immutable and counted.
 * Making one never fails: without memory a shared constant one (kind `memory`) takes its place.
 * Threads: one owner at a time.
 */
#pragma once

#include "base/bytes.h"
#include "proto/errors.h"

#include <jansson.h>

enum outcome_state {
	OUTCOME_NONE, /* not ended */
	OUTCOME_OK,
	OUTCOME_SKIPPED, /* `when` did not hold: a success without value */
	OUTCOME_FAILED,
	OUTCOME_CANCELLED,
};

/* "ok" "skipped" "failed" "cancelled" */
const char *outcome_state_text(enum outcome_state s);

struct failure;

struct outcome {
	enum outcome_state state;
	struct failure *error; /* FAILED: a reference; also of a cancelled one: why, or NULL */
	json_t *value;	       /* a reference; NULL: none, or nobody can ask for it */
	uint64_t n_failed;     /* leaves below that failed and are not handled */
	uint64_t n_handled;    /* leaves below that failed and were handled */
};

void outcome_fini(struct outcome *o);
static inline bool outcome_is_ok(const struct outcome *o)
{
	return o->state == OUTCOME_OK || o->state == OUTCOME_SKIPPED;
}

/* A leaf; texts are copied (message at most 512 bytes). phase: "" or a word. */
struct failure *failure_new(enum kind kind, struct slice task, struct slice message,
			    struct slice phase);
/* A group of nothing, to be filled by its maker before anybody else sees it. */
struct failure *failure_group_new(struct slice task);
/* Takes over the child. A child beyond the bounds is only counted. */
void failure_group_add(struct failure *group, struct failure *child);
/* Only counts: a failure of that kind that is not listed. */
void failure_group_count(struct failure *group, enum kind kind, uint64_t n);
/* Of how many tasks: for "2 of 3 tasks failed". */
void failure_group_seal(struct failure *group, uint64_t n_tasks);
struct failure *failure_ref(struct failure *f);
void failure_drop(struct failure *f);

enum kind failure_kind(const struct failure *f);
/* What most of its leaves failed with: by that an item is remembered, so that a `catch` takes it
 * after a restart as it would have before. KIND_GROUP: nothing can be told. */
enum kind failure_leaf_kind(const struct failure *f);
/* Leaves in it, counted ones included; 1 for a leaf. */
uint64_t failure_leaves(const struct failure *f);
struct slice failure_message(const struct failure *f);
/* A copy with another phase, for what fails while cleaning up. */
struct failure *failure_in_phase(struct failure *f, const char *phase);

/* The kinds a catch clause takes: has(ctx, kind). */
typedef bool (*failure_pred)(const void *ctx, enum kind kind);
/*
 * except*: parts the leaves of f, keeping the structure; empty branches vanish. Returns the part
 * taken or NULL, *ret_rest the others or NULL; each a reference of the caller's. A lone error
 * comes back as a group of one when taken.
 */
struct failure *failure_split(struct failure *f, failure_pred takes, const void *ctx,
			      struct failure **ret_rest);

/* {"kind":...}: as proto/final writes it. Errors: those of bytes. */
enum err failure_write(const struct failure *f, struct bytes *out);
/* The same as a tree, for ${error}; NULL: no memory. */
json_t *failure_json(const struct failure *f);
/* Back from what failure_write made. NULL if it is not one. */
struct failure *failure_read(const json_t *v);
