/*
 * group -- a scope with children: policies, the order in which results are handed over, the join.
 *
 * A child has a cell for its result from the start, so that its end cannot fail. Live children are
 * in the scope's list of tasks; of the finished ones only the cells remain, until they are handed
 * over or the group is closed.
 */
#include "run/internal.h"

#include <stdio.h>
#include <stdlib.h>

act_group *act_group_open(act_self *self, enum act_policy policy, uint32_t max_running,
			  int64_t timeout_ns)
{
	act_shard *sh = self->sh;
	struct task *t = rt_me(self);
	CHECK(t != NULL);
	act_group *g = rt_slab_take(&sh->groups);
	if (g == NULL)
		return NULL;
	*g = (act_group){.shard = sh,
			 .name = "group",
			 .policy = policy,
			 .max_running = max_running != 0 ? max_running : UINT32_MAX};
	list_init(&g->pending);
	rt_scope_init(sh, &g->scope, t->scope, t, false);
	g->scope.group = g;
	int64_t at;
	if (timeout_ns >= 0 && !__builtin_add_overflow(sh->now_ns, timeout_ns, &at))
		rt_scope_set_deadline(sh, &g->scope, at);
	return g;
}

void act_group_name(act_group *g, const char *name)
{
	g->name = name;
}

act_scope *act_group_scope(act_group *g)
{
	return &g->scope;
}

struct act_err_counts act_group_counts(const act_group *g)
{
	return g->counts;
}

uint64_t act_group_live(const act_group *g)
{
	return g->live;
}

uint32_t act_group_running(const act_group *g)
{
	return g->running;
}

/* ---- spawning ---- */

static int refusal(const act_group *g)
{
	if (g->is_joined)
		return ACT_EBUG;
	return g->scope.is_effective ? ACT_ECANCELED : ACT_OK;
}

static void let_run(act_shard *sh, act_group *g, struct task *t)
{
	g->running++;
	rt_enqueue(sh, rt_task_actor(sh, t));
}

int act_group_go(act_self *self, act_group *g, act_step step, size_t frame_size,
		 const struct act_task_opts *opts)
{
	act_shard *sh = self->sh;
	int rc = refusal(g);
	struct child *c = NULL;
	struct task *t = NULL;
	if (rc == ACT_OK) {
		rt_slab_fetch_ahead(&sh->cells, 1);
		c = rt_slab_take(&sh->cells);
		t = c == NULL
			    ? NULL
			    : rt_task_new(sh, step, frame_size, opts, &g->scope, act_whoami(self));
		rc = t != NULL ? ACT_OK : ACT_ENOMEM;
	}
	if (rc != ACT_OK) {
		if (c != NULL)
			rt_cell_free(sh, c);
		if (opts != NULL && opts->arg_dtor != NULL)
			opts->arg_dtor(opts->arg);
		return rc;
	}
	*c = (struct child){.index = opts != NULL ? opts->tag : g->spawned,
			    .id = rt_task_id(sh, t)};
	t->child = c;
	g->live++;
	g->spawned++;
	if (g->running < g->max_running) {
		let_run(sh, g, t);
	} else {
		t->wait_of = WAIT_PENDING;
		list_push_back(&g->pending, &t->wait);
	}
	return ACT_OK;
}

static inline void run_pending(act_shard *sh, act_group *g)
{
	while (!list_empty(&g->pending) && g->running < g->max_running) {
		struct task *t = LIST_ENTRY(list_pop_front(&g->pending), struct task, wait);
		g->running++;
		rt_task_wake(sh, t, ACT_OK);
	}
}

bool rt_group_abandon_pending(act_shard *sh, struct task *t)
{
	(void)sh;
	list_remove(&t->wait);
	t->of.group->running++;
	return true;
}

/* ---- a child's end ---- */

/* Keeps the error (its own reference) among those of the group. */
static void keep_error(act_group *g, act_err *err)
{
	if (g->n_errors == ACT_ERR_LEAVES) {
		g->n_errors_more++;
		return;
	}
	g->errors[g->n_errors++] = act_err_ref(err);
}

static void judge(act_shard *sh, act_group *g, struct child *c)
{
	if (c->rc >= 0) {
		g->counts.ok++;
		if (g->policy == ACT_FIRST_OK)
			rt_scope_cancel(sh, &g->scope, ACT_WHY_ENOUGH, NULL);
		return;
	}
	if (c->rc == ACT_ECANCELED) {
		g->counts.cancelled++;
		return;
	}
	g->counts.failed++;
	if (!g->has_cause) {
		g->has_cause = true;
		g->cause_index = c->index;
	}
	if (c->err->refs != 0) {
		c->err->index = c->index;
		if (g->scope.is_effective)
			c->err->phase = ACT_PHASE_CLEANUP;
	}
	keep_error(g, c->err);
	if (g->policy == ACT_FAIL_FAST)
		rt_scope_cancel(sh, &g->scope, ACT_WHY_SIBLING, NULL);
}

static void child_to_result(struct child *c, struct act_child_result *r)
{
	*r = (struct act_child_result){.index = c->index,
				       .rc = c->rc,
				       .id = c->id,
				       .value = c->value,
				       .value_len = c->value_len,
				       .value_dtor = c->value_dtor,
				       .err = c->err};
}

static void append_finished(act_group *g, struct child *c)
{
	c->next = NULL;
	if (g->finished == NULL)
		g->finished = c;
	else
		g->finished_last->next = c;
	g->finished_last = c;
	g->n_finished++;
}

static struct child *shift_finished(act_group *g)
{
	struct child *c = g->finished;
	g->finished = c->next;
	g->n_finished--;
	return c;
}

static void tell_waiter(act_shard *sh, act_group *g)
{
	struct task *t = g->waiter;
	if (t == NULL)
		return;
	if (t->wait_of == WAIT_NEXT && g->n_finished > 0) {
		struct child *c = shift_finished(g);
		child_to_result(c, t->w.next.ret);
		rt_granted(t, GRANTED_RESULT, t->w.next.ret);
		rt_cell_free(sh, c);
	} else if (g->live > 0) {
		return;
	}
	g->waiter = NULL;
	rt_task_wake(sh, t, t->wait_of == WAIT_JOIN ? rt_group_verdict(sh, g) : ACT_OK);
}

/* Takes over err; what it returns is the caller's, for whoever else watches the task. */
act_err *rt_group_child_ended(act_shard *sh, struct task *t, int rc, act_err *err)
{
	act_group *g = t->of.group;
	struct child *c = t->child;
	c->rc = rc >= 0 ? ACT_OK : rc;
	c->err = err;
	if (err != NULL && err->refs != 0 && err->name[0] == '\0' && t->name != NULL)
		err->name = t->name;
	g->live--;
	g->running--;
	judge(sh, g, c);
	append_finished(g, c);
	run_pending(sh, g);
	if (err != NULL)
		act_err_ref(err);
	tell_waiter(sh, g);
	return err;
}

void act_value(act_self *self, void *value, size_t len, act_cleanup dtor)
{
	struct task *t = rt_me(self);
	CHECK(t != NULL);
	if (t->child == NULL) { /* a root task: nobody will ask */
		if (dtor != NULL)
			dtor(value);
		return;
	}
	if (t->child->value_dtor != NULL)
		t->child->value_dtor(t->child->value);
	t->child->value = value;
	t->child->value_len = len;
	t->child->value_dtor = dtor;
}

/* ---- taking results ---- */

void act_child_result_drop(struct act_child_result *r)
{
	if (r->value_dtor != NULL)
		r->value_dtor(r->value);
	act_err_drop(r->err);
	*r = (struct act_child_result){.index = r->index, .rc = r->rc, .id = r->id};
}

int act_group_next(act_self *self, act_group *g, struct act_child_result *r)
{
	act_shard *sh = self->sh;
	struct task *t = rt_me(self);
	if (t == NULL || t != g->scope.opener)
		return ACT_EBUG;
	if (g->finished != NULL) {
		struct child *c = shift_finished(g);
		child_to_result(c, r);
		rt_cell_free(sh, c);
		int rc = rt_done(sh, t, ACT_OK);
		if (rc == ACT_WAIT)
			rt_granted(t, GRANTED_RESULT, r);
		return rc;
	}
	if (g->live == 0)
		return ACT_ECLOSED;
	t->w.next.group = g;
	t->w.next.ret = r;
	g->waiter = t;
	return rt_park(sh, t, WAIT_NEXT);
}

int act_group_join(act_self *self, act_group *g)
{
	struct task *t = rt_me(self);
	if (t == NULL || t != g->scope.opener)
		return ACT_EBUG;
	if (g->live == 0)
		return g->is_joined ? g->join_rc : rt_group_verdict(self->sh, g);
	t->w.next.group = g;
	g->waiter = t;
	return rt_park(self->sh, t, WAIT_JOIN);
}

/* Killed only: a cancel keeps it waiting. */
bool rt_group_leave_wait(act_shard *sh, struct task *t)
{
	(void)sh;
	t->w.next.group->waiter = NULL;
	return true;
}

/* ---- the verdict ---- */

static act_err *make_error(act_shard *sh, act_group *g)
{
	char text[96];
	snprintf(text, sizeof(text), "%llu of %llu tasks failed",
		 (unsigned long long)g->counts.failed, (unsigned long long)g->spawned);
	act_err *e = act_err_new_group(text, g->name, g->errors, g->n_errors);
	if (e->refs == 0)
		return e;
	e->task = rt_task_id(sh, g->scope.opener);
	e->at_ns = sh->now_ns;
	e->n_truncated = g->n_errors_more;
	e->policy = g->policy;
	e->cause_index = g->cause_index;
	e->counts = g->counts;
	return e;
}

static bool has_failed(const act_group *g)
{
	if (g->policy == ACT_COLLECT || g->counts.failed == 0)
		return false;
	return g->policy == ACT_FAIL_FAST || g->counts.ok == 0;
}

int rt_group_verdict(act_shard *sh, act_group *g)
{
	int rc = ACT_OK;
	if (has_failed(g)) {
		g->error = make_error(sh, g);
		rc = ACT_EGROUP;
	} else if (g->policy == ACT_FIRST_OK && g->counts.ok > 0) {
		rc = ACT_OK;
	} else if (g->scope.is_effective) {
		rc = rt_scope_outcome(g->scope.opener, &g->scope, ACT_ECANCELED, NULL);
	} else if (g->policy == ACT_FIRST_OK && g->counts.cancelled > 0) {
		rc = ACT_ECANCELED;
	}
	g->is_joined = true;
	g->join_rc = rc;
	return rc;
}

const act_err *act_group_error(act_group *g)
{
	return g->error;
}

static void index_children(act_group *g)
{
	g->by_index = calloc(g->spawned, sizeof(*g->by_index));
	if (g->by_index == NULL)
		return;
	for (struct child *c = g->finished; c != NULL; c = c->next)
		if (c->index < g->spawned)
			g->by_index[c->index] = c;
}

static struct child *find_child(act_group *g, uint64_t index)
{
	if (g->by_index == NULL && g->spawned > 0)
		index_children(g);
	if (g->by_index != NULL && index < g->spawned)
		return g->by_index[index];
	struct child *c = g->finished;
	while (c != NULL && c->index != index)
		c = c->next;
	return c;
}

int act_group_result(act_group *g, uint64_t index, const void **ret_value, size_t *ret_len,
		     const act_err **ret_err)
{
	struct child *c = g->is_joined ? find_child(g, index) : NULL;
	if (c == NULL)
		return ACT_EINVAL;
	if (ret_value != NULL)
		*ret_value = c->value;
	if (ret_len != NULL)
		*ret_len = c->value_len;
	if (ret_err != NULL)
		*ret_err = c->err;
	return c->rc;
}

void rt_group_free(act_shard *sh, act_group *g)
{
	CHECK(g->live == 0);
	while (g->finished != NULL) {
		struct child *c = shift_finished(g);
		__builtin_prefetch(c->next);
		if (c->value_dtor != NULL)
			c->value_dtor(c->value);
		if (c->err != NULL)
			act_err_drop(c->err);
		rt_cell_free(sh, c);
	}
	for (uint32_t i = 0; i < g->n_errors; i++)
		act_err_drop(g->errors[i]);
	act_err_drop(g->error);
	free(g->by_index);
	rt_scope_leave(sh, g->scope.opener);
	rt_slab_give(&sh->groups, g);
}

int act_group_close(act_self *self, act_group *g)
{
	struct task *t = rt_me(self);
	if (t == NULL || t->scope != &g->scope || t != g->scope.opener || !g->is_joined)
		return ACT_EBUG;
	int rc = g->join_rc;
	rt_group_free(self->sh, g);
	return rc;
}
