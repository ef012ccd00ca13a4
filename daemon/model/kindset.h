/*
 * kindset -- a set of error kinds, made from a list like ["read","connect.refused"]: an entry is
 * a kind or a prefix of kinds that ends at a dot.
 */
#pragma once

#include "base/bytes.h"
#include "proto/errors.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct kindset {
	uint64_t bits;
};

_Static_assert(KIND_COUNT <= 64, "kindset holds one bit for each kind");

/* Errors: INVALID (the entry covers no kind). */
enum err kindset_add(struct kindset *s, struct slice entry);
static inline bool kindset_has(struct kindset s, enum kind k)
{
	return k != KIND_NONE && (s.bits >> k & 1) != 0;
}

static inline bool kindset_empty(struct kindset s)
{
	return s.bits == 0;
}
