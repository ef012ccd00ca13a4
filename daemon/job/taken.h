/*
 * taken -- the items of queues that a task holds until it ends: a success makes them done with,
 * anything else puts them back. What becomes of them is committed before anybody above the task
 * hears of its end, and only if the task still is who holds them; so it happens once, whatever is
 * gone through again after a crash.
 *
 * Threads: the job's shard.
 */
#pragma once

#include "job/named.h"
#include "job/task.h"

struct taken {
	struct taken *next;
	uint64_t index; /* of the item of an each that it is */
	uint64_t n;
	uint32_t tries;
	struct slice name;
	char text[];
};

/* NULL: no memory. */
struct taken *taken_new(struct slice name, uint64_t n, uint32_t tries);
void taken_free(struct taken *list);
/* Who holds it: "j7 0.3". */
struct slice taken_session(const struct task *holder, char buf[NAMED_SESSION_MAX]);
/* With the next commit: path, the task's, holds the item. Nothing for volatile jobs. */
void taken_put(struct jobenv *env, struct slice path, const struct taken *x);
/* With the next commit: it goes back, through no fault; and: an item that nobody holds in the store
 * is done with. */
void taken_put_back(struct jobenv *env, struct slice path, const struct taken *x);
void taken_skip(struct jobenv *env, struct slice name, uint64_t n);
/* What an earlier life of the task held, into t->taken. */
void taken_recall(struct task *t);

struct taken_settle {
	act_co co;
	int rc;
	struct task *t;
	struct taken *now;
	enum named_op op;
	struct results_wait wait;
};
/* Frees what is left of a task. */
void taken_fini(struct task *t);
/* Whether t holds anything; then t->settling is ready, by what t->out says. */
bool taken_ends(struct task *t);
/* A step: all of it is done with or back. frame: t->settling. */
int taken_settle(act_self *self, void *settle);
