/*
 * list -- intrusive doubly linked list; a node is on at most one list, an unlinked node points
 * at itself. O(1) everywhere. Threads: one owner at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct link {
	struct link *next, *prev;
};

#define LIST_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct link *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct link *l)
{
	return l->next == l;
}

static inline void list_insert_before(struct link *at, struct link *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

static inline void list_push_back(struct link *l, struct link *node)
{
	list_insert_before(l, node);
}

static inline void list_push_front(struct link *l, struct link *node)
{
	list_insert_before(l->next, node);
}

/* Removing an unlinked (initialised) node does nothing. */
static inline void list_remove(struct link *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

static inline struct link *list_first(const struct link *l)
{
	return l->next == l ? NULL : l->next;
}

static inline struct link *list_last(const struct link *l)
{
	return l->prev == l ? NULL : l->prev;
}

static inline struct link *list_pop_front(struct link *l)
{
	struct link *n = list_first(l);
	if (n != NULL)
		list_remove(n);
	return n;
}

#define LIST_EACH(it, list) for (struct link *it = (list)->next; it != (list); it = it->next)
/* The body may unlink `it`, nothing else. */
#define LIST_EACH_SAFE(it, list)                                                                   \
	for (struct link *it = (list)->next, *it##_next = it->next; it != (list);                  \
	     it = it##_next, it##_next = it->next)
