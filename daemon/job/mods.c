#include "job/mods_state.h"

#include "base/rng.h"
#include "job/recall.h"
#include "job/taken.h"
#include "job/verb.h"
#include "model/retry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FINALLY_NS (10 * NS_PER_S)

bool mods_has(const struct node *n)
{
	return n->late[LATE_OUTER] != NULL || n->when != NULL || n->finally != NULL ||
	       n->n_catch > 0 || n->has_timeout || n->n_with > 0 ||
	       (n->retry != NULL && !verb_retries_itself(n->verb));
}

uint32_t mods_attempt(const struct task *t)
{
	bool has = t->mods != NULL && t->node->retry != NULL && !verb_retries_itself(t->node->verb);
	return has ? t->mods->attempt + (t->wait != TASK_WAITS_BACKOFF) : 0;
}

int64_t mods_deadline_ns(const struct task *t)
{
	return t->mods != NULL && t->mods->timeout != NULL ? t->mods->deadline_ns : 0;
}

void mods_free(struct mods *m)
{
	if (m == NULL)
		return;
	outcome_fini(&m->kept);
	failure_drop(m->rest);
	failure_drop(m->joined);
	names_fini(&m->names);
	with_fini(m);
	free(m);
}

/* ---- cleaning up: `finally` and exit ---- */

void cleanup_begin(act_self *self, struct task *t, const struct node *run,
		   const struct names *names)
{
	struct mods *m = t->mods;
	m->kept = t->out;
	t->out = (struct outcome){0};
	m->shield = act_scope_shield(self, FINALLY_NS);
	m->sub = task_new(t->env, run, t, names);
}

/* Its failure is appended, and fails what had succeeded. */
static void cleanup_fold(struct task *t)
{
	struct mods *m = t->mods;
	char path[TASK_PATH_MAX];
	struct failure *f = m->sub->out.error;
	t->out = m->kept;
	m->kept = (struct outcome){0};
	task_sum(t, &m->sub->out);
	if (!outcome_is_ok(&m->sub->out) && f != NULL) {
		struct failure *late = failure_in_phase(f, "cleanup");
		struct failure *all = failure_group_new(task_path_in(t, path));
		if (t->out.state == OUTCOME_FAILED)
			failure_group_add(all, failure_ref(t->out.error));
		failure_group_add(all, late);
		if (t->out.state != OUTCOME_CANCELLED)
			task_fail_with(t, all);
		else
			failure_drop(all);
	}
	task_free(m->sub);
	m->sub = NULL;
}

/* Of what was begun, also if there was no memory for the task itself. */
void cleanup_end(act_self *self, struct task *t)
{
	struct mods *m = t->mods;
	if (m->sub != NULL) {
		cleanup_fold(t);
	} else {
		t->out = m->kept;
		m->kept = (struct outcome){0};
	}
	if (m->shield != NULL)
		act_scope_close(self, m->shield, ACT_OK, NULL);
	m->shield = NULL;
}

/* ---- retry: of other verbs than fetch ---- */

static struct retry_policy policy_of(const struct retry_spec *s)
{
	return (struct retry_policy){.attempts = (uint32_t)s->attempts,
				     .backoff_ms = s->backoff_ms,
				     .max_ms = s->max_ms,
				     .has_on = s->has_on,
				     .on_is_here = s->on_is_here,
				     .kinds = s->on_kinds,
				     .statuses = s->on_statuses};
}

/* What stands below is forgotten: it runs anew. */
static bool wants_another(struct task *t, uint32_t attempt)
{
	const struct retry_spec *s = t->node->retry;
	if (t->out.state != OUTCOME_FAILED || attempt >= (uint32_t)s->attempts)
		return false;
	return !s->has_on || kindset_has(s->on_kinds, failure_kind(t->out.error));
}

static void prepare_again(struct task *t)
{
	const struct verb_ops *ops = verb_ops(t->node->verb);
	struct outcome sums = {0};
	task_handled(t, t->out.n_failed);
	sums.n_handled = t->out.n_handled;
	if (ops->fini != NULL)
		ops->fini(t);
	memset(t->frame, 0, ops->frame_size);
	t->mods->with_co = (act_co){0};
	outcome_fini(&t->out);
	task_sum(t, &sums);
}

/* The attempts that an earlier life ended are over. True: it was in the back-off after them. */
static bool retry_recall(act_self *self, struct task *t)
{
	char path[TASK_PATH_MAX];
	struct slice data;
	int64_t due_ns;
	unsigned attempts = 0;
	unsigned long long seq, handled = 0;
	struct tally *y = &t->env->tally;
	if (t->node->retry == NULL || recall_is_empty(t->env->recall) ||
	    !recall_get(t->env->recall, task_path_in(t, path), RECALL_RETRY, &due_ns, &data) ||
	    sscanf(data.p, "%u,%llu,%llu", &attempts, &seq, &handled) != 3)
		return false;
	t->mods->attempt = attempts;
	t->mods->until_ns = act_now_ns(self) + due_ns - clock_wall_ns(t->env->clock);
	t->out.n_handled = handled;
	y->handled += handled;
	y->failed -= handled < y->failed ? handled : y->failed;
	return !recall_went_on(t->env->recall, task_path_in(t, path));
}

static void put_deadline(struct task *t, struct slice at)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%lld", (long long)t->mods->left_ns);
	recall_put(t->env, at, RECALL_DEADLINE, t->mods->wall_deadline_ns,
		   (struct slice){text, (size_t)n});
}

/* What the attempt left is of no use any more; what stands around it, and the instant of the next
 * one, are kept. */
static void retry_put(act_self *self, struct task *t)
{
	struct mods *m = t->mods;
	const struct node *n = t->node;
	char path[TASK_PATH_MAX], text[96];
	struct slice at = task_path_in(t, path);
	struct retry_policy p = policy_of(n->retry);
	int64_t wait_ns = retry_backoff_ms(&p, m->attempt, act_rng(self)) * NS_PER_MS;
	m->until_ns = act_now_ns(self) + wait_ns;
	results_make_room(t->env->results);
	recall_drop_attempt(t->env, at);
	if (n->finally != NULL)
		recall_put(t->env, at, RECALL_FINALLY, 0, SLICE_LIT(""));
	if (n->has_timeout)
		put_deadline(t, at);
	if (n->verb == VERB_EACH)
		recall_put_fresh_cursor(t->env, at);
	int w = snprintf(text, sizeof(text), "%u,%llu,%llu", m->attempt,
			 (unsigned long long)results_last_seq(t->env->results),
			 (unsigned long long)(t->out.n_handled + t->out.n_failed));
	recall_put(t->env, at, RECALL_RETRY, clock_wall_ns(t->env->clock) + wait_ns,
		   (struct slice){text, (size_t)w});
}

static bool retries(struct task *t)
{
	return t->node->retry != NULL && !verb_retries_itself(t->node->verb) &&
	       wants_another(t, t->mods->attempt);
}

static int retry_step(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	CO_BEGIN(&m->retry_co);
	m->waits_already = !verb_retries_itself(t->node->verb) && retry_recall(self, t);
	for (;;) {
		if (!m->waits_already) {
			CO_CALL(&m->retry_co, m->rc, with_step, t);
			m->attempt++;
			if (!retries(t))
				break;
			if (taken_ends(t))
				CO_CALL(&m->retry_co, m->rc, taken_settle, t->settling);
			/* All that the attempt told is committed: its seqs are known. */
			m->wait = results_wait_for(t->env->results);
			CO_CALL(&m->retry_co, m->rc, results_wait, &m->wait);
			retry_put(self, t);
		}
		m->waits_already = false;
		task_waits(t, TASK_WAITS_BACKOFF, act_now_ns(self), m->until_ns);
		CO_AWAIT(&m->retry_co, m->rc, act_sleep_until(self, m->until_ns));
		if (m->rc != ACT_OK) {
			task_await_failed(self, t, m->rc);
			break;
		}
		if (t->out.state != OUTCOME_NONE)
			prepare_again(t);
	}
	CO_END(&m->retry_co);
}

/* ---- timeout ---- */

/* The smaller of what was stored and what is said, in nanoseconds. */
static int64_t time_left(struct task *t)
{
	char path[TASK_PATH_MAX];
	struct mods *m = t->mods;
	struct slice at = task_path_in(t, path), data;
	int64_t ns = m->timeout_ms * NS_PER_MS;
	int64_t wall_now = clock_wall_ns(t->env->clock);
	if (!recall_get(t->env->recall, at, RECALL_DEADLINE, &m->wall_deadline_ns, &data)) {
		m->left_ns = ns;
		m->wall_deadline_ns = wall_now + ns;
		put_deadline(t, at);
		return ns;
	}
	m->left_ns = strtoll(data.p, NULL, 10);
	if (m->left_ns < ns)
		ns = m->left_ns;
	if (m->wall_deadline_ns - wall_now < ns)
		ns = m->wall_deadline_ns - wall_now;
	return ns > 0 ? ns : 0;
}

static bool timeout_open(act_self *self, struct task *t)
{
	struct interp_env env = names_env(t->names);
	struct interp_error e = {0};
	if (spec_dur_render(&t->node->timeout, &env, &t->mods->timeout_ms, &e) != ERR_OK) {
		task_fail(t, KIND_REQUEST_INVALID, "timeout: %s", e.sentence);
		return false;
	}
	int64_t left_ns = time_left(t);
	t->mods->deadline_ns = act_now_ns(self) + left_ns;
	t->mods->timeout = act_scope_open(self, left_ns);
	if (t->mods->timeout == NULL)
		task_fail(t, KIND_MEMORY, "no memory for a scope");
	return t->mods->timeout != NULL;
}

static void timeout_close(act_self *self, struct task *t)
{
	bool timed_out = false;
	act_scope_close(self, t->mods->timeout, ACT_OK, &timed_out);
	t->mods->timeout = NULL;
	/* What an earlier life had cancelled before the time was over stays so. */
	bool was_cut = t->out.error != NULL && failure_kind(t->out.error) == KIND_CANCELLED;
	if (timed_out && t->out.state == OUTCOME_CANCELLED && !was_cut)
		task_fail(t, KIND_DEADLINE, "not done within its timeout of %lld ms",
			  (long long)t->mods->timeout_ms);
}

static int timeout_step(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	CO_BEGIN(&m->timeout_co);
	if (t->node->has_timeout && !timeout_open(self, t))
		return ACT_OK;
	CO_CALL(&m->timeout_co, m->rc, retry_step, t);
	if (m->timeout != NULL)
		timeout_close(self, t);
	CO_END(&m->timeout_co);
}

/* ---- catch ---- */

static bool clause_takes(const void *ctx, enum kind kind)
{
	const struct catch_clause *c = ctx;
	return kind != KIND_CANCELLED && kindset_has(c->kinds, kind);
}

/* The handler of the next clause that takes a part; false: no clause is left. */
static bool catch_next(struct task *t)
{
	struct mods *m = t->mods;
	while (m->rest != NULL && m->clause < t->node->n_catch) {
		const struct catch_clause *c = &t->node->catch[m->clause++];
		struct failure *others = NULL;
		struct failure *taken = failure_split(m->rest, clause_takes, c, &others);
		failure_drop(m->rest);
		m->rest = others;
		if (taken == NULL)
			continue;
		names_fini(&m->names);
		names_init(&m->names, t->names, SLICE_LIT("error"));
		m->names.value = failure_json(taken);
		failure_drop(taken);
		m->sub = task_new(t->env, c->run, t, &m->names);
		if (m->sub != NULL)
			return true;
	}
	return false;
}

/* A handler that fails joins what no clause took. */
static void catch_fold(struct task *t)
{
	struct mods *m = t->mods;
	char path[TASK_PATH_MAX];
	m->handlers.n_failed += m->sub->out.n_failed;
	m->handlers.n_handled += m->sub->out.n_handled;
	if (m->sub->out.state == OUTCOME_FAILED) {
		if (m->joined == NULL)
			m->joined = failure_group_new(task_path_in(t, path));
		failure_group_add(m->joined, failure_ref(m->sub->out.error));
	} else {
		json_decref(m->kept.value);
		m->kept.value = json_incref(m->sub->out.value);
	}
	task_free(m->sub);
	m->sub = NULL;
}

/* A handler that was cancelled from outside was not at fault: all of it was cancelled. That may
 * have been in an earlier life, when what cancels this scope has not been recalled yet. */
static bool catch_is_cut(struct task *t)
{
	struct mods *m = t->mods;
	if (m->sub->out.state != OUTCOME_CANCELLED)
		return false;
	task_sum(t, &m->handlers);
	task_sum(t, &m->sub->out);
	task_cut_by(t, m->sub);
	task_free(m->sub);
	m->sub = NULL;
	return true;
}

/* The body is cut short now and had failed in an earlier life: the next handler that began then is
 * gone through again, so that it is counted and cleaned up. False: none is left. */
static bool catch_begun(struct task *t)
{
	char path[TASK_PATH_MAX];
	struct mods *m = t->mods;
	struct slice at = task_path_in(t, path);
	while (m->clause < t->node->n_catch && !recall_is_empty(t->env->recall)) {
		const struct node *run = t->node->catch[m->clause].run;
		int w = snprintf(path + at.n, TASK_PATH_MAX - at.n, ".c%u", m->clause++);
		if (!recall_was_begun(t->env->recall, (struct slice){path, at.n + (size_t)w}))
			continue;
		names_fini(&m->names);
		names_init(&m->names, t->names, SLICE_LIT("error"));
		m->names.value = failure_json(t->out.error);
		m->sub = task_new(t->env, run, t, &m->names);
		return m->sub != NULL;
	}
	return false;
}

static void catch_fold_begun(struct task *t)
{
	struct mods *m = t->mods;
	task_sum(t, &m->sub->out);
	task_free(m->sub);
	m->sub = NULL;
}

static void catch_ends(struct task *t)
{
	struct mods *m = t->mods;
	if (m->rest == NULL && m->joined == NULL) {
		task_settled(t);
		task_handled(t, t->out.n_failed);
		task_sum(t, &m->handlers);
		task_ok(t, m->kept.value);
		m->kept.value = NULL;
		return;
	}
	task_sum(t, &m->handlers);
	if (m->joined == NULL) {
		task_fail_with(t, m->rest);
	} else {
		if (m->rest != NULL)
			failure_group_add(m->joined, m->rest);
		task_fail_with(t, m->joined);
		m->joined = NULL;
	}
	m->rest = NULL;
}

static int catch_step(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	CO_BEGIN(&m->catch_co);
	CO_CALL(&m->catch_co, m->rc, timeout_step, t);
	while (t->out.state == OUTCOME_CANCELLED && catch_begun(t)) {
		CO_CALL(&m->catch_co, m->rc, task_step, m->sub);
		catch_fold_begun(t);
	}
	if (t->node->n_catch == 0 || t->out.state != OUTCOME_FAILED)
		return ACT_OK;
	m->rest = failure_ref(t->out.error);
	while (catch_next(t)) {
		CO_CALL(&m->catch_co, m->rc, task_step, m->sub);
		if (catch_is_cut(t))
			return ACT_OK;
		catch_fold(t);
	}
	catch_ends(t);
	CO_END(&m->catch_co);
}

/* ---- finally ---- */

static void finally_begin(act_self *self, struct task *t)
{
	struct mods *m = t->mods;
	cleanup_begin(self, t, t->node->finally, &m->names);
	names_fini(&m->names);
	names_init(&m->names, t->names, SLICE_LIT("outcome"));
	m->names.value = json_pack("{s:s}", "state", outcome_state_text(m->kept.state));
	if (m->kept.error != NULL)
		json_object_set_new(m->names.value, "error", failure_json(m->kept.error));
	if (m->kept.value != NULL)
		json_object_set(m->names.value, "value", m->kept.value);
}

static bool was_entered(const struct task *t)
{
	char path[TASK_PATH_MAX];
	struct slice data;
	int64_t wall_ns;
	return !recall_is_empty(t->env->recall) &&
	       recall_get(t->env->recall, task_path_in(t, path), RECALL_FINALLY, &wall_ns, &data);
}

static int finally_step(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	char path[TASK_PATH_MAX];
	CO_BEGIN(&m->finally_co);
	if (t->node->finally != NULL && !was_entered(t)) {
		recall_put(t->env, task_path_in(t, path), RECALL_FINALLY, 0, SLICE_LIT(""));
		m->wait = results_wait_for(t->env->results);
		CO_CALL(&m->finally_co, m->rc, results_wait, &m->wait);
	}
	CO_CALL(&m->finally_co, m->rc, catch_step, t);
	if (t->node->finally == NULL)
		return ACT_OK;
	finally_begin(self, t);
	if (m->sub != NULL)
		CO_CALL(&m->finally_co, m->rc, task_step, m->sub);
	cleanup_end(self, t);
	CO_END(&m->finally_co);
}

/* ---- when ---- */

/* False: it is skipped, or what its modifiers refer to makes no sense. */
static bool is_due(struct task *t)
{
	if (!task_reads_late(t, LATE_WHEN))
		return false;
	if (t->node->when == NULL || names_hold(t->node->when, NULL, t->names))
		return task_reads_late(t, LATE_OUTER);
	t->out.state = OUTCOME_SKIPPED;
	return false;
}

/* A leaf that could not even begin, and no earlier life has told so. */
static bool is_untold(struct task *t)
{
	struct outcome now = t->out;
	if (now.state != OUTCOME_FAILED || !verb_is_leaf(t->node->verb))
		return false;
	t->out = (struct outcome){0};
	if (line_recall(t)) {
		outcome_fini(&now);
		return false;
	}
	t->out = now;
	return true;
}

int mods_step(act_self *self, void *task)
{
	struct task *t = task;
	if (t->mods == NULL && (t->mods = calloc(1, sizeof(*t->mods))) == NULL) {
		task_fail(t, KIND_MEMORY, "no memory for modifiers");
		return ACT_OK;
	}
	struct mods *m = t->mods;
	CO_BEGIN(&m->when_co);
	if (!is_due(t)) {
		if (is_untold(t)) {
			m->line.t = t;
			CO_CALL(&m->when_co, m->rc, line_plain, &m->line);
		}
		return ACT_OK;
	}
	CO_CALL(&m->when_co, m->rc, finally_step, t);
	/* Nothing in it will run again: its cleaning up neither. */
	if ((t->node->finally != NULL || t->node->n_with > 0) && t->out.state == OUTCOME_OK &&
	    t->out.n_failed == 0)
		task_settled(t);
	CO_END(&m->when_co);
}
