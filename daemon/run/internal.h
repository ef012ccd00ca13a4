/*
 * internal -- the layouts that the files of this floor share; nobody outside includes it.
 *
 * Names begin with rt_ and the noun of the file that defines them.
 *
 * Invariants (checked where DEBUG_CHECKS is defined):
 *  1. a header and its state are touched by the shard's thread only;
 *  2. a slot has at most one entry in each run ring (IN_LO, IN_HI, which survive the actor: a stale
 *     entry is skipped, or serves the next life of the slot); QUEUED means there is one;
 *  3. behaviours and steps run from the turn only, never from a send, a grant or a cancel;
 *  4. a wait node is on at most one list, and each wait ends exactly once, in rt_task_wake;
 *  5. what must be delivered has its cell before it is needed.
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
	void *state;	     /* of a task: its struct task */
	act_msg *tail;	     /* mailbox: circular, tail->next is the oldest; NULL: empty */
	struct sysnode *sys; /* undelivered signals: circular through in.next, the youngest */
	struct more *more;   /* what most actors lack; NULL until needed */
	uint32_t gen;
	uint32_t depth; /* above cap only by prepared deliveries */
	uint16_t cap, high_water;
	uint8_t run, sig, flags, overflow;
	uint32_t received;
	uint32_t why; /* of SIG_CANCEL */
};
_Static_assert(sizeof(struct actor) == 64, "one cache line");

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
	struct link link; /* in task->holds, youngest last */
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
	act_scope *scope; /* innermost */
	act_scope *home;  /* the one it was born in; scopes it opened lie between */
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
	struct act_wheel_node timer; /* of a sleep, or the limit of a wait */
	int64_t since_ns;
	struct link holds;
	struct defer_cell *defers;
	const char *name;
	act_id parent;
	void *arg;
	act_cleanup arg_dtor;
	act_group *group; /* NULL: a root task */
	struct child *child;
	act_err *err;
	void *granted; /* see granted_is */
	/* What it waits for. */
	union {
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
			act_msg *reply;	  /* reserved */
			act_msg **ret_m;
			act_id target;
			uint32_t seq;
		} ask;
	} w;
};

static inline void *rt_task_frame(struct task *t)
{
	return (char *)t + ((sizeof(*t) + 15) & ~(size_t)15);
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
	uint32_t *free_slot;
	uint32_t n_free_slot, cap_free_slot;
	uint8_t no;
	bool is_stopping; /* act_shard_free is under way */
	int32_t budget;
	uint32_t n_outbox;
	struct runq lo, hi;
	struct slab cells, mores, scopes, groups;
	struct slab_set blocks;
	int64_t now_ns;
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
	/* Written by other threads. */
	_Alignas(64) struct inbox_node *inbox;
	uint32_t is_sleeping, is_asked_to_stop;
	uint64_t n_wakes;
};

#define COUNT(sh, name, by)                                                                        \
	__atomic_store_n(&(sh)->stats.name, (sh)->stats.name + (uint64_t)(by), __ATOMIC_RELAXED)

/* ---- ids ---- */

enum { SLOT_BITS = 24, SLOT_MAX = (1 << SLOT_BITS) - 1 };

static inline uint32_t rt_id_slot(act_id id)
{
	return (uint32_t)(id >> 32) & SLOT_MAX;
}

static inline uint8_t rt_id_shard(act_id id)
{
	return (uint8_t)(id >> 56);
}

static inline uint32_t rt_slot_of(const act_shard *sh, const struct actor *a)
{
	return (uint32_t)(a - sh->actors);
}

static inline act_id rt_id(const act_shard *sh, const struct actor *a)
{
	return (act_id)sh->no << 56 | (act_id)rt_slot_of(sh, a) << 32 | a->gen;
}

/* The living local actor, or NULL. */
static inline struct actor *rt_find(const act_shard *sh, act_id id)
{
	uint32_t slot = rt_id_slot(id);
	if (__builtin_expect(rt_id_shard(id) != sh->no || slot >= sh->n_slots, 0))
		return NULL;
	struct actor *a = &sh->actors[slot];
	return __builtin_expect(a->gen == (uint32_t)id && a->run != RUN_FREE, 1) ? a : NULL;
}

static inline bool rt_is_task(const struct actor *a)
{
	return (a->flags & FLAG_TASK) != 0;
}

static inline struct task *rt_task(const struct actor *a)
{
	return a->state;
}

static inline struct actor *rt_task_actor(const act_shard *sh, const struct task *t)
{
	return &sh->actors[t->slot];
}

static inline act_id rt_task_id(const act_shard *sh, const struct task *t)
{
	return rt_id(sh, rt_task_actor(sh, t));
}

/* The running task, or NULL if actor code that is none. */
static inline struct task *rt_me(const act_self *self)
{
	return self->a != NULL && rt_is_task(self->a) ? rt_task(self->a) : NULL;
}

/* ---- scheduling ---- */

static inline void rt_enqueue(act_shard *sh, struct actor *a)
{
	a->run = RUN_QUEUED;
	if (__builtin_expect((a->flags & FLAG_HIGH) != 0, 0)) {
		if ((a->flags & FLAG_IN_HI) == 0) {
			a->flags |= FLAG_IN_HI;
			rt_runq_push(&sh->hi, rt_slot_of(sh, a));
		}
	} else if ((a->flags & FLAG_IN_LO) == 0) {
		a->flags |= FLAG_IN_LO;
		rt_runq_push(&sh->lo, rt_slot_of(sh, a));
	}
}

/* A plain actor, before the others: signals, completions. */
static inline void rt_enqueue_high(act_shard *sh, struct actor *a)
{
	if (a->run == RUN_RUNNING)
		return; /* looks for itself when the behaviour returns */
	a->run = RUN_QUEUED;
	if ((a->flags & FLAG_IN_HI) == 0) {
		a->flags |= FLAG_IN_HI;
		rt_runq_push(&sh->hi, rt_slot_of(sh, a));
	}
}

/* ---- messages ---- */

static inline act_msg *rt_cell(act_shard *sh)
{
	return rt_slab_take(&sh->cells);
}

static inline void rt_cell_free(act_shard *sh, void *cell)
{
	rt_slab_give(&sh->cells, cell);
}

static inline void rt_msg_free(act_shard *sh, act_msg *m)
{
	if (__builtin_expect((m->flags & ACT_MSG_OWNED) != 0, 0) && m->buf.dtor != NULL)
		m->buf.dtor(m->buf.ptr);
	rt_cell_free(sh, m);
}

static inline void rt_mail_append(struct actor *a, act_msg *m)
{
	if (a->tail == NULL) {
		m->next = m;
	} else {
		m->next = a->tail->next;
		a->tail->next = m;
	}
	a->tail = m;
	if (++a->depth > a->high_water && a->depth <= UINT16_MAX)
		a->high_water = (uint16_t)a->depth;
}

static inline act_msg *rt_mail_shift(struct actor *a)
{
	act_msg *m = a->tail->next;
	if (m == a->tail)
		a->tail = NULL;
	else
		a->tail->next = m->next;
	a->depth--;
	return m;
}

/* ---- tasks ---- */

static inline bool rt_is_cancelled(const struct task *t)
{
	return t->scope->is_effective || ((t->flags & TASK_CANCELLED) != 0 && t->scope == t->home);
}

/* Each await begins here: the running task in *ret_t, or why there is none. */
static inline int rt_await(act_self *self, struct task **ret_t)
{
	struct task *t = rt_me(self);
	if (__builtin_expect(t == NULL || t->wait_of != WAIT_NONE, 0))
		return ACT_EBUG;
	*ret_t = t;
	return __builtin_expect(rt_is_cancelled(t), 0) ? ACT_ECANCELED : ACT_OK;
}

static inline int rt_park(act_shard *sh, struct task *t, enum wait_of kind)
{
	t->wait_of = (uint8_t)kind;
	t->since_ns = sh->now_ns;
	COUNT(sh, parked, 1);
	return ACT_WAIT;
}

static inline void rt_granted(struct task *t, enum granted kind, void *what)
{
	t->granted_is = (uint8_t)kind;
	t->granted = what;
}

/* The one end of a wait. The node must be off its list. */
static inline void rt_task_wake(act_shard *sh, struct task *t, int result)
{
	CHECK_DEBUG(t->wait_of != WAIT_NONE && t->wait_of != WAIT_GRANTED);
	t->result = result;
	t->wait_of = WAIT_GRANTED;
	if (__builtin_expect(rt_wheel_armed(&t->timer), 0))
		rt_wheel_remove(&sh->wheel, &t->timer);
	rt_enqueue(sh, rt_task_actor(sh, t));
}

/* An operation that could be completed at once: rc, or a turn for the others first. */
static inline int rt_done(act_shard *sh, struct task *t, int rc)
{
	if (__builtin_expect(--sh->budget > 0, 1))
		return rc;
	t->result = rc;
	t->wait_of = WAIT_GRANTED;
	rt_enqueue(sh, rt_task_actor(sh, t));
	return ACT_WAIT;
}

/* Ends a wait by cancel; a wait that a cancel does not end goes on. */
void rt_task_interrupt(act_shard *sh, struct task *t, int result);
/* Only this task: what it opened is the caller's to reach. */
void rt_task_kill_one(act_shard *sh, struct task *t);
/* No step any more; children it has opened groups for are killed as well. */
void rt_task_kill(act_shard *sh, struct task *t);
/* Makes a task, not yet queued; 0: no memory (arg_dtor has not run). */
struct task *rt_task_new(act_shard *sh, act_step step, size_t frame_bytes,
			 const struct act_task_opts *opts, act_scope *home, act_id parent);
/* The activation of a task; who is running is set. */
void rt_task_run(act_shard *sh, struct actor *a);
/* Goes on with the end of a task whose left children have ended. */
void rt_task_end(act_shard *sh, struct task *t, int rc);
/* EDEADLK if `on` waits, over any chain of at most 64, for t. */
bool rt_task_would_circle(act_shard *sh, const struct task *t, act_id on);
/* Timer of the wait: a sleep's end, or its limit. */
void rt_task_timer(act_shard *sh, struct task *t);

extern const act_class rt_task_class;

/* ---- actors ---- */

/* A header for a new actor; NULL: at the limit, no memory. Counted as live, run IDLE. */
struct actor *rt_actor_new(act_shard *sh, const act_class *cls, uint16_t cap);
/* Signals that wait, with what act_more asked for or without; other than OK ends the actor. */
int rt_actor_signals(act_shard *sh, struct actor *a, bool with_more);
/* Activations of a turn. */
void rt_turn_run(act_shard *sh);
/* Everything after defers and fini: mail, answers owed, promises, the slot, then DOWN.
 * Takes over err. */
void rt_actor_release(act_shard *sh, struct actor *a, int rc, act_err *err);
/* Ends a plain actor: defers, fini, release. */
void rt_actor_end(act_shard *sh, struct actor *a, int rc);
/* NULL: no memory. */
struct more *rt_actor_more(act_shard *sh, struct actor *a);
/* Sets who is running, returns who was. */
static inline struct act_self rt_enter(act_shard *sh, struct actor *a)
{
	struct act_self was = sh->self;
	sh->self.a = a;
	__atomic_store_n(&sh->self.id, rt_id(sh, a), __ATOMIC_RELAXED);
	sh->self.m = NULL;
	return was;
}
bool rt_defer_push(act_shard *sh, struct defer_cell **list, act_defer_fn fn, void *arg);
void rt_defer_run(act_shard *sh, struct defer_cell **list);

/* ---- signals ---- */

/* Appends a reserved node to the receiver's signals; the node is freed if it is dead. */
void rt_sys_deliver(act_shard *sh, struct sysnode *n, struct actor *to, void *ptr);
void rt_sys_free(act_shard *sh, struct sysnode *n);
/* The actor's end: fires what others wait for, forgets what it waited for. */
void rt_sys_fire_watchers(act_shard *sh, struct link *watchers, int rc, act_err *err);
void rt_sys_forget(act_shard *sh, struct more *more);
/* The mailbox is half empty: who asked hears of it. */
void rt_sys_resume(act_shard *sh, struct actor *a);
void rt_sys_monitor_from_far(act_shard *sh, act_id target, act_id watcher, uint64_t ref);
void rt_sys_demonitor_from_far(act_shard *sh, act_id target, act_id watcher, uint64_t ref);
void rt_sys_down_from_far(act_shard *sh, act_id to, const act_msg *m);
bool rt_sys_abandon_exit(act_shard *sh, struct task *t);
void rt_cancel_actor(act_shard *sh, struct actor *a, int why);
void rt_kill_actor(act_shard *sh, struct actor *a);
void rt_stop_actor(act_shard *sh, struct actor *a);
void rt_timer_fire(act_shard *sh, struct act_timer *timer);
void rt_timer_clear_all(act_shard *sh, struct more *more);

/* ---- mailbox ---- */

/* A message has left the mailbox of a: whoever waits for room goes on. */
void rt_mailbox_room(act_shard *sh, struct actor *a);
/* A request leaves the mailbox: handed out, or discarded (then the asker gets EDEAD). False: its
 * asker is gone; skip it. */
bool rt_ask_taken(act_shard *sh, act_msg *m);
void rt_ask_discarded(act_shard *sh, act_msg *m);
/* Gives a parked receiver its mail. */
void rt_task_give_mail(act_shard *sh, struct actor *a);
/* Puts an accepted message in and makes the receiver runnable. */
static inline void rt_mailbox_put(act_shard *sh, struct actor *a, act_msg *m)
{
	rt_mail_append(a, m);
	if (a->run == RUN_IDLE)
		rt_enqueue(sh, a);
	else if (a->run == RUN_PARKED)
		rt_task_give_mail(sh, a);
}
/* Whether one more message is accepted now; applies DROP_OLD. ACT_OK, EFULL, EDEAD, or EXIT: to be
 * dropped silently (DROP_NEW). */
int rt_mailbox_admit(act_shard *sh, struct actor *a);
void rt_mailbox_discard(act_shard *sh, struct actor *a);
/* The target has ended: all it owes is answered EDEAD. */
void rt_ask_target_dead(act_shard *sh, struct more *more);
/* There is room for the request of a task waiting for it. */
void rt_ask_admitted(act_shard *sh, struct task *t, struct actor *target);
bool rt_ask_abandon_room(act_shard *sh, struct task *t);
bool rt_ask_abandon_reply(act_shard *sh, struct task *t);
act_id rt_ask_owner(act_shard *sh, struct task *t);
/* The answer is an error. */
void rt_ask_fail(act_shard *sh, uint64_t token, int rc);
/* From other shards. */
void rt_ask_from_far(act_shard *sh, act_id to, act_msg *m);
void rt_ask_reply_from_far(act_shard *sh, const act_msg *m);
void rt_ask_gone_from_far(act_shard *sh, act_id to, uint64_t remote);
/* Commits the outbox. */
void rt_cast_commit(act_shard *sh);
act_msg *rt_msg_make(act_shard *sh, act_id from, uint32_t type, const void *p, size_t len);
act_msg *rt_msg_make_buf(act_shard *sh, act_id from, uint32_t type, void *owned, size_t len,
			 act_cleanup dtor);

/* ---- scopes, groups ---- */

void rt_scope_init(act_shard *sh, act_scope *s, act_scope *parent, struct task *opener,
		   bool is_shield);
void rt_scope_set_deadline(act_shard *sh, act_scope *s, int64_t deadline_ns);
void rt_scope_cancel(act_shard *sh, act_scope *s, int why, const char *reason);
/* Marks s and what is below it, and interrupts. */
void rt_scope_propagate(act_shard *sh, act_scope *s);
void rt_scope_kill_tasks(act_shard *sh, act_scope *s, struct task *but);
void rt_scope_expired(act_shard *sh, struct act_wheel_node *node);
/* What the body's rc becomes when the scope closes. */
int rt_scope_outcome(const struct task *t, const act_scope *s, int rc, bool *timed_out);
/* Leaves and frees the innermost scope of t. */
void rt_scope_leave(act_shard *sh, struct task *t);
int64_t rt_scope_deadline(const act_scope *s);
act_err *rt_group_child_ended(act_shard *sh, struct task *t, int rc, act_err *err);
int rt_group_verdict(act_shard *sh, act_group *g);
bool rt_group_abandon_pending(act_shard *sh, struct task *t);
bool rt_group_leave_wait(act_shard *sh, struct task *t);
/* The error of a group: shares the children's references. */
act_err *act_err_new_group(const char *message, const char *name, act_err *const *child,
			   uint32_t n);
/* Leaves the group's scope and frees it and what it still has. */
void rt_group_free(act_shard *sh, act_group *g);

/* ---- the rest ---- */

struct hold *rt_hold_new(act_shard *sh, struct task *t, const struct hold_kind *kind, void *object);
struct hold *rt_hold_find(struct task *t, const struct hold_kind *kind, const void *object);
void rt_hold_free(act_shard *sh, struct hold *h);
void rt_hold_end_all(act_shard *sh, struct task *t, int rc);

bool rt_sem_abandon(act_shard *sh, struct task *t);
bool rt_lock_abandon(act_shard *sh, struct task *t);
act_id rt_lock_waits_for(act_shard *sh, struct task *t);
bool rt_event_abandon(act_shard *sh, struct task *t);
bool rt_queue_abandon_put(act_shard *sh, struct task *t);
bool rt_queue_abandon_get(act_shard *sh, struct task *t);
bool rt_queue_abandon_join(act_shard *sh, struct task *t);
bool rt_stream_abandon_emit(act_shard *sh, struct task *t);
bool rt_stream_abandon_next(act_shard *sh, struct task *t);
/* The first waiter of a list, taken off it; NULL: none. */
static inline struct task *rt_waiter_shift(struct link *waiters)
{
	struct link *l = list_pop_front(waiters);
	return l != NULL ? LIST_ENTRY(l, struct task, wait) : NULL;
}
/* Wakes all with the same result. */
static inline void rt_waiters_wake(act_shard *sh, struct link *waiters, int result)
{
	struct task *t;
	while ((t = rt_waiter_shift(waiters)) != NULL)
		rt_task_wake(sh, t, result);
}

void rt_timers_run(act_shard *sh);
/* Takes what other threads left; true if there was something. */
bool rt_inbox_take(act_shard *sh);
bool rt_inbox_is_empty(const act_shard *sh);
/* Any thread: wakes it if it sleeps. */
void rt_shard_rouse(act_shard *sh);
void rt_inbox_push(act_shard *sh, struct inbox_node *n);
bool rt_offload_abandon(act_shard *sh, struct task *t);
/* The task has seen the result; or is killed, and its argument goes. */
void rt_offload_settle(struct act_job *job, bool is_killed);
void rt_offload_done(act_shard *sh, struct act_job *job);

/* What goes to other shards; see mesh. */
enum wire {
	WIRE_MSG,
	WIRE_DELIVER, /* past the cap */
	WIRE_ASK,
	WIRE_REPLY,
	WIRE_REPLY_ERROR,
	WIRE_GONE,
	WIRE_STOP,
	WIRE_CANCEL,
	WIRE_KILL,
	WIRE_MONITOR,
	WIRE_DEMONITOR,
	WIRE_DOWN,
};
/* Copies m out; its payload moves, the cell stays the caller's. False: no room now. */
bool rt_mesh_send(act_shard *sh, enum wire kind, act_id to, const act_msg *m);
/* The same, must be delivered: kept aside when there is no room. */
void rt_mesh_must_send(act_shard *sh, enum wire kind, act_id to, const act_msg *m);
/* Whether the id's shard exists. */
bool rt_mesh_has(const act_shard *sh, act_id id);
bool rt_mesh_take(act_shard *sh);
bool rt_mesh_is_empty(const act_shard *sh);
void rt_mesh_flush(act_shard *sh);
void rt_mesh_wait_way(act_shard *sh, struct task *t, uint8_t to);
bool rt_mesh_abandon_way(act_shard *sh, struct task *t);
void rt_mesh_attach(act_mesh *mesh, act_shard *sh);
void rt_mesh_detach(act_mesh *mesh, act_shard *sh);
