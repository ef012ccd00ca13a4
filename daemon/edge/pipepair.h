/*
 * pipepair -- a transport of byte pipes inside the process: what takes the place of sockets in
 * simulations, under the same SP codec.
 *
 * Nothing happens by itself: pipepair_poll gives the events that are due, in the order of the
 * connections, cut into pieces as the seed says. Threads: one.
 */
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "edge/transport.h"

struct pipepair_options {
	const struct clock *clock;
	uint64_t seed;	   /* of the sizes of pieces; 0: all there is at once */
	size_t pipe_bytes; /* what a pipe to a client holds; 0: 64 KiB */
};

/* Errors: NOMEM. */
enum err pipepair_new(const struct pipepair_options *o, struct transport **ret_t);
/* Gives the events that are due now. True if it gave any. */
bool pipepair_poll(struct transport *t);
/* When the next tick is due, on the clock's mono_ns; INT64_MAX: none is asked for. */
int64_t pipepair_tick_ns(const struct transport *t);

/* A client's end. */
struct pipe_end;

/* NULL: nobody listens, or no memory. The server hears of it at the next poll. */
struct pipe_end *pipepair_dial(struct transport *t, const struct peer *peer);
/* Errors: CLOSED (the server has closed), NOMEM. */
enum err pipe_end_send(struct pipe_end *e, const void *p, size_t n);
/* Appends what has come; what fits in a pipe again is told to the server at the next poll. */
enum err pipe_end_receive(struct pipe_end *e, struct bytes *out);
bool pipe_end_is_open(const struct pipe_end *e);
/* The server hears of it at the next poll. Frees e. NULL is fine. */
void pipe_end_close(struct pipe_end *e);
