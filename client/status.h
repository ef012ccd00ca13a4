/*
 * status -- the exit statuses of `muster`, and which of them an error kind of the daemon means.
 */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,    /* some task failed */
	STATUS_USAGE = 2,     /* usage, or an invalid URL or job file: nothing was submitted */
	STATUS_NO_DAEMON = 3, /* not reached, or a volatile job was lost */
	STATUS_CANCELLED = 4, /* by someone else */
	STATUS_EXPIRED = 5,   /* deadline or --wait */
	STATUS_REFUSED = 6,   /* policy, full, conflict */
};

/* Of a refused request. */
enum status status_of_kind(const char *kind);
/* Of an ended job. */
enum status status_of_state(struct slice state, uint64_t n_failed);
