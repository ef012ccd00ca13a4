#include "actor/limiter.h"

#include "actor/limiter_state.h"
#include "actor/store.h"
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SWEEP_NS     NS_PER_S
#define SWEEP_FAR_NS (10 * NS_PER_S)
#define MAILBOX	     32768u

/* What trying a request led to. */
enum verdict { VERDICT_GRANT, VERDICT_WAIT, VERDICT_REFUSE };

struct trial {
	struct limit_key *key; /* WAIT: which refused */
	enum limit_why why;
	int64_t until_ns;
	enum kind kind; /* REFUSE */
	const char *what;
};

/* ---- answers ---- */

static void refuse(struct limiter *l, struct limit_ticket *t, const struct trial *r)
{
	struct limit_refusal *no = calloc(1, sizeof(*no));
	if (no == NULL) {
		act_reply_error(l->self, t->token, ACT_ENOMEM);
	} else {
		no->kind = r->kind;
		no->waited_ns = l->now_ns - t->since_ns;
		snprintf(no->message, sizeof(no->message), r->key != NULL ? "%s %.150s" : "%s",
			 r->what, r->key != NULL ? r->key->name : "");
		act_reply_buf(l->self, t->token, LIMIT_REFUSED, no, sizeof(*no), free);
	}
	limit_keys_drop(l, t);
	limit_ticket_free(t);
}

static int64_t share_of_bandwidth(const struct limit_ticket *t)
{
	int64_t least = 0;
	for (uint32_t i = 0; i < t->n_use; i++) {
		const struct limit_key *k = t->use[i].key;
		if (k->limits.bandwidth_bytes_per_s == 0)
			continue;
		uint32_t among = limit_key_concurrency(k);
		int64_t share = k->limits.bandwidth_bytes_per_s / (among > 0 ? among : 1);
		if (least == 0 || share < least)
			least = share > 0 ? share : 1;
	}
	return least;
}

static void grant(struct limiter *l, struct limit_ticket *t)
{
	t->granted_ns = l->now_ns;
	t->use_before_ns = INT64_MAX;
	for (uint32_t i = 0; i < t->n_use; i++) {
		struct limit_use_of *u = &t->use[i];
		limit_key_take(l, u, t->has_waited);
		int64_t before = limit_key_use_before(l, u);
		t->use_before_ns = before < t->use_before_ns ? before : t->use_before_ns;
		if (t->attempt > 1)
			retry_budget_spend(&u->key->budget);
		else
			retry_budget_earn(&u->key->budget);
	}
	t->bandwidth = share_of_bandwidth(t);
	t->state = TICKET_GRANTED;
	l->n_granted++;
	act_reply_buf(l->self, t->token, LIMIT_GRANTED, t, sizeof(*t), limit_ticket_drop);
}

/* ---- trying ---- */

/* What would be in vain to wait for. */
static bool is_hopeless(struct limiter *l, const struct limit_ticket *t, struct trial *r)
{
	for (uint32_t i = 0; i < t->n_use; i++) {
		struct limit_key *k = t->use[i].key;
		r->key = k;
		if (k->blocked_ns > l->now_ns &&
		    (k->blocked_ns > t->deadline_ns ||
		     k->blocked_ns - l->now_ns > k->limits.max_wait_ns)) {
			r->kind = KIND_LIMIT_WAIT;
			r->what = "the server has blocked it for longer than the request may wait:";
			return true;
		}
		if (circuit_state_at(&k->circuit, l->now_ns) == CIRCUIT_OPEN) {
			r->kind = KIND_CIRCUIT_OPEN;
			r->what = "after many failures nothing is sent for a while under";
			return true;
		}
		if (t->attempt > 1 && !retry_budget_has(&k->budget)) {
			r->kind = KIND_NONE;
			r->what = "the retries allowed are spent under";
			return true;
		}
	}
	return false;
}

static enum verdict try_ticket(struct limiter *l, struct limit_ticket *t, struct trial *r)
{
	if (is_hopeless(l, t, r))
		return VERDICT_REFUSE;
	for (uint32_t i = 0; i < t->n_use; i++) {
		r->key = t->use[i].key;
		if (!limit_key_gives(l, r->key, t->use[i].cost, &r->why, &r->until_ns))
			return VERDICT_WAIT;
	}
	return VERDICT_GRANT;
}

/* The key will be looked at again when its time has come. */
static void wait_for_time(struct limiter *l, struct limit_key *k, int64_t until_ns)
{
	if (until_ns == 0 || (heap_has(&k->ready) && k->ready_ns <= until_ns))
		return;
	k->ready_ns = until_ns;
	if (heap_has(&k->ready))
		heap_update(&l->ready, &k->ready);
	else if (heap_push(&l->ready, &k->ready) != ERR_OK)
		l->is_short = true;
}

/* Lets requests through until the key gives no more. */
static void pump(struct limiter *l, struct limit_key *k)
{
	struct limit_lane *lane;
	while ((lane = limit_line_next(l, k)) != NULL) {
		struct limit_ticket *t = limit_lane_head(lane);
		struct trial r = {0};
		enum verdict v = try_ticket(l, t, &r);
		if (v == VERDICT_WAIT) {
			wait_for_time(l, r.key, r.until_ns);
			if (r.key != k && limit_line_move(l, lane, r.key, r.why) == ERR_OK)
				continue;
			l->is_short = l->is_short || r.key != k;
			lane->why = r.why;
			return;
		}
		if (v == VERDICT_GRANT)
			limit_line_charge(l, lane);
		limit_line_remove(l, t);
		if (v == VERDICT_GRANT)
			grant(l, t);
		else
			refuse(l, t, &r);
	}
}

/* Where somebody stands already the newcomer stands behind. */
static struct limit_key *first_with_line(const struct limit_ticket *t)
{
	for (uint32_t i = 0; i < t->n_use; i++) {
		if (t->use[i].key->n_waiting > 0)
			return t->use[i].key;
	}
	return NULL;
}

/* Why its keys could not be found. */
static void tell_unresolved(enum err e, struct trial *r)
{
	r->kind = e == ERR_FULL ? KIND_BUSY : KIND_MEMORY;
	r->what = e == ERR_FULL ? "too many limits are in use" : "no memory for its limits";
	if (e == ERR_NOT_FOUND) {
		r->kind = KIND_NOT_FOUND;
		r->what = "the configuration has no limit with this key, so it would limit nothing";
	} else if (e == ERR_INVALID) {
		r->kind = KIND_REQUEST_INVALID;
		r->what = "the cost is more than a quota of this key ever allows";
	}
}

static void place(struct limiter *l, struct limit_ticket *t)
{
	struct trial r = {0};
	enum err e = limit_keys_resolve(l, t);
	if (e != ERR_OK) {
		tell_unresolved(e, &r);
		refuse(l, t, &r);
		return;
	}
	struct limit_key *line = first_with_line(t);
	enum verdict v = try_ticket(l, t, &r);
	if (v == VERDICT_GRANT && line == NULL) {
		grant(l, t);
		return;
	}
	if (v == VERDICT_REFUSE) {
		refuse(l, t, &r);
		return;
	}
	if (v == VERDICT_WAIT)
		wait_for_time(l, r.key, r.until_ns);
	else
		r = (struct trial){.key = line};
	t->state = TICKET_WAITING;
	t->has_waited = true;
	if (limit_line_add(l, t, r.key, r.why) != ERR_OK) {
		r = (struct trial){.kind = KIND_MEMORY, .what = "no memory to wait"};
		refuse(l, t, &r);
		return;
	}
	if (v == VERDICT_GRANT)
		pump(l, t->lane->at);
}

/* ---- what it hears ---- */

static void on_acquire(struct limiter *l, act_msg *m)
{
	struct limit_ticket *t = m->buf.ptr;
	m->buf.dtor = NULL; /* ours now */
	m->buf.ptr = NULL;
	t->limiter = l;
	t->token = m->token;
	t->since_ns = l->now_ns;
	t->number = t->is_front ? l->next_front++ : l->next_number++;
	if (l->is_loading)
		list_push_back(&l->early, &t->link);
	else
		place(l, t);
}

/* Those whose deadline falls inside the new block need not wait for it. */
static void refuse_hopeless(struct limiter *l, struct limit_key *k)
{
	TABLE_EACH (it, &l->lanes) {
		struct limit_lane *lane = it->value;
		struct link *at = lane->at == k ? list_first(&lane->tickets) : NULL;
		uint32_t n = at != NULL ? lane->n : 0; /* the lane goes with its last */
		while (n-- > 0) {
			struct limit_ticket *t = LIST_ENTRY(at, struct limit_ticket, link);
			struct trial r = {0};
			at = at->next;
			if (!is_hopeless(l, t, &r))
				continue;
			limit_line_remove(l, t);
			refuse(l, t, &r);
		}
	}
}

static void block_keys(struct limiter *l, struct limit_ticket *t)
{
	bool is_done = false;
	for (uint32_t i = 0; i < t->n_use; i++) {
		struct limit_key *k = t->use[i].key;
		/* the origin only if no rule speaks of this place */
		if (!k->is_blockable || (is_done && k->kind == LIMIT_KEY_ORIGIN))
			continue;
		limit_key_block(l, k, t->outcome.retry_after_ms);
		if (k->n_waiting > 0)
			refuse_hopeless(l, k);
		is_done = true;
	}
}

static void release(struct limiter *l, struct limit_ticket *t)
{
	const struct limit_outcome *o = &t->outcome;
	l->n_granted--;
	for (uint32_t i = 0; i < t->n_use; i++)
		limit_key_give_back(l, &t->use[i], t->granted_ns, o);
	if (o->use == LIMIT_USED && limit_is_refunded(o, 0))
		block_keys(l, t);
	for (uint32_t i = 0; i < t->n_use; i++) {
		if (t->use[i].key->n_waiting > 0)
			pump(l, t->use[i].key);
	}
	limit_keys_drop(l, t);
	limit_ticket_free(t);
}

static void on_release(struct limiter *l, act_msg *m)
{
	struct limit_ticket *t = m->buf.ptr;
	m->buf.dtor = NULL;
	m->buf.ptr = NULL;
	release(l, t);
}

static void sweep_lost(struct limiter *l)
{
	for (struct link *it; (it = list_pop_front(&l->lost)) != NULL;)
		release(l, LIST_ENTRY(it, struct limit_ticket, link));
}

static void on_job_end(struct limiter *l, act_msg *m)
{
	struct limit_job_end end;
	memcpy(&end, m->p, sizeof(end));
	limit_keys_job_end(l, end.job);
}

/* All that wait are asked anew under the new rules, in their old order. */
static void on_reload(struct limiter *l, act_msg *m)
{
	struct rules *rules;
	struct link waiting;
	memcpy(&rules, m->p, sizeof(rules));
	list_init(&waiting);
	TABLE_EACH (it, &l->lanes) {
		struct limit_lane *lane = it->value;
		uint32_t n = lane->n;
		for (; n > 0; n--) { /* the lane goes with its last */
			struct limit_ticket *t = limit_lane_head(lane);
			limit_line_remove(l, t);
			limit_keys_drop(l, t);
			list_push_back(&waiting, &t->link);
		}
	}
	limit_keys_reload(l, rules);
	for (struct link *it; (it = list_pop_front(&waiting)) != NULL;)
		place(l, LIST_ENTRY(it, struct limit_ticket, link));
}

static void on_rows(struct limiter *l, act_msg *m)
{
	if (!l->is_loading)
		return;
	limit_store_rows(l, m);
	if (l->is_loading)
		return;
	for (struct link *it; (it = list_pop_front(&l->early)) != NULL;)
		place(l, LIST_ENTRY(it, struct limit_ticket, link));
}

static void on_committed(struct limiter *l, act_msg *m)
{
	limit_store_committed(l, m, pump);
}

static const struct {
	uint32_t type;
	void (*on)(struct limiter *l, act_msg *m);
} heard[] = {
	{LIMIT_ACQUIRE, on_acquire},
	{LIMIT_RELEASE, on_release},
	{LIMIT_JOB_END, on_job_end},
	{LIMIT_RELOAD, on_reload},
	{LIMIT_EXPLAIN, limit_rows_explain},
	{LIMIT_KEYS, limit_rows_keys},
	{STORE_ROWS, on_rows},
	{STORE_APPLIED, on_committed},
};

/* ---- time ---- */

static bool ready_before(const struct heap_node *a, const struct heap_node *b)
{
	const struct limit_key *x = HEAP_ENTRY(a, struct limit_key, ready);
	const struct limit_key *y = HEAP_ENTRY(b, struct limit_key, ready);
	return x->ready_ns != y->ready_ns ? x->ready_ns < y->ready_ns : x->serial < y->serial;
}

static void on_ready(struct limiter *l)
{
	struct heap_node *top;
	while ((top = heap_top(&l->ready)) != NULL) {
		struct limit_key *k = HEAP_ENTRY(top, struct limit_key, ready);
		if (k->ready_ns > l->now_ns)
			return;
		heap_remove(&l->ready, top);
		pump(l, k);
	}
}

static void on_sweep(struct limiter *l)
{
	sweep_lost(l);
	limit_keys_sweep(l);
	if (l->is_loading)
		limit_store_load(l);
	if (l->is_short) {
		l->is_short = false;
		limit_keys_waited_for(l, pump);
	}
}

/* Soon while something is under way; for keys alone, when the first is long unused. 0: never. */
static int64_t sweep_at(const struct limiter *l)
{
	if (l->n_granted > 0 || l->is_short || limit_store_is_behind(l))
		return l->now_ns + SWEEP_NS;
	int64_t idle = limit_keys_idle_at(l);
	if (idle == INT64_MAX)
		return 0;
	return idle > l->now_ns + SWEEP_FAR_NS ? idle : l->now_ns + SWEEP_FAR_NS;
}

static void plan_sweep(struct limiter *l)
{
	int64_t at = sweep_at(l);
	if (at == 0 || (act_timer_is_set(&l->sweep_timer) && l->sweep_at_ns <= at))
		return;
	l->sweep_at_ns = at;
	act_timer_set_at(l->self, &l->sweep_timer, at);
}

/* After every behaviour. */
static void settle(struct limiter *l)
{
	if (!list_empty(&l->lost))
		sweep_lost(l);
	if (!list_empty(&l->dirty) || l->n_forget > 0)
		limit_store_flush(l);
	struct heap_node *top = heap_top(&l->ready);
	if (top != NULL) {
		int64_t at = HEAP_ENTRY(top, struct limit_key, ready)->ready_ns;
		if (!act_timer_is_set(&l->ready_timer) || at != l->ready_at_ns)
			act_timer_set_at(l->self, &l->ready_timer, at);
		l->ready_at_ns = at;
	}
	plan_sweep(l);
}

/* ---- the actor ---- */

static int on_msg(act_self *self, void *state, act_msg *m)
{
	struct limiter *l = *(struct limiter **)state;
	l->self = self;
	l->now_ns = act_now_ns(self);
	for (size_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++) {
		if (heard[i].type == m->type) {
			heard[i].on(l, m);
			break;
		}
	}
	settle(l);
	return ACT_OK;
}

static void on_gone(struct limiter *l, uint64_t token)
{
	struct limit_ticket *t = limit_token_find(l, token);
	if (t != NULL) {
		struct limit_key *at = t->lane->at;
		at->refs++; /* may be a job's that ends with this */
		limit_line_remove(l, t);
		limit_keys_drop(l, t);
		limit_ticket_free(t);
		pump(l, at);
		limit_key_unref(l, at);
		return;
	}
	LIST_EACH_SAFE (it, &l->early) {
		struct limit_ticket *early = LIST_ENTRY(it, struct limit_ticket, link);
		if (early->token == token) {
			list_remove(it);
			limit_ticket_free(early);
		}
	}
}

static int on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct limiter *l = *(struct limiter **)state;
	l->self = self;
	l->now_ns = act_now_ns(self);
	if (sig->kind == ACT_SIG_CANCEL)
		return ACT_EXIT;
	if (sig->kind == ACT_SIG_ASK_GONE)
		on_gone(l, sig->ref);
	else if (sig->kind == ACT_SIG_TIMER && sig->ptr == &l->ready_timer)
		on_ready(l);
	else if (sig->kind == ACT_SIG_TIMER)
		on_sweep(l);
	settle(l);
	return ACT_OK;
}

static void init_tables(struct limiter *l, uint64_t seed)
{
	table_init(&l->named, seed);
	table_init(&l->own, seed);
	table_init(&l->jobs, seed);
	table_init(&l->routes, seed);
	table_init(&l->lanes, seed);
	table_init(&l->saved, seed);
	list_init(&l->keys_by_use);
	list_init(&l->routes_by_use);
	list_init(&l->lost);
	list_init(&l->early);
	list_init(&l->dirty);
	list_init(&l->saving);
	heap_init(&l->ready, ready_before);
}

static int init(act_self *self, void *state, const void *arg)
{
	const struct limiter_opts *o = arg;
	struct limiter *l = calloc(1, sizeof(*l));
	struct rules *rules = o->rules != NULL ? rules_ref(o->rules) : rules_none();
	if (l == NULL || rules == NULL) {
		free(l);
		rules_unref(rules);
		return ACT_ENOMEM;
	}
	*(struct limiter **)state = l;
	l->self = self;
	l->id = act_whoami(self);
	l->now_ns = act_now_ns(self);
	l->clock = o->clock;
	l->log = o->log;
	l->seed = o->seed;
	l->boot_id = o->boot_id;
	l->max_keys = o->max_keys != 0 ? o->max_keys : LIMIT_NAMED_KEYS_MAX;
	l->connections = o->connections;
	l->rules = rules;
	l->next_number = 1ULL << 62; /* the front ones come before */
	rng_seed(&l->rng, o->seed);
	init_tables(l, o->seed);
	l->store = o->store;
	l->is_loading = o->store != 0;
	if (l->is_loading)
		limit_store_load(l);
	settle(l);
	return ACT_OK;
}

static void free_waiting(struct limiter *l)
{
	TABLE_EACH (it, &l->lanes) {
		struct limit_lane *lane = it->value;
		for (uint32_t n = lane->n; n > 0; n--) {
			struct limit_ticket *t = limit_lane_head(lane);
			limit_line_remove(l, t);
			limit_keys_drop(l, t);
			limit_ticket_free(t);
		}
	}
	for (struct link *it; (it = list_pop_front(&l->early)) != NULL;)
		limit_ticket_free(LIST_ENTRY(it, struct limit_ticket, link));
}

static void fini(act_self *self, void *state, int why)
{
	struct limiter *l = *(struct limiter **)state;
	(void)why;
	if (l == NULL)
		return;
	l->self = self;
	l->store = 0;
	act_timer_clear(self, &l->ready_timer);
	act_timer_clear(self, &l->sweep_timer);
	free_waiting(l);
	for (struct link *it; (it = list_pop_front(&l->lost)) != NULL; l->n_granted--) {
		limit_keys_drop(l, LIST_ENTRY(it, struct limit_ticket, link));
		limit_ticket_free(LIST_ENTRY(it, struct limit_ticket, link));
	}
	limit_store_fini(l);
	limit_keys_fini(l);
	rules_unref(l->rules);
	heap_fini(&l->ready);
	free(l->by_token);
	l->is_closed = true;
	if (l->n_granted == 0)
		free(l);
}

static void dump(struct bytes *out, const void *state)
{
	const struct limiter *l = *(struct limiter *const *)state;
	bytes_printf(out, "\"keys\":%u,\"jobs\":%u,\"waiting\":%u,\"granted\":%u",
		     (unsigned)table_count(&l->named), (unsigned)table_count(&l->jobs),
		     (unsigned)l->n_by_token, (unsigned)l->n_granted);
}

static const act_class limiter_class = {
	.name = "limiter",
	.state_size = sizeof(struct limiter *),
	.flags = ACT_CLASS_WANTS_ASK_GONE,
	.init = init,
	.on_msg = on_msg,
	.on_signal = on_signal,
	.fini = fini,
	.dump = dump,
};

act_id limiter_spawn(act_self *parent, const struct limiter_opts *opts)
{
	struct act_opts o = {.name = "limiter", .cap = MAILBOX, .high = true};
	return act_spawn(parent, &limiter_class, opts, &o);
}
