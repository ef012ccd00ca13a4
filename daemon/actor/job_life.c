/*
 * The life of a job, as one task: it reads itself from the store, waits to be admitted, remembers
 * what an earlier life left, runs its tree, commits its end.
 */
#include "actor/host.h"
#include "actor/job_state.h"
#include "actor/limiter.h"
#include "actor/store.h"
#include "job/feed.h"
#include "job/recall.h"
#include "job/results.h"
#include "job/task.h"

#include <stdlib.h>
#include <string.h>

struct life {
	act_co co;
	int rc;
	struct job *j;
	act_msg *m;
	struct task *root;
	act_scope *scope;
	bool timed_out;
	struct job_pages pages;
	int exit_rc;
};

/* ---- loading ---- */

static void keep_text(struct bytes *b, struct slice s)
{
	bytes_clear(b);
	bytes_add_slice(b, s);
}

static bool parse_spec(struct job *j, const struct store_job *row)
{
	json_t *vars = row->vars.n > 0 ? json_loadb(row->vars.p, row->vars.n, 0, NULL) : NULL;
	struct spec_options o = {.vars = vars, .seed = {j->peers->seed, j->number}};
	struct spec_error e;
	bool ok = job_spec_parse(row->spec, &o, &j->spec, &e) == ERR_OK;
	json_decref(vars);
	return ok;
}

static bool take_row(struct job *j, const struct store_rows *rows)
{
	if (rows == NULL || rows->n == 0)
		return false;
	const struct store_job *row = &rows->row[0].job;
	j->uid = row->uid;
	j->is_attached = row->is_attached;
	j->was_started = row->was_started;
	j->state = row->state;
	j->cancel_asked = row->state == STORE_JOB_CANCELLING;
	j->wall_created_ns = row->wall_created_ns;
	j->wall_started_ns = row->wall_started_ns;
	j->wall_ended_ns = row->wall_ended_ns;
	j->wall_deadline_ns = row->wall_deadline_ns;
	j->remaining_ns = row->remaining_ns;
	j->stored = row->totals;
	keep_text(&j->name, row->name);
	keep_text(&j->error, row->error);
	keep_text(&j->scopes, row->scopes);
	if (!parse_spec(j, row))
		return false;
	return true;
}

static void take_submitted(struct job *j)
{
	j->wall_created_ns = clock_wall_ns(j->peers->clock);
	keep_text(&j->name, j->spec->name);
	if (j->spec->has_deadline) {
		j->remaining_ns = j->spec->deadline_ms * NS_PER_MS;
		j->wall_deadline_ns = j->wall_created_ns + j->remaining_ns;
	}
}

static bool make_env(act_self *self, struct job *j)
{
	struct jobenv_opts o = {
		.spec = j->spec,
		.port = job_port(j),
		.shard = act_myshard(self),
		.clock = j->peers->clock,
		.log = j->peers->log,
		.number = j->number,
		.uid = j->uid,
		.is_volatile = j->is_volatile,
		.is_attached = j->is_attached,
	};
	j->env = jobenv_new(&o);
	return j->env != NULL;
}

static void resume_results(struct job *j, const struct store_job *row)
{
	uint64_t counted[3] = {
		[RESULTS_OK] = row->totals.ok,
		[RESULTS_FAILED] = row->totals.failed,
		[RESULTS_CANCELLED] = row->totals.cancelled,
	};
	results_resume(j->env->results, row->last_seq, row->acked_seq, row->n_bytes, counted);
	if (job_has_ended(j))
		return;
	j->env->tally.ok = row->totals.ok;
	j->env->tally.failed = row->totals.failed;
	j->env->tally.cancelled = row->totals.cancelled;
}

static void load_row(act_self *self, struct life *l)
{
	struct job *j = l->j;
	const struct store_rows *rows = job_rows(l->m);
	j->is_broken = !take_row(j, rows) || !make_env(self, j);
	if (!j->is_broken)
		resume_results(j, &rows->row[0].job);
}

/* ---- running ---- */

static int64_t time_left(const struct job *j)
{
	int64_t left = j->remaining_ns;
	int64_t wall_left = j->wall_deadline_ns - clock_wall_ns(j->peers->clock);
	if (j->wall_deadline_ns == 0)
		return ACT_FOREVER;
	if (wall_left < left)
		left = wall_left;
	return left > 0 ? left : 0;
}

static void committer_ended(void *env)
{
	jobenv_unref(env);
}

static bool start_committer(act_self *self, struct job *j)
{
	struct results_committer k = {.r = j->env->results};
	struct act_task_opts o = {.name = "committer",
				  .frame_init = &k,
				  .frame_init_size = sizeof(k),
				  .arg = jobenv_ref(j->env),
				  .arg_dtor = committer_ended};
	j->committer = act_spawn_task(self, results_commit_step, sizeof(k), &o);
	return j->committer != 0;
}

static void put_state(struct job *j, enum store_job_state state, bool has_totals)
{
	struct results *r = j->env->results;
	struct store_op *op = results_op(r, STORE_JOB_STATE);
	if (op == NULL)
		return;
	op->state = (struct store_state_op){.job = j->number,
					    .state = state,
					    .wall_at_ns = clock_wall_ns(j->peers->clock),
					    .has_totals = has_totals};
	if (!has_totals)
		return;
	op->state.totals = (struct store_totals){
		.total = j->totals.total,
		.ok = j->totals.ok,
		.failed = j->totals.failed,
		.handled = j->totals.handled,
		.cancelled = j->totals.cancelled,
		.not_started = j->totals.not_started,
	};
	if (j->error.n > 0)
		op->state.error = results_text(r, bytes_slice(&j->error));
	if (j->scopes.n > 0)
		op->state.scopes = results_text(r, bytes_slice(&j->scopes));
}

/* The tree's frames lie in memory of env, which must outlive the task even if it is killed. */
struct life_hold {
	struct jobenv *env;
};

static void life_hold_free(void *p)
{
	struct life_hold *h = p;
	if (h->env != NULL)
		jobenv_unref(h->env);
	free(h);
}

static void life_holds(act_self *self, struct jobenv *env)
{
	struct life_hold *h = act_arg(self);
	h->env = jobenv_ref(env);
}

/* An order to retry gives the whole time anew, and what was fed before is all there is. */
static void begin_again(struct job *j)
{
	if (j->spec->has_deadline) {
		j->remaining_ns = j->spec->deadline_ms * NS_PER_MS;
		j->wall_deadline_ns = j->again_ns + j->remaining_ns;
	}
	j->env->is_again = true;
	if (j->env->feed != NULL)
		feed_end(j->env->feed);
}

static bool begin_run(act_self *self, struct life *l)
{
	struct job *j = l->j;
	uint64_t handled = recall_handled(j->env->recall);
	j->env->tally.handled += handled;
	j->env->tally.failed -= handled < j->env->tally.failed ? handled : j->env->tally.failed;
	if (!start_committer(self, j))
		return false;
	if (j->wall_started_ns == 0)
		j->wall_started_ns = clock_wall_ns(j->peers->clock);
	if (j->state == STORE_JOB_QUEUED) {
		put_state(j, STORE_JOB_RUNNING, false);
		job_becomes(self, j, STORE_JOB_RUNNING);
	}
	if (j->state == STORE_JOB_PAUSED)
		act_event_clear(j->env->go);
	l->scope = act_scope_open(self, time_left(j));
	l->root = task_new(j->env, j->spec->root, NULL, NULL);
	if (l->scope == NULL || l->root == NULL)
		return false;
	j->root = act_scope_ref(l->scope);
	if (j->cancel_asked)
		act_scope_cancel(self, l->scope, ACT_WHY_CANCEL, NULL);
	return true;
}

/* ---- ending ---- */

static enum store_job_state verdict(const struct life *l)
{
	const struct outcome *o = &l->root->out;
	if (outcome_is_ok(o))
		return STORE_JOB_SUCCEEDED;
	if (o->state == OUTCOME_FAILED)
		return STORE_JOB_FAILED;
	return l->timed_out && !l->j->cancel_asked ? STORE_JOB_EXPIRED : STORE_JOB_CANCELLED;
}

static void end_run(act_self *self, struct life *l)
{
	struct job *j = l->j;
	act_scope_close(self, l->scope, ACT_OK, &l->timed_out);
	j->root = (struct act_scope_ref){0};
	enum store_job_state state = verdict(l);
	if (l->root->out.error != NULL)
		failure_write(l->root->out.error, &j->error);
	jobenv_scopes_write(j->env, &j->scopes);
	j->totals = job_tasks(j);
	j->wall_ended_ns = clock_wall_ns(j->peers->clock);
	j->final = state;
	put_state(j, state, true);
	results_hurry(j->env->results);
	results_close(j->env->results);
	task_free(l->root);
	l->root = NULL;
	jobenv_trim(j->env);
}

static void forget_keys(act_self *self, struct job *j)
{
	struct limit_job_end end = {.job = j->number * 2 + j->is_volatile};
	act_msg *m = act_prepare(self, LIMIT_JOB_END, &end, sizeof(end));
	if (!j->is_volatile)
		hosts_forget_job(self, j->peers->hosts, j->number);
	if (m != NULL)
		act_deliver(self, j->peers->limiter, m);
}

static int life_step(act_self *self, void *frame)
{
	struct life *l = frame;
	struct job *j = l->j;
	CO_BEGIN(&l->co);
	if (j->spec != NULL) {
		take_submitted(j);
		j->is_broken = !make_env(self, j);
	} else {
		struct store_query q = {.kind = STORE_Q_JOB, .job = j->number};
		CO_AWAIT(&l->co, l->rc, job_read(self, j, &q, &l->m));
		if (l->rc != ACT_OK)
			return l->rc;
		load_row(self, l);
		act_drop(self, l->m);
	}
	if (!j->is_broken && !job_has_ended(j) && j->env->feed != NULL) {
		job_pages_begin(&l->pages, j, PAGE_FEED);
		CO_CALL(&l->co, l->rc, job_pages_step, &l->pages);
		if (l->rc != ACT_OK)
			return l->rc;
	}
	j->is_loaded = true;
	job_stir(self, j);
	if (j->is_broken || job_has_ended(j))
		return ACT_OK;
	CO_AWAIT(&l->co, l->rc, act_event_wait(self, j->started));
	if (l->rc != ACT_OK)
		return l->rc;
	for (l->pages.page = PAGE_FACTS; l->pages.page < PAGE_ITEMS && j->was_started;
	     l->pages.page++) {
		job_pages_begin(&l->pages, j, l->pages.page);
		CO_CALL(&l->co, l->rc, job_pages_step, &l->pages);
		if (l->rc != ACT_OK)
			return l->rc;
	}
	if (j->again_ns != 0)
		begin_again(j);
	life_holds(self, j->env);
	if (!begin_run(self, l))
		return ACT_ENOMEM;
	CO_CALL(&l->co, l->rc, task_step, l->root);
	end_run(self, l);
	CO_AWAIT(&l->co, l->rc, act_await_exit(self, j->committer, &l->exit_rc));
	if (l->rc != ACT_OK || l->exit_rc < 0)
		return ACT_OK; /* the store has failed: the daemon ends */
	forget_keys(self, j);
	job_becomes(self, j, j->final);
	job_stir(self, j);
	CO_END(&l->co);
}

bool job_life_start(act_self *self, struct job *j)
{
	struct life l = {.j = j};
	struct life_hold *hold = calloc(1, sizeof(*hold));
	if (hold == NULL)
		return false;
	struct act_task_opts o = {.name = "job",
				  .frame_init = &l,
				  .frame_init_size = sizeof(l),
				  .arg = hold,
				  .arg_dtor = life_hold_free};
	j->life = act_spawn_task(self, life_step, sizeof(l), &o);
	return j->life != 0;
}
