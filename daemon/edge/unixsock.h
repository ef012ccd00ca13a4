/*
 * unixsock -- a transport of AF_UNIX stream sockets on the event loop.
 *
 * Address    listening takes an flock on the lock file beside the socket, then looks at what stands
 *            at the path: nothing, or a dead socket, which is replaced; anything else is refused
 *            and left alone. The socket has its mode before the first connection can be made, and
 *            is removed at the end if it is still ours.
 * Bounds     descriptors: one is kept in reserve, so that a connection that finds none left is
 *            accepted and closed at once instead of keeping the loop awake.
 * Threads    the loop's.
 */
#pragma once

#include "base/log.h"
#include "edge/transport.h"

struct event_base;

struct unixsock_options {
	struct event_base *base;
	const char *path; /* at most 107 bytes; copied */
	unsigned mode;	  /* 0660 */
	int listen_fd;	  /* >= 0: a listening socket that was handed over; path is for people then,
			   * and is neither locked nor removed */
	const struct log *log;
};

/* Opens nothing yet. Errors: NOMEM, INVALID (the path is too long or empty). */
enum err unixsock_new(const struct unixsock_options *o, struct transport **ret_t);
