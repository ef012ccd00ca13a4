#include "job/verb_each.h"

#include "job/feed.h"
#include "job/recall.h"
#include "job/verb.h"
#include "run/sync.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_LEAST 256
#define WINDOW_MOST  4096

struct results_cursor *each_cursor(struct task *each)
{
	return ((struct each_frame *)(void *)each->frame)->cursor;
}

static bool only_fetches(void *ctx, const struct node *n)
{
	bool *only = ctx;
	const uint32_t slow = 1u << VERB_SLEEP | 1u << VERB_EXEC | 1u << VERB_TAKE |
			      1u << VERB_WAIT | 1u << VERB_PUT;
	if (slow >> n->verb & 1u || (n->verb == VERB_EMIT && each_emits_has(n)))
		*only = false;
	return *only;
}

uint32_t each_window(const struct node *n)
{
	bool only = true;
	int64_t c = n->u.each.concurrency, w = 4 * c;
	node_walk(n->u.each.run, only_fetches, &only);
	if (!only || n->u.each.in.kind == SOURCE_QUEUE)
		return (uint32_t)c;
	if (w > WINDOW_MOST)
		w = WINDOW_MOST;
	if (w < WINDOW_LEAST)
		w = WINDOW_LEAST;
	return (uint32_t)(w > c ? w : c);
}

/* ---- begin ---- */

static bool open_cursor(struct each_frame *e, struct task *t)
{
	char path[TASK_PATH_MAX];
	struct slice at = task_path_in(t, path);
	e->cursor = recall_cursor(t->env->recall, at);
	if (e->cursor == NULL) {
		e->cursor = results_cursor_new(at);
		return e->cursor != NULL;
	}
	e->index = cursor_watermark(&e->cursor->cursor);
	e->n_kept = e->cursor->tally.n_cancelled + done_tally_failed(&e->cursor->tally);
	if (t->env->is_again)
		e->again_below = e->cursor->cursor.next;
	if (t->up == NULL)
		results_turns_resume(t->env->results, &e->cursor->cursor);
	return true;
}

static bool begin(act_self *self, struct each_frame *e, struct task *t)
{
	const struct each_spec *s = &t->node->u.each;
	e->window = each_window(t->node);
	e->room = act_event_new(t->env->shard);
	if (e->room == NULL || !open_cursor(e, t)) {
		task_fail(t, KIND_MEMORY, "no memory for an each");
		return false;
	}
	if (!each_source_open(e))
		return false;
	if (!children_open(self, &e->c, t,
			   s->mode == EACH_GROUP ? CHILDREN_FAIL_FAST : CHILDREN_ALL))
		return false;
	children_recall(&e->c, &e->cursor->tally);
	results_cursor_add(t->env->results, e->cursor);
	if (t->wants_value)
		each_list_open(e);
	act_event_set(e->room);
	if (s->mode == EACH_GROUP && e->c.n_failed > 0)
		children_cancel(self, &e->c, ACT_WHY_SIBLING);
	return true;
}

/* The task that the items come from has ended. False: it failed, and the each with it. */
static bool each_source_ended(struct each_frame *e, struct task *t)
{
	struct task *source = e->source;
	task_sum(t, &source->out);
	if (outcome_is_ok(&source->out))
		return true;
	t->out.state = source->out.state;
	t->out.error = failure_ref(source->out.error);
	return false;
}

/* ---- as items end ---- */

/* An item of several leaves is marked once it has ended; the facts of its leaves go then. */
static void mark(struct each_frame *e, struct task *item)
{
	char path[TASK_PATH_MAX];
	struct done_mark m = {.index = item->index};
	if (item->is_marked || item->out.state == OUTCOME_NONE)
		return;
	if (item->out.state == OUTCOME_FAILED)
		m.kind = failure_leaf_kind(item->out.error);
	else if (item->out.state == OUTCOME_CANCELLED)
		m.kind = KIND_CANCELLED;
	m.n_failed = (uint32_t)item->out.n_failed;
	m.n_handled = (uint32_t)item->out.n_handled;
	results_make_room(item->env->results);
	results_mark(item->env->results, e->cursor, &m);
	/* Of one that may be tried again, what did end well is remembered. */
	if (!item->env->keeps_failed || (m.kind == KIND_NONE && m.n_failed == 0))
		recall_drop_tree(item->env, task_path_in(item, path));
	each_keep_item(item, &m, RESULTS_CLASSES, 0);
	each_list_keep(item);
}

static void item_ended(struct each_frame *e, struct task *item)
{
	struct jobenv *env = e->t->env;
	mark(e, item);
	if (e->t->wants_value)
		collect_put(&e->values, item->index, &item->out);
	if (e->t->up == NULL)
		results_turn_ends(env->results, item->index);
	env->n_told -= item->is_told;
	task_free(item);
	env->n_open--;
	if (--e->n_open < e->window)
		act_event_set(e->room);
	if (e->ops->done_below != NULL)
		e->ops->done_below(e, cursor_watermark(&e->cursor->cursor));
}

/* ---- what makes the items ---- */

struct each_producer {
	act_co co;
	int rc;
	struct each_frame *e;
};

static int produce_step(act_self *self, void *frame)
{
	struct each_producer *p = frame;
	CO_BEGIN(&p->co);
	CO_CALL(&p->co, p->rc, p->e->ops->produce, p->e->src);
	CO_END(&p->co);
}

/* ---- end ---- */

static bool too_few(const struct each_frame *e)
{
	return (int64_t)e->c.n_ok < e->t->node->u.each.min_ok;
}

static uint64_t done_from(const struct cursor *c, uint64_t index)
{
	uint64_t n = c->next > index ? c->next - index : 0;
	for (uint32_t i = 0; i < c->n_gap; i++)
		n -= c->gap[i] >= index;
	return n;
}

/* Items that are known and were never launched, because it was cancelled. True: there are none, and
 * none would have come. */
static bool count_unstarted(struct each_frame *e)
{
	struct jobenv *env = e->t->env;
	bool is_counted = e->ops->is_counted;
	bool is_fed = e->t->node->u.each.in.kind == SOURCE_FEED;
	bool is_known = is_counted && e->ops->known == NULL; /* all of it, from the start */
	bool was_at_end = e->was_at_end || (is_fed ? feed_is_ended(env->feed) : is_known);
	uint64_t known = e->ops->known != NULL ? e->ops->known(e) : e->n_source;
	uint64_t rest = known > e->index ? known - e->index : 0;
	uint64_t seen = e->first + e->n_seen, expected = known > seen ? known - seen : 0;
	rest -= done_from(&e->cursor->cursor, e->index);
	env->tally.not_started += rest * verb_leaves(e->t->node->u.each.run);
	if (is_fed)
		feed_close(env->feed, verb_leaves(e->t->node->u.each.run));
	if (is_counted)
		env->n_expected -= expected < env->n_expected ? expected : env->n_expected;
	return rest == 0 && was_at_end;
}

static void each_ends(act_self *self, struct each_frame *e, struct task *t)
{
	bool is_group = t->node->u.each.mode == EACH_GROUP;
	children_close(self, &e->c);
	task_sum(t, &e->c.below);
	bool is_short = !count_unstarted(e);
	if (e->ops->over != NULL && !is_short && !children_were_cut(&e->c) && e->c.n_failed == 0)
		e->ops->over(e);
	results_cursor_ends(t->env->results, e->cursor);
	e->cursor = NULL;
	if (t->out.state == OUTCOME_FAILED)
		return; /* it could not even start */
	if (is_group && e->c.n_failed > 0)
		task_fail_with(t, children_errors(&e->c));
	else if (is_short || children_were_cut(&e->c))
		task_cancelled(self, t);
	else if (e->broken != NULL)
		task_fail_with(t, failure_ref(e->broken));
	else if (too_few(e) && e->c.n_failed > 0)
		task_fail_with(t, children_errors(&e->c));
	else if (too_few(e))
		task_fail(t, KIND_GROUP, "%llu items succeeded, min_ok is %lld",
			  (unsigned long long)e->c.n_ok, (long long)t->node->u.each.min_ok);
	else
		task_ok(t, collect_take(&e->values));
}

static int start_producer(act_self *self, struct each_frame *e)
{
	struct each_producer p = {.e = e};
	if (e->ops->produce == NULL)
		return ACT_OK;
	return children_help(self, &e->c, produce_step, &p, sizeof(p));
}

/* Neither can do without the other. */
static void start_helpers(act_self *self, struct each_frame *e)
{
	if (each_feeder_start(self, e))
		e->produces = start_producer(self, e);
	else
		e->produces = ACT_ENOMEM;
	if (e->produces != ACT_ENOMEM)
		return;
	task_fail(e->t, KIND_MEMORY, "no memory for a task");
	children_cancel(self, &e->c, ACT_WHY_SIBLING);
}

/* The producer comes too late to start, yet it began in an earlier life: it is gone through as it
 * is, cancelled, so that its `finally` runs. */
static bool produces_late(const struct each_frame *e)
{
	char path[TASK_PATH_MAX];
	const struct recall *recall = e->t->env->recall;
	return e->produces == ACT_ECANCELED && !recall_is_empty(recall) &&
	       recall_was_begun(recall, each_source_path(e, path));
}

static bool was_recalled(const struct each_frame *e)
{
	return e->ops->recall == NULL || recall_is_empty(e->t->env->recall);
}

void each_item_begins(struct task *t)
{
	if (t->node->place != PLACE_EACH || t->up == NULL)
		return;
	struct each_frame *e = (void *)t->up->frame;
	if (e->ops->begun != NULL)
		e->ops->begun(e, t);
}

int verb_each_step(act_self *self, void *task)
{
	struct task *t = task;
	struct each_frame *e = (void *)t->frame;
	CO_BEGIN(&e->co);
	if (!task_reads_late(t, LATE_INNER))
		return ACT_OK;
	e->t = t;
	e->ops = each_source(t->node->u.each.in.kind);
	if (e->ops->is_after_task) {
		e->source = task_new(t->env, t->node->u.each.in.task, t, t->names);
		if (e->source == NULL) {
			task_fail(t, KIND_MEMORY, "no memory for a task");
			return ACT_OK;
		}
		CO_CALL(&e->co, e->rc, task_step, e->source);
		if (!each_source_ended(e, t))
			return ACT_OK;
	}
	if (e->ops->make != NULL && !e->ops->make(e))
		return ACT_OK;
	if (!was_recalled(e)) {
		e->load = (struct each_load){.e = e};
		e->shield = act_scope_shield(self, 3600 * NS_PER_S);
		CO_CALL(&e->co, e->rc, e->ops->recall, &e->load);
		if (e->shield != NULL)
			act_scope_close(self, e->shield, ACT_OK, NULL);
	}
	if (!begin(self, e, t))
		return ACT_OK;
	task_waits(t, TASK_WAITS_CHILDREN, act_now_ns(self), 0);
	start_helpers(self, e);
	if (produces_late(e))
		CO_CALL(&e->co, e->rc, e->ops->produce, e->src);
	for (;;) {
		CO_CALL(&e->co, e->rc, children_next, &e->c);
		if (e->c.got != NULL) {
			item_ended(e, e->c.got);
		} else if (e->was_late) {
			break;
		} else {
			e->was_late = true;
			e->late.f.e = e;
			CO_CALL(&e->co, e->rc, each_late_step, &e->late);
		}
	}
	if (e->ops->close != NULL) {
		e->load = (struct each_load){.e = e};
		CO_CALL(&e->co, e->rc, e->ops->close, &e->load);
	}
	each_ends(self, e, t);
	CO_END(&e->co);
}

void verb_each_fini(struct task *t)
{
	struct each_frame *e = (void *)t->frame;
	children_fini(&e->c);
	collect_fini(&e->values);
	failure_drop(e->broken);
	if (e->ops != NULL && e->ops->fini != NULL)
		e->ops->fini(e);
	results_cursor_free(e->cursor);
	e->cursor = NULL;
	json_decref(e->list);
	free(e->late.index);
	if (e->room != NULL)
		act_event_free(e->room);
}
