/*
 * feed -- items that somebody hands to an each: the client of the job, or a task of it. They are
 * committed before they are used; one each reads them.
 *
 * Items are lines of JSON. Chunks stay in memory while FEED_MEMORY allows; others are read back
 * from the store when their turn comes. A chunk leaves the store when every item in it is done and
 * a newer one is there. Threads: the job's shard.
 */
#pragma once

#include "job/jobenv.h"
#include "run/task.h"

#define FEED_MEMORY	(8u << 20)
#define FEED_UNCONSUMED (4u << 20) /* of attached jobs: above it the client's call is parked */

struct feed;

#define FEED_CLIENT SLICE_LIT("feed")

/* path: under which the store has it; FEED_CLIENT, or the path of the task that makes the items,
 * which is copied. NULL: no memory. */
struct feed *feed_new(struct jobenv *env, struct slice path);
void feed_free(struct feed *f);

/* ---- from the client: one batch at a time ---- */

/*
 * Items from offset on: a JSON array that jsonscan has checked. Makes the batch to commit, NULL in
 * *ret_batch if there is nothing new; *ret_next is the offset after them. Errors: INVALID (a hole
 * before offset, items after the end, not an array), NOMEM.
 */
enum err feed_add(struct feed *f, uint64_t offset, struct slice items, bool is_end,
		  struct store_batch **ret_batch, uint64_t *ret_next);
/* What feed_add made is committed (or refused, and then forgotten): in order. */
void feed_committed(struct feed *f, bool is_ok);

/* ---- from a task of the job: with the commit that is being filled ---- */

/* n items, each ended by '\n'; takes the text of *lines. *ret_next is the index behind them.
 * Errors: NOMEM: nothing was put. */
enum err feed_put(struct feed *f, struct bytes *lines, uint32_t n, uint64_t *ret_next);
/* Items below are committed: they may be taken. */
void feed_settle(struct feed *f, uint64_t next);
/* Nothing comes any more; what is there is still taken. */
void feed_end(struct feed *f);
/* Set while the each has nothing left to take. */
act_event *feed_wanted(struct feed *f);
bool feed_is_taken(const struct feed *f, uint64_t index);
/* Await, until something more is taken. */
int feed_await_taken(act_self *self, struct feed *f);

/* ---- after a restart: what the store holds ---- */

enum err feed_resume(struct feed *f, uint64_t first, uint32_t n, size_t n_bytes, bool is_eof);

/* The each that reads begins; how many items there are so far. Later ones count as expected. */
uint64_t feed_open(struct feed *f);
/* It has ended: items that come now are never started; so many leaves each. */
void feed_close(struct feed *f, uint64_t n_leaves);
/* The each that reads says where it stands: items below are done. */
void feed_watermark(struct feed *f, uint64_t done_below);
uint64_t feed_unconsumed(const struct feed *f); /* bytes */
uint64_t feed_next(const struct feed *f);	/* committed items */
bool feed_is_ended(const struct feed *f);

enum feed_got { FEED_ITEM, FEED_EMPTY, FEED_END, FEED_LOAD };
/* Item `index`, growing from call to call. EMPTY: wait for feed_more. LOAD: call feed_load. The
 * line is valid until the next call of anything here. */
enum feed_got feed_take(struct feed *f, uint64_t index, struct slice *ret_line);
/* Set when there may be more. */
act_event *feed_more(struct feed *f);

struct feed_load {
	act_co co;
	int rc;
	struct feed *f; /* in */
	act_msg *m;
};
/* A step: reads the chunk that is wanted back from the store. */
int feed_load(act_self *self, void *frame);

struct feed_recall {
	act_co co;
	int rc;
	struct feed *f; /* in */
	act_msg *m;
	bool more;
};
/* A step: resumes it from the store. */
int feed_recall(act_self *self, void *frame);
