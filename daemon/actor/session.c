/*
 * session -- see session.h. One entry per attached job; an entry that nobody holds has an instant
 * at which its job is given up.
 */
#include "actor/session.h"

#include "actor/jobs.h"
#include "base/table.h"
#include "world.h"

#include <stdlib.h>

#define RETRY_NS (100 * NS_PER_MS)

struct entry {
	struct session_job job;
	int64_t lost_at_ns; /* 0: somebody holds it */
};

struct session {
	struct house *house;
	struct table jobs; /* by number and kind */
	struct act_timer timer;
	int64_t timer_at_ns; /* 0: it is not set */
};

struct key {
	char bytes[sizeof(uint64_t) + 1];
};

static struct slice key_of(uint64_t job, bool is_volatile, struct key *k)
{
	for (size_t i = 0; i < sizeof(job); i++)
		k->bytes[i] = (char)(job >> (8 * i));
	k->bytes[sizeof(job)] = (char)is_volatile;
	return (struct slice){k->bytes, sizeof(k->bytes)};
}

static void arm(act_self *self, struct session *s, int64_t at_ns)
{
	if (s->timer_at_ns != 0 && s->timer_at_ns <= at_ns)
		return; /* it looks at all of them and arms itself again */
	s->timer_at_ns = at_ns;
	act_timer_set_at(self, &s->timer, at_ns);
}

static void on_attach(act_self *self, struct session *s, const struct session_job *job)
{
	struct key k;
	struct slice key = key_of(job->job, job->is_volatile, &k);
	struct entry *e = table_get(&s->jobs, key);
	if (e == NULL && job->is_new) {
		e = calloc(1, sizeof(*e));
		if (e == NULL || table_put(&s->jobs, key, e, NULL) != ERR_OK) {
			free(e);
			return; /* it then belongs to nobody, which loses nothing */
		}
	}
	if (e == NULL)
		return;
	e->job = *job;
	e->lost_at_ns = 0;
	if (job->conn == 0) {
		e->lost_at_ns = act_now_ns(self) + SESSION_RESTART_NS;
		arm(self, s, act_now_ns(self) + SESSION_GRACE_NS);
	} else if (!ctlsock_is_open(s->house->control_sock, job->conn)) {
		e->lost_at_ns = act_now_ns(self) + SESSION_GRACE_NS;
		arm(self, s, e->lost_at_ns);
	}
}

static void on_lost(act_self *self, struct session *s, ctlsock_conn_id conn)
{
	int64_t at_ns = act_now_ns(self) + SESSION_GRACE_NS;
	TABLE_EACH (it, &s->jobs) {
		struct entry *e = it->value;
		if (e->job.conn != conn || e->lost_at_ns != 0)
			continue;
		e->lost_at_ns = at_ns;
		arm(self, s, at_ns);
	}
}

static void on_ended(struct session *s, const struct session_job *job)
{
	struct key k;
	free(table_remove(&s->jobs, key_of(job->job, job->is_volatile, &k)));
}

/* False: it could not be told yet. */
static bool give_up(act_self *self, struct session *s, const struct entry *e)
{
	struct job_call *call = job_call_new(JOB_CALL_ATTACH_LOST);
	if (call == NULL)
		return false;
	call->job = e->job.job;
	call->is_volatile = e->job.is_volatile;
	call->is_admin = true;
	int rc = act_send_buf(self, s->house->jobs, JOBS_CALL, call, sizeof(*call), job_call_free);
	if (rc != ACT_OK)
		job_call_free(call);
	return rc == ACT_OK;
}

static void on_timer(act_self *self, struct session *s)
{
	int64_t now = act_now_ns(self), next = INT64_MAX;
	s->timer_at_ns = 0;
	TABLE_EACH (it, &s->jobs) {
		struct entry *e = it->value;
		if (e->lost_at_ns == 0)
			continue;
		if (e->lost_at_ns > now) {
			next = e->lost_at_ns < next ? e->lost_at_ns : next;
		} else if (give_up(self, s, e)) {
			on_ended(s, &e->job);
		} else {
			next = now + RETRY_NS;
		}
	}
	if (next != INT64_MAX)
		arm(self, s, next);
}

/* ---- the actor ---- */

static int session_init(act_self *self, void *state, const void *arg)
{
	struct session *s = state;
	(void)arg;
	s->house = house_of(self);
	table_init(&s->jobs, s->house->world->hash_seed);
	return ACT_OK;
}

static int session_on_msg(act_self *self, void *state, act_msg *m)
{
	struct session *s = state;
	switch (m->type) {
	case SESSION_ATTACH:
		on_attach(self, s, act_data(m));
		break;
	case SESSION_LOST:
		on_lost(self, s, *(const ctlsock_conn_id *)act_data(m));
		break;
	case SESSION_ENDED:
		on_ended(s, act_data(m));
		break;
	default:
		break;
	}
	return ACT_OK;
}

static int session_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	if (sig->kind == ACT_SIG_TIMER)
		on_timer(self, state);
	return sig->kind == ACT_SIG_CANCEL ? ACT_EXIT : ACT_OK;
}

static void session_fini(act_self *self, void *state, int why)
{
	struct session *s = state;
	(void)self, (void)why;
	TABLE_EACH (it, &s->jobs)
		free(it->value);
	table_fini(&s->jobs);
}

static void session_dump(struct bytes *out, const void *state)
{
	const struct session *s = state;
	bytes_printf(out, "\"attached_jobs\":%u", table_count(&s->jobs));
}

const act_class session_class = {
	.name = "session",
	.state_size = sizeof(struct session),
	.init = session_init,
	.on_msg = session_on_msg,
	.on_signal = session_on_signal,
	.fini = session_fini,
	.dump = session_dump,
};

static void deliver(act_self *self, act_id sessions, uint32_t type, const void *p, size_t n)
{
	act_msg *m = act_prepare(self, type, p, n);
	if (m != NULL)
		act_deliver(self, sessions, m);
}

void session_attach(act_self *self, act_id sessions, const struct session_job *job)
{
	deliver(self, sessions, SESSION_ATTACH, job, sizeof(*job));
}

void session_connection_lost(act_self *self, act_id sessions, ctlsock_conn_id conn)
{
	deliver(self, sessions, SESSION_LOST, &conn, sizeof(conn));
}

void session_job_ended(act_self *self, act_id sessions, uint64_t job, bool is_volatile)
{
	struct session_job j = {.job = job, .is_volatile = is_volatile};
	deliver(self, sessions, SESSION_ENDED, &j, sizeof(j));
}
