/* What the exchange makes of replies: verdicts, reuse, limits. */
#include "tests/kit/xscene.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define OK11 "HTTP/1.1 200 OK\r\n"
#define CL5  "Content-Length: 5\r\n"
#define TE   "Transfer-Encoding: chunked\r\n"

START_TEST(small_body_arrives_and_connection_is_kept)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", RAWD_KEEP);
	xscene_say(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain", RAWD_KEEP);
	xscene_expect(&s, "hello", true);
	xscene_expect(&s, "again", true);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	ck_assert_uint_eq(xscene_stats(&s).reuses, 1);
	xscene_close(&s);
}
END_TEST

/* ---- replies and their verdicts ---- */

enum verdict { KEPT, GONE, MALFORMED, TOO_LARGE, CLOSED, DECODE };

struct reply_row {
	const char *reply;
	enum verdict verdict;
	const char *body;
	enum rawd_then then;
};

static const struct reply_row replies[] = {
	/* status lines */
	{OK11 CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"HTTP/1.1 200\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"HTTP/1.1  200 OK\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"http/1.1 200 OK\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"HTTP/1.1 600 X\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"HTTP/1.0 200 OK\r\n" CL5 "\r\nhello", GONE, "hello", RAWD_KEEP},
	{"HTTP/2 200\r\n" CL5 "\r\nhello", GONE, "hello", RAWD_KEEP},
	{"HTTP/1.9 200 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"HTTP/3 200 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"ICY 200 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"HTTP/1.1 2000 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"HTTP/1.1 20 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"HTTP/1.1 099 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"HTTP/1.1 -200 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"\r\nHTTP/1.1 200 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{" HTTP/1.1 200 OK\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{"hello world", MALFORMED, NULL, RAWD_KEEP},
	{"SSH-2.0-OpenSSH_9.2\r\n", MALFORMED, NULL, RAWD_KEEP},
	/* fields */
	{"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", KEPT, "hello", RAWD_KEEP},
	{OK11 "Foo\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Foo: a\r\n b\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{OK11 " Foo: a\r\n" CL5 "\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Foo : a\r\n" CL5 "\r\nhello", GONE, "hello", RAWD_KEEP},
	{OK11 "Foo: a\rb\r\n" CL5 "\r\nhello", GONE, "hello", RAWD_KEEP},
	{OK11 "Foo: a\r\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{OK11 "Foo: a\x01\xff\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	/* lengths */
	{OK11 "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", GONE, "hello", RAWD_KEEP},
	{OK11 "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length: 5, 5\r\n\r\nhello", GONE, "hello", RAWD_KEEP},
	{OK11 "Content-Length: 5, 6\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length: +5\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length: -5\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length: 0x5\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length: 5 5\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length: \r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length:\t5\r\n\r\nhello", KEPT, "hello", RAWD_KEEP},
	{OK11 "Content-Length:\r\n 5\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length : 5\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Content-Length: 99999999999999999999999\r\n\r\nhello", GONE, "hello", RAWD_CLOSE},
	{OK11 "Content-Length: 9\r\n\r\nhello", CLOSED, NULL, RAWD_CLOSE},
	{OK11 "Content-Length: 0\r\n\r\n", KEPT, "", RAWD_KEEP},
	/* no length */
	{OK11 "\r\nhello", GONE, "hello", RAWD_CLOSE},
	{OK11 "Connection: close\r\n\r\nhello", GONE, "hello", RAWD_CLOSE},
	{OK11 "Connection: keep-alive\r\n\r\nhello", GONE, "hello", RAWD_CLOSE},
	{OK11 "Connection: close, TE\r\n\r\nhello", GONE, "hello", RAWD_CLOSE},
	{"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello", GONE, "hello", RAWD_CLOSE},
	{"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{OK11 "Connection: foo, close\r\n" CL5 "\r\nhello", GONE, "hello", RAWD_KEEP},
	/* chunks */
	{OK11 TE "\r\n5\r\nhello\r\n0\r\n\r\n", KEPT, "hello", RAWD_KEEP},
	{OK11 TE "\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", KEPT, "hello", RAWD_KEEP},
	{OK11 TE "\r\n5;a=b\r\nhello\r\n0\r\n\r\n", KEPT, "hello", RAWD_KEEP},
	{OK11 TE "\r\n5 \r\nhello\r\n0\r\n\r\n", KEPT, "hello", RAWD_KEEP},
	{OK11 TE "\r\n5\nhello\n0\n\n", KEPT, "hello", RAWD_KEEP},
	{OK11 TE "\r\n000005\r\nhello\r\n0\r\n\r\n", KEPT, "hello", RAWD_KEEP},
	{OK11 TE "\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n", KEPT, "hello",
	 RAWD_KEEP},
	{OK11 TE "\r\n5xyz\r\nhello\r\n0\r\n\r\n", GONE, "hello", RAWD_KEEP},
	{OK11 TE "\r\n0\r\n\r\n", KEPT, "", RAWD_KEEP},
	{OK11 TE "\r\n0x5\r\nhello\r\n0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	{OK11 TE "\r\n+5\r\nhello\r\n0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	{OK11 TE "\r\n-0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	{OK11 TE "\r\n\r\n5\r\nhello\r\n0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	{OK11 TE "\r\n5\r\nhello0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	{OK11 TE "\r\nFFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	{OK11 TE "\r\n5\r\nhello\r\n0\r\n", CLOSED, NULL, RAWD_CLOSE},
	{OK11 TE "\r\n5\r\nhello\r\n", CLOSED, NULL, RAWD_CLOSE},
	{OK11 TE "\r\n5\r\nhel", CLOSED, NULL, RAWD_CLOSE},
	{OK11 TE "Content-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n", GONE, "hello", RAWD_KEEP},
	{OK11 "Content-Length: 3\r\n" TE "\r\n5\r\nhello\r\n0\r\n\r\n", GONE, "hello", RAWD_KEEP},
	{OK11 TE TE "\r\n5\r\nhello\r\n0\r\n\r\n", GONE, "hello", RAWD_KEEP},
	{"HTTP/1.0 200 OK\r\n" TE "\r\n5\r\nhello\r\n0\r\n\r\n", GONE, "hello", RAWD_KEEP},
	{OK11 "Transfer-Encoding: chunked, x\r\n\r\n5\r\nhello\r\n0\r\n\r\n", MALFORMED, NULL,
	 RAWD_KEEP},
	{OK11 "Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", MALFORMED, NULL,
	 RAWD_KEEP},
	{OK11 "Transfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n", MALFORMED, NULL,
	 RAWD_KEEP},
	{OK11 "Transfer-Encoding: br, chunked\r\n\r\n0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	{OK11 "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", GONE, "", RAWD_KEEP},
	{OK11 "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", DECODE, NULL,
	 RAWD_KEEP},
	{OK11 "Transfer-Encoding: identity\r\n" CL5 "\r\nhello", GONE, "hello", RAWD_KEEP},
	{OK11 "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
	/* more than was asked for: never kept */
	{OK11 CL5 "\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nPOISONED", GONE, "hello",
	 RAWD_KEEP},
	{"HTTP/1.1 204 N\r\n\r\nPOISONED", GONE, "", RAWD_KEEP},
	{"HTTP/1.1 304 N\r\nContent-Length: 8\r\n\r\nPOISONED", GONE, "", RAWD_KEEP},
	{OK11 TE "\r\n5\r\nhello\r\n0\r\n\r\nPOISONED", GONE, "hello", RAWD_KEEP},
	/* 1xx */
	{"HTTP/1.1 100 C\r\nX: y\r\n\r\n" OK11 CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 100 C\r\n\r\n" OK11 CL5 "\r\nhello", KEPT, "hello",
	 RAWD_KEEP},
	{"HTTP/1.1 102 P\r\n\r\n" OK11 CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" OK11 CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\nhello", MALFORMED, NULL, RAWD_KEEP},
	/* the end comes early */
	{"", CLOSED, NULL, RAWD_CLOSE},
	{"HTTP/1.1 2", CLOSED, NULL, RAWD_CLOSE},
	{OK11 "Foo: bar\r\n", CLOSED, NULL, RAWD_CLOSE},
	{"", CLOSED, NULL, RAWD_RESET},
	{OK11 "Content-Length: 9\r\n\r\nhello", CLOSED, NULL, RAWD_RESET},
	/* codings */
	{OK11 "Content-Encoding: gzip\r\n" CL5 "\r\nhello", DECODE, NULL, RAWD_KEEP},
	{OK11 "Content-Encoding: foo\r\n" CL5 "\r\nhello", DECODE, NULL, RAWD_KEEP},
	{OK11 "Content-Encoding: identity\r\n" CL5 "\r\nhello", KEPT, "hello", RAWD_KEEP},
	{OK11 "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", KEPT, "", RAWD_KEEP},
};
#define N_REPLIES ((int)(sizeof(replies) / sizeof(*replies)))

static enum kind kind_of(enum verdict v)
{
	switch (v) {
	case MALFORMED:
		return KIND_PROTOCOL_MALFORMED;
	case TOO_LARGE:
		return KIND_HEADERS_TOO_LARGE;
	case DECODE:
		return KIND_BODY_DECODE;
	default:
		return KIND_READ_CLOSED;
	}
}

START_TEST(every_reply_gets_its_verdict)
{
	const struct reply_row *row = &replies[_i / XSCENE_WAYS];
	struct xscene s;
	xscene_open_way(&s, _i % XSCENE_WAYS);
	xscene_say(&s, row->reply, row->then);
	if (row->verdict == KEPT || row->verdict == GONE) {
		/* Late bytes may come in a turn of their own, when the call is over already. */
		struct xgot g;
		xscene_get(&s, &g);
		ck_assert_msg(g.ok, "row %d: %s: %s", _i / XSCENE_WAYS, kind_name(g.kind),
			      g.message);
		ck_assert_msg(xgot_body_is(&g, row->body), "row %d: %.*s", _i / XSCENE_WAYS,
			      (int)g.body.n, g.body.p);
		xkit_spin(&s.kit, 10);
		ck_assert_msg(xscene_stats(&s).idle == (row->verdict == KEPT), "row %d",
			      _i / XSCENE_WAYS);
		ck_assert(!xgot_has(&g, "Set-Cookie=a=b") && !xgot_has(&g, "X=y"));
		xgot_fini(&g);
		/* Nothing of this response is ever part of the next one. */
		xscene_say(&s, OK11 "Content-Length: 4\r\n\r\nnext", RAWD_KEEP);
		xscene_expect(&s, "next", true);
	} else {
		xscene_expect_failure(&s, kind_of(row->verdict), "");
		xscene_say(&s, OK11 "Content-Length: 4\r\n\r\nnext", RAWD_KEEP);
		xscene_expect(&s, "next", true);
		ck_assert_uint_eq(rawd_connections(s.server), 2);
	}
	xscene_close(&s);
}
END_TEST

START_TEST(nul_bytes_in_a_head_are_refused)
{
	const struct slice with_nul[] = {
		SLICE_LIT(OK11 "Foo: a\0b\r\n" CL5 "\r\nhello"),
		SLICE_LIT(OK11 "F\0oo: ab\r\n" CL5 "\r\nhello"),
		SLICE_LIT(OK11 "\0Foo: ab\r\n" CL5 "\r\nhello"),
		SLICE_LIT(OK11 "Content-Length: 5\0"
			       "999\r\n\r\nhello"),
	};
	for (size_t i = 0; i < sizeof(with_nul) / sizeof(*with_nul); i++) {
		struct xscene s;
		xscene_open_way(&s, _i);
		rawd_add(s.server, &(struct rawd_reply){.bytes = with_nul[i], .piece = s.piece});
		xscene_expect_failure(&s, KIND_PROTOCOL_MALFORMED, "");
		xscene_close(&s);
	}
}
END_TEST

START_TEST(head_has_no_body_whatever_its_fields_say)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	s.req.method = SLICE_LIT("HEAD");
	xscene_say(&s, OK11 "Content-Length: 500\r\nContent-Encoding: gzip\r\n\r\n", RAWD_KEEP);
	xscene_say(&s, OK11 TE "\r\n", RAWD_KEEP);
	xscene_expect(&s, "", true);
	xscene_expect(&s, "", true);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	xscene_close(&s);
}
END_TEST

#define HELLO_DEFLATED "\xcb\x48\xcd\xc9\xc9\x07\x00"

/* Nobody asked for them; they are undone all the same, also where content codings are not. */
START_TEST(compressing_transfer_codings_are_undone)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	s.req.decode = false;
	const struct slice chunked =
		SLICE_LIT(OK11 "Transfer-Encoding: deflate, chunked\r\n\r\n7\r\n" HELLO_DEFLATED
			       "\r\n0\r\n\r\n");
	const struct slice alone =
		SLICE_LIT(OK11 "Transfer-Encoding: deflate\r\n" CL5 "\r\n" HELLO_DEFLATED);
	rawd_add(s.server, &(struct rawd_reply){.bytes = chunked, .piece = s.piece});
	xscene_expect(&s, "hello", false);
	rawd_add(s.server,
		 &(struct rawd_reply){.bytes = alone, .piece = s.piece, .then = RAWD_CLOSE});
	xscene_expect(&s, "hello", false);
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	xscene_close(&s);
}
END_TEST

START_TEST(bytes_on_an_idle_connection_end_it)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	xscene_say(&s, OK11 CL5 "\r\nagain", RAWD_KEEP);
	xscene_expect(&s, "hello", true);
	rawd_push(s.server, 0, SLICE_LIT(OK11 "Content-Length: 8\r\n\r\nPOISONED"));
	xkit_spin(&s.kit, 20);
	ck_assert_uint_eq(xscene_stats(&s).idle, 0);
	xscene_expect(&s, "again", true);
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	xscene_close(&s);
}
END_TEST

START_TEST(bytes_that_came_unseen_are_not_the_next_answer)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	xscene_say(&s, OK11 CL5 "\r\nagain", RAWD_KEEP);
	xscene_expect(&s, "hello", true);
	/* Written now, and the next call is submitted before the loop looks. */
	rawd_push(s.server, 0, SLICE_LIT(OK11 "Content-Length: 8\r\n\r\nPOISONED"));
	xscene_expect(&s, "again", true);
	xscene_close(&s);
}
END_TEST

START_TEST(idle_connection_that_closes_is_forgotten)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	xscene_say(&s, OK11 CL5 "\r\nagain", RAWD_KEEP);
	xscene_expect(&s, "hello", true);
	rawd_close_connection(s.server, 0);
	xkit_spin(&s.kit, 20);
	ck_assert_uint_eq(xscene_stats(&s).idle, 0);
	xscene_expect(&s, "again", true);
	xscene_close(&s);
}
END_TEST

/* Over a kept connection that closes on it. */
static void expect_stale(struct xscene *s, bool is_stale)
{
	struct xgot g = {0};
	xscene_say(s, "", RAWD_CLOSE);
	xscene_get(s, &g);
	ck_assert_int_eq(g.kind, KIND_READ_CLOSED);
	ck_assert_int_eq(g.end.stale, is_stale);
	xgot_fini(&g);
}

START_TEST(a_get_that_finds_its_kept_connection_closing_may_be_repeated)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	xscene_expect(&s, "hello", true);
	expect_stale(&s, true);
	ck_assert_uint_eq(xscene_stats(&s).stale, 1);
	ck_assert_uint_eq(rawd_requests(s.server), 2);
	s.req.fresh = true;
	expect_stale(&s, false); /* a new one was not kept */
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	xscene_close(&s);
}
END_TEST

START_TEST(post_is_not_repeated_when_a_kept_connection_closes_on_it)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	xscene_say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	xscene_expect(&s, "hello", true);
	s.req.method = SLICE_LIT("POST");
	s.req.body = (struct xbody){.kind = XBODY_BYTES, .bytes = SLICE_LIT("pay")};
	expect_stale(&s, false);
	ck_assert_uint_eq(rawd_requests(s.server), 2);
	xscene_close(&s);
}
END_TEST

/* ---- limits ---- */

static void expect_endless(int way, const char *begin, const char *more, enum kind kind)
{
	struct xscene s;
	xscene_open_way(&s, way & ~1); /* whole pieces only: one byte a turn would take for ever */
	struct bytes b = BYTES_LIMIT(1 << 20);
	bytes_add_str(&b, begin);
	rawd_add(s.server, &(struct rawd_reply){.bytes = bytes_slice(&b)});
	bytes_clear(&b);
	while (b.n < 65536)
		bytes_add_str(&b, more);
	struct xgot g = {0};
	ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
	for (int i = 0; i < 200 && !g.ended; i++) {
		xkit_spin(&s.kit, 1);
		if (rawd_open(s.server) > 0 && rawd_requests(s.server) > 0)
			rawd_push(s.server, 0, bytes_slice(&b));
	}
	ck_assert(g.ended);
	ck_assert_msg(g.kind == kind, "%s: %s", kind_name(g.kind), g.message);
	ck_assert_uint_lt(g.end.wire_bytes, 1 << 20);
	xgot_fini(&g);
	bytes_fini(&b);
	xscene_close(&s);
}

START_TEST(endless_heads_are_cut)
{
	expect_endless(_i, "HTTP/1.1 200 ", "x", KIND_HEADERS_TOO_LARGE);
	expect_endless(_i, OK11, "A: b\r\n", KIND_HEADERS_TOO_LARGE);
	expect_endless(_i, OK11 "A: ", "x", KIND_HEADERS_TOO_LARGE);
	expect_endless(_i, "", "HTTP/1.1 100 C\r\n\r\n", KIND_HEADERS_TOO_LARGE);
	expect_endless(_i, OK11 TE "\r\n5;", "x", KIND_HEADERS_TOO_LARGE);
	expect_endless(_i, OK11 TE "\r\n0\r\n", "A: b\r\n", KIND_HEADERS_TOO_LARGE);
	expect_endless(_i, OK11 TE "\r\n", "0", KIND_PROTOCOL_MALFORMED);
}
END_TEST

START_TEST(body_beyond_its_limit_is_cut)
{
	struct xscene s;
	xscene_open_way(&s, _i);
	s.req.limits.body_bytes = 4;
	xscene_say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	xscene_say(&s, OK11 TE "\r\n5\r\nhello\r\n0\r\n\r\n", RAWD_KEEP);
	xscene_say(&s, OK11 "\r\nhello", RAWD_CLOSE);
	for (int i = 0; i < 3; i++)
		xscene_expect_failure(&s, KIND_BODY_TOO_LARGE, "");
	s.req.limits.body_bytes = 5;
	xscene_say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	xscene_expect(&s, "hello", true);
	xscene_close(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *su = suite_create("exchange");
	TCase *tc = tcase_create("ways");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, small_body_arrives_and_connection_is_kept, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, every_reply_gets_its_verdict, 0, N_REPLIES * XSCENE_WAYS);
	tcase_add_loop_test(tc, nul_bytes_in_a_head_are_refused, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, head_has_no_body_whatever_its_fields_say, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, compressing_transfer_codings_are_undone, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, bytes_on_an_idle_connection_end_it, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, bytes_that_came_unseen_are_not_the_next_answer, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, idle_connection_that_closes_is_forgotten, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, a_get_that_finds_its_kept_connection_closing_may_be_repeated, 0,
			    XSCENE_WAYS);
	tcase_add_loop_test(tc, post_is_not_repeated_when_a_kept_connection_closes_on_it, 0,
			    XSCENE_WAYS);
	tcase_add_loop_test(tc, body_beyond_its_limit_is_cut, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, endless_heads_are_cut, 0, 1);
	tcase_add_loop_test(tc, endless_heads_are_cut, 2, 3);
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
