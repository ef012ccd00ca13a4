/* event -- a flag that tasks wait for. A set grants everybody present; clearing takes nothing back.
 */
#include "run/internal.h"

#include <stdlib.h>

struct act_event {
	act_shard *sh;
	bool is_set;
	uint32_t n_waiting;
	struct link waiters;
};

act_event *act_event_new(act_shard *sh)
{
	act_event *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->sh = sh;
	list_init(&e->waiters);
	return e;
}

void act_event_free(act_event *e)
{
	if (e == NULL)
		return;
	rt_waiters_wake(e->sh, &e->waiters, ACT_ECLOSED);
	free(e);
}

int act_event_wait(act_self *self, act_event *e)
{
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	if (e->is_set)
		return rt_done(self->sh, t, ACT_OK);
	t->w.on.object = e;
	list_push_back(&e->waiters, &t->wait);
	e->n_waiting++;
	return rt_park(self->sh, t, WAIT_EVENT);
}

bool rt_event_abandon(act_shard *sh, struct task *t)
{
	(void)sh;
	act_event *e = t->w.on.object;
	list_remove(&t->wait);
	e->n_waiting--;
	return true;
}

void act_event_set(act_event *e)
{
	e->is_set = true;
	e->n_waiting = 0;
	rt_waiters_wake(e->sh, &e->waiters, ACT_OK);
}

void act_event_clear(act_event *e)
{
	e->is_set = false;
}

bool act_event_is_set(const act_event *e)
{
	return e->is_set;
}

uint32_t act_event_waiting(const act_event *e)
{
	return e->n_waiting;
}
