/*
 * evhttp_conn -- one connection that is ready for HTTP, driven by one evhttp_connection.
 *
 * evhttp is kept to what it does well: the order of writing and reading, the end of a body, the
 * close of an idle connection. What goes out and what comes in is ours:
 *   - It never connects. It is pointed at a loopback address that never answers, and the
 *     descriptor that our connector made is put in its place (evhttp closes and reconnects what
 *     is handed to it connected).
 *   - It is asked for "GET / HTTP/1.1" and nothing else; those bytes are taken out of its output
 *     and the true head goes in. So methods, targets and fields are exactly what we validated.
 *   - The head of the response is taken out of its input, judged by model/head, and replaced by a
 *     head of at most one field. So evhttp sees no 1xx, no Transfer-Encoding, no Connection, no
 *     trailer, and its own parsing decides nothing.
 *   - Chunked bodies are "until close" to evhttp; at the last chunk it is told that nothing is
 *     left to read.
 *   - A body that is not sent with the head is sent while evhttp already reads the answer, so an
 *     early answer needs no special case.
 *
 * Threads    the loop's. Hooks run inside callbacks of the library: they may not call conn_close,
 *            conn_send or conn_release; they note what is to do and ask for a turn.
 */
#pragma once

#include "base/list.h"
#include "edge/connector.h"
#include "model/head.h"

struct conn;
struct conn_env;

struct conn_hooks {
	/* Part of the request left; all_of_head when its head is out. */
	void (*sent)(void *call, bool all_of_head);
	/* Bytes of the response came, n of them. */
	void (*received)(void *call, size_t n);
	/* A 100 Continue came. */
	void (*may_continue)(void *call);
	/* The final head. */
	void (*head)(void *call, const struct head *h);
	/* Payload, still content-coded. *ret_used of it were taken; false: no more for now. */
	bool (*body)(void *call, const char *p, size_t n, size_t *ret_used);
	/* More of the request body: OK, AGAIN, END, or an error. */
	enum err (*pull)(void *call, char *buf, size_t cap, size_t *ret_n);
	/* Call conn_turn, outside all callbacks of the library, before the loop sleeps. */
	void (*wake)(void *call);
};

/* An idle connection closed itself, or got bytes nobody asked for: to be closed, but not here. */
typedef void (*conn_idle_closed)(void *ctx, struct conn *c);

/* Errors: NOMEM; IO (no loopback socket). */
enum err conn_env_new(struct event_base *base, conn_idle_closed idle_closed, void *ctx,
		      struct conn_env **ret);
/* After all its connections. NULL is allowed. */
void conn_env_free(struct conn_env *env);

/* Takes descriptor and SSL of the channel, on failure too. Errors: NOMEM. */
enum err conn_open(struct conn_env *env, const struct channel *ch, struct conn **ret);
/* In any state but inside a callback of the library. NULL is allowed. */
void conn_close(struct conn *c);

struct conn_request {
	struct slice head; /* the whole head, and a small body right behind it */
	bool to_head;	   /* HEAD: no body comes back */
	bool streams;	   /* more of the body comes from the pull hook, after conn_stream */
	struct head_limits limits;
};

/* Sends on an idle connection. Its outcome is told by conn_state after a wake. Errors: NOMEM. */
enum err conn_send(struct conn *c, const struct conn_request *r, const struct conn_hooks *hooks,
		   void *call);
/* Start, or go on with, the streamed body. */
void conn_stream(struct conn *c);
/* After a wake. has_room: the consumer can take payload. */
void conn_turn(struct conn *c, bool has_room);

enum conn_state { CONN_BUSY, CONN_COMPLETE, CONN_FAILED };

struct conn_failure {
	enum kind kind;
	const char *phase;
	const char *why; /* a sentence */
};

enum conn_state conn_state(const struct conn *c, struct conn_failure *ret);
/* Nothing of the response came, and the peer closed: what a connection kept too long does. */
bool conn_failed_unheard(const struct conn *c);
/* After COMPLETE: ends the call; true if the connection may serve another one. */
bool conn_release(struct conn *c);
/* Still open and silent; to be asked right before conn_send on a connection used before. */
bool conn_is_quiet(struct conn *c);
const struct channel *conn_channel(const struct conn *c);
/* Trailer fields of a chunked body; at most max are stored. */
size_t conn_trailers(const struct conn *c, struct head_field *ret, size_t max);

/* For the pool. */
struct conn_place {
	struct link link;
	void *key;
	int64_t born_ns, idle_since_ns, idle_limit_ms;
	int64_t said_idle_ms; /* by the server; -1: nothing */
	uint32_t uses;
};
struct conn_place *conn_place(struct conn *c);
struct conn *conn_of_place(struct conn_place *p);
