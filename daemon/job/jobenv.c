#include "job/jobenv.h"

#include "base/check.h"
#include "job/feed.h"
#include "job/recall.h"
#include "job/results.h"
#include "job/task.h"
#include "proto/result.h"

#include <stdio.h>
#include <stdlib.h>

static bool build(struct jobenv *env, const struct jobenv_opts *o)
{
	struct results_opts r = {
		.env = env, .is_attached = o->is_attached, .is_ordered = o->spec->results.ordered};
	env->pool = calloc(o->spec->n_nodes, sizeof(struct task *));
	env->go = act_event_new(o->shard);
	env->results = results_new(&r);
	env->recall = recall_new(env);
	if (o->spec->has_feed)
		env->feed = feed_new(env, FEED_CLIENT);
	return env->pool != NULL && env->go != NULL && env->results != NULL &&
	       env->recall != NULL && (env->feed != NULL || !o->spec->has_feed);
}

struct jobenv *jobenv_new(const struct jobenv_opts *opts)
{
	struct jobenv *env = calloc(1, sizeof(*env));
	if (env == NULL)
		return NULL;
	*env = (struct jobenv){
		.refs = 1,
		.spec = job_spec_ref(opts->spec),
		.port = opts->port,
		.shard = opts->shard,
		.clock = opts->clock,
		.log = opts->log,
		.number = opts->number,
		.uid = opts->uid,
		.is_volatile = opts->is_volatile,
		.keeps_failed = !opts->is_attached,
	};
	list_init(&env->tasks);
	snprintf(env->id, sizeof(env->id), "%c%llu", opts->is_volatile ? 'v' : 'j',
		 (unsigned long long)opts->number);
	if (!build(env, opts)) {
		jobenv_unref(env);
		return NULL;
	}
	act_event_set(env->go);
	return env;
}

struct jobenv *jobenv_ref(struct jobenv *env)
{
	env->refs++;
	return env;
}

void jobenv_scope_ended(struct jobenv *env, const struct task *t, int64_t now_ns)
{
	char path[TASK_PATH_MAX];
	if (env->n_scopes++ >= JOBENV_SCOPES)
		return;
	if (env->scopes.n > 0)
		bytes_add_byte(&env->scopes, ',');
	bytes_add_str(&env->scopes, "{\"id\":");
	result_add_string(&env->scopes, t->node->id);
	bytes_add_str(&env->scopes, ",\"task\":");
	result_add_string(&env->scopes, task_path_in(t, path));
	bytes_printf(&env->scopes, ",\"state\":\"%s\",\"elapsed_ms\":%lld}",
		     outcome_state_text(t->out.state),
		     (long long)((now_ns - t->begun_ns) / NS_PER_MS));
}

void jobenv_scopes_write(const struct jobenv *env, struct bytes *out)
{
	if (env->scopes.n == 0)
		return;
	bytes_add_byte(out, '[');
	bytes_add(out, env->scopes.p, env->scopes.n);
	bytes_add_byte(out, ']');
}

void jobenv_trim(struct jobenv *env)
{
	for (uint32_t i = 0; env->pool != NULL && i < env->spec->n_nodes; i++) {
		for (struct task *t = env->pool[i], *next; t != NULL; t = next) {
			next = t->next_free;
			free(t);
		}
		env->pool[i] = NULL;
	}
}

void jobenv_unref(struct jobenv *env)
{
	if (env == NULL || --env->refs > 0)
		return;
	LIST_EACH_SAFE (l, &env->tasks)
		task_free(LIST_ENTRY(l, struct task, all));
	jobenv_trim(env);
	free(env->pool);
	results_free(env->results);
	feed_free(env->feed);
	recall_free(env->recall);
	if (env->go != NULL)
		act_event_free(env->go);
	bytes_fini(&env->scopes);
	job_spec_unref(env->spec);
	free(env);
}
