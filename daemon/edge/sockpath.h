/*
 * sockpath -- the path of a listening AF_UNIX socket: taken without ever removing what is not a
 * dead socket, and given back only if it is still ours.
 *
 * libnng unlinks whatever refuses a connection, also a regular file; this does not.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

#define SOCKPATH_MAX 107

struct sockpath {
	char path[SOCKPATH_MAX + 1];
	int lock_fd; /* -1: none */
	bool is_bound;
	dev_t dev;
	ino_t ino;
	char failure[320]; /* a sentence for people after an error */
};

/* INVALID: empty or longer than SOCKPATH_MAX bytes. */
enum err sockpath_init(struct sockpath *sp, const char *path);
/* Locks, looks, binds, sets the mode, listens; non-blocking, close-on-exec. Errors as
 * transport.listen, with .failure. */
enum err sockpath_listen(struct sockpath *sp, unsigned mode, int backlog, int *ret_fd);
/* Removes the socket if it is still the one bound here, and lets the lock go. To be called while
 * the listening descriptor is open: it keeps the number of the inode from being given to another.
 */
void sockpath_leave(struct sockpath *sp);
