/*
 * bytes -- a growing byte buffer with a hard limit, and read-only slices of bytes.
 *
 * Every append may fail (NOMEM, or TOO_LARGE at the limit); a failure sticks in .err, so that a
 * writer may append many times and look once. On failure the buffer keeps what it had.
 * Threads: none of its own; one owner at a time.
 */
#pragma once

#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE_LIT(s) ((struct slice){(s), sizeof(s) - 1})

struct slice slice_of(const char *cstr);
bool slice_eq(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *cstr);
/* ASCII case ignored. */
bool slice_eq_nocase(struct slice a, struct slice b);

struct bytes {
	char *p; /* not NUL-terminated unless bytes_cstr was asked */
	size_t n;
	size_t cap;
	size_t limit; /* most bytes it may hold; 0 = SIZE_MAX/4 */
	enum err err; /* first failure, sticky until bytes_clear */
};

#define BYTES_LIMIT(max)                                                                           \
	{                                                                                          \
		.limit = (max)                                                                     \
	}

void bytes_init(struct bytes *b, size_t limit);
void bytes_fini(struct bytes *b);
/* Empties it and forgets the error; keeps the memory. */
void bytes_clear(struct bytes *b);
/* Makes room for n more bytes. Errors: NOMEM, TOO_LARGE. */
enum err bytes_reserve(struct bytes *b, size_t n);
enum err bytes_add(struct bytes *b, const void *p, size_t n);
enum err bytes_add_slice(struct bytes *b, struct slice s);
enum err bytes_add_str(struct bytes *b, const char *cstr);
enum err bytes_add_byte(struct bytes *b, char c);
enum err bytes_add_u64(struct bytes *b, uint64_t v);
enum err bytes_add_i64(struct bytes *b, int64_t v);
enum err bytes_printf(struct bytes *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes (n <= b->n). O(remaining). */
void bytes_drop(struct bytes *b, size_t n);
/* The content as a C string, owned by b, valid until the next change; "" if memory failed. */
const char *bytes_cstr(struct bytes *b);
struct slice bytes_slice(const struct bytes *b);
/* Hands the malloc'd memory (NUL-terminated) to the caller and leaves b empty; NULL on NOMEM. */
char *bytes_steal(struct bytes *b, size_t *ret_n);
