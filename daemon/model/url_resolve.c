/*
 * url_resolve -- references against a base, mirrors, and what is told of a URL.
 */
#include "model/url.h"
#include "model/url_host.h"

#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice trimmed(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* RFC 3986 3.1: a letter, then letters, digits, + - . up to the colon. */
static bool has_scheme(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], lower = (char)(c | 0x20);
		if (c == ':')
			return i > 0;
		bool is_alpha = lower >= 'a' && lower <= 'z';
		bool is_other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
		if (!is_alpha && (i == 0 || !is_other))
			return false;
	}
	return false;
}

static void add_ref(struct bytes *b, struct slice ref)
{
	for (size_t i = 0; i < ref.n; i++) {
		if (ref.p[i] == ' ')
			bytes_add_str(b, "%20");
		else
			bytes_add_byte(b, ref.p[i]);
	}
}

/* What of base stands before a reference without a scheme (RFC 3986 5.2.2 and 5.2.3). */
static struct slice prefix_for(const struct url *base, struct slice ref)
{
	struct slice text = url_text(base);
	if (ref.n == 0 || ref.p[0] == '#')
		return text;
	if (ref.n >= 2 && ref.p[0] == '/' && ref.p[1] == '/')
		return (struct slice){text.p, base->is_https ? 6 : 5};
	if (ref.p[0] == '/')
		return url_origin(base);
	size_t n = base->origin_n + base->path_n;
	if (ref.p[0] != '?') {
		while (text.p[n - 1] != '/')
			n--;
	}
	return (struct slice){text.p, n};
}

enum err url_resolve(const struct url *base, struct slice ref, struct url *ret,
		     const char **ret_why)
{
	ref = trimmed(ref);
	struct bytes text = BYTES_LIMIT(URL_MAX + 1);
	if (!has_scheme(ref))
		bytes_add_slice(&text, prefix_for(base, ref));
	add_ref(&text, ref);
	enum err e = text.err;
	if (e == ERR_TOO_LARGE) {
		e = ERR_INVALID;
		if (ret_why != NULL)
			*ret_why = "it is longer than 65536 bytes";
	} else if (e == ERR_OK) {
		e = url_parse(bytes_slice(&text), ret, ret_why);
	}
	bytes_fini(&text);
	return e;
}

enum err url_rebase(const struct url *u, const struct url *base, struct url *ret)
{
	size_t keep = base->origin_n + base->path_n;
	if (base->text[keep - 1] == '/')
		keep--;
	struct slice target = url_target(u);
	if (keep + target.n >= URL_MAX)
		return ERR_INVALID;
	char *text = malloc(keep + target.n + 1 + base->user_n + base->pass_n);
	if (text == NULL)
		return ERR_NOMEM;
	memcpy(text, base->text, keep);
	memcpy(text + keep, target.p, target.n + 1);
	*ret = *base;
	ret->text = text;
	ret->n = (uint32_t)(keep + target.n);
	ret->path_n = (uint32_t)(keep - base->origin_n) + u->path_n;
	ret->user_at = ret->n + 1;
	ret->pass_at = ret->user_at + base->user_n;
	memcpy(text + ret->user_at, base->text + base->user_at, base->user_n);
	memcpy(text + ret->pass_at, base->text + base->pass_at, base->pass_n);
	return ERR_OK;
}

struct slice url_domain(const struct url *u)
{
	struct slice host = url_host(u);
	char name[URL_HOST_MAX + 3];
	if (u->host_kind != URL_HOST_NAME || host.n >= sizeof(name))
		return host;
	memcpy(name, host.p, host.n);
	name[host.n] = '\0';
	const char *domain = psl_registrable_domain(psl_builtin(), name);
	if (domain == NULL)
		return host;
	size_t skip = (size_t)(domain - name);
	return (struct slice){host.p + skip, host.n - skip};
}

enum err url_mask(struct slice as_given, struct bytes *out)
{
	const char *start = memmem(as_given.p, as_given.n, "//", 2);
	size_t from = start != NULL ? (size_t)(start - as_given.p) + 2 : 0;
	size_t end = from;
	while (end < as_given.n && memchr("/?#", as_given.p[end], 3) == NULL)
		end++;
	const char *at = memrchr(as_given.p + from, '@', end - from);
	if (at == NULL)
		return bytes_add_slice(out, as_given);
	size_t at_n = (size_t)(at - as_given.p);
	const char *colon = memchr(as_given.p + from, ':', at_n - from);
	size_t keep = colon != NULL ? (size_t)(colon - as_given.p) + 1 : from;
	bytes_add(out, as_given.p, keep);
	bytes_add_str(out, "***");
	return bytes_add(out, at, as_given.n - at_n);
}

struct slice url_last_segment(const struct url *u)
{
	struct slice path = url_path(u);
	size_t at = path.n;
	while (at > 0 && path.p[at - 1] != '/')
		at--;
	return (struct slice){path.p + at, path.n - at};
}
