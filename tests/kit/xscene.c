#include "tests/kit/xscene.h"

#include <check.h>
#include <string.h>

void xscene_open(struct xscene *s, bool tls, size_t piece)
{
	xkit_open(&s->kit, NULL);
	s->piece = piece;
	s->server = rawd_new(s->kit.base, tls ? &(struct rawd_cert){.name = XSCENE_NAME} : NULL);
	s->req = xkit_get(XSCENE_NAME, rawd_port(s->server), tls);
	s->req.tls_options.ca_pem = rawd_ca_pem();
}

void xscene_open_way(struct xscene *s, int way)
{
	xscene_open(s, way >= 2, way & 1);
}

void xscene_close(struct xscene *s)
{
	rawd_free(s->server);
	xkit_close(&s->kit);
}

void xscene_say(struct xscene *s, const char *bytes, enum rawd_then then)
{
	rawd_say(s->server, bytes, s->piece, then);
}

struct xstats xscene_stats(struct xscene *s)
{
	struct xstats st;
	exchange_stats(s->kit.x, &st);
	return st;
}

void xscene_get(struct xscene *s, struct xgot *g)
{
	memset(g, 0, sizeof(*g));
	xkit_fetch(&s->kit, &s->req, g);
	ck_assert_msg(g->ended, "the call did not end");
	ck_assert_uint_eq(g->n_ends, 1);
}

static void get_well(struct xscene *s, struct xgot *g)
{
	xscene_get(s, g);
	ck_assert_msg(g->ok, "%s: %s", kind_name(g->kind), g->message);
}

void xscene_expect(struct xscene *s, const char *body, bool kept)
{
	struct xgot g;
	get_well(s, &g);
	ck_assert_msg(xgot_body_is(&g, body), "body is %.*s", (int)g.body.n, g.body.p);
	ck_assert_uint_eq(xscene_stats(s).idle, kept ? 1 : 0);
	xgot_fini(&g);
}

void xscene_expect_status(struct xscene *s, int status)
{
	struct xgot g;
	get_well(s, &g);
	ck_assert_int_eq(g.status, status);
	xgot_fini(&g);
}

void xscene_expect_failure(struct xscene *s, enum kind kind, const char *in_message)
{
	struct xgot g;
	xscene_get(s, &g);
	ck_assert(!g.ok);
	ck_assert_msg(g.kind == kind, "%s instead of %s: %s", kind_name(g.kind), kind_name(kind),
		      g.message);
	ck_assert(g.message[0] != '\0');
	ck_assert_msg(strstr(g.message, in_message) != NULL, "%s", g.message);
	ck_assert_uint_eq(xscene_stats(s).busy, 0);
	xgot_fini(&g);
}
