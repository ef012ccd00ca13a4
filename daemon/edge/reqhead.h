/*
 * reqhead -- the head of a request, validated byte by byte and written once.
 *
 * Nothing a caller gives can end a line early or begin another request: methods and names are
 * tokens, the target is visible ASCII, values have no CR, LF, NUL or other control bytes but tab
 * (RFC 9110 sections 5.1, 5.5, 9.1; RFC 9112 section 3.2).
 */
#pragma once

#include "edge/exchange.h"

/* A body up to this size goes out with the head. */
#define REQHEAD_SMALL_BODY 16384

/*
 * Appends the head, and the body if it is of bytes and small (*ret_streams false). Errors:
 * INVALID; NOMEM or TOO_LARGE of out.
 */
enum err reqhead_write(const struct xreq *r, struct bytes *out, bool *ret_streams);
