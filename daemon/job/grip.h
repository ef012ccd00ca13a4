/*
 * grip -- what a task holds of a lock, a semaphore or a limit's key: one entry of its `with`.
 *
 * Durable: once granted, a row that says so is committed before the task goes on, and another that
 * says the contrary before anybody else gets it; so what an earlier life held is held again.
 * Threads: the job's shard.
 */
#pragma once

#include "job/task.h"

/* Of a limit: given back by whoever holds it, or dropped with it. */
struct grip_permit {
	void *permit; /* NULL: none */
	void (*drop)(void *permit);
};

struct grip {
	act_co co;
	int rc;
	struct task *t;		    /* in */
	uint32_t i;		    /* in: of its `with` */
	struct bytes *name;	    /* in: empty at first; what was taken, until it is given back */
	struct grip_permit *permit; /* in: where a permit stands */
	bool is_held;		    /* out */
	bool is_back;		    /* this life has not asked for it before */
	bool was_held;		    /* an earlier life had it: its row is there */
	act_msg *m;
	struct results_wait wait;
};

/* A step: until it is held; else the task's outcome says why not. */
int grip_take(act_self *self, void *grip);
/* A step: gives it back, cancelled or not. */
int grip_leave(act_self *self, void *grip);
