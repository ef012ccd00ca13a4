/*
 * job_feed -- items for the job: one call at a time goes to the store; answered after its commit,
 * and of an attached job only when no more than FEED_UNCONSUMED waits to be used.
 */
#include "actor/job_state.h"
#include "job/feed.h"

#include <stdlib.h>

static struct parked *head(struct job *j)
{
	return list_empty(&j->feeds) ? NULL : LIST_ENTRY(j->feeds.next, struct parked, link);
}

static void answer(act_self *self, struct job *j, uint64_t next)
{
	struct bytes body = BYTES_LIMIT(128);
	bytes_printf(&body, "{\"next\":%llu}", (unsigned long long)next);
	job_call_done(self, job_unpark(&j->feeds), &body);
	bytes_fini(&body);
}

static bool has_room(const struct job *j)
{
	return !j->is_attached || job_has_ended(j) ||
	       feed_unconsumed(j->env->feed) <= FEED_UNCONSUMED;
}

static void refuse_head(act_self *self, struct job *j, enum kind kind, const char *why)
{
	job_call_refuse(self, job_unpark(&j->feeds), kind, why);
}

/* False: it waits for its commit, or for room. */
static bool begin(act_self *self, struct job *j, struct parked *p)
{
	struct job_feed_call *f = &p->call->feed;
	struct store_batch *b;
	enum err e = feed_add(j->env->feed, f->offset, bytes_slice(&f->items), f->end, &b,
			      &j->feed_next);
	if (e != ERR_OK) {
		refuse_head(self, j, e == ERR_NOMEM ? KIND_MEMORY : KIND_REQUEST_INVALID,
			    e == ERR_NOMEM ? "out of memory"
					   : "items do not follow those the job has");
		return true;
	}
	p->is_taken = true;
	if (b == NULL)
		return true;
	if (job_apply(self, j, b)) {
		j->feed_batch = b;
		return false;
	}
	feed_committed(j->env->feed, false);
	refuse_head(self, j, KIND_BUSY, "the store takes nothing now");
	return true;
}

void job_feed_run(act_self *self, struct job *j)
{
	struct parked *p;
	while (j->is_loaded && !j->is_broken && j->feed_batch == NULL && (p = head(j)) != NULL) {
		if (job_has_ended(j)) {
			refuse_head(self, j, KIND_CLOSED, "the job has ended");
			continue;
		}
		if (!p->is_taken && !begin(self, j, p))
			return;
		if (p != head(j))
			continue;
		if (!has_room(j))
			return;
		answer(self, j, j->feed_next);
	}
}

void job_feed_stored(act_self *self, struct job *j, struct store_batch *b)
{
	j->feed_batch = NULL;
	feed_committed(j->env->feed, b->result == ERR_OK);
	if (b->result == ERR_FULL)
		refuse_head(self, j, KIND_STORE_FULL, "the store has no room left");
	else if (b->result != ERR_OK)
		refuse_head(self, j, KIND_BUSY, err_text(b->result));
	job_feed_run(self, j);
}

void job_on_feed(act_self *self, struct job *j, struct job_call *c)
{
	if (j->env->feed == NULL)
		job_call_refuse(self, c, KIND_REQUEST_INVALID, "this job is not fed");
	else if (job_has_ended(j))
		job_call_refuse(self, c, KIND_CLOSED, "the job has ended");
	else if (job_park(self, &j->feeds, c))
		job_feed_run(self, j);
}

void job_feed_fini(struct job *j)
{
	for (struct job_call *c; (c = job_unpark(&j->feeds)) != NULL;)
		job_call_free(c);
}
