/*
 * exchange_only -- small fetches by edge/exchange and nothing else, so many at once: the part of
 * a fetch that no actor, limit, line or store has to do with.
 *
 * usage: exchange_only PORT FETCHES AT_ONCE   fetches http://127.0.0.1:PORT/small?N; exits with 1
 *                                             if one of them was not a 200
 */
#include "base/check.h"
#include "edge/exchange_evhttp.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct run {
	struct event_base *base;
	struct exchange *x;
	uint16_t port;
	uint64_t n_started, n_ended, n_ok, n_wanted;
};

static int64_t now_ns(void *ctx)
{
	struct timespec t;
	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void start(struct run *r);

static void on_head(void *ctx, xcall_id call, const struct xhead *head)
{
	struct run *r = ctx;
	(void)call;
	r->n_ok += head->status == 200;
}

static void on_data(void *ctx, xcall_id call, struct slice bytes)
{
	(void)ctx;
	(void)call;
	(void)bytes;
}

static void on_end(void *ctx, xcall_id call, const struct xend *end)
{
	struct run *r = ctx;
	(void)call;
	(void)end;
	r->n_ended++;
	if (r->n_started < r->n_wanted)
		start(r);
}

static void start(struct run *r)
{
	static const struct xevents ev = {.head = on_head, .data = on_data, .end = on_end};
	char authority[32], target[48];
	xcall_id id;
	int a = snprintf(authority, sizeof(authority), "127.0.0.1:%u", r->port);
	int t = snprintf(target, sizeof(target), "/small?%llu", (unsigned long long)r->n_started);
	struct xreq req = {.host = SLICE_LIT("127.0.0.1"),
			   .port = r->port,
			   .authority = {authority, (size_t)a},
			   .method = SLICE_LIT("GET"),
			   .target = {target, (size_t)t},
			   .timeouts = {.connect_ms = 10000,
					.first_byte_ms = 30000,
					.read_idle_ms = 30000,
					.send_idle_ms = 30000},
			   .decode = true,
			   .credit_bytes = SIZE_MAX};
	r->n_started++;
	CHECK(exchange_submit(r->x, &req, &ev, r, &id) == ERR_OK);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: exchange_only PORT FETCHES AT_ONCE\n");
		return 2;
	}
	struct clock clock = {NULL, now_ns, now_ns, now_ns};
	struct run r = {.port = (uint16_t)atoi(argv[1]), .n_wanted = strtoull(argv[2], NULL, 10)};
	struct event_config *cfg = event_config_new();
	CHECK(cfg != NULL);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	signal(SIGPIPE, SIG_IGN);
	r.base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	CHECK(r.base != NULL);
	struct exchange_evhttp_options o = {.base = r.base, .clock = &clock, .seed = 1};
	CHECK(exchange_evhttp_new(&o, &r.x) == ERR_OK);
	for (int i = atoi(argv[3]); i > 0 && r.n_started < r.n_wanted; i--)
		start(&r);
	while (r.n_ended < r.n_wanted)
		event_base_loop(r.base, EVLOOP_ONCE);
	exchange_free(r.x);
	event_base_free(r.base);
	return r.n_ok == r.n_wanted ? 0 : 1;
}
