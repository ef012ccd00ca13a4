#include "model/url.h"

#include "model/url_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A URL cut into its parts, still as given. */
struct cut {
	bool is_https;
	bool has_user;
	struct slice user, pass, host, port, path, query; /* query with its '?' */
};

static enum err refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return ERR_INVALID;
}

/* What must be encoded in a path or query beyond controls and bytes above 0x7f (RFC 3986 2). */
static const unsigned char is_encoded[128] = {
	['"'] = 1, ['<'] = 1, ['>'] = 1, ['\\'] = 1, ['^'] = 1,
	['`'] = 1, ['{'] = 1, ['|'] = 1, ['}'] = 1,
};

static inline bool must_encode(unsigned char c)
{
	return c >= 0x80 || is_encoded[c];
}

static enum err check_bytes(struct slice in, const char **ret_why)
{
	if (in.n == 0)
		return refuse(ret_why, "it is empty");
	if (in.n > URL_MAX)
		return refuse(ret_why, "it is longer than 65536 bytes");
	for (size_t i = 0; i < in.n; i++) {
		unsigned char c = (unsigned char)in.p[i];
		if (c == ' ')
			return refuse(ret_why, "it holds a space (write %20)");
		if (c < ' ' || c == 0x7f)
			return refuse(ret_why, "it holds a control character");
	}
	return ERR_OK;
}

static bool has_prefix_nocase(struct slice s, const char *prefix, size_t n)
{
	return s.n >= n && slice_eq_nocase((struct slice){s.p, n}, (struct slice){prefix, n});
}

static enum err cut_scheme(struct slice *in, struct cut *c, const char **ret_why)
{
	size_t skip;
	if (has_prefix_nocase(*in, "https://", 8)) {
		c->is_https = true;
		skip = 8;
	} else if (has_prefix_nocase(*in, "http://", 7)) {
		skip = 7;
	} else if (memmem(in->p, in->n, "://", 3) == NULL) {
		return refuse(ret_why, "it does not begin with http:// or https://");
	} else {
		return refuse(ret_why, "its scheme is neither http nor https");
	}
	*in = (struct slice){in->p + skip, in->n - skip};
	return ERR_OK;
}

static enum err cut_user(struct slice *authority, struct cut *c, const char **ret_why)
{
	const char *at = memrchr(authority->p, '@', authority->n);
	if (at == NULL)
		return ERR_OK;
	size_t n = (size_t)(at - authority->p);
	struct slice info = {authority->p, n};
	if (memchr(info.p, '@', n) != NULL)
		return refuse(ret_why, "it holds more than one @ before its path (write %40)");
	const char *colon = memchr(info.p, ':', n);
	size_t user_n = colon != NULL ? (size_t)(colon - info.p) : n;
	c->has_user = true;
	c->user = (struct slice){info.p, user_n};
	if (colon != NULL)
		c->pass = (struct slice){colon + 1, n - user_n - 1};
	*authority = (struct slice){at + 1, authority->n - n - 1};
	return ERR_OK;
}

static enum err cut_host(struct slice authority, struct cut *c, const char **ret_why)
{
	if (memchr(authority.p, '\\', authority.n) != NULL)
		return refuse(ret_why, "it holds a backslash before its path");
	enum err e = cut_user(&authority, c, ret_why);
	if (e != ERR_OK)
		return e;
	size_t host_n;
	if (authority.n > 0 && authority.p[0] == '[') {
		const char *end = memchr(authority.p, ']', authority.n);
		if (end == NULL)
			return refuse(ret_why, "the bracket before the IPv6 address is not closed");
		host_n = (size_t)(end - authority.p) + 1;
		if (host_n < authority.n && authority.p[host_n] != ':')
			return refuse(ret_why, "something follows the IPv6 address");
	} else {
		const char *colon = memchr(authority.p, ':', authority.n);
		host_n = colon != NULL ? (size_t)(colon - authority.p) : authority.n;
	}
	c->host = (struct slice){authority.p, host_n};
	if (host_n < authority.n)
		c->port = (struct slice){authority.p + host_n + 1, authority.n - host_n - 1};
	return ERR_OK;
}

static enum err cut_url(struct slice in, struct cut *c, const char **ret_why)
{
	enum err e = check_bytes(in, ret_why);
	if (e == ERR_OK)
		e = cut_scheme(&in, c, ret_why);
	if (e != ERR_OK)
		return e;
	const char *fragment = memchr(in.p, '#', in.n);
	if (fragment != NULL)
		in.n = (size_t)(fragment - in.p);
	size_t n = 0;
	while (n < in.n && in.p[n] != '/' && in.p[n] != '?')
		n++;
	struct slice rest = {in.p + n, in.n - n};
	const char *query = memchr(rest.p, '?', rest.n);
	c->path.p = rest.p;
	c->path.n = query != NULL ? (size_t)(query - rest.p) : rest.n;
	if (query != NULL)
		c->query = (struct slice){query, rest.n - c->path.n};
	return cut_host((struct slice){in.p, n}, c, ret_why);
}

static enum err read_port(const struct cut *c, uint16_t *ret, const char **ret_why)
{
	uint32_t port = 0;
	for (size_t i = 0; i < c->port.n; i++) {
		char d = c->port.p[i];
		if (d < '0' || d > '9' || (port = port * 10 + (uint32_t)(d - '0')) > 65535)
			return refuse(ret_why, "the port is not a number from 1 to 65535");
	}
	if (c->port.n > 0 && port == 0)
		return refuse(ret_why, "the port is not a number from 1 to 65535");
	*ret = port != 0 ? (uint16_t)port : c->is_https ? 443 : 80;
	return ERR_OK;
}

static size_t encoded_size(struct slice s)
{
	size_t n = s.n;
	for (size_t i = 0; i < s.n; i++)
		n += must_encode((unsigned char)s.p[i]) ? 2 : 0;
	return n;
}

static char *encode(char *out, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!must_encode(c)) {
			*out++ = (char)c;
			continue;
		}
		*out++ = '%';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	return out;
}

/* Bytes of "." or "%2e" at s; 0 if neither. */
static size_t dot_at(const char *s, const char *end)
{
	if (s < end && *s == '.')
		return 1;
	return end - s >= 3 && s[0] == '%' && s[1] == '2' && (s[2] | 0x20) == 'e' ? 3 : 0;
}

/* 0: a segment like any other, 1: ".", 2: "..". */
static int dots_of_segment(const char *s, const char *end)
{
	size_t first = dot_at(s, end);
	if (first == 0)
		return 0;
	if (s + first == end)
		return 1;
	size_t second = dot_at(s + first, end);
	return second != 0 && s + first + second == end ? 2 : 0;
}

/* RFC 3986 5.2.4, in place, for a path that begins with '/'. Returns its new size. */
static size_t remove_dots(char *path, size_t n)
{
	const char *end = path + n;
	size_t out = 0;
	for (const char *in = path; in < end;) {
		const char *next = memchr(in + 1, '/', (size_t)(end - in - 1));
		const char *stop = next != NULL ? next : end;
		int dots = dots_of_segment(in + 1, stop);
		if (dots == 2) {
			while (out > 0 && path[--out] != '/')
				;
		}
		if (dots == 0) {
			memmove(path + out, in, (size_t)(stop - in));
			out += (size_t)(stop - in);
		} else if (next == NULL) {
			path[out++] = '/';
		}
		in = stop;
	}
	return out;
}

static bool may_have_dots(const char *path, size_t n)
{
	return memmem(path, n, "/.", 2) != NULL || memmem(path, n, "/%2", 3) != NULL;
}

/* Writes origin and target into u->text, which is large enough. */
static void write_text(struct url *u, const struct cut *c, const struct url_host_out *h)
{
	bool is_default = u->port == (u->is_https ? 443 : 80);
	char *p = u->text;
	size_t scheme_n = u->is_https ? 8 : 7;
	memcpy(p, u->is_https ? "https://" : "http://", scheme_n);
	p += scheme_n;
	if (h->kind == URL_HOST_V6)
		*p++ = '[';
	u->host_at = (uint16_t)(p - u->text);
	u->host_n = (uint16_t)h->n;
	memcpy(p, h->text, h->n);
	p += h->n;
	if (h->kind == URL_HOST_V6)
		*p++ = ']';
	if (!is_default)
		p += sprintf(p, ":%u", (unsigned)u->port);
	u->origin_n = (uint16_t)(p - u->text);
	char *path = p;
	if (c->path.n == 0)
		*p++ = '/';
	p = encode(p, c->path);
	if (may_have_dots(path, (size_t)(p - path)))
		p = path + remove_dots(path, (size_t)(p - path));
	u->path_n = (uint32_t)(p - path);
	p = encode(p, c->query);
	*p = '\0';
	u->n = (uint32_t)(p - u->text);
}

/* Percent-decodes behind text; false: a broken escape or a control byte. */
static bool write_secret(struct url *u, size_t *at, struct slice given, uint32_t *ret_at,
			 uint32_t *ret_n)
{
	size_t n = url_percent_decode(given, u->text + *at);
	if (n == SIZE_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)u->text[*at + i];
		if (c < ' ' || c == 0x7f)
			return false;
	}
	*ret_at = (uint32_t)*at;
	*ret_n = (uint32_t)n;
	*at += n;
	return true;
}

static enum err parse(struct slice in, struct url *ret, const char **ret_why)
{
	struct cut c = {0};
	struct url_host_out h;
	struct url u = {0};
	enum err e = cut_url(in, &c, ret_why);
	if (e == ERR_OK)
		e = read_port(&c, &u.port, ret_why);
	if (e == ERR_OK)
		e = url_host_normal(c.host, &h, ret_why);
	if (e != ERR_OK)
		return e;
	size_t size = 8 + h.n + 2 + 6 + 1 + encoded_size(c.path) + encoded_size(c.query) + 1;
	if (size > URL_MAX)
		return refuse(ret_why, "it is longer than 65536 bytes");
	u.text = malloc(size + c.user.n + c.pass.n);
	if (u.text == NULL)
		return ERR_NOMEM;
	u.is_https = c.is_https;
	u.has_user = c.has_user;
	u.host_kind = h.kind;
	if (h.kind != URL_HOST_NAME)
		memcpy(u.addr, h.addr, h.kind == URL_HOST_V4 ? 4 : 16);
	write_text(&u, &c, &h);
	size_t at = u.n + 1;
	if (!write_secret(&u, &at, c.user, &u.user_at, &u.user_n) ||
	    !write_secret(&u, &at, c.pass, &u.pass_at, &u.pass_n)) {
		free(u.text);
		return refuse(ret_why, "its user or password holds a broken or control character");
	}
	*ret = u;
	return ERR_OK;
}

enum err url_parse(struct slice in, struct url *ret, const char **ret_why)
{
	const char *ignored;
	return parse(in, ret, ret_why != NULL ? ret_why : &ignored);
}

enum err url_copy(const struct url *u, struct url *ret)
{
	size_t n = u->n + 1 + u->user_n + u->pass_n;
	char *text = malloc(n);
	if (text == NULL)
		return ERR_NOMEM;
	memcpy(text, u->text, n);
	*ret = *u;
	ret->text = text;
	return ERR_OK;
}

void url_fini(struct url *u)
{
	free(u->text);
	*u = (struct url){0};
}
