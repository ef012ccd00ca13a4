#include "actor/leaf_fetch.h"

#include "actor/leaf_fetch_state.h"
#include "base/fault.h"
#include "edge/uploads.h"
#include "job/bodypiece.h"
#include "job/mods.h"
#include "job/recall.h"
#include "job/results.h"

#include <stdio.h>
#include <stdlib.h>

size_t leaf_fetch_size(void)
{
	return sizeof(struct fetch);
}

static void forget_before(struct fetch *f)
{
	host_done_free(f->before.done);
	bytes_fini(&f->before.message);
	f->before = (struct fetch_before){.kind = KIND_NONE};
}

void leaf_fetch_fini(struct leaf_fetch *frame)
{
	struct fetch *f = (struct fetch *)(void *)frame;
	limit_abandon(f->ticket);
	f->ticket = NULL;
	fetch_spec_free(f->spec);
	url_fini(&f->url);
	url_fini(&f->page);
	url_fini(&f->at);
	host_done_free(f->done);
	forget_before(f);
	bytes_fini(&f->message);
	digest_fini(&f->digest);
	uploadread_free(f->source);
	bodypiece_free(f->piece);
	host_partial_unref(f->partial);
	free(f->history);
	f->piece = NULL;
	f->spec = NULL;
	f->source = NULL;
	f->partial = NULL;
	f->done = NULL;
	f->history = NULL;
}

/* ---- what is held ---- */

static void give_back(act_self *self, struct fetch *f)
{
	if (f->ticket == NULL)
		return;
	limit_release(self, fetch_job(f)->peers->limiter, f->ticket, &f->outcome);
	f->ticket = NULL;
	results_hold(f->leaf.task->env->results, -1);
}

static void forget_answer(struct fetch *f)
{
	host_done_free(f->done);
	f->done = NULL;
	f->outcome = (struct limit_outcome){.use = LIMIT_UNUSED, .retry_after_ms = -1};
}

static void begin_attempt(act_self *self, struct fetch *f)
{
	forget_before(f);
	f->before = (struct fetch_before){f->done, f->kind, f->phase, f->message};
	f->done = NULL;
	bytes_init(&f->message, MESSAGE_MAX);
	forget_answer(f);
	url_fini(&f->at);
	if (url_copy(fetch_is_page(f) ? &f->page : &f->url, &f->at) != ERR_OK)
		fetch_says(f, KIND_MEMORY, "out of memory");
	f->tries++;
	f->attempt++;
	f->hops = f->n_challenges = 0;
	f->to_get = fetch_is_page(f);
	f->from_public = f->is_front = f->is_from_start = false;
	f->is_fresh = false;
	f->left_ns = f->spec->timeout_ms * NS_PER_MS;
	f->attempt_ns = act_now_ns(self);
	f->attempt_waited_ns = 0;
	f->kind = KIND_NONE;
	f->phase = NULL;
}

/* ---- the grant ---- */

/* Its retries are spent: what the attempt before said is what it comes to. */
static void fall_back(struct fetch *f, const char *why)
{
	bytes_fini(&f->message);
	host_done_free(f->done);
	f->done = f->before.done;
	f->kind = f->before.kind;
	f->phase = f->before.phase;
	f->message = f->before.message;
	f->before = (struct fetch_before){.kind = KIND_NONE};
	bytes_printf(&f->message, "; %s", why);
	f->is_unpaid = true;
	f->tries--;
	f->attempt--;
}

static void take_grant(act_self *self, struct fetch *f)
{
	const struct limit_refusal *no = limit_refused(f->m);
	f->attempt_waited_ns += act_now_ns(self) - f->asked_ns;
	if (no != NULL && no->kind == KIND_NONE)
		fall_back(f, no->message);
	else if (no != NULL)
		fetch_says(f, no->kind, "%s", no->message);
	else
		f->ticket = limit_granted(f->m);
	act_drop(self, f->m);
	f->m = NULL;
	if (f->ticket == NULL)
		return;
	forget_before(f);
	results_hold(f->leaf.task->env->results, 1);
	f->outcome = (struct limit_outcome){.use = LIMIT_UNUSED, .retry_after_ms = -1};
}

/* The token has lapsed, or the job was paused meanwhile: ask again, before the others. */
static bool must_ask_again(act_self *self, struct fetch *f)
{
	bool is_late = act_now_ns(self) > limit_ticket_use_before_ns(f->ticket);
	if (!is_late && act_event_is_set(f->leaf.task->env->go))
		return false;
	give_back(self, f);
	f->is_front = true;
	return true;
}

static void await_failed(struct fetch *f, int rc)
{
	if (rc == ACT_ECANCELED || rc == ACT_ETIMEDOUT)
		f->is_cancelled = true;
	else
		fetch_says(f, rc == ACT_ENOMEM ? KIND_MEMORY : KIND_INTERNAL, "%s",
			   act_rc_text(rc));
}

/* A step: until a slot is held, or kind or is_cancelled say why there is none. */
static int acquire_step(act_self *self, void *frame)
{
	struct fetch *f = frame;
	struct task *t = f->leaf.task;
	CO_BEGIN(&f->co2);
	do {
		while (!act_event_is_set(t->env->go)) {
			task_waits(t, TASK_WAITS_RESUME, act_now_ns(self), 0);
			CO_AWAIT(&f->co2, f->rc, act_event_wait(self, t->env->go));
			if (f->rc != ACT_OK)
				goto failed;
		}
		f->asked_ns = act_now_ns(self);
		task_waits(t, TASK_WAITS_LIMIT, f->asked_ns, 0);
		CO_AWAIT(&f->co2, f->rc,
			 limit_acquire(self, fetch_job(f)->peers->limiter, fetch_ticket(self, f),
				       &f->m));
		if (f->rc != ACT_OK) {
			f->attempt_waited_ns += act_now_ns(self) - f->asked_ns;
			goto failed;
		}
		take_grant(self, f);
	} while (f->ticket != NULL && must_ask_again(self, f));
	return ACT_OK;
failed:
	await_failed(f, f->rc);
	CO_END(&f->co2);
}

/* ---- one hop ---- */

static bool open_timeout(act_self *self, struct fetch *f)
{
	f->scope = f->left_ns > 0 ? act_scope_open(self, f->left_ns) : NULL;
	f->timed_out = false;
	return f->left_ns <= 0 || f->scope != NULL;
}

static void close_timeout(act_self *self, struct fetch *f)
{
	if (f->scope == NULL)
		return;
	act_scope_close(self, f->scope, ACT_OK, &f->timed_out);
	f->scope = NULL;
	f->left_ns -= act_now_ns(self) - f->asked_ns;
	if (f->left_ns <= 0)
		f->left_ns = 1;
}

/*
 * The connection took longer than the token lasts (it is kept, and a new token finds it), or was a
 * kept one that closed before it said a word: the same request again, with a new token.
 */
static bool goes_unheard(const struct fetch *f)
{
	const struct xend *e = &f->done->end;
	return e->lapsed || (e->stale && !f->is_fresh);
}

static void take_answer(act_self *self, struct fetch *f)
{
	if (f->rc == ACT_OK) {
		f->done = host_done_of(f->m);
		act_drop(self, f->m);
		f->m = NULL;
		if (goes_unheard(f))
			return;
		fetch_keep_fields(f);
		fetch_judge(f);
	} else if (f->timed_out && !act_is_cancelled(self)) {
		f->outcome = (struct limit_outcome){
			.use = LIMIT_USED, .failed = true, .retry_after_ms = -1};
		fetch_says(f, KIND_ATTEMPT_TIMEOUT, "not done within %lld ms",
			   (long long)f->spec->timeout_ms);
	} else {
		f->outcome.use = LIMIT_USED;
		await_failed(f, f->rc);
	}
}

/* A step: asks and hears, hop by hop. Ends with the verdict of the attempt in kind. */
static int attempt_step(act_self *self, void *frame)
{
	struct fetch *f = frame;
	struct host_call *call;
	CO_BEGIN(&f->co1);
	for (;;) {
		if (fetch_has_source(f)) {
			CO_AWAIT(&f->co1, f->rc, fetch_open_source(self, f));
			if (!fetch_source_is_open(f))
				return ACT_OK;
		}
		if (fetch_wants_validator(f)) {
			CO_AWAIT(&f->co1, f->rc, fetch_read_validator(self, f));
			if (f->rc == ACT_OK)
				fetch_take_validator(self, f);
		}
		f->co2 = (act_co){0};
		CO_CALL(&f->co1, f->rc, acquire_step, f);
		if (f->ticket == NULL)
			return ACT_OK;
		call = fetch_call(f);
		if (call == NULL || !open_timeout(self, f)) {
			host_call_free(call);
			return ACT_OK;
		}
		FAULT(fetch_job(f)->peers->fault, after_grant_before_send);
		f->asked_ns = act_now_ns(self);
		task_waits(f->leaf.task, TASK_WAITS_RESPONSE, f->asked_ns, 0);
		CO_AWAIT(&f->co1, f->rc, host_fetch(self, fetch_job(f)->peers->hosts, call, &f->m));
		close_timeout(self, f);
		take_answer(self, f);
		if (f->done != NULL && !f->is_cancelled && goes_unheard(f)) {
			f->is_fresh = f->done->end.stale;
			f->outcome.use = f->done->end.request_sent ? LIMIT_USED : LIMIT_UNUSED;
			give_back(self, f);
			forget_answer(f);
			f->is_front = true;
			continue;
		}
		if (f->done == NULL || f->is_cancelled ||
		    (!fetch_starts_over(f) && !fetch_was_unexpected(f) && !fetch_redirected(f) &&
		     !fetch_challenged(self, f)))
			return ACT_OK;
		give_back(self, f);
		forget_answer(f);
		f->is_front = true;
		f->is_fresh = false;
	}
	CO_END(&f->co1);
}

/* ---- all attempts ---- */

/* Whether there will be another; then until_ns is when. */
static bool goes_on(act_self *self, struct fetch *f)
{
	bool is_unpaid = f->is_unpaid;
	f->is_unpaid = false;
	if (!is_unpaid)
		fetch_remember_attempt(self, f);
	if (f->is_cancelled || f->kind == KIND_NONE)
		return false;
	if (!is_unpaid && fetch_retries(self, f))
		return true;
	if (!fetch_next_mirror(f))
		return false;
	f->attempt = 0;
	f->until_ns = act_now_ns(self);
	return true;
}

/* Shorter back-offs may as well begin anew. */
#define STORED_FROM_NS (250 * NS_PER_MS)

/* The instant of the next attempt, and how many there were: for a life to come. */
static void put_due(act_self *self, struct fetch *f)
{
	struct task *t = f->leaf.task;
	char path[TASK_PATH_MAX], text[80];
	int64_t wait_ns = f->until_ns - act_now_ns(self);
	if (wait_ns < STORED_FROM_NS)
		return;
	int n = snprintf(text, sizeof(text), "%u,0,%u,%u,%u", f->attempt, f->refunds, f->tries,
			 f->mirror);
	f->has_due = recall_put(t->env, task_path_in(t, path), RECALL_RETRY,
				clock_wall_ns(t->env->clock) + wait_ns,
				(struct slice){text, (size_t)n}) == ERR_OK;
}

static bool recall_due(act_self *self, struct fetch *f)
{
	struct task *t = f->leaf.task;
	char path[TASK_PATH_MAX];
	struct slice data;
	int64_t due_ns;
	uint32_t mirror;
	if (recall_is_empty(t->env->recall) ||
	    !recall_get(t->env->recall, task_path_in(t, path), RECALL_RETRY, &due_ns, &data) ||
	    sscanf(data.p, "%u,0,%u,%u,%u", &f->attempt, &f->refunds, &f->tries, &mirror) != 4)
		return false;
	f->has_due = true;
	while (f->mirror < mirror && fetch_next_mirror(f))
		;
	f->until_ns = act_now_ns(self) + due_ns - clock_wall_ns(t->env->clock);
	return true;
}

static void forget_due(struct fetch *f)
{
	char path[TASK_PATH_MAX];
	if (f->has_due)
		recall_drop(f->leaf.task->env, task_path_in(f->leaf.task, path), RECALL_RETRY);
}

/* What it has to hold is not to be had: that is how it ends. */
static void hold_refused(struct fetch *f, struct task *t)
{
	if (t->out.state == OUTCOME_CANCELLED)
		f->is_cancelled = true;
	else
		fetch_says(f, failure_kind(t->out.error), "%.*s",
			   (int)failure_message(t->out.error).n, failure_message(t->out.error).p);
	outcome_fini(&t->out);
	t->out = (struct outcome){0};
}

int leaf_fetch_step(act_self *self, void *frame)
{
	struct fetch *f = frame;
	struct task *t = f->leaf.task;
	CO_BEGIN(&f->co);
	if (line_recall(t))
		return ACT_OK;
	if (act_is_cancelled(self))
		f->is_cancelled = true;
	else if (fetch_prepare(f)) {
		f->waits_already = recall_due(self, f);
		for (;;) {
			if (!f->waits_already) {
				begin_attempt(self, f);
				f->co1 = (act_co){0};
				CO_CALL(&f->co, f->rc, attempt_step, f);
				if (!goes_on(self, f))
					break;
				give_back(self, f);
				put_due(self, f);
			}
			f->waits_already = false;
			if (f->until_ns <= act_now_ns(self))
				continue;
			if (mods_hold(t))
				CO_CALL(&f->co, f->rc, mods_let_go, t);
			task_waits(t, TASK_WAITS_BACKOFF, act_now_ns(self), f->until_ns);
			f->asked_ns = act_now_ns(self);
			CO_AWAIT(&f->co, f->rc, act_sleep_until(self, f->until_ns));
			f->waited_ns += act_now_ns(self) - f->asked_ns;
			if (f->rc != ACT_OK) {
				await_failed(f, f->rc);
				break;
			}
			f->asked_ns = act_now_ns(self);
			if (mods_hold(t))
				CO_CALL(&f->co, f->rc, mods_take_again, t);
			f->waited_ns += act_now_ns(self) - f->asked_ns;
			if (t->out.state != OUTCOME_NONE) {
				hold_refused(f, t);
				break;
			}
		}
	}
	forget_due(f);
	if (fetch_reads_back(f)) {
		f->co1 = (act_co){0};
		CO_CALL(&f->co, f->rc, fetch_read_back, f);
	}
	FAULT(fetch_job(f)->peers->fault, after_response_before_commit);
	fetch_tell(self, f);
	CO_CALL(&f->co, f->rc, results_wait, &f->wait);
	give_back(self, f);
	CO_END(&f->co);
}
