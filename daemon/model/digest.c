#include "model/digest.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096
#define HEX_MAX	 (2 * EVP_MAX_MD_SIZE)

void digest_fini(struct digest *d)
{
	bytes_fini(&d->realm);
	bytes_fini(&d->nonce);
	bytes_fini(&d->opaque);
	*d = (struct digest){.hash = DIGEST_NONE};
}

/* ---- the field: challenges are a scheme and parameters, all with commas between ---- */

struct reading {
	const char *at, *end;
};

static bool is_tchar(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void skip(struct reading *r, const char *set)
{
	while (r->at < r->end && *r->at != '\0' && strchr(set, *r->at) != NULL)
		r->at++;
}

static struct slice token(struct reading *r)
{
	const char *from = r->at;
	while (r->at < r->end && is_tchar(*r->at))
		r->at++;
	return (struct slice){from, (size_t)(r->at - from)};
}

static bool read_value(struct reading *r, struct bytes *out)
{
	if (r->at == r->end || *r->at != '"') {
		bytes_add_slice(out, token(r));
		return out->err == ERR_OK;
	}
	for (r->at++; r->at < r->end && *r->at != '"'; r->at++) {
		if (*r->at == '\\' && r->at + 1 < r->end)
			r->at++;
		bytes_add_byte(out, *r->at);
	}
	if (r->at == r->end)
		return false;
	r->at++;
	return out->err == ERR_OK;
}

static bool list_has(struct slice list, const char *word)
{
	if (list.n == 0)
		return false;
	struct reading r = {list.p, list.p + list.n};
	while (r.at < r.end) {
		skip(&r, " \t,");
		struct slice t = token(&r);
		if (slice_eq_nocase(t, slice_of(word)))
			return true;
		if (t.n == 0 && r.at < r.end)
			r.at++;
	}
	return false;
}

static const struct {
	const char *name;
	enum digest_hash hash;
	bool is_sess;
} algorithms[] = {
	{"MD5", DIGEST_MD5, false},
	{"MD5-sess", DIGEST_MD5, true},
	{"SHA-256", DIGEST_SHA256, false},
	{"SHA-256-sess", DIGEST_SHA256, true},
	{"SHA-512-256", DIGEST_SHA512_256, false},
	{"SHA-512-256-sess", DIGEST_SHA512_256, true},
};

/* A challenge while it is read. */
struct draft {
	struct digest d;
	bool is_digest, is_unusable;
};

static void say_unknown(struct digest *d, const char *what, struct slice v)
{
	char text[32];
	size_t n = v.n < sizeof(text) - 1 ? v.n : sizeof(text) - 1;
	for (size_t i = 0; i < n; i++)
		text[i] = (char)(v.p[i] > ' ' && v.p[i] < 0x7f ? v.p[i] : '?');
	text[n] = '\0';
	snprintf(d->unknown, sizeof(d->unknown), "%s %s, which is not known", what, text);
}

static void set_algorithm(struct draft *c, struct slice v)
{
	c->d.hash = DIGEST_NONE;
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (slice_eq_nocase(v, slice_of(algorithms[i].name))) {
			c->d.hash = algorithms[i].hash;
			c->d.is_sess = algorithms[i].is_sess;
		}
	if (c->d.hash != DIGEST_NONE)
		return;
	c->is_unusable = true;
	say_unknown(&c->d, "the algorithm", v);
}

static void keep(struct bytes *to, struct bytes *value)
{
	bytes_fini(to);
	*to = *value;
	*value = (struct bytes){.limit = TEXT_MAX};
}

static void set_param(struct draft *c, struct slice name, struct bytes *value)
{
	struct slice v = bytes_slice(value);
	if (slice_eq_nocase(name, SLICE_LIT("realm")))
		keep(&c->d.realm, value);
	else if (slice_eq_nocase(name, SLICE_LIT("nonce")))
		keep(&c->d.nonce, value);
	else if (slice_eq_nocase(name, SLICE_LIT("algorithm")))
		set_algorithm(c, v);
	else if (slice_eq_nocase(name, SLICE_LIT("stale")))
		c->d.is_stale = slice_eq_nocase(v, SLICE_LIT("true"));
	else if (slice_eq_nocase(name, SLICE_LIT("userhash")))
		c->d.hashes_user = slice_eq_nocase(v, SLICE_LIT("true"));
	if (slice_eq_nocase(name, SLICE_LIT("opaque"))) {
		keep(&c->d.opaque, value);
		c->d.has_opaque = true;
	} else if (slice_eq_nocase(name, SLICE_LIT("qop"))) {
		c->d.has_qop = true;
		c->d.is_int = !list_has(v, "auth");
		if (!c->d.is_int || list_has(v, "auth-int"))
			return;
		c->is_unusable = true;
		say_unknown(&c->d, "the quality of protection", v);
	}
}

/* The draft is complete: takes it if it is better. */
static bool offer(struct digest *d, struct draft *c)
{
	bool is_better = c->is_digest && !c->is_unusable && c->d.nonce.n > 0 && c->d.hash > d->hash;
	if (is_better) {
		digest_fini(d);
		*d = c->d;
	} else {
		if (d->hash == DIGEST_NONE && c->d.unknown[0] != '\0')
			memcpy(d->unknown, c->d.unknown, sizeof(d->unknown));
		digest_fini(&c->d);
	}
	*c = (struct draft){.is_digest = false};
	return is_better;
}

/* One scheme or one parameter. */
static bool read_item(struct digest *d, struct draft *c, struct reading *r)
{
	bool took = false;
	struct bytes value = BYTES_LIMIT(TEXT_MAX);
	struct slice name = token(r);
	skip(r, " \t");
	if (name.n > 0 && r->at < r->end && *r->at == '=') {
		r->at++;
		skip(r, " \t");
		if (!read_value(r, &value))
			c->is_unusable = true;
		else if (c->is_digest)
			set_param(c, name, &value);
		while (r->at < r->end && *r->at != ',')
			r->at++;
	} else if (name.n > 0) {
		took = offer(d, c);
		c->is_digest = slice_eq_nocase(name, SLICE_LIT("Digest"));
		c->d.hash = DIGEST_MD5;
	} else {
		r->at++;
	}
	bytes_fini(&value);
	return took;
}

bool digest_take(struct digest *d, struct slice field)
{
	struct reading r = {field.p, field.p + field.n};
	struct draft c = {.is_digest = false};
	bool took = false;
	for (skip(&r, " \t,"); r.at < r.end; skip(&r, " \t,"))
		took |= read_item(d, &c, &r);
	return offer(d, &c) || took;
}

void digest_take_next(struct digest *d, struct slice field)
{
	struct reading r = {field.p, field.p + field.n};
	for (skip(&r, " \t,"); r.at < r.end; skip(&r, " \t,")) {
		struct bytes value = BYTES_LIMIT(TEXT_MAX);
		struct slice name = token(&r);
		skip(&r, " \t");
		if (name.n == 0 || r.at == r.end || *r.at != '=') {
			r.at += r.at < r.end;
			continue;
		}
		r.at++;
		skip(&r, " \t");
		if (read_value(&r, &value) && value.n > 0 &&
		    slice_eq_nocase(name, SLICE_LIT("nextnonce"))) {
			keep(&d->nonce, &value);
			d->n_used = 0;
		}
		bytes_fini(&value);
	}
}

/* ---- the answer ---- */

static const EVP_MD *md_of(enum digest_hash h)
{
	return h == DIGEST_SHA256 ? EVP_sha256() : h == DIGEST_MD5 ? EVP_md5() : EVP_sha512_256();
}

/* The texts with colons between, hashed, in hex. */
static enum err hash_texts(enum digest_hash h, const struct slice *text, size_t n,
			   struct bytes *ret_hex)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n_sum = 0;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = md != NULL && EVP_DigestInit_ex(md, md_of(h), NULL) == 1;
	for (size_t i = 0; ok && i < n; i++) {
		ok = i == 0 || EVP_DigestUpdate(md, ":", 1) == 1;
		ok = ok && EVP_DigestUpdate(md, text[i].p, text[i].n) == 1;
	}
	ok = ok && EVP_DigestFinal_ex(md, sum, &n_sum) == 1;
	EVP_MD_CTX_free(md);
	bytes_clear(ret_hex);
	for (unsigned i = 0; i < n_sum; i++)
		bytes_printf(ret_hex, "%02x", sum[i]);
	return ok ? ret_hex->err : ERR_NOMEM;
}

static void add_quoted(struct bytes *out, const char *name, struct slice v)
{
	bytes_printf(out, "%s=\"", name);
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] == '"' || v.p[i] == '\\')
			bytes_add_byte(out, '\\');
		bytes_add_byte(out, v.p[i]);
	}
	bytes_add_str(out, "\", ");
}

static const char *algorithm_of(const struct digest *d)
{
	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (algorithms[i].hash == d->hash && algorithms[i].is_sess == d->is_sess)
			return algorithms[i].name;
	return "MD5";
}

struct sums {
	struct bytes a1, a2, response, user, body;
};

/* The second half: the request, and its body if that is protected too. */
static enum err hash_request(const struct digest *d, const struct digest_facts *f, struct sums *s)
{
	const struct slice plain[] = {f->method, f->target};
	if (!d->is_int)
		return hash_texts(d->hash, plain, 2, &s->a2);
	if (!f->has_body)
		return ERR_UNSUPPORTED;
	enum err e = hash_texts(d->hash, &f->body, 1, &s->body);
	const struct slice with_body[] = {f->method, f->target, bytes_slice(&s->body)};
	return e == ERR_OK ? hash_texts(d->hash, with_body, 3, &s->a2) : e;
}

static struct slice qop_of(const struct digest *d)
{
	return d->is_int ? SLICE_LIT("auth-int") : SLICE_LIT("auth");
}

/* RFC 7616 3.4.1 to 3.4.4 */
static enum err respond(const struct digest *d, const struct digest_facts *f, const char *nc,
			struct sums *s)
{
	struct slice nonce = bytes_slice(&d->nonce), realm = bytes_slice(&d->realm);
	const struct slice a1[] = {f->user, realm, f->pass};
	enum err e = hash_texts(d->hash, a1, 3, &s->a1);
	if (e == ERR_OK && d->is_sess) {
		char first[HEX_MAX];
		size_t n = s->a1.n;
		memcpy(first, s->a1.p, n);
		const struct slice sess[] = {{first, n}, nonce, f->cnonce};
		e = hash_texts(d->hash, sess, 3, &s->a1);
	}
	if (e == ERR_OK)
		e = hash_request(d, f, s);
	if (e == ERR_OK && d->hashes_user)
		e = hash_texts(d->hash, (struct slice[]){f->user, realm}, 2, &s->user);
	const struct slice with_qop[] = {bytes_slice(&s->a1), nonce,	 slice_of(nc),
					 f->cnonce,	      qop_of(d), bytes_slice(&s->a2)};
	const struct slice without[] = {bytes_slice(&s->a1), nonce, bytes_slice(&s->a2)};
	if (e == ERR_OK)
		e = d->has_qop ? hash_texts(d->hash, with_qop, 6, &s->response)
			       : hash_texts(d->hash, without, 3, &s->response);
	return e;
}

static void add_answer(const struct digest *d, const struct digest_facts *f, const char *nc,
		       const struct sums *s, struct bytes *out)
{
	bytes_add_str(out, "Digest ");
	add_quoted(out, "username", d->hashes_user ? bytes_slice(&s->user) : f->user);
	add_quoted(out, "realm", bytes_slice(&d->realm));
	add_quoted(out, "nonce", bytes_slice(&d->nonce));
	add_quoted(out, "uri", f->target);
	if (d->has_qop || d->is_sess)
		add_quoted(out, "cnonce", f->cnonce);
	if (d->has_qop)
		bytes_printf(out, "nc=%s, qop=%s, ", nc, qop_of(d).p);
	if (d->has_opaque)
		add_quoted(out, "opaque", bytes_slice(&d->opaque));
	if (d->hashes_user)
		bytes_add_str(out, "userhash=true, ");
	add_quoted(out, "response", bytes_slice(&s->response));
	bytes_printf(out, "algorithm=%s", algorithm_of(d));
}

enum err digest_answer(struct digest *d, const struct digest_facts *f, struct bytes *out)
{
	char nc[9] = "00000001";
	struct sums s = {0};
	struct bytes count = BYTES_LIMIT(16);
	if (bytes_printf(&count, "%08x", (unsigned)++d->n_used) == ERR_OK)
		memcpy(nc, count.p, 8);
	enum err e = count.err == ERR_OK ? respond(d, f, nc, &s) : count.err;
	if (e == ERR_OK) {
		add_answer(d, f, nc, &s, out);
		e = out->err;
	}
	bytes_fini(&count);
	bytes_fini(&s.a1);
	bytes_fini(&s.a2);
	bytes_fini(&s.response);
	bytes_fini(&s.user);
	bytes_fini(&s.body);
	return e;
}
