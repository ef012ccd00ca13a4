/*
 * task -- the evaluation of one node of the tree: modifiers outside in, then the verb.
 *
 * A task is run by task_step, a stackless call in whatever runtime task it lives in: its own (a
 * child of group, gather, any, each) or its parent's (a child of sequence, a handler, a source).
 * It ends with ACT_OK always; how it ended stands in .out. Its memory comes from a pool of the
 * job, its verb's frame lies behind it.
 * Threads: the job's shard.
 */
#pragma once

#include "base/list.h"
#include "job/jobenv.h"
#include "job/names.h"
#include "job/outcome.h"
#include "job/results.h"
#include "job/spec.h"
#include "run/scope.h"

/* What a task waits for, for `explain`. */
enum task_wait {
	TASK_RUNS,
	TASK_WAITS_CHILDREN,
	TASK_WAITS_LIMIT,
	TASK_WAITS_NAMED,
	TASK_WAITS_RESPONSE,
	TASK_WAITS_BACKOFF,
	TASK_WAITS_COMMIT,
	TASK_WAITS_ITEMS,
	TASK_WAITS_READER,
	TASK_WAITS_RESUME,
	TASK_WAITS_TIME,
	TASK_WAITS_TAKER,
	TASK_WAITS_PLACE,
	TASK_WAITS
};

const char *task_wait_text(enum task_wait w);

struct mods;
struct taken;
struct taken_settle;
struct children;

struct task {
	struct link all;  /* of the job: every live task */
	struct link link; /* of its children struct, once it has ended */
	struct task *next_free;
	act_co co;
	int rc;
	struct jobenv *env;
	const struct node *node;
	struct task *up; /* the evaluation it belongs to; NULL: root */
	uint64_t index;	 /* of its item, below an each; of a page */
	const struct names *names;
	struct slice
		page_url;  /* of a page: asked for instead of the first; borrowed; n 0: the first */
	struct names item; /* its own binding, below an each */
	char *raw;	   /* malloc'd text of the item, or NULL */
	struct outcome out;
	struct mods *mods;
	struct late_node *late; /* node is its, once late members have been read; NULL: none */
	struct taken *taken;	/* items of queues it holds (job/taken.h) */
	struct taken_settle *settling; /* their end, once it has begun */
	struct children *owner;	       /* if it is a runtime task of its own */
	bool is_started, wants_value;
	bool wants_text;     /* its value's body is cut into items: it is kept, whatever its size */
	int64_t begun_ns;    /* shard's clock */
	bool is_told;	     /* its env's n_told counts it */
	bool is_marked;	     /* its item's end is already in a chunk's `done` */
	bool is_again;	     /* an item that an order to retry has opened again */
	uint64_t supersedes; /* of such an item: the seq of the line its new one replaces */
	enum task_wait wait;
	int64_t wait_since_ns, wait_until_ns; /* shard's clock; until 0: not known */
	char frame[] __attribute__((aligned(16)));
};

/* NULL: no memory. up and names may be NULL (root). */
struct task *task_new(struct jobenv *env, const struct node *node, struct task *up,
		      const struct names *names);
/* Also of one that was killed in the middle. NULL is allowed. */
void task_free(struct task *t);
/* Runs it to its end; see above. */
int task_step(act_self *self, void *task);

/* Reads what of its node is known only now. False: the task has been failed. */
bool task_reads_late(struct task *t, enum late_phase phase);

/* "0.3.c1". Errors: those of bytes. */
enum err task_path(const struct task *t, struct bytes *out);
/* The same into a buffer of the caller; cut if too long. */
#define TASK_PATH_MAX 512
struct slice task_path_in(const struct task *t, char buf[TASK_PATH_MAX]);

static inline void task_waits(struct task *t, enum task_wait w, int64_t now_ns, int64_t until_ns)
{
	t->wait = w;
	t->wait_since_ns = now_ns;
	t->wait_until_ns = until_ns;
}

/* Whose turn its lines are in an ordered job. */
struct results_turn task_turn(const struct task *t);
/* Failed and handled leaves of a task below are those of this one too. */
void task_sum(struct task *t, const struct outcome *below);
/* n of the failed leaves below have been dealt with. */
void task_handled(struct task *t, uint64_t n);
/* It has ended well: what is not well below it stays as it is, also if the job is tried again. */
void task_settled(struct task *t);

/* ---- how a verb says how it ended; each replaces what was there ---- */

/* Takes over value (may be NULL). */
void task_ok(struct task *t, json_t *value);
void task_fail(struct task *t, enum kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Takes over the failure. */
void task_fail_with(struct task *t, struct failure *f);
/* Cancelled, or out of time: by the reason of the scope it runs in. */
void task_cancelled(act_self *self, struct task *t);
/* As the one below it, which was cancelled from outside of both. */
void task_cut_by(struct task *t, const struct task *below);
/* For rc of an await that is not OK: cancelled, or `internal`. */
void task_await_failed(act_self *self, struct task *t, int rc);
