/*
 * oracle -- see oracle.h. Two ways a task may end are told apart, each with ranges of counts; where
 * something is cut off by a sibling, a winner or a deadline, how far it had come is not certain,
 * and the ranges begin at 0. From the inside out: verb, with, retry, timeout, catch, finally, when.
 */
#include "tests/sim/oracle.h"

static const struct oracle_part nothing = {.may = true};
static const struct oracle_part never = {.may = false};

static struct oracle_range add_ranges(struct oracle_range a, struct oracle_range b)
{
	return (struct oracle_range){a.min + b.min, a.max + b.max};
}

static struct oracle_range either_range(struct oracle_range a, struct oracle_range b)
{
	return (struct oracle_range){a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max};
}

/* First a, then b; or both at once. */
static struct oracle_part both(struct oracle_part a, struct oracle_part b)
{
	return (struct oracle_part){a.may && b.may, add_ranges(a.n_ok, b.n_ok),
				    add_ranges(a.n_failed, b.n_failed),
				    add_ranges(a.n_handled, b.n_handled)};
}

static struct oracle_part either(struct oracle_part a, struct oracle_part b)
{
	if (!a.may || !b.may)
		return a.may ? a : b;
	return (struct oracle_part){true, either_range(a.n_ok, b.n_ok),
				    either_range(a.n_failed, b.n_failed),
				    either_range(a.n_handled, b.n_handled)};
}

/* What failed there counts as handled. */
static struct oracle_part handled(struct oracle_part p)
{
	p.n_handled = add_ranges(p.n_handled, p.n_failed);
	p.n_failed = (struct oracle_range){0, 0};
	return p;
}

static struct oracle_part anyhow(const struct oracle *o)
{
	return either(o->ok, o->fail);
}

/* ---- cut off: everything below may or may not have happened ---- */

struct cut {
	struct oracle_part part;
	bool is_late;
};

static void cut_one(void *ctx, const struct jobtree *t, uint32_t times)
{
	struct cut *c = ctx;
	bool is_down = t->server == JOBTREE_MISSING || t->server == JOBTREE_DOWN ||
		       t->server == JOBTREE_HANGS;
	bool tells = t->verb == JOBTREE_FETCH || t->verb == JOBTREE_EMIT || t->verb == JOBTREE_FAIL;
	bool may_fail = c->is_late || t->verb == JOBTREE_FAIL || is_down ||
			t->server == JOBTREE_FLAKY_TWICE;
	if (!tells || t->is_dropped)
		return;
	if (t->verb != JOBTREE_FAIL && !is_down)
		c->part.n_ok.max += times;
	if (may_fail)
		c->part.n_failed.max += times;
}

/* A deadline below may have come first. */
static void find_deadline(void *ctx, const struct jobtree *t, uint32_t times)
{
	struct cut *c = ctx;
	(void)times;
	c->is_late |= jobtree_has(t, JOBTREE_TIMEOUT) && jobtree_may_be_late(t->timeout_s);
}

static struct oracle_part cut_off(const struct jobtree *t, bool is_late)
{
	struct cut c = {.part.may = true, .is_late = is_late};
	jobtree_walk(t, 1, find_deadline, &c);
	jobtree_walk(t, 1, cut_one, &c);
	c.part.n_handled.max = c.part.n_failed.max;
	return c.part;
}

/* ---- leaves ---- */

static struct oracle of_leaf(const struct jobtree *t)
{
	static const unsigned kind[JOBTREE_SERVERS] = {
		[JOBTREE_MISSING] = JOBTREE_KIND_STATUS,
		[JOBTREE_DOWN] = JOBTREE_KIND_STATUS,
		[JOBTREE_HANGS] = JOBTREE_KIND_ATTEMPT,
		[JOBTREE_FLAKY_TWICE] = JOBTREE_KIND_STATUS,
	};
	struct oracle o = {.kinds = t->verb == JOBTREE_FAIL ? JOBTREE_KIND_FAIL : kind[t->server]};
	uint32_t n = t->verb == JOBTREE_SLEEP ? 0 : 1;
	o.ok.may = o.kinds == 0 || t->server == JOBTREE_FLAKY_TWICE;
	o.ok.n_ok = (struct oracle_range){n, n};
	o.fail.may = o.kinds != 0;
	o.fail.n_failed = (struct oracle_range){n, n};
	return o;
}

/* ---- verbs; dropped items are not there ---- */

struct sum {
	uint32_t n, n_may_ok, n_may_fail;
	struct oracle_part anyhow, ok, fail, cut;
	uint32_t least_ok, least_failed; /* of one that is ok, of one that fails */
	unsigned kinds;
};

static struct sum sum_of(const struct jobtree *t, bool is_late)
{
	struct sum s = {.anyhow = nothing,
			.ok = nothing,
			.fail = nothing,
			.cut = nothing,
			.least_ok = UINT32_MAX,
			.least_failed = UINT32_MAX};
	for (uint32_t i = 0; i < t->n; i++) {
		if (t->child[i]->is_dropped)
			continue;
		struct oracle c = oracle_of(t->child[i], is_late);
		s.n++;
		s.n_may_ok += c.ok.may;
		s.n_may_fail += c.fail.may;
		s.anyhow = both(s.anyhow, anyhow(&c));
		s.ok = both(s.ok, c.ok);
		s.fail = both(s.fail, c.fail);
		s.cut = both(s.cut, c.cut);
		s.kinds |= c.kinds;
		if (c.ok.may && c.ok.n_ok.min < s.least_ok)
			s.least_ok = c.ok.n_ok.min;
		if (c.fail.may && c.fail.n_failed.min < s.least_failed)
			s.least_failed = c.fail.n_failed.min;
	}
	return s;
}

static struct oracle of_gather(const struct jobtree *t, bool is_late)
{
	struct sum s = sum_of(t, is_late);
	struct oracle o = {.ok = s.anyhow, .fail = s.anyhow, .kinds = s.kinds};
	o.ok.may = s.n_may_ok >= t->min_ok;
	o.fail.may = s.n - s.n_may_fail < t->min_ok;
	return o;
}

static struct oracle of_group(const struct jobtree *t, bool is_late)
{
	struct sum s = sum_of(t, is_late);
	struct oracle o = {.ok = s.ok, .fail = s.cut, .kinds = s.kinds};
	o.fail.may = s.n_may_fail > 0;
	o.fail.n_failed.min = o.fail.may ? s.least_failed : 0;
	return o;
}

static struct oracle of_any(const struct jobtree *t, bool is_late)
{
	struct sum s = sum_of(t, is_late);
	struct oracle o = {.ok = handled(s.cut), .fail = s.fail, .kinds = s.kinds};
	o.ok.may = s.n_may_ok > 0;
	o.ok.n_ok.min = o.ok.may ? s.least_ok : 0;
	return o;
}

static struct oracle of_sequence(const struct jobtree *t, bool is_late)
{
	struct oracle o = {.ok = nothing, .fail = never};
	for (uint32_t i = 0; i < t->n && o.ok.may; i++) {
		struct oracle c = oracle_of(t->child[i], is_late);
		o.fail = either(o.fail, both(o.ok, c.fail));
		o.ok = both(o.ok, c.ok);
		o.kinds |= c.kinds;
	}
	return o;
}

static struct oracle of_fallback(const struct jobtree *t, bool is_late)
{
	struct oracle o = {.ok = never, .fail = nothing};
	for (uint32_t i = 0; i < t->n && o.fail.may; i++) {
		struct oracle c = oracle_of(t->child[i], is_late);
		o.ok = either(o.ok, handled(both(o.fail, c.ok)));
		o.fail = both(o.fail, c.fail);
		o.kinds |= c.kinds;
	}
	return o;
}

static struct oracle of_verb(const struct jobtree *t, bool is_late)
{
	static struct oracle (*const by_verb[JOBTREE_VERBS])(const struct jobtree *, bool) = {
		[JOBTREE_GATHER] = of_gather,	  [JOBTREE_GROUP] = of_group,
		[JOBTREE_SEQUENCE] = of_sequence, [JOBTREE_FALLBACK] = of_fallback,
		[JOBTREE_ANY] = of_any,		  [JOBTREE_EACH] = of_gather,
		[JOBTREE_EACH_GROUP] = of_group,
	};
	return t->verb < JOBTREE_GATHER ? of_leaf(t) : by_verb[t->verb](t, is_late);
}

/* ---- modifiers ---- */

static struct oracle with(const struct jobtree *t, struct oracle b, bool is_late)
{
	struct oracle e = oracle_of(t->enter, is_late), x = {.ok = nothing, .fail = never};
	if (t->exit != NULL)
		x = oracle_of(t->exit, is_late);
	struct oracle o = {.ok = both(e.ok, both(b.ok, x.ok)),
			   .fail = either(both(b.ok, x.fail), both(b.fail, anyhow(&x))),
			   .kinds = e.kinds | b.kinds | x.kinds};
	o.fail = either(e.fail, both(e.ok, o.fail));
	return o;
}

static struct oracle retry(struct oracle a)
{
	struct oracle_part first = handled(a.fail);
	a.ok = either(a.ok, both(first, a.ok));
	a.fail = both(first, a.fail);
	return a;
}

static struct oracle caught(const struct jobtree *t, struct oracle b, bool is_late)
{
	struct oracle h = oracle_of(t->handler, is_late), o = b;
	unsigned rest = b.kinds & ~t->catches;
	if ((b.kinds & t->catches) == 0)
		return b;
	o.ok = either(b.ok, both(handled(b.fail), h.ok));
	o.fail = both(b.fail, h.fail);
	if (rest != 0) /* a part of it is caught, or nothing is */
		o.fail = either(both(b.fail, anyhow(&h)), b.fail);
	o.kinds = rest | h.kinds;
	return o;
}

static struct oracle cleaned(const struct jobtree *t, struct oracle b, bool is_late)
{
	struct oracle f = oracle_of(t->finally, is_late);
	return (struct oracle){.ok = both(b.ok, f.ok),
			       .fail = either(both(b.ok, f.fail), both(b.fail, anyhow(&f))),
			       .kinds = b.kinds | f.kinds};
}

struct oracle oracle_of(const struct jobtree *t, bool is_late)
{
	bool times_out = jobtree_has(t, JOBTREE_TIMEOUT) && jobtree_may_be_late(t->timeout_s);
	bool inside = is_late || times_out;
	struct oracle o = of_verb(t, inside);
	if (jobtree_has(t, JOBTREE_WITH))
		o = with(t, o, inside);
	if (jobtree_has(t, JOBTREE_RETRY))
		o = retry(o);
	if (times_out) {
		o.fail = either(o.fail, cut_off(t, true));
		o.kinds |= JOBTREE_KIND_DEADLINE;
	}
	if (jobtree_has(t, JOBTREE_CATCH))
		o = caught(t, o, is_late);
	if (jobtree_has(t, JOBTREE_FINALLY))
		o = cleaned(t, o, is_late);
	if (jobtree_has(t, JOBTREE_WHEN) && !t->when_holds)
		o = (struct oracle){.ok = nothing, .fail = never};
	o.cut = cut_off(t, inside);
	return o;
}
