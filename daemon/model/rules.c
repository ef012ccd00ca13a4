#include "model/rules.h"

#include "base/check.h"
#include "model/glob.h"
#include "model/rules_internal.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void limits_init(struct limits *l)
{
	*l = (struct limits){
		.burst = 1,
		.cost = 1,
		.max_wait_ns = 3600LL * 1000000000LL,
		.max_retry_after_ns = 3600LL * 1000000000LL,
	};
}

struct rules *rules_none(void)
{
	struct rules *r = calloc(1, sizeof(*r));
	if (r != NULL)
		r->refs = 1;
	return r;
}

struct rules *rules_ref(struct rules *r)
{
	r->refs++;
	return r;
}

void rules_unref(struct rules *r)
{
	if (r == NULL || --r->refs > 0)
		return;
	for (uint32_t i = 0; i < r->n_lower; i++)
		free(r->lower[i]);
	free(r->lower);
	free(r->rule);
	json_decref(r->keep);
	free(r);
}

uint32_t rules_count(const struct rules *r)
{
	return r->n;
}

const struct rule *rules_at(const struct rules *r, uint32_t i)
{
	CHECK(i < r->n);
	return &r->rule[i];
}

uint32_t rules_headers(const struct rules *r)
{
	return r->n_header;
}

struct slice rules_header(const struct rules *r, uint32_t i)
{
	CHECK(i < r->n_header);
	return r->header[i];
}

bool rules_is_glob(struct slice s)
{
	return memchr(s.p, '*', s.n) != NULL || memchr(s.p, '?', s.n) != NULL;
}

bool rules_host_matches(struct slice glob, struct slice host)
{
	if (glob.n == 0)
		return true;
	if (!rules_is_glob(glob))
		return slice_eq(glob, host);
	if (glob.n > 2 && glob.p[0] == '*' && glob.p[1] == '.' &&
	    slice_eq((struct slice){glob.p + 2, glob.n - 2}, host))
		return true;
	return glob_match(glob, host, false);
}

/* ---- rank ---- */

static int host_class(const struct rule *r)
{
	return r->host.n == 0 ? 0 : rules_is_glob(r->host) ? 1 : 2;
}

static int compare(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

int rules_rank(const struct rule *a, const struct rule *b)
{
	int c = compare(host_class(a), host_class(b));
	if (c == 0 && host_class(a) == 1)
		c = compare((int64_t)a->host.n, (int64_t)b->host.n);
	if (c == 0)
		c = compare((int64_t)a->path.n, (int64_t)b->path.n);
	if (c == 0)
		c = compare(a->method.n != 0, b->method.n != 0);
	if (c == 0)
		c = compare(a->uid >= 0, b->uid >= 0);
	if (c == 0)
		c = compare(a->port != 0, b->port != 0);
	return c != 0 ? c : compare(a->n_header, b->n_header);
}

/* Bytes before the first wildcard (or all). */
static size_t fixed_head(struct slice s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] != '*' && s.p[n] != '?')
		n++;
	return n;
}

static size_t fixed_tail(struct slice s)
{
	size_t n = 0;
	while (n < s.n && s.p[s.n - n - 1] != '*' && s.p[s.n - n - 1] != '?')
		n++;
	return n;
}

static bool globs_may_meet(struct slice a, struct slice b)
{
	if (a.n == 0 || b.n == 0)
		return true;
	if (!rules_is_glob(a) || !rules_is_glob(b))
		return rules_is_glob(a)	  ? glob_match(a, b, false)
		       : rules_is_glob(b) ? glob_match(b, a, false)
					  : slice_eq(a, b);
	size_t head = fixed_head(a) < fixed_head(b) ? fixed_head(a) : fixed_head(b);
	size_t tail = fixed_tail(a) < fixed_tail(b) ? fixed_tail(a) : fixed_tail(b);
	return memcmp(a.p, b.p, head) == 0 && memcmp(a.p + a.n - tail, b.p + b.n - tail, tail) == 0;
}

bool rules_may_meet(const struct rule *a, const struct rule *b)
{
	if (a->method.n != 0 && b->method.n != 0 && !slice_eq(a->method, b->method))
		return false;
	if (a->port != 0 && b->port != 0 && a->port != b->port)
		return false;
	if (a->uid >= 0 && b->uid >= 0 && a->uid != b->uid)
		return false;
	for (uint32_t i = 0; i < a->n_header; i++) {
		for (uint32_t k = 0; k < b->n_header; k++) {
			if (slice_eq(a->header[i].name, b->header[k].name) &&
			    !globs_may_meet(a->header[i].pattern, b->header[k].pattern))
				return false;
		}
	}
	return globs_may_meet(a->host, b->host) && globs_may_meet(a->path, b->path);
}

/* ---- matching ---- */

static bool place_matches(const struct rule *r, struct slice host, uint16_t port)
{
	return (r->port == 0 || r->port == port) && rules_host_matches(r->host, host);
}

static struct slice header_of(const struct rules *r, const struct rules_query *q, struct slice name)
{
	for (uint32_t i = 0; i < r->n_header; i++) {
		if (slice_eq_nocase(r->header[i], name))
			return q->header[i];
	}
	return (struct slice){NULL, 0};
}

static bool matches(const struct rules *r, const struct rule *rule, const struct rules_query *q)
{
	if (!place_matches(rule, q->host, q->port))
		return false;
	if (rule->method.n != 0 && !slice_eq(rule->method, q->method))
		return false;
	if (rule->uid >= 0 && rule->uid != (int64_t)q->uid)
		return false;
	if (rule->path.n != 0 && !glob_match(rule->path, q->path, false))
		return false;
	for (uint32_t i = 0; i < rule->n_header; i++) {
		struct slice value = header_of(r, q, rule->header[i].name);
		if (value.p == NULL || !glob_match(rule->header[i].pattern, value, false))
			return false;
	}
	return true;
}

bool rules_constant_for(const struct rules *r, struct slice host, uint16_t port)
{
	for (uint32_t i = 0; i < r->n; i++) {
		const struct rule *rule = &r->rule[i];
		bool varies = rule->path.n != 0 || rule->method.n != 0 || rule->uid >= 0 ||
			      rule->n_header != 0 || rule->by_user || rule->by_header;
		if (varies && place_matches(rule, host, port))
			return false;
	}
	return true;
}

/* ---- keys ---- */

static void add_hash(struct bytes *out, struct slice s)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256((const unsigned char *)s.p, s.n, digest);
	for (int i = 0; i < 8; i++)
		bytes_printf(out, "%02x", digest[i]);
}

struct slice rules_reference(struct slice text, size_t *at)
{
	const char *start = text.p + *at + 2;
	const char *end = memchr(start, '}', text.n - *at - 2);
	if (end == NULL)
		return (struct slice){NULL, 0};
	*at = (size_t)(end - text.p) + 1;
	return (struct slice){start, (size_t)(end - start)};
}

static void add_reference(const struct rules *r, const struct rules_query *q, struct slice name,
			  struct bytes *out)
{
	if (slice_is(name, "host")) {
		bytes_add_slice(out, q->host);
	} else if (slice_is(name, "domain")) {
		bytes_add_slice(out, q->domain.n != 0 ? q->domain : q->host);
	} else if (slice_is(name, "user")) {
		bytes_add_u64(out, q->uid);
	} else {
		struct slice header = {name.p + 7, name.n - 7};
		struct slice value = header_of(r, q, header);
		if (value.p != NULL)
			add_hash(out, value);
		else
			bytes_add_str(out, "none");
	}
}

/* Expands the template; what is too long keeps its beginning and ends in its hash. */
static uint32_t expand(const struct rules *r, const struct rule *rule, const struct rules_query *q,
		       char key[RULES_KEY_MAX])
{
	struct bytes b = BYTES_LIMIT(8192);
	struct slice t = rule->key;
	for (size_t i = 0; i < t.n;) {
		if (t.n - i > 2 && t.p[i] == '$' && t.p[i + 1] == '{')
			add_reference(r, q, rules_reference(t, &i), &b);
		else
			bytes_add_byte(&b, t.p[i++]);
	}
	if (b.n >= RULES_KEY_MAX) {
		struct bytes hash = BYTES_LIMIT(64);
		add_hash(&hash, bytes_slice(&b));
		b.n = RULES_KEY_MAX - 1 - hash.n;
		bytes_add_slice(&b, bytes_slice(&hash));
		bytes_fini(&hash);
	}
	uint32_t n = b.n < RULES_KEY_MAX ? (uint32_t)b.n : RULES_KEY_MAX - 1;
	if (n > 0)
		memcpy(key, b.p, n);
	key[n] = '\0';
	bytes_fini(&b);
	return n;
}

uint32_t rules_match(const struct rules *r, const struct rules_query *q,
		     struct rules_hit hit[RULES_HITS_MAX])
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < r->n && n < RULES_HITS_MAX; i++) {
		const struct rule *rule = &r->rule[i];
		if (!matches(r, rule, q))
			continue;
		struct rules_hit *h = &hit[n];
		h->rule = rule;
		h->key_n = expand(r, rule, q, h->key);
		bool is_new = true;
		for (uint32_t k = 0; k < n && is_new; k++)
			is_new = h->key_n != hit[k].key_n ||
				 memcmp(h->key, hit[k].key, h->key_n) != 0;
		if (is_new)
			n++;
	}
	return n;
}
