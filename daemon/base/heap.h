/*
 * heap -- intrusive binary min-heap. Ties come out in the order the compare function gives, so
 * callers that must replay put a sequence number into it. O(log n). Threads: one owner.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
	size_t at; /* place + 1; 0 = in no heap */
};

/* True if a comes before b. */
typedef bool (*heap_before)(const struct heap_node *a, const struct heap_node *b);

struct heap {
	struct heap_node **node;
	size_t n, cap;
	heap_before before;
};

#define HEAP_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void heap_init(struct heap *h, heap_before before);
void heap_fini(struct heap *h);
/* Errors: NOMEM (the node is then in no heap). */
enum err heap_push(struct heap *h, struct heap_node *n);
/* NULL if empty. */
struct heap_node *heap_top(const struct heap *h);
/* A node in no heap is ignored. */
void heap_remove(struct heap *h, struct heap_node *n);
/* After its key changed. */
void heap_update(struct heap *h, struct heap_node *n);
static inline bool heap_has(const struct heap_node *n)
{
	return n->at != 0;
}
