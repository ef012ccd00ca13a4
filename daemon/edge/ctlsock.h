/*
 * ctlsock -- nng's protocol (SP) over a transport: the REP role of control.sock and the PUB role
 * of events.sock, bounded against every kind of peer.
 *
 * A complete request waits in a queue of this file until the owner takes it; the owner hears of it
 * by one doorbell call when the queue stops being empty. Its reply may come at any later time, in
 * any order, or never (the peer is gone): a request is known by a token that outlives neither.
 *
 * Bounds     max_conns connections; max_frame bytes a request (a longer one is answered once with
 *            `too_large_body` and the connection ends); at max_inflight unanswered requests or
 *            high_water unsent bytes the connection is not read; a peer that takes no byte for
 *            stall_ns while some wait, or does not finish its greeting or a frame in time, is
 *            closed; a subscriber over its limit loses its oldest frame not yet begun (counted).
 * Threads    the loop's thread only.
 * Source     SP: nanomsg RFCs sp-tcp-mapping-01, sp-ipc, sp-reqrep-01; as nng 1.5 to 1.11 speak it.
 */
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "edge/transport.h"

enum ctlsock_role { CTLSOCK_REP, CTLSOCK_PUB };

#define CTLSOCK_HOPS_MAX 8

/* Names a connection: never used twice, so a late answer finds nobody rather than a stranger. */
typedef uint64_t ctlsock_conn_id;

/* One request; the owner frees it with ctlsock_request_free. */
struct ctlsock_request {
	struct ctlsock_request *next;
	ctlsock_conn_id conn;
	struct peer peer;
	uint32_t n_hops; /* > 0: it came through a device (a gateway) */
	uint32_t hop[CTLSOCK_HOPS_MAX];
	uint32_t id; /* with bit 31 */
	size_t n;    /* of body */
	char body[]; /* NUL-terminated for convenience */
};

/* Where an answer goes; small enough to be kept by value in a message. */
struct ctlsock_token {
	ctlsock_conn_id conn;
	uint32_t id;
	uint32_t n_hops;
	uint32_t hop[CTLSOCK_HOPS_MAX];
};

struct ctlsock_limits {
	uint32_t max_conns;
	uint32_t max_inflight;
	size_t max_frame;
	size_t high_water;   /* unsent bytes of one connection */
	size_t input_total;  /* bytes of half-read frames of all connections */
	uint32_t pub_frames; /* unsent events of one subscriber */
	int64_t hello_ns, frame_ns, stall_ns;
};

/* The daemon's figures: 1024, 64, 4 MiB, 1 MiB, 64 MiB, 4096 and 10 s, 30 s, 5 s. */
extern const struct ctlsock_limits ctlsock_limits_default;

struct ctlsock_owner {
	void *ctx;
	/* The queue of requests stopped being empty. */
	void (*on_requests)(void *ctx);
	/* A connection ended, whoever ended it. All its tokens are void. */
	void (*on_gone)(void *ctx, ctlsock_conn_id conn);
	/* PUB: may this peer see what belongs to owner_uid? NULL: everybody sees everything. */
	bool (*may_see)(void *ctx, const struct peer *peer, uint32_t owner_uid);
};

struct ctlsock_stats {
	uint64_t n_accepted, n_refused, n_requests, n_replies, n_orphan_replies;
	uint64_t n_malformed, n_too_large, n_late, n_stalled, n_dropped_events;
	uint32_t n_conns, n_waiting; /* requests not yet taken */
	uint64_t input_bytes, output_bytes;
};

struct ctlsock;

/* Borrows transport, clock and owner's functions for its life. Errors: NOMEM. */
enum err ctlsock_new(enum ctlsock_role role, struct transport *transport, const struct clock *clock,
		     const struct ctlsock_limits *limits, const struct ctlsock_owner *owner,
		     struct ctlsock **ret_cs);
/* Closes every connection without telling the owner. NULL is fine. The transport stays. */
void ctlsock_free(struct ctlsock *cs);
/* Errors: those of transport.listen. */
enum err ctlsock_listen(struct ctlsock *cs);
/* No new connections; the open ones go on. */
void ctlsock_unlisten(struct ctlsock *cs);

/* The oldest request not yet taken, or NULL. */
struct ctlsock_request *ctlsock_take(struct ctlsock *cs);
void ctlsock_request_free(struct ctlsock_request *rq);
struct ctlsock_token ctlsock_token_of(const struct ctlsock_request *rq);
/* Sends *body, which is taken over and left empty whatever happens. Each token once. */
void ctlsock_reply(struct ctlsock *cs, const struct ctlsock_token *token, struct bytes *body);
/* Ends the connection once what is queued for it has been sent. */
void ctlsock_close_after(struct ctlsock *cs, ctlsock_conn_id conn);

/* To every subscriber that may see it. topic contains no space. */
void ctlsock_publish(struct ctlsock *cs, uint32_t owner_uid, struct slice topic, struct slice json);
/* True if somebody would get it: what nobody hears need not be made. */
bool ctlsock_has_subscribers(const struct ctlsock *cs);
/* Nothing waits to be sent to anybody. */
bool ctlsock_is_drained(const struct ctlsock *cs);
void ctlsock_stats(const struct ctlsock *cs, struct ctlsock_stats *ret_stats);
