/*
 * limiter_store -- what the store must remember of keys, so that no kill refills a bucket.
 *
 * A row says how far tat may go (the horizon) and how many tokens of quotas may be taken beyond
 * those listed; only after its commit may they be. A start takes the horizon for tat and the
 * listed and allowed tokens as taken. One commit is under way at a time and carries every key that
 * wants one. Times in rows are wall time; `learned` holds the offset to the running clock and the
 * number of the boot, so that within one boot a jump of the wall clock does not matter.
 */
#include "actor/limiter_state.h"

#include "actor/store.h"
#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_KEYS 512u

static int64_t offset_now(const struct limiter *l)
{
	return clock_wall_ns(l->clock) - l->now_ns;
}

/* ---- loading ---- */

void limit_store_load(struct limiter *l)
{
	struct store_query q = {.kind = STORE_Q_KEYS};
	const char *last = NULL;
	TABLE_EACH (it, &l->saved)
		last = it->key;
	if (last != NULL) {
		q.text = slice_of(last);
		q.has_after = true;
	}
	struct store_reading *r = store_reading_new(&q);
	if (r != NULL && act_send_buf(l->self, l->store, STORE_READ, r, sizeof(*r),
				      store_reading_drop) != ACT_OK)
		store_reading_drop(r); /* the sweep tries again */
}

/* "boot=HEX offset=NS probe=0": the offset by which the row's times become ours. */
static int64_t row_offset(const struct limiter *l, struct slice learned)
{
	char text[128];
	uint64_t boot;
	int64_t offset;
	if (learned.n >= sizeof(text))
		return offset_now(l);
	memcpy(text, learned.p, learned.n);
	text[learned.n] = '\0';
	if (sscanf(text, "boot=%" SCNx64 " offset=%" SCNd64, &boot, &offset) != 2 ||
	    boot != l->boot_id)
		return offset_now(l);
	return offset;
}

static void keep_row(struct limiter *l, const struct store_key *row)
{
	struct saved_key *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return;
	int64_t offset = row_offset(l, row->learned);
	s->tat_ns = row->horizon_ns - offset;
	s->blocked_ns = row->blocked_until_ns != 0 ? row->blocked_until_ns - offset : 0;
	s->offset_ns = offset;
	if (row->quota.n > 0) {
		s->quota = malloc(row->quota.n);
		if (s->quota != NULL) {
			memcpy(s->quota, row->quota.p, row->quota.n);
			s->quota_n = row->quota.n;
		}
	}
	void *old = NULL;
	if (table_put(&l->saved, row->name, s, &old) != ERR_OK)
		old = s;
	if (old != NULL) {
		free(((struct saved_key *)old)->quota);
		free(old);
	}
}

void limit_store_rows(struct limiter *l, act_msg *m)
{
	struct store_reading *r = m->buf.ptr;
	if (r->result != ERR_OK && r->result != ERR_NOT_FOUND) {
		log_error(l->log, "limit.load", kv_s("error", err_text(r->result)));
		return; /* asks go on waiting: unlimited would be worse; the sweep tries again */
	}
	for (uint32_t i = 0; i < r->rows.n; i++)
		keep_row(l, &r->rows.row[i].key);
	if (r->rows.more)
		limit_store_load(l);
	else
		l->is_loading = false;
}

/* ---- a new key that there was before ---- */

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* "entries|entries|+credit" */
static void recall_quotas(struct limiter *l, struct limit_key *k, const struct saved_key *s)
{
	struct slice rest = {s->quota, s->quota_n};
	for (uint32_t i = 0; i < k->n_quota; i++) {
		const char *bar = rest.n > 0 ? memchr(rest.p, '|', rest.n) : NULL;
		if (bar == NULL)
			return;
		struct slice one = {rest.p, (size_t)(bar - rest.p)};
		quota_load(&k->quota[i], one, s->offset_ns, l->now_ns);
		rest = (struct slice){bar + 1, rest.n - one.n - 1};
	}
	const char *plus = rest.n > 0 ? memrchr(rest.p, '+', rest.n) : NULL;
	char number[24];
	size_t n = plus != NULL ? rest.n - (size_t)(plus - rest.p) - 1 : sizeof(number);
	if (n >= sizeof(number))
		return;
	memcpy(number, plus + 1, n);
	number[n] = '\0';
	int64_t credit = strtoll(number, NULL, 10);
	for (uint32_t i = 0; i < k->n_quota && credit > 0; i++)
		quota_take(&k->quota[i], l->now_ns, credit);
}

void limit_store_recall(struct limiter *l, struct limit_key *k)
{
	struct saved_key *s = table_remove(&l->saved, (struct slice){k->name, k->name_n});
	if (s == NULL)
		return;
	k->is_saved = true;
	if (k->limits.rate.n > 0) {
		/* no further ahead than it can have been, whatever the clocks say */
		int64_t most = k->pace.interval_ns * k->pace.burst +
			       max64(LIMIT_HORIZON_NS, k->pace.interval_ns);
		k->pace.tat_ns = max64(l->now_ns, min64(s->tat_ns, l->now_ns + most));
		k->horizon_ns = k->pace.tat_ns;
	}
	k->blocked_ns = min64(s->blocked_ns, l->now_ns + k->limits.max_retry_after_ns / 10 * 11);
	recall_quotas(l, k, s);
	free(s->quota);
	free(s);
}

void limit_store_forget(struct limiter *l, const char *gone)
{
	if (l->store == 0)
		return;
	if (l->n_forget == l->cap_forget) {
		uint32_t cap = l->cap_forget == 0 ? 16 : l->cap_forget * 2;
		char **grown = realloc(l->forget, cap * sizeof(*grown));
		if (grown == NULL)
			return; /* the row stays, and is harmless */
		l->forget = grown;
		l->cap_forget = cap;
	}
	char *name = strdup(gone);
	if (name != NULL)
		l->forget[l->n_forget++] = name;
}

void limit_store_forget_saved(struct limiter *l, const char *name)
{
	struct saved_key *s = table_remove(&l->saved, slice_of(name));
	if (s == NULL)
		return;
	free(s->quota);
	free(s);
	limit_store_forget(l, name);
}

/* ---- committing ---- */

void limit_store_want(struct limiter *l, struct limit_key *k, bool is_urgent)
{
	k->is_urgent = k->is_urgent || is_urgent;
	if (k->is_dirty)
		return;
	k->is_dirty = true;
	if (!k->is_saving)
		list_push_back(&l->dirty, &k->dirty);
}

bool limit_store_is_behind(const struct limiter *l)
{
	return l->store != 0 && (l->is_loading || l->n_forget > 0 || !list_empty(&l->dirty));
}

/*
 * How far it may go once this is committed: half a second of its rate, or one token. That token is
 * taken when the commit has been answered: without room for as long as commits take, its turn
 * would end behind the horizon, and another commit would begin, for ever.
 */
static void plan(struct limiter *l, struct limit_key *k)
{
	int64_t cost = max64(1, k->want_cost);
	k->next_horizon_ns = k->horizon_ns;
	if (k->limits.rate.n > 0) {
		int64_t base = max64(l->now_ns, k->pace.tat_ns);
		int64_t then = l->now_ns + 2 * l->commit_took_ns;
		int64_t next = gcra_tat_after(&k->pace, then, cost, 0);
		if (k->pace.interval_ns < LIMIT_HORIZON_NS)
			next = max64(next, base + LIMIT_HORIZON_NS);
		k->next_horizon_ns = max64(k->horizon_ns, next);
	}
	int64_t credit = INT64_MAX;
	for (uint32_t i = 0; i < k->n_quota; i++) {
		struct rate r = k->limits.quota[i];
		double half = (double)r.n * (double)LIMIT_HORIZON_NS / (double)r.per_ns;
		credit = min64(credit, (int64_t)half);
	}
	k->credit_then = k->quota_credit;
	k->next_credit = k->n_quota == 0 ? 0 : max64(max64(cost, credit), k->credit_then);
}

static enum err put_key(struct limiter *l, struct store_batch *b, struct limit_key *k)
{
	struct store_op *op = store_batch_add(b, STORE_KEY_PUT);
	struct bytes quota = BYTES_LIMIT(16384);
	char learned[96];
	int64_t offset = offset_now(l);
	if (op == NULL)
		return ERR_NOMEM;
	plan(l, k);
	op->key.tat_ns = k->limits.rate.n > 0 ? k->pace.tat_ns + offset : 0;
	op->key.horizon_ns = k->limits.rate.n > 0 ? k->next_horizon_ns + offset : 0;
	op->key.blocked_until_ns = k->blocked_ns > l->now_ns ? k->blocked_ns + offset : 0;
	for (uint32_t i = 0; i < k->n_quota; i++) {
		quota_save(&k->quota[i], offset, &quota);
		bytes_add_byte(&quota, '|');
	}
	if (k->n_quota > 0)
		bytes_printf(&quota, "+%" PRId64, k->next_credit);
	int n = snprintf(learned, sizeof(learned), "boot=%016" PRIx64 " offset=%" PRId64,
			 l->boot_id, offset);
	enum err e = quota.err;
	if (e == ERR_OK)
		e = store_batch_copy(b, (struct slice){k->name, k->name_n}, &op->key.name);
	if (e == ERR_OK)
		e = store_batch_copy(b, bytes_slice(&quota), &op->key.quota);
	if (e == ERR_OK)
		e = store_batch_copy(b, (struct slice){learned, (size_t)n}, &op->key.learned);
	bytes_fini(&quota);
	return e;
}

static enum err drop_rows(struct limiter *l, struct store_batch *b)
{
	for (uint32_t i = 0; i < l->n_forget && i < COMMIT_KEYS; i++) {
		struct store_op *op = store_batch_add(b, STORE_KEY_DROP);
		if (op == NULL)
			return ERR_NOMEM;
		enum err e = store_batch_copy(b, slice_of(l->forget[i]), &op->counter.name);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static struct store_batch *make_batch(struct limiter *l)
{
	struct store_batch *b = store_batch_new();
	enum err e = b != NULL ? drop_rows(l, b) : ERR_NOMEM;
	uint32_t n = 0;
	LIST_EACH (it, &l->dirty) {
		struct limit_key *k = LIST_ENTRY(it, struct limit_key, dirty);
		if (e != ERR_OK || ++n > COMMIT_KEYS)
			break;
		e = put_key(l, b, k);
		b->is_urgent = b->is_urgent || k->is_urgent;
	}
	if (e == ERR_OK)
		return b;
	store_batch_free(b);
	return NULL;
}

/* The keys of the batch that was sent are being saved. */
static void move_to_saving(struct limiter *l)
{
	uint32_t n = l->n_forget < COMMIT_KEYS ? l->n_forget : COMMIT_KEYS;
	for (uint32_t i = 0; i < n; i++)
		free(l->forget[i]);
	if (l->n_forget > n)
		memmove(l->forget, l->forget + n, (l->n_forget - n) * sizeof(*l->forget));
	l->n_forget -= n;
	struct link *it;
	for (n = 0; n < COMMIT_KEYS && (it = list_pop_front(&l->dirty)) != NULL; n++) {
		struct limit_key *k = LIST_ENTRY(it, struct limit_key, dirty);
		k->is_dirty = k->is_urgent = false;
		k->is_saving = true;
		k->refs++;
		list_push_back(&l->saving, &k->dirty);
	}
}

void limit_store_flush(struct limiter *l)
{
	if (l->store == 0 || l->is_committing || l->is_loading ||
	    (list_empty(&l->dirty) && l->n_forget == 0))
		return;
	struct store_batch *b = make_batch(l);
	if (b == NULL)
		return; /* the sweep tries again */
	if (act_send_buf(l->self, l->store, STORE_APPLY, b, sizeof(*b), store_batch_drop) !=
	    ACT_OK) {
		store_batch_free(b);
		return;
	}
	l->is_committing = true;
	l->commit_began_ns = l->now_ns;
	if (l->n_forget > 0 || !list_empty(&l->dirty))
		move_to_saving(l);
}

void limit_store_committed(struct limiter *l, act_msg *m,
			   void (*woken)(struct limiter *l, struct limit_key *k))
{
	const struct store_batch *b = m->buf.ptr;
	enum err result = b->result;
	l->is_committing = false;
	l->commit_took_ns = l->now_ns - l->commit_began_ns;
	if (result != ERR_OK)
		log_error(l->log, "limit.commit", kv_s("error", err_text(result)));
	for (struct link *it; (it = list_pop_front(&l->saving)) != NULL;) {
		struct limit_key *k = LIST_ENTRY(it, struct limit_key, dirty);
		k->is_saving = false;
		if (result == ERR_OK) {
			k->is_saved = true;
			k->horizon_ns = max64(k->horizon_ns, k->next_horizon_ns);
			k->quota_credit = k->next_credit - (k->credit_then - k->quota_credit);
		}
		if (k->is_dirty || (result != ERR_OK && k->n_waiting > 0)) {
			k->is_dirty = true;
			list_push_back(&l->dirty, &k->dirty);
		}
		if (result == ERR_OK)
			woken(l, k);
		limit_key_unref(l, k);
	}
}

void limit_store_fini(struct limiter *l)
{
	for (struct link *it; (it = list_pop_front(&l->saving)) != NULL;)
		limit_key_unref(l, LIST_ENTRY(it, struct limit_key, dirty));
	TABLE_EACH (it, &l->saved) {
		free(((struct saved_key *)it->value)->quota);
		free(it->value);
	}
	table_fini(&l->saved);
	for (uint32_t i = 0; i < l->n_forget; i++)
		free(l->forget[i]);
	free(l->forget);
}
