/*
 * supervise -- an actor that starts, watches, restarts and stops others. Monitors carry the child's
 * place and life; a DOWN of an earlier life is not looked at.
 *
 * Shutting down goes from the last child to the first, one at a time: stop, after a time cancel,
 * after another kill. While some must go before others start again, starting waits.
 */
#include "run/supervise.h"

#include "run/internal.h"

#include <stdlib.h>
#include <string.h>

enum {
	INTENSITY_MAX = 1024,
	PERIOD_DEFAULT_MS = 5000,
	SHUTDOWN_DEFAULT_MS = 5000,
	/* Backoff doubles at most so often. */
	DOUBLINGS = 16,
};

enum phase { WATCHING, STOPPING_SOME, STOPPING_ALL };
enum urge { ASKED_TO_STOP, CANCELLED };

struct kid {
	struct act_child_spec spec;
	act_id id; /* 0: not running */
	uint32_t life;
	bool is_wanted;	   /* to be started when it can be */
	uint32_t in_a_row; /* restarts, since it last lived for a period */
	int64_t born_ns;
	struct act_timer backoff;
};

struct supervisor {
	struct act_sup sup;
	size_t n;
	struct kid *kid;
	enum phase phase;
	enum urge urge;
	size_t stop_from; /* children from here on are to go */
	size_t stopping;  /* the one now asked to */
	int end_rc;
	struct act_timer patience;
	int64_t *restart_ns; /* the last `intensity` restarts, a ring */
	uint32_t n_restarts;
};

struct births {
	const struct act_sup *sup;
	const struct act_child_spec *child;
	size_t n;
};

static void go_on(act_self *self, struct supervisor *s);

static bool start(act_self *self, struct supervisor *s, size_t i)
{
	struct kid *k = &s->kid[i];
	k->id = act_spawn(self, k->spec.cls, k->spec.arg, &k->spec.opts);
	if (k->id == 0)
		return false;
	k->life++;
	k->born_ns = act_now_ns(self);
	k->is_wanted = false;
	if (act_monitor(self, k->id, (uint64_t)i << 32 | k->life) == ACT_OK)
		return true;
	act_kill(self, k->id);
	k->id = 0;
	return false;
}

static void stop_running(act_self *self, struct supervisor *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->kid[i].id != 0)
			act_kill(self, s->kid[i].id);
}

static void free_tables(struct supervisor *s)
{
	free(s->kid);
	free(s->restart_ns);
}

static int refuse(struct supervisor *s, int rc)
{
	free_tables(s);
	return rc;
}

static int sup_init(act_self *self, void *state, const void *arg)
{
	struct supervisor *s = state;
	const struct births *b = arg;
	s->sup = *b->sup;
	s->n = b->n;
	if (s->sup.intensity > INTENSITY_MAX)
		s->sup.intensity = INTENSITY_MAX;
	if (s->sup.period_ms == 0)
		s->sup.period_ms = PERIOD_DEFAULT_MS;
	if (s->sup.shutdown_ms == 0)
		s->sup.shutdown_ms = SHUTDOWN_DEFAULT_MS;
	s->kid = calloc(b->n + 1, sizeof(*s->kid));
	s->restart_ns = calloc((size_t)s->sup.intensity + 1, sizeof(*s->restart_ns));
	if (s->kid == NULL || s->restart_ns == NULL)
		return refuse(s, ACT_ENOMEM);
	for (size_t i = 0; i < b->n; i++)
		s->kid[i].spec = b->child[i];
	for (size_t i = 0; i < b->n; i++) {
		if (!start(self, s, i)) {
			stop_running(self, s);
			return refuse(s, ACT_EFAILED);
		}
	}
	return ACT_OK;
}

/* ---- stopping ---- */

static void urge_on(act_self *self, struct supervisor *s, act_id id)
{
	if (s->urge == ASKED_TO_STOP)
		act_cancel(self, id, ACT_WHY_CANCEL);
	else
		act_kill(self, id);
	s->urge = CANCELLED;
	act_timer_set(self, &s->patience, (int64_t)s->sup.shutdown_ms * NS_PER_MS);
}

/* The last child that must go; n: none is left. */
static size_t last_to_go(const struct supervisor *s)
{
	for (size_t i = s->n; i-- > s->stop_from;)
		if (s->kid[i].id != 0)
			return i;
	return s->n;
}

static int stop_next(act_self *self, struct supervisor *s)
{
	size_t i = last_to_go(s);
	if (i < s->n) {
		s->stopping = i;
		s->urge = ASKED_TO_STOP;
		act_stop(self, s->kid[i].id);
		act_timer_set(self, &s->patience, (int64_t)s->sup.shutdown_ms * NS_PER_MS);
		return ACT_OK;
	}
	act_timer_clear(self, &s->patience);
	if (s->phase == STOPPING_ALL)
		return s->end_rc;
	s->phase = WATCHING;
	go_on(self, s);
	return ACT_OK;
}

static int stop_all(act_self *self, struct supervisor *s, int rc)
{
	for (size_t i = 0; i < s->n; i++)
		act_timer_clear(self, &s->kid[i].backoff);
	bool was_stopping = s->phase != WATCHING;
	s->phase = STOPPING_ALL;
	s->stop_from = 0;
	s->end_rc = rc;
	return was_stopping && last_to_go(s) < s->n ? ACT_OK : stop_next(self, s);
}

/* ---- restarting ---- */

/* False: too many within the period. */
static bool count_restart(act_self *self, struct supervisor *s)
{
	uint32_t max = s->sup.intensity;
	int64_t now = act_now_ns(self);
	if (max == 0)
		return false;
	int64_t oldest = s->restart_ns[s->n_restarts % max];
	if (s->n_restarts >= max && now - oldest <= (int64_t)s->sup.period_ms * NS_PER_MS)
		return false;
	s->restart_ns[s->n_restarts++ % max] = now;
	COUNT(self->sh, restarts, 1);
	return true;
}

/* Half to all of the doubled time, so that many do not come back at once. */
static int64_t backoff_ns(act_self *self, const struct supervisor *s, const struct kid *k)
{
	if (s->sup.backoff_max_ms == 0)
		return 0;
	uint32_t doublings = k->in_a_row < DOUBLINGS ? k->in_a_row : DOUBLINGS;
	uint64_t ms = (uint64_t)s->sup.backoff_min_ms << doublings;
	if (ms > s->sup.backoff_max_ms)
		ms = s->sup.backoff_max_ms;
	uint64_t ns = ms * (uint64_t)NS_PER_MS;
	return (int64_t)(ns / 2 + rng_below(act_rng(self), ns / 2 + 1));
}

/* A child that cannot be started is as one that failed at once, without using up the stack. */
static void try_start(act_self *self, struct supervisor *s, size_t i)
{
	if (!start(self, s, i))
		act_timer_set(self, &s->kid[i].backoff, NS_PER_MS);
}

static void go_on(act_self *self, struct supervisor *s)
{
	for (size_t i = 0; i < s->n; i++) {
		struct kid *k = &s->kid[i];
		if (!k->is_wanted || k->id != 0 || act_timer_is_set(&k->backoff))
			continue;
		int64_t wait = backoff_ns(self, s, k);
		k->in_a_row++;
		if (wait > 0)
			act_timer_set(self, &k->backoff, wait);
		else
			try_start(self, s, i);
	}
}

static bool should_restart(const struct kid *k, int rc)
{
	return k->spec.restart == ACT_PERMANENT || (k->spec.restart == ACT_TRANSIENT && rc < 0);
}

static int restart(act_self *self, struct supervisor *s, size_t i)
{
	if (!count_restart(self, s))
		return stop_all(self, s, ACT_EFAILED);
	s->kid[i].is_wanted = true;
	if (s->sup.strategy == ACT_ONE_FOR_ONE) {
		go_on(self, s);
		return ACT_OK;
	}
	s->stop_from = s->sup.strategy == ACT_ONE_FOR_ALL ? 0 : i;
	for (size_t j = s->stop_from; j < s->n; j++)
		if (s->kid[j].id != 0 && s->kid[j].spec.restart != ACT_TEMPORARY)
			s->kid[j].is_wanted = true;
	s->phase = STOPPING_SOME;
	return stop_next(self, s);
}

static int on_down(act_self *self, struct supervisor *s, uint64_t ref, int rc)
{
	size_t i = ref >> 32;
	struct kid *k = &s->kid[i];
	if (k->life != (uint32_t)ref || k->id == 0)
		return ACT_OK;
	k->id = 0;
	if (act_now_ns(self) - k->born_ns > (int64_t)s->sup.period_ms * NS_PER_MS)
		k->in_a_row = 0;
	if (s->phase != WATCHING) {
		if (s->phase == STOPPING_SOME && i < s->stop_from && should_restart(k, rc))
			k->is_wanted = true;
		return i == s->stopping ? stop_next(self, s) : ACT_OK;
	}
	return should_restart(k, rc) ? restart(self, s, i) : ACT_OK;
}

static int on_timer(act_self *self, struct supervisor *s, struct act_timer *t)
{
	if (t == &s->patience) {
		size_t i = last_to_go(s);
		if (s->phase != WATCHING && i < s->n)
			urge_on(self, s, s->kid[i].id);
		return ACT_OK;
	}
	struct kid *k = LIST_ENTRY(t, struct kid, backoff);
	if (s->phase == WATCHING && k->is_wanted && k->id == 0)
		try_start(self, s, (size_t)(k - s->kid));
	return ACT_OK;
}

static int sup_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct supervisor *s = state;
	switch (sig->kind) {
	case ACT_SIG_DOWN:
		return on_down(self, s, sig->ref, sig->rc);
	case ACT_SIG_TIMER:
		return on_timer(self, s, sig->ptr);
	case ACT_SIG_CANCEL:
		return stop_all(self, s, ACT_EXIT);
	default:
		return ACT_OK;
	}
}

static int sup_on_msg(act_self *self, void *state, act_msg *m)
{
	(void)self;
	(void)state;
	(void)m;
	return ACT_OK;
}

/* Killed or failed: the children do not outlive it. */
static void sup_fini(act_self *self, void *state, int why)
{
	(void)why;
	struct supervisor *s = state;
	for (size_t i = 0; i < s->n; i++) {
		act_timer_clear(self, &s->kid[i].backoff);
		if (s->kid[i].id != 0)
			act_kill(self, s->kid[i].id);
	}
	free_tables(s);
}

static const act_class supervisor_class = {
	.name = "supervisor",
	.state_size = sizeof(struct supervisor),
	.init = sup_init,
	.on_msg = sup_on_msg,
	.on_signal = sup_on_signal,
	.fini = sup_fini,
	.flags = ACT_CLASS_STOP_IS_CANCEL,
};

act_id act_supervise(act_self *self, const struct act_sup *sup, const struct act_child_spec *child,
		     size_t n, const struct act_opts *opts)
{
	struct births b = {.sup = sup, .child = child, .n = n};
	return act_spawn(self, &supervisor_class, &b, opts);
}

act_id act_child_id(act_self *self, act_id supervisor, size_t i)
{
	struct actor *a = rt_find(self->sh, supervisor);
	if (a == NULL || a->cls != &supervisor_class)
		return 0;
	const struct supervisor *s = a->state;
	return i < s->n ? s->kid[i].id : 0;
}
