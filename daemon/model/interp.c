/*
 * interp -- rendering: looking names up and writing values into text or trees. Parsing is in
 * interp_parse.c.
 */
#include "model/interp.h"

#include "model/pointer.h"

#include <stdio.h>
#include <string.h>

/* What the references of one rendering have brought so far, against INTERP_MAX_BYTES. */
struct render {
	const struct interp_env *env, *last;
	struct interp_error *e;
	size_t budget;
};

enum err interp_env_lookup(const struct interp_env *env, struct slice name,
			   struct interp_value *ret)
{
	for (; env != NULL; env = env->outer) {
		enum err e = env->lookup(env->ctx, name, ret);
		if (e != ERR_NOT_FOUND)
			return e;
	}
	return ERR_NOT_FOUND;
}

static enum err fail(struct render *r, enum err err, const struct tmpl_part *p, const char *why)
{
	r->e->err = err;
	snprintf(r->e->sentence, sizeof(r->e->sentence), "${%.*s%.*s}: %s", (int)p->text.n,
		 p->text.p, (int)(p->pointer.n < 120 ? p->pointer.n : 120),
		 p->pointer.n != 0 ? p->pointer.p : "", why);
	return err;
}

static enum err fail_memory(struct render *r)
{
	r->e->err = ERR_NOMEM;
	snprintf(r->e->sentence, sizeof(r->e->sentence), "%s", err_text(ERR_NOMEM));
	return ERR_NOMEM;
}

static enum err find(struct render *r, const struct tmpl_part *p, struct interp_value *ret)
{
	enum err e = interp_env_lookup(r->env, p->text, ret);
	if (e == ERR_NOT_FOUND)
		e = interp_env_lookup(r->last, p->text, ret);
	if (e == ERR_NOT_FOUND)
		return fail(r, e, p, "there is no value of that name here");
	if (e != ERR_OK)
		return fail(r, e, p, err_text(e));
	if (p->pointer.n == 0)
		return ERR_OK;
	const json_t *v = ret->json != NULL ? pointer_get(ret->json, p->pointer) : NULL;
	if (v == NULL)
		return fail(r, ERR_NOT_FOUND, p, "the value has no such member");
	*ret = (struct interp_value){.json = v};
	return ERR_OK;
}

static int dump_piece(const char *p, size_t n, void *out)
{
	return bytes_add(out, p, n) == ERR_OK ? 0 : -1;
}

/* The value as text, into a buffer bounded by the budget. */
static enum err add_text(struct render *r, const struct tmpl_part *p, struct bytes *out)
{
	struct interp_value v;
	enum err e = find(r, p, &v);
	if (e != ERR_OK)
		return e;
	if (v.json == NULL)
		bytes_add_slice(out, v.text);
	else if (json_is_string(v.json))
		bytes_add(out, json_string_value(v.json), json_string_length(v.json));
	else if (json_dump_callback(v.json, dump_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0 &&
		 out->err == ERR_OK)
		out->err = ERR_NOMEM;
	if (out->err == ERR_NOMEM)
		return fail_memory(r);
	if (out->err != ERR_OK || out->n > r->budget)
		return fail(r, ERR_TOO_LARGE, p, "the text would be longer than 1 MiB");
	r->budget -= out->n;
	return ERR_OK;
}

bool interp_authority_is_over(struct slice text)
{
	const char *colon = memmem(text.p, text.n, "://", 3);
	if (colon == NULL)
		return false;
	const char *rest = colon + 3;
	for (size_t i = 0, n = text.n - (size_t)(rest - text.p); i < n; i++)
		if (rest[i] == '/' || rest[i] == '?' || rest[i] == '#')
			return true;
	return false;
}

static void add_encoded(struct bytes *out, struct slice text)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '~')
			bytes_add_byte(out, (char)c);
		else
			bytes_add(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

static enum err render_text(struct render *r, const struct tmpl *t, struct bytes *out)
{
	size_t begin = out->n;
	enum err e = ERR_OK;
	struct bytes value;
	bytes_init(&value, INTERP_MAX_BYTES + 1);
	for (uint32_t i = 0; i < t->n_part && e == ERR_OK; i++) {
		const struct tmpl_part *p = &t->part[i];
		bytes_clear(&value);
		if (!p->is_ref)
			bytes_add_slice(out, p->text);
		else if ((e = add_text(r, p, &value)) != ERR_OK)
			break;
		else if (t->use == TMPL_URL && begin < out->n &&
			 interp_authority_is_over((struct slice){out->p + begin, out->n - begin}))
			add_encoded(out, bytes_slice(&value));
		else
			bytes_add_slice(out, bytes_slice(&value));
		if (out->err == ERR_NOMEM)
			e = fail_memory(r);
		else if (out->err != ERR_OK)
			e = fail(r, out->err, p, "the text would be too long");
	}
	bytes_fini(&value);
	return e;
}

/* Takes what v weighs from the budget; false when it is spent. */
static bool weigh(struct render *r, const json_t *v, unsigned depth)
{
	size_t n = 8;
	if (depth > INTERP_MAX_DEPTH)
		return false;
	if (json_is_string(v))
		n += json_string_length(v);
	if (n > r->budget)
		return false;
	r->budget -= n;
	if (json_is_array(v)) {
		for (size_t i = 0; i < json_array_size(v); i++)
			if (!weigh(r, json_array_get(v, i), depth + 1))
				return false;
	} else if (json_is_object(v)) {
		void *it = json_object_iter((json_t *)(uintptr_t)v);
		for (; it != NULL; it = json_object_iter_next((json_t *)(uintptr_t)v, it))
			if (!weigh(r, json_object_iter_value(it), depth + 1))
				return false;
	}
	return true;
}

static enum err share(struct render *r, const struct tmpl_part *p, json_t **ret)
{
	struct interp_value v;
	enum err e = find(r, p, &v);
	if (e != ERR_OK)
		return e;
	json_t *made = NULL;
	if (v.json != NULL) {
		if (!weigh(r, v.json, 0))
			return fail(r, ERR_TOO_LARGE, p, "the value is larger than 1 MiB");
		made = json_incref((json_t *)(uintptr_t)v.json);
	} else {
		if (v.text.n > r->budget)
			return fail(r, ERR_TOO_LARGE, p, "the value is larger than 1 MiB");
		r->budget -= v.text.n;
		made = json_stringn(v.text.n != 0 ? v.text.p : "", v.text.n);
	}
	if (made == NULL)
		return fail_memory(r);
	*ret = made;
	return ERR_OK;
}

static enum err render_value(struct render *r, const struct tmpl *t, json_t **ret)
{
	if (t->kind == TMPL_VALUE)
		return share(r, &t->part[0], ret);
	struct bytes text = BYTES_LIMIT(2 * INTERP_MAX_BYTES + t->source.n);
	enum err e = render_text(r, t, &text);
	if (e == ERR_OK) {
		*ret = json_stringn(text.n != 0 ? text.p : "", text.n);
		if (*ret == NULL)
			e = fail_memory(r);
	}
	bytes_fini(&text);
	return e;
}

static enum err render_string(struct render *r, const json_t *v, json_t **ret)
{
	struct slice text = {json_string_value(v), json_string_length(v)};
	struct arena a;
	struct tmpl t;
	arena_init(&a, 0);
	enum err e = tmpl_parse(&a, text, TMPL_TEXT, &t, r->e);
	if (e == ERR_OK)
		e = render_value(r, &t, ret);
	arena_fini(&a);
	return e;
}

static enum err render_tree(struct render *r, const json_t *v, unsigned depth, json_t **ret);

static enum err render_array(struct render *r, const json_t *v, unsigned depth, json_t *made)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		json_t *item;
		enum err e = render_tree(r, json_array_get(v, i), depth + 1, &item);
		if (e != ERR_OK)
			return e;
		if (json_array_append_new(made, item) != 0)
			return fail_memory(r);
	}
	return ERR_OK;
}

static enum err render_object(struct render *r, const json_t *v, unsigned depth, json_t *made)
{
	json_t *object = (json_t *)(uintptr_t)v;
	void *it = json_object_iter(object);
	for (; it != NULL; it = json_object_iter_next(object, it)) {
		json_t *member;
		enum err e = render_tree(r, json_object_iter_value(it), depth + 1, &member);
		if (e != ERR_OK)
			return e;
		if (json_object_setn_new_nocheck(made, json_object_iter_key(it),
						 json_object_iter_key_len(it), member) != 0)
			return fail_memory(r);
	}
	return ERR_OK;
}

static enum err render_tree(struct render *r, const json_t *v, unsigned depth, json_t **ret)
{
	if (depth > INTERP_MAX_DEPTH) {
		r->e->err = ERR_TOO_LARGE;
		snprintf(r->e->sentence, sizeof(r->e->sentence), "the value is nested too deep");
		return ERR_TOO_LARGE;
	}
	if (json_is_string(v) &&
	    tmpl_has_mark((struct slice){json_string_value(v), json_string_length(v)}))
		return render_string(r, v, ret);
	if (!json_is_array(v) && !json_is_object(v)) {
		*ret = json_incref((json_t *)(uintptr_t)v);
		return ERR_OK;
	}
	json_t *made = json_is_array(v) ? json_array() : json_object();
	if (made == NULL)
		return fail_memory(r);
	enum err e = json_is_array(v) ? render_array(r, v, depth, made)
				      : render_object(r, v, depth, made);
	if (e != ERR_OK)
		json_decref(made);
	else
		*ret = made;
	return e;
}

enum err tmpl_render_text(const struct tmpl *t, const struct interp_env *env, struct bytes *out,
			  struct interp_error *e)
{
	struct render r = {env, t->last, e, INTERP_MAX_BYTES};
	return render_text(&r, t, out);
}

enum err tmpl_render_value(const struct tmpl *t, const struct interp_env *env, json_t **ret,
			   struct interp_error *e)
{
	struct render r = {env, t->last, e, INTERP_MAX_BYTES};
	return render_value(&r, t, ret);
}

enum err interp_render_json(const json_t *v, const struct interp_env *env,
			    const struct interp_env *last, json_t **ret, struct interp_error *e)
{
	struct render r = {env, last, e, INTERP_MAX_BYTES};
	return render_tree(&r, v, 0, ret);
}
