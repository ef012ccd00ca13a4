/*
 * jobs_admit -- which queued job runs next: the highest priority, where waiting counts for some.
 */
#include "actor/jobs_state.h"
#include "model/config.h"

void keeper_settings(struct keeper *k)
{
	const struct job_peers *p = k->peers;
	const struct config *c = p->config != NULL ? p->config(p->ctx) : NULL;
	k->max_active = c != NULL ? (uint32_t)c->jobs_active : JOBS_ACTIVE_DEFAULT;
	k->max_queued = c != NULL ? (uint32_t)c->jobs_queued : JOBS_QUEUED_DEFAULT;
}

bool keeper_is_full(const struct keeper *k)
{
	uint64_t known = (uint64_t)k->n_active + k->n_queued + k->n_submissions;
	return known >= (uint64_t)k->max_active + k->max_queued;
}

void keeper_unqueue(struct keeper *k, struct entry *e)
{
	if (list_empty(&e->queue))
		return;
	list_remove(&e->queue);
	k->n_queued--;
}

bool keeper_start(act_self *self, struct keeper *k, struct entry *e)
{
	struct job_call *c = job_call_new(JOB_CALL_START);
	if (c == NULL)
		return false;
	c->is_admin = true;
	c->job = e->number;
	e->is_active = true;
	k->n_active++;
	keeper_pass(self, k, e, c);
	return true;
}

static int64_t rank_of(act_self *self, const struct entry *e)
{
	return e->priority * JOBS_AGEING_NS + (act_now_ns(self) - e->queued_ns);
}

void keeper_explain(act_self *self, const struct keeper *k, const struct entry *e,
		    struct job_call *c)
{
	if (list_empty(&e->queue))
		return;
	c->queue.is_queued = true;
	c->queue.running = k->n_active;
	c->queue.since_ns = e->queued_ns;
	int64_t rank = rank_of(self, e);
	for (int p = JOBS_PRIORITIES - 1; p > 0; p--)
		LIST_EACH (l, (struct link *)(uintptr_t)&k->queue[p]) {
			const struct entry *o = LIST_ENTRY(l, struct entry, queue);
			int64_t other = rank_of(self, o);
			if (o == e || other < rank || (other == rank && o->priority < e->priority))
				break; /* those behind it have waited less */
			c->queue.ahead++;
		}
}

/* The first of each priority; of these the one that has waited its way up. */
static struct entry *next(act_self *self, struct keeper *k)
{
	struct entry *best = NULL;
	int64_t best_rank = 0;
	for (int p = JOBS_PRIORITIES - 1; p > 0; p--) {
		if (list_empty(&k->queue[p]))
			continue;
		struct entry *e = LIST_ENTRY(k->queue[p].next, struct entry, queue);
		int64_t rank = rank_of(self, e);
		if (best == NULL || rank > best_rank) {
			best = e;
			best_rank = rank;
		}
	}
	return best;
}

void keeper_admit(act_self *self, struct keeper *k)
{
	struct entry *e;
	while (!k->is_draining && k->n_active < k->max_active && (e = next(self, k)) != NULL) {
		keeper_unqueue(k, e);
		if (keeper_start(self, k, e))
			continue;
		list_push_front(&k->queue[e->priority], &e->queue);
		k->n_queued++;
		return;
	}
}

void keeper_enqueue(act_self *self, struct keeper *k, struct entry *e)
{
	if (e->priority < 1 || e->priority >= JOBS_PRIORITIES)
		e->priority = 5;
	e->queued_ns = act_now_ns(self);
	list_push_back(&k->queue[e->priority], &e->queue);
	k->n_queued++;
	keeper_admit(self, k);
}
