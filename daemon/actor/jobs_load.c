/*
 * jobs_load -- at start: the last number given, the jobs that were running, those that waited. One
 * reading at a time, each answered to the keeper itself.
 */
#include "actor/jobs_state.h"
#include "actor/session.h"
#include "actor/store.h"

static enum store_query_kind kind_of(enum load_stage stage)
{
	static const enum store_query_kind kind[LOAD_DONE] = {
		[LOAD_COUNTER] = STORE_Q_COUNTER,
		[LOAD_OPEN] = STORE_Q_OPEN,
		[LOAD_QUEUED] = STORE_Q_QUEUED,
	};
	return kind[stage];
}

static bool ask(act_self *self, struct keeper *k)
{
	struct store_query q = {.kind = kind_of(k->load.stage),
				.text = SLICE_LIT("job"),
				.after = k->load.after,
				.priority = k->load.priority};
	struct store_reading *r = store_reading_new(&q);
	if (r == NULL)
		return false;
	int rc = act_send_buf(self, k->peers->durable, STORE_READ, r, sizeof(*r),
			      store_reading_drop);
	if (rc != ACT_OK)
		store_reading_drop(r);
	return rc == ACT_OK;
}

static void take_job(act_self *self, struct keeper *k, const struct store_job *row)
{
	struct entry *e = keeper_find(k, row->id, false);
	if (e == NULL)
		e = keeper_add(k, row->id, false);
	if (e == NULL)
		return;
	e->uid = row->uid;
	e->priority = row->priority;
	e->is_attached = row->is_attached;
	if (e->is_attached && k->peers->sessions != 0) {
		struct session_job s = {.job = row->id};
		session_attach(self, k->peers->sessions, &s);
	}
	if (k->load.stage == LOAD_OPEN)
		keeper_start(self, k, e);
	else
		keeper_enqueue(self, k, e);
}

static void take(act_self *self, struct keeper *k, const struct store_reading *r)
{
	for (uint32_t i = 0; r->result == ERR_OK && i < r->rows.n; i++) {
		const struct store_row *row = &r->rows.row[i];
		if (k->load.stage == LOAD_COUNTER) {
			k->next_number = row->counter.value + 1;
			continue;
		}
		take_job(self, k, &row->job);
		k->load.after = row->job.id;
		k->load.priority = row->job.priority;
	}
}

void keeper_loaded(act_self *self, struct keeper *k, const struct store_reading *r)
{
	if (k->load.stage == LOAD_DONE)
		return;
	take(self, k, r);
	if (r->result != ERR_OK || !r->rows.more || r->rows.n == 0) {
		k->load.stage++;
		k->load.after = 0;
		k->load.priority = 9;
	}
	if (k->load.stage == LOAD_DONE)
		keeper_is_ready(self, k);
	else if (!ask(self, k))
		log_error(k->peers->log, "jobs cannot be read", kv_s("why", "out of memory"));
}

bool keeper_load(act_self *self, struct keeper *k)
{
	if (k->peers->durable != 0)
		return ask(self, k);
	k->load.stage = LOAD_DONE;
	k->is_ready = true;
	return true;
}
