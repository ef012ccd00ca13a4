/* What the exchange sends, and over what: bodies, methods, TLS, proxies, Unix sockets, policy. */
#include "model/special.h"
#include "tests/kit/rawd.h"
#include "tests/kit/xkit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "www.example"
#define OK5  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

struct scene {
	struct xkit kit;
	struct rawd *server;
	struct xreq req;
};

static void open_scene(struct scene *s, bool tls)
{
	xkit_open(&s->kit, NULL);
	s->server = rawd_new(s->kit.base, tls ? &(struct rawd_cert){.name = NAME} : NULL);
	s->req = xkit_get(NAME, rawd_port(s->server), tls);
	s->req.tls_options.ca_pem = rawd_ca_pem();
}

static void close_scene(struct scene *s)
{
	rawd_free(s->server);
	xkit_close(&s->kit);
}

static struct xstats stats(struct scene *s)
{
	struct xstats st;
	exchange_stats(s->kit.x, &st);
	return st;
}

static void get(struct scene *s, struct xgot *g)
{
	memset(g, 0, sizeof(*g));
	xkit_fetch(&s->kit, &s->req, g);
	ck_assert_msg(g->ended, "the call did not end");
}

static void expect_status(struct scene *s, int status)
{
	struct xgot g;
	get(s, &g);
	ck_assert_msg(g.ok, "%s: %s", kind_name(g.kind), g.message);
	ck_assert_int_eq(g.status, status);
	xgot_fini(&g);
}

static void expect_failure(struct scene *s, enum kind kind, const char *in_message)
{
	struct xgot g;
	get(s, &g);
	ck_assert(!g.ok);
	ck_assert_msg(g.kind == kind, "%s instead of %s: %s", kind_name(g.kind), kind_name(kind),
		      g.message);
	ck_assert_msg(strstr(g.message, in_message) != NULL, "%s", g.message);
	xgot_fini(&g);
}

static void expect_sent(struct scene *s, size_t i, const char *bytes)
{
	struct slice got = rawd_received(s->server, i);
	ck_assert_msg(slice_is(got, bytes), "sent: %.*s", (int)got.n, got.p);
}

/* ---- heads ---- */

START_TEST(request_is_exactly_what_was_asked_for)
{
	struct scene s;
	const struct xheader h[] = {{SLICE_LIT("X-One"), SLICE_LIT("1")},
				    {SLICE_LIT("x-one"), SLICE_LIT("")},
				    {SLICE_LIT("Accept-Encoding"), SLICE_LIT("identity")}};
	open_scene(&s, _i);
	s.req.method = SLICE_LIT("PROPFIND");
	s.req.target = SLICE_LIT("/a%20b?c=d&e");
	s.req.headers = h;
	s.req.n_headers = 3;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	expect_status(&s, 200);
	expect_status(&s, 200); /* the second goes another way: on a kept connection */
#define ONE                                                                                        \
	"PROPFIND /a%20b?c=d&e HTTP/1.1\r\nHost: " NAME                                            \
	"\r\nX-One: 1\r\nx-one: \r\nAccept-Encoding: identity\r\n\r\n"
	expect_sent(&s, 0, ONE ONE);
	close_scene(&s);
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
	struct scene s;
	struct xgot g = {0};
	open_scene(&s, false);
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
	ck_assert_uint_eq(stats(&s).calls, 0);
	close_scene(&s);
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
	struct scene s;
	open_scene(&s, _i);
	s.req.method = SLICE_LIT("PATCH");
	s.req.decode = false;
	s.req.body = (struct xbody){.kind = XBODY_BYTES, .bytes = SLICE_LIT("payload")};
	for (int i = 0; i < 2; i++)
		rawd_add(s.server, &(struct rawd_reply){.bytes = SLICE_LIT(OK5), .body_first = 7});
	expect_status(&s, 200);
	expect_status(&s, 200);
#undef ONE
#define ONE "PATCH / HTTP/1.1\r\nHost: " NAME "\r\nContent-Length: 7\r\n\r\npayload"
	expect_sent(&s, 0, ONE ONE);
	ck_assert_uint_eq(stats(&s).idle, 1);
	close_scene(&s);
}
END_TEST

START_TEST(empty_bodies_are_said_to_be_empty)
{
	struct scene s;
	open_scene(&s, _i);
	s.req.method = SLICE_LIT("POST");
	s.req.decode = false;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	expect_status(&s, 200);
	expect_sent(&s, 0, "POST / HTTP/1.1\r\nHost: " NAME "\r\nContent-Length: 0\r\n\r\n");
	close_scene(&s);
}
END_TEST

/* Sends n bytes three ways, and expects them, and the connection kept. */
static void expect_upload(struct scene *s, struct source *src, bool sized, bool bytes)
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
	struct scene s;
	open_scene(&s, _i);
	for (int slow = 0; slow < 2; slow++) {
		expect_upload(&s, &(struct source){.total = 300000, .slow = slow}, true, false);
		expect_upload(&s, &(struct source){.total = 200000, .slow = slow}, true, true);
	}
	/* Chunked last: the server of the test does not undo chunks. */
	expect_upload(&s, &(struct source){.total = 250000}, false, false);
	close_scene(&s);
}
END_TEST

START_TEST(expect_continue_waits_for_it_or_a_second)
{
	struct scene s;
	for (int silent = 0; silent < 2; silent++) {
		open_scene(&s, _i);
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
		const char *want = "PUT / HTTP/1.1\r\nHost: " NAME
				   "\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\npayload";
		if (silent)
			ck_assert_msg(slice_is(got, want), "%.*s", (int)got.n, got.p);
		xgot_fini(&g);
		close_scene(&s);
	}
}
END_TEST

START_TEST(final_answer_instead_of_continue_ends_the_call_and_the_connection)
{
	struct scene s;
	open_scene(&s, _i);
	s.req.method = SLICE_LIT("PUT");
	s.req.body = (struct xbody){
		.kind = XBODY_BYTES, .bytes = SLICE_LIT("payload"), .expect_continue = true};
	rawd_say(s.server, "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", 0, RAWD_KEEP);
	expect_status(&s, 417);
	ck_assert_uint_eq(stats(&s).idle, 0);
	struct slice got = rawd_received(s.server, 0);
	ck_assert(memmem(got.p, got.n, "payload", 7) == NULL);
	close_scene(&s);
}
END_TEST

START_TEST(early_answer_while_uploading_is_delivered)
{
	static const enum rawd_then then[] = {RAWD_KEEP, RAWD_CLOSE, RAWD_RESET};
	struct scene s;
	for (int i = 0; i < 3; i++) {
		struct source src = {.total = 8 << 20};
		open_scene(&s, _i);
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
		get(&s, &g);
		if (then[i] != RAWD_RESET) /* a reset may overtake what was said before it */
			ck_assert_msg(g.ok && g.status == 413, "%d: %s: %s", i, kind_name(g.kind),
				      g.message);
		ck_assert_uint_lt(src.at, src.total);
		ck_assert_uint_eq(stats(&s).idle, 0);
		xgot_fini(&g);
		close_scene(&s);
	}
}
END_TEST

START_TEST(upload_that_nobody_reads_times_out)
{
	struct scene s;
	struct source src = {.total = 64 << 20};
	open_scene(&s, _i);
	rawd_stop_reading(s.server, true);
	s.req.method = SLICE_LIT("POST");
	s.req.body = (struct xbody){
		.kind = XBODY_PULL, .size = (int64_t)src.total, .pull = pull, .pull_ctx = &src};
	s.req.timeouts = (struct xtimeouts){.send_idle_ms = 100};
	expect_failure(&s, KIND_SEND_FAILED, "100 ms");
	close_scene(&s);
}
END_TEST

START_TEST(post_over_tls_does_not_wait_for_an_acknowledgement)
{
	struct scene s;
	struct xgot g;
	open_scene(&s, true);
	s.req.method = SLICE_LIT("POST");
	s.req.body = (struct xbody){.kind = XBODY_BYTES, .bytes = SLICE_LIT("payload")};
	for (int i = 0; i < 2; i++)
		rawd_add(s.server, &(struct rawd_reply){.bytes = SLICE_LIT(OK5), .body_first = 7});
	get(&s, &g);
	xgot_fini(&g);
	get(&s, &g);
	ck_assert(g.ok && g.end.timing.total_ms < 20);
	xgot_fini(&g);
	close_scene(&s);
}
END_TEST

/* ---- TLS ---- */

static void expect_tls(const struct rawd_cert *cert, const char *host, enum kind kind,
		       const char *in_message)
{
	struct xkit kit;
	struct xgot g = {0};
	xkit_open(&kit, NULL);
	struct rawd *server = rawd_new(kit.base, cert);
	struct xreq req = xkit_get(host, rawd_port(server), true);
	req.tls_options.ca_pem = rawd_ca_pem();
	rawd_say(server, OK5, 0, RAWD_KEEP);
	rawd_say(server, OK5, 0, RAWD_KEEP);
	xkit_fetch(&kit, &req, &g);
	ck_assert_msg(g.kind == kind, "%s: %s", kind_name(g.kind), g.message);
	ck_assert_msg(strstr(g.message, in_message) != NULL, "%s", g.message);
	ck_assert(kind == KIND_NONE || strcmp(g.phase, "tls") == 0);
	ck_assert_uint_eq(rawd_requests(server), kind == KIND_NONE);
	xgot_fini(&g);
	req.tls_options.insecure = true;
	xkit_fetch(&kit, &req, &g);
	ck_assert(g.ok);
	xgot_fini(&g);
	rawd_free(server);
	xkit_close(&kit);
}

START_TEST(certificates_are_verified_and_told_apart)
{
	expect_tls(&(struct rawd_cert){.name = NAME}, NAME, KIND_NONE, "");
	expect_tls(&(struct rawd_cert){.name = "*.example.org"}, "a.example.org", KIND_NONE, "");
	expect_tls(&(struct rawd_cert){.name = "127.0.0.1"}, "127.0.0.1", KIND_NONE, "");
	expect_tls(&(struct rawd_cert){.name = "other.example"}, NAME, KIND_TLS_VERIFY,
		   "not for " NAME);
	expect_tls(&(struct rawd_cert){.name = "w*.example"}, NAME, KIND_TLS_VERIFY,
		   "not for " NAME);
	expect_tls(&(struct rawd_cert){.name = NAME}, "127.0.0.1", KIND_TLS_VERIFY,
		   "not for 127.0.0.1");
	expect_tls(&(struct rawd_cert){.name = NAME, .self_signed = true}, NAME, KIND_TLS_VERIFY,
		   "self-signed");
	expect_tls(&(struct rawd_cert){.name = NAME, .expired = true}, NAME, KIND_TLS_VERIFY,
		   "certificate of " NAME " expired on 20");
}
END_TEST

START_TEST(unknown_authority_is_refused_and_bad_pem_is_named)
{
	struct scene s;
	open_scene(&s, true);
	s.req.tls_options.ca_pem = (struct slice){NULL, 0};
	expect_failure(&s, KIND_TLS_VERIFY, "unknown authority");
	s.req.tls_options.ca_pem = SLICE_LIT("not PEM at all");
	expect_failure(&s, KIND_TLS_FAILED, "authorities");
	s.req.tls_options = (struct xtls){.cert_pem = SLICE_LIT("no")};
	expect_failure(&s, KIND_TLS_FAILED, "client certificate");
	close_scene(&s);
}
END_TEST

START_TEST(plain_server_on_a_tls_port_is_explained)
{
	struct scene s;
	open_scene(&s, false);
	s.req.tls = true;
	struct xgot g = {0};
	ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
	while (rawd_connections(s.server) == 0)
		xkit_spin(&s.kit, 1);
	rawd_push(s.server, 0, SLICE_LIT("HTTP/1.1 400 Bad Request\r\n\r\n"));
	xkit_until(&s.kit, &g.ended, 5000);
	ck_assert_msg(g.kind == KIND_TLS_FAILED, "%s", g.message);
	ck_assert_msg(strstr(g.message, "does not speak TLS") != NULL, "%s", g.message);
	xgot_fini(&g);
	close_scene(&s);
}
END_TEST

START_TEST(tls_sessions_are_resumed)
{
	struct scene s;
	open_scene(&s, true);
	for (int i = 0; i < 3; i++) {
		rawd_say(s.server,
			 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
			 0, RAWD_KEEP);
		expect_status(&s, 200);
		ck_assert(rawd_resumed(s.server) == (i > 0));
	}
	ck_assert_uint_eq(stats(&s).tls_resumed, 2);
	ck_assert_uint_eq(rawd_connections(s.server), 3);
	close_scene(&s);
}
END_TEST

START_TEST(other_tls_options_never_share_a_connection)
{
	struct scene s;
	open_scene(&s, true);
	for (int i = 0; i < 2; i++)
		rawd_say(s.server, OK5, 0, RAWD_KEEP);
	expect_status(&s, 200);
	s.req.tls_options.insecure = true;
	expect_status(&s, 200);
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	s.req.tls_options = (struct xtls){0};
	expect_failure(&s, KIND_TLS_VERIFY, "");
	close_scene(&s);
}
END_TEST

/* ---- proxies, Unix sockets ---- */

START_TEST(http_proxy_gets_absolute_form_and_login)
{
	struct scene s;
	open_scene(&s, false);
	s.req.n_resolve = 0;
	s.req.decode = false;
	s.req.host = s.req.authority = SLICE_LIT("far.example");
	s.req.port = 80;
	s.req.proxy = (struct xproxy){XPROXY_HTTP, SLICE_LIT("127.0.0.1"), rawd_port(s.server),
				      SLICE_LIT("user"), SLICE_LIT("pass")};
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	expect_status(&s, 200);
	expect_sent(&s, 0,
		    "GET http://far.example/ HTTP/1.1\r\nHost: far.example\r\n"
		    "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n");
	close_scene(&s);
}
END_TEST

START_TEST(refusing_proxy_is_named)
{
	struct scene s;
	open_scene(&s, false);
	s.req.tls = true;
	s.req.proxy = (struct xproxy){
		.kind = XPROXY_HTTP, .host = SLICE_LIT("127.0.0.1"), .port = rawd_port(s.server)};
	rawd_say(s.server, "HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n", 1, RAWD_KEEP);
	expect_failure(&s, KIND_PROXY_FAILED, "status 407");
	rawd_say(s.server, "HTTP/1.1 200 OK\r\n", 0, RAWD_CLOSE);
	expect_failure(&s, KIND_PROXY_FAILED, "closed");
	close_scene(&s);
}
END_TEST

/* A SOCKS5 server that is the origin as well. */
static void push_when(struct scene *s, size_t received, struct slice bytes)
{
	for (int i = 0; i < 1000; i++) {
		if (rawd_connections(s->server) > 0 && rawd_received(s->server, 0).n >= received)
			break;
		xkit_spin(&s->kit, 1);
	}
	ck_assert_uint_eq(rawd_received(s->server, 0).n, received);
	rawd_push(s->server, 0, bytes);
}

START_TEST(socks5_is_given_name_and_login)
{
	struct scene s;
	struct xgot g = {0};
	open_scene(&s, false);
	s.req.n_resolve = 0;
	s.req.host = s.req.authority = SLICE_LIT("far.example");
	s.req.port = 80;
	s.req.decode = false;
	s.req.proxy = (struct xproxy){XPROXY_SOCKS5, SLICE_LIT("127.0.0.1"), rawd_port(s.server),
				      SLICE_LIT("u"), SLICE_LIT("p")};
	ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
	push_when(&s, 4, SLICE_LIT("\5\2"));
	push_when(&s, 4 + 5, SLICE_LIT("\1\0"));
	push_when(&s, 9 + 18, SLICE_LIT("\5\0\0\1\0\0\0\0\0\0"));
	const char *head = "GET / HTTP/1.1\r\nHost: far.example\r\n\r\n";
	push_when(&s, 27 + strlen(head), SLICE_LIT(OK5));
	xkit_until(&s.kit, &g.ended, 5000);
	ck_assert_msg(g.ok, "%s", g.message);
	struct slice got = rawd_received(s.server, 0);
	ck_assert(memcmp(got.p, "\5\2\0\2\1\1u\1p\5\1\0\3\13far.example\0\120", 27) == 0);
	xgot_fini(&g);
	close_scene(&s);
}
END_TEST

START_TEST(socks5_refusal_is_explained)
{
	struct scene s;
	struct xgot g = {0};
	open_scene(&s, false);
	s.req.proxy = (struct xproxy){
		.kind = XPROXY_SOCKS5, .host = SLICE_LIT("127.0.0.1"), .port = rawd_port(s.server)};
	ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
	push_when(&s, 3, SLICE_LIT("\5\0"));
	push_when(&s, 3 + 18, SLICE_LIT("\5\4\0\1\0\0\0\0\0\0"));
	xkit_until(&s.kit, &g.ended, 5000);
	ck_assert_int_eq(g.kind, KIND_PROXY_FAILED);
	ck_assert_msg(strstr(g.message, "host unreachable") != NULL, "%s", g.message);
	xgot_fini(&g);
	close_scene(&s);
}
END_TEST

START_TEST(unix_socket_serves_any_host)
{
	struct scene s;
	char path[] = "/tmp/rawd.XXXXXX";
	close(mkstemp(path));
	xkit_open(&s.kit, NULL);
	s.server = rawd_new_unix(s.kit.base, path);
	s.req = xkit_get(NAME, 80, false);
	s.req.unix_socket = slice_of(path);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	expect_status(&s, 200);
	expect_status(&s, 200);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	s.req.unix_socket = SLICE_LIT("/nonexistent/socket");
	expect_failure(&s, KIND_CONNECT_FAILED, "/nonexistent/socket");
	close_scene(&s);
	unlink(path);
}
END_TEST

/* ---- where it may not go ---- */

static struct net_policy *policy(const char *allow, const char *deny)
{
	struct slice a = slice_of(allow), d = slice_of(deny), bad;
	struct net_policy *p = NULL;
	ck_assert_int_eq(net_policy_new(&a, a.n > 0, &d, d.n > 0, &p, &bad), ERR_OK);
	return p;
}

START_TEST(forbidden_addresses_are_never_connected_to)
{
	struct scene s;
	open_scene(&s, false);
	struct net_policy *deny = policy("", "special"), *allow = policy("127.0.0.0/8", "special");
	s.req.policy = deny;
	expect_failure(&s, KIND_POLICY_DENIED, "policy forbids");
	s.req.policy = allow;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	expect_status(&s, 200);
	/* The connection that is kept is vetted again for whom it would serve. */
	s.req.policy = deny;
	expect_failure(&s, KIND_POLICY_DENIED, "policy forbids");
	s.req.policy = NULL;
	s.req.from_public = true;
	expect_failure(&s, KIND_REDIRECT_DENIED, "redirect");
	s.req.policy = allow;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	expect_status(&s, 200);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	net_policy_free(deny);
	net_policy_free(allow);
	close_scene(&s);
}
END_TEST

START_TEST(connections_that_fail_say_how)
{
	struct scene s;
	open_scene(&s, false);
	uint16_t port = rawd_port(s.server);
	rawd_free(s.server);
	s.server = NULL;
	expect_failure(&s, KIND_CONNECT_REFUSED, "refused");
	(void)port;
	s.req.n_resolve = 0;
	s.req.host = SLICE_LIT("a..b");
	expect_failure(&s, KIND_DNS_FAILED, "a..b");
	close_scene(&s);
}
END_TEST

START_TEST(timing_and_counts_are_told)
{
	struct scene s;
	struct xgot g;
	open_scene(&s, _i);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	get(&s, &g);
	ck_assert(g.end.timing.connect_ms >= 0 && g.end.timing.dns_ms >= 0);
	ck_assert(_i == 1 ? g.end.timing.tls_ms >= 0 : g.end.timing.tls_ms == -1);
	ck_assert(g.end.timing.first_byte_ms >= 0 && g.end.timing.total_ms >= 0);
	ck_assert(g.end.request_sent && !g.end.reused && g.end.peer_is_special);
	ck_assert_uint_eq(g.end.wire_bytes, strlen(OK5));
	ck_assert_uint_eq(g.end.decoded_bytes, 5);
	xgot_fini(&g);
	get(&s, &g);
	ck_assert(g.end.reused && g.end.timing.connect_ms == -1 && g.end.timing.dns_ms == -1);
	xgot_fini(&g);
	ck_assert_uint_eq(exchange_in_use(s.kit.x, _i, SLICE_LIT(NAME), rawd_port(s.server)), 0);
	exchange_close_idle(s.kit.x);
	ck_assert_uint_eq(stats(&s).idle, 0);
	close_scene(&s);
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
	tcase_add_loop_test(tc, timing_and_counts_are_told, 0, 2);
	suite_add_tcase(su, tc);
	tc = tcase_create("once");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, injections_are_refused_before_anything_is_sent);
	tcase_add_test(tc, post_over_tls_does_not_wait_for_an_acknowledgement);
	tcase_add_test(tc, certificates_are_verified_and_told_apart);
	tcase_add_test(tc, unknown_authority_is_refused_and_bad_pem_is_named);
	tcase_add_test(tc, plain_server_on_a_tls_port_is_explained);
	tcase_add_test(tc, tls_sessions_are_resumed);
	tcase_add_test(tc, other_tls_options_never_share_a_connection);
	tcase_add_test(tc, http_proxy_gets_absolute_form_and_login);
	tcase_add_test(tc, refusing_proxy_is_named);
	tcase_add_test(tc, socks5_is_given_name_and_login);
	tcase_add_test(tc, socks5_refusal_is_explained);
	tcase_add_test(tc, unix_socket_serves_any_host);
	tcase_add_test(tc, forbidden_addresses_are_never_connected_to);
	tcase_add_test(tc, connections_that_fail_say_how);
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
