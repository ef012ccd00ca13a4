/*
 * ordered -- see ordered.h.
 */
#include "edge/ordered.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

size_t ordered_find(const struct ordered *o, ordered_cmp cmp, const void *key)
{
	size_t low = 0, high = o->n;

	if (o->n > 0 && cmp(o->at[o->n - 1], key) < 0)
		return o->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (cmp(o->at[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void *ordered_get(const struct ordered *o, ordered_cmp cmp, const void *key)
{
	size_t i = ordered_find(o, cmp, key);

	return i < o->n && cmp(o->at[i], key) == 0 ? o->at[i] : NULL;
}

enum err ordered_insert(struct ordered *o, size_t place, void *item)
{
	CHECK(place <= o->n);
	if (o->n == o->cap) {
		size_t cap = o->cap == 0 ? 8 : o->cap * 2;
		void **at = realloc(o->at, cap * sizeof(*at));
		if (at == NULL)
			return ERR_NOMEM;
		o->at = at;
		o->cap = cap;
	}
	memmove(o->at + place + 1, o->at + place, (o->n - place) * sizeof(*o->at));
	o->at[place] = item;
	o->n++;
	return ERR_OK;
}

void ordered_remove(struct ordered *o, size_t place, size_t n)
{
	CHECK(place + n <= o->n);
	if (n == 0)
		return;
	memmove(o->at + place, o->at + place + n, (o->n - place - n) * sizeof(*o->at));
	o->n -= n;
}

void ordered_fini(struct ordered *o)
{
	free(o->at);
	*o = (struct ordered){0};
}
