/*
 * dechunk -- the chunked transfer coding undone, byte by byte if need be (RFC 9112 section 7.1).
 *
 * Strict where a guess would move bytes from one response into another: a size is 1 to 16 hex
 * digits, data is followed by its line end. LF alone ends a line, extensions are skipped.
 * Bounds     an extension line and the trailer section are bounded; nothing is buffered but
 *            trailers.
 */
#pragma once

#include "base/bytes.h"
#include "model/head.h"

enum dechunk_state { DECHUNK_MORE, DECHUNK_DATA, DECHUNK_END, DECHUNK_BAD };

struct dechunk {
	uint64_t left; /* of the current chunk */
	uint32_t line; /* bytes of the current line */
	uint8_t digits;
	uint8_t step;
	bool ambiguous; /* junk after a size: well meant, but not to be followed by more */
	struct bytes trailer;
	size_t trailer_line;
	size_t max_trailer;
	enum kind kind; /* at BAD */
	const char *why;
};

void dechunk_init(struct dechunk *d, size_t max_trailer_bytes);
void dechunk_fini(struct dechunk *d);
/*
 * Takes bytes up to the next piece of data. *ret_used tells how many were taken in all; at
 * DECHUNK_DATA *ret_data is a part of them. Call again with the rest until MORE (all was taken),
 * END (what is left belongs to nobody) or BAD.
 */
enum dechunk_state dechunk_feed(struct dechunk *d, const char *p, size_t n, size_t *ret_used,
				struct slice *ret_data);
/* After END: the trailer fields, pointing into d; at most max are stored. Returns how many. */
size_t dechunk_trailers(const struct dechunk *d, struct head_field *ret, size_t max);
