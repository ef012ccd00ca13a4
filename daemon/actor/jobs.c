#include "actor/jobs.h"

#include "actor/job_state.h"
#include "actor/jobs_state.h"
#include "actor/session.h"
#include "actor/store.h"
#include "job/spec.h"

#include <stdlib.h>

struct jobs_submit *jobs_submit_new(void)
{
	struct jobs_submit *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	bytes_init(&s->text, 0);
	bytes_init(&s->vars, 0);
	bytes_init(&s->head, 0);
	bytes_init(&s->op_id, 1024);
	return s;
}

void jobs_submit_free(void *submit)
{
	struct jobs_submit *s = submit;
	if (s == NULL)
		return;
	job_spec_unref(s->spec);
	bytes_fini(&s->text);
	bytes_fini(&s->vars);
	bytes_fini(&s->head);
	bytes_fini(&s->op_id);
	free(s);
}

/* ---- the table of jobs ---- */

static struct slice key_of(struct bytes *b, uint64_t number, bool is_volatile)
{
	job_id_add(b, number, is_volatile);
	return bytes_slice(b);
}

struct entry *keeper_find(struct keeper *k, uint64_t number, bool is_volatile)
{
	struct bytes b = BYTES_LIMIT(32);
	struct entry *e = table_get(&k->jobs, key_of(&b, number, is_volatile));
	bytes_fini(&b);
	return e;
}

struct entry *keeper_add(struct keeper *k, uint64_t number, bool is_volatile)
{
	struct bytes b = BYTES_LIMIT(32);
	struct entry *e = calloc(1, sizeof(*e));
	if (e != NULL) {
		*e = (struct entry){.number = number, .is_volatile = is_volatile, .priority = 5};
		list_init(&e->queue);
		if (table_put(&k->jobs, key_of(&b, number, is_volatile), e, NULL) != ERR_OK) {
			free(e);
			e = NULL;
		}
	}
	bytes_fini(&b);
	return e;
}

void keeper_forget(struct keeper *k, struct entry *e)
{
	struct bytes b = BYTES_LIMIT(32);
	table_remove(&k->jobs, key_of(&b, e->number, e->is_volatile));
	bytes_fini(&b);
	keeper_unqueue(k, e);
	free(e);
}

static uint64_t ref_of(const struct entry *e)
{
	return e->number * 2 + e->is_volatile;
}

bool keeper_wake(act_self *self, struct keeper *k, struct entry *e, struct job_spec *spec)
{
	struct job_args a = {.peers = k->peers,
			     .keeper = act_whoami(self),
			     .number = e->number,
			     .is_volatile = e->is_volatile,
			     .spec = spec,
			     .uid = e->uid,
			     .is_attached = e->is_attached};
	if (e->actor != 0)
		return true;
	e->n_calls = 0;
	e->actor = job_spawn(self, &a);
	if (e->actor != 0 && act_monitor(self, e->actor, ref_of(e)) != ACT_OK) {
		act_kill(self, e->actor);
		e->actor = 0;
	}
	return e->actor != 0;
}

void keeper_pass(act_self *self, struct keeper *k, struct entry *e, struct job_call *c)
{
	int rc = ACT_ENOMEM;
	if (keeper_wake(self, k, e, NULL))
		rc = act_send_buf(self, e->actor, JOB_MSG_CALL, c, sizeof(*c), job_call_free);
	if (rc == ACT_EDEAD) {
		e->actor = 0;
		if (keeper_wake(self, k, e, NULL))
			rc = act_send_buf(self, e->actor, JOB_MSG_CALL, c, sizeof(*c),
					  job_call_free);
	}
	if (rc == ACT_OK)
		e->n_calls++;
	else
		job_call_refuse(self, c, rc == ACT_EFULL ? KIND_BUSY : KIND_MEMORY,
				act_rc_text(rc));
}

/* ---- what it hears ---- */

static void on_call(act_self *self, struct keeper *k, struct job_call *c)
{
	struct entry *e = keeper_find(k, c->job, c->is_volatile);
	bool has_store = c->is_volatile ? k->peers->memory != 0 : k->peers->durable != 0;
	/* An order between two of its readings would hide a job from both. */
	if (!k->is_ready) {
		job_park(self, &k->early, c);
		return;
	}
	/* Not known: an ended job that is in the store only, or none at all. */
	if (e == NULL && has_store)
		e = keeper_add(k, c->job, c->is_volatile);
	if (e == NULL && has_store) {
		job_call_refuse(self, c, KIND_MEMORY, "out of memory");
	} else if (e == NULL) {
		job_call_unknown(self, c);
	} else {
		if (c->kind == JOB_CALL_EXPLAIN)
			keeper_explain(self, k, e, c);
		keeper_pass(self, k, e, c);
	}
}

void keeper_is_ready(act_self *self, struct keeper *k)
{
	k->is_ready = true;
	keeper_submit_ready(self, k);
	for (struct job_call *c; (c = job_unpark(&k->early)) != NULL;)
		on_call(self, k, c);
}

static void on_ended(act_self *self, struct keeper *k, struct entry *e)
{
	keeper_unqueue(k, e);
	if (e->is_active)
		k->n_active--;
	e->is_active = false;
	if (e->is_attached && k->peers->sessions != 0)
		session_job_ended(self, k->peers->sessions, e->number, e->is_volatile);
	e->is_attached = false;
	keeper_admit(self, k);
}

/* Its actor has done what it was for: another one takes the job up, from the store. */
static void on_again(act_self *self, struct keeper *k, struct entry *e, const struct jobs_state *s)
{
	if (e->actor != 0) {
		act_demonitor(self, e->actor, ref_of(e));
		act_stop(self, e->actor);
	}
	e->actor = 0;
	e->uid = s->uid;
	e->priority = s->priority;
	keeper_enqueue(self, k, e);
}

static void on_state(act_self *self, struct keeper *k, const struct jobs_state *s)
{
	struct entry *e = keeper_find(k, s->number, s->is_volatile);
	if (e == NULL)
		return;
	if (s->is_again) {
		on_again(self, k, e, s);
		return;
	}
	if (s->is_ended && !s->is_idle)
		on_ended(self, k, e);
	if (!s->is_idle || e->actor == 0 || s->n_calls != e->n_calls)
		return;
	act_demonitor(self, e->actor, ref_of(e));
	act_stop(self, e->actor);
	e->actor = 0;
	if (!e->is_active && list_empty(&e->queue))
		keeper_forget(k, e);
}

static void on_session_lost(act_self *self, struct keeper *k, uint64_t session)
{
	(void)self;
	(void)k;
	(void)session;
}

static void drain(act_self *self, struct keeper *k)
{
	k->is_draining = true;
	TABLE_EACH (it, &k->jobs) {
		struct entry *e = it->value;
		struct job_call *c = e->is_active ? job_call_new(JOB_CALL_DRAIN) : NULL;
		if (c == NULL)
			continue;
		c->is_admin = true;
		keeper_pass(self, k, e, c);
	}
}

/* Its actor is gone without having been asked to go: by a mistake, or for want of memory. */
static void on_down(act_self *self, struct keeper *k, uint64_t ref, act_id who)
{
	struct entry *e = keeper_find(k, ref / 2, (ref & 1) != 0);
	if (e == NULL || e->actor != who)
		return;
	e->actor = 0;
	if (e->is_active)
		k->n_active--;
	e->is_active = false;
	log_error(k->peers->log, "job actor lost", kv_i("job", (int64_t)e->number));
	keeper_admit(self, k);
}

static int on_msg(act_self *self, void *state, act_msg *m)
{
	struct keeper *k = state;
	switch (m->type) {
	case JOBS_SUBMIT: {
		struct jobs_submit *s = act_data(m);
		m->buf.dtor = NULL; /* ours now */
		keeper_submit(self, k, s, m->token);
		return ACT_OK;
	}
	case JOBS_CALL: {
		struct job_call *c = act_data(m);
		m->buf.dtor = NULL;
		c->token = m->token;
		on_call(self, k, c);
		return ACT_OK;
	}
	case JOBS_LIST:
		keeper_list(self, k, act_data(m), m->token);
		return ACT_OK;
	case JOBS_SESSION_LOST:
		on_session_lost(self, k, m->word[0]);
		return ACT_OK;
	case JOBS_DRAIN:
		drain(self, k);
		return ACT_OK;
	case JOBS_SETTINGS:
		keeper_settings(k);
		keeper_admit(self, k);
		return ACT_OK;
	case JOBS_STATE:
		on_state(self, k, act_data(m));
		return ACT_OK;
	case STORE_APPLIED:
		keeper_submit_stored(self, k, act_data(m));
		return ACT_OK;
	case STORE_ROWS:
		keeper_loaded(self, k, act_data(m));
		return ACT_OK;
	default:
		return ACT_OK;
	}
}

static int on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct keeper *k = state;
	if (sig->kind == ACT_SIG_DOWN)
		on_down(self, k, sig->ref, sig->from);
	return sig->kind == ACT_SIG_CANCEL ? ACT_EXIT : ACT_OK;
}

static int init(act_self *self, void *state, const void *arg)
{
	struct keeper *k = state;
	const struct job_peers *peers = *(const struct job_peers *const *)arg;
	*k = (struct keeper){.peers = peers, .next_number = 1};
	keeper_settings(k);
	table_init(&k->jobs, peers->seed);
	list_init(&k->submissions);
	list_init(&k->early);
	for (int p = 0; p < JOBS_PRIORITIES; p++)
		list_init(&k->queue[p]);
	return keeper_load(self, k) ? ACT_OK : ACT_ENOMEM;
}

static void fini(act_self *self, void *state, int why)
{
	struct keeper *k = state;
	(void)why;
	keeper_submit_fini(k);
	for (struct job_call *c; (c = job_unpark(&k->early)) != NULL;)
		job_call_free(c);
	TABLE_EACH (it, &k->jobs) {
		struct entry *e = it->value;
		if (e->actor != 0)
			act_kill(self, e->actor);
		free(e);
	}
	table_fini(&k->jobs);
}

static void dump(struct bytes *out, const void *state)
{
	const struct keeper *k = state;
	bytes_printf(out, "\"known\":%u,\"active\":%u", table_count(&k->jobs), k->n_active);
}

static const act_class jobs_class = {
	.name = "jobs",
	.state_size = sizeof(struct keeper),
	.init = init,
	.on_msg = on_msg,
	.on_signal = on_signal,
	.fini = fini,
	.dump = dump,
};

act_id jobs_spawn(act_self *parent, const struct job_peers *peers)
{
	struct act_opts opts = {.cap = 8192};
	return act_spawn(parent, &jobs_class, &peers, &opts);
}
