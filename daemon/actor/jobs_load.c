/*
 * jobs_load -- at start: the last number given, the jobs that were running, those that waited.
 */
#include "actor/jobs_state.h"
#include "actor/session.h"
#include "actor/store.h"
#include "run/task.h"

struct load {
	act_co co;
	int rc;
	struct keeper *k;
	act_msg *m;
	uint64_t after;
	uint8_t priority;
	bool more;
};

static int ask(act_self *self, struct load *l, const struct store_query *q)
{
	struct store_reading *r = store_reading_new(q);
	if (r == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, l->k->peers->durable, STORE_READ, r, sizeof(*r),
			   store_reading_drop, &l->m);
}

static int ask_counter(act_self *self, struct load *l)
{
	struct store_query q = {.kind = STORE_Q_COUNTER, .text = SLICE_LIT("job")};
	return ask(self, l, &q);
}

static int ask_jobs(act_self *self, struct load *l, enum store_query_kind kind)
{
	struct store_query q = {.kind = kind, .after = l->after, .priority = l->priority};
	return ask(self, l, &q);
}

static void take_counter(struct load *l)
{
	const struct store_reading *r = act_data(l->m);
	if (r->result == ERR_OK && r->rows.n > 0)
		l->k->next_number = r->rows.row[0].counter.value + 1;
}

static void take_job(act_self *self, struct load *l, const struct store_job *row, bool is_open)
{
	struct entry *e = keeper_find(l->k, row->id, false);
	if (e == NULL)
		e = keeper_add(l->k, row->id, false);
	if (e == NULL)
		return;
	e->uid = row->uid;
	e->priority = row->priority;
	e->is_attached = row->is_attached;
	if (e->is_attached && l->k->peers->sessions != 0) {
		struct session_job s = {.job = row->id, .is_new = true};
		session_attach(self, l->k->peers->sessions, &s);
	}
	if (is_open)
		keeper_start(self, l->k, e);
	else
		keeper_enqueue(self, l->k, e);
}

static void take_jobs(act_self *self, struct load *l, bool is_open)
{
	const struct store_reading *r = act_data(l->m);
	for (uint32_t i = 0; r->result == ERR_OK && i < r->rows.n; i++) {
		const struct store_job *row = &r->rows.row[i].job;
		take_job(self, l, row, is_open);
		l->after = row->id;
		l->priority = row->priority;
	}
	l->more = r->result == ERR_OK && r->rows.more && r->rows.n > 0;
	act_drop(self, l->m);
}

static int load_step(act_self *self, void *frame)
{
	struct load *l = frame;
	CO_BEGIN(&l->co);
	CO_AWAIT(&l->co, l->rc, ask_counter(self, l));
	if (l->rc != ACT_OK)
		return l->rc;
	take_counter(l);
	act_drop(self, l->m);
	do {
		CO_AWAIT(&l->co, l->rc, ask_jobs(self, l, STORE_Q_OPEN));
		if (l->rc != ACT_OK)
			return l->rc;
		take_jobs(self, l, true);
	} while (l->more);
	l->after = 0;
	l->priority = 9;
	do {
		CO_AWAIT(&l->co, l->rc, ask_jobs(self, l, STORE_Q_QUEUED));
		if (l->rc != ACT_OK)
			return l->rc;
		take_jobs(self, l, false);
	} while (l->more);
	keeper_submit_ready(self, l->k);
	CO_END(&l->co);
}

bool keeper_load(act_self *self, struct keeper *k)
{
	struct load l = {.k = k};
	struct act_task_opts o = {
		.name = "jobs.load", .frame_init = &l, .frame_init_size = sizeof(l)};
	if (k->peers->durable == 0) {
		k->is_ready = true;
		return true;
	}
	k->loader = act_spawn_task(self, load_step, sizeof(l), &o);
	return k->loader != 0;
}
