/*
 * stored -- a body that the daemon keeps beside its record: out of its open file, which the daemon
 * hands over on the same machine, else in pieces of base64.
 */
#pragma once

#include "client/session.h"

#include <stdbool.h>

#define STORED_PIECE_BYTES (1u << 20)

/* Takes a piece of a decoded body; false stops. */
typedef bool (*stored_take)(void *ctx, struct slice piece);

/* Why a body is not where it was wanted. */
struct stored_failure {
	char kind[32]; /* of the result's error; "": a signal came, which speaks for itself */
	struct bytes message; /* a sentence */
};

void stored_fail(struct stored_failure *why, const char *kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Hands the body over, checked as a whole before its first byte (of pieces: by the daemon). FAILED
 * with *why; other failures are said.
 */
enum status stored_read(struct session *s, struct slice job, struct slice seq, stored_take take,
			void *ctx, struct stored_failure *why);
struct stored_target {
	const char *part; /* written; on failure it is gone */
	const char *path; /* what messages call it */
	/* The daemon is about to drop its file: where it is ours and on the same file system, it
	 * may become the target instead of being copied. */
	bool may_link;
};

/* It is whole and sound when OK is returned. */
enum status stored_write(struct session *s, struct slice job, struct slice seq,
			 const struct stored_target *to, struct stored_failure *why);
/* write(2) of all of it; errno on false. */
bool stored_write_all(int fd, struct slice piece);
