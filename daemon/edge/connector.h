/*
 * connector -- from a name to a connection that is ready for HTTP: addresses, the race between
 * them (RFC 8305, 250 ms apart), the way through a proxy, TLS.
 *
 * Every address is vetted against the network policy right before it is connected to; forbidden
 * ones are passed over, and if none is left that is the error.
 *
 * Threads    the loop's. Its own timers are only those of the race: who asked sets the limit and
 *            cancels. done may be called inside connector_start.
 */
#pragma once

#include "base/clock.h"
#include "edge/exchange.h"
#include "edge/resolver.h"
#include "edge/ticks.h"
#include "edge/tlsctx.h"
#include "model/special.h"

struct event_base;

struct connector_env {
	struct event_base *base;
	const struct clock *clock;
	struct ticks *ticks;
	struct resolver *resolver;
};

/* Must stay valid until done or cancel. */
struct connect_plan {
	struct slice host; /* of the origin */
	uint16_t port;
	struct xproxy proxy;
	bool tunnel;		     /* say CONNECT to an http proxy; SOCKS5 always tunnels */
	struct slice unix_socket;    /* not empty: neither name nor proxy */
	struct tls_profile *profile; /* NULL: no TLS */
	struct slice session_key;
	const struct xresolve *resolve;
	size_t n_resolve;
	const struct net_policy *policy;
	bool from_public;
};

struct channel {
	int fd;	  /* non-blocking, no delay; the receiver's */
	SSL *ssl; /* handshake done, NULL without TLS; the receiver's */
	bool has_peer;
	struct net_addr peer;		    /* what was connected to: the proxy if there is one */
	int64_t dns_ns, connect_ns, tls_ns; /* how long; -1: did not happen */
};

struct connector;

/* ch on success; otherwise NULL, and kind and why (valid during the call). c is gone after it. */
typedef void (*connector_done)(void *ctx, const struct channel *ch, enum kind kind,
			       const char *phase, struct slice why);

/* Errors: NOMEM. */
enum err connector_new(const struct connector_env *env, const struct connect_plan *plan,
		       connector_done done, void *ctx, struct connector **ret);
void connector_start(struct connector *c);
/* "dns", "connect", "proxy" or "tls". */
const char *connector_phase(const struct connector *c);
/* Closes all it has; done is not called. NULL is allowed. */
void connector_cancel(struct connector *c);
/* Whether the policy lets a connection to that address serve such a request; else the kind. */
enum kind connector_vet(const struct net_policy *policy, bool from_public,
			const struct net_addr *a);
