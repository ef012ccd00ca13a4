/*
 * exchange_evhttp -- the exchange over real sockets, with libevent's evhttp as its engine.
 * What it accepts, refuses and limits is told in docs/http.md.
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "edge/exchange.h"

struct event_base;

struct exchange_evhttp_options {
	struct event_base *base;   /* the loop that runs it; outlives it */
	const struct clock *clock; /* outlives it */
	const struct log *log;	   /* NULL: silence */
	uint64_t seed;		   /* of its hash tables */
	uint32_t max_calls;	   /* 0: 65536 */
	uint32_t max_idle;	   /* connections kept, all origins together; 0: 1024 */
	uint32_t max_open;	   /* to open one above it, an idle one is closed; 0: no bound */
	uint32_t max_idle_per_key; /* 0: 64 */
	int64_t idle_ms;	   /* an idle connection is closed after that; 0: 60 s */
	int64_t max_age_ms;	   /* none is used longer than that; 0: 10 min */
	struct slice ca_file;	   /* PEM file instead of the system's authorities; empty: those,
				      or what SSL_CERT_FILE names */
	const char *dns_servers;   /* "addr[:port],…" instead of /etc/resolv.conf; NULL: that */
};

/* Errors: NOMEM, IO (no loopback listener, no TLS context). */
enum err exchange_evhttp_new(const struct exchange_evhttp_options *o, struct exchange **ret);
