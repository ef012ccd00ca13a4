/*
 * limiter_state -- what the files of the limiter share. Nobody else includes it.
 *
 *	limiter.c        messages, and trying requests when a key can give again
 *	limiter_keys.c   keys: by name, by origin, of a job; what a request counts under
 *	limiter_key.c    one key: whether it can give, taking, giving back, blocks
 *	limiter_line.c   who waits at a key, and who is next
 *	limiter_ticket.c tickets, for those who ask
 *	limiter_store.c  horizons and blocks in the store
 *	limiter_rows.c   rows for people
 */
#pragma once

#include "actor/limiter.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/rng.h"
#include "base/table.h"
#include "model/adapt.h"
#include "model/circuit.h"
#include "model/quota.h"

struct limiter;
struct store_rows;

/* Beside its own and those of rules: its origin, and all connections. */
#define LIMIT_KEYS_OF_ONE (LIMIT_OWN_MAX + RULES_HITS_MAX + 2)

enum limit_key_kind { LIMIT_KEY_RULE, LIMIT_KEY_JOB, LIMIT_KEY_ORIGIN, LIMIT_KEY_ALL };

/* A key that a row of the store speaks of, before anybody has asked for it. */
struct saved_key {
	int64_t tat_ns, blocked_ns; /* clock of the shard */
	int64_t offset_ns;	    /* of the times in quota */
	char *quota;		    /* texts of limiter_store.c; NULL: none */
	size_t quota_n;
};

struct limit_key {
	uint64_t serial;
	char *name;
	uint32_t name_n;
	enum limit_key_kind kind;
	bool is_blockable; /* an answer of a server may block it */
	bool is_gone;	   /* in no table any more: freed with its last reference */
	struct limits limits;
	const struct rule *rule; /* whose limits these are; identity only */
	bool is_stale;		 /* rule is of a configuration that is no more */

	uint32_t refs; /* routes, tickets, a commit under way */
	uint32_t held; /* granted and not released */
	uint32_t n_waiting;
	struct link users; /* of struct line_user, limiter_line.c */
	double user_time;
	struct link by_use; /* named keys: longest unused first */
	int64_t used_ns;
	struct link of_job;

	struct gcra pace;
	struct quota quota[RULES_QUOTAS_MAX];
	uint32_t n_quota; /* that are initialised */
	struct circuit circuit;
	struct adapt adapt;
	struct retry_budget budget;
	int64_t blocked_ns; /* until */
	bool must_probe;    /* after the block one request goes first */
	uint32_t probes;    /* of blocks, under way */

	/* What the store has promised to remember. */
	bool persists;
	bool is_saved;			      /* there is a row */
	bool is_dirty;			      /* in limiter.dirty */
	bool is_saving;			      /* in the commit under way */
	bool is_urgent;			      /* somebody waits for the horizon */
	int64_t horizon_ns;		      /* tat may go up to here */
	int64_t quota_credit;		      /* tokens that may be taken */
	int64_t next_horizon_ns, next_credit; /* of the commit under way */
	int64_t credit_then;		      /* when it was made */
	int64_t want_cost;		      /* of who waits for the horizon */
	struct link dirty;

	struct heap_node ready; /* in limiter.ready while it waits for a time */
	int64_t ready_ns;
};

/* Requests of one job that need the same keys, in order; stands at one key. */
struct limit_lane {
	struct link in_line; /* of its job at the key, by the number of its head */
	struct link of_job;
	struct link tickets;
	uint32_t n;
	struct limit_job *job;
	struct limit_key *at;
	struct line_job *line;
	enum limit_why why;
	int64_t since_ns;
	uint32_t id_n;
	uint64_t id[LIMIT_KEYS_OF_ONE + 1]; /* job, serials of the keys: its name in the table */
};

struct limit_job {
	uint64_t id;
	uint32_t uid;
	uint8_t priority;
	uint32_t refs; /* keys and lanes */
	struct link keys, lanes;
};

/* One key of a request, and what was taken of it. */
struct limit_use_of {
	struct limit_key *key;
	uint32_t cost;
	bool was_probe; /* of a circuit */
	bool was_block_probe;
	int64_t tat_after_ns; /* of its pace */
};

enum ticket_state { TICKET_NEW, TICKET_WAITING, TICKET_GRANTED };

struct limit_ticket {
	struct link link; /* in a lane, in limiter.early or .lost */
	struct limit_ticket *next_of_token;
	struct limiter *limiter; /* once it has arrived */
	enum ticket_state state;
	uint64_t token;
	uint64_t number; /* order within its job */
	struct limit_lane *lane;
	bool has_waited;
	int64_t since_ns, granted_ns, use_before_ns, bandwidth;
	struct limit_outcome outcome;
	uint32_t n_use;
	struct limit_use_of use[LIMIT_KEYS_OF_ONE];
	/* what was asked */
	uint64_t job, leaf;
	uint32_t uid, attempt;
	uint8_t priority;
	bool is_durable, is_front;
	int64_t deadline_ns;
	uint32_t n_own;
	struct limit_own own[LIMIT_OWN_MAX];
	uint16_t port;
	uint32_t cost; /* of a permit for key */
	struct slice key, origin, host, domain, path, method;
	struct rules *rules; /* whose header names the values answer; NULL: none */
	struct slice header[RULES_HEADERS_MAX];
	char text[];
};

/* What requests of an origin count under, where that is always the same. */
struct limit_route {
	struct link by_use;
	int64_t used_ns;
	char *origin;
	uint32_t origin_n;
	bool is_constant;
	uint32_t n;
	struct limit_use_of use[RULES_HITS_MAX + 2];
};

struct limiter {
	act_self *self; /* during a behaviour */
	act_id id;
	int64_t now_ns;
	const struct clock *clock;
	const struct log *log;
	struct rng rng;
	uint64_t seed, boot_id;
	uint32_t max_keys, connections;
	struct rules *rules;

	struct table named;  /* name -> limit_key: rules and origins */
	struct table own;    /* (job, scope) -> limit_key */
	struct table jobs;   /* id -> limit_job */
	struct table routes; /* origin -> limit_route */
	struct table lanes;  /* id -> limit_lane */
	struct table saved;  /* name -> saved_key */
	struct link keys_by_use, routes_by_use;
	uint64_t next_serial, next_number, next_front;

	struct limit_ticket **by_token; /* waiting tickets */
	uint32_t n_by_token, cap_by_token;
	struct link lost;  /* granted tickets whose holders are gone */
	struct link early; /* asked before the store had answered */
	uint32_t n_granted;

	struct heap ready;
	struct act_timer ready_timer, sweep_timer;
	int64_t sweep_at_ns; /* of the sweep timer, while it is set */
	int64_t ready_at_ns; /* what ready_timer is set to */

	act_id store;
	bool is_loading, is_committing;
	int64_t commit_began_ns, commit_took_ns; /* the last one, from plan to answer */
	bool is_short; /* of memory: the sweep looks at all keys somebody waits for */
	struct link dirty, saving;
	char **forget; /* rows to drop with the next commit */
	uint32_t n_forget, cap_forget;

	/* The actor has ended; freed when the last granted ticket has been dropped. */
	bool is_closed;
};

/* ---- limiter_key.c ---- */

/* Whether the key can give cost now. False: *ret_why and, if it is known, *ret_until_ns (else 0).
 */
bool limit_key_gives(struct limiter *l, struct limit_key *k, uint32_t cost, enum limit_why *ret_why,
		     int64_t *ret_until_ns);
/* It has said it gives. is_late: the request had waited. */
void limit_key_take(struct limiter *l, struct limit_use_of *u, bool is_late);
void limit_key_give_back(struct limiter *l, struct limit_use_of *u, int64_t granted_ns,
			 const struct limit_outcome *o);
/* Until when a request may use what it was given; INT64_MAX: for ever. */
int64_t limit_key_use_before(const struct limiter *l, const struct limit_use_of *u);
/* A server said so. */
void limit_key_block(struct limiter *l, struct limit_key *k, int64_t retry_after_ms);
/* New limits, keeping what is owed. Errors: NOMEM (a quota less). */
enum err limit_key_apply(struct limiter *l, struct limit_key *k, const struct limits *limits);
bool limit_key_is_fresh(struct limiter *l, struct limit_key *k);
uint32_t limit_key_concurrency(const struct limit_key *k);

/* ---- limiter_keys.c ---- */

/* Fills t->use, each key with a reference. Errors: NOMEM, FULL. */
enum err limit_keys_resolve(struct limiter *l, struct limit_ticket *t);
void limit_keys_drop(struct limiter *l, struct limit_ticket *t);
void limit_key_unref(struct limiter *l, struct limit_key *k);
void limit_keys_job_end(struct limiter *l, uint64_t job);
/* Calls fn for every key somebody waits at; fn must not add keys. */
void limit_keys_waited_for(struct limiter *l, void (*fn)(struct limiter *l, struct limit_key *k));
struct limit_job *limit_job_get(struct limiter *l, const struct limit_ticket *t);
void limit_job_unref(struct limiter *l, struct limit_job *j);
void limit_keys_reload(struct limiter *l, struct rules *rules);
/* Lets go what has long been idle. */
void limit_keys_sweep(struct limiter *l);
/* When the first of them is long unused; INT64_MAX: there are none. */
int64_t limit_keys_idle_at(const struct limiter *l);
void limit_keys_fini(struct limiter *l);

/* ---- limiter_line.c ---- */

/* Puts t into its lane; a lane that is new stands at `at`. Errors: NOMEM. */
enum err limit_line_add(struct limiter *l, struct limit_ticket *t, struct limit_key *at,
			enum limit_why why);
/* Takes t out; its lane goes when it is empty. */
void limit_line_remove(struct limiter *l, struct limit_ticket *t);
/* The lane whose head is to be tried next at k; NULL: none. */
struct limit_lane *limit_line_next(struct limiter *l, struct limit_key *k);
/* The head of the lane was granted at its key: its user and job are charged. */
void limit_line_charge(struct limiter *l, struct limit_lane *lane);
/* Errors: NOMEM (it stays where it was). */
enum err limit_line_move(struct limiter *l, struct limit_lane *lane, struct limit_key *to,
			 enum limit_why why);
struct limit_ticket *limit_lane_head(const struct limit_lane *lane);
struct limit_ticket *limit_token_find(struct limiter *l, uint64_t token);

/* ---- limiter_ticket.c ---- */

void limit_ticket_free(struct limit_ticket *t);
/* For messages that are dropped. */
void limit_ticket_drop(void *t);

/* ---- limiter_store.c ---- */

void limit_store_load(struct limiter *l);
/* Rows of the store; the last ones end l->is_loading. */
void limit_store_rows(struct limiter *l, act_msg *m);
/* Marks the key for the next commit. */
void limit_store_want(struct limiter *l, struct limit_key *k, bool is_urgent);
/* Starts a commit if none is under way and something is marked. */
void limit_store_flush(struct limiter *l);
/* Something is left to tell the store, by the sweep. */
bool limit_store_is_behind(const struct limiter *l);
/* The commit is done: calls woken for each key whose horizon moved. */
void limit_store_committed(struct limiter *l, act_msg *m,
			   void (*woken)(struct limiter *l, struct limit_key *k));
/* What the store remembered of a new key. */
void limit_store_recall(struct limiter *l, struct limit_key *k);
/* The row of that name goes. */
void limit_store_forget(struct limiter *l, const char *name);
/* The same for a name that may never have been asked for since the start. */
void limit_store_forget_saved(struct limiter *l, const char *name);
void limit_store_fini(struct limiter *l);

/* ---- limiter_rows.c ---- */

void limit_rows_explain(struct limiter *l, act_msg *m);
void limit_rows_keys(struct limiter *l, act_msg *m);
