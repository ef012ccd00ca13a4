/*
 * leaf_verdict -- what an answer means: redirected, good, to be tried again; and its line.
 */
#include "actor/leaf_fetch_state.h"
#include "edge/store.h"
#include "job/bodypiece.h"
#include "job/results.h"
#include "model/httpdate.h"
#include "model/redirect.h"
#include "proto/jsonscan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_HEADERS 256

static struct slice response_header(const struct host_done *d, const char *name)
{
	for (size_t i = 0; i < d->n_headers; i++)
		if (slice_eq_nocase(d->headers[i].name, slice_of(name)))
			return d->headers[i].value;
	return (struct slice){NULL, 0};
}

/* ---- the attempt ---- */

static int64_t retry_after(const struct fetch *f)
{
	struct slice text = response_header(f->done, "Retry-After");
	if (text.p == NULL)
		return -1;
	return retryafter_parse(text, clock_wall_ns(f->leaf.task->env->clock));
}

static void judge_status(struct fetch *f)
{
	const struct host_done *d = f->done;
	if (statuses_has(&f->spec->expect, d->status))
		return;
	if (d->status == 304 && f->is_conditional)
		return; /* it has not changed: what was asked for */
	if (fetch_is_resumed(f) && statuses_has(&f->spec->expect, 200))
		return; /* with what was there before it is the whole of a 200 */
	f->phase = NULL;
	fetch_says(f, KIND_STATUS, "%d%s%.*s", d->status, d->reason.n > 0 ? " " : "",
		   (int)(d->reason.n < 200 ? d->reason.n : 200), d->reason.p);
}

static void judge_sum(struct fetch *f)
{
	const struct host_done *d = f->done;
	if (f->spec->has_sha256 && d->has_sha256 && memcmp(d->sha256, f->spec->sha256, 32) != 0)
		fetch_says(f, KIND_BODY_CHECKSUM, "the body does not have the expected SHA-256");
}

/* Of a body that was cut: how much of it came. */
static void say_how_far(struct fetch *f)
{
	const struct host_done *d = f->done;
	struct slice length = response_header(d, "Content-Length");
	bool is_body = d->has_head && f->phase != NULL && strcmp(f->phase, "body") == 0;
	if (!is_body || (d->end.kind != KIND_READ_CLOSED && d->end.kind != KIND_READ_TIMEOUT))
		return;
	bytes_printf(&f->message, " (%llu", (unsigned long long)d->body_size);
	if (length.n > 0 && length.n < 20 && !d->is_resumed &&
	    response_header(d, "Content-Encoding").p == NULL)
		bytes_printf(&f->message, " of %.*s", (int)length.n, length.p);
	bytes_add_str(&f->message, " bytes came)");
}

void fetch_judge(struct fetch *f)
{
	const struct host_done *d = f->done;
	f->outcome = (struct limit_outcome){
		.use = d->end.request_sent ? LIMIT_USED : LIMIT_UNUSED,
		.failed = !d->end.ok || d->status >= 500,
		.status = d->has_head ? d->status : 0,
		.retry_after_ms = d->has_head ? retry_after(f) : -1,
	};
	/* What never reached the server may have been stopped by ourselves; a refusal is an answer.
	 */
	if (!d->end.request_sent && d->end.kind != KIND_POLICY_DENIED)
		f->outcome.use = LIMIT_USED;
	if (!d->end.ok) {
		f->phase = d->end.phase;
		fetch_says(f, d->end.kind, "%.*s", (int)d->end.message.n, d->end.message.p);
		say_how_far(f);
		if (d->end.kind == KIND_BODY_TOO_LARGE && f->resume_from > 0)
			fetch_says(f, d->end.kind, "the whole body exceeds the limit of %lld bytes",
				   (long long)f->spec->max_body_bytes);
		return;
	}
	judge_status(f);
	if (f->kind == KIND_NONE)
		judge_sum(f);
}

bool fetch_redirected(struct fetch *f)
{
	struct redirect_step step = {.why = ""};
	struct redirect_facts facts = {
		.status = f->done->status,
		.method = f->to_get ? SLICE_LIT("GET") : f->spec->method,
		.location = response_header(f->done, "Location"),
		.at = &f->at,
		.hops = f->hops,
		.max_hops = (uint32_t)f->spec->max_redirects,
		.may_downgrade = f->spec->downgrade || !f->spec->tls_verify,
	};
	if (!f->spec->follow || !f->done->end.ok)
		return false;
	switch (redirect_next(&facts, &step)) {
	case REDIRECT_FINAL:
		return false;
	case REDIRECT_FAILED:
		fetch_says(f, step.kind, "%s", step.why);
		return false;
	case REDIRECT_FOLLOW:
		break;
	}
	url_fini(&f->at);
	f->at = step.to;
	f->to_get = f->to_get || step.to_get;
	f->from_public = !f->done->end.peer_is_special;
	f->hops++;
	f->kind = KIND_NONE;
	bytes_clear(&f->message);
	return true;
}

/* ---- another one ---- */

static bool has_idempotency_key(const struct fetch *f)
{
	for (uint32_t i = 0; i < f->spec->n_header; i++)
		if (slice_eq_nocase(f->spec->header[i].name, SLICE_LIT("Idempotency-Key")))
			return true;
	return false;
}

bool fetch_retries(act_self *self, struct fetch *f)
{
	struct retry_facts facts = {
		.attempt = f->attempt,
		.kind = f->kind,
		.status = f->kind == KIND_STATUS ? f->done->status : 0,
		.method = fetch_is_page(f) ? SLICE_LIT("GET") : f->spec->method,
		.was_sent = f->done == NULL || f->done->end.request_sent,
		.has_idempotency_key = has_idempotency_key(f),
	};
	bool is_refunded = f->kind == KIND_STATUS && limit_is_refunded(&f->outcome, f->refunds);
	if (is_refunded) /* the block took it, not the task */
		facts.attempt = f->attempt > 1 ? f->attempt - 1 : 1;
	if (!retry_again(&f->policy, &facts))
		return false;
	f->until_ns = act_now_ns(self);
	if (is_refunded) {
		f->refunds++;
		f->attempt--;
		return true; /* the key is blocked until then: the limiter does the waiting */
	}
	f->until_ns += retry_backoff_ms(&f->policy, f->attempt, act_rng(self)) * NS_PER_MS;
	return f->until_ns < act_deadline(self);
}

void fetch_remember_attempt(act_self *self, struct fetch *f)
{
	int64_t took = act_now_ns(self) - f->attempt_ns - f->attempt_waited_ns;
	f->waited_ns += f->attempt_waited_ns;
	if (f->history == NULL && f->kind == KIND_NONE)
		return; /* good at once: nothing to remember */
	if (f->history == NULL)
		f->history = calloc(FETCH_HISTORY_MAX, sizeof(*f->history));
	if (f->history == NULL || f->n_history == FETCH_HISTORY_MAX)
		return;
	f->history[f->n_history++] = (struct result_attempt){
		.kind = f->kind,
		.status = f->done != NULL && f->done->has_head ? f->done->status : 0,
		.waited_ms = f->attempt_waited_ns / NS_PER_MS,
		.took_ms = took / NS_PER_MS,
	};
}

/* ---- the line ---- */

static void set_outcome(act_self *self, struct fetch *f)
{
	struct task *t = f->leaf.task;
	if (f->is_cancelled)
		task_cancelled(self, t);
	else if (f->kind != KIND_NONE)
		task_fail(t, f->kind, "%s", bytes_cstr(&f->message));
	else
		task_ok(t, NULL);
}

static void set_timing(const struct fetch *f, struct result_record *rec)
{
	rec->timing = (struct result_timing)RESULT_NO_TIMING;
	rec->timing.wait_ms = f->waited_ns / NS_PER_MS;
	if (f->done == NULL)
		return;
	const struct xtiming *x = &f->done->end.timing;
	rec->timing.dns_ms = x->dns_ms;
	rec->timing.connect_ms = x->connect_ms;
	rec->timing.tls_ms = x->tls_ms;
	rec->timing.first_byte_ms = x->first_byte_ms;
	rec->timing.total_ms = x->total_ms;
}

static void set_response(const struct fetch *f, struct result_record *rec,
			 struct result_header header[LINE_HEADERS])
{
	const struct host_done *d = f->done;
	if (d == NULL || !d->has_head)
		return;
	rec->status = d->status;
	rec->reason = d->reason;
	rec->has_headers = true;
	rec->header = header;
	rec->n_header = d->n_headers < LINE_HEADERS ? d->n_headers : LINE_HEADERS;
	for (size_t i = 0; i < rec->n_header; i++)
		header[i] = (struct result_header){d->headers[i].name, d->headers[i].value};
	rec->size = (int64_t)d->body_size;
	if (f->hops > 0)
		rec->final_url = url_text(&f->at);
	if (fetch_job(f)->spec->results.body_inline && d->body_file == 0 && !d->is_held)
		rec->body = (struct slice){d->body.p != NULL ? d->body.p : "", d->body.n};
}

/* A body kept beside the record: its row goes into the same commit. One that a task still needs, or
 * whose line has no number yet, is found by the name in the line. */
static void set_file(struct fetch *f, struct line_about *about, char name[32])
{
	struct host_done *d = f->done;
	struct task *t = f->leaf.task;
	struct jobenv *env = t->env;
	bool in_line = fetch_job(f)->spec->results.body_inline && line_is_wanted(t, about);
	if (d == NULL || d->body_file == 0 || (!in_line && !t->wants_text))
		return;
	struct store_op *op = results_op(env->results, STORE_BODY_PUT);
	if (op == NULL)
		return;
	bool is_held = t->wants_text || results_is_ahead(env->results, task_turn(t));
	op->body = (struct store_body){.job = env->number,
				       .seq = is_held ? BODYPIECE_HELD
						      : results_next_seq(env->results),
				       .size = d->body_size};
	memcpy(op->body.sha256, d->sha256, 32);
	op->body.id = host_done_take_file(d);
	snprintf(name, 32, "%llu", (unsigned long long)op->body.id);
	if (in_line)
		about->rec->file = slice_of(name);
	if (t->wants_text)
		about->value_file = slice_of(name);
}

/* An item that is not even a fetch: what was given stands for its URL if it is a plain string. */
static struct slice item_url(const struct task *t)
{
	struct slice url;
	if (t->raw == NULL || jsonscan_plain(t->item.raw, &url) != ERR_OK)
		return (struct slice){NULL, 0};
	return url;
}

_Static_assert(sizeof(struct result_header) == sizeof(struct cond_header), "one layout");

void fetch_tell(act_self *self, struct fetch *f)
{
	struct task *t = f->leaf.task;
	struct result_header header[LINE_HEADERS];
	struct result_record rec = {.size = -1};
	char file[32];
	set_outcome(self, f);
	rec.url = t->page_url.n > 0 ? t->page_url : f->spec != NULL ? f->spec->url : item_url(t);
	set_response(f, &rec, header);
	set_timing(f, &rec);
	rec.phase = f->phase != NULL ? slice_of(f->phase) : (struct slice){NULL, 0};
	rec.attempts = f->tries;
	rec.history = f->history;
	rec.n_history = f->tries > 1 ? f->n_history : 0;
	json_t *doc = fetch_json(f);
	struct line_about about = {.rec = &rec,
				   .header = (const struct cond_header *)(const void *)header,
				   .n_header = rec.n_header,
				   .doc = doc,
				   .is_value = t->wants_value,
				   .value_body = fetch_text(f),
				   .fetch = f->spec};
	set_file(f, &about, file);
	line_tell(self, t, &about, &f->wait);
	json_decref(doc);
	bodypiece_free(f->piece);
	f->piece = NULL;
	host_done_free(f->done);
	f->done = NULL;
	host_partial_end(self, f->partial);
	f->partial = NULL;
}
