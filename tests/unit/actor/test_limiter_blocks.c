/* What the limiter promises about servers that refuse: blocks, circuits, budgets. */
#include "tests/unit/actor/limit_world.h"

static struct limit_world lw;

static void open_with(const char *rules)
{
	limit_open(&lw, rules);
}

static uint32_t count_done(const struct client *c, uint32_t n)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < n; i++)
		done += c[i].is_done;
	return done;
}

START_TEST(a_retry_after_blocks_its_key_and_no_other)
{
	static struct client first, again[20], other;
	open_with("[{\"match\":{\"host\":\"a\"},\"key\":\"k\",\"concurrency\":20},"
		  "{\"key\":\"all\",\"concurrency\":100}]");
	first = client_of(&lw, "a");
	first.outcome =
		(struct limit_outcome){.status = 429, .use = LIMIT_USED, .retry_after_ms = 5000};
	ck_assert(limit_is_refunded(&first.outcome, 9));
	ck_assert(!limit_is_refunded(&first.outcome, 10));
	client_start(&first);
	world_run_for(&lw.w, 10 * MS);
	for (int i = 0; i < 20; i++) {
		again[i] = client_of(&lw, "a");
		client_start(&again[i]);
	}
	other = client_of(&lw, "b");
	client_start(&other);
	world_run_for(&lw.w, 4900 * MS);
	ck_assert_uint_eq(count_done(again, 20), 0);
	ck_assert(other.is_done);
	world_run_for(&lw.w, 700 * MS); /* jitter is at most a tenth */
	ck_assert_uint_eq(count_done(again, 20), 20);
	limit_close(&lw);
}
END_TEST

START_TEST(without_a_rule_the_origin_is_blocked)
{
	static struct client first, same, other;
	open_with("[]");
	first = client_of(&lw, "a");
	first.outcome =
		(struct limit_outcome){.status = 503, .use = LIMIT_USED, .retry_after_ms = 2000};
	client_start(&first);
	world_run_for(&lw.w, 10 * MS);
	same = client_of(&lw, "a");
	other = client_of(&lw, "b");
	client_start(&same);
	client_start(&other);
	world_run_for(&lw.w, 1900 * MS);
	ck_assert(!same.is_granted && other.is_done);
	world_run_for(&lw.w, S);
	ck_assert(same.is_done);
	limit_close(&lw);
}
END_TEST

START_TEST(a_deadline_inside_a_block_is_refused_at_once)
{
	static struct client waits[3], first, late;
	open_with("[{\"match\":{\"host\":\"a\"},\"key\":\"k\",\"concurrency\":1,"
		  "\"max_wait\":\"10m\"}]");
	first = client_of(&lw, "a");
	first.hold_ns = S;
	first.outcome =
		(struct limit_outcome){.status = 429, .use = LIMIT_USED, .retry_after_ms = 60000};
	client_start(&first);
	for (int i = 0; i < 3; i++) {
		waits[i] = client_of(&lw, "a");
		waits[i].ask.deadline_ns = i == 1 ? 40 * S : i == 2 ? 200 * S : INT64_MAX;
		client_start(&waits[i]);
	}
	world_run_for(&lw.w, 1100 * MS);
	ck_assert(!waits[0].is_refused && !waits[2].is_refused);
	ck_assert(waits[1].is_refused);
	ck_assert_int_eq(waits[1].kind, KIND_LIMIT_WAIT);
	ck_assert_ptr_nonnull(strstr(waits[1].message, "k"));
	late = client_of(&lw, "a");
	late.ask.deadline_ns = 10 * S;
	client_start(&late);
	world_run_for(&lw.w, 5 * MS);
	ck_assert_int_eq(late.kind, KIND_LIMIT_WAIT);
	world_run_for(&lw.w, 100 * S);
	ck_assert(waits[0].is_done && waits[2].is_done);
	limit_close(&lw);
}
END_TEST

START_TEST(max_wait_bounds_the_wait_for_a_server_only)
{
	static struct client first, second, third;
	open_with("[{\"match\":{\"host\":\"a\"},\"key\":\"k\",\"concurrency\":1,"
		  "\"max_wait\":\"10s\"}]");
	first = client_of(&lw, "a");
	first.hold_ns = 30 * S; /* a slot is waited for as long as it takes */
	second = client_of(&lw, "a");
	client_start(&first);
	client_start(&second);
	world_run_for(&lw.w, 31 * S);
	ck_assert(second.is_done);
	second = client_of(&lw, "a");
	second.outcome =
		(struct limit_outcome){.status = 429, .use = LIMIT_USED, .retry_after_ms = 60000};
	client_start(&second);
	world_run_for(&lw.w, 10 * MS);
	third = client_of(&lw, "a");
	client_start(&third);
	world_run_for(&lw.w, 10 * MS);
	ck_assert_int_eq(third.kind, KIND_LIMIT_WAIT);
	limit_close(&lw);
}
END_TEST

START_TEST(an_absurd_retry_after_is_cut_and_then_one_probes)
{
	static struct client first, c[10];
	open_with("[{\"match\":{\"host\":\"a\"},\"key\":\"k\",\"concurrency\":10,"
		  "\"max_retry_after\":\"10s\"}]");
	first = client_of(&lw, "a");
	first.outcome = (struct limit_outcome){
		.status = 429, .use = LIMIT_USED, .retry_after_ms = 1000000000};
	client_start(&first);
	world_run_for(&lw.w, 10 * MS);
	for (int i = 0; i < 10; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = S;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 11500 * MS);
	ck_assert_uint_eq(lw.held, 1);
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(lw.held, 9);
	world_run_for(&lw.w, 2 * S);
	ck_assert_uint_eq(count_done(c, 10), 10);
	limit_close(&lw);
}
END_TEST

START_TEST(an_open_circuit_refuses_and_a_probe_closes_it)
{
	static struct client c[8];
	open_with("[{\"key\":\"k\",\"concurrency\":1,"
		  "\"circuit\":{\"failures\":3,\"open\":\"30s\"}}]");
	for (int i = 0; i < 8; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = 10 * MS;
		c[i].start_ns = i < 5 ? S : i == 5 ? 40 * S : 50 * S;
		c[i].outcome.failed = i < 3;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(count_done(c, 8), 3);
	ck_assert_int_eq(c[3].kind, KIND_CIRCUIT_OPEN);
	ck_assert_int_eq(c[4].kind, KIND_CIRCUIT_OPEN);
	world_run_for(&lw.w, 60 * S);
	ck_assert(c[5].is_done && c[6].is_done && c[7].is_done);
	limit_close(&lw);
}
END_TEST

START_TEST(retries_beyond_their_budget_are_refused)
{
	static struct client c[12];
	open_with("[{\"key\":\"k\",\"concurrency\":1,\"retry_budget\":0.2}]");
	for (int i = 0; i < 12; i++) {
		c[i] = client_of(&lw, "a");
		c[i].ask.attempt = 2;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(count_done(c, 12), 10);
	ck_assert(c[11].is_refused);
	ck_assert_int_eq(c[11].kind, KIND_NONE);
	limit_close(&lw);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limiter blocks");
	TCase *t = tcase_create("all");
	tcase_add_test(t, a_retry_after_blocks_its_key_and_no_other);
	tcase_add_test(t, without_a_rule_the_origin_is_blocked);
	tcase_add_test(t, a_deadline_inside_a_block_is_refused_at_once);
	tcase_add_test(t, max_wait_bounds_the_wait_for_a_server_only);
	tcase_add_test(t, an_absurd_retry_after_is_cut_and_then_one_probes);
	tcase_add_test(t, an_open_circuit_refuses_and_a_probe_closes_it);
	tcase_add_test(t, retries_beyond_their_budget_are_refused);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
