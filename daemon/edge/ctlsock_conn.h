/*
 * ctlsock_conn -- one connection of a ctlsock, for ctlsock.c and ctlsock_conn.c alone.
 *
 * It goes greeting -> open -> (discarding) -> gone. Bytes that cannot be used yet stay in its `in`;
 * it is not read while it has too much of anything, and is looked at again when output has been
 * flushed. A function that may end the connection says so by returning false.
 */
#pragma once

#include "base/list.h"
#include "edge/ctlsock.h"
#include "edge/outqueue.h"

#define CTLSOCK_SLOT_BITS 16

enum ctlconn_state {
	CONN_GREETING,	 /* waits for the 8 bytes */
	CONN_OPEN,	 /* frames */
	CONN_DISCARDING, /* answered for the last time: swallows what comes until it may close */
};

struct ctlconn {
	struct ctlsock *cs;
	struct transport_conn *tc;
	struct peer peer;
	ctlsock_conn_id id;
	enum ctlconn_state state;
	bool is_paused, is_dirty, wants_write;
	bool is_broken; /* ends at the next flush */
	uint32_t n_inflight;
	struct bytes in;
	uint64_t discard; /* bytes still to be swallowed */
	int64_t since_ns; /* opened, or when the first byte of `in` came, or began discarding */
	int64_t moved_ns; /* when output last moved */
	struct outqueue out;
	struct link all, dirty;
};

struct ctlsock {
	enum ctlsock_role role;
	struct transport *transport;
	const struct clock *clock;
	struct ctlsock_limits limits;
	struct ctlsock_owner owner;
	struct ctlsock_stats stats;
	struct link conns, dirty;
	struct ctlconn **slot; /* max_conns */
	uint32_t next_slot;
	uint64_t serial;
	struct ctlsock_request *first, **last;
	bool tick_set, flush_set;
};

/* Has the tick running. */
void ctlsock_watch(struct ctlsock *cs);
/* Frees without a word to anybody; the transport's side must be closed already. */
void ctlconn_free(struct ctlconn *c);
/* Closes it and tells the owner. */
void ctlconn_end(struct ctlconn *c);
/* The same after the transport said that the other side left. */
void ctlconn_gone(struct ctlconn *c);
void ctlconn_greet(struct ctlconn *c);
void ctlconn_bytes(struct ctlconn *c, const char *p, size_t n);
/* Sends what fits and goes on with input that waited. */
void ctlconn_flush(struct ctlconn *c);
/* body and fd (-1: none) are taken over. */
void ctlconn_reply(struct ctlconn *c, const void *words, size_t n_words, struct bytes *body,
		   int fd);
void ctlconn_event(struct ctlconn *c, struct outshare *event);
/* True while it has to be looked at again. */
bool ctlconn_tick(struct ctlconn *c, int64_t now);
