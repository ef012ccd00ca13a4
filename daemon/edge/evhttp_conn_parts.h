/*
 * evhttp_conn_parts -- the inside of a connection, for the three files that make it up:
 * evhttp_conn.c (life and state), evhttp_conn_out.c (request), evhttp_conn_in.c (response).
 */
#pragma once

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>

#include "edge/evhttp_conn.h"
#include "model/dechunk.h"

#define CONN_AHEAD_BYTES 65536

struct conn_env {
	struct event_base *base;
	conn_idle_closed idle_closed;
	void *ctx;
	int listener, filler; /* see evhttp_conn.c */
	uint16_t port;
	char ahead[CONN_AHEAD_BYTES]; /* what we read ourselves, for the length of a call */
};

enum rx {
	RX_IDLE,   /* no call */
	RX_HEAD,   /* the head, or 1xx heads before it */
	RX_BODY,   /* evhttp has our head, payload comes through its chunk callback */
	RX_OVER,   /* the last chunk was seen */
	RX_BROKEN, /* refused: failure says why */
};

enum tx {
	TX_NONE,
	TX_HEAD,    /* in evhttp's hands */
	TX_HOLD,    /* the head is out; a body is to be streamed when conn_stream is called */
	TX_BEGIN,   /* to be streamed as soon as evhttp reads */
	TX_STREAM,  /* the pull hook feeds the output */
	TX_STARVED, /* it had nothing */
	TX_LAST,    /* it said END, the output still drains */
	TX_OVER,    /* all is out */
	TX_CUT,	    /* given up: the answer came first, or writing failed */
};

enum rewrite { REWRITE_NOT, REWRITE_REPLACE, REWRITE_SWALLOW };

enum engine { ENGINE_RUNS, ENGINE_DONE, ENGINE_FAILED };

struct conn {
	struct conn_place place;
	struct conn_env *env;
	struct channel ch;
	struct bufferevent *bev;
	struct evhttp_connection *evcon;
	struct evhttp_request *req; /* NULL: evhttp has none */
	const struct conn_hooks *hooks;
	void *call;			 /* NULL: idle */
	bufferevent_data_cb evhttp_read; /* evhttp's own, while ours stand in their place */
	bufferevent_event_cb evhttp_event;

	enum rx rx;
	enum tx tx;
	enum rewrite rewrite;
	enum engine engine;
	bool streams;
	bool handed_over;
	bool editing; /* our own changes of the buffers are no news */
	bool paused;  /* EV_READ is off for lack of credit */
	bool dead;    /* evhttp closed the descriptor */
	bool dirty;   /* bytes that belong to no call were seen */
	bool closing;
	bool heard; /* a byte of the response came */
	bool spoke; /* a byte of the request went */

	struct slice out; /* the head while it waits for evhttp to ask for it */
	struct head head;
	struct dechunk dechunk;
	bool dechunks;
	struct evbuffer *stalled; /* payload the consumer could not take; made when needed */
	uint64_t payload;	  /* bytes at the front of the buffer known to be payload */
	int sys_errno;
	enum evhttp_request_error engine_error;
	struct conn_failure failure;
};

/* Response side. */
void conn_on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg);
void conn_on_chunk(struct evhttp_request *req, void *arg);
void conn_break(struct conn *c, enum kind kind, const char *phase, const char *why);
void conn_pump(struct conn *c);

/* Request side. */
void conn_on_output(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg);
enum err conn_begin(struct conn *c);
void conn_out_turn(struct conn *c);
void conn_cut(struct conn *c);
