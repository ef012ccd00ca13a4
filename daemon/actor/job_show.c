/*
 * job_show -- a job told to people: its record.
 */
#include "actor/job_state.h"
#include "job/feed.h"
#include "job/results.h"
#include "job/verb.h"
#include "model/cookies.h"

struct final_tasks job_tasks(const struct job *j)
{
	struct final_tasks t = j->totals;
	if (job_has_ended(j) && t.total == 0) {
		const struct store_totals *s = &j->stored;
		return (struct final_tasks){s->total,	s->ok,	      s->failed,
					    s->handled, s->cancelled, s->not_started};
	}
	if (j->env == NULL || t.total > 0)
		return t;
	const struct tally *y = &j->env->tally;
	t = (struct final_tasks){.ok = y->ok,
				 .failed = y->failed,
				 .handled = y->handled,
				 .cancelled = y->cancelled,
				 .not_started = y->not_started};
	t.total = t.ok + t.failed + t.handled + t.cancelled + t.not_started + j->env->n_open -
		  j->env->n_told + j->env->n_expected;
	/* Without an each, all leaves are known from the beginning; at the end those count that
	 * were. */
	uint64_t leaves = verb_leaves(j->spec->root);
	bool is_to_come = j->root.scope != NULL || j->wall_started_ns == 0;
	if ((j->spec->verbs >> VERB_EACH & 1) == 0 && is_to_come && t.total < leaves)
		t.total = leaves;
	return t;
}

static int64_t elapsed_ms(const struct job *j)
{
	int64_t end = j->wall_ended_ns != 0 ? j->wall_ended_ns : clock_wall_ns(j->peers->clock);
	int64_t begin = j->wall_started_ns != 0 ? j->wall_started_ns : j->wall_created_ns;
	return end > begin ? (end - begin) / NS_PER_MS : 0;
}

void job_record(const struct job *j, struct bytes *out)
{
	struct bytes id = BYTES_LIMIT(32);
	job_id_add(&id, j->number, j->is_volatile);
	struct final_record f = {
		.job = bytes_slice(&id),
		.name = j->name.n > 0 ? bytes_slice(&j->name) : (struct slice){NULL, 0},
		.state = store_job_state_text(j->state),
		.tasks = job_tasks(j),
		.error = j->error.n > 0 ? bytes_slice(&j->error) : (struct slice){NULL, 0},
		.elapsed_ms = elapsed_ms(j),
	};
	final_add(out, &f);
	bytes_fini(&id);
	/* The records of scopes are kept as text. */
	if (j->scopes.n == 0 || out->n == 0)
		return;
	out->n--;
	bytes_add_str(out, ",\"scopes\":");
	bytes_add(out, j->scopes.p, j->scopes.n);
	bytes_add_byte(out, '}');
}

void job_on_show(act_self *self, struct job *j, struct job_call *c)
{
	struct bytes body = BYTES_LIMIT(0);
	job_record(j, &body);
	job_call_done(self, c, &body);
	bytes_fini(&body);
}

/* ---- cookies ---- */

void job_on_cookies(act_self *self, struct job *j, struct job_call *c)
{
	struct bytes body = BYTES_LIMIT(8 << 20);
	bytes_add_str(&body, "{\"cookies\":");
	if (j->cookies == NULL) {
		bytes_add_str(&body, "null}");
	} else {
		bytes_add_byte(&body, '[');
		cookies_save(j->cookies, clock_wall_ns(j->peers->clock) / NS_PER_S, &body);
		bytes_add_str(&body, "]}");
	}
	if (body.err == ERR_OK)
		job_call_done(self, c, &body);
	else
		job_call_refuse(self, c, KIND_MEMORY, "out of memory for the cookies");
	bytes_fini(&body);
}
