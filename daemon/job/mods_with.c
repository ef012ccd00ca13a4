/*
 * mods_with -- the modifier `with`: what is held while the task runs, entered in order and left in
 * the reverse, whatever becomes of the task.
 */
#include "job/mods_state.h"
#include "job/recall.h"
#include "job/verb.h"

#include <stdlib.h>
#include <string.h>

static void entry_fini(struct with_entry *e)
{
	names_fini(&e->names);
	bytes_fini(&e->object);
	if (e->permit.permit != NULL)
		e->permit.drop(e->permit.permit);
	e->permit.permit = NULL;
}

void with_fini(struct mods *m)
{
	for (uint32_t i = 0; m->entered != NULL && i < m->n_entries; i++)
		entry_fini(&m->entered[i]);
	free(m->entered);
	m->entered = NULL;
	m->n_entered = 0;
}

static bool with_begin(struct task *t)
{
	struct mods *m = t->mods;
	m->outside = t->names;
	m->n_entries = t->node->n_with;
	if (m->n_entries > 0)
		m->entered = calloc(m->n_entries, sizeof(*m->entered));
	return m->n_entries == 0 || m->entered != NULL;
}

static bool is_named(const struct task *t, uint32_t i)
{
	return t->node->with[i].kind != WITH_ENTER;
}

/* ---- a pair of tasks ---- */

/* What was entered is known from now on. False: it was not. */
static bool with_entered(struct task *t)
{
	struct mods *m = t->mods;
	const struct with_spec *w = &t->node->with[m->n_entered];
	bool ok = outcome_is_ok(&m->sub->out);
	task_sum(t, &m->sub->out);
	if (ok) {
		struct names *n = &m->entered[m->n_entered++].names;
		names_init(n, t->names, w->as);
		n->value = json_incref(m->sub->out.value);
		t->names = n;
	} else {
		t->out.state = m->sub->out.state;
		t->out.error = failure_ref(m->sub->out.error);
		t->env->tally.not_started += verb_leaves(t->node);
	}
	task_free(m->sub);
	m->sub = NULL;
	return ok;
}

/* The next entry; false: no memory. */
static bool with_next(struct task *t)
{
	struct mods *m = t->mods;
	m->sub = task_new(t->env, t->node->with[m->n_entered].enter, t, t->names);
	return m->sub != NULL;
}

/* The exit of what was entered last, which is out now. False: it has none. */
static bool with_leave(act_self *self, struct task *t)
{
	struct mods *m = t->mods;
	const struct with_spec *w = &t->node->with[m->n_entered - 1];
	if (w->exit == NULL)
		return false;
	cleanup_begin(self, t, w->exit, &m->entered[m->n_entered - 1].names);
	if (m->sub == NULL)
		cleanup_end(self, t);
	return m->sub != NULL;
}

static void with_left(struct mods *m)
{
	entry_fini(&m->entered[--m->n_entered]);
}

/* ---- a named object ---- */

static void grip_at(struct task *t, uint32_t i)
{
	struct mods *m = t->mods;
	m->grip = (struct grip){
		.t = t, .i = i, .name = &m->entered[i].object, .permit = &m->entered[i].permit};
}

/* Why there is none is told in a line; but what was cancelled has just not begun. */
static bool tells_refusal(struct task *t)
{
	if (t->out.state == OUTCOME_CANCELLED && failure_kind(t->out.error) == KIND_CANCELLED) {
		t->env->tally.not_started += verb_leaves(t->node);
		return false;
	}
	if (!verb_is_leaf(t->node->verb))
		t->env->tally.not_started += verb_leaves(t->node);
	t->mods->line = (struct line_plain){.t = t};
	return true;
}

/* A step: what follows in m->n_entered is held, or the task's outcome says why not. */
static int with_grip(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	CO_BEGIN(&m->grip_co);
	grip_at(t, m->n_entered);
	CO_CALL(&m->grip_co, m->rc, grip_take, &m->grip);
	if (m->grip.is_held) {
		m->entered[m->n_entered].is_held = true;
		m->n_entered++;
	} else if (tells_refusal(t)) {
		CO_CALL(&m->grip_co, m->rc, line_plain, &m->line);
	}
	CO_END(&m->grip_co);
}

/* Of a scope it says that an earlier life could not hold what it needs. */
static bool was_refused(struct task *t)
{
	return t->node->n_child + (t->node->verb == VERB_EACH) > 0 && t->node->n_with > 0 &&
	       line_recall(t);
}

/* ---- all of it ---- */

int with_step(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	CO_BEGIN(&m->with_co);
	if (!with_begin(t)) {
		task_fail(t, KIND_MEMORY, "no memory for with");
		return ACT_OK;
	}
	while (m->n_entered < m->n_entries && t->out.state == OUTCOME_NONE) {
		if (is_named(t, m->n_entered)) {
			m->grip_co = (act_co){0};
			CO_CALL(&m->with_co, m->rc, with_grip, t);
			continue;
		}
		if (!with_next(t)) {
			task_fail(t, KIND_MEMORY, "no memory for with");
			break;
		}
		CO_CALL(&m->with_co, m->rc, task_step, m->sub);
		if (!with_entered(t))
			break;
	}
	if (m->n_entered == m->n_entries && !was_refused(t))
		CO_CALL(&m->with_co, m->rc, verb_ops(t->node->verb)->step, t);
	for (; m->n_entered > 0; with_left(m)) {
		if (m->entered[m->n_entered - 1].is_held) {
			grip_at(t, m->n_entered - 1);
			CO_CALL(&m->with_co, m->rc, grip_leave, &m->grip);
		}
		if (is_named(t, m->n_entered - 1) || !with_leave(self, t))
			continue;
		CO_CALL(&m->with_co, m->rc, task_step, m->sub);
		cleanup_end(self, t);
	}
	t->names = m->outside;
	with_fini(m);
	CO_END(&m->with_co);
}

/* ---- between the attempts that a verb makes itself ---- */

bool mods_hold(const struct task *t)
{
	for (uint32_t i = 0; t->mods != NULL && i < t->node->n_with; i++)
		if (is_named(t, i))
			return true;
	return false;
}

int mods_let_go(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	CO_BEGIN(&m->again_co);
	for (m->again = m->n_entries; m->again > 0; m->again--) {
		if (!m->entered[m->again - 1].is_held)
			continue;
		m->entered[m->again - 1].is_held = false;
		grip_at(t, m->again - 1);
		CO_CALL(&m->again_co, m->rc, grip_leave, &m->grip);
	}
	m->again_co.pc = 0;
	return ACT_OK;
	CO_END(&m->again_co);
}

int mods_take_again(act_self *self, void *task)
{
	struct task *t = task;
	struct mods *m = t->mods;
	CO_BEGIN(&m->again_co);
	for (m->again = 0; m->again < m->n_entries && t->out.state == OUTCOME_NONE; m->again++) {
		if (!is_named(t, m->again))
			continue;
		grip_at(t, m->again);
		CO_CALL(&m->again_co, m->rc, grip_take, &m->grip);
		m->entered[m->again].is_held = m->grip.is_held;
	}
	m->again_co.pc = 0;
	return ACT_OK;
	CO_END(&m->again_co);
}
