/*
 * arena -- memory that is given back all at once: for trees that are built once and then only read.
 *
 * Every allocation is zeroed and aligned for any type. It may fail (NULL): NOMEM, or the hard limit
 * that was given at the start; a failure sticks in .err, so that a builder may look once at its
 * end. Threads: none of its own; one owner at a time.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *last;
	size_t used;  /* bytes taken from the system */
	size_t limit; /* most it may take; 0 = SIZE_MAX/4 */
	enum err err; /* first failure, sticky: NOMEM or TOO_LARGE */
};

void arena_init(struct arena *a, size_t limit);
/* Frees everything at once. A zeroed arena is allowed. */
void arena_fini(struct arena *a);
/* NULL on failure. n = 0 gives a pointer that may not be read. */
void *arena_alloc(struct arena *a, size_t n);
/* An array; a product that overflows is TOO_LARGE. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A copy that is also NUL-terminated (the NUL is not counted); {NULL, 0} on failure. */
struct slice arena_copy(struct arena *a, struct slice s);

#define ARENA_NEW(a, type)	((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, n, type) ((type *)arena_array((a), (n), sizeof(type)))
