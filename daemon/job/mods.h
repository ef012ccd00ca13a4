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
/* True: this node has a modifier this daemon does not run; *ret_name is its name. */
bool mods_refuse(const struct node *n, const char **ret_name);
