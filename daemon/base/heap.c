#include "base/heap.h"

#include "base/check.h"

#include <stdlib.h>

void heap_init(struct heap *h, heap_before before)
{
	*h = (struct heap){.before = before};
}

void heap_fini(struct heap *h)
{
	free(h->node);
	*h = (struct heap){.before = h->before};
}

static void place(struct heap *h, size_t i, struct heap_node *n)
{
	h->node[i] = n;
	n->at = i + 1;
}

static void sift_up(struct heap *h, size_t i)
{
	struct heap_node *n = h->node[i];
	while (i > 0 && h->before(n, h->node[(i - 1) / 2])) {
		place(h, i, h->node[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(h, i, n);
}

static void sift_down(struct heap *h, size_t i)
{
	struct heap_node *n = h->node[i];
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->before(h->node[child + 1], h->node[child]))
			child++;
		if (!h->before(h->node[child], n))
			break;
		place(h, i, h->node[child]);
		i = child;
	}
	place(h, i, n);
}

enum err heap_push(struct heap *h, struct heap_node *n)
{
	CHECK(n->at == 0);
	if (h->n == h->cap) {
		size_t cap = h->cap != 0 ? h->cap * 2 : 16;
		struct heap_node **node = realloc(h->node, cap * sizeof(struct heap_node *));
		if (node == NULL)
			return ERR_NOMEM;
		h->node = node;
		h->cap = cap;
	}
	place(h, h->n++, n);
	sift_up(h, h->n - 1);
	return ERR_OK;
}

struct heap_node *heap_top(const struct heap *h)
{
	return h->n != 0 ? h->node[0] : NULL;
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	if (n->at == 0)
		return;
	size_t i = n->at - 1;
	CHECK(i < h->n && h->node[i] == n);
	n->at = 0;
	struct heap_node *last = h->node[--h->n];
	if (last == n)
		return;
	place(h, i, last);
	sift_down(h, i);
	sift_up(h, last->at - 1);
}

void heap_update(struct heap *h, struct heap_node *n)
{
	CHECK(n->at != 0);
	sift_up(h, n->at - 1);
	sift_down(h, n->at - 1);
}
