/*
 * cond -- evaluation. Recursion is bounded by COND_MAX_DEPTH, checked while parsing.
 */
#include "model/cond.h"

#include "model/cond_tree.h"
#include "model/glob.h"
#include "model/pointer.h"

#include <string.h>

/* Whom a condition asks: `of` if it is given, else what cond_holds was given. */
struct asked {
	struct slice of; /* n == 0: .in */
	const struct cond_input *in;
	cond_of answer;
	void *ctx;
	const struct interp_env *env; /* for references; NULL: they have no values */
};

static bool holds(const struct cond *c, const struct asked *who);

static struct slice text_of(const json_t *v)
{
	return (struct slice){json_string_value(v), json_string_length(v)};
}

/* <0, 0, >0; both are numbers. */
static int compare_numbers(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b)) {
		json_int_t x = json_integer_value(a), y = json_integer_value(b);
		return (x > y) - (x < y);
	}
	double x = json_number_value(a), y = json_number_value(b);
	return (x > y) - (x < y);
}

static int compare_texts(struct slice a, struct slice b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int order = n != 0 ? memcmp(a.p, b.p, n) : 0;
	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* Whether v stands in the wanted order (-1 below, 1 above) to the bound: same types only. */
static bool is_ordered(const json_t *v, const json_t *bound, int want)
{
	int order = 0;
	if (json_is_number(v) && json_is_number(bound))
		order = compare_numbers(v, bound);
	else if (json_is_string(v) && json_is_string(bound))
		order = compare_texts(text_of(v), text_of(bound));
	return want < 0 ? order < 0 : order > 0;
}

static bool is_equal(const json_t *v, const json_t *want)
{
	if (json_is_number(v) && json_is_number(want))
		return compare_numbers(v, want) == 0;
	return json_equal(v, want) == 1;
}

/* What one pointer is compared with; NULL: not asked. */
struct wanted {
	const json_t *equal, *lt, *gt;
	struct slice glob; /* p == NULL: not asked */
};

static bool value_holds(const json_t *v, const struct wanted *w)
{
	if (w->equal != NULL && !is_equal(v, w->equal))
		return false;
	if (w->lt != NULL && !is_ordered(v, w->lt, -1))
		return false;
	if (w->gt != NULL && !is_ordered(v, w->gt, 1))
		return false;
	return w->glob.p == NULL || (json_is_string(v) && glob_match(w->glob, text_of(v), false));
}

/* NULL stays NULL; false: a reference in it has no value. */
static bool replace(const struct cond_test *t, const struct asked *who, const json_t **v,
		    json_t **ret_made)
{
	struct interp_error e;
	if (*v == NULL)
		return true;
	if (interp_render_json(*v, who->env, t->u.pointer.last, ret_made, &e) != ERR_OK)
		return false;
	*v = *ret_made;
	return true;
}

static bool value_holds_with_refs(const json_t *v, const struct cond_test *t,
				  const struct asked *who)
{
	json_t *made[4] = {NULL, NULL, NULL, NULL};
	const json_t *match = t->u.pointer.match;
	struct wanted w = {t->u.pointer.equal, t->u.pointer.lt, t->u.pointer.gt, {NULL, 0}};
	bool holds = replace(t, who, &w.equal, &made[0]) && replace(t, who, &w.lt, &made[1]) &&
		     replace(t, who, &w.gt, &made[2]) && replace(t, who, &match, &made[3]);
	if (holds && match != NULL) {
		w.glob = text_of(match);
		holds = json_is_string(match);
	}
	holds = holds && value_holds(v, &w);
	for (size_t i = 0; i < 4; i++)
		json_decref(made[i]);
	return holds;
}

static bool pointer_holds(const struct cond_test *t, const struct cond_input *in,
			  const struct asked *who)
{
	const json_t *v = in->doc != NULL ? pointer_get(in->doc, t->u.pointer.at) : NULL;
	const struct wanted w = {t->u.pointer.equal, t->u.pointer.lt, t->u.pointer.gt,
				 t->u.pointer.glob};
	if (v == NULL)
		return false;
	return t->u.pointer.has_refs ? value_holds_with_refs(v, t, who) : value_holds(v, &w);
}

static bool header_holds(const struct cond_test *t, const struct cond_input *in)
{
	for (size_t i = 0; i < in->n_headers; i++) {
		if (!slice_eq_nocase(in->headers[i].name, t->u.header.name))
			continue;
		for (size_t k = 0; k < t->u.header.n_glob; k++)
			if (glob_match(t->u.header.glob[k], in->headers[i].value, true))
				return true;
	}
	return false;
}

static bool any_holds(const struct cond_test *t, const struct asked *who)
{
	for (size_t i = 0; i < t->u.any.n_part; i++)
		if (holds(t->u.any.part[i], who))
			return true;
	return false;
}

/* Asked anew for every test: an answer is valid only until the next one. */
static bool ask(const struct asked *who, struct cond_input *ret)
{
	if (who->of.n != 0)
		return who->answer != NULL && who->answer(who->ctx, who->of, ret);
	*ret = *who->in;
	return true;
}

static bool plain_test_holds(const struct cond_test *t, const struct asked *who)
{
	struct cond_input in = {.has_result = false};
	if (!ask(who, &in))
		return false;
	if (t->kind == COND_TEST_POINTER)
		return pointer_holds(t, &in, who);
	if (!in.has_result)
		return false;
	if (t->kind == COND_TEST_STATUS)
		return statuses_has(&t->u.statuses, in.status);
	if (t->kind == COND_TEST_KIND)
		return kindset_has(t->u.kinds, in.kind);
	return header_holds(t, &in);
}

static bool test_holds(const struct cond_test *t, const struct asked *who)
{
	switch (t->kind) {
	case COND_TEST_ANY:
		return any_holds(t, who);
	case COND_TEST_NOT:
		return !holds(t->u.unless, who);
	case COND_TEST_STATUS:
	case COND_TEST_KIND:
	case COND_TEST_HEADER:
	case COND_TEST_POINTER:
		return plain_test_holds(t, who);
	}
	return false;
}

static bool holds(const struct cond *c, const struct asked *who)
{
	struct asked mine = *who;
	if (c->of.n != 0) {
		struct cond_input in;
		mine.of = c->of;
		if (!ask(&mine, &in))
			return false;
	}
	for (size_t i = 0; i < c->n_test; i++)
		if (!test_holds(&c->test[i], &mine))
			return false;
	return true;
}

bool cond_holds_in(const struct cond *c, const struct cond_input *in, cond_of of, void *ctx,
		   const struct interp_env *env)
{
	const struct cond_input nothing = {.has_result = false};
	const struct asked who = {
		.in = in != NULL ? in : &nothing, .answer = of, .ctx = ctx, .env = env};
	return holds(c, &who);
}

bool cond_holds(const struct cond *c, const struct cond_input *in, cond_of of, void *ctx)
{
	return cond_holds_in(c, in, of, ctx, NULL);
}

bool cond_needs_doc(const struct cond *c)
{
	for (size_t i = 0; i < c->n_test; i++) {
		const struct cond_test *t = &c->test[i];
		if (t->kind == COND_TEST_POINTER)
			return true;
		if (t->kind == COND_TEST_NOT && cond_needs_doc(t->u.unless))
			return true;
		for (size_t k = 0; t->kind == COND_TEST_ANY && k < t->u.any.n_part; k++)
			if (cond_needs_doc(t->u.any.part[k]))
				return true;
	}
	return false;
}

void cond_each_of(const struct cond *c, void (*visit)(void *ctx, struct slice id), void *ctx)
{
	if (c->of.n != 0)
		visit(ctx, c->of);
	for (size_t i = 0; i < c->n_test; i++) {
		const struct cond_test *t = &c->test[i];
		if (t->kind == COND_TEST_NOT)
			cond_each_of(t->u.unless, visit, ctx);
		for (size_t k = 0; t->kind == COND_TEST_ANY && k < t->u.any.n_part; k++)
			cond_each_of(t->u.any.part[k], visit, ctx);
	}
}
