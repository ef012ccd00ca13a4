/*
 * spec_task -- one task: a URL, or an object with one verb and its modifiers.
 */
#include "job/spec_build.h"

#include <stdio.h>
#include <string.h>

#define TD  struct task_draft
#define OPT FIELD_OPTIONAL

static const char *const verb_text[VERB_COUNT] = {
#define VERB(name, text, ...) [VERB_##name] = text,
#include "job/verbs.def"
#undef VERB
};

static const bool verb_leaf[VERB_COUNT] = {
#define VERB(name, text, is_leaf, ...) [VERB_##name] = is_leaf,
#include "job/verbs.def"
#undef VERB
};

const char *verb_name(enum verb v)
{
	return (unsigned)v < VERB_COUNT ? verb_text[v] : "";
}

bool verb_is_leaf(enum verb v)
{
	return (unsigned)v < VERB_COUNT && verb_leaf[v];
}

#define REF(name) "{\"$ref\":\"#/$defs/" name "\"}"

static const struct field task_field[] = {
#define VERB(name, text, is_leaf, reader, schema, doc)                                             \
	F_CUSTOM(text, TD, verb[VERB_##name], spec_keep_json, REF(schema), OPT, doc),
#include "job/verbs.def"
#undef VERB
	F_CUSTOM("when", TD, when, spec_keep_json, REF("cond"), OPT, "else it is skipped"),
	F_CUSTOM("finally", TD, finally, spec_keep_json, REF("task"), OPT,
		 "runs however the task ended"),
	F_CUSTOM("catch", TD, catch, spec_keep_json, REF("catch"), OPT, "handles failures by kind"),
	F_CUSTOM("timeout", TD, timeout, spec_keep_json, REF("duration"), OPT,
		 "of the task, with all its waiting"),
	F_CUSTOM("retry", TD, retry, spec_keep_json, REF("retry"), OPT, "tries again"),
	F_CUSTOM("with", TD, with, spec_keep_json, REF("with"), OPT, "held while the task runs"),
	F_STRING("id", TD, id, 1, INTERP_MAX_NAME, OPT, "what later tasks call its value"),
	F_JSON("tag", TD, tag, OPT, "comes back in its results"),
	F_INT("min_ok", TD, min_ok, 0, SPEC_MAX_NODES, OPT,
	      "gather: fails below so many successes"),
	F_CUSTOM("stagger", TD, stagger, spec_keep_json, REF("duration"), OPT,
		 "any: starts the next after so long"),
};
const struct field_table spec_task_table = FIELD_TABLE("a task", task_field);

static enum err find_verb(struct spec_build *b, const struct task_draft *d,
			  const struct fields_at *at, enum verb *ret)
{
	int found = -1;
	for (int v = 0; v < VERB_COUNT; v++) {
		if (d->verb[v] == NULL)
			continue;
		if (found >= 0)
			return fields_fail(&b->rd, at, verb_text[v],
					   "a task has one verb: \"%s\" and \"%s\" are two",
					   verb_text[found], verb_text[v]);
		found = v;
	}
	if (found < 0)
		return fields_fail(&b->rd, at, NULL,
				   "a task needs a verb: fetch, group, gather, any, fallback, "
				   "sequence, each, sleep, emit, fail, exec, put, take, set, clear "
				   "or wait");
	*ret = (enum verb)found;
	return ERR_OK;
}

static enum err read_id(struct spec_build *b, const char *id, const struct fields_at *at,
			struct node *n)
{
	const struct fields_at here = spec_at(at, "id");
	if (id == NULL)
		return ERR_OK;
	enum err e = spec_check_new_name(b, id, &here);
	if (e != ERR_OK)
		return e;
	if (table_get(&b->w->ids, slice_of(id)) != NULL)
		return fields_fail(&b->rd, &here, NULL, "the id \"%s\" is taken by another task",
				   id);
	n->id = slice_of(id);
	return table_put(&b->w->ids, n->id, n, NULL);
}

/* Members that belong to one verb but stand beside it. */
static enum err read_beside(struct spec_build *b, const struct task_draft *d,
			    const struct fields_at *at, struct node *n)
{
	const struct fields_at min_at = spec_at(at, "min_ok"), stagger_at = spec_at(at, "stagger");
	if (d->min_ok >= 0) {
		if (n->verb != VERB_GATHER)
			return fields_fail(&b->rd, at, "min_ok",
					   "\"min_ok\" belongs to gather, or inside each");
		n->u.gather.min_ok = d->min_ok;
		if (d->min_ok > n->n_child)
			return fields_fail(&b->rd, &min_at, NULL,
					   "min_ok must be 0 to %u, the number of tasks",
					   n->n_child);
	}
	if (d->stagger == NULL)
		return ERR_OK;
	if (n->verb != VERB_ANY)
		return fields_fail(&b->rd, at, "stagger", "\"stagger\" belongs to any");
	n->u.any.has_stagger = true;
	return spec_read_dur(b, d->stagger, &stagger_at, "stagger", &n->u.any.stagger);
}

/* What is inside `with` and the modifiers around it. */
static enum err read_inner(struct spec_build *b, const struct task_draft *d,
			   const struct fields_at *at, struct node *n)
{
	const struct fields_at with_at = spec_at(at, "with");
	const struct fields_at verb_at = spec_at(at, verb_text[n->verb]);
	const struct spec_scope *before = b->scope;
	enum err e = ERR_OK;
	if (d->with != NULL)
		e = spec_read_with(b, d->with, &with_at, n);
	if (e == ERR_OK)
		e = spec_reader_of(n->verb)(b, d->verb[n->verb], &verb_at, n);
	b->scope = before;
	return e;
}

static enum err read_object(struct spec_build *b, const json_t *v, const struct fields_at *at,
			    struct node *n)
{
	static const struct late_member later = {"min_ok", "0"};
	const struct late_spot spot = {n, LATE_INNER, LATE_OF_GATHER, 0};
	struct task_draft d = {.min_ok = -1};
	const struct fields_at tag_at = spec_at(at, "tag");
	enum err e = spec_take_later(b, v, at, spot, &later, 1, &v);
	if (e == ERR_OK)
		e = spec_read_fields(b, &spec_task_table, v, at, &d, NULL);
	if (e == ERR_OK)
		e = find_verb(b, &d, at, &n->verb);
	if (e == ERR_OK)
		e = read_id(b, d.id, at, n);
	if (e == ERR_OK && d.tag != NULL)
		e = spec_read_value(b, d.tag, &tag_at, &n->tag);
	if (e == ERR_OK)
		e = spec_read_outer_mods(b, &d, at, n);
	if (e == ERR_OK)
		e = read_inner(b, &d, at, n);
	if (e == ERR_OK)
		e = read_beside(b, &d, at, n);
	return e;
}

static enum err new_node(struct spec_build *b, const struct fields_at *at, struct spec_spot spot,
			 struct node **ret)
{
	struct job_spec *s = &b->w->s;
	if (b->depth > SPEC_MAX_DEPTH)
		return fields_fail(&b->rd, at, NULL, "tasks nest deeper than %d", SPEC_MAX_DEPTH);
	if (s->n_nodes == SPEC_MAX_NODES)
		return fields_fail(&b->rd, at, NULL,
				   "more than %d tasks; for many of a kind there is each",
				   SPEC_MAX_NODES);
	struct node *n = ARENA_NEW(b->a, struct node);
	if (n == NULL)
		return b->a->err;
	n->place = spot.place;
	n->index = spot.index;
	n->parent = spot.parent;
	n->depth = spot.parent != NULL ? spot.parent->depth + 1 : 0;
	n->serial = s->n_nodes++;
	*ret = n;
	return ERR_OK;
}

enum err spec_read_task(struct spec_build *b, const json_t *v, const struct fields_at *at,
			struct spec_spot spot, struct node **ret)
{
	struct node *n = NULL;
	b->depth++;
	enum err e = new_node(b, at, spot, &n);
	if (e == ERR_OK && json_is_string(v)) {
		n->verb = VERB_FETCH;
		e = spec_read_fetch(b, v, at, &n->u.fetch);
	} else if (e == ERR_OK && json_is_object(v)) {
		e = read_object(b, v, at, n);
	} else if (e == ERR_OK) {
		e = fields_fail(&b->rd, at, NULL, "a task must be a URL or an object");
	}
	b->depth--;
	if (e != ERR_OK)
		return e;
	if (n->verb == VERB_FETCH && n->retry == NULL)
		n->retry = &b->w->s.retry_defaults;
	b->w->s.verbs |= UINT32_C(1) << n->verb;
	*ret = n;
	return ERR_OK;
}

enum err spec_read_fetch_task(struct spec_build *b, const json_t *v, const struct fields_at *at,
			      struct spec_spot spot, struct node **ret)
{
	struct node *n = NULL;
	b->depth++;
	enum err e = new_node(b, at, spot, &n);
	b->depth--;
	if (e == ERR_OK)
		e = spec_read_fetch(b, v, at, &n->u.fetch);
	if (e != ERR_OK)
		return e;
	n->verb = VERB_FETCH;
	n->retry = &b->w->s.retry_defaults;
	b->w->s.verbs |= UINT32_C(1) << VERB_FETCH;
	*ret = n;
	return ERR_OK;
}
