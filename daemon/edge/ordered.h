/*
 * ordered -- a sorted array of pointers: look-up O(log n), insertion and removal O(n) moves of a
 * word each, cheapest at the end. For the memory store. Threads: one owner.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>

struct ordered {
	void **at;
	size_t n, cap;
};

/* < 0: the item comes before the key; 0: it is the one. */
typedef int (*ordered_cmp)(const void *item, const void *key);

/* The place of the first item that does not come before the key. */
size_t ordered_find(const struct ordered *o, ordered_cmp cmp, const void *key);
/* The item that is the key, or NULL. */
void *ordered_get(const struct ordered *o, ordered_cmp cmp, const void *key);
/* NOMEM. */
enum err ordered_insert(struct ordered *o, size_t place, void *item);
/* Forgets n items from place on; they are the caller's. */
void ordered_remove(struct ordered *o, size_t place, size_t n);
/* Frees the array; the items are the caller's. */
void ordered_fini(struct ordered *o);
