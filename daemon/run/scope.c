/*
 * scope -- the tree of scopes: cancellation as a level that goes downwards, deadlines.
 *
 * `is_effective` is computed when a flag changes, by a walk of the subtree that stops at shields,
 * so reading it is O(1). The walk only marks and ends waits; nothing runs inside it.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

enum { REASON_MAX = 63 };
#define SHIELD_DEFAULT_NS (5 * NS_PER_S)

void rt_scope_init(act_shard *sh, act_scope *s, act_scope *parent, struct task *opener,
		   bool is_shield)
{
	*s = (act_scope){.parent = parent,
			 .opener = opener,
			 .deadline_ns = INT64_MAX,
			 .serial = ++sh->next_serial,
			 .is_shield = is_shield};
	s->timer.kind = WHEEL_SCOPE;
	list_init(&s->children);
	list_init(&s->sibling);
	list_init(&s->tasks);
	if (parent != NULL)
		list_push_back(&parent->children, &s->sibling);
	if (opener == NULL)
		return;
	s->is_effective = !is_shield && rt_is_cancelled(opener);
	list_remove(&opener->in_scope);
	list_push_back(&s->tasks, &opener->in_scope);
	opener->scope = s;
}

/* The next scope in a walk of the subtree of `top` that is let in; NULL: at its end. */
static act_scope *walk_next(act_scope *s, const act_scope *top, bool (*enter)(const act_scope *s))
{
	struct link *l = s->children.next;
	struct link *end = &s->children;
	for (;;) {
		for (; l != end; l = l->next) {
			act_scope *c = LIST_ENTRY(l, act_scope, sibling);
			if (enter(c))
				return c;
		}
		if (s == top)
			return NULL;
		l = s->sibling.next;
		s = s->parent;
		end = &s->children;
	}
}

static bool enter_if_reached(const act_scope *s)
{
	return !s->is_shield && !s->is_effective;
}

static bool enter_always(const act_scope *s)
{
	(void)s;
	return true;
}

/* What a wake-up touches of a task some steps ahead; at the end of the list, of none. */
static inline void fetch_task(const struct task *t)
{
	__builtin_prefetch((const char *)t + 64, 1);
	__builtin_prefetch((const char *)t + 128, 1);
}

void rt_scope_propagate(act_shard *sh, act_scope *top)
{
	if (top->is_effective)
		return;
	for (act_scope *s = top; s != NULL; s = walk_next(s, top, enter_if_reached)) {
		s->is_effective = true;
		LIST_EACH (l, &s->tasks) {
			struct task *t = LIST_ENTRY(l, struct task, in_scope);
			fetch_task(LIST_ENTRY(l->next->next, struct task, in_scope));
			rt_task_interrupt(sh, t, ACT_ECANCELED);
		}
	}
}

/* Bits and ends of waits only: no list changes under the walk. */
void rt_scope_kill_tasks(act_shard *sh, act_scope *top, struct task *but)
{
	for (act_scope *s = top; s != NULL; s = walk_next(s, top, enter_always)) {
		LIST_EACH (l, &s->tasks) {
			struct task *t = LIST_ENTRY(l, struct task, in_scope);
			if (t != but)
				rt_task_kill_one(sh, t);
		}
	}
}

void rt_scope_cancel(act_shard *sh, act_scope *s, int why, const char *reason)
{
	if (s->is_cancelled)
		return;
	s->is_cancelled = true;
	s->why = why;
	if (reason != NULL)
		s->reason = strndup(reason, REASON_MAX);
	rt_wheel_remove(&sh->wheel, &s->timer);
	COUNT(sh, cancels, 1);
	rt_scope_propagate(sh, s);
}

void rt_scope_expired(act_shard *sh, struct act_wheel_node *node)
{
	act_scope *s = LIST_ENTRY(node, act_scope, timer);
	s->is_timed_out = true;
	COUNT(sh, timeouts, 1);
	rt_scope_cancel(sh, s, ACT_WHY_TIMEOUT, NULL);
}

void rt_scope_set_deadline(act_shard *sh, act_scope *s, int64_t deadline_ns)
{
	if (s->is_cancelled)
		return;
	s->deadline_ns = deadline_ns;
	rt_wheel_remove(&sh->wheel, &s->timer);
	if (deadline_ns <= sh->now_ns) {
		s->is_timed_out = true;
		rt_scope_cancel(sh, s, ACT_WHY_TIMEOUT, NULL);
	} else if (deadline_ns != INT64_MAX) {
		rt_wheel_add(&sh->wheel, &s->timer, deadline_ns);
	}
}

int64_t rt_scope_deadline(const act_scope *s)
{
	int64_t earliest = INT64_MAX;
	for (; s != NULL; s = s->parent) {
		if (s->deadline_ns < earliest)
			earliest = s->deadline_ns;
		if (s->is_shield)
			break;
	}
	return earliest;
}

static void detach(act_shard *sh, struct task *t)
{
	act_scope *s = t->scope;
	rt_wheel_remove(&sh->wheel, &s->timer);
	list_remove(&s->sibling);
	list_remove(&t->in_scope);
	t->scope = s->parent;
	list_push_back(&t->scope->tasks, &t->in_scope);
	free(s->reason);
	s->reason = NULL;
	s->serial = 0;
}

void rt_scope_leave(act_shard *sh, struct task *t)
{
	act_scope *s = t->scope;
	detach(sh, t);
	if (s->group == NULL)
		rt_slab_give(&sh->scopes, s);
}

/* ---- the caller's side ---- */

static act_scope *open_scope(act_self *self, int64_t deadline_ns, bool is_shield)
{
	act_shard *sh = self->sh;
	struct task *t = rt_me(self);
	CHECK(t != NULL);
	act_scope *s = rt_slab_take(&sh->scopes);
	if (s == NULL)
		return NULL;
	rt_scope_init(sh, s, t->scope, t, is_shield);
	rt_scope_set_deadline(sh, s, deadline_ns);
	return s;
}

static int64_t after(act_self *self, int64_t timeout_ns)
{
	int64_t at;
	if (timeout_ns < 0 || __builtin_add_overflow(self->sh->now_ns, timeout_ns, &at))
		return INT64_MAX;
	return at;
}

act_scope *act_scope_open(act_self *self, int64_t timeout_ns)
{
	return open_scope(self, after(self, timeout_ns), false);
}

act_scope *act_scope_open_at(act_self *self, int64_t deadline_ns)
{
	return open_scope(self, deadline_ns, false);
}

act_scope *act_scope_shield(act_self *self, int64_t timeout_ns)
{
	return open_scope(self, after(self, timeout_ns > 0 ? timeout_ns : SHIELD_DEFAULT_NS), true);
}

void act_scope_set_deadline(act_self *self, act_scope *s, int64_t deadline_ns)
{
	rt_scope_set_deadline(self->sh, s, deadline_ns);
}

void act_scope_cancel(act_self *self, act_scope *s, int why, const char *reason)
{
	rt_scope_cancel(self->sh, s, why, reason);
}

struct act_scope_ref act_scope_ref(act_scope *s)
{
	return (struct act_scope_ref){s, s->serial};
}

static bool is_free(act_scope *s)
{
#ifdef SLAB_ASAN
	return __asan_address_is_poisoned(s) != 0;
#else
	(void)s;
	return false;
#endif
}

/* The cell of a closed scope can be read as long as the shard lives; its serial tells. */
void act_scope_cancel_ref(act_self *self, struct act_scope_ref r, int why, const char *reason)
{
	if (r.scope != NULL && !is_free(r.scope) && r.serial != 0 && r.scope->serial == r.serial)
		rt_scope_cancel(self->sh, r.scope, why, reason);
}

static bool is_cancelled_from_outside(const struct task *t, const act_scope *s)
{
	if (s->is_shield)
		return false;
	return s->parent->is_effective ||
	       ((t->flags & TASK_CANCELLED) != 0 && rt_is_home(t, s->parent));
}

int rt_scope_outcome(const struct task *t, const act_scope *s, int rc, bool *timed_out)
{
	bool outside = is_cancelled_from_outside(t, s);
	bool hit = s->is_timed_out && !(outside && rc == ACT_ECANCELED);
	if (timed_out != NULL)
		*timed_out = hit;
	if (hit && !outside && (rc == ACT_ECANCELED || rc == ACT_OK || rc == ACT_EXIT))
		return ACT_ETIMEDOUT;
	return rc;
}

int act_scope_close(act_self *self, act_scope *s, int rc, bool *timed_out)
{
	struct task *t = rt_me(self);
	if (t == NULL || t->scope != s || s->group != NULL || rt_is_home(t, s))
		return ACT_EBUG;
	rc = rt_scope_outcome(t, s, rc, timed_out);
	rt_scope_leave(self->sh, t);
	return rc;
}

int64_t act_deadline(act_self *self)
{
	struct task *t = rt_me(self);
	return t != NULL ? rt_scope_deadline(t->scope) : INT64_MAX;
}

bool act_is_cancelled(act_self *self)
{
	struct task *t = rt_me(self);
	return t != NULL && rt_is_cancelled(t);
}

int act_cancel_why(act_self *self, const char **ret_reason)
{
	struct task *t = rt_me(self);
	if (ret_reason != NULL)
		*ret_reason = NULL;
	if (t == NULL || !rt_is_cancelled(t))
		return ACT_WHY_NONE;
	for (const act_scope *s = t->scope; s != NULL; s = s->parent) {
		if (rt_is_home(t, s) && (t->flags & TASK_CANCELLED) != 0)
			return (int)self->a->why;
		if (s->is_cancelled) {
			if (ret_reason != NULL)
				*ret_reason = s->reason;
			return s->why;
		}
	}
	return ACT_WHY_NONE;
}
