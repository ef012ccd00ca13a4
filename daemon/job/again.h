/*
 * again -- what running the failed tasks of an ended job again takes: which facts go, which items
 * are open once more, which lines do not count any longer.
 *
 * A leaf that failed or was cancelled runs again unless a task above it ended well all the same
 * (its fallback, any or catch had dealt with it); what never started may start; what succeeded is
 * answered from its fact. Clean-up (`finally`, `with`, handlers) of a task that did not end well
 * runs again with it. The rest is the interpreter's, as after a restart.
 *
 *	again_begin, the pages of RECALL_ITEMS through again_item, again_plan
 *
 * The batches are to be applied in order, the last of them is the order itself: a crash before it
 * leaves an ended job of which the same can be asked again. Threads: the job's shard.
 */
#pragma once

#include "job/jobenv.h"
#include "job/results.h"

#define AGAIN_ITEMS	     100000 /* of one each: more are not kept */
#define AGAIN_ITEMS_VOLATILE 4096
#define AGAIN_BATCH_OPS	     1000

struct store_fact;

struct again_item {
	struct results_cursor *cursor;
	uint64_t index;
};

struct again {
	struct jobenv *env;
	int64_t wall_ns;      /* of this order */
	int64_t last_wall_ns; /* of the one before; 0: none */
	struct link batches;  /* struct again_batch, in order */
	struct again_item *item;
	size_t n_item, cap_item;
	uint64_t n;			     /* tasks that run again */
	uint64_t uncounted[RESULTS_CLASSES]; /* lines that do not count any more, by class */
	bool is_full;			     /* more failed than is kept */
	enum err err;
};

void again_begin(struct again *a, struct jobenv *env, int64_t wall_ns, int64_t last_wall_ns);
/* A fact of RECALL_ITEMS; ctx: struct again. */
void again_item(void *ctx, const struct store_fact *f);
/* Into the batches. The cursors are put into `last`, the batch of the order itself. Errors: NOMEM,
 * TOO_LARGE. */
enum err again_plan(struct again *a, struct store_batch *last);
/* The next batch, the caller's; NULL: none is left. */
struct store_batch *again_take(struct again *a);
void again_fini(struct again *a);
