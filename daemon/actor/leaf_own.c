#include "actor/leaf_own.h"

#include "actor/job_state.h"
#include "job/task.h"

void leaf_own_limits(const struct task *leaf, struct limit_ask *ask)
{
	const struct job_limits *l = &leaf->env->spec->limits;
	struct limit_own *job = &ask->own[ask->n_own++];
	*job = (struct limit_own){.concurrency = (uint32_t)l->concurrency, .burst = 1};
	if (l->has_rate) {
		job->rate = (struct rate){.n = l->rate.n, .per_ns = l->rate.per_ms * NS_PER_MS};
		job->burst = l->burst > 0 ? (uint32_t)l->burst : 1;
	}
	for (const struct task *t = leaf->up; t != NULL && ask->n_own < LIMIT_OWN_MAX; t = t->up)
		if (t->node->verb == VERB_EACH)
			ask->own[ask->n_own++] = (struct limit_own){
				.scope = t->node->serial + 1,
				.concurrency = (uint32_t)t->node->u.each.concurrency,
				.burst = 1};
}
