/*
 * fetch_fields -- members of the fetch object that are trees: headers, pairs, auth, mirrors,
 * resolve, and the proxy.
 */
#include "job/fetch_read.h"

#include "model/url.h"

#include <arpa/inet.h>
#include <string.h>

#define MAX_PAIRS   1000
#define MAX_MIRRORS 16
#define MAX_RESOLVE 64

static struct slice text_of(const json_t *v)
{
	return (struct slice){json_string_value(v), json_string_length(v)};
}

bool fetch_is_token(struct slice s)
{
	static const char other[] = "!#$%&'*+-.^_`|~";
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    (c == '\0' || strchr(other, c) == NULL))
			return false;
	}
	return s.n > 0;
}

bool fetch_is_field_text(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

void fetch_clean_text(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static bool wants_no_text(const struct field_table *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->field[i].name, name) == 0)
			return t->field[i].type == FIELD_INT || t->field[i].type == FIELD_BOOL ||
			       t->field[i].type == FIELD_NUMBER;
	return false;
}

json_t *fetch_retype(const struct field_table *t, const char *name, json_t *v)
{
	if (!json_is_string(v) || json_string_length(v) > 32 || !wants_no_text(t, name))
		return v;
	json_t *read =
		json_loadb(json_string_value(v), json_string_length(v), JSON_DECODE_ANY, NULL);
	if (!json_is_number(read) && !json_is_boolean(read)) {
		json_decref(read);
		return v;
	}
	json_decref(v);
	return read;
}

/* ---- names and values, as an object or as pairs ---- */

/* One name and value wherever it stood; at: of the value. */
typedef enum err (*on_pair)(struct fetch_reading *fr, void *ctx, struct slice name,
			    const json_t *value, const struct fields_at *at);

static enum err each_value(struct fetch_reading *fr, void *ctx, struct slice name, const json_t *v,
			   const struct fields_at *at, on_pair visit)
{
	if (!json_is_array(v))
		return visit(fr, ctx, name, v, at);
	for (size_t i = 0; i < json_array_size(v); i++) {
		const struct fields_at here = {.up = at, .index = i};
		enum err e = visit(fr, ctx, name, json_array_get(v, i), &here);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err each_list_pair(struct fetch_reading *fr, const json_t *v,
			       const struct fields_at *at, on_pair visit, void *ctx)
{
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *pair = json_array_get(v, i);
		const struct fields_at here = {.up = at, .index = i};
		const struct fields_at value_at = {.up = &here, .index = 1};
		if (json_array_size(pair) != 2 || !json_is_string(json_array_get(pair, 0)))
			return fields_fail(fr->rd, &here, NULL, "a pair is [\"name\", value]");
		enum err e = visit(fr, ctx, text_of(json_array_get(pair, 0)),
				   json_array_get(pair, 1), &value_at);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err each_pair(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  on_pair visit, void *ctx)
{
	json_t *object = (json_t *)(uintptr_t)v;
	if (json_is_array(v))
		return each_list_pair(fr, v, at, visit, ctx);
	if (!json_is_object(v))
		return fields_fail(fr->rd, at, NULL,
				   "%s must be an object or a list of [\"name\", value]",
				   at->member != NULL ? at->member : "this");
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		const struct fields_at here = {.up = at, .member = json_object_iter_key(it)};
		struct slice name = {json_object_iter_key(it), json_object_iter_key_len(it)};
		enum err e = each_value(fr, ctx, name, json_object_iter_value(it), &here, visit);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

struct pairs {
	struct fetch_pair *pair;
	uint32_t n, cap;
};

static enum err count_pair(struct fetch_reading *fr, void *ctx, struct slice name,
			   const json_t *value, const struct fields_at *at)
{
	struct pairs *p = ctx;
	(void)name;
	(void)value;
	if (p->cap++ == MAX_PAIRS)
		return fields_fail(fr->rd, at, NULL, "more than %d names and values", MAX_PAIRS);
	return ERR_OK;
}

static enum err add_pair(struct fetch_reading *fr, void *ctx, struct slice name,
			 const json_t *value, const struct fields_at *at)
{
	struct pairs *p = ctx;
	struct slice text;
	if (json_is_string(value)) {
		text = text_of(value);
	} else if (json_is_number(value) || json_is_boolean(value)) {
		enum err e = fetch_dump(fr, value, &text);
		if (e != ERR_OK)
			return e;
	} else {
		return fields_fail(fr->rd, at, NULL,
				   "\"%.60s\" must be a string, a number, true or false", name.p);
	}
	p->pair[p->n++] = (struct fetch_pair){name, text};
	return ERR_OK;
}

enum err fetch_read_pairs(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  const struct fetch_pair **ret, uint32_t *ret_n)
{
	struct pairs p = {.n = 0};
	enum err e = each_pair(fr, v, at, count_pair, &p);
	if (e != ERR_OK)
		return e;
	p.pair = ARENA_ARRAY(fr->a, p.cap, struct fetch_pair);
	if (p.pair == NULL)
		return fr->a->err;
	e = each_pair(fr, v, at, add_pair, &p);
	*ret = p.pair;
	*ret_n = p.n;
	return e;
}

/* ---- headers ---- */

struct headers {
	struct fetch_header *header;
	uint32_t n;
};

static enum err check_header_name(struct fetch_reading *fr, struct slice name,
				  const struct fields_at *at)
{
	static const char *const made[] = {"Host", "Content-Length", "Transfer-Encoding",
					   "Connection"};
	if (!fetch_is_token(name))
		return fields_fail(fr->rd, at, NULL, "\"%.60s\" is no name of a header", name.p);
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (slice_eq_nocase(name, slice_of(made[i])))
			return fields_fail(fr->rd, at, NULL,
					   "%s is made from the request and cannot be set",
					   made[i]);
	return ERR_OK;
}

static enum err add_header(struct fetch_reading *fr, void *ctx, struct slice name,
			   const json_t *value, const struct fields_at *at)
{
	struct headers *h = ctx;
	enum err e = check_header_name(fr, name, at);
	if (e != ERR_OK)
		return e;
	struct slice text = {NULL, 0};
	if (json_is_string(value))
		text = text_of(value);
	else if (!json_is_null(value))
		return fields_fail(fr->rd, at, NULL, "header %.60s must be a string or null",
				   name.p);
	if (!fetch_is_field_text(text))
		return fields_fail(fr->rd, at, NULL,
				   "header %.60s must not hold CR, LF, NUL or other controls",
				   name.p);
	h->header[h->n++] = (struct fetch_header){name, text};
	return ERR_OK;
}

static bool is_named(const struct headers *h, uint32_t n, struct slice name)
{
	for (uint32_t i = 0; i < n; i++)
		if (slice_eq_nocase(h->header[i].name, name))
			return true;
	return false;
}

/* What this task says comes first; of the defaults follows what it does not name. */
enum err fetch_read_headers(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f)
{
	struct pairs count = {.n = 0};
	struct headers h = {.n = 0};
	enum err e = each_pair(fr, v, at, count_pair, &count);
	if (e != ERR_OK)
		return e;
	h.header = ARENA_ARRAY(fr->a, count.cap + f->n_header, struct fetch_header);
	if (h.header == NULL)
		return fr->a->err;
	e = each_pair(fr, v, at, add_header, &h);
	uint32_t n_own = h.n;
	for (uint32_t i = 0; i < f->n_header; i++)
		if (!is_named(&h, n_own, f->header[i].name))
			h.header[h.n++] = f->header[i];
	f->header = h.header;
	f->n_header = h.n;
	return e;
}

/* ---- auth ---- */

static enum err read_user(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  struct fetch_spec *f)
{
	const json_t *user = json_array_get(v, 0), *secret = json_array_get(v, 1);
	if (json_array_size(v) != 2 || !json_is_string(user) || !json_is_string(secret))
		return fields_fail(fr->rd, at, NULL, "%s must be [\"user\", \"password\"]",
				   at->member);
	f->user = text_of(user);
	f->secret = text_of(secret);
	if (memchr(f->user.p, ':', f->user.n) != NULL)
		return fields_fail(fr->rd, at, NULL, "a user's name must not hold a colon");
	return ERR_OK;
}

static enum err read_token(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			   struct fetch_spec *f)
{
	f->user = (struct slice){NULL, 0};
	f->secret = json_is_string(v) ? text_of(v) : (struct slice){NULL, 0};
	if (f->secret.n == 0)
		return fields_fail(fr->rd, at, NULL, "bearer must be a token");
	return ERR_OK;
}

static const struct {
	const char *name;
	enum fetch_auth auth;
	enum err (*read)(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			 struct fetch_spec *f);
} auth_row[] = {
	{"basic", FETCH_AUTH_BASIC, read_user},
	{"digest", FETCH_AUTH_DIGEST, read_user},
	{"bearer", FETCH_AUTH_BEARER, read_token},
};

enum err fetch_read_auth(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			 struct fetch_spec *f)
{
	for (size_t i = 0; i < sizeof(auth_row) / sizeof(auth_row[0]); i++) {
		const json_t *value = json_object_get(v, auth_row[i].name);
		const struct fields_at here = {.up = at, .member = auth_row[i].name};
		if (value == NULL || json_object_size(v) != 1)
			continue;
		enum err e = auth_row[i].read(fr, value, &here, f);
		if (e != ERR_OK)
			return e;
		f->auth = auth_row[i].auth;
		if (!fetch_is_field_text(f->user) || !fetch_is_field_text(f->secret))
			return fields_fail(fr->rd, &here, NULL,
					   "auth must not hold CR, LF, NUL or other controls");
		return ERR_OK;
	}
	return fields_fail(fr->rd, at, NULL, "auth must have one member: basic, digest or bearer");
}

/* ---- where to ---- */

enum err fetch_read_mirrors(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f)
{
	size_t n = json_array_size(v);
	if (!json_is_array(v) || n > MAX_MIRRORS)
		return fields_fail(fr->rd, at, NULL, "mirrors must be a list of at most %d URLs",
				   MAX_MIRRORS);
	struct slice *mirror = ARENA_ARRAY(fr->a, n, struct slice);
	if (mirror == NULL)
		return fr->a->err;
	for (size_t i = 0; i < n; i++) {
		const json_t *base = json_array_get(v, i);
		const struct fields_at here = {.up = at, .index = i};
		if (!json_is_string(base))
			return fields_fail(fr->rd, &here, NULL, "a mirror must be a URL");
		mirror[i] = text_of(base);
		enum err e = fetch_read_url(fr, &here, mirror[i]);
		if (e != ERR_OK)
			return e;
	}
	f->mirror = mirror;
	f->n_mirror = (uint32_t)n;
	return ERR_OK;
}

static struct slice strip_brackets(struct slice s)
{
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		return (struct slice){s.p + 1, s.n - 2};
	return s;
}

static bool is_address(struct slice s)
{
	char text[64];
	unsigned char addr[16];
	if (s.n >= sizeof(text))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return strlen(text) == s.n &&
	       (inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1);
}

static enum err read_resolve_row(struct fetch_reading *fr, struct slice key, const json_t *v,
				 const struct fields_at *at, struct fetch_resolve *ret)
{
	const char *colon = memrchr(key.p, ':', key.n);
	uint64_t port = 0;
	if (colon != NULL)
		units_u64((struct slice){colon + 1, key.n - (size_t)(colon - key.p) - 1}, &port);
	if (colon == NULL || colon == key.p || port == 0 || port > 65535)
		return fields_fail(fr->rd, at, NULL, "\"%.60s\" must be \"host:port\"", key.p);
	ret->host = strip_brackets((struct slice){key.p, (size_t)(colon - key.p)});
	ret->port = (uint16_t)port;
	ret->addr = json_is_string(v) ? strip_brackets(text_of(v)) : (struct slice){"", 0};
	if (!is_address(ret->addr))
		return fields_fail(fr->rd, at, NULL,
				   "the address of \"%.60s\" must be IPv4 or IPv6", key.p);
	return ERR_OK;
}

enum err fetch_read_resolve(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f)
{
	json_t *object = (json_t *)(uintptr_t)v;
	size_t n = json_object_size(v), i = 0;
	if (!json_is_object(v) || n > MAX_RESOLVE)
		return fields_fail(fr->rd, at, NULL,
				   "resolve must be an object of at most %d \"host:port\"",
				   MAX_RESOLVE);
	struct fetch_resolve *row = ARENA_ARRAY(fr->a, n, struct fetch_resolve);
	if (row == NULL)
		return fr->a->err;
	for (void *it = json_object_iter(object); it != NULL;
	     it = json_object_iter_next(object, it)) {
		struct slice key = {json_object_iter_key(it), json_object_iter_key_len(it)};
		const struct fields_at here = {.up = at, .member = key.p};
		enum err e = read_resolve_row(fr, key, json_object_iter_value(it), &here, &row[i]);
		if (e != ERR_OK)
			return e;
		i++;
	}
	f->resolve = row;
	f->n_resolve = (uint32_t)n;
	return ERR_OK;
}

enum err fetch_read_proxy(struct fetch_reading *fr, const char *text, const struct fields_at *at,
			  struct fetch_spec *f)
{
	static const char *const scheme[] = {"http://", "socks5://", "socks5h://"};
	if (text == NULL)
		return ERR_OK;
	f->has_proxy = true;
	f->proxy = slice_of(text);
	if (text[0] == '\0')
		return ERR_OK;
	for (size_t i = 0; i < sizeof(scheme) / sizeof(scheme[0]); i++) {
		size_t n = strlen(scheme[i]);
		if (strncasecmp(text, scheme[i], n) == 0 && text[n] != '\0' &&
		    fetch_is_field_text(f->proxy) && strchr(text, ' ') == NULL)
			return ERR_OK;
	}
	return fields_fail(fr->rd, at, NULL,
			   "proxy must be an http://, socks5:// or socks5h:// URL, or empty");
}
