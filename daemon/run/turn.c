/*
 * turn -- the hot part: actors taken from the run rings and activated, one batch of mail each.
 *
 * The clock is read once per 64 messages' worth of work, never per message. Of the two rings the
 * high one goes first, but after eight of it one of the low ring runs.
 */
#include "run/internal.h"

enum { HI_IN_A_ROW = 8, AHEAD = 12, FAR = 256 };

static inline bool has_signals(const struct actor *a)
{
	return (a->sig & ~(SIG_STOP | SIG_MORE)) != 0 || a->sys != NULL;
}

/* False: a request whose asker is gone. */
static __attribute__((noinline)) bool before_handling(act_shard *sh, struct actor *a, act_msg *m)
{
	if (a->more != NULL)
		rt_mailbox_room(sh, a);
	return m->token == 0 || rt_ask_taken(sh, m);
}

/* Whether a request leaves, or the room it makes is waited for. */
static inline bool needs_care(const struct actor *a, const act_msg *m)
{
	return m->token != 0 || !list_empty(&a->more->waiters) || rt_sys_is_resume_due(a);
}

static __attribute__((noinline)) int after_handling(act_shard *sh, struct actor *a, int rc)
{
	return rc == ACT_OK && has_signals(a) ? rt_actor_signals(sh, a, false) : rc;
}

/* One message. What the behaviour returned, or what a signal that came meanwhile made of it. */
static inline int handle(act_shard *sh, struct actor *a, act_msg *m)
{
	act_self *self = &sh->self;
	self->m = m;
	int rc = a->cls->on_msg(self, a->state, m);
	if (__builtin_expect(self->m != NULL, 1))
		rt_msg_free(sh, m);
	if (__builtin_expect(((uintptr_t)a->sys | a->sig | (unsigned)rc) != 0, 0))
		rc = after_handling(sh, a, rc);
	return rc;
}

static inline int run_mail(act_shard *sh, struct actor *a)
{
	int rc = ACT_OK;
	int32_t n = 0;
	if (__builtin_expect(a->depth > a->high_water, 0))
		rt_mail_note_depth(a);
	if (__builtin_expect(a->tail == NULL || sh->budget <= 0, 0))
		return ACT_OK;
	do {
		act_msg *m = rt_mail_shift(a);
		if (__builtin_expect(((uintptr_t)a->more | m->token) != 0, 0) && needs_care(a, m) &&
		    !before_handling(sh, a, m)) {
			rt_msg_free(sh, m);
			continue;
		}
		n++;
		rc = handle(sh, a, m);
	} while (__builtin_expect(rc == ACT_OK && --sh->budget > 0, 1) && a->tail != NULL);
	a->received += (uint32_t)n;
	COUNT(sh, delivered, n);
	return rc;
}

static __attribute__((noinline)) void after_mail(act_shard *sh, struct actor *a, int rc)
{
	if (rc == ACT_OK && a->tail == NULL && (a->sig & SIG_STOP) != 0)
		rc = ACT_EXIT;
	if (rc != ACT_OK)
		rt_actor_end(sh, a, rc == ACT_WAIT ? ACT_EBUG : rc);
	else
		rt_enqueue(sh, a);
}

static inline void run_actor(act_shard *sh, struct actor *a, int rc)
{
	if (__builtin_expect(rc == ACT_OK, 1))
		rc = run_mail(sh, a);
	uint32_t status = a->status;
	if (__builtin_expect(rc == ACT_OK && a->tail == NULL && a->sys == NULL &&
				     (status & STATUS(0xff, 0xff, 0)) == STATUS(RUN_RUNNING, 0, 0),
			     1))
		a->status = status - STATUS(RUN_RUNNING - RUN_IDLE, 0, 0);
	else
		after_mail(sh, a, rc);
}

static __attribute__((noinline)) void run_signalled(act_shard *sh, struct actor *a)
{
	int rc = rt_actor_signals(sh, a, true);
	if (rc == ACT_OK && a->tail == NULL && a->sys == NULL && a->run == RUN_RUNNING &&
	    a->sig == 0)
		a->run = RUN_IDLE;
	else
		run_actor(sh, a, rc);
}

/* The next of both rings, the high one not being empty. */
static __attribute__((noinline)) uint32_t next_of_two(act_shard *sh, bool has_lo, uint8_t *ret_flag)
{
	if (sh->hi_in_a_row < HI_IN_A_ROW || !has_lo) {
		sh->hi_in_a_row++;
		*ret_flag = FLAG_IN_HI;
		return rt_runq_pop(&sh->hi);
	}
	sh->hi_in_a_row = 0;
	*ret_flag = FLAG_IN_LO;
	return rt_runq_pop(&sh->lo);
}

static __attribute__((noinline)) void note_time(act_shard *sh, const struct actor *a)
{
	int64_t before = sh->now_ns;
	sh->now_ns = clock_mono_ns(sh->clock);
	int64_t took = sh->now_ns - before;
	if ((uint64_t)took > sh->stats.max_turn_ns)
		COUNT(sh, max_turn_ns, (uint64_t)took - sh->stats.max_turn_ns);
	if (sh->slow_turn_ns >= 0 && took >= sh->slow_turn_ns)
		log_warn(sh->log, "shard.slow", kv_s("class", a->cls->name),
			 kv_i("took_ms", took / NS_PER_MS));
}

static inline uint32_t activate(act_shard *sh, struct actor *a, uint32_t slot)
{
	sh->self.a = a;
	/* release: a watchdog that sees the id sees the class as well */
	__atomic_store_n(&sh->self.id, (act_id)(sh->first + slot) << 32 | a->gen, __ATOMIC_RELEASE);
	RT_ADD(sh->activations, 1);
	sh->budget = BATCH;
	if (__builtin_expect((a->status & STATUS(0, 0xff, FLAG_TASK)) == 0 && a->sys == NULL, 1))
		run_actor(sh, a, ACT_OK);
	else if (rt_is_task(a))
		rt_task_run(sh, a);
	else
		run_signalled(sh, a);
	int32_t used = BATCH - sh->budget;
	return used > 0 ? (uint32_t)used : 1;
}

/* False: a stale entry, of one run from the other ring, or gone. */
static inline bool leave_ring(struct actor *a, uint8_t flag)
{
	uint32_t status = a->status & ~STATUS(0, 0, flag);
	bool is_queued = (status & STATUS(0xff, 0, 0)) == STATUS(RUN_QUEUED, 0, 0);
	a->status = is_queued ? status + STATUS(RUN_RUNNING - RUN_QUEUED, 0, 0) : status;
	return is_queued;
}

/* With many runnable, their lines are far away: of those that come next, first the header, then
 * what it points to, arrive while others run. */
static inline void fetch_ahead(const act_shard *sh)
{
	const struct runq *q = &sh->lo;
	__builtin_prefetch(&sh->actors[rt_runq_at(q, 2 * AHEAD)], 1);
	const struct actor *next = &sh->actors[rt_runq_at(q, AHEAD)];
	__builtin_prefetch(next->tail, 1);
	__builtin_prefetch(next->state, 1);
}

/* The end of either ring for this turn: permuted, a turn is what was runnable at its start. */
struct ends {
	const uint32_t *lo, *hi;
	uint32_t lo_now, hi_now;
};

static void ends_init(struct ends *e, const act_shard *sh)
{
	e->lo_now = sh->lo.tail;
	e->hi_now = sh->hi.tail;
	e->lo = sh->is_permuted ? &e->lo_now : &sh->lo.tail;
	e->hi = sh->is_permuted ? &e->hi_now : &sh->hi.tail;
}

void rt_turn_run(act_shard *sh)
{
	uint32_t done = 0, most = sh->turn_messages;
	uint32_t next_look = most < BATCH ? most : BATCH;
	int64_t end = sh->now_ns + sh->turn_ns;
	bool is_far = rt_runq_count(&sh->lo) >= FAR;
	struct ends ends;
	ends_init(&ends, sh);
	for (;;) {
		uint8_t flag = FLAG_IN_LO;
		uint32_t slot;
		bool has_lo = sh->lo.head != *ends.lo;
		if (__builtin_expect(sh->hi.head != *ends.hi, 0))
			slot = next_of_two(sh, has_lo, &flag);
		else if (__builtin_expect(has_lo, 1))
			slot = rt_runq_pop(&sh->lo);
		else
			break;
		struct actor *a = &sh->actors[slot];
		if (is_far)
			fetch_ahead(sh);
		if (__builtin_expect(!leave_ring(a, flag), 0))
			continue;
		done += activate(sh, a, slot);
		if (__builtin_expect(done < next_look, 1))
			continue;
		next_look = done + BATCH;
		is_far = rt_runq_count(&sh->lo) >= FAR;
		note_time(sh, a);
		if (done >= most || sh->now_ns >= end)
			break;
	}
	sh->self.a = NULL;
	sh->self.m = NULL;
	__atomic_store_n(&sh->self.id, 0, __ATOMIC_RELAXED);
}
