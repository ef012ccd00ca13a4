/*
 * spec_verbs -- what each verb's payload becomes; reached by the table of verbs.def.
 */
#include "job/spec_build.h"

#include <string.h>

#define OPT	  FIELD_OPTIONAL
#define REQ	  FIELD_REQUIRED
#define REF(name) "{\"$ref\":\"#/$defs/" name "\"}"

static enum err read_fetch(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   struct node *n)
{
	return spec_read_fetch(b, v, at, &n->u.fetch);
}

/* ---- children ---- */

/* From here on the id of a task of a sequence is known to those after it. */
static enum err push_id(struct spec_build *b, struct node *n)
{
	struct spec_scope *s = ARENA_NEW(b->a, struct spec_scope);
	if (s == NULL)
		return b->a->err;
	*s = (struct spec_scope){.up = b->scope, .name = n->id, .node = n};
	b->scope = s;
	return ERR_OK;
}

static enum err read_children(struct spec_build *b, const json_t *v, const struct fields_at *at,
			      struct node *n)
{
	size_t n_child = json_array_size(v);
	const struct spec_scope *before = b->scope;
	bool needs_one = n->verb == VERB_ANY || n->verb == VERB_FALLBACK;
	if (!json_is_array(v) || (needs_one && n_child == 0))
		return fields_fail(&b->rd, at, NULL, "%s must be a list of %stasks",
				   verb_name(n->verb), needs_one ? "one or more " : "");
	struct node **child = ARENA_ARRAY(b->a, n_child, struct node *);
	if (child == NULL)
		return b->a->err;
	enum err e = ERR_OK;
	for (size_t i = 0; i < n_child && e == ERR_OK; i++) {
		const struct fields_at here = spec_at_index(at, i);
		const struct spec_spot spot = {PLACE_CHILD, (uint32_t)i, n};
		e = spec_read_task(b, json_array_get(v, i), &here, spot, &child[i]);
		if (e == ERR_OK && n->verb == VERB_SEQUENCE && child[i]->id.n != 0)
			e = push_id(b, child[i]);
	}
	b->scope = before;
	n->child = (const struct node *const *)child;
	n->n_child = (uint32_t)n_child;
	return e;
}

/* ---- each ---- */

struct each_draft {
	const json_t *in, *where, *run;
	const char *as;
	int64_t concurrency, min_ok;
	int mode;
};

static const struct field_name mode_name[] = {
	{"gather", EACH_GATHER},
	{"group", EACH_GROUP},
	{NULL, 0},
};

#define ED struct each_draft
static const struct field each_field[] = {
	F_CUSTOM("in", ED, in, spec_keep_json, REF("source"), REQ, "where the items come from"),
	F_STRING("as", ED, as, 1, INTERP_MAX_NAME, OPT, "what an item is called: item"),
	F_INT("concurrency", ED, concurrency, 1, SPEC_MAX_CONCURRENCY, OPT, "at once: 16"),
	F_ENUM("mode", ED, mode, mode_name, OPT,
	       "gather: all run to their end; group: the first failure cancels the rest"),
	F_INT("min_ok", ED, min_ok, 0, 1000000000, OPT, "gather: fails below so many successes"),
	F_CUSTOM("where", ED, where, spec_keep_json, REF("cond"), OPT,
		 "items that do not pass are skipped"),
	F_CUSTOM("do", ED, run, spec_keep_json, REF("task"), REQ, "for every item"),
};
const struct field_table spec_each_table = FIELD_TABLE("each", each_field);

static enum err read_where(struct spec_build *b, const struct each_draft *d,
			   const struct fields_at *at, struct node *n)
{
	const struct fields_at here = spec_at(at, "where");
	const struct late_spot spot = {n, LATE_INNER, LATE_OF_WHERE, 0};
	if (d->where == NULL)
		return ERR_OK;
	return spec_read_cond(b, d->where, &here, COND_ITEM, spot, &n->u.each.where);
}

/* How many items there will be, where that is known. */
static bool count_items(const struct source *s, uint64_t *ret)
{
	if (s->kind == SOURCE_RANGE && s->has_range)
		*ret = spec_range_count(&s->range);
	else if (s->kind == SOURCE_LIST && json_is_array(s->value.json))
		*ret = json_array_size(s->value.json);
	else
		return false;
	return true;
}

static enum err check_min_ok(struct spec_build *b, const struct fields_at *at,
			     const struct each_spec *each)
{
	uint64_t n;
	const struct fields_at here = spec_at(at, "min_ok");
	if (each->min_ok != 0 && each->mode == EACH_GROUP)
		return fields_fail(&b->rd, at, "min_ok", "min_ok goes with the mode gather");
	if (count_items(&each->in, &n) && (uint64_t)each->min_ok > n)
		return fields_fail(&b->rd, &here, NULL, "min_ok is more than the %llu items",
				   (unsigned long long)n);
	return ERR_OK;
}

static enum err read_do(struct spec_build *b, const struct each_draft *d,
			const struct fields_at *at, struct node *n)
{
	struct each_spec *each = &n->u.each;
	const struct fields_at here = spec_at(at, "do");
	const struct spec_scope item = {.up = b->scope, .name = each->as};
	const struct spec_scope *outer_item = b->item;
	const struct spec_spot spot = {PLACE_EACH, 0, n};
	struct node *run = NULL;
	b->scope = b->item = &item;
	enum err e = spec_read_task(b, d->run, &here, spot, &run);
	b->scope = item.up;
	b->item = outer_item;
	if (e != ERR_OK)
		return e;
	each->run = run;
	each->is_fetch_item = run->verb == VERB_FETCH && run->u.fetch.is_item_only;
	return ERR_OK;
}

static enum err read_each(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n)
{
	static const struct late_member later[] = {
		{"concurrency", "1"}, {"mode", "\"gather\""}, {"min_ok", "0"}};
	const struct late_spot spot = {n, LATE_INNER, LATE_OF_EACH, 0};
	struct each_draft d = {.as = "item", .concurrency = 16, .mode = EACH_GATHER};
	const struct fields_at in_at = spec_at(at, "in"), as_at = spec_at(at, "as");
	enum err e = spec_take_later(b, v, at, spot, later, sizeof(later) / sizeof(later[0]), &v);
	if (e == ERR_OK)
		e = spec_read_fields(b, &spec_each_table, v, at, &d, NULL);
	if (e != ERR_OK)
		return e;
	n->u.each = (struct each_spec){
		.as = slice_of(d.as),
		.concurrency = d.concurrency,
		.mode = (enum each_mode)d.mode,
		.min_ok = d.min_ok,
	};
	e = spec_check_new_name(b, d.as, &as_at);
	if (e == ERR_OK)
		e = spec_read_source(b, d.in, &in_at, n, &n->u.each.in);
	if (e == ERR_OK)
		e = read_where(b, &d, at, n);
	if (e == ERR_OK)
		e = check_min_ok(b, at, &n->u.each);
	return e == ERR_OK ? read_do(b, &d, at, n) : e;
}

/* Those that may come later. */
static const struct field each_number_field[] = {
	F_INT("concurrency", ED, concurrency, 1, SPEC_MAX_CONCURRENCY, OPT, ""),
	F_ENUM("mode", ED, mode, mode_name, OPT, ""),
	F_INT("min_ok", ED, min_ok, 0, 1000000000, OPT, ""),
};
static const struct field_table each_number_table = FIELD_TABLE("each", each_number_field);

enum err spec_read_each_numbers(struct spec_build *b, const json_t *v, const struct fields_at *at,
				struct node *n)
{
	struct each_spec *each = &n->u.each;
	struct each_draft d = {
		.concurrency = each->concurrency, .mode = (int)each->mode, .min_ok = each->min_ok};
	enum err e = spec_read_fields(b, &each_number_table, v, at, &d, NULL);
	if (e != ERR_OK)
		return e;
	each->concurrency = d.concurrency;
	each->mode = (enum each_mode)d.mode;
	each->min_ok = d.min_ok;
	return check_min_ok(b, at, each);
}

/* ---- the small ones ---- */

static enum err read_sleep(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   struct node *n)
{
	return spec_read_dur(b, v, at, "sleep", &n->u.sleep);
}

static enum err read_emit(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n)
{
	return spec_read_value(b, v, at, &n->u.emit);
}

static enum err read_fail(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n)
{
	return spec_read_text(b, v, at, "fail", &n->u.fail);
}

static enum err read_event(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   struct node *n)
{
	return spec_read_name(b, v, at, "the name of an event", &n->u.event);
}

/* ---- queues ---- */

struct queue_draft {
	const json_t *queue, *value;
};

#define QD struct queue_draft
static const struct field put_field[] = {
	F_CUSTOM("queue", QD, queue, spec_keep_json, REF("name"), REQ, "its name"),
	F_JSON("value", QD, value, REQ, "what is put in"),
};
const struct field_table spec_put_table = FIELD_TABLE("put", put_field);

static const struct field take_field[] = {
	F_CUSTOM("queue", QD, queue, spec_keep_json, REF("name"), REQ, "its name"),
};
const struct field_table spec_take_table = FIELD_TABLE("take", take_field);

static enum err read_put(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct node *n)
{
	struct queue_draft d = {.queue = NULL};
	const struct fields_at queue_at = spec_at(at, "queue"), value_at = spec_at(at, "value");
	enum err e = spec_read_fields(b, &spec_put_table, v, at, &d, NULL);
	if (e == ERR_OK)
		e = spec_read_name(b, d.queue, &queue_at, "queue", &n->u.put.queue);
	if (e == ERR_OK)
		e = spec_read_value(b, d.value, &value_at, &n->u.put.value);
	return e;
}

static enum err read_take(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n)
{
	struct queue_draft d = {.queue = NULL};
	const struct fields_at queue_at = spec_at(at, "queue");
	enum err e = spec_read_fields(b, &spec_take_table, v, at, &d, NULL);
	return e == ERR_OK ? spec_read_name(b, d.queue, &queue_at, "queue", &n->u.take) : e;
}

/* ---- exec ---- */

struct exec_draft {
	const json_t *argv, *input, *env, *timeout;
};

#define XD struct exec_draft
static const struct field exec_field[] = {
	F_CUSTOM("argv", XD, argv, spec_keep_json, REF("argv"), REQ,
		 "the program and its arguments"),
	F_CUSTOM("stdin", XD, input, spec_keep_json, REF("text"), OPT, "what it reads"),
	F_CUSTOM("env", XD, env, spec_keep_json, REF("texts"), OPT, "added to its environment"),
	F_CUSTOM("timeout", XD, timeout, spec_keep_json, REF("duration"), OPT, "then it is killed"),
};
const struct field_table spec_exec_table = FIELD_TABLE("exec", exec_field);

static enum err fail_nul(struct spec_build *b, const struct fields_at *at)
{
	return fields_fail(&b->rd, at, NULL, "a NUL cannot be handed to a program");
}

static enum err read_argument(struct spec_build *b, const json_t *v, const struct fields_at *at,
			      const char *what, struct tmpl *ret)
{
	const struct tmpl *t;
	if (json_is_string(v) && json_string_length(v) != strlen(json_string_value(v)))
		return fail_nul(b, at);
	enum err e = spec_read_text(b, v, at, what, &t);
	if (e == ERR_OK)
		*ret = *t;
	return e;
}

static enum err read_argv(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct exec_spec *ret)
{
	size_t n = json_array_size(v);
	if (n == 0 || n > SPEC_MAX_LIST)
		return fields_fail(&b->rd, at, NULL, "argv must be a list of 1 to %d strings",
				   SPEC_MAX_LIST);
	struct tmpl *argv = ARENA_ARRAY(b->a, n, struct tmpl);
	if (argv == NULL)
		return b->a->err;
	for (size_t i = 0; i < n; i++) {
		const struct fields_at here = spec_at_index(at, i);
		enum err e = read_argument(b, json_array_get(v, i), &here, "an argument", &argv[i]);
		if (e != ERR_OK)
			return e;
	}
	ret->argv = argv;
	ret->n_argv = (uint32_t)n;
	return ERR_OK;
}

static enum err read_env(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct exec_spec *ret)
{
	json_t *object = (json_t *)(uintptr_t)v;
	size_t n = json_object_size(v), i = 0;
	if (!json_is_object(v) || n > SPEC_MAX_LIST)
		return fields_fail(&b->rd, at, NULL, "env must be an object of at most %d strings",
				   SPEC_MAX_LIST);
	struct exec_env *env = ARENA_ARRAY(b->a, n, struct exec_env);
	if (env == NULL)
		return b->a->err;
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		const struct fields_at here = spec_at(at, name);
		if (name[0] == '\0' || strchr(name, '=') != NULL)
			return fields_fail(&b->rd, at, name, "a name in env has no \"=\" in it");
		env[i].name = slice_of(name);
		enum err e =
			read_argument(b, json_object_iter_value(it), &here, name, &env[i++].value);
		if (e != ERR_OK)
			return e;
	}
	ret->env = env;
	ret->n_env = (uint32_t)n;
	return ERR_OK;
}

static enum err read_exec(struct spec_build *b, const json_t *v, const struct fields_at *at,
			  struct node *n)
{
	struct exec_draft d = {.argv = NULL};
	struct exec_spec *x = &n->u.exec;
	const struct fields_at argv_at = spec_at(at, "argv"), env_at = spec_at(at, "env");
	const struct fields_at in_at = spec_at(at, "stdin"), timeout_at = spec_at(at, "timeout");
	enum err e = spec_read_fields(b, &spec_exec_table, v, at, &d, NULL);
	if (e == ERR_OK)
		e = read_argv(b, d.argv, &argv_at, x);
	if (e == ERR_OK && d.env != NULL)
		e = read_env(b, d.env, &env_at, x);
	if (e == ERR_OK && d.input != NULL)
		e = spec_read_text(b, d.input, &in_at, "stdin", &x->input);
	if (e == ERR_OK && d.timeout != NULL)
		e = spec_read_dur(b, d.timeout, &timeout_at, "timeout", &x->timeout);
	return e;
}

spec_verb_reader spec_reader_of(enum verb v)
{
	static const spec_verb_reader reader[VERB_COUNT] = {
#define VERB(name, text, is_leaf, read, ...) [VERB_##name] = read,
#include "job/verbs.def"
#undef VERB
	};
	return reader[v];
}
