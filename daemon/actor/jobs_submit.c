/*
 * jobs_submit -- a new job: its number, its row, then the answer, then its turn.
 */
#include "actor/jobs_state.h"
#include "actor/store.h"
#include "job/spec.h"
#include "job/verb.h"

#include <stdlib.h>

static void add_answer(const struct submission *s, uint64_t number, const char *state,
		       struct bytes *out)
{
	bytes_add_str(out, "{\"job\":\"");
	job_id_add(out, number, s->submit->is_volatile);
	bytes_printf(out, "\",\"state\":\"%s\"}", state);
}

static void answer(act_self *self, struct submission *s, uint64_t number, const char *state)
{
	struct bytes body = BYTES_LIMIT(128);
	add_answer(s, number, state, &body);
	job_reply_send(self, s->token, JOBS_SUBMIT, job_reply_new(&s->submit->head, &body));
	bytes_fini(&body);
}

/* As it was answered then: `"result":RESULT}`. */
static void answer_again(act_self *self, struct submission *s, struct slice then)
{
	static const char key[] = "\"result\":";
	size_t n = sizeof(key) - 1;
	struct bytes body = BYTES_LIMIT(0);
	if (then.n > n + 1)
		bytes_add(&body, then.p + n, then.n - n - 1);
	job_reply_send(self, s->token, JOBS_SUBMIT, job_reply_new(&s->submit->head, &body));
	bytes_fini(&body);
}

static void refuse(act_self *self, uint64_t token, enum kind kind, const char *why)
{
	job_reply_send(self, token, JOBS_SUBMIT, job_reply_refusal(kind, why));
}

static void submission_free(struct keeper *k, struct submission *s)
{
	k->n_submissions--;
	list_remove(&s->link);
	jobs_submit_free(s->submit);
	free(s);
}

/* ---- the row ---- */

static void fill_row(struct keeper *k, const struct submission *s, struct store_job *row)
{
	const struct job_spec *spec = s->submit->spec;
	int64_t now = clock_wall_ns(k->peers->clock);
	int64_t left = spec->has_deadline ? spec->deadline_ms * NS_PER_MS : 0;
	*row = (struct store_job){
		.id = s->number,
		.uid = s->submit->uid,
		.priority = (uint8_t)spec->priority,
		.is_attached = s->submit->is_attached,
		.state = STORE_JOB_QUEUED,
		.wall_created_ns = now,
		.wall_deadline_ns = spec->has_deadline ? now + left : 0,
		.remaining_ns = left,
		.keep_ns = spec->results.has_keep ? spec->results.keep_ms * NS_PER_MS : 0,
	};
}

/* The answer under the caller's op_id, in the same commit. */
static bool add_opid(struct keeper *k, const struct submission *s, struct store_batch *b)
{
	struct bytes text = BYTES_LIMIT(256);
	if (s->submit->op_id.n == 0)
		return true;
	struct store_op *op = store_batch_add(b, STORE_OPID_PUT);
	bytes_add_str(&text, "\"result\":");
	add_answer(s, s->number, s->state, &text);
	bytes_add_byte(&text, '}');
	bool ok = op != NULL &&
		  store_batch_copy(b, bytes_slice(&s->submit->op_id), &op->opid.op_id) == ERR_OK &&
		  store_batch_copy(b, bytes_slice(&text), &op->opid.answer) == ERR_OK;
	if (ok) {
		op->opid.uid = s->submit->uid;
		op->opid.wall_at_ns = clock_wall_ns(k->peers->clock);
	}
	bytes_fini(&text);
	return ok;
}

static struct store_batch *row_batch(struct keeper *k, const struct submission *s)
{
	const struct job_spec *spec = s->submit->spec;
	struct store_batch *b = store_batch_new();
	struct store_op *op = b != NULL ? store_batch_add(b, STORE_JOB_PUT) : NULL;
	if (op == NULL) {
		store_batch_free(b);
		return NULL;
	}
	fill_row(k, s, &op->job);
	enum err e = store_batch_copy(b, spec->name, &op->job.name);
	if (e == ERR_OK)
		e = store_batch_copy(b, spec->idempotency_key, &op->job.idem);
	if (e == ERR_OK)
		e = store_batch_copy(b, bytes_slice(&s->submit->text), &op->job.spec);
	if (e == ERR_OK)
		e = store_batch_copy(b, bytes_slice(&s->submit->vars), &op->job.vars);
	b->is_urgent = true;
	if (e == ERR_OK && add_opid(k, s, b))
		return b;
	store_batch_free(b);
	return NULL;
}

static act_id store_of(const struct keeper *k, const struct jobs_submit *s)
{
	return s->is_volatile || k->peers->durable == 0 ? k->peers->memory : k->peers->durable;
}

/* Whether it will run at once: those that are being stored come before it. */
static const char *first_state(const struct keeper *k)
{
	uint32_t n = k->n_active;
	LIST_EACH (l, &k->submissions) {
		if (n >= k->max_active)
			break;
		n += LIST_ENTRY(l, struct submission, link)->batch != NULL;
	}
	return n < k->max_active ? "running" : "queued";
}

static void send_row(act_self *self, struct keeper *k, struct submission *s)
{
	s->submit->is_volatile |= k->peers->durable == 0;
	s->number = k->next_number++;
	s->state = first_state(k);
	struct store_batch *b = row_batch(k, s);
	int rc = b == NULL ? ACT_ENOMEM
			   : act_send_buf(self, store_of(k, s->submit), STORE_APPLY, b, sizeof(*b),
					  store_batch_drop);
	if (rc == ACT_OK) {
		s->batch = b;
		return;
	}
	store_batch_free(b);
	refuse(self, s->token, rc == ACT_ENOMEM ? KIND_MEMORY : KIND_BUSY, act_rc_text(rc));
	submission_free(k, s);
}

/* ---- in ---- */

static bool check(act_self *self, const struct keeper *k, const struct jobs_submit *s,
		  uint64_t token)
{
	struct bytes why = BYTES_LIMIT(1024);
	bool ok = verb_check(s->spec, &why), is_full = keeper_is_full(k);
	if (!ok)
		refuse(self, token, KIND_REQUEST_INVALID, bytes_cstr(&why));
	else if (k->is_draining)
		refuse(self, token, KIND_CLOSED, "the daemon is draining");
	else if (is_full)
		refuse(self, token, KIND_BUSY, "as many jobs are queued as jobs.queued allows");
	bytes_fini(&why);
	return ok && !k->is_draining && !is_full;
}

void keeper_submit(act_self *self, struct keeper *k, struct jobs_submit *submit, uint64_t token)
{
	bool ok = check(self, k, submit, token);
	struct submission *s = ok ? calloc(1, sizeof(*s)) : NULL;
	if (ok && s == NULL)
		refuse(self, token, KIND_MEMORY, "out of memory");
	if (s == NULL) {
		jobs_submit_free(submit);
		return;
	}
	*s = (struct submission){.submit = submit, .token = token};
	list_push_back(&k->submissions, &s->link);
	k->n_submissions++;
	if (k->is_ready)
		send_row(self, k, s);
}

void keeper_submit_ready(act_self *self, struct keeper *k)
{
	LIST_EACH_SAFE (l, &k->submissions)
		send_row(self, k, LIST_ENTRY(l, struct submission, link));
}

/* ---- committed ---- */

static void accepted(act_self *self, struct keeper *k, struct submission *s)
{
	struct entry *e = keeper_add(k, s->number, s->submit->is_volatile);
	if (e == NULL) {
		refuse(self, s->token, KIND_MEMORY, "out of memory; the job waits for a restart");
		return;
	}
	e->uid = s->submit->uid;
	e->is_attached = s->submit->is_attached;
	e->priority = (uint8_t)s->submit->spec->priority;
	/* Its tree is at hand if it runs now; else it is read from the store when its turn comes.
	 */
	if (k->n_active < k->max_active)
		keeper_wake(self, k, e, s->submit->spec);
	keeper_enqueue(self, k, e);
	answer(self, s, s->number, s->state);
}

void keeper_submit_stored(act_self *self, struct keeper *k, struct store_batch *b)
{
	struct submission *s = NULL;
	LIST_EACH (l, &k->submissions)
		if (LIST_ENTRY(l, struct submission, link)->batch == b)
			s = LIST_ENTRY(l, struct submission, link);
	if (s == NULL)
		return;
	switch (b->result) {
	case ERR_OK:
		accepted(self, k, s);
		break;
	case ERR_EXISTS: /* the same op_id, or the same key and text: the same job */
		if (b->ret_answer.n > 0)
			answer_again(self, s, b->ret_answer);
		else
			answer(self, s, b->ret_job, "known");
		break;
	case ERR_CONFLICT:
		refuse(self, s->token, KIND_CONFLICT,
		       "this idempotency key belongs to another job");
		break;
	case ERR_FULL:
		refuse(self, s->token, KIND_STORE_FULL, "the store has no room left");
		break;
	default:
		refuse(self, s->token, KIND_BUSY, err_text(b->result));
		break;
	}
	submission_free(k, s);
}

void keeper_submit_fini(struct keeper *k)
{
	while (!list_empty(&k->submissions))
		submission_free(k, LIST_ENTRY(k->submissions.next, struct submission, link));
}
