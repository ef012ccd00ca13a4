/*
 * internal -- what the files of this floor share; nobody outside includes it.
 *
 * Names begin with rt_ and the noun of the file that defines them.
 *
 * Invariants (checked where DEBUG_CHECKS is defined):
 *  1. a header and its state are touched by the shard's thread only;
 *  2. a slot has at most one entry in each run ring (IN_LO, IN_HI, which survive the actor: a stale
 *     entry is skipped, or serves the next life of the slot); QUEUED means there is one;
 *  3. behaviours and steps run from the turn only, never from a send, a grant or a cancel;
 *  4. a wait node is on at most one list, and each wait ends exactly once, in rt_task_wake;
 *  5. what must be delivered has its cell before it is needed.
 */
#pragma once

#include "run/layout.h"

/* One writer; others read the word with a relaxed load. A plain addition is one instruction. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RT_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(RT_TSAN)
#define RT_ADD(word, by) __atomic_store_n(&(word), (word) + (uint64_t)(by), __ATOMIC_RELAXED)
#else
#define RT_ADD(word, by) ((word) += (uint64_t)(by))
#endif
#define COUNT(sh, name, by) RT_ADD((sh)->stats.name, by)

/* ---- ids ---- */

enum { SLOT_BITS = 24, SLOT_MAX = (1 << SLOT_BITS) - 1 };

static inline uint32_t rt_id_slot(act_id id)
{
	return (uint32_t)(id >> 32) & SLOT_MAX;
}

static inline uint8_t rt_id_shard(act_id id)
{
	return (uint8_t)(id >> 56);
}

static inline uint32_t rt_slot_of(const act_shard *sh, const struct actor *a)
{
	return (uint32_t)(a - sh->actors);
}

static inline act_id rt_id(const act_shard *sh, const struct actor *a)
{
	return (act_id)(sh->first + rt_slot_of(sh, a)) << 32 | a->gen;
}

/* The living local actor, or NULL. */
static inline struct actor *rt_find(const act_shard *sh, act_id id)
{
	uint32_t slot = (uint32_t)(id >> 32) - sh->first;
	if (__builtin_expect(slot >= sh->n_slots, 0)) /* or of another shard */
		return NULL;
	struct actor *a = &sh->actors[slot];
	return __builtin_expect(a->gen == (uint32_t)id && a->run != RUN_FREE, 1) ? a : NULL;
}

static inline bool rt_is_task(const struct actor *a)
{
	return (a->flags & FLAG_TASK) != 0;
}

static inline struct task *rt_task(const struct actor *a)
{
	return a->state;
}

static inline struct actor *rt_task_actor(const act_shard *sh, const struct task *t)
{
	return &sh->actors[t->slot];
}

static inline act_id rt_task_id(const act_shard *sh, const struct task *t)
{
	return rt_id(sh, rt_task_actor(sh, t));
}

/* The running task, or NULL if actor code that is none. */
static inline struct task *rt_me(const act_self *self)
{
	return self->a != NULL && rt_is_task(self->a) ? rt_task(self->a) : NULL;
}

/* ---- scheduling ---- */

static inline void rt_enqueue(act_shard *sh, struct actor *a)
{
	uint32_t status = (a->status & ~STATUS(0xff, 0, 0)) | STATUS(RUN_QUEUED, 0, 0);
	bool is_high = (status & STATUS(0, 0, FLAG_HIGH)) != 0;
	uint32_t ring = is_high ? STATUS(0, 0, FLAG_IN_HI) : STATUS(0, 0, FLAG_IN_LO);
	a->status = status | ring;
	if ((status & ring) == 0)
		rt_runq_push(is_high ? &sh->hi : &sh->lo, rt_slot_of(sh, a));
}

/* A plain actor, before the others: signals, completions. */
static inline void rt_enqueue_high(act_shard *sh, struct actor *a)
{
	if (a->run == RUN_RUNNING)
		return; /* looks for itself when the behaviour returns */
	a->run = RUN_QUEUED;
	if ((a->flags & FLAG_IN_HI) == 0) {
		a->flags |= FLAG_IN_HI;
		rt_runq_push(&sh->hi, rt_slot_of(sh, a));
	}
}

/* ---- messages ---- */

static inline act_msg *rt_cell(act_shard *sh)
{
	return rt_slab_take(&sh->cells);
}

static inline void rt_cell_free(act_shard *sh, void *cell)
{
	rt_slab_give(&sh->cells, cell);
}

static inline void rt_msg_free(act_shard *sh, act_msg *m)
{
	if (__builtin_expect((m->flags & ACT_MSG_OWNED) != 0, 0) && m->buf.dtor != NULL)
		m->buf.dtor(m->buf.ptr);
	rt_cell_free(sh, m);
}

static inline void rt_mail_append(struct actor *a, act_msg *m)
{
	act_msg *tail = a->tail;
	m->next = m;
	if (tail != NULL) {
		m->next = tail->next;
		tail->next = m;
	}
	a->tail = m;
	a->depth++;
}

/* Before mail is taken out: the deepest it was is a depth it has then. */
static inline void rt_mail_note_depth(struct actor *a)
{
	if (a->depth > a->high_water)
		a->high_water = (uint16_t)(a->depth <= UINT16_MAX ? a->depth : UINT16_MAX);
}

/* Whoever shifts calls rt_mail_note_depth before. */
static inline act_msg *rt_mail_shift(struct actor *a)
{
	act_msg *m = a->tail->next;
	if (m == a->tail)
		a->tail = NULL;
	else
		a->tail->next = m->next;
	a->depth--;
	return m;
}

/* ---- tasks ---- */

/* Whether s, of the chain of t's scopes, is the one t was born in. */
static inline bool rt_is_home(const struct task *t, const act_scope *s)
{
	return t->child != NULL ? s == &t->of.group->scope : s->parent == NULL;
}

static inline bool rt_is_cancelled(const struct task *t)
{
	return t->scope->is_effective ||
	       ((t->flags & TASK_CANCELLED) != 0 && rt_is_home(t, t->scope));
}

/* Each await begins here: the running task in *ret_t, or why there is none. */
static inline int rt_await(act_self *self, struct task **ret_t)
{
	struct task *t = rt_me(self);
	if (__builtin_expect(t == NULL || t->wait_of != WAIT_NONE, 0))
		return ACT_EBUG;
	*ret_t = t;
	return __builtin_expect(rt_is_cancelled(t), 0) ? ACT_ECANCELED : ACT_OK;
}

static inline int rt_park(act_shard *sh, struct task *t, enum wait_of kind)
{
	t->wait_of = (uint8_t)kind;
	t->since_ns = sh->now_ns;
	COUNT(sh, parked, 1);
	return ACT_WAIT;
}

static inline void rt_granted(struct task *t, enum granted kind, void *what)
{
	t->granted_is = (uint8_t)kind;
	t->w.granted = what;
}

/* The one end of a wait. The node must be off its list. */
static inline void rt_task_wake(act_shard *sh, struct task *t, int result)
{
	CHECK_DEBUG(t->wait_of != WAIT_NONE && t->wait_of != WAIT_GRANTED);
	t->result = result;
	t->wait_of = WAIT_GRANTED;
	if (__builtin_expect(rt_wheel_armed(&t->timer), 0))
		rt_wheel_remove(&sh->wheel, &t->timer);
	rt_enqueue(sh, rt_task_actor(sh, t));
}

/* An operation that could be completed at once: rc, or a turn for the others first. */
static inline int rt_done(act_shard *sh, struct task *t, int rc)
{
	if (__builtin_expect(--sh->budget > 0, 1))
		return rc;
	t->result = rc;
	t->wait_of = WAIT_GRANTED;
	rt_enqueue(sh, rt_task_actor(sh, t));
	return ACT_WAIT;
}

/* Ends a wait by cancel; a wait that a cancel does not end goes on. */
void rt_task_interrupt(act_shard *sh, struct task *t, int result);
/* Only this task: what it opened is the caller's to reach. */
void rt_task_kill_one(act_shard *sh, struct task *t);
/* No step any more; children it has opened groups for are killed as well. */
void rt_task_kill(act_shard *sh, struct task *t);
/* Makes a task, not yet queued; NULL: no memory (arg_dtor has not run). parent: of a root task. */
struct task *rt_task_new(act_shard *sh, act_step step, size_t frame_bytes,
			 const struct act_task_opts *opts, act_scope *home, act_id parent);
/* The activation of a task; who is running is set. */
void rt_task_run(act_shard *sh, struct actor *a);
/* Goes on with the end of a task whose left children have ended. */
void rt_task_end(act_shard *sh, struct task *t, int rc);
/* EDEADLK if `on` waits, over any chain of at most 64, for t. */
bool rt_task_would_circle(act_shard *sh, const struct task *t, act_id on);
/* Timer of the wait: a sleep's end, or its limit. */
void rt_task_timer(act_shard *sh, struct task *t);

extern const act_class rt_task_class;

/* ---- actors ---- */

/* A header for a new actor; NULL: at the limit, no memory. Counted as live, run IDLE. */
struct actor *rt_actor_new(act_shard *sh, const act_class *cls, uint16_t cap);
/* Signals that wait, with what act_more asked for or without; other than OK ends the actor. */
int rt_actor_signals(act_shard *sh, struct actor *a, bool with_more);
/* Activations of a turn. */
void rt_turn_run(act_shard *sh);
/* Everything after defers and fini: mail, answers owed, promises, the slot, then DOWN.
 * Takes over err. */
void rt_actor_release(act_shard *sh, struct actor *a, int rc, act_err *err);
/* Ends a plain actor: defers, fini, release. */
void rt_actor_end(act_shard *sh, struct actor *a, int rc);
/* NULL: no memory. */
struct more *rt_actor_more(act_shard *sh, struct actor *a);
/* Sets who is running, returns who was. */
static inline struct act_self rt_enter(act_shard *sh, struct actor *a)
{
	struct act_self was = sh->self;
	sh->self.a = a;
	__atomic_store_n(&sh->self.id, rt_id(sh, a), __ATOMIC_RELAXED);
	sh->self.m = NULL;
	return was;
}
bool rt_defer_push(act_shard *sh, struct defer_cell **list, act_defer_fn fn, void *arg);
void rt_defer_run(act_shard *sh, struct defer_cell **list);

/* ---- signals ---- */

/* Appends a reserved node to the receiver's signals; the node is freed if it is dead. */
void rt_sys_deliver(act_shard *sh, struct sysnode *n, struct actor *to, void *ptr);
void rt_sys_free(act_shard *sh, struct sysnode *n);
/* The actor's end: fires what others wait for, forgets what it waited for. */
void rt_sys_fire_watchers(act_shard *sh, struct link *watchers, int rc, act_err *err);
void rt_sys_forget(act_shard *sh, struct more *more);
/* The mailbox has become half empty, or empty: of those who asked, the first hear of it, as many as
 * can send a batch each; all of them when it is empty, for none of the first may have sent. */
void rt_sys_resume(act_shard *sh, struct actor *a);
static inline bool rt_sys_is_resume_due(const struct actor *a)
{
	return (a->flags & FLAG_RESUMES) != 0 && (a->depth == a->cap / 2U || a->depth == 0);
}
void rt_sys_monitor_from_far(act_shard *sh, act_id target, act_id watcher, uint64_t ref);
void rt_sys_demonitor_from_far(act_shard *sh, act_id target, act_id watcher, uint64_t ref);
void rt_sys_down_from_far(act_shard *sh, act_id to, const act_msg *m);
bool rt_sys_abandon_exit(act_shard *sh, struct task *t);
void rt_cancel_actor(act_shard *sh, struct actor *a, int why);
void rt_kill_actor(act_shard *sh, struct actor *a);
void rt_stop_actor(act_shard *sh, struct actor *a);
void rt_timer_fire(act_shard *sh, struct act_timer *timer);
void rt_timer_clear_all(act_shard *sh, struct more *more);

/* ---- mailbox ---- */

/* A message has left the mailbox of a: whoever waits for room goes on. */
void rt_mailbox_room(act_shard *sh, struct actor *a);
/* A request leaves the mailbox: handed out, or discarded (then the asker gets EDEAD). False: its
 * asker is gone; skip it. */
bool rt_ask_taken(act_shard *sh, act_msg *m);
void rt_ask_discarded(act_shard *sh, act_msg *m);
/* Gives a parked receiver its mail. */
void rt_task_give_mail(act_shard *sh, struct actor *a);
/* Puts an accepted message in and makes the receiver runnable. */
static inline void rt_mailbox_put(act_shard *sh, struct actor *a, act_msg *m)
{
	rt_mail_append(a, m);
	if (a->run == RUN_IDLE)
		rt_enqueue(sh, a);
	else if (a->run == RUN_PARKED)
		rt_task_give_mail(sh, a);
}
/* Whether one more message is accepted now; applies DROP_OLD. ACT_OK, EFULL, EDEAD, or EXIT: to be
 * dropped silently (DROP_NEW). */
int rt_mailbox_admit(act_shard *sh, struct actor *a);
void rt_mailbox_discard(act_shard *sh, struct actor *a);
/* The target has ended: all it owes is answered EDEAD. */
void rt_ask_target_dead(act_shard *sh, struct more *more);
/* There is room for the request of a task waiting for it. */
void rt_ask_admitted(act_shard *sh, struct task *t, struct actor *target);
bool rt_ask_abandon_room(act_shard *sh, struct task *t);
bool rt_ask_abandon_reply(act_shard *sh, struct task *t);
act_id rt_ask_owner(act_shard *sh, struct task *t);
/* The answer is an error. */
void rt_ask_fail(act_shard *sh, uint64_t token, int rc);
/* From other shards. */
void rt_ask_from_far(act_shard *sh, act_id to, act_msg *m);
void rt_ask_reply_from_far(act_shard *sh, const act_msg *m);
void rt_ask_gone_from_far(act_shard *sh, act_id to, uint64_t remote);
/* Commits the outbox. */
void rt_cast_commit(act_shard *sh);
act_msg *rt_msg_make(act_shard *sh, act_id from, uint32_t type, const void *p, size_t len);
act_msg *rt_msg_make_buf(act_shard *sh, act_id from, uint32_t type, void *owned, size_t len,
			 act_cleanup dtor);

/* ---- scopes, groups ---- */

void rt_scope_init(act_shard *sh, act_scope *s, act_scope *parent, struct task *opener,
		   bool is_shield);
void rt_scope_set_deadline(act_shard *sh, act_scope *s, int64_t deadline_ns);
void rt_scope_cancel(act_shard *sh, act_scope *s, int why, const char *reason);
/* Marks s and what is below it, and interrupts. */
void rt_scope_propagate(act_shard *sh, act_scope *s);
void rt_scope_kill_tasks(act_shard *sh, act_scope *s, struct task *but);
void rt_scope_expired(act_shard *sh, struct act_wheel_node *node);
/* What the body's rc becomes when the scope closes. */
int rt_scope_outcome(const struct task *t, const act_scope *s, int rc, bool *timed_out);
/* Leaves and frees the innermost scope of t. */
void rt_scope_leave(act_shard *sh, struct task *t);
int64_t rt_scope_deadline(const act_scope *s);
act_err *rt_group_child_ended(act_shard *sh, struct task *t, int rc, act_err *err);
int rt_group_verdict(act_shard *sh, act_group *g);
bool rt_group_abandon_pending(act_shard *sh, struct task *t);
bool rt_group_leave_wait(act_shard *sh, struct task *t);
/* The error of a group: shares the children's references. */
act_err *act_err_new_group(const char *message, const char *name, act_err *const *child,
			   uint32_t n);
/* Leaves the group's scope and frees it and what it still has. */
void rt_group_free(act_shard *sh, act_group *g);

/* ---- the rest ---- */

struct hold *rt_hold_new(act_shard *sh, struct task *t, const struct hold_kind *kind, void *object);
struct hold *rt_hold_find(struct task *t, const struct hold_kind *kind, const void *object);
/* The next younger one; NULL: h is the youngest. */
static inline struct hold *rt_hold_after(const struct task *t, const struct hold *h)
{
	struct hold *next = LIST_ENTRY(h->link.next, struct hold, link);
	return next != t->holds ? next : NULL;
}
void rt_hold_free(act_shard *sh, struct hold *h);
void rt_hold_end_all(act_shard *sh, struct task *t, int rc);

bool rt_sem_abandon(act_shard *sh, struct task *t);
bool rt_lock_abandon(act_shard *sh, struct task *t);
act_id rt_lock_waits_for(act_shard *sh, struct task *t);
bool rt_event_abandon(act_shard *sh, struct task *t);
bool rt_queue_abandon_put(act_shard *sh, struct task *t);
bool rt_queue_abandon_get(act_shard *sh, struct task *t);
bool rt_queue_abandon_join(act_shard *sh, struct task *t);
bool rt_stream_abandon_emit(act_shard *sh, struct task *t);
bool rt_stream_abandon_next(act_shard *sh, struct task *t);
/* The first waiter of a list, taken off it; NULL: none. */
static inline struct task *rt_waiter_shift(struct link *waiters)
{
	struct link *l = list_pop_front(waiters);
	return l != NULL ? LIST_ENTRY(l, struct task, wait) : NULL;
}
/* Wakes all with the same result. */
static inline void rt_waiters_wake(act_shard *sh, struct link *waiters, int result)
{
	struct task *t;
	while ((t = rt_waiter_shift(waiters)) != NULL)
		rt_task_wake(sh, t, result);
}

void rt_timers_run(act_shard *sh);
/* Takes what other threads left; true if there was something. */
bool rt_inbox_take(act_shard *sh);
bool rt_inbox_is_empty(const act_shard *sh);
/* Any thread: wakes it if it sleeps. */
void rt_shard_rouse(act_shard *sh);
void rt_inbox_push(act_shard *sh, struct inbox_node *n);
bool rt_offload_abandon(act_shard *sh, struct task *t);
/* The task has seen the result; or is killed, and its argument goes. */
void rt_offload_settle(struct act_job *job, bool is_killed);
void rt_offload_done(act_shard *sh, struct act_job *job);

/* What goes to other shards; see mesh. */
enum wire {
	WIRE_MSG,
	WIRE_DELIVER, /* past the cap */
	WIRE_ASK,
	WIRE_REPLY,
	WIRE_REPLY_ERROR,
	WIRE_GONE,
	WIRE_STOP,
	WIRE_CANCEL,
	WIRE_KILL,
	WIRE_MONITOR,
	WIRE_DEMONITOR,
	WIRE_DOWN,
};
/* Copies m out; its payload moves, the cell stays the caller's. False: no room now. */
bool rt_mesh_send(act_shard *sh, enum wire kind, act_id to, const act_msg *m);
/* The same, must be delivered: kept aside when there is no room, in `cell`, which was reserved with
 * the obligation (m itself will do) and is the callee's from now on. */
void rt_mesh_must_send(act_shard *sh, enum wire kind, act_id to, const act_msg *m, act_msg *cell);
/* A cancel, kill or stop: never refused, never needs memory. A stop keeps its place behind the mail
 * sent before, unless the way is full and there is no memory at all. */
void rt_mesh_signal(act_shard *sh, enum wire kind, act_id to, int why);
/* The cell for an answer to what is being taken from a lane; once for each. */
act_msg *rt_mesh_answer_cell(act_shard *sh);
/* Whether the id's shard exists. */
bool rt_mesh_has(const act_shard *sh, act_id id);
bool rt_mesh_take(act_shard *sh);
bool rt_mesh_is_empty(const act_shard *sh);
void rt_mesh_flush(act_shard *sh);
void rt_mesh_wait_way(act_shard *sh, struct task *t, uint8_t to);
bool rt_mesh_abandon_way(act_shard *sh, struct task *t);
/* False: no memory. */
bool rt_mesh_attach(act_mesh *mesh, act_shard *sh);
void rt_mesh_detach(act_mesh *mesh, act_shard *sh);

/* Signals for those whose way is full; raise: any thread, `to` being alive. */
bool rt_farsig_init(act_shard *sh);
void rt_farsig_fini(act_shard *sh);
void rt_farsig_raise(act_shard *to, enum wire kind, act_id id, int why);
void rt_farsig_take(act_shard *sh);
bool rt_farsig_is_empty(const act_shard *sh);
