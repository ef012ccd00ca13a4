/*
 * layout -- the structures that the files of this floor share; nobody outside includes it. What is
 * done with them, and the invariants, are in internal.h.
 */
#pragma once

#include "base/check.h"
#include "base/list.h"
#include "base/rng.h"
#include "run/group.h"
#include "run/offload.h"
#include "run/runq.h"
#include "run/shard.h"
#include "run/slab.h"
#include "run/stats.h"
#include "run/sync.h"
#include "run/wheel.h"

enum rt_run { RUN_FREE, RUN_IDLE, RUN_QUEUED, RUN_RUNNING, RUN_PARKED };
enum rt_sig { SIG_CANCEL = 1, SIG_KILL = 2, SIG_MORE = 4, SIG_TIMER = 8, SIG_STOP = 16 };
enum rt_wheel { WHEEL_TIMER, WHEEL_TASK, WHEEL_SCOPE };
enum rt_flag {
	FLAG_TASK = 1,
	FLAG_IN_LO = 2,
	FLAG_IN_HI = 4,
	FLAG_HIGH = 8,
	FLAG_CLOSING = 16, /* stopping or ending: sends are refused */
	FLAG_RESUMES = 32, /* somebody waits for it to have room */
	FLAGS_OF_SLOT = FLAG_IN_LO | FLAG_IN_HI,
};

/* 64 bytes, one cache line; the address follows from the slot. */
struct actor {
	const act_class *cls;
	void *state;   /* of a task: its struct task */
	act_msg *tail; /* mailbox: circular, tail->next is the oldest; NULL: empty */
	union {
		struct sysnode *sys; /* undelivered signals: circular through in.next, youngest */
		struct defer_cell *defers; /* of a task, which is never given nodes */
	};
	struct more *more; /* what most actors lack; NULL until needed */
	uint32_t gen;
	uint32_t depth; /* above cap only by prepared deliveries */
	uint16_t cap, high_water;
	union {
		struct {
			uint8_t run, sig, flags, overflow;
		};
		/* All four at once: a load of the word soon after a store of a byte would stall, so
		 * the ways of nearly all mail read and write nothing but the word. */
		uint32_t status;
	};
	uint32_t received;
	uint32_t why; /* of SIG_CANCEL */
};
_Static_assert(sizeof(struct actor) == 64, "one cache line");

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STATUS(run, sig, flags) ((uint32_t)(run) | (uint32_t)(sig) << 8 | (uint32_t)(flags) << 16)
#else
#define STATUS(run, sig, flags)                                                                    \
	((uint32_t)(run) << 24 | (uint32_t)(sig) << 16 | (uint32_t)(flags) << 8)
#endif

/* Rare parts of an actor, from a slab. */
struct more {
	const char *name;
	act_id parent;
	struct link asks;     /* tasks by ask.link: answers owed */
	struct link proxies;  /* by link: answers owed to other shards */
	struct link watchers; /* sysnodes by in: what this actor's end sets off */
	struct link mine;     /* sysnodes by mine: what others owe this actor */
	struct link waiters;  /* tasks by wait: for room in the mailbox */
	struct act_timer *timers, *fired, *fired_last;
	struct defer_cell *defers;
	act_err *err;
};

/* A promise of a signal: made when the obligation arises, delivered without allocation. */
struct sysnode {
	struct link in;	  /* on watchers; then in.next chains undelivered signals */
	struct link mine; /* on the receiver's list */
	uint32_t kind;	  /* enum act_sig_kind */
	int32_t rc;
	act_id to, from;
	uint64_t ref;
};
/* Once under way `to` is known, and its place holds the error or pointer. */
static inline void *rt_sys_ptr(const struct sysnode *n)
{
	return (void *)(uintptr_t)n->to;
}

struct defer_cell {
	struct defer_cell *older;
	uint64_t n;
	struct {
		act_defer_fn fn;
		void *arg;
	} at[3];
};

/* What a task holds and gives back at its end: permits, a lock, a lent item, a stream's side. */
struct hold_kind;
struct hold {
	struct link link; /* circular, see task->holds */
	struct task *task;
	const struct hold_kind *kind;
	void *object;
	uint64_t n;
	act_msg *item;
	struct link of_object; /* on the object's list of holders */
};
struct hold_kind {
	const char *name;
	/* rc: what the task ends with. Frees nothing. */
	void (*end)(act_shard *sh, struct hold *h, int rc);
};

/* A finished (or to be finished) child of a group. */
struct child {
	struct child *next;
	uint64_t index;
	act_id id;
	void *value;
	size_t value_len;
	act_cleanup value_dtor;
	act_err *err;
	int32_t rc;
	uint32_t spare;
};

union cell {
	act_msg msg;
	struct sysnode sys;
	struct defer_cell defer;
	struct child child;
	uint64_t word[8];
};
_Static_assert(sizeof(union cell) == 64, "one cache line");
enum { MSG_VOID = 0x8000 /* a request whose asker is gone: skipped */ };
enum { CELL_BYTES = 64, BATCH = 64, OUTBOX = 64 };

enum wait_of {
	WAIT_NONE,
	WAIT_GRANTED, /* has its result, waits for its turn */
	WAIT_SLEEP,
	WAIT_RECV,
	WAIT_ROOM, /* in a mailbox, for its request */
	WAIT_WAY,  /* to another shard, for its request */
	WAIT_REPLY,
	WAIT_EXIT,
	WAIT_OP,
	WAIT_OFFLOAD,
	WAIT_PENDING, /* a child not yet let run */
	WAIT_NEXT,
	WAIT_JOIN,
	WAIT_ENDING, /* the task has ended but not the children it left */
	WAIT_SEM,
	WAIT_LOCK,
	WAIT_EVENT,
	WAIT_PUT,
	WAIT_GET,
	WAIT_QUEUE_JOIN,
	WAIT_EMIT,
	WAIT_ITEM,
	WAIT_KINDS
};

struct task;
struct wait_row {
	const char *name;
	/* NULL: a cancel does not end this wait. Takes the task off what it waits for (its node
	 * too) and lets those behind it go on; false: not now, the wait goes on. */
	bool (*abandon)(act_shard *sh, struct task *t);
	/* As abandon, when the task is killed; NULL: abandon does. */
	bool (*kill)(act_shard *sh, struct task *t);
	/* The local actor waited for; 0: none in particular. */
	act_id (*owner)(act_shard *sh, struct task *t);
};
extern const struct wait_row rt_wait_row[WAIT_KINDS];

enum { TASK_STARTED = 1, TASK_CANCELLED = 2, TASK_ENDING = 4, TASK_TIMER_IS_LIMIT = 8 };

/* What the end of a wait put into the task's hands: if it is killed before its step sees it, nobody
 * else will free it. */
enum granted {
	GRANTED_NOTHING,
	GRANTED_MSG, /* received; or refused by a queue, and so the task's again */
	GRANTED_RESULT,
	GRANTED_JOB, /* done; its argument is the task's again */
};

struct task {
	act_step step;
	act_scope *scope; /* innermost; scopes it opened lie between this and its home */
	struct link in_scope;
	struct link wait;
	uint32_t slot;
	uint8_t wait_of;
	uint8_t flags;
	uint8_t granted_is;
	uint8_t spare;
	int result;
	int end_rc;
	uint32_t frame_bytes;
	uint32_t seq;		     /* of its last ask */
	struct act_wheel_node timer; /* of a sleep, or the limit of a wait */
	int64_t since_ns;
	struct hold *holds; /* the oldest; its link.prev is the youngest */
	const char *name;
	void *arg;
	act_cleanup arg_dtor;
	struct child *child; /* NULL: a root task */
	union {
		act_group *group; /* of a child: its home is the group's scope */
		act_id parent;	  /* of a root task: its home is the shard's */
	} of;
	/* What it waits for, or was granted. */
	union {
		struct {
			void *spare[2];
			void *granted; /* see granted_is; after w.on.item, the same mostly */
		};
		struct {
			void *object;
			uint64_t n;
			act_msg *item;
			act_msg **ret_item;
			struct hold *hold; /* made beforehand, so that a grant cannot fail */
		} on;
		struct {
			act_group *group;
			struct act_child_result *ret;
		} next;
		struct {
			int *ret_rc;
			act_id id;
			struct sysnode *watch;
		} exit;
		struct act_op *op;
		struct act_job *job;
		struct {
			struct link link; /* in the target's asks */
			act_msg *request; /* not yet handed out; or waiting for room */
			act_msg *reply;	  /* reserved; until then a struct question */
		} ask;
	} w;
};

_Static_assert(sizeof(struct task) == 192, "three cache lines, then the frame");

/* What is known of an open question, in the cell that its reply will take. */
struct question {
	act_msg **ret_m;
	act_id target;
};
static inline struct question *rt_question(const struct task *t)
{
	return (struct question *)(void *)t->w.ask.reply->p;
}

static inline void *rt_task_frame(struct task *t)
{
	return (char *)t + sizeof(*t);
}

struct act_scope {
	act_scope *parent;
	struct link children; /* scopes by sibling */
	struct link sibling;
	struct link tasks; /* whose innermost scope this is */
	struct task *opener;
	act_group *group; /* NULL: a plain scope */
	int64_t deadline_ns;
	struct act_wheel_node timer;
	uint64_t serial; /* 0: free */
	char *reason;
	int why;
	bool is_cancelled, is_shield, is_effective, is_timed_out;
};

struct act_group {
	act_scope scope; /* first: a group is a scope */
	act_shard *shard;
	const char *name;
	enum act_policy policy;
	uint32_t max_running, running;
	uint64_t live, spawned;
	struct act_err_counts counts;
	uint64_t cause_index;
	bool has_cause, is_joined;
	int join_rc;
	struct link pending; /* tasks by wait: not yet let run */
	struct task *waiter; /* the opener, in NEXT, JOIN or ENDING */
	struct child *finished, *finished_last;
	uint64_t n_finished;
	struct child **by_index; /* made by the first question after the join */
	act_err *errors[ACT_ERR_LEAVES];
	uint32_t n_errors;
	uint64_t n_errors_more;
	act_err *error;
};

/* The stand-in for an asker on another shard. */
struct proxy {
	struct link link; /* in the target's asks */
	uint64_t remote;  /* the asker's token; 0: free */
	act_msg *request; /* not yet handed out */
	act_msg *gone;	  /* cell for ACT_SIG_ASK_GONE */
	act_id target;
	uint32_t index, seq;
};

enum inbox_kind { INBOX_POST, INBOX_JOB };
struct inbox_node {
	struct inbox_node *next;
	enum inbox_kind kind;
};

struct cast {
	act_id to;
	act_msg *m;
};

struct act_self {
	act_shard *sh;
	struct actor *a; /* now running; NULL: nobody */
	act_id id;	 /* its id, or 0; read by a watchdog */
	act_msg *m;	 /* now handled, unless taken */
};

struct act_shard {
	struct act_self self; /* first: act_self and shard are one address */
	struct actor *actors;
	uint32_t n_slots, max_slots;
	uint32_t reach; /* slots that a send may touch at once: n_slots, or 0 with an outbox */
	uint32_t *free_slot;
	uint32_t n_free_slot, cap_free_slot;
	uint32_t first; /* number of the shard, where ids have it: first + slot = id >> 32 */
	uint8_t no;
	bool is_stopping; /* act_shard_free is under way */
	int32_t budget;
	uint32_t n_outbox;
	struct runq lo, hi;
	struct slab cells, mores, scopes, groups;
	struct slab_set blocks;
	int64_t now_ns, trimmed_ns;
	uint64_t live;
	uint64_t next_serial;
	uint32_t next_seq;
	uint32_t hi_in_a_row;
	uint64_t activations; /* read by a watchdog */
	struct act_stats stats;
	act_scope root;
	struct wheel wheel;
	struct cast outbox[OUTBOX];
	struct proxy **proxy;
	uint32_t n_proxy, cap_proxy;
	struct link free_proxies;
	uint64_t n_jobs; /* offloaded and not yet back */
	const struct clock *clock;
	const struct act_loop *loop;
	const struct log *log;
	void *user;
	act_mesh *mesh;
	const struct act_offload_pool *offload;
	struct rng rng, permute;
	bool is_permuted;
	uint32_t turn_messages;
	int64_t turn_ns, slow_turn_ns, default_wait_ns;
	act_msg *answer; /* a cell for what must be told to another shard; with a mesh */
	struct farsig {
		uint64_t *word; /* by slot */
		uint32_t *next; /* by slot: the stack of raised ones */
		uint32_t top;
	} far;
	/* Written by other threads. */
	_Alignas(64) struct inbox_node *inbox;
	uint32_t is_sleeping, is_asked_to_stop;
	uint64_t n_wakes;
};
