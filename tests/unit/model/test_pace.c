/* What paces: gcra, quota, circuit, adapt, the retry budget. */
#include "base/rng.h"
#include "model/adapt.h"
#include "model/circuit.h"
#include "model/gcra.h"
#include "model/quota.h"

#include <check.h>
#include <stdlib.h>

#define SECOND 1000000000LL

/* Most arrivals in any window [t, t + len), by looking at each as the first. */
static int64_t most_in_window(const int64_t *at, size_t n, int64_t len)
{
	int64_t most = 0;
	size_t last = 0;
	for (size_t first = 0; first < n; first++) {
		while (last < n && at[last] - at[first] < len)
			last++;
		if ((int64_t)(last - first) > most)
			most = (int64_t)(last - first);
	}
	return most;
}

enum { STEPS = 100000 };

static void check_windows(const int64_t *at, size_t n, struct rate rate, int64_t burst)
{
	int64_t interval = gcra_interval_ns(rate);
	for (int64_t len = interval / 2; len < interval * 4000; len = len * 3 + 1) {
		/* burst + rate * window; the window is half open */
		int64_t allowed = burst + len / interval + (len % interval != 0) - 1;
		ck_assert_int_le(most_in_window(at, n, len), allowed > burst ? allowed : burst);
	}
}

static const struct {
	struct rate rate;
	int64_t burst;
} paces[] = {
	{{3, SECOND}, 1},	   {{3, SECOND}, 3},
	{{500, SECOND}, 1},	   {{500, SECOND}, 50},
	{{1, 10 * SECOND}, 2},	   {{7, SECOND}, 5},
	{{1000000, SECOND}, 1},	   {{1000, 3600 * SECOND}, 10},
	{{2000000000, SECOND}, 1},
};

START_TEST(no_window_has_more_than_burst_and_rate)
{
	static int64_t at[STEPS];
	struct rng rng;
	rng_seed(&rng, (uint64_t)_i + 1);
	struct gcra g;
	int64_t now = 5, n = 0;
	gcra_init(&g, paces[_i].rate, paces[_i].burst, now);
	for (int i = 0; i < STEPS; i++) {
		uint64_t kind = rng_below(&rng, 10);
		if (kind == 0)
			now += (int64_t)rng_below(&rng, (uint64_t)g.interval_ns * 10);
		else if (kind < 5)
			now += (int64_t)rng_below(&rng, (uint64_t)g.interval_ns + 1);
		int64_t ready = gcra_ready_ns(&g, 1);
		if (ready > now && kind >= 8)
			now = ready;
		if (ready > now)
			continue;
		gcra_take(&g, now, 1, 0);
		at[n++] = now;
	}
	ck_assert_int_gt(n, 1000);
	check_windows(at, (size_t)n, paces[_i].rate, paces[_i].burst);
}
END_TEST

START_TEST(backlogged_it_keeps_the_rate)
{
	struct gcra g;
	int64_t now = 0;
	gcra_init(&g, paces[_i].rate, paces[_i].burst, now);
	for (int i = 0; i < 10000; i++) {
		int64_t ready = gcra_ready_ns(&g, 1);
		now = ready > now ? ready : now;
		gcra_take(&g, now, 1, 0);
	}
	double want = (double)(10000 - paces[_i].burst) * (double)paces[_i].rate.per_ns /
		      (double)paces[_i].rate.n;
	double floor = (double)(10000 - paces[_i].burst); /* 10^9/s is the most */
	want = want < floor ? floor : want;
	ck_assert_double_ge((double)now, want * 0.999);
	ck_assert_double_le((double)now, want * 1.001);
}
END_TEST

/* A timer that is late by up to three quarters of an interval costs no rate, and at most one. */
START_TEST(lateness_is_made_up_within_one_more)
{
	static int64_t at[STEPS];
	struct rng rng;
	rng_seed(&rng, (uint64_t)_i + 9);
	struct gcra g;
	int64_t now = 0;
	gcra_init(&g, paces[_i].rate, paces[_i].burst, now);
	int64_t late = g.interval_ns * 3 / 4;
	for (int i = 0; i < STEPS; i++) {
		int64_t ready = gcra_ready_ns(&g, 1) + (int64_t)rng_below(&rng, (uint64_t)late + 1);
		now = ready > now ? ready : now;
		gcra_take(&g, now, 1, late);
		at[i] = now;
	}
	check_windows(at, STEPS, paces[_i].rate, paces[_i].burst + 1);
	double want = (double)(STEPS - paces[_i].burst) * (double)g.interval_ns;
	ck_assert_double_le((double)now, want * 1.001);
}
END_TEST

START_TEST(a_cost_above_the_burst_waits_for_a_full_bucket)
{
	struct gcra g;
	gcra_init(&g, (struct rate){1, SECOND}, 2, 0);
	gcra_take(&g, 0, 1, 0);
	ck_assert_int_eq(gcra_ready_ns(&g, 5), SECOND);
	gcra_take(&g, SECOND, 5, 0);
	ck_assert_int_eq(gcra_ready_ns(&g, 1), 5 * SECOND);
}
END_TEST

START_TEST(only_the_latest_take_can_be_given_back)
{
	struct gcra g;
	gcra_init(&g, (struct rate){1, SECOND}, 1, 0);
	gcra_take(&g, 0, 1, 0);
	int64_t first = g.tat_ns;
	ck_assert(gcra_untake(&g, first, 1));
	ck_assert_int_eq(gcra_ready_ns(&g, 1), 0);
	gcra_take(&g, 0, 1, 0);
	gcra_take(&g, SECOND, 1, 0);
	ck_assert(!gcra_untake(&g, first, 1));
}
END_TEST

START_TEST(another_rate_keeps_what_is_owed)
{
	struct gcra g;
	gcra_init(&g, (struct rate){1, SECOND}, 1, 0);
	gcra_take(&g, 0, 4, 0);
	gcra_change(&g, (struct rate){10, SECOND}, 1, 0);
	ck_assert_int_ge(gcra_ready_ns(&g, 1), 4 * SECOND / 10);
	ck_assert_int_le(gcra_ready_ns(&g, 1), 4 * SECOND / 10 + 1);
}
END_TEST

static const struct rate quotas[] = {
	{1, SECOND},	{5, SECOND},	{100, SECOND},
	{1000, SECOND}, {5000, SECOND}, {100000, 86400 * SECOND},
};

START_TEST(no_window_has_more_than_the_quota)
{
	static int64_t at[STEPS];
	struct rng rng;
	rng_seed(&rng, (uint64_t)_i + 77);
	struct quota q;
	ck_assert_int_eq(quota_init(&q, quotas[_i], 0), ERR_OK);
	int64_t now = 0, n = 0;
	uint64_t step = (uint64_t)(quotas[_i].per_ns / quotas[_i].n);
	for (int i = 0; i < STEPS; i++) {
		if (rng_below(&rng, 4) == 0)
			now += (int64_t)rng_below(&rng, step * 2 + 1);
		int64_t ready = quota_ready_ns(&q, now, 1);
		if (ready > now && rng_below(&rng, 3) == 0) {
			ck_assert_int_gt(quota_ready_ns(&q, ready - 1, 1), ready - 1);
			now = ready;
		}
		if (quota_ready_ns(&q, now, 1) > now)
			continue;
		quota_take(&q, now, 1);
		at[n++] = now;
	}
	ck_assert_int_gt(n, 100);
	ck_assert_int_le(most_in_window(at, (size_t)n, quotas[_i].per_ns), quotas[_i].n);
	ck_assert_uint_le(q.cap, QUOTA_GROUPS * 4);
	quota_fini(&q);
}
END_TEST

/* Against a plain log, where the quota is small enough to be exact. */
START_TEST(a_small_quota_is_exact)
{
	struct rng rng;
	rng_seed(&rng, 5);
	struct quota q;
	ck_assert_int_eq(quota_init(&q, (struct rate){7, 100}, 0), ERR_OK);
	int64_t log[7], now = 0;
	uint64_t n = 0;
	for (int i = 0; i < STEPS; i++) {
		now += (int64_t)rng_below(&rng, 20);
		bool want = n < 7 || log[n % 7] + 100 <= now;
		ck_assert_int_eq(quota_ready_ns(&q, now, 1) <= now, want);
		if (want) {
			quota_take(&q, now, 1);
			log[n++ % 7] = now;
		}
	}
	quota_fini(&q);
}
END_TEST

START_TEST(a_saved_quota_gives_no_more_than_the_one_it_was)
{
	struct quota q, r;
	struct bytes text = {0};
	ck_assert_int_eq(quota_init(&q, (struct rate){1000, SECOND}, 0), ERR_OK);
	ck_assert_int_eq(quota_init(&r, (struct rate){1000, SECOND}, 0), ERR_OK);
	for (int i = 0; i < 700; i++)
		quota_take(&q, i * 1000, 1);
	quota_save(&q, 5000, &text);
	ck_assert_uint_le(text.n, QUOTA_SAVED_GROUPS * 40);
	ck_assert_int_eq(quota_load(&r, bytes_slice(&text), 5000, 700000), ERR_OK);
	for (int64_t now = 700000; now < 2 * SECOND; now += SECOND / 10000)
		ck_assert_int_le(quota_left(&r, now), quota_left(&q, now));
	ck_assert_int_eq(quota_left(&r, 2 * SECOND), 1000);
	ck_assert_int_eq(quota_load(&r, SLICE_LIT("12:x "), 0, 0), ERR_INVALID);
	ck_assert_int_eq(quota_left(&r, 0), 0);
	bytes_fini(&text);
	quota_fini(&q);
	quota_fini(&r);
}
END_TEST

START_TEST(failures_in_a_row_open_the_circuit_and_a_probe_closes_it)
{
	struct circuit c = {.failures = 3, .open_ns = 10};
	circuit_ended(&c, false, CIRCUIT_FAILED, 0);
	circuit_ended(&c, false, CIRCUIT_FAILED, 0);
	circuit_ended(&c, false, CIRCUIT_OK, 0);
	circuit_ended(&c, false, CIRCUIT_FAILED, 0);
	circuit_ended(&c, false, CIRCUIT_FAILED, 0);
	ck_assert_int_eq(circuit_state_at(&c, 0), CIRCUIT_CLOSED);
	ck_assert(circuit_ended(&c, false, CIRCUIT_FAILED, 5));
	ck_assert_int_eq(circuit_state_at(&c, 14), CIRCUIT_OPEN);
	ck_assert_int_eq(circuit_state_at(&c, 15), CIRCUIT_CLOSED);
	ck_assert(circuit_pass(&c, 15));
	ck_assert_int_eq(circuit_state_at(&c, 15), CIRCUIT_PROBING);
	circuit_ended(&c, false, CIRCUIT_OK, 16); /* a straggler says nothing */
	ck_assert_int_eq(circuit_state_at(&c, 16), CIRCUIT_PROBING);
	ck_assert(circuit_ended(&c, true, CIRCUIT_FAILED, 20));
	ck_assert_int_eq(circuit_state_at(&c, 29), CIRCUIT_OPEN);
	ck_assert(circuit_pass(&c, 30));
	circuit_ended(&c, true, CIRCUIT_UNUSED, 31);
	ck_assert(circuit_pass(&c, 31));
	circuit_ended(&c, true, CIRCUIT_OK, 32);
	ck_assert_int_eq(circuit_state_at(&c, 32), CIRCUIT_CLOSED);
	ck_assert(!circuit_pass(&c, 32));
}
END_TEST

START_TEST(concurrency_halves_once_a_second_and_creeps_up)
{
	struct adapt a;
	adapt_init(&a, 16);
	adapt_overloaded(&a, 0);
	adapt_overloaded(&a, 5);
	ck_assert_uint_eq(adapt_limit(&a), 8);
	for (int i = 0; i < 8; i++)
		adapt_succeeded(&a);
	ck_assert_uint_ge(adapt_limit(&a), 8);
	ck_assert_uint_le(adapt_limit(&a), 9);
	for (int i = 0; i < 20; i++)
		adapt_overloaded(&a, SECOND * (i + 1));
	ck_assert_uint_eq(adapt_limit(&a), 1);
	for (int i = 0; i < 1000; i++)
		adapt_succeeded(&a);
	ck_assert_uint_eq(adapt_limit(&a), 16);
}
END_TEST

START_TEST(retries_are_paid_by_first_attempts)
{
	struct retry_budget b;
	retry_budget_init(&b, 0.1);
	for (int i = 0; i < 10; i++) {
		ck_assert(retry_budget_has(&b));
		retry_budget_spend(&b);
	}
	ck_assert(!retry_budget_has(&b));
	for (int i = 0; i < 10; i++)
		retry_budget_earn(&b);
	ck_assert(retry_budget_has(&b));
	retry_budget_init(&b, 0);
	ck_assert(retry_budget_has(&b));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pace");
	TCase *t = tcase_create("pace");
#define ROWS(x) (int)(sizeof(x) / sizeof((x)[0]))
	tcase_add_loop_test(t, no_window_has_more_than_burst_and_rate, 0, ROWS(paces));
	tcase_add_loop_test(t, backlogged_it_keeps_the_rate, 0, ROWS(paces));
	tcase_add_loop_test(t, lateness_is_made_up_within_one_more, 0, ROWS(paces));
	tcase_add_test(t, a_cost_above_the_burst_waits_for_a_full_bucket);
	tcase_add_test(t, only_the_latest_take_can_be_given_back);
	tcase_add_test(t, another_rate_keeps_what_is_owed);
	tcase_add_loop_test(t, no_window_has_more_than_the_quota, 0, ROWS(quotas));
	tcase_add_test(t, a_small_quota_is_exact);
	tcase_add_test(t, a_saved_quota_gives_no_more_than_the_one_it_was);
	tcase_add_test(t, failures_in_a_row_open_the_circuit_and_a_probe_closes_it);
	tcase_add_test(t, concurrency_halves_once_a_second_and_creeps_up);
	tcase_add_test(t, retries_are_paid_by_first_attempts);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
