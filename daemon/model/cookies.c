#include "model/cookies.h"

#include "model/cookies_state.h"

#include <libpsl.h>
#include <stdlib.h>
#include <string.h>

struct cookies *cookies_new(void)
{
	return calloc(1, sizeof(struct cookies));
}

void cookies_free(struct cookies *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; i < c->n; i++)
		free(c->cookie[i]);
	free(c->cookie);
	free(c);
}

uint32_t cookies_count(const struct cookies *c)
{
	return c->n;
}

/* ---- matching ---- */

/* RFC 6265 5.1.3; an address matches itself alone. */
static bool domain_matches(const struct url *u, struct slice domain)
{
	struct slice host = url_host(u);
	if (slice_eq(host, domain))
		return true;
	if (u->host_kind != URL_HOST_NAME || host.n <= domain.n)
		return false;
	struct slice tail = {host.p + host.n - domain.n, domain.n};
	return slice_eq(tail, domain) && tail.p[-1] == '.';
}

/* 5.1.4 */
static bool path_matches(struct slice path, struct slice of_cookie)
{
	if (path.n < of_cookie.n || memcmp(path.p, of_cookie.p, of_cookie.n) != 0)
		return false;
	return path.n == of_cookie.n || of_cookie.p[of_cookie.n - 1] == '/' ||
	       path.p[of_cookie.n] == '/';
}

static struct slice default_path(const struct url *u)
{
	struct slice path = url_path(u);
	const char *slash = path.n > 0 ? memrchr(path.p, '/', path.n) : NULL;
	if (slash == NULL || slash == path.p)
		return SLICE_LIT("/");
	return (struct slice){path.p, (size_t)(slash - path.p)};
}

static bool is_public_suffix(struct slice domain)
{
	char name[256];
	if (domain.n >= sizeof(name))
		return true;
	memcpy(name, domain.p, domain.n);
	name[domain.n] = '\0';
	return psl_is_public_suffix(psl_builtin(), name) == 1;
}

/* Over TLS, or on this very machine (as curl and browsers have it). */
static bool is_safe_place(const struct url *u)
{
	struct slice host = url_host(u);
	return u->is_https || slice_is(host, "localhost") || slice_is(host, "127.0.0.1") ||
	       slice_is(host, "::1");
}

static bool matches(const struct cookie *k, const struct url *to)
{
	if (k->is_secure && !is_safe_place(to))
		return false;
	if (k->is_host_only ? !slice_eq(k->domain, url_host(to)) : !domain_matches(to, k->domain))
		return false;
	return path_matches(url_path(to), k->path);
}

/* ---- room ---- */

static void drop(struct cookies *c, uint32_t i)
{
	c->n_bytes -= c->cookie[i]->n_bytes;
	free(c->cookie[i]);
	c->cookie[i] = c->cookie[--c->n];
}

void cookies_drop_expired(struct cookies *c, int64_t now_s)
{
	for (uint32_t i = c->n; i-- > 0;)
		if (c->cookie[i]->expires_s <= now_s)
			drop(c, i);
}

/* Of that domain, or of all (p NULL), the one used longest ago. */
static void drop_oldest(struct cookies *c, struct slice domain)
{
	uint32_t found = UINT32_MAX;
	for (uint32_t i = 0; i < c->n; i++) {
		const struct cookie *k = c->cookie[i];
		if (domain.p != NULL && !slice_eq(k->domain, domain))
			continue;
		if (found == UINT32_MAX || k->used < c->cookie[found]->used)
			found = i;
	}
	if (found != UINT32_MAX)
		drop(c, found);
}

static void make_room(struct cookies *c, struct slice domain, size_t n_bytes)
{
	uint32_t n = 0;
	while (c->n_bytes + n_bytes > COOKIES_BYTES)
		drop_oldest(c, (struct slice){NULL, 0});
	for (uint32_t i = 0; i < c->n; i++)
		n += slice_eq(c->cookie[i]->domain, domain);
	if (n >= COOKIES_PER_DOMAIN)
		drop_oldest(c, domain);
	else if (c->n >= COOKIES_MAX)
		drop_oldest(c, (struct slice){NULL, 0});
}

static struct slice put_text(char **at, struct slice s)
{
	struct slice ret = {*at, s.n};
	if (s.n > 0)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return ret;
}

static struct cookie *copy(const struct cookie *k)
{
	size_t n = k->name.n + k->value.n + k->domain.n + k->path.n;
	struct cookie *new = malloc(sizeof(*new) + n + 1);
	if (new == NULL)
		return NULL;
	*new = *k;
	new->n_bytes = n;
	char *at = new->text;
	new->name = put_text(&at, k->name);
	new->value = put_text(&at, k->value);
	new->domain = put_text(&at, k->domain);
	new->path = put_text(&at, k->path);
	return new;
}

/* The same name, domain and path: one cookie (5.3, 11). UINT32_MAX: none. */
static uint32_t find(const struct cookies *c, const struct cookie *like)
{
	for (uint32_t i = 0; i < c->n; i++) {
		const struct cookie *k = c->cookie[i];
		if (slice_eq(k->name, like->name) && slice_eq(k->domain, like->domain) &&
		    slice_eq(k->path, like->path) && k->is_host_only == like->is_host_only)
			return i;
	}
	return UINT32_MAX;
}

enum err cookies_insert(struct cookies *c, const struct cookie *k)
{
	uint32_t old = find(c, k);
	struct cookie *new = copy(k);
	if (new == NULL)
		return ERR_NOMEM;
	new->made = new->used = ++c->turn;
	if (old != UINT32_MAX) {
		new->made = c->cookie[old]->made;
		drop(c, old);
	}
	make_room(c, k->domain, new->n_bytes);
	if (c->n == c->cap) {
		uint32_t cap = c->cap == 0 ? 16 : 2 * c->cap;
		struct cookie **grown = realloc(c->cookie, cap * sizeof(struct cookie *));
		if (grown == NULL) {
			free(new);
			return ERR_NOMEM;
		}
		c->cookie = grown;
		c->cap = cap;
	}
	c->cookie[c->n++] = new;
	c->n_bytes += new->n_bytes;
	return ERR_OK;
}

/* ---- setting ---- */

/* Whose it is; false: it may not be set from there. domain: memory for its normal form. */
static bool settle_domain(struct cookie *k, const struct url *from, struct slice given,
			  struct bytes *domain)
{
	k->domain = url_host(from);
	k->is_host_only = true;
	if (given.n == 0)
		return true;
	if (url_normal_host(given, domain) != ERR_OK)
		return false;
	struct slice d = bytes_slice(domain);
	if (!domain_matches(from, d))
		return false;
	bool is_suffix = is_public_suffix(d), is_same = slice_eq(d, k->domain);
	if (is_suffix && !is_same)
		return false;
	k->is_host_only = is_suffix || from->host_kind != URL_HOST_NAME;
	k->domain = d;
	return true;
}

static bool starts_with(struct slice s, const char *prefix)
{
	size_t n = strlen(prefix);
	return s.n >= n && slice_eq_nocase((struct slice){s.p, n}, slice_of(prefix));
}

/* The prefixes and Secure of the revision (draft-ietf-httpbis-rfc6265bis 5.7). */
static bool may_be_set(const struct cookies *c, const struct cookie *k, const struct url *from,
		       const struct cookie_draft *d)
{
	if (k->is_secure && !is_safe_place(from))
		return false;
	if (starts_with(k->name, "__Secure-") && !k->is_secure)
		return false;
	if (starts_with(k->name, "__Host-") &&
	    (!k->is_secure || d->domain.n > 0 || !slice_is(k->path, "/")))
		return false;
	if (is_safe_place(from))
		return true;
	for (uint32_t i = 0; i < c->n; i++) /* a secure one is not overlaid from a plain place */
		if (c->cookie[i]->is_secure && slice_eq(c->cookie[i]->name, k->name) &&
		    domain_matches(from, c->cookie[i]->domain) &&
		    path_matches(k->path, c->cookie[i]->path))
			return false;
	return true;
}

static int64_t expires_of(const struct cookie_draft *d, int64_t now_s)
{
	if (d->has_max_age)
		return d->max_age_s <= 0		  ? INT64_MIN
		       : d->max_age_s > INT64_MAX - now_s ? INT64_MAX
							  : now_s + d->max_age_s;
	return d->has_expires ? d->expires_s : INT64_MAX;
}

enum err cookies_take(struct cookies *c, const struct url *from, struct slice field,
		      int64_t wall_now_s)
{
	struct cookie_draft d;
	struct bytes domain = BYTES_LIMIT(256);
	if (field.n > COOKIE_BYTES || !cookie_parse(field, &d))
		return ERR_INVALID;
	struct cookie k = {.name = d.name,
			   .value = d.value,
			   .is_secure = d.is_secure,
			   .is_http_only = d.is_http_only};
	k.path = d.path.n > 0 && d.path.p[0] == '/' ? d.path : default_path(from);
	k.expires_s = expires_of(&d, wall_now_s);
	enum err e = ERR_INVALID;
	if (settle_domain(&k, from, d.domain, &domain) && may_be_set(c, &k, from, &d)) {
		cookies_drop_expired(c, wall_now_s);
		if (k.expires_s > wall_now_s) {
			e = cookies_insert(c, &k);
		} else {
			uint32_t old = find(c, &k);
			if (old != UINT32_MAX)
				drop(c, old);
			e = ERR_OK;
		}
	}
	bytes_fini(&domain);
	return e;
}

enum err cookies_put(struct cookies *c, const struct url *host, struct slice name,
		     struct slice value)
{
	struct cookie k = {.name = name,
			   .value = value,
			   .domain = url_host(host),
			   .path = SLICE_LIT("/"),
			   .is_host_only = true,
			   .expires_s = INT64_MAX};
	if (name.n == 0 || name.n + value.n > COOKIE_BYTES)
		return ERR_INVALID;
	return find(c, &k) == UINT32_MAX ? cookies_insert(c, &k) : ERR_OK;
}

/* ---- sending ---- */

/* Longer paths first, among equals the older one (5.4, 2). */
static int by_path(const void *a, const void *b)
{
	const struct cookie *x = *(const struct cookie *const *)a;
	const struct cookie *y = *(const struct cookie *const *)b;
	if (x->path.n != y->path.n)
		return x->path.n > y->path.n ? -1 : 1;
	return x->made < y->made ? -1 : 1;
}

enum err cookies_add(struct cookies *c, const struct url *to, int64_t wall_now_s, struct bytes *out)
{
	uint32_t n = 0;
	cookies_drop_expired(c, wall_now_s);
	struct cookie **go = c->n > 0 ? malloc(c->n * sizeof(struct cookie *)) : NULL;
	if (c->n > 0 && go == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < c->n; i++)
		if (matches(c->cookie[i], to))
			go[n++] = c->cookie[i];
	if (n > 1)
		qsort(go, n, sizeof(struct cookie *), by_path);
	for (uint32_t i = 0; i < n; i++) {
		go[i]->used = ++c->turn;
		bytes_add_str(out, i > 0 ? "; " : "");
		bytes_add_slice(out, go[i]->name);
		bytes_add_byte(out, '=');
		bytes_add_slice(out, go[i]->value);
	}
	free(go);
	return out->err;
}
