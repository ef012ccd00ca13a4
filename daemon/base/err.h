/*
 * err -- the one error enum of functions that can fail because of the world.
 *
 * 0 is success. What only a mistake of ours can cause is not an error but a CHECK (check.h).
 * Kinds that users see in results ("read.timeout") are another thing: proto/errors.def.
 */
#pragma once

#define ERR_LIST(X)                                                                                \
	X(OK, "ok")                                                                                \
	X(NOMEM, "out of memory")                                                                  \
	X(FULL, "at its limit")                                                                    \
	X(STOPPED, "stopped")                                                                      \
	X(INVALID, "invalid")                                                                      \
	X(NOT_FOUND, "not found")                                                                  \
	X(EXISTS, "exists already")                                                                \
	X(DENIED, "denied")                                                                        \
	X(TOO_LARGE, "too large")                                                                  \
	X(AGAIN, "not yet")                                                                        \
	X(END, "at its end")                                                                       \
	X(IO, "input or output failed")                                                            \
	X(CORRUPT, "corrupt")                                                                      \
	X(TIMEOUT, "timed out")                                                                    \
	X(CANCELLED, "cancelled")                                                                  \
	X(CONFLICT, "in conflict")                                                                 \
	X(BUSY, "busy")                                                                            \
	X(CLOSED, "closed")                                                                        \
	X(UNSUPPORTED, "not supported")

enum err {
#define X(name, text) ERR_##name,
	ERR_LIST(X)
#undef X
		ERR_COUNT
};

/* A short English phrase, never NULL; "unknown error" for a number out of range. */
const char *err_text(enum err e);
