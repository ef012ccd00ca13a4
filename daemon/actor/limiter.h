/*
 * limiter -- the one place where anything waits for a limit: rules of the configuration, the rate
 * and concurrency of a job, the concurrency of its `each`es, the pool of an origin. Each is a key.
 *
 * All keys of a request are taken in one step, or none. A request that must wait stands at the one
 * key that first refused it, in a lane with the requests of its job that need the same keys; there
 * it is tried again when the key can give, all keys at once, keeping its ticket. Within a job FIFO,
 * between users round robin, between jobs weighted by priority, with ageing.
 *
 * A key with a rate or quota persists: grants run only up to a horizon that the store has
 * committed (at most 0.5 s of the rate, or one token), and a start resumes at the horizon. Running
 * it counts by the clock of the shard; stored are wall instants with the offset between both clocks
 * and the number of the boot, so that a jump of the wall clock neither fills nor blocks a key.
 *
 *	CO_AWAIT(&f->co, f->rc, limit_acquire(self, limiter, limit_ticket_new(&ask), &f->m));
 *	if (f->rc != ACT_OK) ...            cancelled, or no memory: nothing was taken
 *	f->ticket = limit_granted(f->m);    NULL: refused, see limit_refused(f->m)
 *	act_drop(self, f->m);
 *	...
 *	limit_release(self, limiter, f->ticket, &outcome);
 *
 * Threads    the shard of the limiter; whoever asks lives there too.
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "model/rules.h"
#include "proto/errors.h"
#include "run/task.h"

enum limit_msg {
	LIMIT_ACQUIRE = 0x4c00, /* leaf, asks: struct limit_ticket, owned */
	LIMIT_RELEASE,		/* leaf: struct limit_ticket, owned; see limit_release */
	LIMIT_JOB_END,		/* job: struct limit_job_end. Its own keys go */
	LIMIT_EXPLAIN,		/* job, control, ask: struct limit_explain_ask */
	LIMIT_KEYS,		/* control, asks: struct limit_keys_ask */
	LIMIT_RELOAD,		/* daemon: struct rules * inline, a reference of the limiter's */
	LIMIT_GRANTED,		/* reply: the ticket, owned */
	LIMIT_REFUSED,		/* reply: struct limit_refusal, owned */
	LIMIT_ROWS,		/* reply to EXPLAIN and KEYS: struct limit_rows, owned */
};

#define LIMIT_OWN_MAX	     4	   /* own limits of one request: the job's and nested each's */
#define LIMIT_NAMED_KEYS_MAX 65536 /* keys kept; the longest idle ones go first */
#define LIMIT_ORIGIN_DEFAULT 6	   /* concurrency of an origin that no rule matches */
#define LIMIT_REFUNDS_MAX    10	   /* attempts of a task that a block may refund */
#define LIMIT_HORIZON_NS     (NS_PER_S / 2)

/* A limit of the job itself. A scope is known by (job, scope). */
struct limit_own {
	uint32_t scope;	      /* 0: the job's `limits`; else a number of the `each` in its job */
	uint32_t concurrency; /* 0: none */
	struct rate rate;     /* n == 0: none */
	uint32_t burst;
};

/* What is asked for. All borrowed until limit_ticket_new returns. */
struct limit_ask {
	const struct rules *rules; /* the daemon's current ones, for `header` */
	uint64_t job;		   /* unique in the daemon, volatile ones included */
	bool is_durable;	   /* its own rate outlives a kill */
	uint64_t leaf;		   /* comes back in explain rows */
	uint32_t uid;
	uint8_t priority;			 /* 1 to 9 */
	struct slice origin;			 /* url_origin; empty: own limits alone count */
	struct slice host, domain, path, method; /* domain may be empty: the host then */
	uint16_t port;
	/* Value of a request header, p == NULL: none. Called at once; may be NULL. */
	struct slice (*header)(void *ctx, struct slice name);
	void *header_ctx;
	struct limit_own own[LIMIT_OWN_MAX];
	uint32_t n_own;
	int64_t deadline_ns; /* clock of the shard; 0 or INT64_MAX: none */
	uint32_t attempt;    /* 1: the first; above, a retry budget may refuse it */
	/* A permit: no request, but `cost` tokens of the configured limit of that name. origin and
	 * what follows are empty then. */
	struct slice key;
	uint32_t cost;
	bool is_front; /* a redirect hop, or its token lapsed: before the others of its job */
};

struct limit_ticket;

/* NULL: no memory. */
struct limit_ticket *limit_ticket_new(const struct limit_ask *ask);
/* Await. Takes the ticket in any case; NULL gives ENOMEM. Waits as long as it takes. */
int limit_acquire(act_self *self, act_id limiter, struct limit_ticket *t, act_msg **ret_m);
/* Takes the ticket out of the answer; NULL: it was refused. */
struct limit_ticket *limit_granted(act_msg *m);

struct limit_refusal {
	/* LIMIT_WAIT, CIRCUIT_OPEN, MEMORY, CLOSED; KIND_NONE: the retry budget is spent: the
	 * attempt before stands as it ended. */
	enum kind kind;
	int64_t waited_ns;
	char message[256];
};
/* NULL: it was granted. Valid until the message is dropped. */
const struct limit_refusal *limit_refused(const act_msg *m);

/* Of a granted ticket. */
int64_t limit_ticket_waited_ns(const struct limit_ticket *t);
/* The request line must be out before (clock of the shard), else the token has lapsed: release it
 * as LIMIT_UNUSED and ask again with is_front. INT64_MAX: no rate, nothing lapses. */
int64_t limit_ticket_use_before_ns(const struct limit_ticket *t);
/* This request's share of the bandwidth of its keys; 0: no limit. */
int64_t limit_ticket_bandwidth(const struct limit_ticket *t);

enum limit_use {
	LIMIT_UNUSED, /* nothing was sent: the tokens go back if they still can */
	LIMIT_USED,
};

struct limit_outcome {
	enum limit_use use;
	bool failed;		/* no response, or one that a circuit counts (5xx) */
	int status;		/* 0: none */
	int64_t retry_after_ms; /* of the response, retryafter_parse; < 0: none */
};

/* Whether such an answer blocks its key, so that the attempt is not counted (at most
 * LIMIT_REFUNDS_MAX times in a task): 429 or 503 with Retry-After. */
static inline bool limit_is_refunded(const struct limit_outcome *o, uint32_t refunds)
{
	return refunds < LIMIT_REFUNDS_MAX && o->retry_after_ms >= 0 &&
	       (o->status == 429 || o->status == 503);
}

/* Gives everything back; cannot fail; also from defers. NULL is ignored. */
void limit_release(act_self *self, act_id limiter, struct limit_ticket *t,
		   const struct limit_outcome *o);
/* The same where there is no act_self (cleanups of a killed task): as LIMIT_USED without status,
 * within a second. NULL is ignored. */
void limit_abandon(struct limit_ticket *t);

struct limit_job_end {
	uint64_t job;
};

/* The job has ended: its own keys go. Cannot fail, also from defers; without memory they stay. */
void limit_job_ended(act_self *self, act_id limiter, uint64_t job);

/* ---- what people ask ---- */

struct limit_explain_ask {
	uint64_t job;
	uint64_t leaf; /* UINT64_MAX: all of the job */
	uint32_t max;  /* 0 = 256 */
};

struct limit_keys_ask {
	uint64_t after; /* 0; then the last row's serial */
	uint32_t max;	/* 0 = 256 */
};

/* Why a key refused. */
enum limit_why {
	LIMIT_WHY_CONCURRENCY,
	LIMIT_WHY_RATE,
	LIMIT_WHY_QUOTA,
	LIMIT_WHY_BLOCKED, /* by the server's Retry-After */
	LIMIT_WHY_CIRCUIT, /* half open: one probe at a time */
	LIMIT_WHY_STORE,   /* the horizon is being committed */
	LIMIT_WHYS
};
const char *limit_why_text(enum limit_why w);

/* EXPLAIN: one waiting request. KEYS: one key. Times of the shard's clock; 0: unknown. */
struct limit_row {
	uint64_t job, leaf; /* EXPLAIN */
	uint64_t serial;    /* of the key */
	char key[96];	    /* cut */
	enum limit_why why;
	uint32_t position;   /* requests that will be tried before it; 0 = the next */
	int64_t since_ns;    /* it waits since */
	int64_t until_ns;    /* not before; 0: nobody knows */
	uint64_t behind_job; /* whose request is tried next; 0: its own */
	/* KEYS: */
	struct limits limits;
	uint32_t held, waiting, concurrency_now;
	int64_t blocked_until_ns;
};

struct limit_rows {
	uint32_t n;
	bool more;
	struct limit_row row[];
};

/* ---- life ---- */

struct limiter_opts {
	struct rules *rules;	   /* a reference is taken; NULL: none */
	act_id store;		   /* actor/store of the durable store; 0: nothing persists */
	const struct clock *clock; /* wall_ns; running time is the shard's */
	uint64_t boot_id;	   /* the same number as long as the machine has not been booted */
	const struct log *log;
	uint64_t seed;	      /* of hashes */
	uint32_t max_keys;    /* 0 = LIMIT_NAMED_KEYS_MAX */
	uint32_t connections; /* requests under way at once, of all origins; 0: no limit */
};

/* Asks that come before the store has answered wait. 0: no memory. */
act_id limiter_spawn(act_self *parent, const struct limiter_opts *opts);
