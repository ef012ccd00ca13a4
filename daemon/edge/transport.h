/*
 * transport -- connections that carry bytes: the seam below the control protocol.
 *
 * One transport is one listening address. AF_UNIX sockets on the event loop (unixsock.h) and pairs
 * of byte pipes for simulation (pipepair.h) stand behind the same table; what speaks SP above it
 * (ctlsock.h) cannot tell them apart.
 *
 * Threads    the loop's thread only.
 * Events     never from inside a call made on the transport, only from the loop's turn; after
 *            close() a connection makes no further event, and on_close is not called for it.
 * Ownership  a connection belongs to the transport; the handle dies in close() or after on_close.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct transport_conn; /* the transport's own */

/* Who is at the other end, as the kernel says it (SO_PEERCRED, at the time of connect). */
struct peer {
	uint32_t uid, gid;
	int32_t pid;
};

struct transport_events {
	/* A new connection: returns what later events are given as `who`, or NULL to refuse it
	 * (the transport then closes it). */
	void *(*on_open)(void *ctx, struct transport_conn *conn, const struct peer *peer);
	/* Up to 64 KiB; the bytes are gone after the call. */
	void (*on_bytes)(void *who, const char *p, size_t n);
	/* Asked for by want_write: the connection takes bytes again. */
	void (*on_writable)(void *who);
	/* The other side left or the connection broke. */
	void (*on_close)(void *who);
	/* Asked for by flush_soon: once, in the next turn of the loop. */
	void (*on_flush)(void *ctx);
	/* Asked for by tick_after. */
	void (*on_tick)(void *ctx);
};

struct transport;

struct transport_ops {
	/* Starts accepting. Errors, with a sentence in failure_text: BUSY (another daemon of ours
	 * has the address), EXISTS (a living server that is not ours), CONFLICT (something that is
	 * no socket stands there and is left alone), DENIED, INVALID, IO, NOMEM. */
	enum err (*listen)(struct transport *t, const struct transport_events *ev, void *ctx);
	const char *(*failure_text)(const struct transport *t);
	/* No new connections; the address is given back; those that are open live on. */
	void (*unlisten)(struct transport *t);
	/* Takes what fits now; *ret_taken <= the sum. CLOSED: the peer is gone (on_close follows).
	 */
	enum err (*write)(struct transport_conn *conn, const struct iovec *v, int n,
			  size_t *ret_taken);
	/* The same, and an open file with the first of these bytes; it stays the caller's. NULL:
	 * this transport carries none. */
	enum err (*write_file)(struct transport_conn *conn, const struct iovec *v, int n, int fd,
			       size_t *ret_taken);
	void (*want_write)(struct transport_conn *conn, bool on);
	void (*pause)(struct transport_conn *conn, bool on);
	void (*close)(struct transport_conn *conn);
	void (*flush_soon)(struct transport *t);
	/* One pending tick at most; a later call moves it. < 0: none. */
	void (*tick_after)(struct transport *t, int64_t delay_ns);
	/* Closes everything without events and frees the transport. */
	void (*free)(struct transport *t);
};

/* First member of what stands behind it. */
struct transport {
	const struct transport_ops *ops;
};
