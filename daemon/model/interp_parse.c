/*
 * interp_parse -- text with references into parts.
 */
#include "model/interp.h"
#include "model/pointer.h"

#include <stdio.h>
#include <string.h>

struct parse {
	struct arena *a;
	struct slice text;
	struct interp_error *e;
	struct bytes literal; /* text since the last reference */
	struct tmpl_part part[2 * INTERP_MAX_REFS + 1];
	uint32_t n_part, n_refs;
};

static enum err fail(struct parse *ps, enum err err, size_t at, const char *why)
{
	ps->e->err = err;
	ps->e->at = (uint32_t)at;
	snprintf(ps->e->sentence, sizeof(ps->e->sentence), "%s", why);
	return err;
}

static bool name_char(char c, bool is_first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!is_first && ((c >= '0' && c <= '9') || c == '-'));
}

bool interp_name_valid(struct slice name)
{
	if (name.n == 0 || name.n > INTERP_MAX_NAME)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!name_char(name.p[i], i == 0))
			return false;
	return true;
}

bool tmpl_has_mark(struct slice text)
{
	return text.n >= 2 && memmem(text.p, text.n, "${", 2) != NULL;
}

bool interp_json_has_mark(const json_t *v)
{
	if (json_is_string(v))
		return tmpl_has_mark((struct slice){json_string_value(v), json_string_length(v)});
	if (json_is_array(v)) {
		for (size_t i = 0; i < json_array_size(v); i++)
			if (interp_json_has_mark(json_array_get(v, i)))
				return true;
	} else if (json_is_object(v)) {
		json_t *object = (json_t *)(uintptr_t)v;
		void *it = json_object_iter(object);
		for (; it != NULL; it = json_object_iter_next(object, it))
			if (interp_json_has_mark(json_object_iter_value(it)))
				return true;
	}
	return false;
}

static void flush_literal(struct parse *ps)
{
	if (ps->literal.n != 0) {
		struct slice text = arena_copy(ps->a, bytes_slice(&ps->literal));
		ps->part[ps->n_part++] = (struct tmpl_part){.text = text};
		enum err was = ps->literal.err;
		bytes_clear(&ps->literal);
		ps->literal.err = was;
	}
}

/* `at` stands on "${"; *ret_next behind the "}". */
static enum err parse_ref(struct parse *ps, size_t at, size_t *ret_next)
{
	const char *begin = ps->text.p + at + 2;
	size_t left = ps->text.n - at - 2;
	const char *close = memchr(begin, '}', left);
	if (close == NULL)
		return fail(ps, ERR_INVALID, at, "\"${\" without \"}\"; a literal is \"$${\"");
	if (ps->n_refs == INTERP_MAX_REFS)
		return fail(ps, ERR_TOO_LARGE, at, "more than 64 references in one string");
	size_t n = (size_t)(close - begin);
	const char *slash = memchr(begin, '/', n);
	struct slice name = {begin, slash != NULL ? (size_t)(slash - begin) : n};
	struct slice pointer = {slash, n - name.n};
	if (!interp_name_valid(name))
		return fail(ps, ERR_INVALID, at,
			    "a reference is ${name} or ${name/pointer}; a literal is \"$${\"");
	if (pointer.n != 0 && !pointer_valid(pointer))
		return fail(ps, ERR_INVALID, at, "not a JSON pointer in a reference");
	flush_literal(ps);
	ps->part[ps->n_part++] = (struct tmpl_part){
		.is_ref = true,
		.text = arena_copy(ps->a, name),
		.pointer = pointer.n != 0 ? arena_copy(ps->a, pointer) : (struct slice){"", 0},
	};
	ps->n_refs++;
	*ret_next = at + 2 + n + 1;
	return ERR_OK;
}

static enum err parse_parts(struct parse *ps)
{
	size_t i = 0;
	while (i < ps->text.n) {
		struct slice rest = {ps->text.p + i, ps->text.n - i};
		const char *dollar = memchr(rest.p, '$', rest.n);
		size_t n = dollar != NULL ? (size_t)(dollar - rest.p) : rest.n;
		bytes_add(&ps->literal, rest.p, n);
		i += n;
		rest = (struct slice){rest.p + n, rest.n - n};
		if (rest.n == 0)
			break;
		enum err e = ERR_OK;
		if (rest.n >= 3 && memcmp(rest.p, "$${", 3) == 0) {
			bytes_add(&ps->literal, "${", 2);
			i += 3;
		} else if (rest.n >= 2 && rest.p[1] == '{') {
			e = parse_ref(ps, i, &i);
		} else {
			bytes_add_byte(&ps->literal, '$');
			i++;
		}
		if (e != ERR_OK)
			return e;
	}
	flush_literal(ps);
	return ERR_OK;
}

enum err tmpl_parse(struct arena *a, struct slice text, enum tmpl_use use, struct tmpl *ret,
		    struct interp_error *e)
{
	struct parse ps = {.a = a, .text = text, .e = e};
	enum err err = parse_parts(&ps);
	if (err == ERR_OK && ps.literal.err != ERR_OK)
		err = fail(&ps, ERR_NOMEM, 0, err_text(ERR_NOMEM));
	bytes_fini(&ps.literal);
	if (err != ERR_OK)
		return err;
	struct tmpl_part *part = ARENA_ARRAY(a, ps.n_part + 1, struct tmpl_part);
	struct slice source = arena_copy(a, text);
	if (a->err != ERR_OK)
		return fail(&ps, a->err, 0, err_text(a->err));
	memcpy(part, ps.part, ps.n_part * sizeof(*part));
	if (ps.n_part == 0) {
		part[0] = (struct tmpl_part){.text = {"", 0}};
		ps.n_part = 1;
	}
	*ret = (struct tmpl){
		.kind = ps.n_refs == 0	 ? TMPL_LITERAL
			: ps.n_part == 1 ? TMPL_VALUE
					 : TMPL_MIXED,
		.use = use,
		.n_part = ps.n_part,
		.part = part,
		.source = source,
	};
	return ERR_OK;
}
