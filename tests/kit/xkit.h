/*
 * xkit -- an exchange on a plain event loop, and calls that keep what they were told.
 */
#pragma once

#include "edge/exchange.h"
#include "edge/exchange_evhttp.h"

#include <event2/event.h>

struct xkit {
	struct event_base *base;
	struct clock clock;
	struct exchange *x;
};

struct xgot {
	struct xkit *kit;
	xcall_id id;
	int status;
	bool ended, ok;
	enum kind kind;
	char message[400];
	char phase[16];
	char reason[64];
	struct bytes headers, trailers; /* "name=value\n" each */
	struct bytes body;
	struct xend end; /* without its slices */
	unsigned n_heads, n_data, n_ends;
	bool refuses_data;	/* holds credit back until xgot_credit */
	unsigned abort_in_data; /* abort in the n-th data event; 0: never */
	bool abort_in_head;
};

/* Aborts on failure. options may be NULL; base and clock are filled in. */
void xkit_open(struct xkit *k, const struct exchange_evhttp_options *options);
void xkit_close(struct xkit *k);
/* Runs the loop until *flag, at most limit_ms. Returns *flag. */
bool xkit_until(struct xkit *k, const bool *flag, int limit_ms);
/* Runs what is ready, and for ms more. */
void xkit_spin(struct xkit *k, int ms);

/* GET http[s]://name:port/ with usual limits; host is connected to at 127.0.0.1. */
struct xreq xkit_get(const char *host, uint16_t port, bool tls);
enum err xkit_submit(struct xkit *k, const struct xreq *r, struct xgot *g);
/* Submits and waits for the end, 10 s at most. */
void xkit_fetch(struct xkit *k, const struct xreq *r, struct xgot *g);
void xgot_fini(struct xgot *g);
bool xgot_body_is(const struct xgot *g, const char *text);
bool xgot_has(const struct xgot *g, const char *name_value);
