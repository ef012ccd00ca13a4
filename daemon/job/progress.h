/*
 * progress -- how far a task of a running job is, and why a task has not begun: for `explain`.
 * Threads: the job's shard.
 */
#pragma once

#include "job/task.h"

/* Of the tasks directly below a scope. */
struct progress {
	uint64_t ok, failed, cancelled;
	uint64_t running, waiting; /* begun and not ended */
	uint64_t not_started;	   /* as far as they are known */
};

/* False: it has no tasks of its own below it. */
bool progress_of(const struct task *scope, struct progress *ret);
/* What it does now; scopes wait for their tasks. */
const char *progress_state(const struct task *t);

/* The live task at path; NULL: none. */
struct task *progress_task(const struct jobenv *env, struct slice path);
/* The node that a task at path is an evaluation of; NULL: there is no such place in the job. */
const struct node *progress_node(const struct job_spec *spec, struct slice path);
/* Of a place where no task lives while the job runs: a sentence that says what it waits for. */
void progress_why_not(const struct jobenv *env, struct slice path, struct bytes *out);
