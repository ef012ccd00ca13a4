/*
 * resolver -- names to addresses, off the loop's back: c-ares on the loop's own events, /etc/hosts
 * first, answers kept for their time to live (1 s to 5 min), one query for all who ask at once.
 *
 * Threads    the loop's; never blocks on the network.
 * Bounds     16 addresses of a name are used, 4096 names kept; a server gets 2 tries of 5 s.
 */
#pragma once

#include "base/clock.h"
#include "base/list.h"
#include "edge/ticks.h"
#include "model/special.h"
#include "proto/errors.h"

#define RESOLVED_MAX 16

struct resolver;

struct resolved {
	enum kind kind; /* KIND_NONE: there are addresses */
	char why[160];	/* otherwise a sentence */
	struct net_addr addr[RESOLVED_MAX];
	size_t n;
};

/* Embedded in who asks; set done before. */
struct resolver_wait {
	struct link link;
	/* May ask again; may not free the resolver. r is valid during the call only. */
	void (*done)(struct resolver_wait *w, const struct resolved *r);
};

/* servers: "addr[:port],…", NULL: those of the system. Errors: NOMEM, IO. */
enum err resolver_new(struct event_base *base, const struct clock *clock, struct ticks *ticks,
		      uint64_t seed, const char *servers, struct resolver **ret);
/* Nobody may be waiting. NULL is allowed. */
void resolver_free(struct resolver *r);
/*
 * Literals, localhost and cached names are answered at once: OK and *ret. Otherwise AGAIN, and
 * w->done later. Errors: NOMEM.
 */
enum err resolver_ask(struct resolver *r, struct slice host, struct resolver_wait *w,
		      struct resolved *ret);
/* It need not be waiting. */
void resolver_forget(struct resolver_wait *w);
uint64_t resolver_queries(const struct resolver *r);
