#include "job/task.h"

#include "base/check.h"
#include "job/mods.h"
#include "job/recall.h"
#include "job/taken.h"
#include "job/verb.h"
#include "job/verb_each.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POOL_ZERO_FROM offsetof(struct task, co)

static const char *const wait_text[TASK_WAITS] = {
	[TASK_RUNS] = "runs",
	[TASK_WAITS_CHILDREN] = "waits for its tasks",
	[TASK_WAITS_LIMIT] = "waits for a limit",
	[TASK_WAITS_NAMED] = "waits for a named object",
	[TASK_WAITS_RESPONSE] = "waits for the response",
	[TASK_WAITS_BACKOFF] = "waits before the next attempt",
	[TASK_WAITS_COMMIT] = "waits for the commit of its outcome",
	[TASK_WAITS_ITEMS] = "waits for items",
	[TASK_WAITS_READER] = "waits for results to be read",
	[TASK_WAITS_RESUME] = "waits for the job to be resumed",
	[TASK_WAITS_TIME] = "sleeps",
	[TASK_WAITS_TAKER] = "waits until its item is taken",
	[TASK_WAITS_PLACE] = "waits for a place among the programs",
};

const char *task_wait_text(enum task_wait w)
{
	return wait_text[w];
}

static size_t size_of(const struct jobenv *env, const struct node *node)
{
	size_t n = verb_ops(node->verb)->frame_size;
	return sizeof(struct task) + (n > 0 ? n : env->port.fetch_size);
}

/* Whether the value of node is that of the task it belongs to. */
static bool passes_on(const struct node *node, const struct task *up)
{
	enum verb v = up->node->verb;
	if (node->place == PLACE_CATCH)
		return true;
	if (node->place != PLACE_CHILD)
		return false;
	if (v == VERB_SEQUENCE)
		return node->index + 1 == up->node->n_child;
	return v == VERB_ANY || v == VERB_FALLBACK;
}

/* Only what somebody reads is worth keeping: its own id, or a parent that passes it on. */
static bool wants_value(const struct node *node, const struct task *up)
{
	if (node->is_read)
		return true;
	if (node->place == PLACE_SOURCE || node->place == PLACE_PAGE)
		return node->parent->u.each.in.kind != SOURCE_EMITS;
	if (node->place == PLACE_ENTER)
		return node->parent->with[node->index].as.n > 0;
	if (up == NULL || !up->wants_value)
		return false;
	enum verb v = up->node->verb;
	return passes_on(node, up) || node->place == PLACE_EACH ||
	       (node->place == PLACE_CHILD && (v == VERB_GROUP || v == VERB_GATHER));
}

static bool wants_text(const struct node *node, const struct task *up)
{
	if (node->place == PLACE_SOURCE || node->place == PLACE_PAGE)
		return node->parent->u.each.in.kind != SOURCE_EMITS;
	return up != NULL && up->wants_text && passes_on(node, up);
}

struct task *task_new(struct jobenv *env, const struct node *node, struct task *up,
		      const struct names *names)
{
	size_t size = size_of(env, node);
	struct task *t = env->pool[node->serial];
	if (t != NULL) {
		env->pool[node->serial] = t->next_free;
		memset(t, 0, size);
	} else if ((t = calloc(1, size)) == NULL) {
		return NULL;
	}
	t->env = env;
	t->node = node;
	t->up = up;
	t->names = names;
	t->wants_value = wants_value(node, up);
	t->wants_text = wants_text(node, up);
	list_init(&t->link);
	list_push_back(&env->tasks, &t->all);
	return t;
}

void task_free(struct task *t)
{
	if (t == NULL)
		return;
	const struct verb_ops *ops = verb_ops(t->node->verb);
	if (ops->fini != NULL && t->is_started)
		ops->fini(t);
	mods_free(t->mods);
	taken_fini(t);
	names_fini(&t->item);
	free(t->raw);
	outcome_fini(&t->out);
	list_remove(&t->all);
	list_remove(&t->link);
	t->next_free = t->env->pool[t->node->serial];
	t->env->pool[t->node->serial] = t;
	late_node_free(t->late);
}

bool task_reads_late(struct task *t, enum late_phase phase)
{
	char sentence[512] = "";
	struct interp_env env = names_env(t->names);
	if (t->node->late[phase] == NULL)
		return true;
	if (t->late == NULL)
		t->late = late_node_new(t->env->spec, t->node);
	enum err e = t->late != NULL ? late_node_read(t->late, phase, &env, sentence) : ERR_NOMEM;
	if (t->late != NULL)
		t->node = late_node(t->late);
	if (e == ERR_OK)
		return true;
	if (e == ERR_NOMEM)
		task_fail(t, KIND_MEMORY, "no memory for a task");
	else
		task_fail(t, KIND_REQUEST_INVALID, "%s", sentence);
	return false;
}

int task_step(act_self *self, void *task)
{
	struct task *t = task;
	CO_BEGIN(&t->co);
	t->is_started = true;
	t->begun_ns = act_now_ns(self);
	taken_recall(t);
	each_item_begins(t);
	if (mods_has(t->node))
		CO_CALL(&t->co, t->rc, mods_step, t);
	else
		CO_CALL(&t->co, t->rc, verb_ops(t->node->verb)->step, t);
	CHECK(t->out.state != OUTCOME_NONE);
	if (taken_ends(t))
		CO_CALL(&t->co, t->rc, taken_settle, t->settling);
	t->wait = TASK_RUNS;
	if (t->node->id.n > 0)
		jobenv_scope_ended(t->env, t, act_now_ns(self));
	CO_END(&t->co);
}

/* ---- paths ---- */

enum err task_path(const struct task *t, struct bytes *out)
{
	char piece[NODE_PIECE_MAX];
	if (t->up != NULL)
		task_path(t->up, out);
	if (t->node->place == PLACE_EACH) {
		bytes_add_byte(out, '.');
		return bytes_add_u64(out, t->index);
	}
	node_piece(t->node, piece);
	bytes_add_str(out, piece);
	if (t->node->place != PLACE_PAGE)
		return out->err;
	bytes_add_byte(out, '.');
	return bytes_add_u64(out, t->index);
}

struct slice task_path_in(const struct task *t, char buf[TASK_PATH_MAX])
{
	const struct task *chain[40];
	size_t n = 0, at = 0;
	for (const struct task *x = t; x != NULL && n < 40; x = x->up)
		chain[n++] = x;
	while (n-- > 0 && at < TASK_PATH_MAX) {
		char piece[NODE_PIECE_MAX];
		int w;
		if (chain[n]->node->place == PLACE_EACH) {
			w = snprintf(buf + at, TASK_PATH_MAX - at, ".%llu",
				     (unsigned long long)chain[n]->index);
		} else {
			node_piece(chain[n]->node, piece);
			w = snprintf(buf + at, TASK_PATH_MAX - at, "%s", piece);
			if (chain[n]->node->place == PLACE_PAGE)
				w = snprintf(buf + at, TASK_PATH_MAX - at, "%s.%llu", piece,
					     (unsigned long long)chain[n]->index);
		}
		at += (size_t)w;
	}
	return (struct slice){buf, at < TASK_PATH_MAX ? at : TASK_PATH_MAX - 1};
}

struct results_turn task_turn(const struct task *t)
{
	const struct task *below = NULL;
	for (; t->up != NULL; t = t->up)
		below = t;
	enum verb v = t->node->verb;
	bool has = below != NULL && (v == VERB_EACH || v == VERB_GROUP || v == VERB_GATHER) &&
		   (below->node->place == PLACE_EACH || below->node->place == PLACE_CHILD);
	return (struct results_turn){.has_turn = has, .index = has ? below->index : 0};
}

/* ---- how it ended ---- */

void task_sum(struct task *t, const struct outcome *below)
{
	t->out.n_failed += below->n_failed;
	t->out.n_handled += below->n_handled;
}

void task_handled(struct task *t, uint64_t n)
{
	CHECK(n <= t->out.n_failed);
	t->out.n_failed -= n;
	t->out.n_handled += n;
	t->env->tally.failed -= n;
	t->env->tally.handled += n;
}

void task_settled(struct task *t)
{
	char path[TASK_PATH_MAX];
	if (t->env->keeps_failed)
		recall_put(t->env, task_path_in(t, path), RECALL_SETTLED, 0, SLICE_LIT(""));
}

static void ended(struct task *t, enum outcome_state state)
{
	uint64_t n_failed = t->out.n_failed, n_handled = t->out.n_handled;
	outcome_fini(&t->out);
	t->out.state = state;
	t->out.n_failed = n_failed;
	t->out.n_handled = n_handled;
}

void task_ok(struct task *t, json_t *value)
{
	ended(t, OUTCOME_OK);
	t->out.value = value;
}

void task_fail_with(struct task *t, struct failure *f)
{
	ended(t, OUTCOME_FAILED);
	t->out.error = f;
}

void task_fail(struct task *t, enum kind kind, const char *fmt, ...)
{
	char path[TASK_PATH_MAX], message[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	task_fail_with(t, failure_new(kind, task_path_in(t, path), slice_of(message),
				      (struct slice){NULL, 0}));
}

void task_cancelled(act_self *self, struct task *t)
{
	char path[TASK_PATH_MAX];
	bool is_late = act_cancel_why(self, NULL) == ACT_WHY_TIMEOUT;
	enum kind kind = is_late ? KIND_DEADLINE : KIND_CANCELLED;
	struct failure *f = failure_new(kind, task_path_in(t, path), slice_of(kind_doc(kind)),
					(struct slice){NULL, 0});
	ended(t, OUTCOME_CANCELLED);
	t->out.error = f;
}

void task_cut_by(struct task *t, const struct task *below)
{
	struct failure *f = failure_ref(below->out.error);
	ended(t, OUTCOME_CANCELLED);
	t->out.error = f;
}

void task_await_failed(act_self *self, struct task *t, int rc)
{
	if (rc == ACT_ECANCELED)
		task_cancelled(self, t);
	else
		task_fail(t, rc == ACT_ENOMEM ? KIND_MEMORY : KIND_INTERNAL, "%s", act_rc_text(rc));
}
