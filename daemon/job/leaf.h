/*
 * leaf -- all that the verbs of a job know of the outside: a table of functions the job actor
 * fills in (actor/leaf_fetch, actor/job). Nothing below actor/ includes anything of actor/.
 *
 * A leaf runs as a stackless call inside the task of the verb: its frame begins with the struct
 * that tells it what to do, the rest is its own and zero when it begins. It returns ACT_OK once the
 * outcome is committed and stands in .out, whatever the outcome is (also `cancelled`); nothing
 * else but ACT_WAIT is ever returned.
 * Threads: the shard of the job.
 */
#pragma once

#include "job/outcome.h"
#include "run/task.h"

struct bodypiece;
struct named_ask;
struct task;
struct store_batch;
struct store_body;
struct store_query;
struct store_rows;

/* A fetch: head of its frame. The leaf writes its one line by results.h. */
struct leaf_fetch {
	struct task *task; /* path, names, policy of retry: see task.h */
	struct outcome out;
};

/* A program: head of its frame, as with a fetch. How it ended stands in the task. */
struct leaf_exec {
	struct task *task;
};

struct leaf_port {
	void *ctx;
	size_t fetch_size; /* bytes of its whole frame */
	act_step fetch;	   /* frame: struct leaf_fetch and what follows */
	/* What of the frame needs freeing once it has ended or its task was killed. */
	void (*fetch_fini)(struct leaf_fetch *frame);
	size_t exec_size;
	act_step exec; /* frame: struct leaf_exec and what follows */
	void (*exec_fini)(struct leaf_exec *frame);
	/* Awaits: the reply's payload is the batch with its outcome (a struct store_batch), or the
	 * reading with its rows (a struct store_rows); act_drop frees it. The batch and the texts
	 * of the query are taken care of whatever happens. */
	int (*apply)(act_self *self, void *ctx, struct store_batch *batch, act_msg **ret_m);
	int (*read)(act_self *self, void *ctx, const struct store_query *q, act_msg **ret_m);
	const struct store_rows *(*rows)(act_msg *m);
	/* A piece of the body that row names; NULL: no memory, or no place for bodies. */
	struct bodypiece *(*body)(void *ctx, const struct store_body *row, size_t length);
	/* Awaits: a worker reads it. After ACT_ECANCELED it is gone, else the caller's again. */
	int (*piece)(act_self *self, void *ctx, struct bodypiece *piece);
	/* Awaits the answer (job/named.h) of a named object; NULL gives ENOMEM. The ask is taken
	 * care of whatever happens; who asks is filled in. Longer than any default wait. */
	int (*named_ask)(act_self *self, void *ctx, struct named_ask *ask, act_msg **ret_m);
	void (*named_tell)(act_self *self, void *ctx, struct named_ask *ask);
	/* Awaits `cost` tokens of a limit of the configuration; the message says what came of it:
	 * permit_of takes the grant out, NULL: refused, with kind and message. Given back when it
	 * is no longer needed; dropped where there is no act_self. */
	int (*permit)(act_self *self, void *ctx, const struct task *t, struct slice key,
		      int64_t cost, act_msg **ret_m);
	void *(*permit_of)(act_msg *m, enum kind *ret_kind, const char **ret_message);
	void (*permit_back)(act_self *self, void *ctx, void *permit);
	void (*permit_drop)(void *permit);
	/* Something that followers or the client's feed wait for may have changed. */
	void (*stirred)(act_self *self, void *ctx);
};
