#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK 1024
#define MAX_BLOCK   65536

struct arena_block {
	struct arena_block *before;
	size_t used, cap;
	alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t limit)
{
	*a = (struct arena){.limit = limit != 0 ? limit : SIZE_MAX / 4};
}

void arena_fini(struct arena *a)
{
	for (struct arena_block *b = a->last, *before; b != NULL; b = before) {
		before = b->before;
		free(b);
	}
	*a = (struct arena){.limit = a->limit};
}

static struct arena_block *grow(struct arena *a, size_t n)
{
	size_t cap = a->last == NULL ? FIRST_BLOCK : a->last->cap * 2;
	if (cap > MAX_BLOCK)
		cap = MAX_BLOCK;
	if (cap < n)
		cap = n;
	if (cap > a->limit - a->used) {
		a->err = ERR_TOO_LARGE;
		return NULL;
	}
	struct arena_block *b = calloc(1, sizeof *b + cap);
	if (b == NULL) {
		a->err = ERR_NOMEM;
		return NULL;
	}
	b->cap = cap;
	b->before = a->last;
	a->last = b;
	a->used += cap;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (a->err != ERR_OK)
		return NULL;
	if (n > a->limit) {
		a->err = ERR_TOO_LARGE;
		return NULL;
	}
	n = (n + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
	struct arena_block *b = a->last;
	if (b == NULL || b->cap - b->used < n)
		b = grow(a, n);
	if (b == NULL)
		return NULL;
	void *p = b->data + b->used;
	b->used += n;
	return p;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
	size_t total;
	if (__builtin_mul_overflow(n, size, &total)) {
		a->err = a->err != ERR_OK ? a->err : ERR_TOO_LARGE;
		return NULL;
	}
	return arena_alloc(a, total);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);
	if (p == NULL)
		return (struct slice){NULL, 0};
	if (s.n != 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return (struct slice){p, s.n};
}
