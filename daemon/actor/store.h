/*
 * actor/store -- the store's front: orders, groups, bounds and answers what goes to a struct store.
 *
 * One instance for the durable store (its work runs on two offload classes, one commit and one read
 * under way at a time), one for the volatile store (memory: served on the spot).
 *
 * Writes     STORE_APPLY and STORE_READ may be sent or asked. Asked (act_ask_buf): the reply is
 *            STORE_APPLIED / STORE_ROWS. Sent by an actor (act_send_buf): the same message is
 *            delivered to the sender, past its mailbox's cap. The object goes back to the asker
 *            with its outcome; .tag is the sender's own. If the sender is gone, it is freed.
 * Order      answers come in the order of arrival, after the commit, one by one.
 * Grouping   a commit takes all that arrived during the last one (at most STORE_COMMIT_OPS ops and
 *            STORE_COMMIT_BYTES). An urgent batch (submission, command, "every slot waits") starts
 *            it at once; others wait for 256 result lines, 256 KiB or 5 ms.
 * Barrier    an empty urgent batch is answered when all before it is committed.
 * Outcomes   batch->result: ERR_OK committed; EXISTS, CONFLICT, NOT_FOUND, FULL as edge/store.h
 *            says; BUSY: more than STORE_PENDING_BYTES wait and the batch brings new work. On a
 * full disk new work (JOB_PUT, FEED_ADD) is refused with FULL, the rest waits until there is room
 * again. Nothing is ever answered after a failed sync: fatal is called once, with a line for the
 * log, and the process has to end.
 */
#pragma once

#include "base/clock.h"
#include "base/list.h"
#include "edge/store.h"
#include "run/actor.h"

enum {
	STORE_APPLY = 0x5301, /* in: struct store_batch *, owned; dtor store_batch_drop */
	STORE_READ,	      /* in: struct store_reading *, owned; dtor store_reading_drop */
	STORE_APPLIED,	      /* out: the batch */
	STORE_ROWS,	      /* out: the reading */
	STORE_SETTINGS,	      /* in: struct store_settings, inline; nobody is answered */
};

#define STORE_COMMIT_OPS    1000
#define STORE_COMMIT_BYTES  (4u << 20)
#define STORE_PENDING_BYTES (64u << 20)
#define STORE_WAIT_LINES    256
#define STORE_WAIT_BYTES    (256u << 10)
#define STORE_WAIT_NS	    (5 * NS_PER_MS)

/* For act_send_buf and act_ask_buf. */
void store_batch_drop(void *batch);

struct store_reading {
	struct store_query query;
	struct store_rows rows;
	enum err result;
	uint64_t tag;
	struct link link; /* the actor's */
	char text[];	  /* the query's own copies */
};

/* Copies q with its texts; NULL on NOMEM. */
struct store_reading *store_reading_new(const struct store_query *q);
void store_reading_drop(void *reading);

/* What a reload may change. */
struct store_settings {
	int64_t default_keep_ns;
	uint64_t max_bytes;
};

struct store_actor_opts {
	struct store *store; /* outlives the actor */
	const struct clock *clock;
	const struct log *log;
	struct fault *fault;
	uint8_t writer_class, reader_class; /* of the offload pool; unused for memory */
	/* Pruning, once per prune_every_ns (0 = 10 s) and on until done. */
	int64_t prune_every_ns, default_keep_ns;
	uint64_t max_bytes;
	/* Called once, on the actor's thread. */
	void *fatal_ctx;
	void (*fatal)(void *ctx, const char *why);
};

/* 0: no memory. Its mailbox is large enough for all who may write at once. */
act_id store_actor_spawn(act_self *parent, const struct store_actor_opts *opts);
