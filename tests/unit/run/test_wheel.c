/* The timing wheel against a plain list, over small and large steps. */
#include "run/wheel.h"

#include "base/list.h"
#include "base/rng.h"
#include "tests/unit/run/world.h"

#include <stdlib.h>

enum { N = 500, ROUNDS = 2000 };

struct item {
	struct act_wheel_node node;
	int64_t at_ns; /* < 0: not armed */
};

static int64_t some_delay(struct rng *r)
{
	static const int64_t max[] = {NS_PER_MS / 2, 300 * NS_PER_MS, 70 * NS_PER_S,
				      20000 * NS_PER_S, 60 * 86400 * NS_PER_S};
	return (int64_t)rng_below(r, (uint64_t)max[rng_below(r, 5)] + 1);
}

static void fire_due(struct wheel *w, int64_t now)
{
	struct act_wheel_node *n;
	rt_wheel_advance(w, now);
	while ((n = rt_wheel_pop(w)) != NULL) {
		struct item *i = LIST_ENTRY(n, struct item, node);
		ck_assert_msg(i->at_ns >= 0, "fired though not armed");
		ck_assert_msg(i->at_ns <= now, "fired early");
		i->at_ns = -1;
	}
}

START_TEST(every_timer_fires_once_never_early_and_within_a_tick)
{
	static struct wheel w;
	static struct item item[N];
	struct rng r;
	rng_seed(&r, (uint64_t)_i + 1);
	int64_t now = 5000 * NS_PER_S + 123;
	rt_wheel_init(&w, now);
	for (int i = 0; i < N; i++)
		item[i] = (struct item){.at_ns = -1};
	for (int round = 0; round < ROUNDS; round++) {
		struct item *i = &item[rng_below(&r, N)];
		if (rng_below(&r, 4) == 0 || i->at_ns >= 0) {
			rt_wheel_remove(&w, &i->node);
			i->at_ns = -1;
		} else {
			i->at_ns = now + some_delay(&r);
			rt_wheel_add(&w, &i->node, i->at_ns);
		}
		int64_t first = INT64_MAX;
		for (int k = 0; k < N; k++)
			if (item[k].at_ns >= 0 && item[k].at_ns < first)
				first = item[k].at_ns;
		int64_t next = rt_wheel_next_ns(&w);
		ck_assert_msg(first == INT64_MAX || next <= first + WHEEL_TICK_NS,
			      "would wake too late");
		now += some_delay(&r) / 8;
		fire_due(&w, now);
		for (int k = 0; k < N; k++)
			ck_assert_msg(item[k].at_ns < 0 || item[k].at_ns + WHEEL_TICK_NS > now,
				      "late by more than a tick");
	}
}
END_TEST

START_TEST(an_idle_wheel_has_no_next)
{
	static struct wheel w;
	struct act_wheel_node n = {NULL, NULL, 0, 0};
	rt_wheel_init(&w, 0);
	ck_assert_int_eq(rt_wheel_next_ns(&w), INT64_MAX);
	rt_wheel_add(&w, &n, 3 * NS_PER_S);
	ck_assert_int_le(rt_wheel_next_ns(&w), 3 * NS_PER_S);
	rt_wheel_remove(&w, &n);
	rt_wheel_remove(&w, &n);
	ck_assert_int_eq(rt_wheel_next_ns(&w), INT64_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wheel");
	TCase *t = tcase_create("wheel");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, every_timer_fires_once_never_early_and_within_a_tick, 0, 8);
	tcase_add_test(t, an_idle_wheel_has_no_next);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
