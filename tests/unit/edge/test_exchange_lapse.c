/* A request whose time has passed before its connection was there is not sent. */
#include "tests/kit/xscene.h"

#include <check.h>
#include <stdlib.h>

#define OK_EMPTY "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

static int64_t now_ns(const struct xscene *s)
{
	return clock_mono_ns(&s->kit.clock);
}

static void expect_lapse(struct xscene *s)
{
	struct xgot g;
	xscene_get(s, &g);
	ck_assert(g.ended && !g.ok && g.end.lapsed);
	ck_assert(!g.end.request_sent);
	ck_assert_uint_eq(g.n_heads, 0);
	xgot_fini(&g);
}

START_TEST(a_late_connection_carries_nothing_and_is_kept_for_the_next)
{
	struct xscene s;
	struct xgot g;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK_EMPTY, RAWD_KEEP);
	s.req.send_before_ns = now_ns(&s); /* no connector is faster than that */
	expect_lapse(&s);
	ck_assert_uint_eq(rawd_requests(s.server), 0);
	ck_assert_uint_eq(xscene_stats(&s).idle, 1);
	ck_assert_uint_eq(xscene_stats(&s).busy, 0);
	s.req.send_before_ns = now_ns(&s) + 10 * NS_PER_S;
	xscene_get(&s, &g);
	ck_assert_msg(g.ok && g.end.reused, "%s", g.message);
	ck_assert(!g.end.lapsed);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	ck_assert_uint_eq(rawd_requests(s.server), 1);
	xgot_fini(&g);
	xscene_close(&s);
}
END_TEST

START_TEST(a_kept_connection_is_not_written_to_when_it_is_too_late)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK_EMPTY, RAWD_KEEP);
	xscene_say(&s, OK_EMPTY, RAWD_KEEP);
	xscene_expect(&s, "", true);
	s.req.send_before_ns = now_ns(&s) - 1;
	expect_lapse(&s);
	ck_assert_uint_eq(rawd_requests(s.server), 1);
	s.req.send_before_ns = 0;
	xscene_expect(&s, "", true);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	xscene_close(&s);
}
END_TEST

START_TEST(a_kept_connection_that_closed_before_its_first_request_is_not_used)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK_EMPTY, RAWD_KEEP);
	s.req.send_before_ns = now_ns(&s);
	expect_lapse(&s);
	rawd_close_connection(s.server, 0);
	xkit_spin(&s.kit, 20);
	s.req.send_before_ns = 0;
	xscene_expect(&s, "", true);
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	xscene_close(&s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("exchange lapse");
	TCase *t = tcase_create("exchange lapse");
	tcase_add_loop_test(t, a_late_connection_carries_nothing_and_is_kept_for_the_next, 0,
			    XSCENE_WAYS);
	tcase_add_loop_test(t, a_kept_connection_is_not_written_to_when_it_is_too_late, 0,
			    XSCENE_WAYS);
	tcase_add_loop_test(t, a_kept_connection_that_closed_before_its_first_request_is_not_used,
			    0, XSCENE_WAYS);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
