/*
 * spec_late -- members whose form is checked and in which references stand: they are set aside
 * while the job is read, with a stand-in, and read for good, by the same readers, when their task
 * starts.
 */
#include "job/spec_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- while the job is read ---- */

static enum err set_aside(struct spec_build *b, struct late_spot spot,
			  const struct spec_value *value)
{
	struct spec_late *l = ARENA_NEW(b->a, struct spec_late);
	if (l == NULL)
		return b->a->err;
	*l = (struct spec_late){.kind = spot.kind,
				.index = spot.index,
				.value = *value,
				.next = spot.n->late[spot.phase]};
	spot.n->late[spot.phase] = l;
	return ERR_OK;
}

enum err spec_read_later(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct late_spot spot, const json_t **ret)
{
	struct spec_value value;
	if (spot.n == NULL)
		return spec_read_fixed(b, v, at, ret);
	enum err e = spec_read_value(b, v, at, &value);
	*ret = value.has_refs ? NULL : value.json;
	return e == ERR_OK && value.has_refs ? set_aside(b, spot, &value) : e;
}

/* The member, and into `later` if it is to be read then. NULL: no memory, or *ret_err. */
static enum err split_member(struct spec_build *b, const char *name, const json_t *v,
			     const struct fields_at *at, const struct late_member *member,
			     json_t *now, json_t *later)
{
	const struct fields_at here = spec_at(at, name);
	struct spec_value value = {.has_refs = false};
	json_t *stand_in = NULL;
	enum err e = member != NULL ? spec_read_value(b, v, &here, &value) : ERR_OK;
	if (e != ERR_OK)
		return e;
	if (!value.has_refs)
		return json_object_set(now, name, (json_t *)(uintptr_t)v) == 0 ? ERR_OK : ERR_NOMEM;
	stand_in = json_loads(member->stand_in, JSON_DECODE_ANY, NULL);
	if (json_object_set(later, name, (json_t *)(uintptr_t)v) != 0 ||
	    json_object_set_new(now, name, stand_in) != 0)
		return ERR_NOMEM;
	return ERR_OK;
}

static const struct late_member *find(const struct late_member *member, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(member[i].name, name) == 0)
			return &member[i];
	return NULL;
}

enum err spec_take_later(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct late_spot spot, const struct late_member *member, size_t n,
			 const json_t **ret)
{
	struct spec_value value;
	json_t *object = (json_t *)(uintptr_t)v, *now, *later;
	enum err e = ERR_OK;
	*ret = v;
	if (b->is_late || !json_is_object(v) || !interp_json_has_mark(v))
		return ERR_OK;
	if ((now = json_object()) == NULL || spec_keep(b, now) != ERR_OK ||
	    (later = json_object()) == NULL || spec_keep(b, later) != ERR_OK)
		return ERR_NOMEM;
	for (void *it = json_object_iter(object); it != NULL && e == ERR_OK;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		e = split_member(b, name, json_object_iter_value(it), at, find(member, n, name),
				 now, later);
	}
	if (e != ERR_OK || json_object_size(later) == 0)
		return e;
	*ret = now;
	value = (struct spec_value){.json = later, .has_refs = true, .last = &b->w->vars_env};
	return set_aside(b, spot, &value);
}

/* ---- conditions: what has a form of its own must not have references, for now ---- */

static json_t *stand_in_for(const char *name)
{
	if (strcmp(name, "status") == 0)
		return json_integer(200);
	if (strcmp(name, "kind") == 0)
		return json_string("status");
	return strcmp(name, "header") == 0 ? json_pack("{s:s}", "x", "*") : NULL;
}

/* A condition whose form can be checked now; *is_late: it differs. NULL: no memory. */
static json_t *without_refs(const json_t *v, bool *is_late)
{
	json_t *object = (json_t *)(uintptr_t)v;
	json_t *made = json_is_object(v) ? json_object() : json_is_array(v) ? json_array() : NULL;
	for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
		json_array_append_new(made, without_refs(json_array_get(v, i), is_late));
	for (void *it = json_object_iter(object); made != NULL && it != NULL;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		json_t *member = json_object_iter_value(it);
		json_t *other = NULL;
		if (strcmp(name, "any") == 0 || strcmp(name, "not") == 0)
			other = without_refs(member, is_late);
		else if (interp_json_has_mark(member))
			other = stand_in_for(name);
		*is_late |= other != NULL && strcmp(name, "any") != 0 && strcmp(name, "not") != 0;
		json_object_set_new(made, name, other != NULL ? other : json_incref(member));
	}
	return made != NULL ? made : json_incref(object);
}

enum err spec_read_cond(struct spec_build *b, const json_t *v, const struct fields_at *at,
			enum cond_use use, struct late_spot spot, const struct cond **ret)
{
	struct spec_value value;
	bool is_late = false;
	enum err e = spec_read_value(b, v, at, &value);
	if (e != ERR_OK)
		return e;
	const json_t *now = value.json;
	if (value.has_refs) {
		json_t *made = without_refs(v, &is_late);
		e = made != NULL ? spec_keep(b, made) : ERR_NOMEM;
		now = is_late ? made : now;
	}
	if (e == ERR_OK && is_late)
		e = set_aside(b, spot, &value);
	if (e != ERR_OK)
		return e;
	return cond_parse_refs(b->a, now, use, &b->rd, at, value.has_refs ? value.last : NULL, ret);
}

/* ---- when the task starts ---- */

struct late_node {
	struct node node;
	struct retry_spec retry;
	struct job_spec *spec; /* a reference */
	struct arena arena;
	json_t *kept; /* texts are borrowed from it */
};

struct late_node *late_node_new(struct job_spec *s, const struct node *n)
{
	struct late_node *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->node = *n;
	l->spec = job_spec_ref(s);
	arena_init(&l->arena, 0);
	l->kept = json_array();
	if (n->retry != NULL)
		l->retry = *n->retry;
	return l;
}

void late_node_free(struct late_node *l)
{
	if (l == NULL)
		return;
	arena_fini(&l->arena);
	json_decref(l->kept);
	job_spec_unref(l->spec);
	free(l);
}

const struct node *late_node(const struct late_node *l)
{
	return &l->node;
}

static enum err read_clause(struct spec_build *b, struct node *n, const json_t *v,
			    const struct fields_at *at, uint32_t index)
{
	struct catch_clause *copy = ARENA_ARRAY(b->a, n->n_catch, struct catch_clause);
	if (copy == NULL)
		return ERR_NOMEM;
	memcpy(copy, n->catch, n->n_catch * sizeof(*copy));
	copy[index].kinds = (struct kindset){0};
	n->catch = copy;
	return spec_read_kinds(b, v, at, &copy[index].kinds);
}

static enum err read_gather(struct spec_build *b, struct node *n, const json_t *v,
			    const struct fields_at *at)
{
	struct task_draft d = {.min_ok = -1};
	enum err e = spec_read_fields(b, &spec_task_table, v, at, &d, NULL);
	if (e != ERR_OK)
		return e;
	if (d.min_ok > n->n_child)
		return fields_fail(&b->rd, at, "min_ok",
				   "min_ok must be 0 to %u, the number of tasks", n->n_child);
	n->u.gather.min_ok = d.min_ok;
	return ERR_OK;
}

static enum err read_one(struct spec_build *b, struct late_node *l, const struct spec_late *late,
			 const json_t *v)
{
	struct node *n = &l->node;
	const struct fields_at at = {.member = ""};
	switch (late->kind) {
	case LATE_OF_WHEN:
		return cond_parse(b->a, v, late->index != 0 ? COND_WHEN_ITEM : COND_WHEN, &b->rd,
				  &at, &n->when);
	case LATE_OF_RETRY: {
		struct retry_spec before = l->retry;
		n->retry = &l->retry;
		return spec_read_retry(b, v, &at, &before, true, &l->retry);
	}
	case LATE_OF_CATCH:
		return read_clause(b, n, v, &at, late->index);
	case LATE_OF_GATHER:
		return read_gather(b, n, v, &at);
	case LATE_OF_EACH:
		return spec_read_each_numbers(b, v, &at, n);
	case LATE_OF_WHERE:
		return cond_parse(b->a, v, COND_ITEM, &b->rd, &at, &n->u.each.where);
	case LATE_OF_BETWEEN:
		return spec_read_marks(b, v, &at, &n->u.each.in);
	case LATE_OF_JSON:
		return spec_read_items(b, v, &at, &n->u.each.in);
	case LATE_OF_PAGES:
		return spec_read_page_places(b, v, &at, &n->u.each.in);
	}
	return ERR_OK;
}

static const char *const late_name[] = {
	[LATE_OF_WHEN] = "when",       [LATE_OF_RETRY] = "retry", [LATE_OF_CATCH] = "catch",
	[LATE_OF_GATHER] = "gather",   [LATE_OF_EACH] = "each",	  [LATE_OF_WHERE] = "where",
	[LATE_OF_BETWEEN] = "between", [LATE_OF_JSON] = "json",	  [LATE_OF_PAGES] = "pages",
};

enum err late_node_read(struct late_node *l, enum late_phase phase, const struct interp_env *env,
			char sentence[512])
{
	struct fields_error why = {.text = ""};
	struct spec_build b = {.w = (struct spec_whole *)(void *)l->spec,
			       .a = &l->arena,
			       .rd = {.error = &why},
			       .is_late = true,
			       .kept = l->kept};
	for (const struct spec_late *late = l->node.late[phase]; late != NULL; late = late->next) {
		struct interp_error e = {.sentence = ""};
		json_t *v = NULL;
		enum err err = spec_value_render(&late->value, env, &v, &e);
		if (err == ERR_OK && json_array_append_new(l->kept, v) != 0)
			err = ERR_NOMEM;
		if (err == ERR_OK)
			err = read_one(&b, l, late, v);
		if (err == ERR_OK)
			continue;
		snprintf(sentence, 512, "%s: %.200s%.240s", late_name[late->kind], e.sentence,
			 why.text);
		return err;
	}
	return ERR_OK;
}
