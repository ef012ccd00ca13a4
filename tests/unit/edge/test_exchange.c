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

static Suite *suite(void)
{
	Suite *su = suite_create("exchange");
	TCase *tc = tcase_create("ways");
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, small_body_arrives_and_connection_is_kept, 0, N_WAYS);
	suite_add_tcase(su, tc);
	(void)expect_failure;
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
