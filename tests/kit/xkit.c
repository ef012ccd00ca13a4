#include "tests/kit/xkit.h"

#include "base/check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(void *ctx)
{
	(void)ctx;
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void xkit_open(struct xkit *k, const struct exchange_evhttp_options *options)
{
	signal(SIGPIPE, SIG_IGN);
	struct event_config *cfg = event_config_new();
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	k->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	k->clock = (struct clock){NULL, now_ns, now_ns, now_ns};
	struct exchange_evhttp_options o = {.seed = 1};
	if (options != NULL)
		o = *options;
	o.base = k->base;
	o.clock = &k->clock;
	CHECK(k->base != NULL && exchange_evhttp_new(&o, &k->x) == ERR_OK);
}

void xkit_close(struct xkit *k)
{
	exchange_free(k->x);
	event_base_loop(k->base, EVLOOP_NONBLOCK); /* deferred frees of the library */
	event_base_loop(k->base, EVLOOP_NONBLOCK);
	event_base_free(k->base);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

bool xkit_until(struct xkit *k, const bool *flag, int limit_ms)
{
	bool over = false;
	struct timeval tv = {limit_ms / 1000, limit_ms % 1000 * 1000};
	struct event *ev = evtimer_new(k->base, on_limit, &over);
	evtimer_add(ev, &tv);
	while (!*flag && !over)
		event_base_loop(k->base, EVLOOP_ONCE);
	event_free(ev);
	return *flag;
}

void xkit_spin(struct xkit *k, int ms)
{
	bool never = false;
	xkit_until(k, &never, ms);
}

static void note_fields(struct bytes *b, const struct xheader *h, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bytes_add_slice(b, h[i].name);
		bytes_add_byte(b, '=');
		bytes_add_slice(b, h[i].value);
		bytes_add_byte(b, '\n');
	}
}

static void on_head(void *ctx, xcall_id id, const struct xhead *h)
{
	struct xgot *g = ctx;
	CHECK(id == g->id && g->n_ends == 0);
	g->n_heads++;
	g->status = h->status;
	snprintf(g->reason, sizeof(g->reason), "%.*s", (int)h->reason.n, h->reason.p);
	note_fields(&g->headers, h->headers, h->n_headers);
	if (g->abort_in_head)
		exchange_abort(g->kit->x, id);
}

static void on_data(void *ctx, xcall_id id, struct slice bytes)
{
	struct xgot *g = ctx;
	CHECK(id == g->id && g->n_ends == 0 && g->n_heads == 1 && bytes.n > 0);
	g->n_data++;
	bytes_add_slice(&g->body, bytes);
	if (g->abort_in_data == g->n_data)
		exchange_abort(g->kit->x, id);
	else if (!g->refuses_data)
		exchange_credit(g->kit->x, id, bytes.n);
}

static void on_end(void *ctx, xcall_id id, const struct xend *e)
{
	struct xgot *g = ctx;
	CHECK(id == g->id);
	g->n_ends++;
	g->ended = true;
	g->ok = e->ok;
	g->kind = e->kind;
	g->end = *e;
	snprintf(g->message, sizeof(g->message), "%.*s", (int)e->message.n, e->message.p);
	snprintf(g->phase, sizeof(g->phase), "%s", e->phase != NULL ? e->phase : "");
	note_fields(&g->trailers, e->trailers, e->n_trailers);
}

struct xreq xkit_get(const char *host, uint16_t port, bool tls)
{
	static struct xresolve here;
	here = (struct xresolve){slice_of(host), port, SLICE_LIT("127.0.0.1")};
	return (struct xreq){
		.tls = tls,
		.host = slice_of(host),
		.port = port,
		.authority = slice_of(host),
		.method = SLICE_LIT("GET"),
		.target = SLICE_LIT("/"),
		.resolve = &here,
		.n_resolve = 1,
		.timeouts = {.connect_ms = 5000,
			     .first_byte_ms = 5000,
			     .read_idle_ms = 5000,
			     .send_idle_ms = 5000},
		.decode = true,
		.credit_bytes = SIZE_MAX,
	};
}

enum err xkit_submit(struct xkit *k, const struct xreq *r, struct xgot *g)
{
	static const struct xevents events = {on_head, on_data, on_end};
	g->kit = k;
	enum err e = exchange_submit(k->x, r, &events, g, &g->id);
	CHECK(e != ERR_OK || (g->n_heads == 0 && g->n_ends == 0));
	return e;
}

void xkit_fetch(struct xkit *k, const struct xreq *r, struct xgot *g)
{
	CHECK(xkit_submit(k, r, g) == ERR_OK);
	xkit_until(k, &g->ended, 10000);
}

void xgot_fini(struct xgot *g)
{
	bytes_fini(&g->headers);
	bytes_fini(&g->trailers);
	bytes_fini(&g->body);
	*g = (struct xgot){0};
}

bool xgot_body_is(const struct xgot *g, const char *text)
{
	return slice_is(bytes_slice(&g->body), text);
}

bool xgot_has(const struct xgot *g, const char *name_value)
{
	struct slice all = bytes_slice(&g->headers);
	size_t n = strlen(name_value);
	for (size_t i = 0; i + n < all.n; i++)
		if ((i == 0 || all.p[i - 1] == '\n') && memcmp(all.p + i, name_value, n) == 0 &&
		    all.p[i + n] == '\n')
			return true;
	return false;
}
