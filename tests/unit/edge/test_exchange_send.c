/* What the exchange sends: heads and bodies, and nothing else. */
#include "tests/kit/xscene.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void expect_sent(struct xscene *s, size_t i, const char *bytes)
{
	struct slice got = rawd_received(s->server, i);
	ck_assert_msg(slice_is(got, bytes), "sent: %.*s", (int)got.n, got.p);
}

/* ---- heads ---- */

START_TEST(request_is_exactly_what_was_asked_for)
{
	struct xscene s;
	const struct xheader h[] = {{SLICE_LIT("X-One"), SLICE_LIT("1")},
				    {SLICE_LIT("x-one"), SLICE_LIT("")},
				    {SLICE_LIT("Accept-Encoding"), SLICE_LIT("identity")}};
	xscene_open(&s, _i, 0);
	s.req.method = SLICE_LIT("PROPFIND");
	s.req.target = SLICE_LIT("/a%20b?c=d&e");
	s.req.headers = h;
	s.req.n_headers = 3;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_expect_status(&s, 200);
	xscene_expect_status(&s, 200); /* the second goes another way: on a kept connection */
#define ONE                                                                                        \
	"PROPFIND /a%20b?c=d&e HTTP/1.1\r\nHost: " XSCENE_NAME                                     \
	"\r\nX-One: 1\r\nx-one: \r\nAccept-Encoding: identity\r\n\r\n"
	expect_sent(&s, 0, ONE ONE);
	xscene_close(&s);
}
END_TEST

START_TEST(injections_are_refused_before_anything_is_sent)
{
	static const char *const bad_target[] = {"",	 "a",	"/a b",	 "/a\r\nX: y", "/a\n",
						 "/a\t", "/#f", "/\x7f", "/\xc3\xa4"};
	static const char *const bad_method[] = {"", "GET ", "G\r\nET", "GE:T", "CONNECT"};
	static const char *const bad_header[][2] = {{"", "x"},
						    {"a b", "x"},
						    {"a:", "x"},
						    {"a\r\n", "x"},
						    {"a", "x\r\ny: z"},
						    {"a", "x\ny"},
						    {"a", "x\x01"},
						    {"host", "x"},
						    {"Content-Length", "5"},
						    {"transfer-encoding", "chunked"}};
	struct xscene s;
	struct xgot g = {0};
	xscene_open(&s, false, 0);
	struct xreq r = s.req;
	for (size_t i = 0; i < sizeof(bad_target) / sizeof(*bad_target); i++) {
		r.target = slice_of(bad_target[i]);
		ck_assert_int_eq(xkit_submit(&s.kit, &r, &g), ERR_INVALID);
	}
	r = s.req;
	for (size_t i = 0; i < sizeof(bad_method) / sizeof(*bad_method); i++) {
		r.method = slice_of(bad_method[i]);
		ck_assert_int_eq(xkit_submit(&s.kit, &r, &g), ERR_INVALID);
	}
	r = s.req;
	for (size_t i = 0; i < sizeof(bad_header) / sizeof(*bad_header); i++) {
		struct xheader h = {slice_of(bad_header[i][0]), slice_of(bad_header[i][1])};
		r.headers = &h;
		r.n_headers = 1;
		ck_assert_int_eq(xkit_submit(&s.kit, &r, &g), ERR_INVALID);
	}
	r = s.req;
	r.authority = SLICE_LIT("a\r\nX: y");
	ck_assert_int_eq(xkit_submit(&s.kit, &r, &g), ERR_INVALID);
	const struct xheader nul = {SLICE_LIT("a"), SLICE_LIT("b\0c")};
	r = s.req;
	r.headers = &nul;
	r.n_headers = 1;
	ck_assert_int_eq(xkit_submit(&s.kit, &r, &g), ERR_INVALID);
	xkit_spin(&s.kit, 20);
	ck_assert_uint_eq(rawd_connections(s.server), 0);
	ck_assert_uint_eq(xscene_stats(&s).calls, 0);
	xscene_close(&s);
}
END_TEST

/* ---- bodies ---- */

struct source {
	size_t total, at;
	bool slow; /* every other pull says AGAIN */
	bool pause;
};

static enum err pull(void *ctx, char *buf, size_t cap, size_t *ret_n)
{
	struct source *src = ctx;
	if (src->slow && (src->pause = !src->pause))
		return ERR_AGAIN;
	size_t left = src->total - src->at, n = left < cap ? left : cap;
	if (n == 0)
		return ERR_END;
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)('a' + (src->at + i) % 23);
	src->at += n;
	*ret_n = n;
	return ERR_OK;
}

START_TEST(small_body_goes_with_its_head_in_one_write)
{
	struct xscene s;
	xscene_open(&s, _i, 0);
	s.req.method = SLICE_LIT("PATCH");
	s.req.decode = false;
	s.req.body = (struct xbody){.kind = XBODY_BYTES, .bytes = SLICE_LIT("payload")};
	for (int i = 0; i < 2; i++)
		rawd_add(s.server, &(struct rawd_reply){.bytes = SLICE_LIT(OK5), .body_first = 7});
	xscene_expect_status(&s, 200);
	xscene_expect_status(&s, 200);
#undef ONE
#define ONE "PATCH / HTTP/1.1\r\nHost: " XSCENE_NAME "\r\nContent-Length: 7\r\n\r\npayload"
	expect_sent(&s, 0, ONE ONE);
	ck_assert_uint_eq(xscene_stats(&s).idle, 1);
	xscene_close(&s);
}
END_TEST

START_TEST(empty_bodies_are_said_to_be_empty)
{
	struct xscene s;
	xscene_open(&s, _i, 0);
	s.req.method = SLICE_LIT("POST");
	s.req.decode = false;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_expect_status(&s, 200);
	expect_sent(&s, 0, "POST / HTTP/1.1\r\nHost: " XSCENE_NAME "\r\nContent-Length: 0\r\n\r\n");
	xscene_close(&s);
}
END_TEST

/* Sends n bytes three ways, and expects them, and the connection kept. */
static void expect_upload(struct xscene *s, struct source *src, bool sized, bool bytes)
{
	static char all[300000];
	size_t before = rawd_connections(s->server) > 0 ? rawd_received(s->server, 0).n : 0;
	for (size_t i = 0; i < src->total; i++)
		all[i] = (char)('a' + i % 23);
	s->req.method = SLICE_LIT("POST");
	s->req.body = (struct xbody){.kind = XBODY_PULL,
				     .size = sized ? (int64_t)src->total : -1,
				     .pull = pull,
				     .pull_ctx = src};
	if (bytes)
		s->req.body = (struct xbody){.kind = XBODY_BYTES, .bytes = {all, src->total}};
	rawd_add(s->server,
		 &(struct rawd_reply){.bytes = SLICE_LIT(OK5),
				      .body_first = src->total + (sized || bytes ? 0 : 5)});
	struct xgot g = {0};
	ck_assert(xkit_submit(&s->kit, &s->req, &g) == ERR_OK);
	while (!g.ended) {
		xkit_spin(&s->kit, 1);
		exchange_body_ready(s->kit.x, g.id);
	}
	ck_assert_msg(g.ok, "%s", g.message);
	ck_assert_int_eq(g.status, 200);
	xkit_spin(&s->kit, 5);
	struct slice got = rawd_received(s->server, 0);
	ck_assert_uint_eq(rawd_connections(s->server), 1);
	if (sized || bytes)
		ck_assert(memcmp(got.p + got.n - src->total, all, src->total) == 0);
	else
		ck_assert(memcmp(got.p + got.n - 7, "\r\n0\r\n\r\n", 7) == 0);
	ck_assert_uint_gt(got.n - before, src->total);
	xgot_fini(&g);
}

START_TEST(large_bodies_arrive_whole_and_keep_the_connection)
{
	struct xscene s;
	xscene_open(&s, _i, 0);
	for (int slow = 0; slow < 2; slow++) {
		expect_upload(&s, &(struct source){.total = 300000, .slow = slow}, true, false);
		expect_upload(&s, &(struct source){.total = 200000, .slow = slow}, true, true);
	}
	/* Chunked last: the server of the test does not undo chunks. */
	expect_upload(&s, &(struct source){.total = 250000}, false, false);
	xscene_close(&s);
}
END_TEST

START_TEST(expect_continue_waits_for_it_or_a_second)
{
	struct xscene s;
	for (int silent = 0; silent < 2; silent++) {
		xscene_open(&s, _i, 0);
		s.req.method = SLICE_LIT("PUT");
		s.req.decode = false;
		s.req.body = (struct xbody){.kind = XBODY_BYTES,
					    .bytes = SLICE_LIT("payload"),
					    .expect_continue = true};
		if (!silent)
			rawd_add(s.server,
				 &(struct rawd_reply){
					 .bytes = SLICE_LIT("HTTP/1.1 100 Continue\r\n\r\n" OK5)});
		struct xgot g = {0};
		ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
		xkit_until(&s.kit, &g.ended, silent ? 1300 : 500);
		ck_assert(g.ended == !silent);
		struct slice got = rawd_received(s.server, 0);
		const char *want = "PUT / HTTP/1.1\r\nHost: " XSCENE_NAME
				   "\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\npayload";
		if (silent)
			ck_assert_msg(slice_is(got, want), "%.*s", (int)got.n, got.p);
		xgot_fini(&g);
		xscene_close(&s);
	}
}
END_TEST

START_TEST(final_answer_instead_of_continue_ends_the_call_and_the_connection)
{
	struct xscene s;
	xscene_open(&s, _i, 0);
	s.req.method = SLICE_LIT("PUT");
	s.req.body = (struct xbody){
		.kind = XBODY_BYTES, .bytes = SLICE_LIT("payload"), .expect_continue = true};
	rawd_say(s.server, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", 0, RAWD_KEEP);
	xscene_expect_status(&s, 417);
	ck_assert_uint_eq(xscene_stats(&s).idle, 0);
	struct slice got = rawd_received(s.server, 0);
	ck_assert(memmem(got.p, got.n, "payload", 7) == NULL);
	xscene_close(&s);
}
END_TEST

START_TEST(early_answer_while_uploading_is_delivered)
{
	static const enum rawd_then then[] = {RAWD_KEEP, RAWD_CLOSE, RAWD_RESET};
	struct xscene s;
	for (int i = 0; i < 3; i++) {
		struct source src = {.total = 8 << 20};
		xscene_open(&s, _i, 0);
		s.req.method = SLICE_LIT("POST");
		s.req.body = (struct xbody){.kind = XBODY_PULL,
					    .size = (int64_t)src.total,
					    .pull = pull,
					    .pull_ctx = &src};
		rawd_add(s.server,
			 &(struct rawd_reply){
				 .bytes = SLICE_LIT(
					 "HTTP/1.1 413 Big\r\nContent-Length: 3\r\n\r\nbig"),
				 .then = then[i],
				 .keep_rest = true});
		struct xgot g;
		xscene_get(&s, &g);
		if (then[i] != RAWD_RESET) /* a reset may overtake what was said before it */
			ck_assert_msg(g.ok && g.status == 413, "%d: %s: %s", i, kind_name(g.kind),
				      g.message);
		ck_assert_uint_lt(src.at, src.total);
		ck_assert_uint_eq(xscene_stats(&s).idle, 0);
		xgot_fini(&g);
		xscene_close(&s);
	}
}
END_TEST

START_TEST(upload_that_nobody_reads_times_out)
{
	struct xscene s;
	struct source src = {.total = 64 << 20};
	xscene_open(&s, _i, 0);
	rawd_stop_reading(s.server, true);
	s.req.method = SLICE_LIT("POST");
	s.req.body = (struct xbody){
		.kind = XBODY_PULL, .size = (int64_t)src.total, .pull = pull, .pull_ctx = &src};
	s.req.timeouts = (struct xtimeouts){.send_idle_ms = 100};
	xscene_expect_failure(&s, KIND_SEND_FAILED, "100 ms");
	xscene_close(&s);
}
END_TEST

/* Waiting, it would take the 40 ms of a delayed acknowledgement each time; a busy machine, now and
 * then. */
START_TEST(post_over_tls_does_not_wait_for_an_acknowledgement)
{
	enum { TRIES = 20 };
	struct xscene s;
	uint32_t least_ms = UINT32_MAX;
	xscene_open(&s, true, 0);
	s.req.method = SLICE_LIT("POST");
	s.req.body = (struct xbody){.kind = XBODY_BYTES, .bytes = SLICE_LIT("payload")};
	for (int i = 0; i < TRIES && least_ms >= 20; i++) {
		struct xgot g;
		rawd_add(s.server, &(struct rawd_reply){.bytes = SLICE_LIT(OK5), .body_first = 7});
		xscene_get(&s, &g);
		ck_assert(g.ok);
		if (i > 0 && g.end.timing.total_ms < least_ms)
			least_ms = (uint32_t)g.end.timing.total_ms;
		xgot_fini(&g);
	}
	ck_assert_uint_lt(least_ms, 20);
	xscene_close(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *su = suite_create("exchange, sending");
	TCase *tc = tcase_create("plain and tls");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, request_is_exactly_what_was_asked_for, 0, 2);
	tcase_add_loop_test(tc, small_body_goes_with_its_head_in_one_write, 0, 2);
	tcase_add_loop_test(tc, empty_bodies_are_said_to_be_empty, 0, 2);
	tcase_add_loop_test(tc, large_bodies_arrive_whole_and_keep_the_connection, 0, 2);
	tcase_add_loop_test(tc, expect_continue_waits_for_it_or_a_second, 0, 2);
	tcase_add_loop_test(tc, final_answer_instead_of_continue_ends_the_call_and_the_connection,
			    0, 2);
	tcase_add_loop_test(tc, early_answer_while_uploading_is_delivered, 0, 2);
	tcase_add_loop_test(tc, upload_that_nobody_reads_times_out, 0, 2);
	tcase_add_test(tc, injections_are_refused_before_anything_is_sent);
	tcase_add_test(tc, post_over_tls_does_not_wait_for_an_acknowledgement);
	suite_add_tcase(su, tc);
	return su;
}

int main(void)
{
	SRunner *sr = srunner_create(suite());
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
