/*
 * ctlsock -- nng's protocol (SP) over a transport: the REP role of control.sock and the PUB role
 * of events.sock, bounded against every kind of peer.
 *
 * A complete request waits in a queue of this file until the owner takes it; the owner hears of it
 * by one doorbell call when the queue stops being empty. Its reply may come at any later time, in
 * any order, or never (the peer is gone): a request is known by a token that outlives neither.
 *
 * Bounds     max_conns connections; max_frame bytes a request (a longer one is answered once with
 * the owner's `too_large` text and the connection ends); at max_inflight unanswered requests or
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
#include "proto/sp.h"

enum ctlsock_role { CTLSOCK_REP, CTLSOCK_PUB };

#define CTLSOCK_WORDS_MAX ((SP_HOPS_MAX + 1) * SP_WORD_BYTES)
#define CTLSOCK_FILES_MAX 4 /* unsent, of one connection */

/* Names a connection: never used twice, so a late answer finds nobody rather than a stranger. */
typedef uint64_t ctlsock_conn_id;

/* Where an answer goes; small enough to be kept by value. */
struct ctlsock_token {
	ctlsock_conn_id conn;
	uint8_t n_words; /* bytes; more than 4: it came through a device (a gateway) */
	uint8_t words[CTLSOCK_WORDS_MAX];
};

/* One request; the taker frees it with free(). */
struct ctlsock_request {
	struct ctlsock_request *next;
	struct ctlsock_token token;
	struct peer peer;
	uint32_t id; /* the last word */
	unsigned n_hops;
	size_t n;
	char body[]; /* n bytes and a NUL */
};

struct ctlsock_limits {
	uint32_t max_conns; /* at most 65535 */
	uint32_t max_inflight;
	size_t max_frame;
	size_t high_water;   /* unsent bytes of one connection */
	size_t input_total;  /* bytes of unread frames of all connections; above it, those that
				have part of a frame longer than 64 KiB are not read */
	uint32_t max_events; /* unsent, of one subscriber */
	int64_t hello_ns, frame_ns, stall_ns;
};

/* The daemon's figures for control.sock and for events.sock. */
extern const struct ctlsock_limits ctlsock_limits_control, ctlsock_limits_events;

struct ctlsock_owner {
	void *ctx;
	/* The queue of requests stopped being empty. */
	void (*on_requests)(void *ctx);
	/* A connection ended by itself or for a reason of this file. All its tokens are void. */
	void (*on_gone)(void *ctx, ctlsock_conn_id conn);
	/* PUB: may this peer see what belongs to owner_uid? NULL: everybody sees everything. */
	bool (*may_see)(void *ctx, const struct peer *peer, uint32_t owner_uid);
	struct slice too_large; /* REP: the answer to a frame above max_frame */
};

struct ctlsock_stats {
	uint64_t n_accepted, n_refused, n_requests, n_replies, n_void_replies;
	uint64_t n_malformed, n_too_large, n_late, n_stalled, n_events, n_dropped_events;
	uint32_t n_conns, n_waiting; /* requests not yet taken */
	uint64_t input_bytes, output_bytes;
};

struct ctlsock;

/* Borrows transport and clock for its life; copies limits and owner. Errors: NOMEM. */
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
/* Sends *body, which is taken over and left empty whatever happens. Once for each request. */
void ctlsock_reply(struct ctlsock *cs, const struct ctlsock_token *token, struct bytes *body);
/*
 * The same with an open file, taken over too. The answer may arrive without it: the connection has
 * CTLSOCK_FILES_MAX unsent already, or the kernel has too many on their way.
 */
void ctlsock_reply_file(struct ctlsock *cs, const struct ctlsock_token *token, struct bytes *body,
			int fd);
/* Whether a file can go with the answer. Through a device it cannot. */
bool ctlsock_takes_files(const struct ctlsock *cs, const struct ctlsock_token *token);
bool ctlsock_is_open(const struct ctlsock *cs, ctlsock_conn_id conn);

/* To every subscriber that may see it: topic, space, json. */
void ctlsock_publish(struct ctlsock *cs, uint32_t owner_uid, struct slice topic, struct slice json);
/* What nobody hears need not be made. */
bool ctlsock_has_subscribers(const struct ctlsock *cs);
/* Nothing waits to be sent to anybody. */
bool ctlsock_is_drained(const struct ctlsock *cs);
void ctlsock_stats(const struct ctlsock *cs, struct ctlsock_stats *ret_stats);
