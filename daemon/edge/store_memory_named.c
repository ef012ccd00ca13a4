/*
 * store_memory_named -- what named objects keep, in memory.
 */
#include "edge/store_memory.h"

#include <stdlib.h>

static enum err replace(struct mem_store *s, struct store_named n)
{
	struct slice *const texts[] = {&n.name, &n.holder, &n.data};
	size_t i = ordered_find(&s->named, mem_cmp_named, &n);

	n.was = (struct slice){"", 0};
	struct store_named *made = mem_record(&n, sizeof(n), texts, 3);
	if (made == NULL)
		return ERR_NOMEM;
	if (i < s->named.n && mem_cmp_named(s->named.at[i], made) == 0) {
		free(s->named.at[i]);
		s->named.at[i] = made;
		return ERR_OK;
	}
	enum err e = ordered_insert(&s->named, i, made);
	if (e != ERR_OK)
		free(made);
	return e;
}

enum err mem_named_put(struct mem_store *s, struct store_op *op)
{
	return replace(s, op->named);
}

enum err mem_named_hold(struct mem_store *s, struct store_op *op)
{
	const struct store_named *at = ordered_get(&s->named, mem_cmp_named, &op->named);

	if (at == NULL || !slice_eq(at->holder, op->named.was))
		return ERR_OK;
	struct store_named n = *at;
	n.holder = op->named.holder;
	n.tries = op->named.tries;
	return replace(s, n);
}

enum err mem_named_drop(struct mem_store *s, struct store_op *op)
{
	size_t i = ordered_find(&s->named, mem_cmp_named, &op->named);
	struct store_named *at = i < s->named.n ? s->named.at[i] : NULL;

	if (at == NULL || mem_cmp_named(at, &op->named) != 0 ||
	    !slice_eq(at->holder, op->named.holder))
		return ERR_OK;
	ordered_remove(&s->named, i, 1);
	free(at);
	return ERR_OK;
}
