/*
 * defer -- actions run at an actor's end, youngest first: cells of three, so that the common few
 * cost one cell.
 */
#include "run/internal.h"

enum { PER_CELL = sizeof(((struct defer_cell *)0)->at) / sizeof(((struct defer_cell *)0)->at[0]) };

bool rt_defer_push(act_shard *sh, struct defer_cell **list, act_defer_fn fn, void *arg)
{
	struct defer_cell *c = *list;
	if (c == NULL || c->n == PER_CELL) {
		rt_slab_fetch_ahead(&sh->cells, 1);
		c = rt_slab_take(&sh->cells);
		if (c == NULL)
			return false;
		c->older = *list;
		c->n = 0;
		*list = c;
	}
	c->at[c->n].fn = fn;
	c->at[c->n].arg = arg;
	c->n++;
	return true;
}

/* What a defer defers runs as well. */
void rt_defer_run(act_shard *sh, struct defer_cell **list)
{
	while (*list != NULL) {
		struct defer_cell *c = *list;
		if (c->n == 0) {
			*list = c->older;
			rt_cell_free(sh, c);
			continue;
		}
		c->n--;
		c->at[c->n].fn(&sh->self, c->at[c->n].arg);
	}
}

/* Where the caller's defers are; NULL: no memory, or nobody. */
static struct defer_cell **mine(act_self *self)
{
	if (self->a == NULL)
		return NULL;
	if (rt_is_task(self->a))
		return &self->a->defers;
	struct more *more = rt_actor_more(self->sh, self->a);
	return more != NULL ? &more->defers : NULL;
}

int act_defer(act_self *self, act_defer_fn fn, void *arg)
{
	struct defer_cell **list = mine(self);
	return list != NULL && rt_defer_push(self->sh, list, fn, arg) ? ACT_OK : ACT_ENOMEM;
}

bool act_undefer(act_self *self, act_defer_fn fn, void *arg)
{
	struct defer_cell **list = mine(self);
	for (struct defer_cell *c = list != NULL ? *list : NULL; c != NULL; c = c->older) {
		for (uint64_t i = c->n; i-- > 0;) {
			if (c->at[i].fn != fn || c->at[i].arg != arg)
				continue;
			for (; i + 1 < c->n; i++)
				c->at[i] = c->at[i + 1];
			c->n--;
			return true;
		}
	}
	return false;
}
