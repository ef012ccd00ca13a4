/*
 * job_again -- `retry`: the failed tasks of an ended job run again. What the store holds of it is
 * read, planned over (job/again.h) and committed; then the keeper queues it, and the actor that
 * takes it up goes on as after a restart.
 */
#include "actor/job_state.h"
#include "actor/store.h"
#include "job/again.h"
#include "job/recall.h"

#include <stdlib.h>

struct order {
	act_co co;
	int rc;
	struct job *j;
	struct jobenv *env; /* a reference */
	struct job_call *call;
	struct job_pages pages;
	struct again again;
	struct store_batch *batch, *last;
	act_msg *m;
	enum err result;
};

static void refuse(act_self *self, struct order *o, enum kind kind, const char *why)
{
	struct job_call *c = o->call;
	o->call = NULL;
	o->j->is_retrying = false;
	job_call_refuse(self, c, kind, why);
}

static const char *impossible(const struct job *j, const struct again *a)
{
	struct final_tasks t = job_tasks(j);
	if (a->is_full)
		return "more of its tasks failed than are kept: submit it anew";
	if (a->n > 0 || t.not_started > 0)
		return NULL;
	if (t.failed > 0)
		return "which of its tasks failed is not known any more: submit it anew";
	return j->state == STORE_JOB_SUCCEEDED ? "no task of it failed" : NULL;
}

/* ---- the order itself ---- */

static uint64_t less(uint64_t n, uint64_t by)
{
	return n > by ? n - by : 0;
}

/* As chunks would have counted: what was handled failed, until it is handled again. */
static struct store_totals totals_of(const struct job *j, const struct again *a)
{
	struct final_tasks t = job_tasks(j);
	return (struct store_totals){
		.ok = less(t.ok, a->uncounted[RESULTS_OK]),
		.failed = less(t.failed + t.handled, a->uncounted[RESULTS_FAILED]),
		.cancelled = less(t.cancelled, a->uncounted[RESULTS_CANCELLED]),
	};
}

static struct store_batch *last_batch(void)
{
	struct store_batch *b = store_batch_new();
	struct store_op *op = b != NULL ? store_batch_add(b, STORE_JOB_COMMAND) : NULL;
	struct store_op *state = op != NULL ? store_batch_add(b, STORE_JOB_STATE) : NULL;
	if (state == NULL) {
		store_batch_free(b);
		return NULL;
	}
	b->is_urgent = true;
	return b;
}

/* Once all is planned, the first two of its ops can be told. */
static bool fill_last(struct order *o)
{
	const struct job *j = o->j;
	struct store_op *op = o->last->op;
	op[0].command = (struct store_command_op){.job = j->number,
						  .command = STORE_COMMAND_RETRY,
						  .uid = o->call->uid,
						  .wall_at_ns = o->again.wall_ns};
	op[1].state = (struct store_state_op){.job = j->number,
					      .state = STORE_JOB_QUEUED,
					      .wall_at_ns = o->again.wall_ns,
					      .has_totals = true,
					      .totals = totals_of(j, &o->again)};
	return store_batch_copy(o->last, bytes_slice(&o->call->text), &op[0].command.why) == ERR_OK;
}

static bool plan(act_self *self, struct order *o)
{
	o->last = last_batch();
	enum err e = o->last != NULL ? again_plan(&o->again, o->last) : ERR_NOMEM;
	const char *why = impossible(o->j, &o->again);
	if (e == ERR_TOO_LARGE)
		refuse(self, o, KIND_REQUEST_INVALID, "too much of it failed: submit it anew");
	else if (e != ERR_OK)
		refuse(self, o, KIND_MEMORY, "out of memory");
	else if (why != NULL)
		refuse(self, o, KIND_CONFLICT, why);
	else if (!fill_last(o))
		refuse(self, o, KIND_MEMORY, "out of memory");
	return o->call != NULL;
}

/* ---- done ---- */

static void obey(act_self *self, struct order *o)
{
	struct job *j = o->j;
	struct store_totals t = totals_of(j, &o->again);
	j->env->tally = (struct tally){.ok = t.ok, .failed = t.failed, .cancelled = t.cancelled};
	j->totals = (struct final_tasks){0};
	j->stored = (struct store_totals){0};
	j->wall_ended_ns = 0;
	bytes_clear(&j->error);
	bytes_clear(&j->scopes);
	job_becomes(self, j, STORE_JOB_QUEUED);
	job_moves_on(self, j);
}

static void finish(act_self *self, struct order *o)
{
	struct bytes body = BYTES_LIMIT(0);
	struct job_call *c = o->call;
	if (o->result == ERR_NOT_FOUND) {
		o->call = NULL;
		o->j->is_retrying = false;
		job_call_unknown(self, c);
		return;
	}
	if (o->result != ERR_OK) {
		refuse(self, o, o->result == ERR_CONFLICT ? KIND_CONFLICT : KIND_BUSY,
		       o->result == ERR_CONFLICT ? "the job runs already" : err_text(o->result));
		return;
	}
	o->call = NULL;
	obey(self, o);
	job_record(o->j, &body);
	if (body.n > 0)
		body.n--;
	bytes_printf(&body, ",\"again\":%llu}", (unsigned long long)o->again.n);
	job_call_done(self, c, &body);
	bytes_fini(&body);
}

static int apply(act_self *self, struct order *o, struct store_batch *b)
{
	return act_ask_buf_patient(self, o->j->store, STORE_APPLY, b, sizeof(*b), store_batch_drop,
				   &o->m);
}

static struct store_batch *next_batch(struct order *o)
{
	struct store_batch *b = again_take(&o->again);
	if (b != NULL || o->last == NULL)
		return b;
	b = o->last;
	o->last = NULL;
	return b;
}

static int order_step(act_self *self, void *frame)
{
	struct order *o = act_arg(self);
	(void)frame;
	CO_BEGIN(&o->co);
	for (o->pages.page = PAGE_FACTS; o->pages.page < PAGES; o->pages.page++) {
		o->pages.item = again_item;
		o->pages.ctx = &o->again;
		job_pages_begin(&o->pages, o->j, o->pages.page);
		o->again.last_wall_ns = o->j->again_ns;
		CO_CALL(&o->co, o->rc, job_pages_step, &o->pages);
		if (o->rc != ACT_OK) {
			refuse(self, o, KIND_BUSY, act_rc_text(o->rc));
			return ACT_OK;
		}
	}
	if (!plan(self, o))
		return ACT_OK;
	while (o->result == ERR_OK && (o->batch = next_batch(o)) != NULL) {
		CO_AWAIT(&o->co, o->rc, apply(self, o, o->batch));
		o->result =
			o->rc == ACT_OK ? ((struct store_batch *)act_data(o->m))->result : ERR_BUSY;
		if (o->rc == ACT_OK)
			act_drop(self, o->m);
	}
	finish(self, o);
	CO_END(&o->co);
}

/* Also of one that was killed in the middle. */
static void order_free(void *order)
{
	struct order *o = order;
	job_call_free(o->call);
	store_batch_free(o->last);
	again_fini(&o->again);
	jobenv_unref(o->env);
	free(o);
}

/* What an earlier order has read is not what the store holds now. */
static bool has_fresh_recall(struct job *j)
{
	recall_free(j->env->recall);
	j->env->recall = recall_new(j->env);
	return j->env->recall != NULL;
}

void job_on_retry(act_self *self, struct job *j, struct job_call *c)
{
	if (j->is_forgotten) {
		job_call_unknown(self, c);
		return;
	}
	if (!job_has_ended(j)) {
		job_call_refuse(self, c, KIND_CONFLICT, "the job has not ended");
		return;
	}
	if (j->is_attached) {
		job_call_refuse(
			self, c, KIND_CONFLICT,
			"it belongs to the command that started it: detached jobs are kept");
		return;
	}
	if (j->is_retrying || j->env->refs > 1) {
		job_call_refuse(self, c, KIND_BUSY, "another order for it is under way");
		return;
	}
	struct order *o = has_fresh_recall(j) ? calloc(1, sizeof(*o)) : NULL;
	struct act_task_opts opts = {.name = "retry", .arg = o, .arg_dtor = order_free};
	if (o == NULL) {
		job_call_refuse(self, c, KIND_MEMORY, "out of memory");
		return;
	}
	*o = (struct order){.j = j, .env = jobenv_ref(j->env), .call = c};
	again_begin(&o->again, j->env, clock_wall_ns(j->peers->clock), 0);
	j->is_retrying = act_spawn_task(self, order_step, 0, &opts) != 0;
}
