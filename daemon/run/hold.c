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
	list_init(&h->link);
	if (t->holds == NULL)
		t->holds = h;
	else
		list_push_back(&t->holds->link, &h->link);
	return h;
}

/* The oldest one on this object. */
struct hold *rt_hold_find(struct task *t, const struct hold_kind *kind, const void *object)
{
	for (struct hold *h = t->holds; h != NULL; h = rt_hold_after(t, h))
		if (h->kind == kind && h->object == object)
			return h;
	return NULL;
}

void rt_hold_free(act_shard *sh, struct hold *h)
{
	struct task *t = h->task;
	if (t->holds == h)
		t->holds = rt_hold_after(t, h);
	list_remove(&h->link);
	list_remove(&h->of_object);
	rt_block_give(&sh->blocks, h, sizeof(*h));
}

void rt_hold_end_all(act_shard *sh, struct task *t, int rc)
{
	while (t->holds != NULL) {
		struct hold *h = LIST_ENTRY(t->holds->link.prev, struct hold, link);
		h->kind->end(sh, h, rc);
		rt_hold_free(sh, h);
	}
}
