#include "run/slab.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { CHUNK_FIRST = 8 * 1024, CHUNK_HUGE = 2 * 1024 * 1024, TRIM_FROM = 8 * 1024 * 1024 };

void rt_slab_init(struct slab *s, size_t cell_bytes, size_t max_cells)
{
	*s = (struct slab){.cell_bytes = cell_bytes, .max_cells = max_cells};
}

void rt_slab_keep_addresses(struct slab *s)
{
	s->keeps_addresses = true;
}

static void chunks_free(struct slab_chunk *chunks)
{
	while (chunks != NULL) {
		struct slab_chunk *c = chunks;
		chunks = c->next;
		char *base = c->map;
		SLAB_UNPOISON(base, c->map_bytes);
		if (c->map_bytes >= CHUNK_HUGE)
			munmap(base, c->map_bytes);
		else
			free(base);
		free(c);
	}
}

void rt_slab_fini(struct slab *s)
{
	chunks_free(s->chunk);
	chunks_free(s->spare);
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

/* One used before or a new one. */
static struct slab_chunk *chunk_new(struct slab *s, size_t bytes)
{
	struct slab_chunk *c = s->spare;
	if (c != NULL && c->map_bytes == bytes) {
		s->spare = c->next;
		return c;
	}
	c = malloc(sizeof(*c));
	char *base = c != NULL ? chunk_map(bytes) : NULL;
	if (base == NULL) {
		free(c);
		return NULL;
	}
	*c = (struct slab_chunk){.map = base, .map_bytes = bytes};
	return c;
}

static bool grow(struct slab *s)
{
	if (s->max_cells != 0 && s->n_cells >= s->max_cells)
		return false;
	size_t bytes = next_chunk_bytes(s);
	size_t n = bytes / s->cell_bytes;
	void **stack = realloc(s->free, (s->n_cells + n) * sizeof(*stack));
	if (stack == NULL)
		return false;
	s->free = stack;
	struct slab_chunk *c = chunk_new(s, bytes);
	if (c == NULL)
		return false;
	char *base = c->map;
	c->next = s->chunk;
	s->chunk = c;
	for (size_t i = n; i-- > 0;)
		s->free[s->n_free++] = base + i * s->cell_bytes;
	s->n_cells += n;
	SLAB_POISON(base, bytes);
	return true;
}

/* The low mark is lowered by halves, so that a cell taken costs no comparison more than it did. */
bool rt_slab_refill(struct slab *s)
{
	if (s->n_free > 0) {
		s->n_idle = s->n_free / 2;
		return true;
	}
	s->n_idle = 0;
	return grow(s);
}

/* ---- giving back ---- */

static int by_address(const void *a, const void *b)
{
	const struct slab_chunk *const *x = a, *const *y = b;
	return (*x)->map < (*y)->map ? -1 : (*x)->map > (*y)->map;
}

/* The chunks of 2 MiB, by address; NULL: none, or no memory. */
static struct slab_chunk **huge_chunks(const struct slab *s, size_t *ret_n)
{
	size_t n = 0;
	for (struct slab_chunk *c = s->chunk; c != NULL; c = c->next)
		n += c->map_bytes == CHUNK_HUGE;
	struct slab_chunk **at = n > 0 ? malloc(n * sizeof(*at)) : NULL;
	if (at == NULL)
		return NULL;
	*ret_n = n;
	n = 0;
	for (struct slab_chunk *c = s->chunk; c != NULL; c = c->next) {
		c->n_free = 0;
		if (c->map_bytes == CHUNK_HUGE)
			at[n++] = c;
	}
	qsort(at, n, sizeof(struct slab_chunk *), by_address);
	return at;
}

static struct slab_chunk *chunk_of(struct slab_chunk *const *at, size_t n, const void *cell)
{
	void *base = (void *)((uintptr_t)cell & ~(uintptr_t)(CHUNK_HUGE - 1));
	size_t low = 0;
	while (n > 0) {
		size_t half = n / 2;
		if (at[low + half]->map == base)
			return at[low + half];
		if (at[low + half]->map < base) {
			low += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return NULL;
}

/* Marks those to go (n_free = SIZE_MAX); how many cells go with them. */
static size_t choose(const struct slab *s, struct slab_chunk **at, size_t n)
{
	size_t per_chunk = CHUNK_HUGE / s->cell_bytes, gone = 0;
	size_t keep = rt_slab_in_use(s) / 4, used = s->n_free - s->n_idle;
	keep = used > keep ? used : keep;
	for (size_t i = 0; i < n && s->n_free >= gone + per_chunk + keep; i++) {
		if (at[i]->n_free != per_chunk)
			continue;
		at[i]->n_free = SIZE_MAX;
		gone += per_chunk;
	}
	return gone;
}

static void drop_cells(struct slab *s, struct slab_chunk *const *at, size_t n)
{
	size_t kept = 0;
	for (size_t i = 0; i < s->n_free; i++) {
		const struct slab_chunk *c = chunk_of(at, n, s->free[i]);
		if (c == NULL || c->n_free != SIZE_MAX)
			s->free[kept++] = s->free[i];
	}
	s->n_cells -= s->n_free - kept;
	s->n_free = kept;
}

static void drop_chunks(struct slab *s)
{
	struct slab_chunk **place = &s->chunk;
	while (*place != NULL) {
		struct slab_chunk *c = *place;
		if (c->map_bytes != CHUNK_HUGE || c->n_free != SIZE_MAX) {
			place = &c->next;
			continue;
		}
		*place = c->next;
		if (s->keeps_addresses) {
			madvise(c->map, c->map_bytes, MADV_DONTNEED);
			c->next = s->spare;
			s->spare = c;
			continue;
		}
		SLAB_UNPOISON(c->map, c->map_bytes);
		munmap(c->map, c->map_bytes);
		free(c);
	}
}

static size_t give_back(struct slab *s)
{
	size_t n;
	if (s->n_idle * s->cell_bytes < TRIM_FROM || s->n_free / 2 < rt_slab_in_use(s))
		return 0;
	struct slab_chunk **at = huge_chunks(s, &n);
	if (at == NULL)
		return 0;
	for (size_t i = 0; i < s->n_free; i++) {
		struct slab_chunk *c = chunk_of(at, n, s->free[i]);
		if (c != NULL)
			c->n_free++;
	}
	size_t gone = choose(s, at, n);
	if (gone > 0) {
		drop_cells(s, at, n);
		drop_chunks(s);
		void **stack = realloc(s->free, s->n_cells * sizeof(*stack));
		s->free = stack != NULL ? stack : s->free;
	}
	free(at);
	return gone * s->cell_bytes;
}

size_t rt_slab_trim(struct slab *s)
{
	size_t bytes = give_back(s);
	s->n_idle = s->n_free;
	return bytes;
}

void rt_slab_set_trim(struct slab_set *set)
{
	for (size_t i = 0; i < SLAB_CLASSES; i++)
		rt_slab_trim(&set->of[i]);
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
