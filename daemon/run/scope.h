/*
 * scope -- cancellation and deadlines: every task runs in exactly one innermost scope.
 *
 * A scope is effectively cancelled if it is cancelled, or not shielded and its parent is. It is a
 * level, not an edge: while it holds, every await of every task inside returns ECANCELED at once.
 * Nothing clears it but leaving the scope or opening a shielded one. Cancel goes downwards only;
 * the first reason is kept; cancelling twice or a closed scope does nothing.
 *
 *	struct limited { act_co co; int rc; act_scope *s; };
 *	static int limited_step(act_self *self, void *frame)
 *	{
 *		struct limited *f = frame;
 *		CO_BEGIN(&f->co);
 *		f->s = act_scope_open(self, 500 * NS_PER_MS);
 *		if (f->s == NULL)
 *			return ACT_ENOMEM;
 *		CO_AWAIT(&f->co, f->rc, act_sleep(self, NS_PER_S));
 *		return act_scope_close(self, f->s, f->rc, NULL); // ACT_ETIMEDOUT
 *		CO_END(&f->co);
 *	}
 *
 * Scopes of a task nest strictly: closing another than the innermost is EBUG. What a task has left
 * open is closed at its end. Deadlines are absolute, on the shard's clock; the effective one is the
 * earliest of the chain up to and including the first shield.
 */
#pragma once

#include "run/task.h"

typedef struct act_scope act_scope;

/* For those who do not own the scope: stale ones are harmless. Same shard only. */
struct act_scope_ref {
	act_scope *scope;
	uint64_t serial;
};

enum act_why {
	ACT_WHY_NONE,
	ACT_WHY_CANCEL,	 /* asked for */
	ACT_WHY_TIMEOUT, /* own deadline */
	ACT_WHY_SIBLING, /* a task of the group failed */
	ACT_WHY_ENOUGH,	 /* FIRST_OK has its answer */
	ACT_WHY_LINK,	 /* a linked actor failed */
};

enum { ACT_FOREVER = -1 };

/* timeout_ns: ACT_FOREVER = none, 0 = born cancelled (timed out). NULL: no memory. Tasks only. */
act_scope *act_scope_open(act_self *self, int64_t timeout_ns);
act_scope *act_scope_open_at(act_self *self, int64_t deadline_ns);
/* Cuts off the cancellation from outside, for cleanup that awaits; always bounded: timeout_ns <= 0
 * means 5 s. */
act_scope *act_scope_shield(act_self *self, int64_t timeout_ns);
/* Moves the own deadline (INT64_MAX: none); without effect once the scope is cancelled. */
void act_scope_set_deadline(act_self *self, act_scope *s, int64_t deadline_ns);
/* why: enum act_why or any number; reason is copied (at most 63 bytes), may be NULL. */
void act_scope_cancel(act_self *self, act_scope *s, int why, const char *reason);
struct act_scope_ref act_scope_ref(act_scope *s);
void act_scope_cancel_ref(act_self *self, struct act_scope_ref r, int why, const char *reason);
/*
 * Ends the innermost scope. rc is the body's. If the own deadline fired, *timed_out (may be NULL)
 * is true, and a body that returned ECANCELED, OK or EXIT becomes ETIMEDOUT; other errors stay.
 * Cancelled otherwise or from outside: rc passes untouched. EBUG if s is not the innermost.
 * Move on after a timeout: ignore ETIMEDOUT.
 */
int act_scope_close(act_self *self, act_scope *s, int rc, bool *timed_out);
/* Effective deadline of the calling task; INT64_MAX = none. */
int64_t act_deadline(act_self *self);
/* Of the calling task's innermost scope. */
bool act_is_cancelled(act_self *self);
/* Why the nearest cancelled scope of the calling task was; ACT_WHY_NONE if none. *ret_reason (may
 * be NULL) is valid until that scope closes. */
int act_cancel_why(act_self *self, const char **ret_reason);
