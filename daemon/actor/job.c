#include "actor/job.h"

#include "actor/events.h"
#include "actor/job_state.h"
#include "actor/store.h"
#include "base/check.h"
#include "edge/bodyfile.h"
#include "job/feed.h"
#include "job/results.h"
#include "model/cookies.h"
#include "run/shard.h"

#include <stdio.h>
#include <stdlib.h>

bool job_park(act_self *self, struct link *list, struct job_call *call)
{
	struct parked *p = calloc(1, sizeof(*p));
	if (p == NULL) {
		job_call_refuse(self, call, KIND_MEMORY, "out of memory");
		return false;
	}
	p->call = call;
	list_push_back(list, &p->link);
	return true;
}

struct job_call *job_unpark(struct link *list)
{
	struct link *l = list_pop_front(list);
	if (l == NULL)
		return NULL;
	struct parked *p = LIST_ENTRY(l, struct parked, link);
	struct job_call *call = p->call;
	free(p);
	return call;
}

bool job_apply(act_self *self, struct job *j, struct store_batch *b)
{
	int rc = act_send_buf(self, j->store, STORE_APPLY, b, sizeof(*b), store_batch_drop);
	if (rc != ACT_OK)
		store_batch_free(b);
	return rc == ACT_OK;
}

void job_stir(act_self *self, struct job *j)
{
	if (j->is_stirred)
		return;
	act_msg *m = act_prepare(self, JOB_MSG_STIR, NULL, 0);
	if (m == NULL)
		return;
	j->is_stirred = true;
	act_deliver(self, j->self_id, m);
}

void job_arm(act_self *self, struct job *j, int64_t at_ns)
{
	act_timer_set_at(self, &j->timer, at_ns);
}

static void publish(struct job *j)
{
	struct bytes topic = BYTES_LIMIT(64), members = BYTES_LIMIT(256);
	if (j->peers->events == NULL)
		return;
	bytes_add_str(&topic, "job.");
	job_id_add(&topic, j->number, j->is_volatile);
	bytes_add_str(&topic, ".state");
	bytes_printf(&members, "\"state\":\"%s\"", store_job_state_text(j->state));
	events_publish(j->peers->events, j->uid, bytes_slice(&topic), bytes_slice(&members));
	bytes_fini(&topic);
	bytes_fini(&members);
}

static void tell_keeper(act_self *self, struct job *j, bool is_idle)
{
	struct jobs_state s = {.number = j->number,
			       .is_volatile = j->is_volatile,
			       .is_ended = job_has_ended(j),
			       .is_idle = is_idle,
			       .n_calls = j->n_calls};
	act_msg *m = act_prepare(self, JOBS_STATE, &s, sizeof(s));
	if (m != NULL)
		act_deliver(self, j->keeper, m);
}

void job_moves_on(act_self *self, struct job *j)
{
	struct jobs_state s = {.number = j->number,
			       .is_volatile = j->is_volatile,
			       .is_again = true,
			       .uid = j->uid,
			       .priority = (uint8_t)j->spec->priority};
	act_msg *m = act_prepare(self, JOBS_STATE, &s, sizeof(s));
	if (m != NULL)
		act_deliver(self, j->keeper, m);
}

void job_becomes(act_self *self, struct job *j, enum store_job_state state)
{
	if (j->state == state)
		return;
	j->state = state;
	log_info(j->peers->log, "job", kv_s("state", store_job_state_text(state)),
		 kv_i("job", (int64_t)j->number));
	publish(j);
	if (job_has_ended(j))
		tell_keeper(self, j, false);
}

/* ---- calls ---- */

static void on_start(act_self *self, struct job *j, struct job_call *c)
{
	j->start_asked = true;
	if (j->started != NULL)
		act_event_set(j->started);
	job_call_done(self, c, NULL);
}

static void on_drain(act_self *self, struct job *j, struct job_call *c)
{
	if (j->env != NULL)
		act_event_clear(j->env->go);
	job_call_done(self, c, NULL);
}

typedef void (*on_call)(act_self *self, struct job *j, struct job_call *c);

static const on_call call_table[JOB_CALLS] = {
	[JOB_CALL_START] = on_start,	     [JOB_CALL_FEED] = job_on_feed,
	[JOB_CALL_UPLOAD] = job_on_upload,   [JOB_CALL_RESULTS] = job_on_results,
	[JOB_CALL_CANCEL] = job_on_order,    [JOB_CALL_PAUSE] = job_on_order,
	[JOB_CALL_RESUME] = job_on_order,    [JOB_CALL_RETRY] = job_on_retry,
	[JOB_CALL_WAIT] = job_on_wait,	     [JOB_CALL_SHOW] = job_on_show,
	[JOB_CALL_EXPLAIN] = job_on_explain, [JOB_CALL_FORGET] = job_on_order,
	[JOB_CALL_BODY] = job_on_body,	     [JOB_CALL_ATTACH_LOST] = job_on_attach_lost,
	[JOB_CALL_DRAIN] = on_drain,	     [JOB_CALL_COOKIES] = job_on_cookies,
};

/* A job is its owner's; to others it does not exist. */
static bool may(const struct job *j, const struct job_call *c)
{
	return c->is_admin || c->uid == j->uid || c->kind == JOB_CALL_START;
}

static void route(act_self *self, struct job *j, struct job_call *c)
{
	j->quiet_since_ns = act_now_ns(self);
	j->is_told_idle = false;
	if (!j->is_loaded && c->kind != JOB_CALL_START)
		job_park(self, &j->early, c);
	else if (j->is_broken || j->is_gone || (j->is_loaded && !may(j, c)))
		job_call_unknown(self, c);
	else
		call_table[c->kind](self, j, c);
}

static void on_stir(act_self *self, struct job *j)
{
	j->is_stirred = false;
	if (j->is_loaded && !list_empty(&j->early)) {
		struct link late;
		list_init(&late);
		while (!list_empty(&j->early))
			route(self, j, job_unpark(&j->early));
	}
	job_feed_run(self, j);
	job_polls_run(self, j);
	job_upload_tidy(self, j);
}

static void on_stored(act_self *self, struct job *j, act_msg *m)
{
	struct store_batch *b = act_data(m);
	if (b == j->feed_batch)
		job_feed_stored(self, j, b);
}

int64_t job_quiet_ns(const struct job *j)
{
	if (j->is_broken || j->is_gone)
		return 0;
	return job_has_ended(j) ? JOB_QUIET_ENDED_NS : JOB_QUIET_NS;
}

/* Nobody asks about a job that does not run: its memory can go. */
static void check_quiet(act_self *self, struct job *j)
{
	bool runs = j->env != NULL && !job_has_ended(j) && (j->start_asked || j->was_started);
	bool is_busy = j->env != NULL && j->env->refs > 1; /* tasks of it are under way */
	if (runs || is_busy || j->is_told_idle || !list_empty(&j->polls))
		return;
	if (act_now_ns(self) - j->quiet_since_ns < job_quiet_ns(j))
		return;
	j->is_told_idle = true;
	tell_keeper(self, j, true);
}

/* There is no such job, or no longer: whoever asks for ids that are not there leaves no actors. */
static void leave_at_once(act_self *self, struct job *j)
{
	if (job_quiet_ns(j) == 0)
		check_quiet(self, j);
}

static int on_msg(act_self *self, void *state, act_msg *m)
{
	struct job *j = state;
	switch (m->type) {
	case JOB_MSG_CALL: {
		struct job_call *c = act_data(m);
		m->buf.dtor = NULL; /* it is ours now */
		j->n_calls++;
		route(self, j, c);
		leave_at_once(self, j);
		return ACT_OK;
	}
	case JOB_MSG_STIR:
		on_stir(self, j);
		leave_at_once(self, j);
		return ACT_OK;
	case STORE_APPLIED:
		on_stored(self, j, m);
		return ACT_OK;
	case STORE_ROWS:
		job_polls_read(self, j, m);
		return ACT_OK;
	default:
		return ACT_OK;
	}
}

static int on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct job *j = state;
	if (sig->kind == ACT_SIG_TIMER) {
		job_feed_run(self, j);
		job_polls_run(self, j);
		check_quiet(self, j);
	}
	if (sig->kind == ACT_SIG_WORK)
		job_upload_worked(self, j, sig->ptr);
	return sig->kind == ACT_SIG_CANCEL ? ACT_EXIT : ACT_OK;
}

/* ---- life ---- */

static int init(act_self *self, void *state, const void *arg)
{
	struct job *j = state;
	const struct job_args *a = arg;
	*j = (struct job){
		.peers = a->peers,
		.self_id = act_whoami(self),
		.keeper = a->keeper,
		.store = a->is_volatile ? a->peers->memory : a->peers->durable,
		.number = a->number,
		.is_volatile = a->is_volatile,
		.uid = a->uid,
		.is_attached = a->is_attached,
		.spec = a->spec != NULL ? job_spec_ref(a->spec) : NULL,
		.quiet_since_ns = act_now_ns(self),
		.next_tag = 1,
	};
	snprintf(j->label, sizeof(j->label), "job %c%llu", j->is_volatile ? 'v' : 'j',
		 (unsigned long long)j->number);
	act_rename(self, j->label);
	list_init(&j->early);
	list_init(&j->polls);
	list_init(&j->feeds);
	j->started = act_event_new(act_myshard(self));
	if (j->started == NULL || !job_life_start(self, j)) {
		if (j->started != NULL)
			act_event_free(j->started);
		job_spec_unref(j->spec);
		return ACT_ENOMEM;
	}
	return ACT_OK;
}

static void fini(act_self *self, void *state, int why)
{
	struct job *j = state;
	(void)why;
	act_kill(self, j->life);
	act_kill(self, j->committer);
	for (struct job_call *c; (c = job_unpark(&j->early)) != NULL;)
		job_call_refuse(self, c, KIND_CLOSED, "the daemon is closing");
	job_feed_fini(j);
	job_polls_fini(j);
	bodyread_close(j->body_read);
	cookies_free(j->cookies);
	bytes_fini(&j->name);
	bytes_fini(&j->error);
	bytes_fini(&j->scopes);
	bytes_fini(&j->page_path);
	act_event_free(j->started);
	job_spec_unref(j->spec);
	jobenv_unref(j->env);
}

static void dump(struct bytes *out, const void *state)
{
	const struct job *j = state;
	bytes_printf(out, "\"job\":%llu,\"state\":\"%s\"", (unsigned long long)j->number,
		     store_job_state_text(j->state));
}

static const act_class job_class = {
	.name = "job",
	.state_size = sizeof(struct job),
	.init = init,
	.on_msg = on_msg,
	.on_signal = on_signal,
	.fini = fini,
	.dump = dump,
};

act_id job_spawn(act_self *self, const struct job_args *args)
{
	struct act_opts opts = {.name = "job", .cap = 256};
	return act_spawn(self, &job_class, args, &opts);
}
