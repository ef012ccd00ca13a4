/*
 * decode -- content codings undone as the bytes come: gzip (all members), deflate (with and
 * without its zlib wrapper), br, zstd; at most two, one inside the other.
 *
 * Bounds     produces no more than asked for at a time; zstd windows up to 8 MiB (RFC 9659);
 *            what comes after the end of a coding is ignored, as curl and gzip do.
 * Threads    none of its own.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

struct decode;

/*
 * From the values of all Content-Encoding fields, comma-separated, in order of application.
 * OK and *ret NULL: nothing to undo. Errors: NOMEM; UNSUPPORTED (an unknown coding, or more than
 * two).
 */
enum err decode_new(struct slice codings, struct decode **ret);
void decode_free(struct decode *d);
/*
 * Takes from in (which may be empty: there may be output left inside) and writes at most cap bytes
 * to out. *ret_made == cap means there may be more. Errors: CORRUPT, NOMEM, TOO_LARGE (window).
 */
enum err decode_step(struct decode *d, struct slice in, size_t *ret_used, char *out, size_t cap,
		     size_t *ret_made);
/* No more input will come: OK if the coding was complete, or nothing ever came. */
enum err decode_finish(const struct decode *d);

/* The value of Accept-Encoding that goes with it. */
#define DECODE_ACCEPT "gzip, deflate, br, zstd"
