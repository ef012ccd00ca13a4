/*
 * utf8 -- strict UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF), in steps
 * of eight bytes where the text is plain.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the valid character at p (1 to 4), or 0. p < end. */
size_t utf8_length(const char *p, const char *end);
/* Whether all of s is valid. */
bool utf8_valid(struct slice s);
/* Writes the character, which is a Unicode scalar value; returns its 1 to 4 bytes. */
size_t utf8_put(char out[4], uint32_t c);
/* Appends s, each byte as the character of that number (Latin-1). Errors: those of bytes. */
enum err utf8_add_latin1(struct bytes *out, struct slice s);

#define UTF8_ONES  0x0101010101010101ULL
#define UTF8_HIGHS 0x8080808080808080ULL

/* High bits set in the bytes of w that are zero (exact in the lowest such byte). */
static inline uint64_t utf8_zero_bytes(uint64_t w)
{
	return (w - UTF8_ONES) & ~w & UTF8_HIGHS;
}

/* The first byte that is a control, a quote, a backslash or not ASCII; end if there is none. */
static inline const char *utf8_skip_plain(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, sizeof(w));
		uint64_t hit = utf8_zero_bytes(w ^ (UTF8_ONES * '"')) |
			       utf8_zero_bytes(w ^ (UTF8_ONES * '\\')) |
			       ((w - UTF8_ONES * 0x20) & ~w) | w;
		hit &= UTF8_HIGHS;
		if (hit != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			return p + (__builtin_ctzll(hit) >> 3);
#else
			break;
#endif
		}
		p += 8;
	}
	while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
	       *p != '\\')
		p++;
	return p;
}
