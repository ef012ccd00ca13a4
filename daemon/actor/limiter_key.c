/*
 * limiter_key -- one key: whether it can give, what is taken, what comes back.
 */
#include "actor/limiter_state.h"

#include <string.h>

#define JITTER_MOST_NS (5 * NS_PER_S)

uint32_t limit_key_concurrency(const struct limit_key *k)
{
	if (k->limits.concurrency == 0)
		return 0;
	return k->limits.adaptive ? adapt_limit(&k->adapt) : k->limits.concurrency;
}

/* How long after its grant a token may be used: one interval, at most a second for quotas. */
static int64_t quota_slack(struct rate r)
{
	int64_t interval = gcra_interval_ns(r);
	return interval < NS_PER_S ? interval : NS_PER_S;
}

static bool is_paced(const struct limit_key *k)
{
	return k->limits.rate.n > 0;
}

/* How much lateness of the timer a waiting request is spared. */
static int64_t lateness(const struct limit_key *k)
{
	return k->pace.interval_ns / 4 * 3;
}

struct refusal {
	enum limit_why why;
	int64_t until_ns;
};

static bool has_room(struct limiter *l, struct limit_key *k, struct refusal *r)
{
	if (l->now_ns < k->blocked_ns) {
		*r = (struct refusal){LIMIT_WHY_BLOCKED, k->blocked_ns};
		return false;
	}
	if (k->must_probe && k->probes > 0) {
		*r = (struct refusal){LIMIT_WHY_BLOCKED, 0};
		return false;
	}
	if (circuit_state_at(&k->circuit, l->now_ns) == CIRCUIT_PROBING) {
		*r = (struct refusal){LIMIT_WHY_CIRCUIT, 0};
		return false;
	}
	uint32_t most = limit_key_concurrency(k);
	if (most != 0 && k->held >= most) {
		*r = (struct refusal){LIMIT_WHY_CONCURRENCY, 0};
		return false;
	}
	return true;
}

static bool has_tokens(struct limiter *l, struct limit_key *k, uint32_t cost, struct refusal *r)
{
	int64_t ready = is_paced(k) ? gcra_ready_ns(&k->pace, cost) : l->now_ns;
	if (ready > l->now_ns) {
		*r = (struct refusal){LIMIT_WHY_RATE, ready};
		return false;
	}
	for (uint32_t i = 0; i < k->n_quota; i++) {
		ready = quota_ready_ns(&k->quota[i], l->now_ns, cost);
		if (ready > l->now_ns) {
			*r = (struct refusal){LIMIT_WHY_QUOTA, ready};
			return false;
		}
	}
	if (!k->persists)
		return true;
	bool in_time =
		!is_paced(k) || gcra_tat_after(&k->pace, l->now_ns, cost, 0) <= k->horizon_ns;
	if (in_time && (k->n_quota == 0 || k->quota_credit >= (int64_t)cost))
		return true;
	k->want_cost = cost;
	limit_store_want(l, k, true);
	*r = (struct refusal){LIMIT_WHY_STORE, 0};
	return false;
}

bool limit_key_gives(struct limiter *l, struct limit_key *k, uint32_t cost, enum limit_why *ret_why,
		     int64_t *ret_until_ns)
{
	struct refusal r;
	if (has_room(l, k, &r) && has_tokens(l, k, cost, &r))
		return true;
	*ret_why = r.why;
	*ret_until_ns = r.until_ns;
	return false;
}

void limit_key_take(struct limiter *l, struct limit_use_of *u, bool is_late)
{
	struct limit_key *k = u->key;
	k->held++;
	u->was_probe = circuit_pass(&k->circuit, l->now_ns);
	u->was_block_probe = k->must_probe;
	if (u->was_block_probe)
		k->probes++;
	if (is_paced(k)) {
		gcra_take(&k->pace, l->now_ns, u->cost, is_late ? lateness(k) : 0);
		u->tat_after_ns = k->pace.tat_ns;
		/* the next commit before the horizon is reached, if tokens come fast */
		if (k->persists && k->pace.interval_ns < LIMIT_HORIZON_NS / 2 &&
		    k->horizon_ns - k->pace.tat_ns < LIMIT_HORIZON_NS / 2)
			limit_store_want(l, k, false);
	}
	for (uint32_t i = 0; i < k->n_quota; i++)
		quota_take(&k->quota[i], l->now_ns, u->cost);
	if (k->n_quota > 0 && k->persists)
		k->quota_credit -= u->cost;
}

int64_t limit_key_use_before(const struct limiter *l, const struct limit_use_of *u)
{
	const struct limit_key *k = u->key;
	int64_t before = INT64_MAX;
	if (is_paced(k)) {
		/* its ideal time is now, or a little earlier if the timer was late */
		int64_t ideal = u->tat_after_ns - (int64_t)u->cost * k->pace.interval_ns;
		before = (ideal < l->now_ns ? ideal : l->now_ns) + k->pace.interval_ns;
	}
	for (uint32_t i = 0; i < k->n_quota; i++) {
		int64_t end = l->now_ns + quota_slack(k->limits.quota[i]);
		before = end < before ? end : before;
	}
	return before;
}

static void note_result(struct limiter *l, struct limit_key *k, const struct limit_use_of *u,
			const struct limit_outcome *o)
{
	bool is_overload = o->status == 429 || o->status == 503;
	enum circuit_result r = o->use == LIMIT_UNUSED ? CIRCUIT_UNUSED
				: o->failed	       ? CIRCUIT_FAILED
						       : CIRCUIT_OK;
	if (circuit_ended(&k->circuit, u->was_probe, r, l->now_ns))
		log_warn(l->log, "limit.circuit_open", kv_s("key", k->name),
			 kv_i("ms", k->limits.circuit_open_ns / NS_PER_MS));
	if (u->was_block_probe) {
		k->probes--;
		if (o->use == LIMIT_USED && !is_overload)
			k->must_probe = false;
	}
	if (!k->limits.adaptive || o->use == LIMIT_UNUSED)
		return;
	if (is_overload || o->failed)
		adapt_overloaded(&k->adapt, l->now_ns);
	else
		adapt_succeeded(&k->adapt);
}

void limit_key_give_back(struct limiter *l, struct limit_use_of *u, int64_t granted_ns,
			 const struct limit_outcome *o)
{
	struct limit_key *k = u->key;
	k->held--;
	k->used_ns = l->now_ns;
	if (o->use == LIMIT_UNUSED) {
		if (is_paced(k))
			gcra_untake(&k->pace, u->tat_after_ns, u->cost);
		for (uint32_t i = 0; i < k->n_quota; i++)
			quota_untake(&k->quota[i], granted_ns, u->cost);
	}
	note_result(l, k, u, o);
}

void limit_key_block(struct limiter *l, struct limit_key *k, int64_t retry_after_ms)
{
	int64_t most = k->limits.max_retry_after_ns;
	bool is_cut = retry_after_ms > most / NS_PER_MS;
	int64_t after = is_cut ? most : retry_after_ms * NS_PER_MS;
	int64_t until = l->now_ns + after;
	k->must_probe = k->must_probe || is_cut;
	if (l->now_ns < k->blocked_ns) {
		/* one event per window: a later answer can only lengthen it */
		k->blocked_ns = until > k->blocked_ns ? until : k->blocked_ns;
		return;
	}
	int64_t jitter = after / 10 < JITTER_MOST_NS ? after / 10 : JITTER_MOST_NS;
	if (jitter > 0)
		until += (int64_t)rng_below(&l->rng, (uint64_t)jitter + 1);
	k->blocked_ns = until;
	if (k->persists)
		limit_store_want(l, k, false);
	log_info(l->log, "limit.blocked", kv_s("key", k->name),
		 kv_i("ms", (until - l->now_ns) / NS_PER_MS));
}

static enum err apply_quotas(struct limit_key *k, const struct limits *limits)
{
	for (uint32_t i = limits->n_quota; i < k->n_quota; i++)
		quota_fini(&k->quota[i]);
	if (k->n_quota > limits->n_quota)
		k->n_quota = limits->n_quota;
	for (uint32_t i = 0; i < limits->n_quota; i++) {
		int64_t slack = quota_slack(limits->quota[i]);
		if (i < k->n_quota) {
			quota_change(&k->quota[i], limits->quota[i], slack);
			continue;
		}
		enum err e = quota_init(&k->quota[i], limits->quota[i], slack);
		if (e != ERR_OK)
			return e;
		k->n_quota++;
	}
	return ERR_OK;
}

enum err limit_key_apply(struct limiter *l, struct limit_key *k, const struct limits *limits)
{
	enum err e = apply_quotas(k, limits);
	if (e != ERR_OK)
		return e;
	if (limits->rate.n > 0 && is_paced(k))
		gcra_change(&k->pace, limits->rate, limits->burst, l->now_ns);
	else if (limits->rate.n > 0)
		gcra_init(&k->pace, limits->rate, limits->burst, l->now_ns);
	if (!k->limits.adaptive || k->limits.concurrency != limits->concurrency)
		adapt_init(&k->adapt, limits->concurrency);
	if (k->limits.retry_budget != limits->retry_budget || k->rule == NULL)
		retry_budget_init(&k->budget, limits->retry_budget);
	k->circuit.failures = limits->circuit_failures;
	k->circuit.open_ns = limits->circuit_open_ns;
	k->limits = *limits;
	return ERR_OK;
}

bool limit_key_is_fresh(struct limiter *l, struct limit_key *k)
{
	if (l->now_ns < k->blocked_ns || k->must_probe ||
	    (is_paced(k) && k->pace.tat_ns > l->now_ns) || k->circuit.state != CIRCUIT_CLOSED)
		return false;
	for (uint32_t i = 0; i < k->n_quota; i++) {
		if (quota_left(&k->quota[i], l->now_ns) < k->limits.quota[i].n)
			return false;
	}
	return true;
}
