#include "job/grip.h"

#include "edge/store.h"
#include "job/named.h"
#include "job/recall.h"

#include <inttypes.h>
#include <stdio.h>

static const struct with_spec *spec_of(const struct grip *g)
{
	return &g->t->node->with[g->i];
}

static enum named_kind kind_of(const struct with_spec *w)
{
	return w->kind == WITH_LOCK ? NAMED_LOCK : NAMED_SEMAPHORE;
}

static struct slice session_of(const struct grip *g, char buf[NAMED_SESSION_MAX])
{
	char path[TASK_PATH_MAX + 16];
	struct slice at = task_path_in(g->t, path);
	int n = snprintf(path + at.n, sizeof(path) - at.n, ".w%u", g->i);
	return named_session(buf, jobenv_id(g->t->env), (struct slice){path, at.n + (size_t)n});
}

static struct named_ask *ask_new(const struct grip *g, enum named_op op)
{
	char buf[NAMED_SESSION_MAX];
	const struct with_spec *w = spec_of(g);
	struct named_ask *ask = named_ask_new(op, kind_of(w), bytes_slice(g->name),
					      session_of(g, buf), (struct slice){NULL, 0});
	if (ask != NULL && w->kind == WITH_SEMAPHORE) {
		ask->units = w->units;
		ask->capacity = w->capacity;
	}
	return ask;
}

/* ---- its row ---- */

static void put_row(struct grip *g, int kind)
{
	char key[NAMED_KEY_MAX], session[NAMED_SESSION_MAX], data[64];
	struct jobenv *env = g->t->env;
	const struct with_spec *w = spec_of(g);
	bool is_lock = w->kind == WITH_LOCK;
	struct store_op *op = results_op(env->results, kind);
	if (op == NULL)
		return;
	int n = snprintf(data, sizeof(data), "%" PRId64 " %" PRId64, is_lock ? 1 : w->units,
			 is_lock ? 1 : w->capacity);
	struct slice name = named_key(key, kind_of(w), env->uid, bytes_slice(g->name));
	op->hold = (struct store_hold){
		.name = results_text(env->results, name),
		.session = results_text(env->results, session_of(g, session)),
		.data = results_text(env->results, (struct slice){data, (size_t)n})};
}

/* ---- taking ---- */

static bool render(struct grip *g)
{
	struct interp_env env = names_env(g->t->names);
	struct interp_error e = {0};
	g->name->limit = INTERP_MAX_BYTES;
	bytes_clear(g->name);
	if (tmpl_render_text(spec_of(g)->name, &env, g->name, &e) == ERR_OK)
		return true;
	task_fail(g->t, KIND_REQUEST_INVALID, "with: %s", e.sentence);
	return false;
}

/* Paused jobs take nothing; but what an earlier life held is still theirs. */
static int await_go(act_self *self, struct grip *g)
{
	struct jobenv *env = g->t->env;
	if (g->is_back || act_event_is_set(env->go))
		return ACT_OK;
	task_waits(g->t, TASK_WAITS_RESUME, act_now_ns(self), 0);
	return act_event_wait(self, env->go);
}

static bool is_permit(const struct grip *g)
{
	return spec_of(g)->kind == WITH_PERMIT;
}

static int ask_for_it(act_self *self, struct grip *g)
{
	const struct leaf_port *port = &g->t->env->port;
	if (is_permit(g)) {
		task_waits(g->t, TASK_WAITS_LIMIT, act_now_ns(self), 0);
		return port->permit(self, port->ctx, g->t, bytes_slice(g->name), spec_of(g)->cost,
				    &g->m);
	}
	task_waits(g->t, TASK_WAITS_NAMED, act_now_ns(self), 0);
	return port->named_ask(self, port->ctx, ask_new(g, NAMED_ACQUIRE), &g->m);
}

static void tell_release(act_self *self, struct grip *g)
{
	const struct leaf_port *port = &g->t->env->port;
	if (is_permit(g)) {
		port->permit_back(self, port->ctx, g->permit->permit);
		g->permit->permit = NULL;
	} else {
		port->named_tell(self, port->ctx, ask_new(g, NAMED_RELEASE));
	}
	g->is_held = false;
}

static void take_permit(struct grip *g)
{
	enum kind kind = KIND_NONE;
	const char *message = "";
	const struct leaf_port *port = &g->t->env->port;
	*g->permit =
		(struct grip_permit){port->permit_of(g->m, &kind, &message), port->permit_drop};
	g->is_held = g->permit->permit != NULL;
	if (!g->is_held)
		task_fail(g->t, kind, "permit \"%.*s\": %s", (int)g->name->n, g->name->p, message);
}

static void take_answer(struct grip *g)
{
	if (is_permit(g)) {
		take_permit(g);
		return;
	}
	const struct named_answer *r = act_data(g->m);
	g->is_held = r->kind == KIND_NONE;
	if (!g->is_held)
		task_fail(g->t, r->kind, "%s", r->message);
	g->was_held = r->was_held;
}

int grip_take(act_self *self, void *grip)
{
	struct grip *g = grip;
	CO_BEGIN(&g->co);
	if (!render(g))
		return ACT_OK;
	g->is_back = !is_permit(g) && !recall_is_empty(g->t->env->recall);
	for (;;) {
		CO_AWAIT(&g->co, g->rc, await_go(self, g));
		if (g->rc == ACT_OK)
			CO_AWAIT(&g->co, g->rc, ask_for_it(self, g));
		if (g->rc != ACT_OK) {
			task_await_failed(self, g->t, g->rc);
			return ACT_OK;
		}
		take_answer(g);
		act_drop(self, g->m);
		if (g->was_held || !g->is_held)
			return ACT_OK;
		g->is_back = false;
		if (act_event_is_set(g->t->env->go))
			break;
		tell_release(self, g);
	}
	if (g->t->env->is_volatile || is_permit(g))
		return ACT_OK;
	put_row(g, STORE_HOLD_PUT);
	task_waits(g->t, TASK_WAITS_COMMIT, act_now_ns(self), 0);
	g->wait = results_wait_for(g->t->env->results);
	CO_CALL(&g->co, g->rc, results_wait, &g->wait);
	CO_END(&g->co);
}

int grip_leave(act_self *self, void *grip)
{
	struct grip *g = grip;
	CO_BEGIN(&g->co);
	if (!g->t->env->is_volatile && !is_permit(g)) {
		put_row(g, STORE_HOLD_DROP);
		g->wait = results_wait_for(g->t->env->results);
		CO_CALL(&g->co, g->rc, results_wait, &g->wait);
	}
	tell_release(self, g);
	CO_END(&g->co);
}
