/*
 * offload -- tasks and actors on one side, a pool of threads on the other: who owns a job's
 * argument at each moment, and where its result goes.
 */
#include "run/offload.h"

#include "run/internal.h"

#include <stdlib.h>

enum job_mode { JOB_OF_TASK, JOB_OF_ACTOR, JOB_ABANDONED };

static int submit(act_shard *sh, struct act_job *job)
{
	if (sh->offload == NULL)
		return ACT_ECLOSED;
	int rc = sh->offload->submit(sh->offload->ctx, job);
	if (rc == ACT_OK)
		sh->n_jobs++;
	return rc;
}

static struct act_job *job_new(act_self *self, const struct act_work *w, enum job_mode mode)
{
	struct act_job *job = calloc(1, sizeof(*job));
	if (job == NULL)
		return NULL;
	job->work = *w;
	job->shard = self->sh;
	job->owner = act_whoami(self);
	job->mode = mode;
	return job;
}

int act_offload(act_self *self, const struct act_work *w)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc == ACT_EBUG)
		return rc;
	struct act_job *job = rc == ACT_OK ? job_new(self, w, JOB_OF_TASK) : NULL;
	if (rc == ACT_OK)
		rc = job != NULL ? submit(self->sh, job) : ACT_ENOMEM;
	if (rc != ACT_OK) {
		free(job);
		if (rc == ACT_ECANCELED && w->dtor != NULL)
			w->dtor(w->arg);
		return rc;
	}
	job->waiter = t;
	t->w.job = job;
	return rt_park(self->sh, t, WAIT_OFFLOAD);
}

int act_offload_signal(act_self *self, const struct act_work *w, uint64_t tag)
{
	act_shard *sh = self->sh;
	if (self->a == NULL || rt_is_task(self->a))
		return ACT_EBUG;
	struct act_job *job = job_new(self, w, JOB_OF_ACTOR);
	struct sysnode *n = job != NULL ? rt_slab_take(&sh->cells) : NULL;
	int rc = n != NULL ? submit(sh, job) : ACT_ENOMEM;
	if (rc != ACT_OK) {
		if (n != NULL)
			rt_cell_free(sh, n);
		free(job);
		return rc;
	}
	*n = (struct sysnode){.kind = ACT_SIG_WORK, .ref = tag};
	list_init(&n->in);
	list_init(&n->mine);
	job->waiter = n;
	return ACT_OK;
}

void act_job_done(struct act_job *job)
{
	struct inbox_node *n = (struct inbox_node *)(void *)job->node;
	n->kind = INBOX_JOB;
	rt_inbox_push(job->shard, n);
}

static void drop_arg(struct act_job *job)
{
	if (job->work.dtor != NULL)
		job->work.dtor(job->work.arg);
	free(job);
}

void rt_offload_settle(struct act_job *job, bool is_killed)
{
	if (is_killed)
		drop_arg(job);
	else
		free(job);
}

void rt_offload_done(act_shard *sh, struct act_job *job)
{
	sh->n_jobs--;
	if (job->mode == JOB_ABANDONED) {
		drop_arg(job);
		return;
	}
	if (job->mode == JOB_OF_ACTOR) {
		struct sysnode *n = job->waiter;
		n->rc = job->rc;
		rt_sys_deliver(sh, n, rt_find(sh, job->owner), job);
		return;
	}
	struct task *t = job->waiter;
	rt_granted(t, GRANTED_JOB, job);
	rt_task_wake(sh, t, job->rc);
}

/* Running and not to be abandoned: waited out, also by the killed, whose frame the work may use. */
bool rt_offload_abandon(act_shard *sh, struct task *t)
{
	struct act_job *job = t->w.job;
	if (sh->offload->withdraw(sh->offload->ctx, job)) {
		sh->n_jobs--;
		drop_arg(job);
		return true;
	}
	if (!job->work.abandon_on_cancel)
		return false;
	job->mode = JOB_ABANDONED;
	job->waiter = NULL;
	return true;
}
