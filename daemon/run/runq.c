#include "run/runq.h"

#include <stdlib.h>

bool rt_runq_reserve(struct runq *q, uint32_t n)
{
	uint32_t cap = q->slot != NULL ? q->mask + 1 : 0;
	if (n <= cap)
		return true;
	uint32_t want = cap != 0 ? cap * 2 : 64;
	while (want < n)
		want *= 2;
	uint32_t *slot = calloc(want, sizeof(*slot)); /* rt_runq_at reads beyond the tail */
	if (slot == NULL)
		return false;
	uint32_t count = 0;
	while (rt_runq_count(q) > 0)
		slot[count++] = rt_runq_pop(q);
	free(q->slot);
	*q = (struct runq){.slot = slot, .mask = want - 1, .tail = count};
	return true;
}

void rt_runq_fini(struct runq *q)
{
	free(q->slot);
	*q = (struct runq){0};
}

void rt_runq_permute(struct runq *q, struct rng *rng)
{
	for (uint32_t i = rt_runq_count(q); i > 1; i--) {
		uint32_t *a = &q->slot[(q->head + i - 1) & q->mask];
		uint32_t *b = &q->slot[(q->head + (uint32_t)rng_below(rng, i)) & q->mask];
		uint32_t t = *a;
		*a = *b;
		*b = t;
	}
}
