/*
 * leaf_exec_state -- private to leaf_exec*.c: the frame of one program.
 */
#pragma once

#include "actor/job_state.h"
#include "actor/leaf_exec.h"
#include "actor/limiter.h"
#include "edge/runner.h"
#include "job/line.h"
#include "job/task.h"
#include "model/retry.h"

#define EXEC_HISTORY_MAX 64

struct exec {
	struct leaf_exec leaf; /* first: the port's */
	act_co co, co1, co2;   /* all attempts; one; its place */
	int rc;
	struct bytes texts; /* arguments and environment, each with its NUL */
	struct bytes input;
	const char **list; /* into texts: arguments, NULL, environment, NULL */
	const char *const *env;
	int64_t timeout_ms;
	struct retry_policy policy;
	bool retries_all; /* no kinds were named */
	uint32_t tries;
	bool is_cancelled; /* the task is: it is told, not retried */
	bool has_place;
	struct limit_ticket *ticket; /* of the job's own limits, until the commit */
	bool is_front;		     /* its token had lapsed: before the others of its job */
	act_msg *m;
	struct runner *runner; /* that has been asked; NULL: none yet */
	struct runner_call call;
	struct act_op op; /* completed by the end of call */
	bool has_ended;	  /* what follows says how */
	bool is_lost;
	char why[96];
	struct runnerwire_ended ended; /* its texts are in out and err */
	struct bytes out, err;
	act_scope *scope;
	int64_t asked_ns, waited_ns, attempt_ns, attempt_waited_ns, until_ns;
	enum kind kind; /* of the present attempt; KIND_NONE: it is good */
	struct bytes message, value;
	struct result_attempt *history;
	uint32_t n_history;
	struct results_wait wait;
};

static inline struct job *exec_job(const struct exec *x)
{
	return x->leaf.task->env->port.ctx;
}

void exec_says(struct exec *x, enum kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* leaf_exec_request.c: what is to run. False: kind and message say why it may not, or cannot. */
bool exec_prepare(struct exec *x);

/* leaf_exec_verdict.c */
/* What the end of the program means: kind and message. */
void exec_judge(struct exec *x);
bool exec_retries(act_self *self, struct exec *x);
void exec_remember_attempt(act_self *self, struct exec *x);
/* t->out and the line. */
void exec_tell(act_self *self, struct exec *x);
