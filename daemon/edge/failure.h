/*
 * failure -- the first failure of something that may not go on after it (a lost write, a failed
 * sync), kept for all its threads to see.
 *
 * Threads: any.
 */
#pragma once

#include "base/err.h"

#include <stdatomic.h>

struct failure {
	atomic_int phase; /* 0 none, 1 being written, 2 there */
	enum err err;
	char text[240];
};

/* Keeps err and "what: detail" if nothing failed before; err must not be ERR_OK. Returns err. */
enum err failure_set(struct failure *f, enum err err, const char *what, const char *detail);
/* ERR_OK while nothing failed. */
enum err failure_err(const struct failure *f);
/* "" while nothing failed. */
const char *failure_text(const struct failure *f);
