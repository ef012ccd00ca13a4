/*
 * control_job -- the methods job.* but submit and feed: parameters by tables, then one question to
 * the keeper of jobs, whose reply is the answer as it stands.
 */
#include "actor/control_job.h"

#include "actor/call.h"
#include "actor/control_methods.h"
#include "actor/control_state.h"
#include "actor/opid.h"
#include "actor/session.h"
#include "base/check.h"

#include <string.h>

#define LIST_DEFAULT 100
#define LIST_MAX     1000
#define BODY_MAX     (1u << 20)

struct job_params {
	const char *job, *why, *op_id;
	int64_t after, max, max_bytes, wait_ms, ack;
	int64_t seq, offset, length;
	bool file;
};

#define P_JOB F_STRING("job", struct job_params, job, 1, 24, FIELD_REQUIRED, "its id, as \"j7\"")
#define P_WAIT                                                                                     \
	F_INT("wait_ms", struct job_params, wait_ms, 0, CONTROL_WAIT_MAX_MS, FIELD_OPTIONAL,       \
	      "how long the answer may wait")
#define P_OP_ID                                                                                    \
	F_STRING("op_id", struct job_params, op_id, 1, OPID_NAME_MAX, FIELD_OPTIONAL,              \
		 "the same id within ten minutes gets the same answer")

static const struct field get_fields[] = {P_JOB};
static const struct field order_fields[] = {
	P_JOB, P_OP_ID,
	F_STRING("why", struct job_params, why, 0, 500, FIELD_OPTIONAL, "for the record")};
static const struct field wait_fields[] = {P_JOB, P_WAIT};
static const struct field results_fields[] = {
	P_JOB,
	P_WAIT,
	F_INT("after", struct job_params, after, 0, INT64_MAX, FIELD_OPTIONAL, "a seq"),
	F_INT("max", struct job_params, max, 1, 100000, FIELD_OPTIONAL, "lines"),
	F_INT("max_bytes", struct job_params, max_bytes, 1, 16 << 20, FIELD_OPTIONAL, "of lines"),
	F_INT("ack", struct job_params, ack, 0, INT64_MAX, FIELD_OPTIONAL,
	      "the daemon may drop what is up to this seq"),
};
static const struct field body_fields[] = {
	P_JOB,
	F_INT("seq", struct job_params, seq, 1, INT64_MAX, FIELD_REQUIRED, "of the result"),
	F_INT("offset", struct job_params, offset, 0, INT64_MAX, FIELD_OPTIONAL, "in bytes"),
	F_INT("length", struct job_params, length, 1, BODY_MAX, FIELD_OPTIONAL, "in bytes"),
	F_BOOL("file", struct job_params, file, FIELD_OPTIONAL,
	       "rather its open file (SCM_RIGHTS) than a piece of it"),
};
static const struct field list_fields[] = {
	F_INT("after", struct job_params, after, 0, INT64_MAX, FIELD_OPTIONAL, "a job's number"),
	F_INT("max", struct job_params, max, 1, LIST_MAX, FIELD_OPTIONAL, "jobs of this page"),
};

static const struct field_table get_table = FIELD_TABLE("params", get_fields);
static const struct field_table order_table = FIELD_TABLE("params", order_fields);
static const struct field_table wait_table = FIELD_TABLE("params", wait_fields);
static const struct field_table results_table = FIELD_TABLE("params", results_fields);
static const struct field_table body_table = FIELD_TABLE("params", body_fields);
static const struct field_table list_table = FIELD_TABLE("params", list_fields);

/* ---- asking the keeper ---- */

struct ask_frame {
	struct keeper_ask ask; /* first: given at the start */
	act_co co;
	int rc;
	act_msg *reply;
};

void call_take_reply(act_self *self, struct call *call, int rc, act_msg *m)
{
	if (rc != ACT_OK) {
		if (rc != ACT_ECANCELED)
			call_fail(self, call, rc == ACT_ENOMEM ? KIND_MEMORY : KIND_BUSY,
				  "the daemon could not see to it: %s", act_rc_text(rc));
		return;
	}
	struct job_reply *r = act_data(m);
	if (r->kind != KIND_NONE) {
		call_fail(self, call, r->kind, "%s", bytes_cstr(&r->message));
		return;
	}
	call->packet->fd = r->fd;
	r->fd = -1;
	call_ok_body(self, call, &r->body);
}

static int ask_step(act_self *self, void *frame)
{
	struct ask_frame *f = frame;
	struct call *call = act_arg(self);
	CO_BEGIN(&f->co);
	call->own = NULL; /* the ask takes it */
	CO_AWAIT(&f->co, f->rc,
		 act_ask_buf(self, house_of(self)->jobs, f->ask.type, f->ask.payload, f->ask.size,
			     f->ask.dtor, &f->reply));
	call_take_reply(self, call, f->rc, f->reply);
	if (f->rc == ACT_OK)
		act_drop(self, f->reply);
	CO_END(&f->co);
}

void call_ask_keeper(act_self *self, struct call *call, const struct keeper_ask *ask)
{
	call->own = ask->payload;
	call->own_free = ask->dtor;
	call_spawn(self, call, ask_step, sizeof(struct ask_frame), ask, sizeof(*ask));
}

bool call_job_id(act_self *self, struct call *call, struct slice text, struct job_call *jc)
{
	if (job_id_parse(text, &jc->job, &jc->is_volatile))
		return true;
	call_fail(self, call, KIND_NOT_FOUND, "there is no job \"%.*s\"",
		  (int)(text.n < 64 ? text.n : 64), text.p);
	job_call_free(jc);
	return false;
}

struct job_call *call_job_new(act_self *self, struct call *call, enum job_call_kind kind)
{
	struct job_call *jc = job_call_new(kind);
	if (jc == NULL) {
		call_fail(self, call, KIND_MEMORY, "out of memory");
		return NULL;
	}
	jc->uid = call->uid;
	jc->is_admin = call->is_admin;
	call_head(call, &jc->head);
	return jc;
}

void call_send_job(act_self *self, struct call *call, struct job_call *jc)
{
	struct keeper_ask ask = {
		.type = JOBS_CALL, .payload = jc, .size = sizeof(*jc), .dtor = job_call_free};
	call_ask_keeper(self, call, &ask);
}

/* Reads parameters and begins the call about a job; NULL: it has been answered. */
static struct job_call *begin(act_self *self, struct call *call, enum job_call_kind kind,
			      const struct field_table *t, struct job_params *p)
{
	if (!call_params(self, call, t, p))
		return NULL;
	struct job_call *jc = call_job_new(self, call, kind);
	if (jc == NULL || !call_job_id(self, call, slice_of(p->job), jc))
		return NULL;
	return jc;
}

/* ---- the methods ---- */

void control_job_get(act_self *self, struct call *call)
{
	struct job_params p = {.job = NULL};
	struct job_call *jc = begin(self, call, JOB_CALL_SHOW, &get_table, &p);
	if (jc != NULL)
		call_send_job(self, call, jc);
}

void control_job_cookies(act_self *self, struct call *call)
{
	struct job_params p = {.job = NULL};
	struct job_call *jc = begin(self, call, JOB_CALL_COOKIES, &get_table, &p);
	if (jc != NULL)
		call_send_job(self, call, jc);
}

static void order(act_self *self, struct call *call, enum job_call_kind kind)
{
	struct job_params p = {.why = ""};
	struct job_call *jc = begin(self, call, kind, &order_table, &p);
	if (jc == NULL)
		return;
	bytes_add_str(&jc->text, p.why);
	call_send_job(self, call, jc);
}

void control_job_cancel(act_self *self, struct call *call)
{
	order(self, call, JOB_CALL_CANCEL);
}

void control_job_pause(act_self *self, struct call *call)
{
	order(self, call, JOB_CALL_PAUSE);
}

void control_job_resume(act_self *self, struct call *call)
{
	order(self, call, JOB_CALL_RESUME);
}

void control_job_retry(act_self *self, struct call *call)
{
	order(self, call, JOB_CALL_RETRY);
}

void control_job_forget(act_self *self, struct call *call)
{
	order(self, call, JOB_CALL_FORGET);
}

void control_job_wait(act_self *self, struct call *call)
{
	struct job_params p = {.wait_ms = 0};
	struct job_call *jc = begin(self, call, JOB_CALL_WAIT, &wait_table, &p);
	if (jc == NULL)
		return;
	jc->wait_ms = (uint32_t)p.wait_ms;
	call_send_job(self, call, jc);
}

void call_touch_session(act_self *self, struct call *call, const struct job_call *jc)
{
	struct session_job touch = {
		.job = jc->job, .is_volatile = jc->is_volatile, .conn = call->client->id};
	if (!call->via_gateway)
		session_attach(self, house_of(self)->sessions, &touch);
}

void control_job_results(act_self *self, struct call *call)
{
	struct job_params p = {.ack = -1};
	struct job_call *jc = begin(self, call, JOB_CALL_RESULTS, &results_table, &p);
	if (jc == NULL)
		return;
	jc->results.after = (uint64_t)p.after;
	jc->results.max = (uint32_t)p.max;
	jc->results.max_bytes = (uint32_t)p.max_bytes;
	jc->results.wait_ms = (uint32_t)p.wait_ms;
	jc->results.ack = p.ack > 0 ? (uint64_t)p.ack : 0;
	if (p.ack >= 0)
		call_touch_session(self, call, jc);
	call_send_job(self, call, jc);
}

void control_job_body(act_self *self, struct call *call)
{
	struct job_params p = {.length = BODY_MAX};
	struct job_call *jc = begin(self, call, JOB_CALL_BODY, &body_table, &p);
	if (jc == NULL)
		return;
	jc->body.seq = (uint64_t)p.seq;
	jc->body.offset = (uint64_t)p.offset;
	jc->body.length = (uint32_t)p.length;
	jc->body.wants_file =
		p.file && ctlsock_takes_files(call->control->ctlsock, &call->packet->rq->token);
	call_send_job(self, call, jc);
}

/* ---- job.list: asked with an inline message, answered without a head ---- */

struct list_frame {
	struct jobs_list q;
	act_co co;
	int rc;
	act_msg *reply;
};

static int list_step(act_self *self, void *frame)
{
	struct list_frame *f = frame;
	struct call *call = act_arg(self);
	CO_BEGIN(&f->co);
	CO_AWAIT(&f->co, f->rc,
		 act_ask(self, house_of(self)->jobs, JOBS_LIST, &f->q, sizeof(f->q), &f->reply));
	if (f->rc != ACT_OK) {
		call_take_reply(self, call, f->rc, NULL);
		return f->rc;
	}
	struct job_reply *r = act_data(f->reply);
	if (r->kind != KIND_NONE)
		call_fail(self, call, r->kind, "%s", bytes_cstr(&r->message));
	else
		call_ok(self, call, &r->body);
	act_drop(self, f->reply);
	CO_END(&f->co);
}

void control_job_list(act_self *self, struct call *call)
{
	struct job_params p = {.max = LIST_DEFAULT};
	if (!call_params(self, call, &list_table, &p))
		return;
	struct list_frame f = {.q = {.uid = call->uid,
				     .is_admin = call->is_admin,
				     .after = (uint64_t)p.after,
				     .max = (uint32_t)p.max}};
	call_spawn(self, call, list_step, sizeof(f), &f, sizeof(f));
}
