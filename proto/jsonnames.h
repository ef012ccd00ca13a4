/*
 * jsonnames -- which member names the objects of one text have had, to find duplicates.
 *
 * Names are compared after un-escaping. Objects of few members are compared pairwise in the
 * caller's frame; larger ones share one hash table under the caller's seed. Owner: jsonscan.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define JSONNAMES_FEW 8

struct jsonnames_slot {
	uint64_t hash;
	uint32_t object; /* serial of the object, from 1; 0 = empty slot */
	uint32_t n;
	const char *p;
};

struct jsonnames {
	struct jsonnames_slot *slot; /* a power of two of them */
	size_t n, cap;
	uint64_t seed[2];
	uint32_t last_object;
};

/* The names of one object while it is open; lives in the caller's frame. */
struct jsonnames_object {
	uint32_t serial;
	uint32_t n;
	struct slice few[JSONNAMES_FEW];
};

void jsonnames_init(struct jsonnames *set, const uint64_t seed[2]);
void jsonnames_fini(struct jsonnames *set);
void jsonnames_open(struct jsonnames *set, struct jsonnames_object *o);
/* name: raw, without quotes, valid escapes, alive as long as the set. EXISTS, NOMEM. */
enum err jsonnames_add(struct jsonnames *set, struct jsonnames_object *o, struct slice name);
/* Whether two raw names are the same text once un-escaped. */
bool jsonnames_same(struct slice a, struct slice b);
