#include "run/slab.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { CHUNK_FIRST = 8 * 1024, CHUNK_HUGE = 2 * 1024 * 1024 };

void rt_slab_init(struct slab *s, size_t cell_bytes, size_t max_cells)
{
	*s = (struct slab){.cell_bytes = cell_bytes, .max_cells = max_cells};
}

void rt_slab_fini(struct slab *s)
{
	while (s->chunk != NULL) {
		struct slab_chunk *c = s->chunk;
		s->chunk = c->next;
		char *base = c->map;
		SLAB_UNPOISON(base, c->map_bytes);
		if (c->map_bytes >= CHUNK_HUGE)
			munmap(base, c->map_bytes);
		else
			free(base);
		free(c);
	}
	free(s->free);
	*s = (struct slab){.cell_bytes = s->cell_bytes, .max_cells = s->max_cells};
}

static void *chunk_map(size_t bytes)
{
	if (bytes < CHUNK_HUGE)
		return aligned_alloc(64, bytes);
	/* One huge page lies in any two huge pages' worth of addresses. */
	size_t span = bytes + CHUNK_HUGE;
	char *p = mmap(NULL, span, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	size_t before = (size_t)(-(uintptr_t)p & (CHUNK_HUGE - 1));
	if (before > 0)
		munmap(p, before);
	if (CHUNK_HUGE - before > 0)
		munmap(p + before + bytes, CHUNK_HUGE - before);
	madvise(p + before, bytes, MADV_HUGEPAGE);
	return p + before;
}

/* Each chunk as large as all before it, from 8 KiB to 2 MiB. */
static size_t next_chunk_bytes(const struct slab *s)
{
	size_t have = s->n_cells * s->cell_bytes;
	size_t want = have < CHUNK_FIRST ? CHUNK_FIRST : have;
	if (want > CHUNK_HUGE)
		want = CHUNK_HUGE;
	while (want < 4 * s->cell_bytes)
		want *= 2;
	return (want + 63) & ~(size_t)63;
}

bool rt_slab_grow(struct slab *s)
{
	if (s->max_cells != 0 && s->n_cells >= s->max_cells)
		return false;
	size_t bytes = next_chunk_bytes(s);
	size_t n = bytes / s->cell_bytes;
	void **stack = realloc(s->free, (s->n_cells + n) * sizeof(*stack));
	if (stack == NULL)
		return false;
	s->free = stack;
	struct slab_chunk *c = malloc(sizeof(*c));
	char *base = c != NULL ? chunk_map(bytes) : NULL;
	if (base == NULL) {
		free(c);
		return false;
	}
	*c = (struct slab_chunk){.next = s->chunk, .map = base, .map_bytes = bytes};
	s->chunk = c;
	for (size_t i = n; i-- > 0;)
		s->free[s->n_free++] = base + i * s->cell_bytes;
	s->n_cells += n;
	SLAB_POISON(base, bytes);
	return true;
}

void *rt_slab_take_past_limit(struct slab *s)
{
	size_t limit = s->max_cells;
	s->max_cells = 0;
	void *p = rt_slab_take(s);
	s->max_cells = limit;
	return p;
}

void rt_slab_set_init(struct slab_set *set)
{
	for (size_t i = 0; i < SLAB_CLASSES; i++)
		rt_slab_init(&set->of[i], (i + 1) * SLAB_STEP, 0);
}

void rt_slab_set_fini(struct slab_set *set)
{
	for (size_t i = 0; i < SLAB_CLASSES; i++)
		rt_slab_fini(&set->of[i]);
}

void *rt_block_big(size_t bytes)
{
	return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

void rt_block_big_free(void *p)
{
	free(p);
}
