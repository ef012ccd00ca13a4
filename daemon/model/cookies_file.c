/*
 * cookies_file -- the lines of cookie files in Netscape's form. See cookies.h.
 */
#include "model/cookies_state.h"
#include "proto/result.h"

#include <string.h>

#define HTTP_ONLY "#HttpOnly_"

enum { DOMAIN, BELOW, PATH, SECURE, EXPIRES, NAME, VALUE, COLUMNS };

static bool split(struct slice line, struct slice col[COLUMNS])
{
	int n = 0;
	while (n < COLUMNS) {
		const char *tab = n == VALUE || line.n == 0 ? NULL : memchr(line.p, '\t', line.n);
		col[n] = (struct slice){line.p, tab != NULL ? (size_t)(tab - line.p) : line.n};
		n++;
		if (tab == NULL)
			break;
		line = (struct slice){tab + 1, line.n - col[n - 1].n - 1};
	}
	if (n == VALUE) /* an empty value may be left away */
		col[n++] = (struct slice){"", 0};
	return n == COLUMNS;
}

static bool read_bool(struct slice s, bool *ret)
{
	*ret = slice_eq_nocase(s, SLICE_LIT("TRUE"));
	return *ret || slice_eq_nocase(s, SLICE_LIT("FALSE"));
}

static bool read_expiry(struct slice s, int64_t *ret)
{
	int64_t v = 0;
	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (v < INT64_MAX / 100)
			v = v * 10 + (s.p[i] - '0');
	}
	*ret = v == 0 ? INT64_MAX : v;
	return true;
}

static bool has_control(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	return false;
}

/* The prefixes say what the line must, too. */
static bool keeps_prefix(const struct cookie *k)
{
	static const struct slice secure = {"__Secure-", 9}, host = {"__Host-", 7};
	struct slice name = k->name;
	if (name.n >= secure.n && slice_eq_nocase((struct slice){name.p, secure.n}, secure))
		return k->is_secure;
	if (name.n >= host.n && slice_eq_nocase((struct slice){name.p, host.n}, host))
		return k->is_secure && k->is_host_only && slice_is(k->path, "/");
	return true;
}

static bool parse(struct slice line, struct cookie *k)
{
	struct slice col[COLUMNS], mark = SLICE_LIT(HTTP_ONLY);
	bool is_below;
	k->is_http_only = line.n > mark.n && memcmp(line.p, mark.p, mark.n) == 0;
	if (k->is_http_only)
		line = (struct slice){line.p + mark.n, line.n - mark.n};
	if (line.n == 0 || line.p[0] == '#' || !split(line, col) ||
	    !read_bool(col[BELOW], &is_below) || !read_bool(col[SECURE], &k->is_secure) ||
	    !read_expiry(col[EXPIRES], &k->expires_s))
		return false;
	k->is_host_only = !is_below;
	k->domain = col[DOMAIN];
	if (k->domain.n > 0 && k->domain.p[0] == '.')
		k->domain = (struct slice){k->domain.p + 1, k->domain.n - 1};
	k->path = col[PATH];
	k->name = col[NAME];
	k->value = col[VALUE];
	return k->domain.n > 0 && k->name.n > 0 && k->path.n > 0 && k->path.p[0] == '/';
}

/* What could not have been set either. */
static bool may_be_loaded(struct slice line, const struct cookie *k)
{
	return line.n <= COOKIE_BYTES + 512 && !has_control(line) &&
	       memchr(k->name.p, ';', k->name.n) == NULL &&
	       (k->value.n == 0 || memchr(k->value.p, ';', k->value.n) == NULL) && keeps_prefix(k);
}

bool cookies_is_line(struct slice line)
{
	struct cookie k;
	return parse(line, &k);
}

enum err cookies_load(struct cookies *c, struct slice line, int64_t wall_now_s)
{
	struct cookie k = {.made = 0};
	struct bytes host = BYTES_LIMIT(256);
	if (!parse(line, &k) || !may_be_loaded(line, &k))
		return ERR_INVALID;
	enum err e = url_normal_host(k.domain, &host);
	k.domain = bytes_slice(&host);
	if (e == ERR_OK && k.expires_s > wall_now_s)
		e = cookies_insert(c, &k);
	bytes_fini(&host);
	return e;
}

enum err cookies_save(struct cookies *c, int64_t wall_now_s, struct bytes *out)
{
	struct bytes line = BYTES_LIMIT(COOKIE_BYTES + 1024);
	cookies_drop_expired(c, wall_now_s);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct cookie *k = c->cookie[i];
		int64_t expires = k->expires_s == INT64_MAX ? 0 : k->expires_s;
		bytes_clear(&line);
		bytes_add_str(&line, k->is_http_only ? HTTP_ONLY : "");
		bytes_add_str(&line, k->is_host_only ? "" : ".");
		bytes_add_slice(&line, k->domain);
		bytes_add_str(&line, k->is_host_only ? "\tFALSE\t" : "\tTRUE\t");
		bytes_add_slice(&line, k->path);
		bytes_printf(&line, "\t%s\t%lld\t", k->is_secure ? "TRUE" : "FALSE",
			     (long long)expires);
		bytes_add_slice(&line, k->name);
		bytes_add_byte(&line, '\t');
		bytes_add_slice(&line, k->value);
		if (i > 0)
			bytes_add_byte(out, ',');
		result_add_string(out, bytes_slice(&line));
	}
	bytes_fini(&line);
	return out->err;
}
