/*
 * jsonnames -- the set of member names seen; open addressing, no removal. A closed object's names
 * stay behind under its serial, which no later object has.
 */
#include "proto/jsonnames.h"

#include "base/table.h"
#include "proto/jsonscan.h"

#include <stdlib.h>
#include <string.h>

void jsonnames_init(struct jsonnames *set, const uint64_t seed[2])
{
	*set = (struct jsonnames){.seed = {seed[0], seed[1]}};
}

void jsonnames_fini(struct jsonnames *set)
{
	free(set->slot);
	set->slot = NULL;
}

void jsonnames_open(struct jsonnames *set, struct jsonnames_object *o)
{
	o->serial = ++set->last_object;
	o->n = 0;
}

static bool is_escaped(struct slice s)
{
	return s.n != 0 && memchr(s.p, '\\', s.n) != NULL;
}

/* The un-escaped text; held is what keeps it alive. */
static enum err plain_of(struct slice name, struct bytes *held, struct slice *ret)
{
	*ret = name;
	if (!is_escaped(name))
		return ERR_OK;
	/* The quotes stand around a raw name in its text. */
	enum err e = jsonscan_string((struct slice){name.p - 1, name.n + 2}, held);
	if (e == ERR_OK)
		*ret = bytes_slice(held);
	return e;
}

bool jsonnames_same(struct slice a, struct slice b)
{
	if (!is_escaped(a) && !is_escaped(b))
		return slice_eq(a, b);
	struct bytes held_a = {.limit = 0}, held_b = {.limit = 0};
	struct slice plain_a, plain_b;
	bool same = plain_of(a, &held_a, &plain_a) == ERR_OK &&
		    plain_of(b, &held_b, &plain_b) == ERR_OK && slice_eq(plain_a, plain_b);
	bytes_fini(&held_a);
	bytes_fini(&held_b);
	return same;
}

static void place(struct jsonnames_slot *slot, size_t cap, const struct jsonnames_slot *s)
{
	size_t i = (size_t)s->hash & (cap - 1);
	while (slot[i].object != 0)
		i = (i + 1) & (cap - 1);
	slot[i] = *s;
}

static enum err grow(struct jsonnames *set)
{
	if (set->n * 4 < set->cap * 3)
		return ERR_OK;
	size_t cap = set->cap == 0 ? 64 : set->cap * 2;
	struct jsonnames_slot *slot = calloc(cap, sizeof(*slot));
	if (slot == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < set->cap; i++)
		if (set->slot[i].object != 0)
			place(slot, cap, &set->slot[i]);
	free(set->slot);
	set->slot = slot;
	set->cap = cap;
	return ERR_OK;
}

static enum err hash_of(const struct jsonnames *set, uint32_t object, struct slice name,
			uint64_t *ret)
{
	struct bytes held = {.limit = 0};
	struct slice plain;
	enum err e = plain_of(name, &held, &plain);
	if (e == ERR_OK) {
		uint64_t seed[2] = {set->seed[0] + object, set->seed[1]};
		*ret = siphash13(seed, plain.p, plain.n);
	}
	bytes_fini(&held);
	return e;
}

static enum err add_hashed(struct jsonnames *set, uint32_t object, struct slice name)
{
	struct jsonnames_slot s = {.object = object, .n = (uint32_t)name.n, .p = name.p};
	enum err e = hash_of(set, object, name, &s.hash);
	if (e == ERR_OK)
		e = grow(set);
	if (e != ERR_OK)
		return e;
	size_t mask = set->cap - 1;
	for (size_t i = (size_t)s.hash & mask; set->slot[i].object != 0; i = (i + 1) & mask) {
		const struct jsonnames_slot *at = &set->slot[i];
		if (at->object == object && at->hash == s.hash &&
		    jsonnames_same((struct slice){at->p, at->n}, name))
			return ERR_EXISTS;
	}
	place(set->slot, set->cap, &s);
	set->n++;
	return ERR_OK;
}

enum err jsonnames_add(struct jsonnames *set, struct jsonnames_object *o, struct slice name)
{
	if (o->n < JSONNAMES_FEW) {
		for (uint32_t i = 0; i < o->n; i++)
			if (jsonnames_same(o->few[i], name))
				return ERR_EXISTS;
		o->few[o->n++] = name;
		return ERR_OK;
	}
	if (o->n == JSONNAMES_FEW) {
		for (uint32_t i = 0; i < JSONNAMES_FEW; i++) {
			enum err e = add_hashed(set, o->serial, o->few[i]);
			if (e != ERR_OK)
				return e;
		}
	}
	o->n++;
	return add_hashed(set, o->serial, name);
}
