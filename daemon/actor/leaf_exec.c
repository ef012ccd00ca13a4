#include "actor/leaf_exec_state.h"
#include "actor/leaf_own.h"
#include "base/log.h"
#include "job/mods.h"
#include "job/results.h"
#include "model/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The runner ends a program by itself; this is for one that does not answer. */
#define GUARD_NS      (8 * NS_PER_S)
#define END_WITHIN_NS (8 * NS_PER_S)

size_t leaf_exec_size(void)
{
	return sizeof(struct exec);
}

static void forget_attempt(struct exec *x)
{
	bytes_fini(&x->out);
	bytes_fini(&x->err);
	bytes_fini(&x->value);
	x->has_ended = x->is_lost = false;
	x->ended = (struct runnerwire_ended){.id = 0};
}

void leaf_exec_fini(struct leaf_exec *frame)
{
	struct exec *x = (struct exec *)(void *)frame;
	/* The job's actor may be gone by now. */
	if (x->runner != NULL)
		x->runner->ops->abandon(x->runner, &x->call);
	x->runner = NULL;
	forget_attempt(x);
	limit_abandon(x->ticket);
	x->ticket = NULL;
	bytes_fini(&x->texts);
	bytes_fini(&x->input);
	bytes_fini(&x->message);
	free(x->list);
	free(x->history);
	x->list = NULL;
	x->history = NULL;
}

/* ---- a place among the programs ---- */

static void give_ticket_back(act_self *self, struct exec *x, enum limit_use use)
{
	const struct limit_outcome o = {.use = use, .retry_after_ms = -1};
	limit_release(self, exec_job(x)->peers->limiter, x->ticket, &o);
	x->ticket = NULL;
}

static void give_back(act_self *self, struct exec *x, enum limit_use use)
{
	give_ticket_back(self, x, use);
	if (!x->has_place)
		return;
	act_sem_release(self, exec_job(x)->peers->programs, 1);
	x->has_place = false;
	results_hold(x->leaf.task->env->results, -1);
}

static void await_failed(struct exec *x, int rc)
{
	if (rc == ACT_ECANCELED || rc == ACT_ETIMEDOUT)
		x->is_cancelled = true;
	else
		exec_says(x, rc == ACT_ENOMEM ? KIND_MEMORY : KIND_INTERNAL, "%s", act_rc_text(rc));
}

static void take_place(struct exec *x)
{
	x->has_place = true;
	results_hold(x->leaf.task->env->results, 1);
}

/* What the job itself allows. */
static struct limit_ticket *own_ticket(act_self *self, const struct exec *x)
{
	const struct job *j = exec_job(x);
	struct limit_ask ask = {
		.job = j->number * 2 + j->is_volatile,
		.is_durable = !j->is_volatile,
		.leaf = x->leaf.task->index,
		.uid = j->uid,
		.priority = (uint8_t)j->spec->priority,
		.deadline_ns = act_deadline(self),
		.attempt = 1,
		.is_front = x->is_front,
	};
	leaf_own_limits(x->leaf.task, &ask);
	return limit_ticket_new(&ask);
}

static void take_ticket(act_self *self, struct exec *x)
{
	const struct limit_refusal *no = limit_refused(x->m);
	if (no != NULL)
		exec_says(x, no->kind != KIND_NONE ? no->kind : KIND_LIMIT_WAIT, "%s", no->message);
	else
		x->ticket = limit_granted(x->m);
	act_drop(self, x->m);
	x->m = NULL;
}

/* The wait for a place was longer than the token lasts, or the job was paused meanwhile. */
static bool must_ask_again(act_self *self, struct exec *x)
{
	bool is_paused = !act_event_is_set(x->leaf.task->env->go);
	bool is_late = act_now_ns(self) > limit_ticket_use_before_ns(x->ticket);
	if (is_paused)
		give_back(self, x, LIMIT_UNUSED);
	else if (is_late)
		give_ticket_back(self, x, LIMIT_UNUSED);
	x->is_front = is_paused || is_late;
	return x->is_front;
}

/* A step: until a place is held and the job runs, or kind or is_cancelled say why not. */
static int place_step(act_self *self, void *frame)
{
	struct exec *x = frame;
	struct task *t = x->leaf.task;
	CO_BEGIN(&x->co2);
	x->asked_ns = act_now_ns(self);
	do {
		task_waits(t, TASK_WAITS_RESUME, act_now_ns(self), 0);
		CO_AWAIT(&x->co2, x->rc, act_event_wait(self, t->env->go));
		if (x->rc != ACT_OK)
			break;
		task_waits(t, TASK_WAITS_LIMIT, act_now_ns(self), 0);
		CO_AWAIT(&x->co2, x->rc,
			 limit_acquire(self, exec_job(x)->peers->limiter, own_ticket(self, x),
				       &x->m));
		if (x->rc != ACT_OK)
			break;
		take_ticket(self, x);
		if (x->ticket == NULL)
			break;
		if (x->has_place)
			continue;
		task_waits(t, TASK_WAITS_PLACE, act_now_ns(self), 0);
		CO_AWAIT(&x->co2, x->rc, act_sem_acquire(self, exec_job(x)->peers->programs, 1));
		if (x->rc != ACT_OK)
			break;
		take_place(x);
	} while (must_ask_again(self, x));
	x->attempt_waited_ns = act_now_ns(self) - x->asked_ns;
	if (x->rc != ACT_OK)
		await_failed(x, x->rc);
	CO_END(&x->co2);
}

/* ---- the program ---- */

static void on_end(struct runner_call *c, const struct runner_end *end)
{
	struct exec *x = LIST_ENTRY(c, struct exec, call);
	x->has_ended = true;
	x->is_lost = end->is_lost;
	snprintf(x->why, sizeof(x->why), "%s", end->why != NULL ? end->why : "");
	x->ended = end->ended;
	if (bytes_add_slice(&x->out, end->ended.out) != ERR_OK)
		x->ended.out_cut = true;
	if (bytes_add_slice(&x->err, end->ended.err_bytes) != ERR_OK)
		x->ended.err_cut = true;
	act_op_complete(x->leaf.task->env->shard, &x->op, ACT_OK);
}

/* False: kind and message say why it was not even asked for. */
static bool ask_runner(struct exec *x)
{
	const struct job_peers *peers = exec_job(x)->peers;
	const struct config *config = peers->config(peers->ctx);
	struct runnerwire_run run = {
		.timeout_ms = (uint64_t)x->timeout_ms,
		.memory_bytes = (uint64_t)config->exec_memory,
		.output_bytes = (uint32_t)config->exec_max_output,
		.argv = x->list,
		.env = x->env,
		.input = bytes_slice(&x->input),
	};
	act_op_init(&x->op, NULL, x);
	x->call.on_end = on_end;
	x->runner = peers->runner;
	enum err e = x->runner->ops->start(x->runner, &run, &x->call);
	if (e == ERR_TOO_LARGE)
		exec_says(x, KIND_REQUEST_TOO_LARGE,
			  "arguments, environment and stdin of a program have at most %u MiB",
			  RUNNERWIRE_RUN_MAX >> 20);
	else if (e != ERR_OK)
		exec_says(x, KIND_MEMORY, "%s", err_text(e));
	return e == ERR_OK;
}

static void begin_attempt(act_self *self, struct exec *x)
{
	forget_attempt(x);
	x->tries++;
	x->attempt_ns = act_now_ns(self);
	x->attempt_waited_ns = 0;
	x->kind = KIND_NONE;
	x->is_front = false;
	bytes_clear(&x->message);
}

static void close_scope(act_self *self, struct exec *x)
{
	if (x->scope != NULL)
		act_scope_close(self, x->scope, ACT_OK, NULL);
	x->scope = NULL;
}

static void log_end(act_self *self, const struct exec *x)
{
	static const char *const how[] = {"lost",      "exited",    "signaled",
					  "timed out", "cancelled", "not started"};
	char path[TASK_PATH_MAX];
	const struct task *t = x->leaf.task;
	unsigned h = x->has_ended && !x->is_lost ? (unsigned)x->ended.how : 0;
	log_info(t->env->log, "exec", kv_t("job", jobenv_id(t->env)),
		 kv_t("task", task_path_in(t, path)), kv_s("program", x->list[0]),
		 kv_s("how", how[h]), kv_i("number", x->ended.number),
		 kv_i("took_ms",
		      (act_now_ns(self) - x->attempt_ns - x->attempt_waited_ns) / NS_PER_MS));
}

static int64_t guard_ns(const struct exec *x)
{
	return x->timeout_ms * NS_PER_MS + GUARD_NS;
}

/* A step: one attempt; ends with its verdict in kind. */
static int attempt_step(act_self *self, void *frame)
{
	struct exec *x = frame;
	CO_BEGIN(&x->co1);
	x->co2 = (act_co){0};
	CO_CALL(&x->co1, x->rc, place_step, x);
	if (!x->has_place || x->ticket == NULL || !ask_runner(x))
		return ACT_OK;
	task_waits(x->leaf.task, TASK_RUNS, act_now_ns(self), 0);
	x->scope = act_scope_open(self, guard_ns(x));
	CO_AWAIT(&x->co1, x->rc, act_op_await(self, &x->op));
	close_scope(self, x);
	x->is_cancelled = act_is_cancelled(self) && x->rc != ACT_OK;
	if (!x->has_ended) {
		/* The task ends only after what it has started. */
		exec_job(x)->peers->runner->ops->cancel(exec_job(x)->peers->runner, &x->call);
		x->scope = act_scope_shield(self, END_WITHIN_NS);
		act_op_init(&x->op, NULL, x);
		CO_AWAIT(&x->co1, x->rc, act_op_await(self, &x->op));
		close_scope(self, x);
		exec_job(x)->peers->runner->ops->abandon(exec_job(x)->peers->runner, &x->call);
	}
	log_end(self, x);
	if (!x->is_cancelled)
		exec_judge(x);
	CO_END(&x->co1);
}

/* ---- all attempts ---- */

static bool goes_on(act_self *self, struct exec *x)
{
	exec_remember_attempt(self, x);
	return !x->is_cancelled && x->kind != KIND_NONE && exec_retries(self, x);
}

/* What it has to hold is not to be had: that is how it ends. */
static void hold_refused(struct exec *x, struct task *t)
{
	if (t->out.state == OUTCOME_CANCELLED)
		x->is_cancelled = true;
	else
		exec_says(x, failure_kind(t->out.error), "%.*s",
			  (int)failure_message(t->out.error).n, failure_message(t->out.error).p);
	outcome_fini(&t->out);
	t->out = (struct outcome){0};
}

int leaf_exec_step(act_self *self, void *frame)
{
	struct exec *x = frame;
	struct task *t = x->leaf.task;
	CO_BEGIN(&x->co);
	if (line_recall(t))
		return ACT_OK;
	list_init(&x->call.link);
	if (act_is_cancelled(self))
		x->is_cancelled = true;
	else if (exec_prepare(x))
		for (;;) {
			begin_attempt(self, x);
			x->co1 = (act_co){0};
			CO_CALL(&x->co, x->rc, attempt_step, x);
			if (!goes_on(self, x))
				break;
			give_back(self, x, LIMIT_USED);
			if (mods_hold(t))
				CO_CALL(&x->co, x->rc, mods_let_go, t);
			task_waits(t, TASK_WAITS_BACKOFF, act_now_ns(self), x->until_ns);
			x->asked_ns = act_now_ns(self);
			CO_AWAIT(&x->co, x->rc, act_sleep_until(self, x->until_ns));
			x->waited_ns += act_now_ns(self) - x->asked_ns;
			if (x->rc != ACT_OK) {
				await_failed(x, x->rc);
				break;
			}
			x->asked_ns = act_now_ns(self);
			if (mods_hold(t))
				CO_CALL(&x->co, x->rc, mods_take_again, t);
			x->waited_ns += act_now_ns(self) - x->asked_ns;
			if (t->out.state != OUTCOME_NONE) {
				hold_refused(x, t);
				break;
			}
		}
	exec_tell(self, x);
	CO_CALL(&x->co, x->rc, results_wait, &x->wait);
	give_back(self, x, LIMIT_USED);
	CO_END(&x->co);
}
