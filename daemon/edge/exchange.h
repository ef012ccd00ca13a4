/*
 * exchange -- one HTTP request out, one response back, with the consumer in control of the pace.
 *
 * This is the whole of what the daemon knows about fetching: it hides the engine (evhttp now, a
 * scripted one in simulation), name resolution, connecting, TLS, proxies, the pool of connections,
 * framing, content decoding and the timers of an attempt. Redirects, retries, limits and the
 * timeout of a whole attempt are not here: each hop and each attempt is a call of its own.
 *
 * Threads    one exchange belongs to one loop thread; every function and every event runs there.
 * Ownership  submit copies all it needs of struct xreq, except the bytes and the source of the
 *            request body, which must stay valid until the end event or abort. Slices in events
 *            are valid during that event only.
 * Order      head once, then data any number of times, then end once. A call that fails before its
 *            head has only an end. Never an event inside submit, credit or abort; none after
 *            abort. Inside an event the consumer may call anything here, also abort of that call.
 * Handles    a call is known by a number that is never used again; a stale one is ignored.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "proto/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;
struct net_policy; /* model/special.h */

/* 0 is never a call. */
typedef uint64_t xcall_id;

struct xheader {
	struct slice name, value;
};

/* ---- the request ---- */

enum xbody_kind { XBODY_NONE, XBODY_BYTES, XBODY_PULL };

/*
 * A streamed request body. pull is called on the loop thread, never inside submit:
 *   OK and *ret_n > 0   bytes were written to buf
 *   AGAIN               nothing yet; exchange_body_ready() when there is more
 *   END                 no more (with a known size: only after exactly that many bytes)
 *   anything else       the call ends with local.resource
 */
typedef enum err (*xbody_pull)(void *ctx, char *buf, size_t cap, size_t *ret_n);

struct xbody {
	enum xbody_kind kind;
	struct slice bytes; /* XBODY_BYTES */
	int64_t size;	    /* XBODY_PULL: total bytes, or -1: unknown, sent chunked */
	xbody_pull pull;
	void *pull_ctx;
	bool expect_continue; /* send Expect: 100-continue, wait for it at most one second */
};

enum xproxy_kind { XPROXY_NONE, XPROXY_HTTP, XPROXY_SOCKS5 };

/* An http proxy gets absolute-form for http and CONNECT for https; SOCKS5 is given the name. */
struct xproxy {
	enum xproxy_kind kind;
	struct slice host;
	uint16_t port;
	struct slice user, pass; /* empty: no authentication */
};

/* Empty PEM texts mean: the system's authorities, no client certificate. */
struct xtls {
	struct slice ca_pem, cert_pem, key_pem;
	bool insecure; /* do not verify the server */
};

/* The given address is used for that name and port instead of the resolver. */
struct xresolve {
	struct slice host;
	uint16_t port;
	struct slice addr; /* an IPv4 or IPv6 literal, no brackets */
};

/* 0: that timer is off. Each covers a phase, not the whole call. */
struct xtimeouts {
	int64_t connect_ms;    /* name, connection, proxy and TLS together */
	int64_t first_byte_ms; /* from the request sent to the first byte of an answer */
	int64_t read_idle_ms; /* between two reads; stands still while the consumer has no credit */
	int64_t send_idle_ms; /* between two writes of an upload */
};

/* 0: the default that stands beside it. */
struct xlimits {
	size_t header_bytes;	   /* 65536, all 1xx answers and trailers included */
	size_t header_fields;	   /* 256 */
	int64_t body_bytes;	   /* decoded; 0 = none */
	int64_t min_rate_bytes;	   /* on the wire, per second over 5 s of reading; 0 = none */
	uint32_t decoded_per_wire; /* 1000: the most a coding may expand, beyond the first 1 MiB */
};

struct xreq {
	bool tls;
	struct slice host;	/* a name in lower case A-labels, or an address without brackets */
	uint16_t port;		/* of the origin, never 0 */
	struct slice authority; /* the value of Host: host, brackets, port if not the default */
	struct slice method;	/* a token */
	struct slice target;	/* origin-form, or "*" with OPTIONS: visible ASCII, no "#" */
	/* Sent in this order after Host. Content-Length, Transfer-Encoding, Connection and Host
	 * are made here and refused in the list; Accept-Encoding is added when decode is set and it
	 * is not in the list. */
	const struct xheader *headers;
	size_t n_headers;
	struct xbody body;
	struct xproxy proxy;
	struct xtls tls_options;
	struct slice unix_socket; /* a path: connect there whatever the host is; no proxy then */
	const struct xresolve *resolve;
	size_t n_resolve;
	/* Vets every address about to be connected to; NULL allows all. Must outlive the call. */
	const struct net_policy *policy;
	/* This is a redirect that came from a public address: a special address that the policy
	 * does not expressly allow is redirect.denied. */
	bool from_public;
	struct xtimeouts timeouts;
	struct xlimits limits;
	bool decode; /* undo Content-Encoding */
	bool fresh;  /* never on a connection used before */
	/* If the head could only be written later than this (the clock of the engine), it is not
	 * written: the call ends as lapsed, and the connection is kept for the next one. 0: any
	 * time will do. */
	int64_t send_before_ns;
	/* Decoded bytes the consumer takes before the first credit; SIZE_MAX: no back-pressure. */
	size_t credit_bytes;
};

/* ---- the events ---- */

struct xhead {
	int status; /* 200 to 999, or 101 which ends the call as protocol.malformed */
	int minor;  /* HTTP/1.minor */
	struct slice reason;
	const struct xheader *headers; /* as received, values trimmed */
	size_t n_headers;
	bool peer_is_special; /* the address it came from is in a special-purpose registry */
};

struct xtiming {
	int64_t dns_ms, connect_ms, tls_ms; /* -1: did not happen (a connection used again) */
	int64_t first_byte_ms;		    /* from submit; -1: none came */
	int64_t total_ms;
};

struct xend {
	bool ok;
	enum kind kind;	      /* if not ok */
	const char *phase;    /* "dns" "connect" "proxy" "tls" "send" "first_byte" "head" "body" */
	struct slice message; /* a sentence for a person; empty if ok */
	struct xtiming timing;
	bool request_sent; /* at least one byte of the request went to the kernel */
	bool lapsed;	   /* not ok, and nothing else is wrong: see send_before_ns */
	/* not ok: a connection used before closed before it said a word, and the request may be
	 * repeated on a fresh one; that is another request */
	bool stale;
	bool reused; /* it went over a connection used before */
	bool peer_is_special;
	uint64_t wire_bytes;		/* of the response, head included, as received */
	uint64_t decoded_bytes;		/* handed out in data events */
	const struct xheader *trailers; /* of a chunked body, never merged with the headers */
	size_t n_trailers;
};

struct xevents {
	void (*head)(void *ctx, xcall_id call, const struct xhead *head);
	/* Reduces the credit by bytes.n; at 0 no more comes until exchange_credit. One event holds
	 * at most 64 KiB and never more than the credit. */
	void (*data)(void *ctx, xcall_id call, struct slice bytes);
	/* The last event of the call. */
	void (*end)(void *ctx, xcall_id call, const struct xend *end);
};

/* ---- the engine ---- */

struct xstats {
	uint32_t calls;	     /* not ended */
	uint32_t busy;	     /* connections with a call on them */
	uint32_t idle;	     /* connections kept for the next call */
	uint32_t connecting; /* attempts under way, resolving included */
	uint64_t opened;     /* connections ever opened */
	uint64_t reuses;     /* calls that found an idle connection */
	uint64_t stale;	     /* calls that found their idle connection closing */
	uint64_t tls_resumed;
	uint64_t dns_queries;
};

struct exchange_ops {
	enum err (*submit)(struct exchange *x, const struct xreq *req, const struct xevents *ev,
			   void *ctx, xcall_id *ret);
	void (*credit)(struct exchange *x, xcall_id call, size_t bytes);
	void (*body_ready)(struct exchange *x, xcall_id call);
	void (*abort)(struct exchange *x, xcall_id call);
	void (*stats)(const struct exchange *x, struct xstats *ret);
	uint32_t (*in_use)(const struct exchange *x, bool tls, struct slice host, uint16_t port);
	void (*close_idle)(struct exchange *x);
	void (*free)(struct exchange *x);
};

/* An engine's own struct begins with this. */
struct exchange {
	const struct exchange_ops *ops;
};

/*
 * Starts a call. All that can go wrong with the network is told by the end event.
 * Errors: INVALID (method, target or a header that may not be sent), FULL (too many calls), NOMEM.
 */
static inline enum err exchange_submit(struct exchange *x, const struct xreq *req,
				       const struct xevents *ev, void *ctx, xcall_id *ret)
{
	return x->ops->submit(x, req, ev, ctx, ret);
}

/* The consumer takes that many more decoded bytes. */
static inline void exchange_credit(struct exchange *x, xcall_id call, size_t bytes)
{
	x->ops->credit(x, call, bytes);
}

/* The source of the request body, which had said AGAIN, has more. */
static inline void exchange_body_ready(struct exchange *x, xcall_id call)
{
	x->ops->body_ready(x, call);
}

/* Closes its connection before the loop sleeps again; no event comes any more. */
static inline void exchange_abort(struct exchange *x, xcall_id call)
{
	x->ops->abort(x, call);
}

static inline void exchange_stats(const struct exchange *x, struct xstats *ret)
{
	x->ops->stats(x, ret);
}

/* Connections of that origin with a call on them, those being opened included. */
static inline uint32_t exchange_in_use(const struct exchange *x, bool tls, struct slice host,
				       uint16_t port)
{
	return x->ops->in_use(x, tls, host, port);
}

/* Closes what is idle, and from now on keeps no connection after its call: for a drain. */
static inline void exchange_close_idle(struct exchange *x)
{
	x->ops->close_idle(x);
}

/* Aborts all calls, closes all connections. NULL is allowed. */
static inline void exchange_free(struct exchange *x)
{
	if (x != NULL)
		x->ops->free(x);
}
