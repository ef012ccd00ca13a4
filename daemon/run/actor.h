/*
 * actor -- lightweight actors: private state, one bounded mailbox, a behaviour per message.
 *
 * A behaviour runs to completion on its shard's thread, is never re-entered and never runs from
 * inside a send. Every function here with an `act_self *` may be called only from actor code (a
 * behaviour, a step, a defer, init, fini) of that shard, on its thread, and never blocks.
 *
 *	struct counter { uint64_t sum; };
 *	static int counter_on_msg(act_self *self, void *state, act_msg *m)
 *	{
 *		struct counter *c = state;
 *		c->sum += m->word[0];
 *		return act_send(self, m->from, TOTAL, &c->sum, sizeof(c->sum)) == ACT_ENOMEM
 *			       ? ACT_ENOMEM : ACT_OK;
 *	}
 *	static const act_class counter = {
 *		.name = "counter", .state_size = sizeof(struct counter), .on_msg = counter_on_msg};
 *
 * Cost       An idle actor is 64 bytes and its state; a send and its handling, some 10 ns.
 * Order      FIFO per sender and receiver. Signals overtake mail; act_stop does not.
 * Ownership  A send takes the payload only when it returns ACT_OK; refused, it stays the caller's.
 *            A message belongs to the runtime again when the behaviour returns, unless taken.
 *            Every payload's dtor runs exactly once.
 * Bounds     The mailbox counts user messages only. Replies, signals and deliveries prepared
 *            beforehand need no room in it and cannot be refused.
 */
#pragma once

#include "run/acterr.h"

struct rng;
typedef struct act_shard act_shard;
typedef struct act_self act_self;

/* Frees a payload, an argument, a value. Runs on the owning thread; must not call act_*. */
typedef void (*act_cleanup)(void *p);
/* A deferred action: may use whatever does not park (act_deliver, act_reply, releases). */
typedef void (*act_defer_fn)(act_self *self, void *arg);

enum { ACT_INLINE = 32 };

/* One cell of 64 bytes. Read payloads through act_data and act_len. */
typedef struct act_msg {
	struct act_msg *next; /* the runtime's; free for the owner of a taken message */
	uint32_t type;
	uint16_t len; /* of inline payload */
	uint16_t flags;
	act_id from;	/* 0: not an actor */
	uint64_t token; /* != 0: a reply is wanted, see act_reply */
	union {
		uint8_t p[ACT_INLINE];
		uint64_t word[ACT_INLINE / 8];
		struct {
			void *ptr;
			size_t len;
			act_cleanup dtor; /* NULL: nothing to free */
		} buf;
	};
} act_msg;

enum { ACT_MSG_OWNED = 1, ACT_MSG_REDELIVERED = 2 };

static inline void *act_data(act_msg *m)
{
	return (m->flags & ACT_MSG_OWNED) ? m->buf.ptr : m->p;
}

static inline size_t act_len(const act_msg *m)
{
	return (m->flags & ACT_MSG_OWNED) ? m->buf.len : m->len;
}

/* ---- signals: they overtake mail, need no room and cannot be refused ---- */

enum act_sig_kind {
	ACT_SIG_CANCEL,	  /* rc = why */
	ACT_SIG_DOWN,	  /* from ended: ref of the monitor, rc (ACT_EXIT or < 0), err or NULL */
	ACT_SIG_EXIT,	  /* a linked actor failed (class flag TRAPS_EXIT): from, rc, err */
	ACT_SIG_TIMER,	  /* ptr = the struct act_timer */
	ACT_SIG_RESUME,	  /* the mailbox asked for with act_resume_when_free has room: from */
	ACT_SIG_MORE,	  /* what act_more asked for */
	ACT_SIG_ASK_GONE, /* ref = token whose asker has given up (class flag WANTS_ASK_GONE) */
	ACT_SIG_WORK,	  /* act_offload_signal ended: ref = tag, rc, ptr = arg */
};

struct act_sig {
	enum act_sig_kind kind;
	int rc;
	act_id from;
	uint64_t ref;
	void *ptr;
	const act_err *err; /* valid during the call; act_err_ref to keep */
};

/* ---- classes ---- */

enum {
	ACT_CLASS_WANTS_ASK_GONE = 1,
	ACT_CLASS_TRAPS_EXIT = 2,
	ACT_CLASS_STOP_IS_CANCEL = 4, /* act_stop comes as ACT_SIG_CANCEL */
};

enum act_overflow { ACT_REJECT, ACT_DROP_NEW, ACT_DROP_OLD };

/* Behaviours return ACT_OK to go on, ACT_EXIT to end well, < 0 to fail. */
typedef struct act_class {
	const char *name;
	size_t state_size; /* zeroed before init; 16-byte aligned */
	uint32_t flags;
	int (*init)(act_self *, void *state, const void *arg); /* NULL: nothing; < 0: no actor */
	int (*on_msg)(act_self *, void *state, act_msg *m);
	/* NULL: MORE, RESUME, DOWN, TIMER, ASK_GONE, WORK are ignored, CANCEL ends the actor. */
	int (*on_signal)(act_self *, void *state, const struct act_sig *sig);
	/* why: ACT_EXIT, what failed, ACT_ECANCELED, ACT_EKILLED. After the defers. */
	void (*fini)(act_self *, void *state, int why);
	/* Members of a JSON object ("\"n\":3") for people; may be NULL. */
	void (*dump)(struct bytes *out, const void *state);
} act_class;

struct act_opts {
	const char *name; /* must live as long as the actor; NULL: the class's */
	uint16_t cap;	  /* user messages; 0 = 64 */
	uint8_t overflow; /* enum act_overflow */
	bool high;	  /* runs before the others */
	bool link;	  /* linked to its parent from birth */
};

/* ---- life ---- */

/* On the caller's shard; init runs inside the call (it may send, spawn, set timers). 0: no memory,
 * the limit of actors, or init failed. opts may be NULL. */
act_id act_spawn(act_self *self, const act_class *cls, const void *arg,
		 const struct act_opts *opts);
/* Within its own init: what people see it named as, which lives as long as its state. Only of one
 * that was spawned with a name. */
void act_rename(act_self *self, const char *name);
act_id act_whoami(const act_self *self);
act_shard *act_myshard(const act_self *self);
/* opts.user of the shard: the way to daemon state without statics. */
void *act_user(const act_self *self);
/* The shard's clock, as read at the start of the turn or later within it. */
int64_t act_now_ns(const act_self *self);
struct rng *act_rng(act_self *self);
bool act_is_alive(act_self *self, act_id id); /* local ids only; remote: false */

/* After the mail sent before it; from then on sends to it are EDEAD. Cannot fail. */
void act_stop(act_self *self, act_id id);
/* A task: everything it awaits fails with ECANCELED. An actor: ACT_SIG_CANCEL. Idempotent. */
void act_cancel(act_self *self, act_id id, int why);
/* No more of its behaviour or steps; only defers and fini run. */
void act_kill(act_self *self, act_id id);
/* ACT_SIG_DOWN{ref} when target ends, at once (rc EDEAD) if it has. Its node is reserved now.
 * Errors: ENOMEM. Actors only; a task awaits act_await_exit. */
int act_monitor(act_self *self, act_id target, uint64_t ref);
/* Drops all monitors of the caller on target with this ref that have not fired. */
void act_demonitor(act_self *self, act_id target, uint64_t ref);
/* Both ways: the failure of one cancels the other, or is ACT_SIG_EXIT to a class that traps.
 * Errors: ENOMEM, EDEAD. Local ids only (EINVAL). */
int act_link(act_self *self, act_id peer);

/* LIFO; runs on exit, failure, cancel and kill alike, before fini. Errors: ENOMEM (fn not kept). */
int act_defer(act_self *self, act_defer_fn fn, void *arg);
/* Forgets the youngest equal defer without running it; false if there is none. */
bool act_undefer(act_self *self, act_defer_fn fn, void *arg);

/* ---- mail ---- */

/* Copies p: up to ACT_INLINE bytes into the cell, more into a malloc'd block.
 * Errors: EFULL (also: no room on the way to another shard), EDEAD, ENOMEM. */
int act_send(act_self *self, act_id to, uint32_t type, const void *p, size_t len);
/* Moves a buffer; dtor(ptr) runs when the message is dropped, on the receiver's thread. */
int act_send_buf(act_self *self, act_id to, uint32_t type, void *owned, size_t len,
		 act_cleanup dtor);
/* Sends a message made by act_msg_new or taken; owned by the runtime only on ACT_OK. */
int act_send_msg(act_self *self, act_id to, act_msg *m);
/* As act_send, but committed later in the turn, in order, with the receiver's memory fetched
 * beforehand: for fan-out over many cold actors. A refusal is counted and the payload dropped. */
int act_cast(act_self *self, act_id to, uint32_t type, const void *p, size_t len);
/* A message outside any mailbox, for queues and act_send_msg; NULL: no memory. */
act_msg *act_msg_new(act_self *self, uint32_t type, const void *p, size_t len);
act_msg *act_msg_new_buf(act_self *self, uint32_t type, void *owned, size_t len, act_cleanup dtor);
/* In a behaviour: keeps m beyond it; act_drop it later, on this shard. Returns m. */
act_msg *act_take(act_self *self, act_msg *m);
void act_drop(act_self *self, act_msg *m);
/* After EFULL from `full`: ACT_SIG_RESUME once its depth is at most half its cap. Of many who wait,
 * as many at a time, in the order of asking, as there is room for batches of 64; all when it is
 * empty. Errors: EDEAD, ENOMEM. Local ids only (EINVAL). */
int act_resume_when_free(act_self *self, act_id full);

/*
 * A release that must not fail: the cell is reserved now, delivered later past the cap; to the dead
 * it is a dead letter and the dtor runs. Usable from defers. Each prepared message is delivered or
 * unprepared exactly once. p and len may be set at delivery by writing to the cell (act_data).
 */
act_msg *act_prepare(act_self *self, uint32_t type, const void *p,
		     size_t len); /* NULL: no memory */
void act_deliver(act_self *self, act_id to, act_msg *m);
void act_unprepare(act_self *self, act_msg *m);

/*
 * Answers the ask whose message carried `token`; from any handler of any actor of the shard where
 * the ask was received, any time later. Needs no room, cannot be refused. The first answer counts;
 * one to a void token (asker gone, answered) drops the payload and counts as dead. len above
 * ACT_INLINE is copied to the heap; without memory the asker gets ENOMEM.
 */
void act_reply(act_self *self, uint64_t token, uint32_t type, const void *p, size_t len);
void act_reply_buf(act_self *self, uint64_t token, uint32_t type, void *owned, size_t len,
		   act_cleanup dtor);
/* The ask returns rc (< 0) and no message. */
void act_reply_error(act_self *self, uint64_t token, int rc);

/* ---- fairness ---- */

/* ACT_SIG_MORE to the caller after the others had their turn; coalesces, cannot fail. */
void act_more(act_self *self);
/* False: this activation's share is used up; return and act_more. */
bool act_budget(act_self *self);

/* ---- timers of actors: embedded in the state, zeroed before first use ---- */

struct act_wheel_node {
	struct act_wheel_node *next, *prev;
	uint64_t tick : 62;
	uint64_t kind : 2;
};

struct act_timer {
	struct act_wheel_node node;
	struct act_timer *next_of_owner, *prev_of_owner;
	struct act_timer *next_fired;
	act_id owner;
	uint64_t state;
};

/* Fires once as ACT_SIG_TIMER; setting again re-arms. Never early; late by at most 1 ms and a turn.
 * Disarmed at the actor's end. The timer must lie in memory that lives as long as the actor or be
 * cleared before. O(1), cannot fail. Actors only: tasks have act_sleep and scopes. */
void act_timer_set(act_self *self, struct act_timer *t, int64_t after_ns);
void act_timer_set_at(act_self *self, struct act_timer *t, int64_t at_ns);
/* After this it does not fire, even if it was due. */
void act_timer_clear(act_self *self, struct act_timer *t);
bool act_timer_is_set(const struct act_timer *t);
