/* Which failures are tried again, and what Retry-After says. */
#include "model/httpdate.h"
#include "model/retry.h"

#include <check.h>
#include <stdlib.h>

#define NOW_S 1763816400LL /* 2025-11-22 13:00:00 GMT */
#define NS(s) ((s)*1000000000LL)

static const struct {
	const char *text;
	int64_t ms;
} after_rows[] = {
	{"0", 0},
	{"120", 120000},
	{" 120\t", 120000},
	{"1000000000", 1000000000000},
	{"99999999999999999999999", RETRYAFTER_MAX_MS},
	{"-5", -1},
	{"+5", -1},
	{"1.5", -1},
	{"", -1},
	{"soon", -1},
	{"5 seconds", -1},
	{"Sat, 22 Nov 2025 13:00:05 GMT", 5000},
	{"Saturday, 22-Nov-25 13:00:05 GMT", 5000},
	{"Sat Nov 22 13:00:05 2025", 5000},
	{"Thu Jan  1 00:00:00 2026", 3409200000},
	{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
	{"Sunday, 06-Nov-94 08:49:37 GMT", 0},
	{"Sun Nov  6 08:49:37 1994", 0},
	{"Fri, 31 Dec 9999 23:59:59 GMT", RETRYAFTER_MAX_MS},
	{"Sat, 22 Nov 2025 13:00:05 CET", -1},
	{"Sat, 22 Nov 2025 24:00:05 GMT", -1},
	{"Sat, 32 Nov 2025 13:00:05 GMT", -1},
	{"Sat, 22 Foo 2025 13:00:05 GMT", -1},
	{"Sat, 22 Nov 2025 13:00:05 GMT x", -1},
	{"Sat,", -1},
};

START_TEST(retry_after_is_seconds_or_one_of_three_dates)
{
	ck_assert_int_eq(retryafter_parse(slice_of(after_rows[_i].text), NS(NOW_S)),
			 after_rows[_i].ms);
}
END_TEST

START_TEST(a_date_is_read_to_the_second)
{
	int64_t s = 0;
	ck_assert_int_eq(httpdate_parse(SLICE_LIT("Sun, 06 Nov 1994 08:49:37 GMT"), NOW_S, &s),
			 ERR_OK);
	ck_assert_int_eq(s, 784111777);
	ck_assert_int_eq(httpdate_parse(SLICE_LIT("Thu, 29 Feb 2024 23:59:60 GMT"), NOW_S, &s),
			 ERR_OK);
	ck_assert_int_eq(s, 1709251200);
}
END_TEST

struct again_row {
	enum kind kind;
	int status;
	const char *method;
	bool was_sent, has_key, again;
};

static const struct again_row again_rows[] = {
	{KIND_READ_TIMEOUT, 0, "GET", true, false, true},
	{KIND_READ_CLOSED, 0, "DELETE", true, false, true},
	{KIND_READ_CLOSED, 0, "POST", true, false, false},
	{KIND_READ_CLOSED, 0, "POST", true, true, true},
	{KIND_READ_CLOSED, 0, "PATCH", true, false, false},
	{KIND_CONNECT_REFUSED, 0, "POST", false, false, true},
	{KIND_DNS_TIMEOUT, 0, "GET", false, false, true},
	{KIND_DNS_FAILED, 0, "GET", false, false, false},
	{KIND_PROXY_FAILED, 0, "GET", false, false, true},
	{KIND_ATTEMPT_TIMEOUT, 0, "GET", true, false, true},
	{KIND_LOCAL_RESOURCE, 0, "GET", false, false, true},
	{KIND_TLS_VERIFY, 0, "GET", false, false, false},
	{KIND_TLS_FAILED, 0, "GET", false, false, false},
	{KIND_POLICY_DENIED, 0, "GET", false, false, false},
	{KIND_LIMIT_WAIT, 0, "GET", false, false, false},
	{KIND_CANCELLED, 0, "GET", false, false, false},
	{KIND_DEADLINE, 0, "GET", false, false, false},
	{KIND_BODY_TOO_LARGE, 0, "GET", true, false, false},
	{KIND_STATUS, 503, "GET", true, false, true},
	{KIND_STATUS, 429, "GET", true, false, true},
	{KIND_STATUS, 408, "PUT", true, false, true},
	{KIND_STATUS, 501, "GET", true, false, false},
	{KIND_STATUS, 404, "GET", true, false, false},
	{KIND_STATUS, 503, "POST", true, false, false},
	{KIND_NONE, 200, "GET", true, false, false},
};

START_TEST(what_is_tried_again_by_default)
{
	const struct again_row *r = &again_rows[_i];
	struct retry_policy p;
	retry_policy_init(&p);
	struct retry_facts f = {.attempt = 1,
				.kind = r->kind,
				.status = r->status,
				.method = slice_of(r->method),
				.was_sent = r->was_sent,
				.has_idempotency_key = r->has_key};
	ck_assert_int_eq(retry_again(&p, &f), r->again);
	f.attempt = 3;
	ck_assert(!retry_again(&p, &f));
}
END_TEST

START_TEST(an_own_list_replaces_the_default_but_not_the_nevers)
{
	struct retry_policy p;
	retry_policy_init(&p);
	p.has_on = true;
	ck_assert_int_eq(kindset_add(&p.kinds, SLICE_LIT("tls")), ERR_OK);
	ck_assert_int_eq(statuses_add_text(&p.statuses, SLICE_LIT("404")), ERR_OK);
	struct retry_facts f = {.attempt = 1, .kind = KIND_TLS_FAILED, .method = SLICE_LIT("GET")};
	ck_assert(retry_again(&p, &f));
	f.kind = KIND_TLS_VERIFY;
	ck_assert(!retry_again(&p, &f));
	f.kind = KIND_READ_TIMEOUT;
	ck_assert(!retry_again(&p, &f));
	f.kind = KIND_STATUS;
	f.status = 404;
	f.method = SLICE_LIT("POST");
	f.was_sent = true;
	ck_assert(!retry_again(&p, &f));
	p.on_is_here = true;
	ck_assert(retry_again(&p, &f));
	f.status = 503;
	ck_assert(!retry_again(&p, &f));
}
END_TEST

START_TEST(back_off_is_jittered_from_zero_and_bounded)
{
	struct retry_policy p;
	retry_policy_init(&p);
	struct rng rng;
	rng_seed(&rng, 3);
	for (uint32_t attempt = 1; attempt < 100; attempt++) {
		int64_t most = attempt > 7 ? 30000 : 500LL << (attempt - 1);
		most = most > 30000 ? 30000 : most;
		int64_t low = INT64_MAX, high = -1;
		for (int i = 0; i < 500; i++) {
			int64_t ms = retry_backoff_ms(&p, attempt, &rng);
			low = ms < low ? ms : low;
			high = ms > high ? ms : high;
		}
		ck_assert_int_ge(low, 0);
		ck_assert_int_le(high, most);
		ck_assert_int_lt(low, most / 20);
		ck_assert_int_gt(high, most - most / 20);
	}
	p.backoff_ms = 0;
	ck_assert_int_eq(retry_backoff_ms(&p, 5, &rng), 0);
	p.backoff_ms = p.max_ms = INT64_MAX;
	ck_assert_int_ge(retry_backoff_ms(&p, 90, &rng), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("retry");
	TCase *t = tcase_create("retry");
#define ROWS(x) (int)(sizeof(x) / sizeof((x)[0]))
	tcase_add_loop_test(t, retry_after_is_seconds_or_one_of_three_dates, 0, ROWS(after_rows));
	tcase_add_test(t, a_date_is_read_to_the_second);
	tcase_add_loop_test(t, what_is_tried_again_by_default, 0, ROWS(again_rows));
	tcase_add_test(t, an_own_list_replaces_the_default_but_not_the_nevers);
	tcase_add_test(t, back_off_is_jittered_from_zero_and_bounded);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
