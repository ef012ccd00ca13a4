/*
 * verb -- what there is of a verb at run time: one row per verb, one file per row (verb_*.c).
 *
 * A verb's step runs as a stackless call with its task as frame; its own state is t->frame, zeroed.
 * It ends with ACT_OK and has said by task_ok, task_fail, task_cancelled how. fini frees what the
 * state holds, but no tasks: those of a killed job are freed by jobenv, flat.
 */
#pragma once

#include "job/task.h"

struct verb_ops {
	size_t frame_size; /* 0: the port says (fetch) */
	act_step step;	   /* NULL: this verb cannot be run by this daemon */
	void (*fini)(struct task *t);
};

const struct verb_ops *verb_ops(enum verb v);
/* Whether `retry` is the business of the verb itself, which tells all attempts in one line. */
static inline bool verb_retries_itself(enum verb v)
{
	return v == VERB_FETCH || v == VERB_EXEC;
}
/* Refuses, by name, what a valid job may hold and this daemon does not run. True: all runs. */
bool verb_check(const struct job_spec *spec, struct bytes *ret_sentence);
/* Leaves that a task which never started leaves unstarted. */
uint64_t verb_leaves(const struct node *n);

int verb_fetch_step(act_self *self, void *task);
void verb_fetch_fini(struct task *t);
int verb_exec_step(act_self *self, void *task);
void verb_exec_fini(struct task *t);
int verb_group_step(act_self *self, void *task);
void verb_group_fini(struct task *t);
int verb_gather_step(act_self *self, void *task);
void verb_gather_fini(struct task *t);
int verb_each_step(act_self *self, void *task);
void verb_each_fini(struct task *t);
int verb_sequence_step(act_self *self, void *task);
void verb_sequence_fini(struct task *t);
int verb_fallback_step(act_self *self, void *task);
void verb_fallback_fini(struct task *t);
int verb_any_step(act_self *self, void *task);
void verb_any_fini(struct task *t);
int verb_sleep_step(act_self *self, void *task);
int verb_emit_step(act_self *self, void *task);
void verb_emit_fini(struct task *t);
int verb_fail_step(act_self *self, void *task);
int verb_put_step(act_self *self, void *task);
int verb_take_step(act_self *self, void *task);
int verb_word_step(act_self *self, void *task); /* set, clear */
int verb_wait_step(act_self *self, void *task);
void verb_named_fini(struct task *t); /* of all five */
