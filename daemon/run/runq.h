/*
 * runq -- the run ring: slot numbers of actors that have something to do, first in, first out.
 *
 * Room for every slot there is, and each slot at most once (the header's flag says so), so a push
 * cannot fail. A ring of numbers and not a list through the headers: the next ones can be fetched
 * beforehand. Threads: one owner.
 */
#pragma once

#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>

struct runq {
	uint32_t *slot;
	uint32_t mask; /* capacity - 1 */
	uint32_t head, tail;
};

/* Room for n entries; keeps what is in. False: no memory. */
bool rt_runq_reserve(struct runq *q, uint32_t n);
void rt_runq_fini(struct runq *q);
/* Puts the entries into a random order. */
void rt_runq_permute(struct runq *q, struct rng *rng);

static inline uint32_t rt_runq_count(const struct runq *q)
{
	return q->tail - q->head;
}

static inline void rt_runq_push(struct runq *q, uint32_t slot)
{
	q->slot[q->tail++ & q->mask] = slot;
}

static inline uint32_t rt_runq_pop(struct runq *q)
{
	return q->slot[q->head++ & q->mask];
}

/* The one `ahead` places behind the next; an old one if the ring holds fewer. */
static inline uint32_t rt_runq_at(const struct runq *q, uint32_t ahead)
{
	return q->slot[(q->head + ahead) & q->mask];
}
