/*
 * children -- the tasks a verb runs side by side: a group of the runtime, our outcomes.
 *
 *	children_open(self, &f->c, t, CHILDREN_FAIL_FAST)
 *	children_go(self, &f->c, child)		any number of times, also by a child
 *	CO_CALL(&f->co, f->rc, children_next, &f->c)	until c.got is NULL
 *	children_close(self, &f->c)
 *
 * Bounded: a finished child is forgotten once it has been folded; at most FINAL_ERRORS_MAX of the
 * errors are listed. Threads: the job's shard.
 */
#pragma once

#include "job/done.h"
#include "job/task.h"
#include "run/group.h"

enum children_policy {
	CHILDREN_ALL,	    /* nobody is cancelled */
	CHILDREN_FAIL_FAST, /* the first failure cancels the rest */
	CHILDREN_FIRST,	    /* the first success does */
};

struct children {
	struct task *owner;
	act_group *group;
	enum children_policy policy;
	struct link ended;   /* in order of completion */
	struct link refused; /* came too late to start: the group never had them */
	uint32_t n_running;
	act_co co;
	int rc;
	struct act_child_result r;
	struct task *got; /* out of children_next: the caller's; NULL: none is left */
	/* Folded so far: */
	uint64_t n, n_ok, n_failed, n_cancelled, n_never;
	struct outcome below;	/* sums only */
	struct failure *errors; /* a group, or NULL */
};

/* False: no memory (the task has been failed). */
bool children_open(act_self *self, struct children *c, struct task *owner,
		   enum children_policy policy);
/* Takes the child; one that may not start any more (cancelled, no memory) comes out of
 * children_next too, with OUTCOME_NONE. */
void children_go(act_self *self, struct children *c, struct task *child);
/* A task of the verb itself inside the group: it is cancelled with the children and never comes out
 * of children_next. ACT_OK; ACT_ENOMEM; ACT_ECANCELED: it comes too late and never runs. */
int children_help(act_self *self, struct children *c, act_step step, const void *frame,
		  size_t frame_size);
/* A step: the next finished child, in c->got, which is folded already. Runs those that may not
 * start any more and yet began in an earlier life: cancelled as they are. */
int children_next(act_self *self, void *children);
/* Cancels the children. */
void children_cancel(act_self *self, struct children *c, enum act_why why);
/* Counts what was done in an earlier life. */
void children_recall(struct children *c, const struct done_tally *tally);
/* After the last. */
void children_close(act_self *self, struct children *c);
/* Whether a child was cancelled. Unless one of them failed or won, that came from outside of them
 * all; if nothing cancels this scope now, then in an earlier life, and what did has not been
 * recalled yet. The other way round, a scope whose children all came to their own end did so too,
 * cancelled or not. */
static inline bool children_were_cut(const struct children *c)
{
	return c->n_cancelled + c->n_never > 0;
}
/* The errors as a sealed group, the caller's; NULL: none. */
struct failure *children_errors(struct children *c);
void children_fini(struct children *c);
