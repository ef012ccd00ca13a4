/*
 * hold -- what a task has taken and must not keep beyond its end: permits, locks, lent items, sides
 * of streams. One cell each; given back youngest first, after the defers.
 */
#include "run/internal.h"

_Static_assert(sizeof(struct hold) <= 128, "two lines at most");

struct hold *rt_hold_new(act_shard *sh, struct task *t, const struct hold_kind *kind, void *object)
{
	struct hold *h = rt_block_take(&sh->blocks, sizeof(*h));
	if (h == NULL)
		return NULL;
	*h = (struct hold){.kind = kind, .object = object, .task = t};
	list_init(&h->of_object);
	list_push_back(&t->holds, &h->link);
	return h;
}

/* The oldest one on this object. */
struct hold *rt_hold_find(struct task *t, const struct hold_kind *kind, const void *object)
{
	LIST_EACH (l, &t->holds) {
		struct hold *h = LIST_ENTRY(l, struct hold, link);
		if (h->kind == kind && h->object == object)
			return h;
	}
	return NULL;
}

void rt_hold_free(act_shard *sh, struct hold *h)
{
	list_remove(&h->link);
	list_remove(&h->of_object);
	rt_block_give(&sh->blocks, h, sizeof(*h));
}

void rt_hold_end_all(act_shard *sh, struct task *t, int rc)
{
	while (!list_empty(&t->holds)) {
		struct hold *h = LIST_ENTRY(t->holds.prev, struct hold, link);
		h->kind->end(sh, h, rc);
		rt_hold_free(sh, h);
	}
}
