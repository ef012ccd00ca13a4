/*
 * mods -- the modifiers of a task, outside in: when finally catch timeout retry with, then verb.
 *
 * Threads: the job's shard.
 */
#pragma once

#include "job/task.h"

/* Whether the node has any that is not the business of its verb (retry of a fetch is). */
bool mods_has(const struct node *n);
/* A step; frame: the task. Ends with ACT_OK, the outcome in the task. */
int mods_step(act_self *self, void *task);
/* Of a task with `retry` that the verb leaves to us: the attempt that runs or waits; 0: none. */
uint32_t mods_attempt(const struct task *t);
/* When its `timeout` is over, clock of the shard; 0: it has none. */
int64_t mods_deadline_ns(const struct task *t);
/* NULL is allowed. */
void mods_free(struct mods *m);
/*
 * For verbs that make their attempts themselves: what `with` holds of named objects is given back
 * before a back-off and taken afresh after it; then t->out says why, if it is not to be had. Steps;
 * frame: the task.
 */
bool mods_hold(const struct task *t);
int mods_let_go(act_self *self, void *task);
int mods_take_again(act_self *self, void *task);
