/* The pace of the exchange: credit, abort, timers, ends at any byte. */
#include "tests/kit/xscene.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define OK11 "HTTP/1.1 200 OK\r\n"
#define CL5  "Content-Length: 5\r\n"
#define TE   "Transfer-Encoding: chunked\r\n"

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
		struct xscene s;
		struct xgot g = {.refuses_data = true};
		struct bytes b = BYTES_LIMIT(1 << 20);
		xscene_open_way(&s, _i & ~1);
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
		ck_assert_uint_eq(xscene_stats(&s).idle, 1);
		xgot_fini(&g);
		bytes_fini(&b);
		xscene_close(&s);
	}
}
END_TEST

/* Long ones are read in another way than short ones: their ends must be told apart as well. */
static void fetch_big(int way, struct slice reply, enum rawd_then then, struct xgot *g,
		      unsigned *ret_idle)
{
	struct xscene s;
	*g = (struct xgot){.status = 0};
	xscene_open_way(&s, way & ~1);
	rawd_add(s.server, &(struct rawd_reply){.bytes = reply, .then = then});
	xscene_get(&s, g);
	xkit_spin(&s.kit, 10);
	*ret_idle = xscene_stats(&s).idle;
	xscene_close(&s);
}

START_TEST(long_bodies_end_where_they_should)
{
	enum { TOTAL = 700000 };
	unsigned idle;
	struct xgot g;
	for (int chunked = 0; chunked < 2; chunked++) {
		struct bytes b = BYTES_LIMIT(1 << 20);
		struct slice whole = big_reply(&b, chunked, TOTAL);
		fetch_big(_i, whole, RAWD_KEEP, &g, &idle);
		ck_assert_msg(g.ok && g.body.n == TOTAL && idle == 1, "%s", g.message);
		xgot_fini(&g);
		struct slice cut = {whole.p, whole.n - 1};
		fetch_big(_i, cut, RAWD_CLOSE, &g, &idle);
		ck_assert(!g.ok && g.kind == KIND_READ_CLOSED && idle == 0);
		xgot_fini(&g);
		fetch_big(_i, cut, RAWD_RESET, &g, &idle);
		ck_assert(!g.ok && g.kind == KIND_READ_CLOSED && idle == 0);
		xgot_fini(&g);
		bytes_add_str(&b, OK11 "Content-Length: 8\r\n\r\nPOISONED");
		fetch_big(_i, bytes_slice(&b), RAWD_KEEP, &g, &idle);
		ck_assert_msg(g.ok && g.body.n == TOTAL && idle == 0, "%s", g.message);
		xgot_fini(&g);
		bytes_fini(&b);
	}
}
END_TEST

START_TEST(long_body_until_close_is_whole_only_without_a_reset)
{
	enum { TOTAL = 700000 };
	unsigned idle;
	struct xgot g;
	struct bytes b = BYTES_LIMIT(1 << 20);
	bytes_add_str(&b, OK11 "\r\n");
	while (b.n < TOTAL)
		bytes_add_byte(&b, 'x');
	fetch_big(_i, bytes_slice(&b), RAWD_CLOSE, &g, &idle);
	ck_assert_msg(g.ok && g.body.n == TOTAL - strlen(OK11 "\r\n"), "%s", g.message);
	xgot_fini(&g);
	fetch_big(_i, bytes_slice(&b), RAWD_RESET, &g, &idle);
	ck_assert(!g.ok && g.kind == KIND_READ_CLOSED);
	xgot_fini(&g);
	bytes_fini(&b);
}
END_TEST

/* That many bytes of "a", as gzip, in one chunk. */
static void add_coded_reply(struct xscene *s, size_t total)
{
	struct bytes b = BYTES_LIMIT(1 << 20);
	unsigned char *plain = malloc(total), *coded = malloc(total / 2 + 1000);
	ck_assert(plain != NULL && coded != NULL);
	memset(plain, 'a', total);
	z_stream z = {0};
	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = plain;
	z.avail_in = (uInt)total;
	z.next_out = coded;
	z.avail_out = (uInt)(total / 2 + 1000);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	bytes_printf(&b, OK11 TE "Content-Encoding: gzip\r\n\r\n%zx\r\n", (size_t)z.total_out);
	bytes_add(&b, coded, z.total_out);
	bytes_add_str(&b, "\r\n0\r\n\r\n");
	deflateEnd(&z);
	rawd_add(s->server, &(struct rawd_reply){.bytes = bytes_slice(&b)});
	free(plain);
	free(coded);
	bytes_fini(&b);
}

START_TEST(coded_body_comes_as_slowly_as_it_is_taken)
{
	enum { TOTAL = 500000, STEP = 7000 };
	struct xscene s;
	struct xgot g = {.refuses_data = true};
	xscene_open_way(&s, _i);
	add_coded_reply(&s, TOTAL); /* a few hundred bytes: all of it is there at once */
	s.req.credit_bytes = STEP;
	ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
	xkit_spin(&s.kit, 50);
	ck_assert_uint_eq(g.body.n, STEP);
	while (!g.ended) {
		size_t before = g.body.n;
		exchange_credit(s.kit.x, g.id, STEP);
		xkit_spin(&s.kit, 1);
		ck_assert_uint_le(g.body.n, before + STEP);
	}
	ck_assert_msg(g.ok, "%s", g.message);
	ck_assert_uint_eq(g.body.n, TOTAL);
	ck_assert_uint_eq(xscene_stats(&s).idle, 1);
	xgot_fini(&g);
	xscene_close(&s);
}
END_TEST

START_TEST(bombs_are_cut_while_they_unfold)
{
	struct xscene s;
	struct xgot g;
	xscene_open_way(&s, _i);
	add_coded_reply(&s, 20 << 20);
	s.req.limits.body_bytes = 100000;
	xscene_get(&s, &g);
	ck_assert_int_eq(g.kind, KIND_BODY_TOO_LARGE);
	ck_assert_uint_le(g.body.n, 100000);
	xgot_fini(&g);
	add_coded_reply(&s, 20 << 20);
	s.req.limits = (struct xlimits){.decoded_per_wire = 50};
	xscene_get(&s, &g);
	ck_assert_int_eq(g.kind, KIND_BODY_TOO_LARGE);
	ck_assert_uint_lt(g.body.n, 5 << 20);
	ck_assert_uint_eq(xscene_stats(&s).idle, 0);
	xgot_fini(&g);
	xscene_close(&s);
}
END_TEST

START_TEST(abort_closes_at_once_and_is_silent)
{
	for (int when = 0; when < 6; when++) {
		struct xscene s;
		struct xgot g = {.abort_in_head = when == 3, .abort_in_data = when == 4};
		xscene_open_way(&s, _i);
		if (when >= 2)
			xscene_say(&s, OK11 "Content-Length: 50\r\n\r\nhello", RAWD_KEEP);
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
		ck_assert_uint_eq(xscene_stats(&s).calls, 0);
		ck_assert_uint_eq(xscene_stats(&s).busy + xscene_stats(&s).connecting, 0);
		xgot_fini(&g);
		xscene_close(&s);
	}
}
END_TEST

START_TEST(thousand_calls_in_flight_go_with_their_exchange)
{
	enum { N = 300 };
	struct xscene s;
	static struct xgot g[N];
	xscene_open_way(&s, _i);
	memset(g, 0, sizeof(g));
	for (int i = 0; i < N; i++)
		ck_assert(xkit_submit(&s.kit, &s.req, &g[i]) == ERR_OK);
	xkit_spin(&s.kit, 100);
	ck_assert_uint_eq(xscene_stats(&s).calls, N);
	for (int i = 0; i < N; i += 2)
		exchange_abort(s.kit.x, g[i].id);
	xscene_close(&s);
	for (int i = 0; i < N; i++)
		ck_assert(!g[i].ended);
}
END_TEST

/* ---- time ---- */

static void expect_timeout(struct xscene *s, enum kind kind, const char *phase)
{
	struct xgot g;
	int64_t before = s->kit.clock.mono_ns(NULL);
	xscene_get(s, &g);
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
	struct xscene s;
	xscene_open_way(&s, _i & ~1);
	s.req.timeouts = (struct xtimeouts){.first_byte_ms = 60};
	expect_timeout(&s, KIND_READ_TIMEOUT, "first_byte");
	s.req.timeouts = (struct xtimeouts){.read_idle_ms = 60};
	xscene_say(&s, "HTTP/1.1 200", RAWD_KEEP);
	expect_timeout(&s, KIND_READ_TIMEOUT, "head");
	xscene_say(&s, OK11 CL5 "\r\nhel", RAWD_KEEP);
	expect_timeout(&s, KIND_READ_TIMEOUT, "body");
	xscene_close(&s);
}
END_TEST

START_TEST(mute_tls_peer_is_a_connect_timeout)
{
	struct xscene s;
	xscene_open_way(&s, 0);
	s.req.tls = true;
	s.req.timeouts = (struct xtimeouts){.connect_ms = 60};
	expect_timeout(&s, KIND_CONNECT_TIMEOUT, "tls");
	xscene_close(&s);
}
END_TEST

/* ---- the end at every byte ---- */

struct whole {
	const char *reply;
	size_t enough; /* so many bytes are a whole response */
	bool until_close;
};

static const struct whole wholes[] = {
	{OK11 CL5 "\r\nhello", sizeof(OK11 CL5 "\r\nhello") - 1, false},
	{OK11 TE "\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n",
	 sizeof(OK11 TE "\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n") - 1, false},
	{"HTTP/1.1 100 C\r\n\r\n" OK11 "\r\nhello",
	 sizeof("HTTP/1.1 100 C\r\n\r\n" OK11 "\r\n") - 1, true},
	{"HTTP/1.1 204 N\r\nA: b\r\n\r\n", sizeof("HTTP/1.1 204 N\r\nA: b\r\n\r\n") - 1, false},
};
#define N_WHOLES ((int)(sizeof(wholes) / sizeof(*wholes)))

START_TEST(response_cut_at_any_byte_is_whole_or_closed)
{
	static const enum rawd_then then[] = {RAWD_CLOSE, RAWD_RESET, RAWD_HALF_CLOSE};
	const struct whole *w = &wholes[_i / 2];
	struct xscene s;
	xscene_open(&s, _i % 2 == 1, 0);
	for (size_t n = 0; n <= strlen(w->reply); n++) {
		for (int t = 0; t < (_i % 2 == 1 ? 1 : 3); t++) {
			struct xgot g;
			rawd_add(s.server,
				 &(struct rawd_reply){.bytes = {w->reply, n}, .then = then[t]});
			xscene_get(&s, &g);
			bool whole = n >= w->enough && !(w->until_close && then[t] == RAWD_RESET);
			if (whole)
				ck_assert_msg(g.ok, "%zu %d: %s", n, t, g.message);
			else if (n < w->enough)
				ck_assert_msg(g.kind == KIND_READ_CLOSED, "%zu %d: %s", n, t,
					      g.message);
			xgot_fini(&g);
		}
	}
	xscene_close(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *su = suite_create("exchange, pace");
	TCase *tc = tcase_create("ways");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, long_bodies_end_where_they_should, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, long_body_until_close_is_whole_only_without_a_reset, 0,
			    XSCENE_WAYS);
	tcase_add_loop_test(tc, abort_closes_at_once_and_is_silent, 0, XSCENE_WAYS);
	tcase_add_loop_test(tc, thousand_calls_in_flight_go_with_their_exchange, 0, XSCENE_WAYS);
	for (int way = 0; way < XSCENE_WAYS; way += 2) {
		tcase_add_loop_test(tc, without_credit_nothing_comes_and_nothing_is_lost, way,
				    way + 1);
		tcase_add_loop_test(tc, coded_body_comes_as_slowly_as_it_is_taken, way, way + 1);
		tcase_add_loop_test(tc, bombs_are_cut_while_they_unfold, way, way + 1);
		tcase_add_loop_test(tc, each_phase_has_its_own_timer, way, way + 1);
	}
	tcase_add_test(tc, mute_tls_peer_is_a_connect_timeout);
	tcase_add_loop_test(tc, response_cut_at_any_byte_is_whole_or_closed, 0, 2 * N_WHOLES);
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
