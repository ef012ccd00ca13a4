/*
 * fetch_body -- the six ways to give a request a body.
 */
#include "job/fetch_read.h"

#include <string.h>

#define MAX_PARTS 1000

static struct slice text_of(const json_t *v)
{
	return (struct slice){json_string_value(v), json_string_length(v)};
}

static enum err read_text(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  struct fetch_spec *f)
{
	if (!json_is_string(v))
		return fields_fail(fr->rd, at, NULL,
				   "body must be a string; for a value there is \"json\"");
	f->body = text_of(v);
	return ERR_OK;
}

static enum err read_json(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  struct fetch_spec *f)
{
	(void)at;
	f->content_type = SLICE_LIT("application/json");
	return fetch_dump(fr, v, &f->body);
}

/* URL Standard, application/x-www-form-urlencoded serializing: space is +, unreserved stays. */
static void add_form_text(struct bytes *out, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '.' || c == '_' || c == '*')
			bytes_add_byte(out, (char)c);
		else if (c == ' ')
			bytes_add_byte(out, '+');
		else
			bytes_add(out, (char[]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

static enum err read_form(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  struct fetch_spec *f)
{
	const struct fetch_pair *pair;
	uint32_t n;
	enum err e = fetch_read_pairs(fr, v, at, &pair, &n);
	if (e != ERR_OK)
		return e;
	struct bytes text = BYTES_LIMIT(0);
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			bytes_add_byte(&text, '&');
		add_form_text(&text, pair[i].name);
		bytes_add_byte(&text, '=');
		add_form_text(&text, pair[i].value);
	}
	e = text.err;
	f->body = arena_copy(fr->a, bytes_slice(&text));
	f->content_type = SLICE_LIT("application/x-www-form-urlencoded");
	bytes_fini(&text);
	return e != ERR_OK ? e : fr->a->err;
}

static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 4648 section 4, strict: padded, no line breaks, no loose bits. */
static bool decode_base64(struct slice in, char *out, size_t *ret_n)
{
	size_t n = 0, pad = 0;
	if (in.n % 4 != 0)
		return false;
	while (pad < 2 && pad < in.n && in.p[in.n - 1 - pad] == '=')
		pad++;
	uint32_t bits = 0;
	for (size_t i = 0; i < in.n - pad; i++) {
		int v = base64_value(in.p[i]);
		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 0)
			out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 0xff);
	}
	*ret_n = n;
	return pad == 0 || (bits & (pad == 1 ? 3 : 15)) == 0;
}

static enum err read_base64(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f)
{
	size_t n = 0;
	char *out = arena_alloc(fr->a, json_string_length(v) + 1);
	if (out == NULL)
		return fr->a->err;
	if (!json_is_string(v) || !decode_base64(text_of(v), out, &n))
		return fields_fail(fr->rd, at, NULL, "body_base64 must be base64 with its padding");
	f->body = (struct slice){out, n};
	return ERR_OK;
}

static bool is_upload_name(struct slice s)
{
	return s.n > 0 && s.n <= 200 && fetch_is_token(s);
}

static enum err read_upload(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f)
{
	f->body_kind = FETCH_BODY_UPLOAD;
	f->upload = text_of(v);
	if (!json_is_string(v) || !is_upload_name(f->upload))
		return fields_fail(fr->rd, at, NULL, "upload must be the name of uploaded bytes");
	return ERR_OK;
}

/* ---- multipart ---- */

struct part_draft {
	const char *name, *upload, *filename, *type;
	const json_t *value;
};

#define PT  struct part_draft
#define OPT FIELD_OPTIONAL
static const struct field part_field[] = {
	F_STRING("name", PT, name, 1, 200, FIELD_REQUIRED, "of the form's field"),
	F_JSON("value", PT, value, OPT, "a string"),
	F_STRING("upload", PT, upload, 1, 200, OPT, "the name of uploaded bytes"),
	F_STRING("filename", PT, filename, 1, 255, OPT, "told to the server"),
	F_STRING("type", PT, type, 1, 200, OPT, "the part's media type"),
};
static const struct field_table part_table = FIELD_TABLE("part", part_field);

static enum err read_part(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  struct fetch_part *ret)
{
	struct part_draft d = {.name = NULL};
	enum err e = fields_read(fr->rd, &part_table, v, at, &d, NULL);
	if (e != ERR_OK)
		return e;
	if ((d.value != NULL) == (d.upload != NULL))
		return fields_fail(fr->rd, at, NULL, "a part has a value or an upload");
	if (d.value != NULL && !json_is_string(d.value))
		return fields_fail(fr->rd, at, "value", "value must be a string");
	if (d.upload != NULL && !is_upload_name(slice_of(d.upload)))
		return fields_fail(fr->rd, at, "upload",
				   "upload must be the name of uploaded bytes");
	*ret = (struct fetch_part){
		.name = slice_of(d.name),
		.value = d.value != NULL ? text_of(d.value) : (struct slice){NULL, 0},
		.upload = slice_of(d.upload),
		.filename = slice_of(d.filename),
		.type = slice_of(d.type),
	};
	if (!fetch_is_field_text(ret->name) || !fetch_is_field_text(ret->filename) ||
	    !fetch_is_field_text(ret->type))
		return fields_fail(fr->rd, at, NULL,
				   "a part must not hold CR, LF, NUL or other controls but in its "
				   "value");
	return ERR_OK;
}

static enum err read_multipart_object(struct fetch_reading *fr, const json_t *v,
				      const struct fields_at *at, struct fetch_spec *f)
{
	const struct fetch_pair *pair;
	uint32_t n;
	enum err e = fetch_read_pairs(fr, v, at, &pair, &n);
	if (e != ERR_OK)
		return e;
	struct fetch_part *part = ARENA_ARRAY(fr->a, n, struct fetch_part);
	if (part == NULL)
		return fr->a->err;
	for (uint32_t i = 0; i < n; i++) {
		part[i] = (struct fetch_part){.name = pair[i].name, .value = pair[i].value};
		if (!fetch_is_field_text(part[i].name))
			return fields_fail(fr->rd, at, NULL, "a name must not hold controls");
	}
	f->part = part;
	f->n_part = n;
	return ERR_OK;
}

static enum err read_multipart(struct fetch_reading *fr, const json_t *v,
			       const struct fields_at *at, struct fetch_spec *f)
{
	size_t n = json_array_size(v);
	f->body_kind = FETCH_BODY_MULTIPART;
	if (json_is_object(v))
		return read_multipart_object(fr, v, at, f);
	if (n == 0 || n > MAX_PARTS)
		return fields_fail(fr->rd, at, NULL,
				   "multipart must be an object or a list of 1 to %d parts",
				   MAX_PARTS);
	struct fetch_part *part = ARENA_ARRAY(fr->a, n, struct fetch_part);
	if (part == NULL)
		return fr->a->err;
	for (size_t i = 0; i < n; i++) {
		const struct fields_at here = {.up = at, .index = i};
		enum err e = read_part(fr, json_array_get(v, i), &here, &part[i]);
		if (e != ERR_OK)
			return e;
	}
	f->part = part;
	f->n_part = (uint32_t)n;
	return ERR_OK;
}

struct body_way {
	const char *name;
	const json_t *v;
	enum err (*read)(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			 struct fetch_spec *f);
};

enum err fetch_read_body(struct fetch_reading *fr, const struct fetch_draft *d,
			 const struct fields_at *at, struct fetch_spec *f)
{
	const struct body_way way[] = {
		{"body", d->body, read_text},
		{"json", d->json, read_json},
		{"form", d->form, read_form},
		{"body_base64", d->body_base64, read_base64},
		{"multipart", d->multipart, read_multipart},
		{"upload", d->upload, read_upload},
	};
	const struct body_way *found = NULL;
	for (size_t i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		if (way[i].v == NULL)
			continue;
		if (found != NULL)
			return fields_fail(fr->rd, at, way[i].name,
					   "a request has one body: \"%s\" and \"%s\" are two",
					   found->name, way[i].name);
		found = &way[i];
	}
	if (found == NULL)
		return ERR_OK;
	const struct fields_at here = {.up = at, .member = found->name};
	if (f->body_kind == FETCH_BODY_NONE && d->method == NULL && slice_is(f->method, "GET"))
		f->method = SLICE_LIT("POST");
	f->body_kind = FETCH_BODY_BYTES;
	f->content_type = (struct slice){NULL, 0};
	return found->read(fr, found->v, &here, f);
}
