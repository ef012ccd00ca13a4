/*
 * cond_parse -- a condition's object into tests, one reader for each member, reached by a table.
 */
#include "model/cond.h"
#include "model/cond_tree.h"
#include "model/glob.h"
#include "model/pointer.h"

#include <string.h>

struct parse {
	struct arena *a;
	struct fields_read *rd;
	enum cond_use use;
	const struct interp_env *last; /* NULL: references are plain text */
	unsigned n_tests;
};

/* One condition being read, or one member of it. */
struct place {
	const json_t *v;
	const struct fields_at *at;
	unsigned depth;
	bool has_of; /* some `of` is in force */
};

static enum err parse_cond(struct parse *ps, const struct place *pl, const struct cond **ret);

static enum err memory(struct parse *ps)
{
	return ps->a->err;
}

static struct slice text_of(const json_t *v)
{
	return (struct slice){json_string_value(v), json_string_length(v)};
}

static enum err read_status(struct parse *ps, const struct place *pl, struct cond_test *t)
{
	t->kind = COND_TEST_STATUS;
	enum err e = statuses_add_json(&t->u.statuses, pl->v);
	if (e == ERR_TOO_LARGE)
		return fields_fail(ps->rd, pl->at, NULL, "status lists more than %d ranges",
				   STATUSES_MAX);
	if (e != ERR_OK)
		return fields_fail(ps->rd, pl->at, NULL,
				   "status must be a code such as 404, a range such as "
				   "\"200-299\", or a list of them");
	return ERR_OK;
}

static enum err read_kind_entry(struct parse *ps, const json_t *v, const struct fields_at *at,
				struct kindset *set)
{
	if (!json_is_string(v))
		return fields_fail(ps->rd, at, NULL, "kind must be a string or a list of strings");
	if (kindset_add(set, text_of(v)) != ERR_OK)
		return fields_fail(ps->rd, at, NULL, "\"%.80s\" is no kind of error",
				   json_string_value(v));
	return ERR_OK;
}

static enum err read_kind(struct parse *ps, const struct place *pl, struct cond_test *t)
{
	t->kind = COND_TEST_KIND;
	if (!json_is_array(pl->v))
		return read_kind_entry(ps, pl->v, pl->at, &t->u.kinds);
	for (size_t i = 0; i < json_array_size(pl->v); i++) {
		const struct fields_at at = {.up = pl->at, .index = i};
		enum err e = read_kind_entry(ps, json_array_get(pl->v, i), &at, &t->u.kinds);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err read_glob(struct parse *ps, const json_t *v, const struct fields_at *at,
			  struct slice *ret)
{
	if (!json_is_string(v))
		return fields_fail(ps->rd, at, NULL, "a pattern must be a string");
	if (json_string_length(v) > GLOB_MAX)
		return fields_fail(ps->rd, at, NULL, "a pattern must be at most %d bytes long",
				   GLOB_MAX);
	*ret = arena_copy(ps->a, text_of(v));
	return memory(ps);
}

static enum err read_header_globs(struct parse *ps, const json_t *v, const struct fields_at *at,
				  struct cond_test *t)
{
	size_t n = json_is_array(v) ? json_array_size(v) : 1;
	if (n > COND_MAX_TESTS)
		return fields_fail(ps->rd, at, NULL, "more than %d patterns", COND_MAX_TESTS);
	struct slice *glob = ARENA_ARRAY(ps->a, n, struct slice);
	if (glob == NULL)
		return memory(ps);
	t->u.header.glob = glob;
	t->u.header.n_glob = n;
	if (!json_is_array(v))
		return read_glob(ps, v, at, glob);
	for (size_t i = 0; i < n; i++) {
		const struct fields_at here = {.up = at, .index = i};
		enum err e = read_glob(ps, json_array_get(v, i), &here, &glob[i]);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err read_bound(struct parse *ps, const json_t *v, const struct fields_at *at,
			   const json_t **ret)
{
	if (!json_is_number(v) && !json_is_string(v))
		return fields_fail(ps->rd, at, NULL, "a bound must be a number or a string");
	*ret = v;
	return ERR_OK;
}

static enum err read_match(struct parse *ps, const json_t *v, const struct fields_at *at,
			   struct cond_test *t)
{
	if (!t->u.pointer.has_refs)
		return read_glob(ps, v, at, &t->u.pointer.glob);
	t->u.pointer.match = v;
	return json_is_string(v) ? ERR_OK
				 : fields_fail(ps->rd, at, NULL, "a pattern must be a string");
}

/* {"lt":…,"gt":…,"match":…}, or a value to be equal to. */
static enum err read_pointer_test(struct parse *ps, const struct place *pl, const char *pointer,
				  struct cond_test *t)
{
	t->kind = COND_TEST_POINTER;
	if (!pointer_valid(slice_of(pointer)))
		return fields_fail(ps->rd, pl->at, NULL, "not a JSON pointer");
	t->u.pointer.at = arena_copy(ps->a, slice_of(pointer));
	t->u.pointer.last = ps->last;
	t->u.pointer.has_refs = ps->last != NULL && interp_json_has_mark(pl->v);
	if (!json_is_object(pl->v)) {
		t->u.pointer.equal = pl->v;
		return memory(ps);
	}
	json_t *object = (json_t *)(uintptr_t)pl->v;
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		const json_t *v = json_object_iter_value(it);
		const struct fields_at at = {.up = pl->at, .member = name};
		enum err e;
		if (strcmp(name, "lt") == 0)
			e = read_bound(ps, v, &at, &t->u.pointer.lt);
		else if (strcmp(name, "gt") == 0)
			e = read_bound(ps, v, &at, &t->u.pointer.gt);
		else if (strcmp(name, "match") == 0)
			e = read_match(ps, v, &at, t);
		else
			e = fields_fail(ps->rd, pl->at, name,
					"unknown member \"%.80s\"; a test has lt, gt, match", name);
		if (e != ERR_OK)
			return e;
	}
	return memory(ps);
}

static enum err read_any(struct parse *ps, const struct place *pl, struct cond_test *t)
{
	t->kind = COND_TEST_ANY;
	size_t n = json_array_size(pl->v);
	if (n == 0 || n > COND_MAX_TESTS)
		return fields_fail(ps->rd, pl->at, NULL, "any must be a list of 1 to %d conditions",
				   COND_MAX_TESTS);
	const struct cond **part = ARENA_ARRAY(ps->a, n, const struct cond *);
	if (part == NULL)
		return memory(ps);
	t->u.any.part = part;
	t->u.any.n_part = n;
	for (size_t i = 0; i < n; i++) {
		const struct fields_at at = {.up = pl->at, .index = i};
		const struct place one = {json_array_get(pl->v, i), &at, pl->depth + 1, pl->has_of};
		enum err e = parse_cond(ps, &one, &part[i]);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err read_not(struct parse *ps, const struct place *pl, struct cond_test *t)
{
	t->kind = COND_TEST_NOT;
	const struct place one = {pl->v, pl->at, pl->depth + 1, pl->has_of};
	return parse_cond(ps, &one, &t->u.unless);
}

/* `header` has a test for each of its members; *at_test counts on. */
static enum err read_headers(struct parse *ps, const struct place *pl, struct cond_test *test,
			     size_t *n)
{
	if (!json_is_object(pl->v))
		return fields_fail(ps->rd, pl->at, NULL,
				   "header must be an object of names and patterns");
	json_t *object = (json_t *)(uintptr_t)pl->v;
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		const struct fields_at at = {.up = pl->at, .member = name};
		struct cond_test *t = &test[(*n)++];
		t->kind = COND_TEST_HEADER;
		t->u.header.name = arena_copy(ps->a, slice_of(name));
		enum err e = read_header_globs(ps, json_object_iter_value(it), &at, t);
		if (e != ERR_OK)
			return e;
	}
	return memory(ps);
}

static const struct {
	const char *name;
	bool of_a_result;
	enum err (*read)(struct parse *ps, const struct place *pl, struct cond_test *t);
} member[] = {
	{"status", true, read_status}, {"kind", true, read_kind}, {"header", true, NULL},
	{"any", false, read_any},      {"not", false, read_not},  {"of", false, NULL},
};

#define N_MEMBER (sizeof(member) / sizeof(member[0]))

static enum err fail_unknown(struct parse *ps, const struct place *pl, const char *name)
{
	const char *names[N_MEMBER];
	for (size_t i = 0; i < N_MEMBER; i++)
		names[i] = member[i].name;
	const char *near = fields_nearest(name, names, N_MEMBER);
	if (near != NULL)
		return fields_fail(ps->rd, pl->at, name,
				   "unknown member \"%.80s\"; did you mean \"%s\"?", name, near);
	return fields_fail(ps->rd, pl->at, name,
			   "unknown member \"%.80s\"; what reads JSON begins with \"/\"", name);
}

static enum err fail_of_result(struct parse *ps, const struct place *pl, const char *name)
{
	if (ps->use == COND_ITEM)
		return fields_fail(ps->rd, pl->at, name, "%s needs a result; an item has none",
				   name);
	return fields_fail(ps->rd, pl->at, name,
			   "%s needs \"of\": the id of the task that is asked about", name);
}

static enum err read_pointer(struct parse *ps, const struct place *pl, const char *name,
			     struct cond_test *t)
{
	if (ps->use == COND_WHEN && !pl->has_of)
		return fields_fail(ps->rd, pl->at->up, name,
				   "%.80s needs \"of\": the id of the task that is asked about",
				   name);
	return read_pointer_test(ps, pl, name, t);
}

/* One member of the condition at `around`. */
static enum err read_member(struct parse *ps, const struct place *around, const char *name,
			    const json_t *v, struct cond_test *test, size_t *n)
{
	const struct fields_at at = {.up = around->at, .member = name};
	const struct place pl = {v, &at, around->depth, around->has_of};
	if (name[0] == '/' || name[0] == 0) /* "": the whole */
		return read_pointer(ps, &pl, name, &test[(*n)++]);
	for (size_t i = 0; i < N_MEMBER; i++) {
		if (strcmp(name, member[i].name) != 0)
			continue;
		if (member[i].of_a_result && ps->use != COND_RESULT && !around->has_of)
			return fail_of_result(ps, around, name);
		if (strcmp(name, "of") == 0)
			return ERR_OK;
		if (member[i].read == NULL)
			return read_headers(ps, &pl, test, n);
		return member[i].read(ps, &pl, &test[(*n)++]);
	}
	return fail_unknown(ps, around, name);
}

static enum err read_of(struct parse *ps, const struct place *pl, struct cond *c)
{
	const json_t *of = json_object_get(pl->v, "of");
	if (of == NULL)
		return ERR_OK;
	const struct fields_at at = {.up = pl->at, .member = "of"};
	if (ps->use != COND_WHEN && ps->use != COND_WHEN_ITEM)
		return fields_fail(ps->rd, pl->at, "of", "\"of\" is for \"when\" only");
	if (!json_is_string(of) || json_string_length(of) == 0)
		return fields_fail(ps->rd, &at, NULL, "of must be the id of a task");
	c->of = arena_copy(ps->a, text_of(of));
	return memory(ps);
}

static size_t count_tests(const json_t *v)
{
	return json_object_size(v) + json_object_size(json_object_get(v, "header"));
}

static enum err parse_cond(struct parse *ps, const struct place *pl, const struct cond **ret)
{
	if (!json_is_object(pl->v))
		return fields_fail(ps->rd, pl->at, NULL, "a condition must be an object");
	if (pl->depth > COND_MAX_DEPTH)
		return fields_fail(ps->rd, pl->at, NULL, "conditions nest deeper than %d",
				   COND_MAX_DEPTH);
	size_t n_test = count_tests(pl->v), n = 0;
	ps->n_tests += (unsigned)(n_test < COND_MAX_TESTS ? n_test : COND_MAX_TESTS + 1);
	if (ps->n_tests > COND_MAX_TESTS)
		return fields_fail(ps->rd, pl->at, NULL, "more than %d tests in one condition",
				   COND_MAX_TESTS);
	struct cond *c = ARENA_NEW(ps->a, struct cond);
	struct cond_test *test = ARENA_ARRAY(ps->a, n_test, struct cond_test);
	if (c == NULL || test == NULL)
		return memory(ps);
	enum err e = read_of(ps, pl, c);
	const struct place around = {pl->v, pl->at, pl->depth, pl->has_of || c->of.n != 0};
	json_t *object = (json_t *)(uintptr_t)pl->v;
	for (void *it = json_object_iter(object); it != NULL && e == ERR_OK;
	     it = json_object_iter_next(object, it))
		e = read_member(ps, &around, json_object_iter_key(it), json_object_iter_value(it),
				test, &n);
	c->test = test;
	c->n_test = n;
	*ret = c;
	return e;
}

enum err cond_parse_refs(struct arena *a, const json_t *v, enum cond_use use,
			 struct fields_read *rd, const struct fields_at *at,
			 const struct interp_env *last, const struct cond **ret)
{
	struct parse ps = {.a = a, .rd = rd, .use = use, .last = last};
	const struct place pl = {.v = v, .at = at};
	return parse_cond(&ps, &pl, ret);
}

enum err cond_parse(struct arena *a, const json_t *v, enum cond_use use, struct fields_read *rd,
		    const struct fields_at *at, const struct cond **ret)
{
	return cond_parse_refs(a, v, use, rd, at, NULL, ret);
}
