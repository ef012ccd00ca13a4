/*
 * spec_values -- strings and trees in which references may stand.
 */
#include "job/fetch_read.h"
#include "job/spec_build.h"
#include "model/pointer.h"

#include <stdio.h>
#include <string.h>

static enum err fail_interp(struct spec_build *b, const struct fields_at *at,
			    const struct interp_error *e)
{
	if (e->err == ERR_NOMEM)
		return ERR_NOMEM;
	return fields_fail(&b->rd, at, NULL, "%s", e->sentence);
}

enum err spec_keep(struct spec_build *b, json_t *rendered)
{
	if (b->kept != NULL)
		return json_array_append_new(b->kept, rendered) == 0 ? ERR_OK : ERR_NOMEM;
	if (b->w->rendered == NULL)
		b->w->rendered = json_array();
	return json_array_append_new(b->w->rendered, rendered) == 0 ? ERR_OK : ERR_NOMEM;
}

enum err spec_keep_json(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			void *out)
{
	(void)rd;
	(void)at;
	*(const json_t **)out = v;
	return ERR_OK;
}

/* Only variables in it: the text is known now. */
static enum err fold(struct spec_build *b, const struct fields_at *at, struct tmpl *t)
{
	struct interp_error e = {.err = ERR_OK};
	struct bytes text = BYTES_LIMIT(2 * INTERP_MAX_BYTES + t->source.n);
	enum err err = tmpl_render_text(t, &b->w->vars_env, &text, &e);
	struct tmpl_part *part = ARENA_NEW(b->a, struct tmpl_part);
	if (err == ERR_OK && part != NULL) {
		part->text = arena_copy(b->a, bytes_slice(&text));
		t->kind = TMPL_LITERAL;
		t->part = part;
		t->n_part = 1;
	}
	bytes_fini(&text);
	if (err != ERR_OK)
		return fail_interp(b, at, &e);
	return b->a->err;
}

enum err spec_read_tmpl(struct spec_build *b, const json_t *v, const struct fields_at *at,
			enum tmpl_use use, struct tmpl *ret)
{
	struct interp_error e = {.err = ERR_OK};
	uint32_t n_run;
	if (tmpl_parse(b->a, spec_text_of(v), use, ret, &e) != ERR_OK)
		return fail_interp(b, at, &e);
	ret->last = &b->w->vars_env;
	enum err err = spec_check_names(b, ret, at, &n_run);
	if (err != ERR_OK || n_run > 0 || ret->kind == TMPL_LITERAL)
		return err;
	return fold(b, at, ret);
}

enum err spec_read_text(struct spec_build *b, const json_t *v, const struct fields_at *at,
			const char *what, const struct tmpl **ret)
{
	struct tmpl *t = ARENA_NEW(b->a, struct tmpl);
	if (!json_is_string(v))
		return fields_fail(&b->rd, at, NULL, "%s must be a string", what);
	if (t == NULL)
		return b->a->err;
	*ret = t;
	return spec_read_tmpl(b, v, at, TMPL_TEXT, t);
}

enum err spec_read_name(struct spec_build *b, const json_t *v, const struct fields_at *at,
			const char *what, const struct tmpl **ret)
{
	enum err e = spec_read_text(b, v, at, what, ret);
	if (e != ERR_OK || (*ret)->kind != TMPL_LITERAL)
		return e;
	struct slice text = (*ret)->part[0].text;
	bool is_good = text.n >= 1 && text.n <= SPEC_MAX_NAME;
	for (size_t i = 0; is_good && i < text.n; i++)
		is_good = (unsigned char)text.p[i] >= 0x20 && text.p[i] != 0x7f;
	if (!is_good)
		return fields_fail(&b->rd, at, NULL,
				   "%s must be 1 to %d bytes without control characters", what,
				   SPEC_MAX_NAME);
	return ERR_OK;
}

static bool read_duration(struct slice text, int64_t *ret)
{
	return units_duration(text, ret) == ERR_OK;
}

#define DURATION_FORM "a duration such as \"250ms\", \"5s\", \"2m\", \"1h\", \"1d\""

enum err spec_read_dur(struct spec_build *b, const json_t *v, const struct fields_at *at,
		       const char *what, struct spec_dur *ret)
{
	struct tmpl t;
	*ret = (struct spec_dur){.ms = 0};
	if (json_is_integer(v) && json_integer_value(v) == 0)
		return ERR_OK;
	if (!json_is_string(v))
		return fields_fail(&b->rd, at, NULL, "%s must be " DURATION_FORM, what);
	enum err e = spec_read_tmpl(b, v, at, TMPL_TEXT, &t);
	if (e != ERR_OK)
		return e;
	if (t.kind == TMPL_LITERAL) {
		if (!read_duration(t.part[0].text, &ret->ms))
			return fields_fail(&b->rd, at, NULL, "%s must be " DURATION_FORM, what);
		return ERR_OK;
	}
	struct tmpl *kept = ARENA_NEW(b->a, struct tmpl);
	if (kept == NULL)
		return b->a->err;
	*kept = t;
	ret->t = kept;
	return ERR_OK;
}

/* ---- trees ---- */

static enum err check_string(struct spec_build *b, const json_t *v, const struct fields_at *at,
			     uint32_t *n_run)
{
	struct interp_error e = {.err = ERR_OK};
	struct arena a;
	struct tmpl t;
	uint32_t n = 0;
	arena_init(&a, 0);
	enum err err = tmpl_parse(&a, spec_text_of(v), TMPL_TEXT, &t, &e);
	if (err != ERR_OK)
		err = fail_interp(b, at, &e);
	else
		err = spec_check_names(b, &t, at, &n);
	arena_fini(&a);
	*n_run += n;
	return err;
}

/* Depth is bounded by jsonscan. */
static enum err check_tree(struct spec_build *b, const json_t *v, const struct fields_at *at,
			   uint32_t *n_run)
{
	enum err e = ERR_OK;
	json_t *object = (json_t *)(uintptr_t)v;
	if (json_is_string(v) && tmpl_has_mark(spec_text_of(v)))
		return check_string(b, v, at, n_run);
	if (json_is_array(v)) {
		for (size_t i = 0; e == ERR_OK && i < json_array_size(v); i++) {
			const struct fields_at here = spec_at_index(at, i);
			e = check_tree(b, json_array_get(v, i), &here, n_run);
		}
	} else if (json_is_object(v)) {
		for (void *it = json_object_iter(object); it != NULL && e == ERR_OK;
		     it = json_object_iter_next(object, it)) {
			const struct fields_at here = spec_at(at, json_object_iter_key(it));
			e = check_tree(b, json_object_iter_value(it), &here, n_run);
		}
	}
	return e;
}

enum err spec_read_value(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 struct spec_value *ret)
{
	uint32_t n_run = 0;
	*ret = (struct spec_value){.json = v, .last = &b->w->vars_env};
	if (b->is_late || !interp_json_has_mark(v))
		return ERR_OK;
	enum err e = check_tree(b, v, at, &n_run);
	ret->has_refs = n_run > 0;
	if (e != ERR_OK || n_run > 0)
		return e;
	struct interp_error why = {.err = ERR_OK};
	json_t *made;
	if (interp_render_json(v, &b->w->vars_env, NULL, &made, &why) != ERR_OK)
		return fail_interp(b, at, &why);
	ret->json = made;
	return spec_keep(b, made);
}

enum err spec_read_fixed(struct spec_build *b, const json_t *v, const struct fields_at *at,
			 const json_t **ret)
{
	struct spec_value value;
	enum err e = spec_read_value(b, v, at, &value);
	if (e == ERR_OK && value.has_refs)
		return fields_fail(&b->rd, at, NULL,
				   "only variables of the job may stand here: it is read before "
				   "anything runs");
	*ret = value.json;
	return e;
}

/* A member whose row takes plain values only may be given by variables. */
static bool is_plain(const struct field_table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->field[i].name, name) == 0)
			return t->field[i].type != FIELD_JSON && t->field[i].type != FIELD_CUSTOM;
	return false;
}

static enum err fix_plain(struct spec_build *b, const struct field_table *t, const json_t *v,
			  const struct fields_at *at, json_t *made)
{
	json_t *object = (json_t *)(uintptr_t)v;
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		const struct fields_at here = spec_at(at, name);
		const json_t *written = json_object_iter_value(it), *member = written;
		enum err e = ERR_OK;
		if (is_plain(t, name))
			e = spec_read_fixed(b, written, &here, &member);
		if (e != ERR_OK)
			return e;
		json_t *kept = json_incref((json_t *)(uintptr_t)member);
		if (member != written || b->is_late)
			kept = fetch_retype(t, name, kept);
		if (json_object_set_new_nocheck(made, name, kept) != 0)
			e = ERR_NOMEM;
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

enum err spec_read_fields(struct spec_build *b, const struct field_table *t, const json_t *v,
			  const struct fields_at *at, void *out, uint64_t *ret_seen)
{
	if (!json_is_object(v) || (!b->is_late && !interp_json_has_mark(v)))
		return fields_read(&b->rd, t, v, at, out, ret_seen);
	json_t *made = json_object();
	enum err e = made != NULL ? spec_keep(b, made) : ERR_NOMEM;
	if (e == ERR_OK)
		e = fix_plain(b, t, v, at, made);
	return e != ERR_OK ? e : fields_read(&b->rd, t, made, at, out, ret_seen);
}

enum err spec_read_pointer(struct spec_build *b, const char *text, const struct fields_at *at,
			   struct slice *ret)
{
	if (!pointer_valid(slice_of(text)))
		return fields_fail(&b->rd, at, NULL,
				   "a JSON pointer is \"\" or begins with \"/\": \"/items/0\"");
	*ret = slice_of(text);
	return ERR_OK;
}

/* ---- at run time ---- */

enum err spec_dur_render(const struct spec_dur *d, const struct interp_env *env, int64_t *ret_ms,
			 struct interp_error *e)
{
	if (d->t == NULL) {
		*ret_ms = d->ms;
		return ERR_OK;
	}
	struct bytes text = BYTES_LIMIT(64);
	enum err err = tmpl_render_text(d->t, env, &text, e);
	if (err == ERR_OK && !read_duration(bytes_slice(&text), ret_ms)) {
		err = e->err = ERR_INVALID;
		snprintf(e->sentence, sizeof(e->sentence), "%.60s is not " DURATION_FORM,
			 d->t->source.p);
	}
	bytes_fini(&text);
	return err;
}

enum err spec_value_render(const struct spec_value *v, const struct interp_env *env, json_t **ret,
			   struct interp_error *e)
{
	if (v->has_refs)
		return interp_render_json(v->json, env, v->last, ret, e);
	*ret = json_incref((json_t *)(uintptr_t)v->json);
	return ERR_OK;
}
