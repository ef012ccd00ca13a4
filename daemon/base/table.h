/*
 * table -- hash map from byte strings to pointers, iterated in insertion order.
 *
 * SipHash-1-3 (Aumasson and Bernstein 2012) under a seed, so that strangers cannot choose
 * collisions; order never depends on the seed or on addresses, so runs replay. Keys are copied.
 * Amortised O(1). Threads: one owner at a time.
 */
#pragma once

#include "base/bytes.h"

struct table_entry {
	char *key;
	uint32_t key_len;
	uint32_t hash;
	void *value; /* NULL: removed */
};

struct table {
	struct table_entry *entry; /* in insertion order, with holes */
	uint32_t *index;	   /* power of two; entry number + 1, 0 = empty */
	uint32_t n_entry, cap_entry, n_live, mask;
	uint64_t seed[2];
};

void table_init(struct table *t, uint64_t seed);
/* Frees keys and memory; values belong to the caller. */
void table_fini(struct table *t);
void *table_get(const struct table *t, struct slice key);
/* Puts or replaces; value must not be NULL; *ret_old (may be NULL) gets what was there. NOMEM. */
enum err table_put(struct table *t, struct slice key, void *value, void **ret_old);
/* Returns the removed value or NULL. */
void *table_remove(struct table *t, struct slice key);
uint32_t table_count(const struct table *t);
uint64_t siphash13(const uint64_t seed[2], const void *p, size_t n);

/* The body may remove the current entry, not add. */
#define TABLE_EACH(it, t)                                                                          \
	for (struct table_entry *it = (t)->entry,                                                  \
				*it##_end = it == NULL ? NULL : it + (t)->n_entry;                 \
	     it != it##_end; it++)                                                                 \
		if (it->value != NULL)
