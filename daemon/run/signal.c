/*
 * signal -- what overtakes mail and cannot be refused: cancel, kill, stop, and the promises made
 * by monitors and links. Each promise is a sysnode, made with the obligation, so that delivering it
 * neither allocates nor fails.
 */
#include "run/internal.h"

#include "run/offload.h"

#include <stdlib.h>

void rt_sys_free(act_shard *sh, struct sysnode *n)
{
	void *ptr = rt_sys_ptr(n);
	if (n->kind == ACT_SIG_WORK) {
		struct act_job *job = ptr;
		if (job->work.dtor != NULL)
			job->work.dtor(job->work.arg);
		free(job);
	} else if (n->kind == ACT_SIG_DOWN || n->kind == ACT_SIG_EXIT) {
		act_err_drop(ptr);
	}
	rt_cell_free(sh, n);
}

/* A task hears only of the end it awaits. */
static void deliver_to_task(act_shard *sh, struct sysnode *n, struct actor *to)
{
	struct task *t = rt_task(to);
	if (t->wait_of == WAIT_EXIT && t->w.exit.watch == n) {
		*t->w.exit.ret_rc = n->rc;
		t->w.exit.watch = NULL;
		rt_task_wake(sh, t, ACT_OK);
	}
	rt_sys_free(sh, n);
}

void rt_sys_deliver(act_shard *sh, struct sysnode *n, struct actor *to, void *ptr)
{
	n->to = (uintptr_t)ptr;
	if (to == NULL || (to->flags & FLAG_CLOSING) != 0) {
		rt_sys_free(sh, n);
		return;
	}
	if (rt_is_task(to)) {
		deliver_to_task(sh, n, to);
		return;
	}
	if (to->sys == NULL) {
		n->in.next = &n->in;
	} else {
		n->in.next = to->sys->in.next;
		to->sys->in.next = &n->in;
	}
	to->sys = n;
	rt_enqueue_high(sh, to);
}

/* ---- cancel, kill, stop ---- */

void rt_cancel_actor(act_shard *sh, struct actor *a, int why)
{
	COUNT(sh, cancels, 1);
	if (!rt_is_task(a)) {
		if ((a->sig & SIG_CANCEL) != 0 || (a->flags & FLAG_CLOSING) != 0)
			return;
		a->why = (uint32_t)why;
		a->sig |= SIG_CANCEL;
		rt_enqueue_high(sh, a);
		return;
	}
	struct task *t = rt_task(a);
	if ((t->flags & TASK_CANCELLED) != 0)
		return;
	t->flags |= TASK_CANCELLED;
	a->why = (uint32_t)why;
	act_scope *s = t->scope;
	if (rt_is_home(t, s)) {
		rt_task_interrupt(sh, t, ACT_ECANCELED);
		return;
	}
	while (!rt_is_home(t, s->parent))
		s = s->parent;
	if (!s->is_shield)
		rt_scope_propagate(sh, s);
}

void rt_kill_actor(act_shard *sh, struct actor *a)
{
	if (rt_is_task(a)) {
		rt_task_kill(sh, rt_task(a));
		return;
	}
	a->sig |= SIG_KILL;
	rt_enqueue_high(sh, a);
}

/* A task is stopped by cancelling it: it has no "after the last message". */
void rt_stop_actor(act_shard *sh, struct actor *a)
{
	if (rt_is_task(a) || (a->cls->flags & ACT_CLASS_STOP_IS_CANCEL) != 0) {
		rt_cancel_actor(sh, a, ACT_WHY_CANCEL);
		return;
	}
	a->sig |= SIG_STOP;
	a->flags |= FLAG_CLOSING;
	if (a->run == RUN_IDLE)
		rt_enqueue(sh, a);
}

void act_cancel_local(act_shard *sh, act_id id, int why)
{
	struct actor *a = rt_find(sh, id);
	if (a != NULL)
		rt_cancel_actor(sh, a, why);
	else
		rt_mesh_signal(sh, WIRE_CANCEL, id, why);
}

void act_cancel(act_self *self, act_id id, int why)
{
	act_cancel_local(self->sh, id, why);
}

void act_kill(act_self *self, act_id id)
{
	struct actor *a = rt_find(self->sh, id);
	if (a != NULL)
		rt_kill_actor(self->sh, a);
	else
		rt_mesh_signal(self->sh, WIRE_KILL, id, 0);
}

void act_stop(act_self *self, act_id id)
{
	if (self->sh->n_outbox > 0)
		rt_cast_commit(self->sh);
	struct actor *a = rt_find(self->sh, id);
	if (a != NULL)
		rt_stop_actor(self->sh, a);
	else
		rt_mesh_signal(self->sh, WIRE_STOP, id, 0);
}

/* ---- promises ---- */

static struct sysnode *promise(act_shard *sh, struct link *watchers, struct link *mine,
			       struct sysnode like)
{
	struct sysnode *n = rt_slab_take(&sh->cells);
	if (n == NULL)
		return NULL;
	*n = like;
	list_init(&n->in);
	list_init(&n->mine);
	if (watchers != NULL)
		list_push_back(watchers, &n->in);
	if (mine != NULL)
		list_push_back(mine, &n->mine);
	return n;
}

static void fire_far(act_shard *sh, struct sysnode *n, int rc)
{
	act_msg m = {.from = n->from, .type = (uint32_t)rc, .token = n->ref};
	rt_mesh_must_send(sh, WIRE_DOWN, n->to, &m, (act_msg *)(void *)n);
}

static void fire(act_shard *sh, struct sysnode *n, int rc, act_err *err)
{
	list_remove(&n->in);
	list_remove(&n->mine);
	if (rt_id_shard(n->to) != sh->no) {
		fire_far(sh, n, rc);
		return;
	}
	struct actor *to = rt_find(sh, n->to);
	if (n->kind != ACT_SIG_EXIT) {
		n->rc = rc;
		rt_sys_deliver(sh, n, to, err != NULL ? act_err_ref(err) : NULL);
		return;
	}
	bool harmless = rc >= 0 || rc == ACT_ECANCELED;
	if (!harmless && to != NULL && (to->cls->flags & ACT_CLASS_TRAPS_EXIT) != 0) {
		n->rc = rc;
		rt_sys_deliver(sh, n, to, err != NULL ? act_err_ref(err) : NULL);
		return;
	}
	rt_cell_free(sh, n);
	if (!harmless && to != NULL)
		rt_cancel_actor(sh, to, ACT_WHY_LINK);
}

void rt_sys_fire_watchers(act_shard *sh, struct link *watchers, int rc, act_err *err)
{
	while (!list_empty(watchers))
		fire(sh, LIST_ENTRY(list_first(watchers), struct sysnode, in), rc, err);
}

void rt_sys_forget(act_shard *sh, struct more *more)
{
	while (!list_empty(&more->mine)) {
		struct sysnode *n = LIST_ENTRY(list_first(&more->mine), struct sysnode, mine);
		list_remove(&n->mine);
		list_remove(&n->in);
		rt_cell_free(sh, n);
	}
}

/* The node that will tell of the end waits here, and one for the way there. */
static int monitor_far(act_shard *sh, struct actor *me, act_id target, uint64_t ref)
{
	act_msg m = {.from = rt_id(sh, me), .token = ref};
	struct more *mine = rt_actor_more(sh, me);
	act_msg *cell = mine != NULL ? rt_cell(sh) : NULL;
	struct sysnode like = {.kind = ACT_SIG_DOWN, .to = m.from, .from = target, .ref = ref};
	if (cell == NULL || promise(sh, NULL, &mine->mine, like) == NULL) {
		if (cell != NULL)
			rt_cell_free(sh, cell);
		return ACT_ENOMEM;
	}
	rt_mesh_must_send(sh, WIRE_MONITOR, target, &m, cell);
	return ACT_OK;
}

int act_monitor(act_self *self, act_id target, uint64_t ref)
{
	act_shard *sh = self->sh;
	struct actor *me = self->a, *a = rt_find(sh, target);
	if (me == NULL || rt_is_task(me))
		return ACT_EBUG;
	if (a == NULL && rt_mesh_has(sh, target))
		return monitor_far(sh, me, target, ref);
	struct more *mine = rt_actor_more(sh, me);
	struct more *theirs = a != NULL ? rt_actor_more(sh, a) : NULL;
	if (mine == NULL || (a != NULL && theirs == NULL))
		return ACT_ENOMEM;
	struct sysnode like = {
		.kind = ACT_SIG_DOWN, .to = rt_id(sh, me), .from = target, .ref = ref};
	struct sysnode *n = promise(sh, a != NULL ? &theirs->watchers : NULL,
				    a != NULL ? &mine->mine : NULL, like);
	if (n == NULL)
		return ACT_ENOMEM;
	if (a == NULL) {
		n->rc = ACT_EDEAD;
		rt_sys_deliver(sh, n, me, NULL);
	}
	return ACT_OK;
}

/* The promise goes, and its cell is that of the message saying so. */
static void demonitor_far(act_shard *sh, struct sysnode *n)
{
	act_msg m = {.from = n->to, .token = n->ref};
	act_id target = n->from;
	if (rt_mesh_has(sh, target))
		rt_mesh_must_send(sh, WIRE_DEMONITOR, target, &m, (act_msg *)(void *)n);
	else
		rt_cell_free(sh, n);
}

void act_demonitor(act_self *self, act_id target, uint64_t ref)
{
	act_shard *sh = self->sh;
	if (self->a == NULL)
		return;
	if (self->a->more == NULL)
		return;
	LIST_EACH_SAFE (l, &self->a->more->mine) {
		struct sysnode *n = LIST_ENTRY(l, struct sysnode, mine);
		if (n->kind != ACT_SIG_DOWN || n->from != target || n->ref != ref)
			continue;
		list_remove(&n->in);
		list_remove(&n->mine);
		demonitor_far(sh, n);
	}
}

int act_link(act_self *self, act_id peer)
{
	act_shard *sh = self->sh;
	struct actor *me = self->a, *a = rt_find(sh, peer);
	if (me == NULL || rt_id_shard(peer) != sh->no)
		return ACT_EINVAL;
	if (a == NULL || (a->flags & FLAG_CLOSING) != 0)
		return ACT_EDEAD;
	struct more *mine = rt_actor_more(sh, me), *theirs = rt_actor_more(sh, a);
	if (mine == NULL || theirs == NULL)
		return ACT_ENOMEM;
	act_id id = rt_id(sh, me);
	struct sysnode *n = promise(sh, &theirs->watchers, &mine->mine,
				    (struct sysnode){.kind = ACT_SIG_EXIT, .to = id, .from = peer});
	if (n == NULL)
		return ACT_ENOMEM;
	if (promise(sh, &mine->watchers, &theirs->mine,
		    (struct sysnode){.kind = ACT_SIG_EXIT, .to = peer, .from = id}) != NULL)
		return ACT_OK;
	list_remove(&n->in);
	list_remove(&n->mine);
	rt_cell_free(sh, n);
	return ACT_ENOMEM;
}

int act_resume_when_free(act_self *self, act_id full)
{
	act_shard *sh = self->sh;
	struct actor *me = self->a, *a = rt_find(sh, full);
	if (me == NULL || rt_is_task(me) || rt_id_shard(full) != sh->no)
		return ACT_EINVAL;
	if (a == NULL || (a->flags & FLAG_CLOSING) != 0)
		return ACT_EDEAD;
	struct more *mine = rt_actor_more(sh, me), *theirs = rt_actor_more(sh, a);
	if (mine == NULL || theirs == NULL)
		return ACT_ENOMEM;
	struct sysnode like = {.kind = ACT_SIG_RESUME, .to = rt_id(sh, me), .from = full};
	struct sysnode *n = promise(sh, &theirs->watchers, &mine->mine, like);
	if (n == NULL)
		return ACT_ENOMEM;
	if (a->depth <= a->cap / 2U)
		fire(sh, n, ACT_OK, NULL);
	else
		a->flags |= FLAG_RESUMES;
	return ACT_OK;
}

void rt_sys_resume(act_shard *sh, struct actor *a)
{
	uint32_t n = a->depth == 0 ? UINT32_MAX : (a->cap - a->depth + BATCH - 1) / BATCH;
	LIST_EACH_SAFE (l, &a->more->watchers) {
		struct sysnode *node = LIST_ENTRY(l, struct sysnode, in);
		if (node->kind != ACT_SIG_RESUME)
			continue;
		if (n-- == 0)
			return;
		fire(sh, node, ACT_OK, NULL);
	}
	a->flags &= (uint8_t)~FLAG_RESUMES;
}

/* ---- a task that waits for an end ---- */

int act_await_exit(act_self *self, act_id id, int *ret_rc)
{
	act_shard *sh = self->sh;
	struct task *t;
	int rc = rt_await(self, &t);
	if (rc != ACT_OK)
		return rc;
	struct actor *a = rt_find(sh, id);
	if (a == NULL) {
		*ret_rc = ACT_EDEAD;
		return rt_done(sh, t, ACT_OK);
	}
	if (rt_task_would_circle(sh, t, id))
		return ACT_EDEADLK;
	struct more *theirs = rt_actor_more(sh, a);
	struct sysnode like = {.kind = ACT_SIG_DOWN, .to = act_whoami(self), .from = id};
	t->w.exit.watch = theirs != NULL ? promise(sh, &theirs->watchers, NULL, like) : NULL;
	if (t->w.exit.watch == NULL)
		return ACT_ENOMEM;
	t->w.exit.ret_rc = ret_rc;
	t->w.exit.id = id;
	return rt_park(sh, t, WAIT_EXIT);
}

bool rt_sys_abandon_exit(act_shard *sh, struct task *t)
{
	list_remove(&t->w.exit.watch->in);
	rt_cell_free(sh, t->w.exit.watch);
	t->w.exit.watch = NULL;
	return true;
}

/* ---- from other shards ---- */

void rt_sys_monitor_from_far(act_shard *sh, act_id target, act_id watcher, uint64_t ref)
{
	struct actor *a = rt_find(sh, target);
	struct more *more = a != NULL ? rt_actor_more(sh, a) : NULL;
	struct sysnode like = {.kind = ACT_SIG_DOWN, .to = watcher, .from = target, .ref = ref};
	if (more != NULL && promise(sh, &more->watchers, NULL, like) != NULL)
		return;
	int rc = a == NULL ? ACT_EDEAD : ACT_ENOMEM;
	act_msg m = {.from = target, .type = (uint32_t)rc, .token = ref};
	rt_mesh_must_send(sh, WIRE_DOWN, watcher, &m, rt_mesh_answer_cell(sh));
}

void rt_sys_demonitor_from_far(act_shard *sh, act_id target, act_id watcher, uint64_t ref)
{
	struct actor *a = rt_find(sh, target);
	if (a == NULL || a->more == NULL)
		return;
	LIST_EACH_SAFE (l, &a->more->watchers) {
		struct sysnode *n = LIST_ENTRY(l, struct sysnode, in);
		if (n->kind != ACT_SIG_DOWN || n->to != watcher || n->ref != ref)
			continue;
		list_remove(&n->in);
		rt_cell_free(sh, n);
	}
}

/* None of its nodes: it has dropped the monitor since, or is gone. */
void rt_sys_down_from_far(act_shard *sh, act_id to, const act_msg *m)
{
	struct actor *a = rt_find(sh, to);
	if (a == NULL || a->more == NULL)
		return;
	LIST_EACH (l, &a->more->mine) {
		struct sysnode *n = LIST_ENTRY(l, struct sysnode, mine);
		if (n->kind != ACT_SIG_DOWN || n->from != m->from || n->ref != m->token)
			continue;
		list_remove(&n->mine);
		n->rc = (int)m->type;
		rt_sys_deliver(sh, n, a, NULL);
		return;
	}
}
