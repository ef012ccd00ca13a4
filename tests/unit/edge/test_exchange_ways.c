/* Over what the exchange goes: TLS, proxies, Unix sockets, and where it may not go. */
#include "model/special.h"
#include "tests/kit/xscene.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void expect_sent(struct xscene *s, size_t i, const char *bytes)
{
	struct slice got = rawd_received(s->server, i);
	ck_assert_msg(slice_is(got, bytes), "sent: %.*s", (int)got.n, got.p);
}

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
	expect_tls(&(struct rawd_cert){.name = XSCENE_NAME}, XSCENE_NAME, KIND_NONE, "");
	expect_tls(&(struct rawd_cert){.name = "*.example.org"}, "a.example.org", KIND_NONE, "");
	expect_tls(&(struct rawd_cert){.name = "127.0.0.1"}, "127.0.0.1", KIND_NONE, "");
	expect_tls(&(struct rawd_cert){.name = "other.example"}, XSCENE_NAME, KIND_TLS_VERIFY,
		   "not for " XSCENE_NAME);
	expect_tls(&(struct rawd_cert){.name = "w*.example"}, XSCENE_NAME, KIND_TLS_VERIFY,
		   "not for " XSCENE_NAME);
	expect_tls(&(struct rawd_cert){.name = XSCENE_NAME}, "127.0.0.1", KIND_TLS_VERIFY,
		   "not for 127.0.0.1");
	expect_tls(&(struct rawd_cert){.name = XSCENE_NAME, .self_signed = true}, XSCENE_NAME,
		   KIND_TLS_VERIFY, "self-signed");
	expect_tls(&(struct rawd_cert){.name = XSCENE_NAME, .expired = true}, XSCENE_NAME,
		   KIND_TLS_VERIFY, "certificate of " XSCENE_NAME " expired on 20");
}
END_TEST

START_TEST(unknown_authority_is_refused_and_bad_pem_is_named)
{
	struct xscene s;
	xscene_open(&s, true, 0);
	s.req.tls_options.ca_pem = (struct slice){NULL, 0};
	xscene_expect_failure(&s, KIND_TLS_VERIFY, "unknown authority");
	s.req.tls_options.ca_pem = SLICE_LIT("not PEM at all");
	xscene_expect_failure(&s, KIND_TLS_FAILED, "authorities");
	s.req.tls_options = (struct xtls){.cert_pem = SLICE_LIT("no")};
	xscene_expect_failure(&s, KIND_TLS_FAILED, "client certificate");
	xscene_close(&s);
}
END_TEST

START_TEST(plain_server_on_a_tls_port_is_explained)
{
	struct xscene s;
	xscene_open(&s, false, 0);
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
	xscene_close(&s);
}
END_TEST

START_TEST(tls_sessions_are_resumed)
{
	struct xscene s;
	xscene_open(&s, true, 0);
	for (int i = 0; i < 3; i++) {
		rawd_say(s.server,
			 "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
			 0, RAWD_KEEP);
		xscene_expect_status(&s, 200);
		ck_assert(rawd_resumed(s.server) == (i > 0));
	}
	ck_assert_uint_eq(xscene_stats(&s).tls_resumed, 2);
	ck_assert_uint_eq(rawd_connections(s.server), 3);
	xscene_close(&s);
}
END_TEST

START_TEST(other_tls_options_never_share_a_connection)
{
	struct xscene s;
	xscene_open(&s, true, 0);
	for (int i = 0; i < 2; i++)
		rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_expect_status(&s, 200);
	s.req.tls_options.insecure = true;
	xscene_expect_status(&s, 200);
	ck_assert_uint_eq(rawd_connections(s.server), 2);
	s.req.tls_options = (struct xtls){0};
	xscene_expect_failure(&s, KIND_TLS_VERIFY, "");
	xscene_close(&s);
}
END_TEST

/* ---- proxies, Unix sockets ---- */

START_TEST(http_proxy_gets_absolute_form_and_login)
{
	struct xscene s;
	xscene_open(&s, false, 0);
	s.req.n_resolve = 0;
	s.req.decode = false;
	s.req.host = s.req.authority = SLICE_LIT("far.example");
	s.req.port = 80;
	s.req.proxy = (struct xproxy){XPROXY_HTTP, SLICE_LIT("127.0.0.1"), rawd_port(s.server),
				      SLICE_LIT("user"), SLICE_LIT("pass")};
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_expect_status(&s, 200);
	expect_sent(&s, 0,
		    "GET http://far.example/ HTTP/1.1\r\nHost: far.example\r\n"
		    "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n");
	xscene_close(&s);
}
END_TEST

START_TEST(https_goes_through_connect_and_is_verified)
{
	struct xscene s;
	xkit_open(&s.kit, NULL);
	s.server = rawd_new_tunnel(s.kit.base, &(struct rawd_cert){.name = "far.example"});
	s.req = xkit_get("far.example", 443, true);
	s.req.n_resolve = 0;
	s.req.decode = false;
	s.req.tls_options.ca_pem = rawd_ca_pem();
	s.req.proxy = (struct xproxy){XPROXY_HTTP, SLICE_LIT("127.0.0.1"), rawd_port(s.server),
				      SLICE_LIT("user"), SLICE_LIT("pass")};
	for (int i = 0; i < 2; i++) {
		rawd_say(s.server, OK5, 0, RAWD_KEEP);
		xscene_expect(&s, "hello", true);
	}
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	/* The login is the proxy's alone. */
#define GET_FAR "GET / HTTP/1.1\r\nHost: far.example\r\n\r\n"
	expect_sent(&s, 0,
		    "CONNECT far.example:443 HTTP/1.1\r\nHost: far.example:443\r\n"
		    "Proxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n" GET_FAR GET_FAR);
	s.req.host = s.req.authority = SLICE_LIT("other.example");
	xscene_expect_failure(&s, KIND_TLS_VERIFY, "not for other.example");
	xscene_close(&s);
}
END_TEST

START_TEST(refusing_proxy_is_named)
{
	struct xscene s;
	xscene_open(&s, false, 0);
	s.req.tls = true;
	s.req.proxy = (struct xproxy){
		.kind = XPROXY_HTTP, .host = SLICE_LIT("127.0.0.1"), .port = rawd_port(s.server)};
	rawd_say(s.server, "HTTP/1.1 407 Login\r\nContent-Length: 0\r\n\r\n", 1, RAWD_KEEP);
	xscene_expect_failure(&s, KIND_PROXY_FAILED, "status 407");
	rawd_say(s.server, "HTTP/1.1 200 OK\r\n", 0, RAWD_CLOSE);
	xscene_expect_failure(&s, KIND_PROXY_FAILED, "closed");
	xscene_close(&s);
}
END_TEST

/* A SOCKS5 server that is the origin as well. */
static void push_when(struct xscene *s, size_t received, struct slice bytes)
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
	struct xscene s;
	struct xgot g = {0};
	xscene_open(&s, false, 0);
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
	xscene_close(&s);
}
END_TEST

START_TEST(socks5_refusal_is_explained)
{
	struct xscene s;
	struct xgot g = {0};
	xscene_open(&s, false, 0);
	s.req.proxy = (struct xproxy){
		.kind = XPROXY_SOCKS5, .host = SLICE_LIT("127.0.0.1"), .port = rawd_port(s.server)};
	ck_assert(xkit_submit(&s.kit, &s.req, &g) == ERR_OK);
	push_when(&s, 3, SLICE_LIT("\5\0"));
	push_when(&s, 3 + 18, SLICE_LIT("\5\4\0\1\0\0\0\0\0\0"));
	xkit_until(&s.kit, &g.ended, 5000);
	ck_assert_int_eq(g.kind, KIND_PROXY_FAILED);
	ck_assert_msg(strstr(g.message, "host unreachable") != NULL, "%s", g.message);
	xgot_fini(&g);
	xscene_close(&s);
}
END_TEST

START_TEST(unix_socket_serves_any_host)
{
	struct xscene s;
	char path[] = "/tmp/rawd.XXXXXX";
	close(mkstemp(path));
	xkit_open(&s.kit, NULL);
	s.server = rawd_new_unix(s.kit.base, path);
	s.req = xkit_get(XSCENE_NAME, 80, false);
	s.req.unix_socket = slice_of(path);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_expect_status(&s, 200);
	xscene_expect_status(&s, 200);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	s.req.unix_socket = SLICE_LIT("/nonexistent/socket");
	xscene_expect_failure(&s, KIND_CONNECT_FAILED, "/nonexistent/socket");
	xscene_close(&s);
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
	struct xscene s;
	xscene_open(&s, false, 0);
	struct net_policy *deny = policy("", "special"), *allow = policy("127.0.0.0/8", "special");
	s.req.policy = deny;
	xscene_expect_failure(&s, KIND_POLICY_DENIED, "policy forbids");
	s.req.policy = allow;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_expect_status(&s, 200);
	/* The connection that is kept is vetted again for whom it would serve. */
	s.req.policy = deny;
	xscene_expect_failure(&s, KIND_POLICY_DENIED, "policy forbids");
	s.req.policy = NULL;
	s.req.from_public = true;
	xscene_expect_failure(&s, KIND_REDIRECT_DENIED, "redirect");
	s.req.policy = allow;
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_expect_status(&s, 200);
	ck_assert_uint_eq(rawd_connections(s.server), 1);
	net_policy_free(deny);
	net_policy_free(allow);
	xscene_close(&s);
}
END_TEST

START_TEST(connections_that_fail_say_how)
{
	struct xscene s;
	xscene_open(&s, false, 0);
	uint16_t port = rawd_port(s.server);
	rawd_free(s.server);
	s.server = NULL;
	xscene_expect_failure(&s, KIND_CONNECT_REFUSED, "refused");
	(void)port;
	s.req.n_resolve = 0;
	s.req.host = SLICE_LIT("a..b");
	xscene_expect_failure(&s, KIND_DNS_FAILED, "a..b");
	xscene_close(&s);
}
END_TEST

START_TEST(timing_and_counts_are_told)
{
	struct xscene s;
	struct xgot g;
	xscene_open(&s, _i, 0);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	rawd_say(s.server, OK5, 0, RAWD_KEEP);
	xscene_get(&s, &g);
	ck_assert(g.end.timing.connect_ms >= 0 && g.end.timing.dns_ms >= 0);
	ck_assert(_i == 1 ? g.end.timing.tls_ms >= 0 : g.end.timing.tls_ms == -1);
	ck_assert(g.end.timing.first_byte_ms >= 0 && g.end.timing.total_ms >= 0);
	ck_assert(g.end.request_sent && !g.end.reused && g.end.peer_is_special);
	ck_assert_uint_eq(g.end.wire_bytes, strlen(OK5));
	ck_assert_uint_eq(g.end.decoded_bytes, 5);
	xgot_fini(&g);
	xscene_get(&s, &g);
	ck_assert(g.end.reused && g.end.timing.connect_ms == -1 && g.end.timing.dns_ms == -1);
	xgot_fini(&g);
	ck_assert_uint_eq(exchange_in_use(s.kit.x, _i, SLICE_LIT(XSCENE_NAME), rawd_port(s.server)),
			  0);
	exchange_close_idle(s.kit.x);
	ck_assert_uint_eq(xscene_stats(&s).idle, 0);
	xscene_close(&s);
}
END_TEST

static Suite *suite(void)
{
	Suite *su = suite_create("exchange, ways");
	TCase *tc = tcase_create("all");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, timing_and_counts_are_told, 0, 2);
	tcase_add_test(tc, certificates_are_verified_and_told_apart);
	tcase_add_test(tc, unknown_authority_is_refused_and_bad_pem_is_named);
	tcase_add_test(tc, plain_server_on_a_tls_port_is_explained);
	tcase_add_test(tc, tls_sessions_are_resumed);
	tcase_add_test(tc, other_tls_options_never_share_a_connection);
	tcase_add_test(tc, http_proxy_gets_absolute_form_and_login);
	tcase_add_test(tc, https_goes_through_connect_and_is_verified);
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
