/*
 * evhttp_call -- the inside of the evhttp exchange, for the files that make it up:
 * exchange_evhttp.c (the engine), evhttp_call.c (a call from submit to end), evhttp_call_body.c
 * (its payload: credit, decoding, caps, uploads).
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "edge/connector.h"
#include "edge/decode.h"
#include "edge/evhttp_conn.h"
#include "edge/exchange.h"
#include "edge/pool.h"

#define SCRATCH_BYTES 65536

struct event;

struct engine {
	struct exchange x; /* first */
	struct event_base *base;
	const struct clock *clock;
	const struct log *log;
	struct ticks *ticks;
	struct resolver *resolver;
	struct tlsctx *tlsctx;
	struct pool *pool;
	struct conn_env *conns;
	struct connector_env connector;
	struct event *turn_event;
	struct link turn;    /* xcall.turn */
	struct xcall **slot; /* by the low half of an id, minus 1 */
	uint32_t n_slots, free_slot, generation;
	uint32_t max_calls, max_open;
	struct xcall *spare; /* ended ones, for their memory */
	uint32_t n_spare;
	bool keeps_none;
	struct xstats stats;
	char scratch[SCRATCH_BYTES];
};

/* What the call's one timer stands for. */
enum wait {
	WAIT_NOTHING,
	WAIT_CONNECT,
	WAIT_SEND,
	WAIT_CONTINUE, /* 100 Continue, or its second is over */
	WAIT_ANSWER,
	WAIT_BODY,
};

struct xcall {
	struct engine *x;
	struct xcall *next_spare;
	uint32_t next_free; /* while its slot is free */
	xcall_id id;
	struct xevents ev;
	void *ctx;
	struct link turn;
	struct tick tick;
	enum wait wait;

	/* the request */
	struct bytes text; /* everything copied; the slices below point into it */
	struct slice head;
	struct connect_plan plan;
	struct xresolve *resolve;
	struct xbody body;
	struct xtimeouts timeouts;
	struct xlimits limits;
	bool to_head, idempotent, decodes, fresh, streams;
	size_t body_at; /* bytes of the body handed out */
	bool body_begun, body_ended;

	/* where it is */
	struct pool_key *key;
	struct connector *connector;
	struct conn *conn;
	int64_t send_before_ns;
	bool aborted, failed, lapsed, reused, stale, spoke, stalled, head_seen;
	size_t credit;
	struct decode *decode;
	bool decode_more; /* there may be output left inside */
	uint64_t wire_bytes, decoded_bytes;
	int64_t pace_ns; /* since when, and from how many wire bytes on, the rate is watched */
	uint64_t pace_bytes;
	int64_t submit_ns, first_ns, dns_ns, connect_ns, tls_ns;
	enum kind kind;
	const char *phase;
	char *why; /* few calls fail: made when needed, NULL if memory ran out */
};

/* ---- exchange_evhttp.c ---- */

/* Asks for xcall_turn before the loop sleeps. */
void engine_wake(struct engine *x, struct xcall *call);
/* The call is over: its slot and memory go back. */
void engine_release(struct engine *x, struct xcall *call);

/* ---- evhttp_call.c ---- */

/* Copies r. Errors: those of submit. */
enum err xcall_init(struct xcall *call, const struct xreq *r);
void xcall_start(struct xcall *call);
void xcall_turn(struct xcall *call);
/* Ends as failed at its next turn; the first failure counts. */
void xcall_fail(struct xcall *call, enum kind kind, const char *phase, const char *form, ...)
	__attribute__((format(printf, 4, 5)));
void xcall_await(struct xcall *call, enum wait wait, int64_t ms);
/* Gives back all it holds but its memory. */
void xcall_drop(struct xcall *call);
void xcall_on_tick(struct tick *t);

/* ---- evhttp_call_body.c ---- */

/* Sets up the decoder for these fields. False: the call failed. */
bool body_begin(struct xcall *call, const struct head *h);
/* The hooks body and pull of a connection. */
bool body_take(void *call, const char *p, size_t n, size_t *ret_used);
enum err body_pull(void *call, char *buf, size_t cap, size_t *ret_n);
/* Hands out what the decoder holds back. */
void body_flush(struct xcall *call);
/* The connection has delivered everything: is the coding complete? */
bool body_is_whole(struct xcall *call);
