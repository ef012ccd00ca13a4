/*
 * spec_fetch -- fetches in a job file: concrete at once where no reference needs a run, else
 * checked by a trial in which every unknown value is a 1.
 */
#include "job/fetch_read.h"
#include "job/spec_build.h"

#include <string.h>

#define TRIAL_URL "http://trial.invalid/"
/* Of what the trial of one fetch may need. */
#define TRIAL_MAX_BYTES (16 * 1024 * 1024)

static enum err read_now(struct spec_build *b, struct arena *a, const json_t *v,
			 const struct fields_at *at, struct fetch_spec *ret)
{
	struct fetch_reading fr = {
		.a = a,
		.rd = &b->rd,
		.defaults = &b->w->s.fetch_defaults,
		.checks_url = true,
	};
	enum err e = fetch_read(&fr, v, at, ret);
	if (e == ERR_INVALID)
		b->kind = fr.kind;
	return e;
}

static enum err read_fixed(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   struct fetch_tmpl *ret)
{
	struct fetch_spec *f = ARENA_NEW(b->a, struct fetch_spec);
	if (f == NULL)
		return b->a->err;
	ret->fixed = f;
	return read_now(b, b->a, v, at, f);
}

static enum err fail_interp(struct spec_build *b, const struct fields_at *at,
			    const struct interp_error *e)
{
	return e->err == ERR_NOMEM ? ERR_NOMEM : fields_fail(&b->rd, at, NULL, "%s", e->sentence);
}

/* Variables are replaced, and that is all there is to replace. */
static enum err read_rendered(struct spec_build *b, const json_t *v, const struct fields_at *at,
			      struct fetch_tmpl *ret)
{
	struct interp_error why = {.err = ERR_NOMEM};
	json_t *made;
	if (fetch_render_json(v, &b->w->vars_env, NULL, &made, &why) != ERR_OK)
		return fail_interp(b, at, &why);
	enum err e = spec_keep(b, made);
	return e != ERR_OK ? e : read_fixed(b, made, at, ret);
}

/* ---- the trial ---- */

static const json_t *var_of(const struct spec_build *b, struct slice name)
{
	const struct spec_scope *s = b->scope;
	while (s != NULL && !slice_eq(s->name, name))
		s = s->up;
	return s != NULL ? NULL : json_object_getn(b->w->vars, name.p, name.n);
}

/* Whether all up to the end of the authority is spelt out. */
static bool authority_is_known(const struct tmpl *t)
{
	return t->n_part > 0 && !t->part[0].is_ref && interp_authority_is_over(t->part[0].text);
}

/* Puts a 1 in the place of what needs a run; whether there was any. */
static bool put_ones(const struct spec_build *b, struct tmpl *t)
{
	bool has_any = false;
	struct tmpl_part *part = (struct tmpl_part *)(uintptr_t)t->part;
	for (uint32_t i = 0; i < t->n_part; i++) {
		if (!part[i].is_ref || var_of(b, part[i].text) != NULL)
			continue;
		part[i] = (struct tmpl_part){.text = SLICE_LIT("1")};
		has_any = true;
	}
	return has_any;
}

/* NULL with ERR_OK: its type is not known before it runs. */
static enum err trial_string(struct spec_build *b, const json_t *v, const struct fields_at *at,
			     enum tmpl_use use, json_t **ret)
{
	struct interp_error why = {.err = ERR_OK};
	struct arena a;
	struct tmpl t;
	arena_init(&a, 0);
	enum err e = tmpl_parse(&a, spec_text_of(v), use, &t, &why);
	*ret = NULL;
	if (e == ERR_OK) {
		bool is_known = authority_is_known(&t), needs_run = put_ones(b, &t);
		if (use == TMPL_URL && needs_run && !is_known)
			*ret = json_string(TRIAL_URL);
		else if (t.kind != TMPL_VALUE || !needs_run)
			e = tmpl_render_value(&t, &b->w->vars_env, ret, &why);
	}
	arena_fini(&a);
	if (e == ERR_OK && *ret == NULL && use == TMPL_URL)
		return ERR_NOMEM;
	return e != ERR_OK ? fail_interp(b, at, &why) : ERR_OK;
}

static enum err trial_tree(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   enum tmpl_use use, json_t **ret);

static enum err trial_object(struct spec_build *b, const json_t *v, const struct fields_at *at,
			     enum tmpl_use use, json_t *made)
{
	json_t *object = (json_t *)(uintptr_t)v;
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		const struct fields_at here = spec_at(at, name);
		json_t *member;
		enum err e = trial_tree(b, json_object_iter_value(it), &here, use, &member);
		if (e == ERR_OK && json_object_set_new_nocheck(made, name, member) != 0)
			e = ERR_NOMEM;
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err trial_array(struct spec_build *b, const json_t *v, const struct fields_at *at,
			    enum tmpl_use use, json_t *made)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		const struct fields_at here = spec_at_index(at, i);
		json_t *item;
		enum err e = trial_tree(b, json_array_get(v, i), &here, use, &item);
		if (e == ERR_OK && json_array_append_new(made, item) != 0)
			e = ERR_NOMEM;
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err trial_tree(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   enum tmpl_use use, json_t **ret)
{
	enum err e = ERR_OK;
	if (json_is_string(v)) {
		e = trial_string(b, v, at, use, ret);
		if (e == ERR_OK && *ret == NULL)
			*ret = json_string("1");
	} else if (json_is_array(v)) {
		*ret = json_array();
		e = *ret != NULL ? trial_array(b, v, at, use, *ret) : ERR_NOMEM;
	} else if (json_is_object(v)) {
		*ret = json_object();
		e = *ret != NULL ? trial_object(b, v, at, use, *ret) : ERR_NOMEM;
	} else {
		*ret = json_incref((json_t *)(uintptr_t)v);
	}
	if (e != ERR_OK && (json_is_array(v) || json_is_object(v)))
		json_decref(*ret);
	return e == ERR_OK && *ret == NULL ? ERR_NOMEM : e;
}

/* Members whose inside is more than text: with references in them only a run can tell. */
static bool is_left_out(const char *name, const json_t *v)
{
	static const char *const strict[] = {"expect", "tls", "resolve"};
	for (size_t i = 0; i < sizeof(strict) / sizeof(strict[0]); i++)
		if (strcmp(name, strict[i]) == 0)
			return interp_json_has_mark(v);
	return false;
}

static enum err trial_member(struct spec_build *b, const char *name, const json_t *v,
			     const struct fields_at *at, json_t *made)
{
	bool is_url = strcmp(name, "url") == 0 || strcmp(name, "mirrors") == 0;
	enum tmpl_use use = is_url ? TMPL_URL : TMPL_TEXT;
	json_t *member = NULL;
	enum err e;
	if (is_left_out(name, v))
		return ERR_OK;
	if (json_is_string(v))
		e = trial_string(b, v, at, use, &member);
	else
		e = trial_tree(b, v, at, use, &member);
	if (e == ERR_OK && member != NULL && json_object_set_new_nocheck(made, name, member) != 0)
		e = ERR_NOMEM;
	return e;
}

static enum err make_trial(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   json_t **ret)
{
	json_t *object = (json_t *)(uintptr_t)v;
	if (json_is_string(v))
		return trial_string(b, v, at, TMPL_URL, ret);
	json_t *made = json_object();
	enum err e = made != NULL ? ERR_OK : ERR_NOMEM;
	for (void *it = json_object_iter(object); it != NULL && e == ERR_OK;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		const struct fields_at here = spec_at(at, name);
		e = trial_member(b, name, json_object_iter_value(it), &here, made);
	}
	if (e == ERR_OK)
		*ret = made;
	else
		json_decref(made);
	return e;
}

static enum err read_trial(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   struct fetch_tmpl *ret)
{
	struct fetch_spec scratch;
	struct arena a;
	json_t *trial = NULL;
	enum err e = make_trial(b, v, at, &trial);
	if (e != ERR_OK)
		return e;
	arena_init(&a, TRIAL_MAX_BYTES);
	e = read_now(b, &a, trial, at, &scratch);
	arena_fini(&a);
	json_decref(trial);
	ret->source = v;
	return e;
}

/* Exactly the item of the each right around. */
static bool is_the_item(const struct spec_build *b, const json_t *v)
{
	struct slice text = spec_text_of(v);
	if (b->item == NULL || !json_is_string(v) || text.n != b->item->name.n + 3 ||
	    memcmp(text.p, "${", 2) != 0 || text.p[text.n - 1] != '}')
		return false;
	struct slice name = {text.p + 2, text.n - 3};
	const struct spec_scope *s = b->scope;
	while (s != NULL && !slice_eq(s->name, name))
		s = s->up;
	return s == b->item;
}

enum err spec_read_fetch(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct fetch_tmpl *ret)
{
	struct spec_value value;
	*ret = (struct fetch_tmpl){
		.defaults = &b->w->s.fetch_defaults,
		.last = &b->w->vars_env,
		.is_item_only = is_the_item(b, v),
	};
	if (!json_is_string(v) && !json_is_object(v))
		return fields_fail(&b->rd, at, NULL, "fetch must be a URL or an object");
	if (!interp_json_has_mark(v))
		return read_fixed(b, v, at, ret);
	enum err e = spec_read_value(b, v, at, &value);
	if (e != ERR_OK)
		return e;
	return value.has_refs ? read_trial(b, v, at, ret) : read_rendered(b, v, at, ret);
}

enum err spec_read_fetch_defaults(struct spec_build *b, const json_t *v, const struct fields_at *at,
				  struct fetch_spec *ret)
{
	struct fetch_reading fr = {
		.a = b->a, .rd = &b->rd, .defaults = ret, .is_defaults = true, .checks_url = true};
	struct interp_error why = {.err = ERR_NOMEM};
	const json_t *fixed;
	enum err e = spec_read_fixed(b, v, at, &fixed);
	if (e == ERR_OK && fixed != v) {
		json_t *made;
		if (fetch_render_json(v, &b->w->vars_env, NULL, &made, &why) != ERR_OK)
			return fail_interp(b, at, &why);
		fixed = made;
		e = spec_keep(b, made);
	}
	if (e == ERR_OK)
		e = fetch_read(&fr, fixed, at, ret);
	if (e == ERR_INVALID)
		b->kind = fr.kind;
	return e;
}
