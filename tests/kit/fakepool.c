#include "tests/kit/fakepool.h"

#include <stdlib.h>

enum ticket_state { QUEUED, BEGUN, OVER };

struct fakepool_ticket {
	struct fakepool_ticket *next;
	struct fakepool *pool;
	struct act_job *job;
	enum ticket_state state;
};

static int64_t some_time(struct fakepool *p)
{
	return p->fake->now_ns + (int64_t)rng_below(&p->rng, (uint64_t)p->max_delay_ns + 1);
}

static void ticket_free(struct fakepool_ticket *t)
{
	struct fakepool_ticket **at = &t->pool->tickets;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	free(t);
}

static void end(void *ctx)
{
	struct fakepool_ticket *t = ctx;
	if (t->state != OVER)
		act_job_done(t->job);
	ticket_free(t);
}

static void begin(void *ctx)
{
	struct fakepool_ticket *t = ctx;
	if (t->state == OVER) {
		ticket_free(t);
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
	struct fakepool_ticket *t = p->is_dead ? NULL : malloc(sizeof(*t));
	if (t == NULL)
		return p->is_dead ? ACT_ECLOSED : ACT_ENOMEM;
	*t = (struct fakepool_ticket){.next = p->tickets, .pool = p, .job = job, .state = QUEUED};
	p->tickets = t;
	job->next = (struct act_job *)(void *)t;
	fakeloop_at(p->fake, some_time(p), begin, t);
	return ACT_OK;
}

static bool withdraw(void *ctx, struct act_job *job)
{
	struct fakepool *p = ctx;
	struct fakepool_ticket *t = (struct fakepool_ticket *)(void *)job->next;
	if (t->state != QUEUED)
		return false;
	t->state = OVER;
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

void fakepool_kill(struct fakepool *p)
{
	p->is_dead = true;
	for (struct fakepool_ticket *t = p->tickets; t != NULL; t = t->next) {
		if (t->state == OVER)
			continue;
		p->n_lost += t->state == QUEUED;
		t->state = OVER;
		act_job_done(t->job);
	}
}

void fakepool_revive(struct fakepool *p)
{
	while (p->tickets != NULL)
		ticket_free(p->tickets);
	p->is_dead = false;
}
