/*
 * results -- the stream of lines of a job, from the leaf that writes one to its commit.
 *
 * Lines, the facts that belong to them and the ranges of items they finish gather in one `fill`;
 * the committer (results_commit.c) hands it to the store as ONE batch: one is under way, one is
 * filling, and while the disk is slow full ones wait between them. A leaf's outcome takes effect
 * only after its commit: it waits with results_wait, and waiters of one commit go on in seq order.
 * Seq is given when the line is written.
 *
 * Ordered    lines of an item ahead of its turn wait here, committed as facts; at its turn they
 *            get their seq and move into a fill.
 * Threads    the job's shard.
 */
#pragma once

#include "job/cursor.h"
#include "job/done.h"
#include "job/tail.h"
#include "run/scope.h"
#include "run/sync.h"

struct jobenv;
struct store_batch;
struct store_op;

enum results_class { RESULTS_OK, RESULTS_FAILED, RESULTS_CANCELLED, RESULTS_CLASSES };

#define RESULTS_FILL_LINES 256
#define RESULTS_FILL_WORTH 32
#define RESULTS_FILL_BYTES (256u << 10)
#define RESULTS_FILL_OPS   1000
#define RESULTS_FILL_NS	   (5 * NS_PER_MS)
/* So much in one fill is enough: a batch has bounds. */
#define RESULTS_FULL_BYTES  (2u << 20)
#define RESULTS_FULL_OPS    (STORE_BATCH_OPS / 2)
#define RESULTS_UNACKED	    (64u << 20)
#define RESULTS_UNACKED_VOL (8u << 20)
#define RESULTS_SNAPSHOT    256 /* chunks between snapshots of the cursors */

struct results;

struct results_opts {
	struct jobenv *env; /* outlives it */
	bool is_attached;   /* somebody reads: lines they have not acknowledged are bounded */
	bool is_ordered;
};

struct results *results_new(const struct results_opts *opts);
void results_free(struct results *r);
/* After a restart. */
void results_resume(struct results *r, uint64_t last_seq, uint64_t acked, uint64_t n_bytes,
		    const uint64_t counted[3]);

/* ---- writing ---- */

/* Whose line it is: in ordered jobs the item of the outermost each, group or gather. */
struct results_turn {
	bool has_turn;
	uint64_t index;
};

struct results_line {
	struct bytes *out; /* append the line here, without a newline */
	uint64_t seq;	   /* the number to write into it */
	size_t start;	   /* the rest is private */
	bool is_held;
	struct results_turn turn;
};

/* Errors: NOMEM. Between begin and end nothing else of results may be called. */
enum err results_begin(struct results *r, struct results_turn turn, struct results_line *ret);
/* Whether a line of that turn would have to wait for its number. */
bool results_is_ahead(const struct results *r, struct results_turn turn);
/* The line is complete. On a failed append it is taken back: NOMEM, TOO_LARGE. */
enum err results_end(struct results *r, struct results_line *line, enum results_class c);
/* A leaf ended whose line is not wanted (results.where): only counted. */
void results_count(struct results *r, enum results_class c);
/* What has to be committed with it: an op of the fill's batch, or NULL (no memory). */
struct store_op *results_op(struct results *r, int kind);
/* Copies a text so that it lives as long as the fill's batch. p NULL on NOMEM. */
struct slice results_text(struct results *r, struct slice text);

/*
 * Where an each stands, by what has been written: the committer takes snapshots of it. The first
 * mark brings a row of its own along: chunks that no row is behind are neither read by a recovery
 * nor kept from being forgotten.
 */
struct results_cursor {
	struct link link;
	struct slice path; /* malloc'd */
	struct cursor cursor;
	struct done_tally tally;
	uint64_t seq; /* chunks up to it are in the snapshot it was read from */
	bool has_row;
};
#define RESULTS_CURSOR_OVER ((uint64_t)INT64_MAX) /* seq of an each that has ended: all are */
/* Errors: NULL, no memory. */
struct results_cursor *results_cursor_new(struct slice path);
void results_cursor_free(struct results_cursor *c);
void results_cursor_add(struct results *r, struct results_cursor *c);
/* Its each has ended: where it stands goes with the next commit, for good. Takes it over. */
void results_cursor_ends(struct results *r, struct results_cursor *c);
/* Before what has to go in one commit is written: a fill that has grown too big for more is closed
 * and waits for its turn. */
void results_make_room(struct results *r);
/* An item of that each has ended: told in the same commit as what was just written. */
void results_mark(struct results *r, struct results_cursor *c, const struct done_mark *mark);
/* `next;gaps|tally`, as snapshots keep it. */
void results_cursor_write(const struct results_cursor *c, struct bytes *out);
enum err results_cursor_read(struct results_cursor *c, struct slice text);
/* A line that an earlier life held back; data of its fact. */
void results_restore_held(struct results *r, uint64_t serial, struct slice data);
/* All lines of the turn have been written; the next one's may go. */
void results_turn_ends(struct results *r, uint64_t index);
/* The scope they are turns of has ended; what waits for a turn that never came waits no longer. */
void results_turns_over(struct results *r);
/* The turns of items that an earlier life has ended. */
void results_turns_resume(struct results *r, const struct cursor *ended);
/* Do not wait for more. */
void results_hurry(struct results *r);

/* ---- waiting ---- */

struct results_wait {
	act_co co;
	int rc;
	struct results *r; /* in */
	uint64_t no;	   /* in: results_commit_no */
	act_scope *shield;
};
/* The number of the commit that what was written last goes with. */
uint64_t results_commit_no(const struct results *r);
/* Ready to wait until all that was written is committed. */
struct results_wait results_wait_for(struct results *r);
/* Until that commit is done, whatever is cancelled meanwhile. */
int results_wait(act_self *self, void *frame);

/* Leaves that hold a slot: when all of them wait for a commit, it goes. */
void results_hold(struct results *r, int by);

/* ---- back-pressure ---- */

/* Whether one more item may start while n_open are under way. */
bool results_have_room(const struct results *r, uint32_t n_open);
void results_check_room(struct results *r);
/* Set while they have; recomputed on every commit and acknowledgement. */
act_event *results_room(struct results *r);
void results_ack(struct results *r, uint64_t seq);
/* Held lines in memory, in bytes. */
size_t results_held_bytes(const struct results *r);

/* ---- reading ---- */

struct tail *results_tail(struct results *r);
uint64_t results_last_seq(const struct results *r); /* committed */
/* The number the next line gets, held ones aside. */
uint64_t results_next_seq(const struct results *r);
uint64_t results_bytes(const struct results *r); /* of all lines committed in this life */
/* Of n_open leaves those that hold no slot: they wait for limits or between attempts. */
uint64_t results_waiting(const struct results *r, uint64_t n_open);
/* Committed lines by class, dropped ones included. */
void results_counted(const struct results *r, uint64_t ret[3]);

/* ---- the committer: one task of the job ---- */

struct results_committer {
	act_co co;
	int rc;
	struct results *r; /* in */
	act_msg *m;
	act_scope *scope;
	struct store_batch *batch;
};
int results_commit_step(act_self *self, void *frame);
/* It ends once all that was written is committed. */
void results_close(struct results *r);
