/* Names: literals, hosts that never leave the machine, a scripted name server on loopback. */
#include "edge/resolver.h"
#include "tests/kit/rawd.h"
#include "tests/kit/xkit.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a name server of a few lines ---- */

struct dnsd {
	int fd;
	struct event *ev;
	uint16_t port;
	unsigned n_queries;
	unsigned rcode;
	bool mute;
	uint32_t ttl;
	const char *v4[400]; /* NULL ends them */
	const char *v6;
};

static size_t put_answer(unsigned char *p, unsigned type, uint32_t ttl, const void *addr, size_t n)
{
	const unsigned char head[] = {0xc0, 12, 0, (unsigned char)type, 0, 1};
	memcpy(p, head, 6);
	uint32_t t = htonl(ttl);
	memcpy(p + 6, &t, 4);
	p[10] = 0;
	p[11] = (unsigned char)n;
	memcpy(p + 12, addr, n);
	return 12 + n;
}

static void on_query(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct dnsd *d = arg;
	unsigned char q[8192];
	struct sockaddr_in from;
	socklen_t from_n = sizeof(from);
	ssize_t n = recvfrom(fd, q, 512, 0, (void *)&from, &from_n);
	ck_assert_int_gt(n, 12);
	d->n_queries++;
	if (d->mute)
		return;
	size_t at = 12;
	while (q[at] != 0)
		at += q[at] + 1u;
	unsigned type = q[at + 2];
	at += 5;
	unsigned answers = 0;
	for (size_t i = 0; type == 1 && d->v4[i] != NULL && at < 4000; i++, answers++) {
		struct in_addr a;
		inet_pton(AF_INET, d->v4[i], &a);
		at += put_answer(q + at, 1, d->ttl, &a, 4);
	}
	if (type == 28 && d->v6 != NULL) {
		struct in6_addr a;
		inet_pton(AF_INET6, d->v6, &a);
		at += put_answer(q + at, 28, d->ttl, &a, 16);
		answers++;
	}
	q[2] = 0x81;
	q[3] = (unsigned char)(0x80 | d->rcode);
	q[6] = (unsigned char)(answers >> 8);
	q[7] = (unsigned char)answers;
	memset(q + 8, 0, 4);
	sendto(fd, q, at, 0, (void *)&from, from_n);
}

static void dnsd_open(struct dnsd *d, struct event_base *base)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert(bind(d->fd, (void *)&a, sizeof(a)) == 0);
	ck_assert(getsockname(d->fd, (void *)&a, &n) == 0);
	d->port = ntohs(a.sin_port);
	d->ev = event_new(base, d->fd, EV_READ | EV_PERSIST, on_query, d);
	event_add(d->ev, NULL);
}

/* ---- who asks ---- */

struct asker {
	struct resolver_wait wait;
	bool done;
	struct resolved said;
};

static void on_done(struct resolver_wait *w, const struct resolved *r)
{
	struct asker *a = LIST_ENTRY(w, struct asker, wait);
	ck_assert(!a->done);
	a->done = true;
	a->said = *r;
}

struct scene {
	struct xkit kit; /* for its loop and clock */
	int64_t now_ns;
	struct clock clock;
	struct ticks *ticks;
	struct dnsd dnsd;
	struct resolver *r;
};

static int64_t scene_now(void *ctx)
{
	return *(int64_t *)ctx;
}

static void open_scene(struct scene *s)
{
	char servers[64];
	memset(s, 0, sizeof(*s));
	xkit_open(&s->kit, NULL);
	s->now_ns = NS_PER_S;
	s->clock = (struct clock){&s->now_ns, scene_now, scene_now, scene_now};
	ck_assert_int_eq(ticks_new(s->kit.base, &s->clock, &s->ticks), ERR_OK);
	dnsd_open(&s->dnsd, s->kit.base);
	s->dnsd.ttl = 60;
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", s->dnsd.port);
	ck_assert_int_eq(resolver_new(s->kit.base, &s->clock, s->ticks, 1, servers, &s->r), ERR_OK);
}

static void close_scene(struct scene *s)
{
	resolver_free(s->r);
	ticks_free(s->ticks);
	event_free(s->dnsd.ev);
	close(s->dnsd.fd);
	xkit_close(&s->kit);
}

static void ask(struct scene *s, const char *host, struct asker *a)
{
	*a = (struct asker){.wait.done = on_done};
	enum err e = resolver_ask(s->r, slice_of(host), &a->wait, &a->said);
	ck_assert(e == ERR_OK || e == ERR_AGAIN);
	if (e == ERR_OK)
		a->done = true;
}

static void resolve(struct scene *s, const char *host, struct asker *a)
{
	ask(s, host, a);
	ck_assert(xkit_until(&s->kit, &a->done, 3000));
}

static bool is(const struct net_addr *a, const char *text)
{
	struct bytes b = BYTES_LIMIT(100);
	net_addr_print(a, &b);
	bool same = slice_is(bytes_slice(&b), text);
	bytes_fini(&b);
	return same;
}

START_TEST(literals_and_localhost_ask_nobody)
{
	struct scene s;
	struct asker a;
	open_scene(&s);
	ask(&s, "192.0.2.7", &a);
	ck_assert(a.done && a.said.n == 1 && is(&a.said.addr[0], "192.0.2.7"));
	ask(&s, "2001:db8::1", &a);
	ck_assert(a.done && is(&a.said.addr[0], "2001:db8::1"));
	ask(&s, "localhost", &a);
	ck_assert(a.done && is(&a.said.addr[0], "127.0.0.1"));
	ask(&s, "a.b.LOCALHOST", &a);
	ck_assert(a.done && is(&a.said.addr[0], "127.0.0.1"));
	ask(&s, "", &a);
	ck_assert(a.done && a.said.kind == KIND_DNS_FAILED);
	ck_assert_uint_eq(s.dnsd.n_queries, 0);
	close_scene(&s);
}
END_TEST

START_TEST(families_take_turns_and_answers_are_kept_for_their_time)
{
	struct scene s;
	struct asker a;
	open_scene(&s);
	s.dnsd.v4[0] = "192.0.2.1";
	s.dnsd.v4[1] = "192.0.2.2";
	s.dnsd.v6 = "2001:db8::1";
	resolve(&s, "www.test.example", &a);
	ck_assert_msg(a.said.kind == KIND_NONE, "%s", a.said.why);
	ck_assert_uint_eq(a.said.n, 3);
	ck_assert(is(&a.said.addr[0], "2001:db8::1") && is(&a.said.addr[1], "192.0.2.1"));
	unsigned n = s.dnsd.n_queries;
	s.now_ns += 59 * NS_PER_S;
	resolve(&s, "www.test.example", &a);
	ck_assert_uint_eq(s.dnsd.n_queries, n);
	s.now_ns += 2 * NS_PER_S;
	resolve(&s, "www.test.example", &a);
	ck_assert_uint_gt(s.dnsd.n_queries, n);
	close_scene(&s);
}
END_TEST

START_TEST(one_query_serves_all_who_ask_and_those_who_left_are_spared)
{
	struct scene s;
	struct asker a[5];
	open_scene(&s);
	s.dnsd.v4[0] = "192.0.2.1";
	for (int i = 0; i < 5; i++)
		ask(&s, "many.test.example", &a[i]);
	resolver_forget(&a[2].wait);
	ck_assert(xkit_until(&s.kit, &a[4].done, 3000));
	for (int i = 0; i < 5; i++)
		ck_assert(a[i].done == (i != 2));
	ck_assert_uint_eq(resolver_queries(s.r), 1);
	close_scene(&s);
}
END_TEST

START_TEST(failures_are_told_and_not_kept)
{
	struct scene s;
	struct asker a;
	open_scene(&s);
	s.dnsd.rcode = 3;
	resolve(&s, "gone.test.example", &a);
	ck_assert_int_eq(a.said.kind, KIND_DNS_FAILED);
	ck_assert_msg(strstr(a.said.why, "gone.test.example does not exist") != NULL, "%s",
		      a.said.why);
	s.dnsd.rcode = 0;
	resolve(&s, "empty.test.example", &a);
	ck_assert_int_eq(a.said.kind, KIND_DNS_FAILED);
	s.dnsd.v4[0] = "192.0.2.1";
	resolve(&s, "gone.test.example", &a);
	ck_assert_int_eq(a.said.kind, KIND_NONE);
	close_scene(&s);
}
END_TEST

START_TEST(of_many_addresses_the_first_ones_are_used)
{
	struct scene s;
	struct asker a;
	open_scene(&s);
	for (int i = 0; i < 60; i++)
		s.dnsd.v4[i] = "192.0.2.1";
	resolve(&s, "many.test.example", &a);
	ck_assert_uint_eq(a.said.n, RESOLVED_MAX);
	close_scene(&s);
}
END_TEST

START_TEST(resolver_may_go_while_a_server_is_silent)
{
	struct scene s;
	struct asker a;
	open_scene(&s);
	s.dnsd.mute = true;
	ask(&s, "mute.test.example", &a);
	xkit_spin(&s.kit, 20);
	ck_assert(!a.done);
	resolver_forget(&a.wait);
	close_scene(&s);
	ck_assert(!a.done);
}
END_TEST

/* ---- through an exchange ---- */

START_TEST(mixed_answers_reach_only_what_is_allowed)
{
	struct xkit kit;
	struct dnsd d = {.ttl = 0, .v4 = {"127.0.0.2", "127.0.0.1"}};
	struct xgot g = {0};
	char servers[64];
	struct event_base *base = event_base_new();
	dnsd_open(&d, base);
	event_free(d.ev);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", d.port);
	xkit_open(&kit, &(struct exchange_evhttp_options){.dns_servers = servers});
	d.ev = event_new(kit.base, d.fd, EV_READ | EV_PERSIST, on_query, &d);
	event_add(d.ev, NULL);
	struct rawd *server = rawd_new(kit.base, NULL);
	struct xreq r = xkit_get("mixed.test.example", rawd_port(server), false);
	struct slice deny = SLICE_LIT("127.0.0.2"), bad;
	struct net_policy *p;
	ck_assert_int_eq(net_policy_new(NULL, 0, &deny, 1, &p, &bad), ERR_OK);
	r.n_resolve = 0;
	r.policy = p;
	rawd_say(server, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0, RAWD_CLOSE);
	xkit_fetch(&kit, &r, &g);
	ck_assert_msg(g.ok, "%s", g.message);
	xgot_fini(&g);
	/* Silence of the name server is the connect timeout's, and told as such. */
	d.mute = true;
	r.host = SLICE_LIT("mute.test.example");
	r.timeouts.connect_ms = 100;
	xkit_fetch(&kit, &r, &g);
	ck_assert_msg(g.kind == KIND_DNS_TIMEOUT, "%s", g.message);
	xgot_fini(&g);
	event_free(d.ev);
	close(d.fd);
	rawd_free(server);
	xkit_close(&kit);
	event_base_free(base);
	net_policy_free(p);
}
END_TEST

int main(void)
{
	Suite *su = suite_create("resolver");
	TCase *tc = tcase_create("all");
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, literals_and_localhost_ask_nobody);
	tcase_add_test(tc, families_take_turns_and_answers_are_kept_for_their_time);
	tcase_add_test(tc, one_query_serves_all_who_ask_and_those_who_left_are_spared);
	tcase_add_test(tc, failures_are_told_and_not_kept);
	tcase_add_test(tc, of_many_addresses_the_first_ones_are_used);
	tcase_add_test(tc, resolver_may_go_while_a_server_is_silent);
	tcase_add_test(tc, mixed_answers_reach_only_what_is_allowed);
	suite_add_tcase(su, tc);
	SRunner *sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
