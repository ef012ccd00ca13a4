#include "tests/kit/fakepool.h"

#include <stdlib.h>

enum { QUEUED, WITHDRAWN, BEGUN };

struct ticket {
	struct fakepool *pool;
	struct act_job *job;
	int state;
};

static int64_t some_time(struct fakepool *p)
{
	return p->fake->now_ns + (int64_t)rng_below(&p->rng, (uint64_t)p->max_delay_ns + 1);
}

static void end(void *ctx)
{
	struct ticket *t = ctx;
	act_job_done(t->job);
	free(t);
}

static void begin(void *ctx)
{
	struct ticket *t = ctx;
	if (t->state == WITHDRAWN) {
		free(t);
		return;
	}
	t->state = BEGUN;
	t->pool->n_run++;
	t->job->rc = t->job->work.fn(t->job->work.arg);
	fakeloop_at(t->pool->fake, some_time(t->pool), end, t);
}

static int submit(void *ctx, struct act_job *job)
{
	struct fakepool *p = ctx;
	struct ticket *t = malloc(sizeof(*t));
	if (t == NULL)
		return ACT_ENOMEM;
	*t = (struct ticket){.pool = p, .job = job, .state = QUEUED};
	job->next = (struct act_job *)(void *)t;
	fakeloop_at(p->fake, some_time(p), begin, t);
	return ACT_OK;
}

static bool withdraw(void *ctx, struct act_job *job)
{
	struct fakepool *p = ctx;
	struct ticket *t = (struct ticket *)(void *)job->next;
	if (t->state != QUEUED)
		return false;
	t->state = WITHDRAWN;
	p->n_withdrawn++;
	return true;
}

void fakepool_init(struct fakepool *p, struct fakeloop *fake, uint64_t seed, int64_t max_delay_ns)
{
	*p = (struct fakepool){.pool = {.ctx = p, .submit = submit, .withdraw = withdraw},
			       .fake = fake,
			       .max_delay_ns = max_delay_ns};
	rng_seed(&p->rng, seed);
}
