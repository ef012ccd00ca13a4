/*
 * slab -- cells of one size: chunks, and a stack of free cells.
 *
 * The stack is an array, not a list through the cells: taking a cold cell then costs no dependent
 * miss. The array always has room for every cell, so giving one back cannot fail.
 * Chunks are aligned to 64 bytes; those of 2 MiB, to that, and go back to the system when they are
 * empty, much more is free than in use, and as much was not needed since the last look: what is
 * taken and given back in waves stays. Threads: one owner. Free cells are poisoned under ASan.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLAB_ASAN 1
#endif
#endif
#ifdef SLAB_ASAN
#include <sanitizer/asan_interface.h>
#define SLAB_POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define SLAB_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define SLAB_POISON(p, n)   ((void)0)
#define SLAB_UNPOISON(p, n) ((void)0)
#endif

struct slab_chunk {
	struct slab_chunk *next;
	void *map; /* what munmap gets; NULL: free */
	size_t map_bytes;
	size_t n_free; /* counted by rt_slab_trim alone */
};

struct slab {
	void **free;
	size_t n_free;
	size_t n_idle;	/* the stack was never lower since the last trim, or up to twice as low */
	size_t n_cells; /* free or not */
	size_t cell_bytes;
	size_t max_cells; /* 0: no limit */
	struct slab_chunk *chunk;
	struct slab_chunk *spare; /* memory given back, addresses not; see rt_slab_keep_addresses */
	bool keeps_addresses;
};

/* cell_bytes: a multiple of 16. */
void rt_slab_init(struct slab *s, size_t cell_bytes, size_t max_cells);
void rt_slab_fini(struct slab *s);
/* Cells given back to the system stay readable, as zeros, and their addresses come again: for those
 * whom stale references look at. */
void rt_slab_keep_addresses(struct slab *s);
/* Gives empty chunks of 2 MiB back, if over 8 MiB and over two thirds of all cells are free; keeps
 * a quarter as much free as is in use, and what was in use at any time since the last call. O(free
 * cells). Returns the bytes given back. */
size_t rt_slab_trim(struct slab *s);
/* Makes cells ready; false without memory or at the limit. */
bool rt_slab_refill(struct slab *s);

/* Past the limit of cells; NULL: no memory. */
void *rt_slab_take_past_limit(struct slab *s);

enum { SLAB_AHEAD = 8 };

/* What will be taken some times later, so that its first lines have arrived by then: after much has
 * come and gone the stack leads all over the memory. */
static inline void rt_slab_fetch_ahead(const struct slab *s, int lines)
{
	if (__builtin_expect(s->n_free <= SLAB_AHEAD, 0))
		return;
	const char *p = s->free[s->n_free - SLAB_AHEAD];
	for (int i = 0; i < lines; i++)
		__builtin_prefetch(p + 64 * i, 1);
}

static inline bool rt_slab_is_ready(const struct slab *s)
{
	return s->n_free > s->n_idle;
}

static inline void *rt_slab_take(struct slab *s)
{
	if (__builtin_expect(!rt_slab_is_ready(s), 0) && !rt_slab_refill(s))
		return NULL;
	void *p = s->free[--s->n_free];
	SLAB_UNPOISON(p, s->cell_bytes);
	return p;
}

/* As rt_slab_take, where rt_slab_is_ready is known. */
static inline void *rt_slab_take_ready(struct slab *s)
{
	void *p = s->free[--s->n_free];
	SLAB_UNPOISON(p, s->cell_bytes);
	return p;
}

static inline void rt_slab_give(struct slab *s, void *p)
{
	SLAB_POISON(p, s->cell_bytes);
	s->free[s->n_free++] = p;
}

static inline size_t rt_slab_in_use(const struct slab *s)
{
	return s->n_cells - s->n_free;
}

/* Blocks of any size: classes of 64 bytes up to 2 KiB, above that the heap. */
enum { SLAB_STEP = 64, SLAB_CLASSES = 32 };

struct slab_set {
	struct slab of[SLAB_CLASSES];
};

void rt_slab_set_init(struct slab_set *set);
void rt_slab_set_fini(struct slab_set *set);
void rt_slab_set_trim(struct slab_set *set);
void *rt_block_big(size_t bytes);
void rt_block_big_free(void *p);

static inline void *rt_block_take(struct slab_set *set, size_t bytes)
{
	size_t i = (bytes - 1) / SLAB_STEP;
	return i < SLAB_CLASSES ? rt_slab_take(&set->of[i]) : rt_block_big(bytes);
}

static inline void rt_block_fetch_ahead(const struct slab_set *set, size_t bytes, int lines)
{
	size_t i = (bytes - 1) / SLAB_STEP;
	if (i < SLAB_CLASSES)
		rt_slab_fetch_ahead(&set->of[i], lines);
}

static inline void rt_block_give(struct slab_set *set, void *p, size_t bytes)
{
	size_t i = (bytes - 1) / SLAB_STEP;
	if (i < SLAB_CLASSES)
		rt_slab_give(&set->of[i], p);
	else
		rt_block_big_free(p);
}
