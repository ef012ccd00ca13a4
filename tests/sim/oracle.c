/*
 * oracle -- see oracle.h. Only verdicts are certain everywhere; where a failure cancels siblings,
 * how far these had come is not, and the counts become ranges.
 */
#include "tests/sim/oracle.h"

static struct oracle_range exactly(uint32_t n)
{
	return (struct oracle_range){n, n};
}

static void add(struct oracle_range *a, struct oracle_range b)
{
	a->min += b.min;
	a->max += b.max;
}

static struct oracle all_of(const struct jobtree *t, uint32_t n)
{
	struct oracle sum = {.ok = true};
	for (uint32_t i = 0; i < n; i++) {
		struct oracle c = oracle_of(t->child[i]);
		sum.ok = sum.ok && c.ok;
		add(&sum.n_ok, c.n_ok);
		add(&sum.n_failed, c.n_failed);
		add(&sum.n_handled, c.n_handled);
	}
	return sum;
}

static struct oracle of_fetch(const struct jobtree *t)
{
	bool ok = t->status == 200;
	return (struct oracle){.ok = ok, .n_ok = exactly(ok), .n_failed = exactly(!ok)};
}

static struct oracle of_gather(const struct jobtree *t)
{
	struct oracle o = all_of(t, t->n);
	o.ok = true;
	return o;
}

/* One failure is certain to be seen; everything else may have been cut off. */
static struct oracle of_group(const struct jobtree *t)
{
	struct oracle o = all_of(t, t->n);
	if (o.ok)
		return o;
	o.n_ok.min = 0;
	o.n_handled.min = 0;
	o.n_failed.min = 1;
	o.n_failed.max += o.n_handled.max; /* what would have handled it may have been cut off */
	return o;
}

static struct oracle of_sequence(const struct jobtree *t)
{
	uint32_t n = 0;
	while (n < t->n && oracle_of(t->child[n++]).ok)
		;
	return all_of(t, n);
}

/* What failed under a success counts as handled. */
static void handle(struct oracle *o)
{
	add(&o->n_handled, o->n_failed);
	o->n_failed = exactly(0);
	o->ok = true;
}

static struct oracle of_fallback(const struct jobtree *t)
{
	bool done = false;
	uint32_t n = 0;
	while (n < t->n && !done)
		done = oracle_of(t->child[n++]).ok;
	struct oracle o = all_of(t, n);
	o.ok = done;
	if (done)
		handle(&o);
	return o;
}

struct oracle oracle_of(const struct jobtree *t)
{
	static struct oracle (*const by_verb[JOBTREE_VERBS])(const struct jobtree *) = {
		[JOBTREE_FETCH] = of_fetch,	  [JOBTREE_GATHER] = of_gather,
		[JOBTREE_GROUP] = of_group,	  [JOBTREE_SEQUENCE] = of_sequence,
		[JOBTREE_FALLBACK] = of_fallback, [JOBTREE_EACH] = of_gather,
		[JOBTREE_EACH_GROUP] = of_group,
	};
	struct oracle o = by_verb[t->verb](t);
	if (t->has_catch && !o.ok) {
		/* Every failure here is a status, so the one clause takes them all. */
		handle(&o);
		add(&o.n_ok, exactly(1));
	}
	o.total = jobtree_count(t);
	return o;
}
