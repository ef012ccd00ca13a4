/*
 * recall -- what an earlier life of the job left in the store: facts by path, cursors of its
 * eaches. The interpreter runs as ever; leaves that find their outcome here end with it at once.
 * Threads: the job's shard.
 */
#pragma once

#include "job/outcome.h"
#include "job/results.h"
#include "run/task.h"

struct recall;
struct store_cursor;
struct store_fact;

/* What a fact is about: its n. */
enum recall_fact {
	RECALL_OUTCOME,	 /* a leaf ended; data: how; at: the seq it was written with */
	RECALL_DEADLINE, /* at: wall instant; data: nanoseconds that were left */
	RECALL_DUE,	 /* at: wall instant until which a sleep lasts */
	RECALL_FINALLY,	 /* a task with `finally` was entered */
	/* at: wall instant until which a back-off lasts; data: `attempts,seq,handled`: what the
	 * items below ended with up to that seq belongs to attempts that are over. */
	RECALL_RETRY,
	RECALL_PAGES, /* of a source: which page comes next; of a text: it is over */
	/* Of an item of an each whose list is asked for: its value. At the each itself: the list
	 * has been given up. */
	RECALL_VALUE,
	/* What an order to run failed tasks again needs to know (job/again.h): */
	RECALL_SETTLED, /* the task ended well: what failed or was cancelled below it stays so */
	RECALL_AGAIN,	/* at: seq of the line a new one replaces; data: `CLASS WALL_NS` */
	RECALL_ITEM,	/* of an item, see each_keep_item; at: the same */
	RECALL_SEQ,	/* at: the number that a line of a failed task got at its turn */
	RECALL_TAKEN,	/* at `PATH.tN`: the task at PATH holds item N of a queue, see taken.c */
	RECALL_QUEUED,	/* of an item that came from a queue: its text */
};

/* The paths of ITEM and SEQ begin with it: they stand behind all others and are many. */
#define RECALL_ITEMS '~'

struct recall *recall_new(struct jobenv *env);
void recall_free(struct recall *r);
/* While loading. Copies. Errors: NOMEM. */
enum err recall_fact_add(struct recall *r, const struct store_fact *f);
enum err recall_cursor_add(struct recall *r, const struct store_cursor *c);
/* Items that the chunk ending at seq finished; snapshots first. Errors: NOMEM, INVALID. */
enum err recall_done_add(struct recall *r, uint64_t seq, struct slice done);
/* The seq after which chunks have to be read for it: the oldest of the snapshots. */
uint64_t recall_done_after(const struct recall *r);
/* Failed leaves of ended items that something handled. */
uint64_t recall_handled(const struct recall *r);
bool recall_is_empty(const struct recall *r);
/* Whether any task held an item of a queue. */
bool recall_has_taken(const struct recall *r);

/* Every fact that is loaded. */
typedef void (*recall_visitor)(void *ctx, struct slice path, enum recall_fact n, int64_t wall_ns,
			       struct slice data);
void recall_visit(const struct recall *r, recall_visitor visit, void *ctx);
/* The cursor of the each at path, which stays; NULL: none. And all of them. */
struct results_cursor *recall_cursor_of(const struct recall *r, struct slice path);
typedef void (*recall_cursor_visitor)(void *ctx, struct slice path, struct results_cursor *c);
void recall_visit_cursors(const struct recall *r, recall_cursor_visitor visit, void *ctx);

/* The outcome of the leaf at path if it has ended before; *ret is the caller's. */
bool recall_outcome(struct recall *r, struct slice path, struct outcome *ret);
/* Hands over the cursor of the each at path. NULL: none. */
struct results_cursor *recall_cursor(struct recall *r, struct slice path);
/* Wall instant and data of another fact. False: none. data is valid while the recall lives. */
bool recall_get(const struct recall *r, struct slice path, enum recall_fact n, int64_t *ret_wall_ns,
		struct slice *ret_data);

/* Puts the fact of a leaf's end into the commit that is being filled. seq: of its line; 0: none. */
enum err recall_put_outcome(struct jobenv *env, struct slice path, const struct outcome *o,
			    uint64_t seq);
/* Of the data of such a fact. */
uint64_t recall_outcome_seq(struct slice data);
/* Any other fact; it goes with the next commit. */
enum err recall_put(struct jobenv *env, struct slice path, enum recall_fact n, int64_t wall_ns,
		    struct slice data);
/* Whether something at path or below began in an earlier life: then it is gone through again, also
 * in a scope that is cancelled, so that its `finally` runs and its leaves are counted once. */
bool recall_was_begun(const struct recall *r, struct slice path);
/* Whether an earlier life was past the back-off at path: something of the next attempt is there. */
bool recall_went_on(const struct recall *r, struct slice path);
/* Of the outcomes at path and below, the seq of the last; 0: none. */
uint64_t recall_last_seq(const struct recall *r, struct slice path);
/* The items of the each at path that began, ascending; malloc'd, the caller's. Errors: NOMEM. */
enum err recall_items(const struct recall *r, struct slice path, uint64_t **ret, size_t *ret_n);
/* The each at path begins anew: what it has committed so far does not count. */
void recall_put_fresh_cursor(struct jobenv *env, struct slice path);
/* One fact is of no use any more. */
void recall_drop(struct jobenv *env, struct slice path, enum recall_fact n);
/* All facts at path and below are of no use any more. */
void recall_drop_tree(struct jobenv *env, struct slice path);
/* And what is kept of items below it for another try. */
void recall_drop_attempt(struct jobenv *env, struct slice path);
