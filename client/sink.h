/*
 * sink -- standard output without ever blocking in write(2): lines wait here until it takes them.
 *
 * A pipe or terminal is opened anew through /proc/self/fd, so that making it non-blocking does not
 * change it for the programs that share it; a regular file never blocks.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct sink {
	int fd;
	bool is_own;	  /* fd was opened here */
	struct bytes buf; /* append to it freely */
	size_t done;	  /* bytes of buf that are written */
	uint64_t written; /* in all */
	bool is_closed;	  /* nobody reads it any more */
	int error;	  /* errno of another failure */
};

void sink_open(struct sink *s, int fd);
void sink_close(struct sink *s);
size_t sink_pending(const struct sink *s);
/* Writes what it can. AGAIN: not all. CLOSED: nobody reads. IO: see error. */
enum err sink_flush(struct sink *s);
