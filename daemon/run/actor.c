/*
 * actor -- birth, signals and end of plain actors. Their turns are turn's, mail is mailbox's, the
 * sending of signals is signal's, tasks are task's.
 */
#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

enum { CAP_DEFAULT = 64 };

static bool slot_stack_reserve(act_shard *sh)
{
	if (sh->n_slots < sh->cap_free_slot)
		return true;
	uint32_t cap = sh->cap_free_slot != 0 ? sh->cap_free_slot * 2 : 64;
	uint32_t *stack = realloc(sh->free_slot, cap * sizeof(*stack));
	if (stack == NULL)
		return false;
	sh->free_slot = stack;
	sh->cap_free_slot = cap;
	return rt_runq_reserve(&sh->lo, cap) && rt_runq_reserve(&sh->hi, cap);
}

static struct actor *slot_take(act_shard *sh)
{
	if (sh->n_free_slot > SLAB_AHEAD)
		__builtin_prefetch(&sh->actors[sh->free_slot[sh->n_free_slot - SLAB_AHEAD]], 1);
	if (sh->n_free_slot > 0)
		return &sh->actors[sh->free_slot[--sh->n_free_slot]];
	if (sh->n_slots >= sh->max_slots || !slot_stack_reserve(sh))
		return NULL;
	struct actor *a = &sh->actors[sh->n_slots++];
	sh->reach = sh->n_outbox == 0 ? sh->n_slots : 0;
	a->gen = 1;
	return a;
}

/* A generation that would come again is never given out: the slot is retired. */
static void slot_give(act_shard *sh, struct actor *a)
{
	a->status = (a->status & STATUS(0, 0, FLAGS_OF_SLOT)) | STATUS(RUN_FREE, 0, FLAG_CLOSING);
	if (++a->gen != 0)
		sh->free_slot[sh->n_free_slot++] = rt_slot_of(sh, a);
}

struct actor *rt_actor_new(act_shard *sh, const act_class *cls, uint16_t cap)
{
	struct actor *a = slot_take(sh);
	if (a == NULL)
		return NULL;
	uint32_t gen = a->gen;
	uint32_t stale = a->status & STATUS(0, 0, FLAGS_OF_SLOT);
	*a = (struct actor){.cls = cls,
			    .gen = gen,
			    .status = stale | STATUS(RUN_IDLE, 0, 0),
			    .cap = cap != 0 ? cap : CAP_DEFAULT};
	sh->live++;
	COUNT(sh, spawned, 1);
	return a;
}

struct more *rt_actor_more(act_shard *sh, struct actor *a)
{
	if (a->more != NULL)
		return a->more;
	struct more *m = rt_slab_take(&sh->mores);
	if (m == NULL)
		return NULL;
	*m = (struct more){.name = NULL};
	list_init(&m->asks);
	list_init(&m->proxies);
	list_init(&m->watchers);
	list_init(&m->mine);
	list_init(&m->waiters);
	return a->more = m;
}

static bool set_up(act_shard *sh, struct actor *a, const struct act_opts *opts)
{
	size_t n = a->cls->state_size;
	if (n > 0) {
		a->state = rt_block_take(&sh->blocks, n);
		if (a->state == NULL)
			return false;
		memset(a->state, 0, n);
	}
	if (opts == NULL)
		return true;
	if (opts->overflow != ACT_REJECT)
		a->overflow = opts->overflow;
	if (opts->high)
		a->flags |= FLAG_HIGH;
	if (opts->name == NULL)
		return true;
	struct more *more = rt_actor_more(sh, a);
	if (more == NULL)
		return false;
	more->name = opts->name;
	more->parent = act_whoami(&sh->self);
	return true;
}

static int init(act_shard *sh, struct actor *a, const void *arg, bool link)
{
	struct act_self was = rt_enter(sh, a);
	int rc = ACT_OK;
	a->run = RUN_RUNNING;
	if (link && was.a != NULL)
		rc = act_link(&sh->self, rt_id(sh, was.a));
	if (rc == ACT_OK && a->cls->init != NULL)
		rc = a->cls->init(&sh->self, a->state, arg);
	sh->self = was;
	return rc;
}

/* Never lived: fini does not run, defers do. */
static void undo(act_shard *sh, struct actor *a, int rc)
{
	act_err *err = NULL;
	a->flags |= FLAG_CLOSING;
	if (a->more != NULL) {
		struct act_self was = rt_enter(sh, a);
		rt_defer_run(sh, &a->more->defers);
		sh->self = was;
		rt_timer_clear_all(sh, a->more);
		err = a->more->err;
	}
	if (a->state != NULL)
		rt_block_give(&sh->blocks, a->state, a->cls->state_size);
	rt_actor_release(sh, a, rc, err);
}

act_id act_spawn(act_self *self, const act_class *cls, const void *arg, const struct act_opts *opts)
{
	act_shard *sh = self->sh;
	struct actor *a = rt_actor_new(sh, cls, opts != NULL ? opts->cap : 0);
	if (a == NULL)
		return 0;
	int rc = set_up(sh, a, opts) ? ACT_OK : ACT_ENOMEM;
	if (rc == ACT_OK && (cls->init != NULL || (opts != NULL && opts->link)))
		rc = init(sh, a, arg, opts != NULL && opts->link);
	if (rc < 0) {
		undo(sh, a, rc);
		return 0;
	}
	if (__builtin_expect(
		    a->tail != NULL || a->sys != NULL || (a->status & STATUS(0, 0xff, 0)) != 0, 0))
		rt_enqueue(sh, a);
	else if (a->run != RUN_IDLE)
		a->run = RUN_IDLE;
	return rt_id(sh, a);
}

static inline void forget(act_shard *sh, struct actor *a, int rc)
{
	slot_give(sh, a);
	sh->live--;
	COUNT(sh, ended, 1);
	if (rc < 0 && rc != ACT_ECANCELED)
		COUNT(sh, failed, 1);
}

void rt_actor_release(act_shard *sh, struct actor *a, int rc, act_err *err)
{
	if (a->tail == NULL && a->more == NULL && a->sys == NULL) {
		forget(sh, a, rc);
		if (err != NULL)
			act_err_drop(err);
		return;
	}
	struct link watchers;
	list_init(&watchers);
	a->flags |= FLAG_CLOSING;
	rt_mailbox_discard(sh, a);
	struct more *more = a->more;
	if (more != NULL) {
		rt_ask_target_dead(sh, more);
		rt_sys_forget(sh, more);
		if (!list_empty(&more->watchers)) {
			watchers = more->watchers;
			watchers.next->prev = watchers.prev->next = &watchers;
		}
		rt_slab_give(&sh->mores, more);
		a->more = NULL;
	}
	while (a->sys != NULL) {
		struct sysnode *n = (struct sysnode *)(void *)a->sys->in.next;
		if (n == a->sys)
			a->sys = NULL;
		else
			a->sys->in.next = n->in.next;
		rt_sys_free(sh, n);
	}
	forget(sh, a, rc);
	rt_sys_fire_watchers(sh, &watchers, rc, err);
	act_err_drop(err);
}

static void log_failure(act_shard *sh, struct actor *a, int rc)
{
	if (rc >= 0 || rc == ACT_ECANCELED || rc == ACT_EKILLED)
		return;
	const act_err *err = a->more != NULL ? a->more->err : NULL;
	log_warn(sh->log, "actor.failed", kv_s("class", a->cls->name), kv_s("rc", act_rc_name(rc)),
		 kv_s("why", err != NULL ? err->message : act_rc_text(rc)));
}

void rt_actor_end(act_shard *sh, struct actor *a, int rc)
{
	a->status |= STATUS(0, 0, FLAG_CLOSING);
	act_err *err = NULL;
	if (a->more != NULL)
		rt_defer_run(sh, &a->more->defers);
	if (a->cls->fini != NULL)
		a->cls->fini(&sh->self, a->state, rc);
	log_failure(sh, a, rc);
	if (a->more != NULL) {
		rt_defer_run(sh, &a->more->defers); /* what fini deferred */
		rt_timer_clear_all(sh, a->more);
		err = a->more->err;
	}
	if (a->state != NULL)
		rt_block_give(&sh->blocks, a->state, a->cls->state_size);
	rt_actor_release(sh, a, rc, err);
}

static int signal_to(act_shard *sh, struct actor *a, const struct act_sig *sig)
{
	COUNT(sh, signals, 1);
	if (a->cls->on_signal != NULL)
		return a->cls->on_signal(&sh->self, a->state, sig);
	return sig->kind == ACT_SIG_CANCEL ? ACT_ECANCELED : ACT_OK;
}

static struct sysnode *sys_shift(struct actor *a)
{
	struct sysnode *n = (struct sysnode *)(void *)a->sys->in.next;
	if (n == a->sys)
		a->sys = NULL;
	else
		a->sys->in.next = n->in.next;
	return n;
}

static int run_sys(act_shard *sh, struct actor *a)
{
	int rc = ACT_OK;
	while (rc == ACT_OK && a->sys != NULL && (a->sig & SIG_KILL) == 0) {
		struct sysnode *n = sys_shift(a);
		struct act_sig sig = {.kind = (enum act_sig_kind)n->kind,
				      .rc = n->rc,
				      .from = n->from,
				      .ref = n->ref};
		void *ptr = rt_sys_ptr(n);
		if (n->kind == ACT_SIG_WORK) {
			struct act_job *job = ptr;
			sig.ptr = job->work.arg;
			job->work.dtor = NULL;
		} else {
			sig.err = ptr;
		}
		rc = signal_to(sh, a, &sig);
		rt_sys_free(sh, n);
	}
	return rc;
}

static int run_timers(act_shard *sh, struct actor *a)
{
	int rc = ACT_OK;
	while (rc == ACT_OK && a->more->fired != NULL && (a->sig & SIG_KILL) == 0) {
		struct act_timer *t = a->more->fired;
		act_timer_clear(&sh->self, t);
		rc = signal_to(sh, a, &(struct act_sig){.kind = ACT_SIG_TIMER, .ptr = t});
	}
	if (a->more->fired == NULL)
		a->sig &= (uint8_t)~SIG_TIMER;
	return rc;
}

/* KILL, then CANCEL, then nodes, timers, MORE. */
int rt_actor_signals(act_shard *sh, struct actor *a, bool with_more)
{
	int rc = ACT_OK;
	if ((a->sig & SIG_KILL) != 0)
		return ACT_EKILLED;
	if ((a->sig & SIG_CANCEL) != 0) {
		a->sig &= (uint8_t)~SIG_CANCEL;
		rc = signal_to(sh, a, &(struct act_sig){.kind = ACT_SIG_CANCEL, .rc = (int)a->why});
	}
	if (rc == ACT_OK && a->sys != NULL)
		rc = run_sys(sh, a);
	if (rc == ACT_OK && (a->sig & SIG_TIMER) != 0)
		rc = run_timers(sh, a);
	if (rc == ACT_OK && with_more && (a->sig & SIG_MORE) != 0) {
		a->sig &= (uint8_t)~SIG_MORE;
		rc = signal_to(sh, a, &(struct act_sig){.kind = ACT_SIG_MORE});
	}
	return rc == ACT_OK && (a->sig & SIG_KILL) != 0 ? ACT_EKILLED : rc;
}

void act_rename(act_self *self, const char *name)
{
	CHECK(self->a->more != NULL);
	self->a->more->name = name;
}

act_id act_whoami(const act_self *self)
{
	return self->id;
}

act_shard *act_myshard(const act_self *self)
{
	return self->sh;
}

void *act_user(const act_self *self)
{
	return self->sh->user;
}

int64_t act_now_ns(const act_self *self)
{
	return self->sh->now_ns;
}

struct rng *act_rng(act_self *self)
{
	return &self->sh->rng;
}

bool act_is_alive(act_self *self, act_id id)
{
	struct actor *a = rt_find(self->sh, id);
	return a != NULL && (a->flags & FLAG_CLOSING) == 0;
}

void act_more(act_self *self)
{
	self->a->sig |= SIG_MORE;
}

bool act_budget(act_self *self)
{
	return --self->sh->budget > 0;
}
