#include "job/taken.h"

#include "edge/store.h"
#include "job/recall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct taken *taken_new(struct slice name, uint64_t n, uint32_t tries)
{
	struct taken *x = malloc(sizeof(*x) + name.n);
	if (x == NULL)
		return NULL;
	*x = (struct taken){.n = n, .tries = tries, .name = {x->text, name.n}};
	memcpy(x->text, name.n > 0 ? name.p : "", name.n);
	return x;
}

void taken_free(struct taken *list)
{
	for (struct taken *next; list != NULL; list = next) {
		next = list->next;
		free(list);
	}
}

struct slice taken_session(const struct task *holder, char buf[NAMED_SESSION_MAX])
{
	char path[TASK_PATH_MAX];
	return named_session(buf, jobenv_id(holder->env), task_path_in(holder, path));
}

/* ---- rows ---- */

/* Of the fact: below the holder's, so that it goes with it. */
static struct slice fact_path(char buf[TASK_PATH_MAX + 32], struct slice path, uint64_t n)
{
	int w = snprintf(buf, TASK_PATH_MAX + 32, "%.*s.t%llu", (int)path.n, path.p,
			 (unsigned long long)n);
	return (struct slice){buf, (size_t)w};
}

static struct store_op *row_op(struct jobenv *env, int kind, const struct taken *x)
{
	char key[NAMED_KEY_MAX];
	struct store_op *op = results_op(env->results, kind);
	if (op != NULL)
		op->named = (struct store_named){
			.name = results_text(env->results,
					     named_key(key, NAMED_QUEUE, env->uid, x->name)),
			.n = x->n,
			.tries = x->tries};
	return op;
}

static struct slice session_text(struct jobenv *env, struct slice path)
{
	char buf[NAMED_SESSION_MAX];
	return results_text(env->results, named_session(buf, jobenv_id(env), path));
}

void taken_put(struct jobenv *env, struct slice path, const struct taken *x)
{
	char buf[TASK_PATH_MAX + 32];
	struct bytes data = BYTES_LIMIT(STORE_NAME_MAX);
	struct store_op *op;
	if (env->is_volatile)
		return;
	if ((op = row_op(env, STORE_NAMED_HOLD, x)) != NULL)
		op->named.holder = session_text(env, path);
	bytes_printf(&data, "%u ", x->tries);
	bytes_add_slice(&data, x->name);
	recall_put(env, fact_path(buf, path, x->n), RECALL_TAKEN, 0, bytes_slice(&data));
	bytes_fini(&data);
}

void taken_put_back(struct jobenv *env, struct slice path, const struct taken *x)
{
	struct store_op *op = row_op(env, STORE_NAMED_HOLD, x);
	if (op != NULL)
		op->named.was = session_text(env, path);
}

void taken_skip(struct jobenv *env, struct slice name, uint64_t n)
{
	struct taken *x = env->is_volatile ? NULL : taken_new(name, n, 0);
	if (x != NULL)
		row_op(env, STORE_NAMED_DROP, x);
	taken_free(x);
}

/* Of the task whose facts are looked for. */
struct looking {
	struct task *t;
	struct slice path;
};

static void recall_one(void *ctx, struct slice path, enum recall_fact kind, int64_t wall_ns,
		       struct slice data)
{
	struct looking *l = ctx;
	unsigned long long n = 0;
	unsigned tries = 0;
	int at = 0;
	(void)wall_ns;
	if (kind != RECALL_TAKEN || path.n <= l->path.n + 2 ||
	    memcmp(path.p, l->path.p, l->path.n) != 0 || memcmp(path.p + l->path.n, ".t", 2) != 0)
		return;
	for (size_t i = l->path.n + 2; i < path.n && path.p[i] >= '0' && path.p[i] <= '9'; i++)
		n = n * 10 + (unsigned)(path.p[i] - '0');
	if (sscanf(data.p, "%u %n", &tries, &at) != 1 || at == 0)
		return;
	struct taken *x = taken_new((struct slice){data.p + at, data.n - (size_t)at}, n, tries);
	if (x == NULL)
		return;
	x->next = l->t->taken;
	l->t->taken = x;
}

void taken_recall(struct task *t)
{
	char path[TASK_PATH_MAX];
	struct looking l = {t, task_path_in(t, path)};
	if (recall_has_taken(t->env->recall))
		recall_visit(t->env->recall, recall_one, &l);
}

/* ---- how it ends ---- */

static enum named_op op_of(const struct outcome *o)
{
	if (outcome_is_ok(o))
		return NAMED_ACK;
	return o->state == OUTCOME_FAILED ? NAMED_NACK : NAMED_BACK;
}

static void put_end(struct taken_settle *s)
{
	char path[TASK_PATH_MAX], buf[TASK_PATH_MAX + 32];
	struct jobenv *env = s->t->env;
	struct slice at = task_path_in(s->t, path);
	for (const struct taken *x = s->now; x != NULL; x = x->next) {
		bool is_done = s->op == NAMED_ACK;
		struct store_op *op = row_op(env, is_done ? STORE_NAMED_DROP : STORE_NAMED_HOLD, x);
		if (op == NULL)
			continue;
		if (is_done) {
			op->named.holder = session_text(env, at);
		} else {
			op->named.was = session_text(env, at);
			op->named.tries = x->tries + (s->op == NAMED_NACK);
		}
		recall_drop(env, fact_path(buf, at, x->n), RECALL_TAKEN);
	}
}

static void tell_end(act_self *self, struct taken_settle *s)
{
	char buf[NAMED_SESSION_MAX];
	const struct leaf_port *port = &s->t->env->port;
	struct slice session = taken_session(s->t, buf);
	for (const struct taken *x = s->now; x != NULL; x = x->next) {
		struct named_ask *ask = named_ask_new(s->op, NAMED_QUEUE, x->name, session,
						      (struct slice){NULL, 0});
		if (ask == NULL)
			continue;
		ask->n = x->n;
		port->named_tell(self, port->ctx, ask);
	}
	taken_free(s->now);
	s->now = NULL;
}

bool taken_ends(struct task *t)
{
	if (t->taken == NULL)
		return false;
	if (t->settling == NULL && (t->settling = malloc(sizeof(*t->settling))) == NULL)
		return false; /* the end of the job puts it back */
	*t->settling = (struct taken_settle){.t = t, .now = t->taken, .op = op_of(&t->out)};
	t->taken = NULL;
	return true;
}

void taken_fini(struct task *t)
{
	if (t->settling != NULL)
		taken_free(t->settling->now);
	free(t->settling);
	taken_free(t->taken);
	t->settling = NULL;
	t->taken = NULL;
}

int taken_settle(act_self *self, void *settle)
{
	struct taken_settle *s = settle;
	CO_BEGIN(&s->co);
	if (!s->t->env->is_volatile) {
		put_end(s);
		task_waits(s->t, TASK_WAITS_COMMIT, act_now_ns(self), 0);
		s->wait = results_wait_for(s->t->env->results);
		CO_CALL(&s->co, s->rc, results_wait, &s->wait);
	}
	tell_end(self, s);
	CO_END(&s->co);
}
