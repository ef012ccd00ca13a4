/* The exchange over evhttp against scripted servers: plain and TLS, at once and byte by byte. */
#include "tests/kit/rawd.h"
#include "tests/kit/xkit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NAME "www.example"

/* Every promise below holds four ways. */
struct way {
	bool tls;
	size_t piece;
};
static const struct way ways[] = {{false, 0}, {false, 1}, {true, 0}, {true, 1}};
#define N_WAYS ((int)(sizeof(ways) / sizeof(*ways)))

struct scene {
	struct xkit kit;
	struct rawd *server;
	struct xreq req;
	size_t piece;
};

static void open_scene(struct scene *s, int way)
{
	xkit_open(&s->kit, NULL);
	s->piece = ways[way].piece;
	s->server = rawd_new(s->kit.base, ways[way].tls ? &(struct rawd_cert){.name = NAME} : NULL);
	s->req = xkit_get(NAME, rawd_port(s->server), ways[way].tls);
	s->req.tls_options.ca_pem = rawd_ca_pem();
}

static void close_scene(struct scene *s)
{
	rawd_free(s->server);
	xkit_close(&s->kit);
}

static void say(struct scene *s, const char *bytes, enum rawd_then then)
{
	rawd_say(s->server, bytes, s->piece, then);
}

static void get(struct scene *s, struct xgot *g)
{
	memset(g, 0, sizeof(*g));
	xkit_fetch(&s->kit, &s->req, g);
	ck_assert_msg(g->ended, "the call did not end");
}

static struct xstats stats(struct scene *s)
{
	struct xstats st;
	exchange_stats(s->kit.x, &st);
	return st;
}

/* Expects this body, and that the connection is kept, or not. */
static void expect(struct scene *s, const char *body, bool kept)
{
	struct xgot g;
	get(s, &g);
	ck_assert_msg(g.ok, "%s: %s", kind_name(g.kind), g.message);
	ck_assert_uint_eq(g.n_ends, 1);
	ck_assert_msg(xgot_body_is(&g, body), "body is %.*s", (int)g.body.n, g.body.p);
	ck_assert_uint_eq(stats(s).idle, kept ? 1 : 0);
	xgot_fini(&g);
}

static void expect_failure(struct scene *s, enum kind kind)
{
	struct xgot g;
	get(s, &g);
	ck_assert(!g.ok);
	ck_assert_msg(g.kind == kind, "%s instead of %s: %s", kind_name(g.kind), kind_name(kind),
		      g.message);
	ck_assert(g.message[0] != '\0');
	ck_assert_uint_eq(stats(s).idle, 0);
	ck_assert_uint_eq(stats(s).busy, 0);
	xgot_fini(&g);
}

START_TEST(small_body_arrives_and_connection_is_kept)
{
	struct scene s;
	open_scene(&s, _i);
	say(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", RAWD_KEEP);
	say(&s, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain", RAWD_KEEP);
	expect(&s, "hello", true);
	expect(&s, "again", true);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	ck_assert_uint_eq(stats(&s).reuses, 1);
	close_scene(&s);
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

#define OK11 "HTTP/1.1 200 OK\r\n"
#define CL5  "Content-Length: 5\r\n"
#define TE   "Transfer-Encoding: chunked\r\n"

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
	{OK11 "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", MALFORMED, NULL, RAWD_KEEP},
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
	const struct reply_row *row = &replies[_i / N_WAYS];
	struct scene s;
	open_scene(&s, _i % N_WAYS);
	say(&s, row->reply, row->then);
	if (row->verdict == KEPT || row->verdict == GONE) {
		/* Late bytes may come in a turn of their own, when the call is over already. */
		struct xgot g;
		get(&s, &g);
		ck_assert_msg(g.ok, "row %d: %s: %s", _i / N_WAYS, kind_name(g.kind), g.message);
		ck_assert_msg(xgot_body_is(&g, row->body), "row %d: %.*s", _i / N_WAYS,
			      (int)g.body.n, g.body.p);
		xkit_spin(&s.kit, 10);
		ck_assert_msg(stats(&s).idle == (row->verdict == KEPT), "row %d", _i / N_WAYS);
		ck_assert(!xgot_has(&g, "Set-Cookie=a=b") && !xgot_has(&g, "X=y"));
		xgot_fini(&g);
		/* Nothing of this response is ever part of the next one. */
		say(&s, OK11 "Content-Length: 4\r\n\r\nnext", RAWD_KEEP);
		expect(&s, "next", true);
	} else {
		expect_failure(&s, kind_of(row->verdict));
		say(&s, OK11 "Content-Length: 4\r\n\r\nnext", RAWD_KEEP);
		expect(&s, "next", true);
		ck_assert_uint_eq(rawd_connections(s.server), 2);
	}
	close_scene(&s);
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
		struct scene s;
		open_scene(&s, _i);
		rawd_add(s.server, &(struct rawd_reply){.bytes = with_nul[i], .piece = s.piece});
		expect_failure(&s, KIND_PROTOCOL_MALFORMED);
		close_scene(&s);
	}
}
END_TEST

START_TEST(head_has_no_body_whatever_its_fields_say)
{
	struct scene s;
	open_scene(&s, _i);
	s.req.method = SLICE_LIT("HEAD");
	say(&s, OK11 "Content-Length: 500\r\nContent-Encoding: gzip\r\n\r\n", RAWD_KEEP);
	say(&s, OK11 TE "\r\n", RAWD_KEEP);
	expect(&s, "", true);
	expect(&s, "", true);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	close_scene(&s);
}
END_TEST

START_TEST(bytes_on_an_idle_connection_end_it)
{
	struct scene s;
	open_scene(&s, _i);
	say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	say(&s, OK11 CL5 "\r\nagain", RAWD_KEEP);
	expect(&s, "hello", true);
	rawd_push(s.server, 0, SLICE_LIT(OK11 "Content-Length: 8\r\n\r\nPOISONED"));
	xkit_spin(&s.kit, 20);
	ck_assert_uint_eq(stats(&s).idle, 0);
	expect(&s, "again", true);
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	close_scene(&s);
}
END_TEST

START_TEST(bytes_that_came_unseen_are_not_the_next_answer)
{
	struct scene s;
	open_scene(&s, _i);
	say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	say(&s, OK11 CL5 "\r\nagain", RAWD_KEEP);
	expect(&s, "hello", true);
	/* Written now, and the next call is submitted before the loop looks. */
	rawd_push(s.server, 0, SLICE_LIT(OK11 "Content-Length: 8\r\n\r\nPOISONED"));
	expect(&s, "again", true);
	close_scene(&s);
}
END_TEST

START_TEST(idle_connection_that_closes_is_forgotten)
{
	struct scene s;
	open_scene(&s, _i);
	say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	say(&s, OK11 CL5 "\r\nagain", RAWD_KEEP);
	expect(&s, "hello", true);
	rawd_close_connection(s.server, 0);
	xkit_spin(&s.kit, 20);
	ck_assert_uint_eq(stats(&s).idle, 0);
	expect(&s, "again", true);
	close_scene(&s);
}
END_TEST

START_TEST(get_is_repeated_once_when_a_kept_connection_closes_on_it)
{
	struct scene s;
	open_scene(&s, _i);
	say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	say(&s, "", RAWD_CLOSE);
	say(&s, OK11 CL5 "\r\nagain", RAWD_KEEP);
	expect(&s, "hello", true);
	expect(&s, "again", true);
	ck_assert_uint_eq(stats(&s).retries, 1);
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	say(&s, "", RAWD_CLOSE);
	say(&s, "", RAWD_CLOSE);
	expect_failure(&s, KIND_READ_CLOSED); /* once, not for ever */
	close_scene(&s);
}
END_TEST

START_TEST(post_is_not_repeated_when_a_kept_connection_closes_on_it)
{
	struct scene s;
	open_scene(&s, _i);
	say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	say(&s, "", RAWD_CLOSE);
	expect(&s, "hello", true);
	s.req.method = SLICE_LIT("POST");
	s.req.body = (struct xbody){.kind = XBODY_BYTES, .bytes = SLICE_LIT("pay")};
	expect_failure(&s, KIND_READ_CLOSED);
	ck_assert_uint_eq(rawd_requests(s.server), 2);
	close_scene(&s);
}
END_TEST

/* ---- limits ---- */

static void expect_endless(int way, const char *begin, const char *more, enum kind kind)
{
	struct scene s;
	open_scene(&s, way & ~1); /* whole pieces only: one byte a turn would take for ever */
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
	close_scene(&s);
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
	struct scene s;
	open_scene(&s, _i);
	s.req.limits.body_bytes = 4;
	say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	say(&s, OK11 TE "\r\n5\r\nhello\r\n0\r\n\r\n", RAWD_KEEP);
	say(&s, OK11 "\r\nhello", RAWD_CLOSE);
	for (int i = 0; i < 3; i++)
		expect_failure(&s, KIND_BODY_TOO_LARGE);
	s.req.limits.body_bytes = 5;
	say(&s, OK11 CL5 "\r\nhello", RAWD_KEEP);
	expect(&s, "hello", true);
	close_scene(&s);
}
END_TEST

/* ---- the consumer's pace ---- */

static struct slice big_reply(struct bytes *b, bool chunked, size_t n)
{
	bytes_printf(b, OK11 "%s", "");
	if (chunked)
		bytes_printf(b, TE "\r\n%zx\r\n", n);
	else
		bytes_printf(b, "Content-Length: %zu\r\n\r\n", n);
	for (size_t i = 0; i < n; i++)
		bytes_add_byte(b, (char)('a' + i % 23));
	if (chunked)
		bytes_add_str(b, "\r\n0\r\n\r\n");
	return bytes_slice(b);
}

START_TEST(without_credit_nothing_comes_and_nothing_is_lost)
{
	enum { TOTAL = 300000, STEP = 7000 };
	for (int chunked = 0; chunked < 2; chunked++) {
		struct scene s;
		struct xgot g = {.refuses_data = true};
		struct bytes b = BYTES_LIMIT(1 << 20);
		open_scene(&s, _i & ~1);
		rawd_add(s.server, &(struct rawd_reply){.bytes = big_reply(&b, chunked, TOTAL)});
		s.req.credit_bytes = STEP;
		s.req.timeouts.read_idle_ms = 50; /* stands still while there is no credit */
		ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
		xkit_spin(&s.kit, 150);
		ck_assert_uint_eq(g.body.n, STEP);
		ck_assert(!g.ended);
		while (!g.ended) {
			size_t before = g.body.n;
			exchange_credit(s.kit.x, g.id, STEP);
			ck_assert_uint_eq(g.body.n, before);
			xkit_spin(&s.kit, 2);
			ck_assert_uint_le(g.body.n, before + STEP);
		}
		ck_assert_msg(g.ok, "%s", g.message);
		ck_assert_uint_eq(g.body.n, TOTAL);
		for (size_t i = 0; i < TOTAL; i++)
			ck_assert(g.body.p[i] == (char)('a' + i % 23));
		ck_assert_uint_eq(stats(&s).idle, 1);
		xgot_fini(&g);
		bytes_fini(&b);
		close_scene(&s);
	}
}
END_TEST

START_TEST(abort_closes_at_once_and_is_silent)
{
	for (int when = 0; when < 6; when++) {
		struct scene s;
		struct xgot g = {.abort_in_head = when == 3, .abort_in_data = when == 4};
		open_scene(&s, _i);
		if (when >= 2)
			say(&s, OK11 "Content-Length: 50\r\n\r\nhello", RAWD_KEEP);
		ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
		if (when >= 1)
			xkit_spin(&s.kit, 20);
		exchange_abort(s.kit.x, g.id);
		exchange_abort(s.kit.x, g.id);
		exchange_credit(s.kit.x, g.id, 10);
		unsigned heads = g.n_heads, data = g.n_data;
		xkit_spin(&s.kit, 20);
		ck_assert(!g.ended && g.n_heads == heads && g.n_data == data);
		ck_assert_uint_eq(rawd_open(s.server), 0);
		ck_assert_uint_eq(stats(&s).calls, 0);
		ck_assert_uint_eq(stats(&s).busy + stats(&s).connecting, 0);
		xgot_fini(&g);
		close_scene(&s);
	}
}
END_TEST

START_TEST(thousand_calls_in_flight_go_with_their_exchange)
{
	enum { N = 300 };
	struct scene s;
	static struct xgot g[N];
	open_scene(&s, _i);
	memset(g, 0, sizeof(g));
	for (int i = 0; i < N; i++)
		ck_assert(xkit_submit(&s.kit, &s.req, &g[i]) == ERR_OK);
	xkit_spin(&s.kit, 100);
	ck_assert_uint_eq(stats(&s).calls, N);
	for (int i = 0; i < N; i += 2)
		exchange_abort(s.kit.x, g[i].id);
	close_scene(&s);
	for (int i = 0; i < N; i++)
		ck_assert(!g[i].ended);
}
END_TEST

/* ---- time ---- */

static void expect_timeout(struct scene *s, enum kind kind, const char *phase)
{
	struct xgot g;
	int64_t before = s->kit.clock.mono_ns(NULL);
	get(s, &g);
	int64_t took_ms = (s->kit.clock.mono_ns(NULL) - before) / NS_PER_MS;
	ck_assert(!g.ok);
	ck_assert_msg(g.kind == kind, "%s: %s", kind_name(g.kind), g.message);
	ck_assert_str_eq(g.phase, phase);
	ck_assert_int_ge(took_ms, 60);
	ck_assert_int_lt(took_ms, 1500);
	xgot_fini(&g);
}

START_TEST(each_phase_has_its_own_timer)
{
	struct scene s;
	open_scene(&s, _i & ~1);
	s.req.timeouts = (struct xtimeouts){.first_byte_ms = 60};
	expect_timeout(&s, KIND_READ_TIMEOUT, "first_byte");
	s.req.timeouts = (struct xtimeouts){.read_idle_ms = 60};
	say(&s, "HTTP/1.1 200", RAWD_KEEP);
	expect_timeout(&s, KIND_READ_TIMEOUT, "head");
	say(&s, OK11 CL5 "\r\nhel", RAWD_KEEP);
	expect_timeout(&s, KIND_READ_TIMEOUT, "body");
	close_scene(&s);
}
END_TEST

START_TEST(mute_tls_peer_is_a_connect_timeout)
{
	struct scene s;
	open_scene(&s, 0);
	s.req.tls = true;
	s.req.timeouts = (struct xtimeouts){.connect_ms = 60};
	expect_timeout(&s, KIND_CONNECT_TIMEOUT, "tls");
	close_scene(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *su = suite_create("exchange");
	TCase *tc = tcase_create("ways");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, small_body_arrives_and_connection_is_kept, 0, N_WAYS);
	tcase_add_loop_test(tc, every_reply_gets_its_verdict, 0, N_REPLIES * N_WAYS);
	tcase_add_loop_test(tc, nul_bytes_in_a_head_are_refused, 0, N_WAYS);
	tcase_add_loop_test(tc, head_has_no_body_whatever_its_fields_say, 0, N_WAYS);
	tcase_add_loop_test(tc, bytes_on_an_idle_connection_end_it, 0, N_WAYS);
	tcase_add_loop_test(tc, bytes_that_came_unseen_are_not_the_next_answer, 0, N_WAYS);
	tcase_add_loop_test(tc, idle_connection_that_closes_is_forgotten, 0, N_WAYS);
	tcase_add_loop_test(tc, get_is_repeated_once_when_a_kept_connection_closes_on_it, 0,
			    N_WAYS);
	tcase_add_loop_test(tc, post_is_not_repeated_when_a_kept_connection_closes_on_it, 0,
			    N_WAYS);
	tcase_add_loop_test(tc, body_beyond_its_limit_is_cut, 0, N_WAYS);
	tcase_add_loop_test(tc, abort_closes_at_once_and_is_silent, 0, N_WAYS);
	tcase_add_loop_test(tc, thousand_calls_in_flight_go_with_their_exchange, 0, N_WAYS);
	suite_add_tcase(su, tc);
	tc = tcase_create("plain and tls");
	tcase_set_timeout(tc, 60);
	for (int way = 0; way < N_WAYS; way += 2) {
		tcase_add_loop_test(tc, endless_heads_are_cut, way, way + 1);
		tcase_add_loop_test(tc, without_credit_nothing_comes_and_nothing_is_lost, way,
				    way + 1);
		tcase_add_loop_test(tc, each_phase_has_its_own_timer, way, way + 1);
	}
	tcase_add_test(tc, mute_tls_peer_is_a_connect_timeout);
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
