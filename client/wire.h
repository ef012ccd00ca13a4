/*
 * wire -- one connection that carries requests and replies by id; two makes of it behind one
 * table: Unix sockets (wire_unix.c, ours) and libnng for other machines (remote_nng.c).
 *
 * Threads: one at a time. All calls but open return at once.
 */
#pragma once

#include "base/bytes.h"
#include "client/muster.h"

#include <stdint.h>

struct wire {
	const struct wire_ops *ops;
};

struct wire_ops {
	/* Queues one request. NOMEM, TOO_LARGE, CLOSED, FULL (too many outstanding). */
	enum err (*send)(struct wire *w, uint32_t id, struct slice body);
	int (*fd)(const struct wire *w);
	short (*events)(const struct wire *w);
	/* Moves bytes. CLOSED, CORRUPT, NOMEM end the connection. */
	enum err (*turn)(struct wire *w);
	/* The next reply; its body lives until the next turn or next. */
	bool (*next)(struct wire *w, uint32_t *ret_id, struct slice *ret_body);
	/* The open file that came with the reply handed out last, once; -1: none. NULL: never. */
	int (*take_file)(struct wire *w);
	void (*close)(struct wire *w);
};

/* Connects and shakes hands. Errors: NOT_FOUND, DENIED, CLOSED, TIMEOUT, INVALID, NOMEM, IO, with a
 * phrase in why ("connection refused"). */
enum err wire_unix_open(const char *path, int timeout_ms, struct wire **ret, struct bytes *why);
enum err wire_nng_open(const char *url, const struct muster_tls *tls, int timeout_ms,
		       struct wire **ret, struct bytes *why);
