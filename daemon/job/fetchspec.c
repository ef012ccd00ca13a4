/*
 * fetchspec -- making concrete fetches at run time.
 */
#include "job/fetchspec.h"

#include "job/fetch_read.h"
#include "proto/jsonscan.h"
#include "proto/jsontree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of what one fetch may need beside its JSON: decoded bodies, lists. */
#define FETCH_MAX_BYTES (16 * 1024 * 1024)

void fetch_spec_init(struct fetch_spec *f)
{
	*f = (struct fetch_spec){
		.method = SLICE_LIT("GET"),
		.expect = {.n = 1, .range = {{200, 299}}},
		.follow = true,
		.max_redirects = 10,
		.decode = true,
		.connect_timeout_ms = 10 * UNITS_SECOND_MS,
		.first_byte_timeout_ms = 30 * UNITS_SECOND_MS,
		.read_timeout_ms = 30 * UNITS_SECOND_MS,
		.max_body_bytes = 64 << 20,
		.tls_verify = true,
	};
}

void fetch_spec_free(struct fetch_spec *f)
{
	if (f == NULL)
		return;
	json_decref(f->keep);
	arena_fini(&f->arena);
	free(f);
}

static enum err fail(struct fetch_error *e, enum err err, enum kind kind, const char *text)
{
	e->kind = kind;
	snprintf(e->text, sizeof(e->text), "%s", text);
	fetch_clean_text(e->text);
	return err;
}

static enum err fail_memory(struct fetch_error *e)
{
	return fail(e, ERR_NOMEM, KIND_MEMORY, kind_doc(KIND_MEMORY));
}

/* Takes the reference to v, which has no references in it any more. */
static enum err from_json(json_t *v, const struct fetch_spec *defaults, struct fetch_spec **ret,
			  struct fetch_error *e)
{
	struct fields_error why;
	struct fields_read rd = {.error = &why};
	struct fetch_spec *f = calloc(1, sizeof(*f));
	struct arena a;
	arena_init(&a, FETCH_MAX_BYTES);
	struct fetch_reading fr = {.a = &a, .rd = &rd, .defaults = defaults};
	enum err err = f != NULL ? fetch_read(&fr, v, NULL, f) : ERR_NOMEM;
	if (err == ERR_OK) {
		f->arena = a;
		f->keep = v;
		*ret = f;
		return ERR_OK;
	}
	json_decref(v);
	arena_fini(&a);
	free(f);
	if (err != ERR_INVALID)
		return fail_memory(e);
	return fail(e, ERR_INVALID, fr.kind, why.text);
}

/* The url and the mirrors are URLs, where references are encoded; all else is text. */
static enum err render_url(const json_t *v, const struct interp_env *env,
			   const struct interp_env *last, json_t **ret, struct interp_error *e)
{
	struct arena a;
	struct tmpl t;
	if (!json_is_string(v))
		return interp_render_json(v, env, last, ret, e);
	arena_init(&a, 0);
	struct slice text = {json_string_value(v), json_string_length(v)};
	enum err err = tmpl_parse(&a, text, TMPL_URL, &t, e);
	t.last = last;
	if (err == ERR_OK)
		err = tmpl_render_value(&t, env, ret, e);
	arena_fini(&a);
	return err;
}

static enum err render_urls(const json_t *v, const struct interp_env *env,
			    const struct interp_env *last, json_t **ret, struct interp_error *e)
{
	if (!json_is_array(v))
		return interp_render_json(v, env, last, ret, e);
	json_t *made = json_array();
	enum err err = made != NULL ? ERR_OK : ERR_NOMEM;
	for (size_t i = 0; err == ERR_OK && i < json_array_size(v); i++) {
		json_t *url;
		err = render_url(json_array_get(v, i), env, last, &url, e);
		if (err == ERR_OK && json_array_append_new(made, url) != 0)
			err = ERR_NOMEM;
	}
	if (err == ERR_OK)
		*ret = made;
	else
		json_decref(made);
	return err;
}

static enum err render_member(const char *name, const json_t *v, const struct interp_env *env,
			      const struct interp_env *last, json_t **ret, struct interp_error *e)
{
	if (strcmp(name, "url") == 0)
		return render_url(v, env, last, ret, e);
	if (strcmp(name, "mirrors") == 0)
		return render_urls(v, env, last, ret, e);
	return interp_render_json(v, env, last, ret, e);
}

enum err fetch_render_json(const json_t *v, const struct interp_env *env,
			   const struct interp_env *last, json_t **ret, struct interp_error *e)
{
	json_t *object = (json_t *)(uintptr_t)v;
	if (!json_is_object(v))
		return render_url(v, env, last, ret, e);
	json_t *made = json_object();
	enum err err = made != NULL ? ERR_OK : ERR_NOMEM;
	for (void *it = json_object_iter(object); it != NULL && err == ERR_OK;
	     it = json_object_iter_next(object, it)) {
		const char *name = json_object_iter_key(it);
		json_t *member;
		const json_t *written = json_object_iter_value(it);
		err = render_member(name, written, env, last, &member, e);
		if (err == ERR_OK && member != written)
			member = fetch_retype(&fetch_table, name, member);
		if (err == ERR_OK && json_object_set_new_nocheck(made, name, member) != 0)
			err = ERR_NOMEM;
	}
	if (err == ERR_OK)
		*ret = made;
	else
		json_decref(made);
	return err;
}

/* A shallow copy with n bytes of room behind it. */
static struct fetch_spec *copy_fixed(const struct fetch_spec *fixed, size_t n)
{
	struct fetch_spec *f = malloc(sizeof(*f) + n);
	if (f != NULL) {
		*f = *fixed;
		f->arena = (struct arena){.last = NULL};
		f->keep = NULL;
	}
	return f;
}

enum err fetch_spec_render(const struct fetch_tmpl *t, const struct interp_env *env,
			   struct fetch_spec **ret, struct fetch_error *e)
{
	struct interp_error why = {.err = ERR_OK};
	json_t *v;
	if (t->fixed != NULL) {
		struct fetch_spec *f = copy_fixed(t->fixed, 0);
		if (f == NULL)
			return fail_memory(e);
		*ret = f;
		return ERR_OK;
	}
	enum err err = fetch_render_json(t->source, env, t->last, &v, &why);
	if (err == ERR_NOMEM)
		return fail_memory(e);
	if (err != ERR_OK)
		return fail(e, ERR_INVALID, KIND_REQUEST_INVALID, why.sentence);
	return from_json(v, t->defaults, ret, e);
}

/* The hot path: the URL's bytes lie behind the struct, all else is the defaults'. */
static enum err from_plain(struct slice url, const struct fetch_spec *defaults,
			   struct fetch_spec **ret, struct fetch_error *e)
{
	if (url.n == 0)
		return fail(e, ERR_INVALID, KIND_URL_INVALID, "an empty text is no URL");
	struct fetch_spec *f = copy_fixed(defaults, url.n);
	if (f == NULL)
		return fail_memory(e);
	char *text = (char *)(f + 1);
	memcpy(text, url.p, url.n);
	f->url = (struct slice){text, url.n};
	*ret = f;
	return ERR_OK;
}

enum err fetch_spec_from_item(struct slice raw, const struct fetch_spec *defaults,
			      struct fetch_spec **ret, struct fetch_error *e)
{
	struct slice url;
	struct jsonscan_error why;
	json_t *v;
	if (jsonscan_plain(raw, &url) == ERR_OK)
		return from_plain(url, defaults, ret, e);
	enum err err = jsontree_parse(raw, NULL, &v, &why);
	if (err == ERR_NOMEM)
		return fail_memory(e);
	if (err != ERR_OK)
		return fail(e, ERR_INVALID, KIND_REQUEST_INVALID, why.text);
	return from_json(v, defaults, ret, e);
}
