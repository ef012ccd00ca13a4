/*
 * fetch_read -- the table of the fetch object, and what becomes of its members.
 */
#include "job/fetch_read.h"

#include "model/url.h"
#include "proto/jsontree.h"

#include <string.h>

#define FT   struct fetch_draft
#define OPT  FIELD_OPTIONAL
#define LONG UNITS_MAX_MS
#define HUGE (INT64_C(1) << 50)

#define PAIRS_SCHEMA                                                                               \
	"{\"anyOf\":[{\"type\":\"object\"},{\"type\":\"array\",\"items\":{\"type\":\"array\","     \
	"\"minItems\":2,\"maxItems\":2}}]}"

static enum err keep_json(struct fields_read *rd, const json_t *v, const struct fields_at *at,
			  void *out)
{
	(void)rd;
	(void)at;
	*(const json_t **)out = v;
	return ERR_OK;
}

#define TLS struct fetch_tls_draft
static const struct field tls_field[] = {
	F_STRING("ca", TLS, ca, 1, 1 << 20, OPT, "PEM text of the authorities to trust instead"),
	F_STRING("cert", TLS, cert, 1, 1 << 20, OPT, "PEM text of the client's certificate"),
	F_STRING("key", TLS, key, 1, 1 << 20, OPT, "PEM text of its private key"),
	F_BOOL("verify", TLS, verify, OPT, "false: take any certificate of the server"),
};
static const struct field_table tls_table = FIELD_TABLE("tls", tls_field);

static const struct field fetch_field[] = {
	F_STRING("url", FT, url, 0, URL_MAX, OPT, "http or https"),
	F_STRING("method", FT, method, 1, 32, OPT, "GET, or POST with a body"),
	F_CUSTOM("headers", FT, headers, keep_json, PAIRS_SCHEMA, OPT,
		 "names and values; null removes a default one"),
	F_CUSTOM("query", FT, query, keep_json, PAIRS_SCHEMA, OPT,
		 "added to the URL, percent-encoded"),
	F_CUSTOM("body", FT, body, keep_json, "{\"type\":\"string\"}", OPT, "sent as it is"),
	F_JSON("json", FT, json, OPT, "sent as application/json"),
	F_CUSTOM("form", FT, form, keep_json, PAIRS_SCHEMA, OPT,
		 "sent as application/x-www-form-urlencoded"),
	F_CUSTOM("body_base64", FT, body_base64, keep_json, "{\"type\":\"string\"}", OPT,
		 "sent decoded"),
	F_CUSTOM("multipart", FT, multipart, keep_json,
		 "{\"anyOf\":[{\"type\":\"object\"},{\"type\":\"array\"}]}", OPT,
		 "sent as multipart/form-data"),
	F_CUSTOM("upload", FT, upload, keep_json, "{\"type\":\"string\"}", OPT,
		 "the name of uploaded bytes, sent as they are"),
	F_CUSTOM("auth", FT, auth, keep_json, "{\"type\":\"object\"}", OPT,
		 "basic, digest or bearer"),
	F_JSON("expect", FT, expect, OPT, "statuses that are a success: 200-299"),
	F_BOOL("follow", FT, follow, OPT, "follow redirects: true"),
	F_BOOL("downgrade", FT, downgrade, OPT, "follow them from https to http too: false"),
	F_INT("max_redirects", FT, max_redirects, 0, 100, OPT, "10"),
	F_BOOL("decode", FT, decode, OPT, "undo the content coding: true"),
	F_DURATION("timeout", FT, timeout_ms, 0, LONG, OPT, "of one attempt; 0 is none"),
	F_DURATION("connect_timeout", FT, connect_timeout_ms, 0, LONG, OPT, "10s"),
	F_DURATION("first_byte_timeout", FT, first_byte_timeout_ms, 0, LONG, OPT, "30s"),
	F_DURATION("read_timeout", FT, read_timeout_ms, 0, LONG, OPT, "between bytes: 30s"),
	F_SIZE("max_body", FT, max_body_bytes, 0, HUGE, OPT, "decoded: 64M; 0 is no limit"),
	F_SIZE("max_rate", FT, max_rate_bytes, 0, HUGE, OPT, "bytes per second; 0 is no limit"),
	F_SIZE("min_rate", FT, min_rate_bytes, 0, HUGE, OPT,
	       "bytes per second over 5 s, else the attempt fails with read.timeout; 0 is none"),
	F_STRING("proxy", FT, proxy, 0, 4096, OPT, "http:// or socks5://; empty is none"),
	F_CUSTOM("mirrors", FT, mirrors, keep_json,
		 "{\"type\":\"array\",\"maxItems\":16,\"items\":{\"type\":\"string\"}}", OPT,
		 "bases to try with the same path and query"),
	F_OBJECT("tls", FT, tls, &tls_table, OPT, "certificates, as PEM text"),
	F_STRING("unix_socket", FT, unix_socket, 1, 107, OPT, "an absolute path to connect to"),
	F_CUSTOM("resolve", FT, resolve, keep_json, "{\"type\":\"object\"}", OPT,
		 "\"host:port\" to an address"),
	F_CUSTOM("cookies", FT, cookies, keep_json,
		 "{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":\"object\"}]}", OPT,
		 "true: share the job's jar; an object puts cookies in"),
	F_BOOL("cache", FT, cache, OPT, "use and fill the cache"),
	F_BOOL("resume", FT, resume, OPT, "continue a partial body with a range"),
	F_STRING("sha256", FT, sha256, 0, 64, OPT, "hexadecimal, of the decoded body"),
	F_JSON("tag", FT, tag, OPT, "comes back in the result"),
};
const struct field_table fetch_table = FIELD_TABLE("fetch", fetch_field);

enum err fetch_read_url(struct fetch_reading *fr, const struct fields_at *at, struct slice url)
{
	const char *why = "empty";
	struct url parsed;
	enum err e = ERR_INVALID;
	if (url.n != 0 && !fr->checks_url)
		return ERR_OK;
	if (url.n != 0)
		e = url_parse(url, &parsed, &why);
	if (e == ERR_OK)
		url_fini(&parsed);
	if (e != ERR_INVALID)
		return e;
	struct bytes masked = BYTES_LIMIT(160);
	url_mask((struct slice){url.p, url.n < 120 ? url.n : 120}, &masked);
	fr->kind = KIND_URL_INVALID;
	fields_fail(fr->rd, at, NULL, "\"%s\" is no URL that can be fetched: %s",
		    bytes_cstr(&masked), why);
	bytes_fini(&masked);
	return ERR_INVALID;
}

enum err fetch_dump(struct fetch_reading *fr, const json_t *v, struct slice *ret)
{
	struct bytes text = BYTES_LIMIT(0);
	enum err e = jsontree_add(&text, v);
	if (e == ERR_OK)
		*ret = arena_copy(fr->a, bytes_slice(&text));
	bytes_fini(&text);
	return e != ERR_OK ? e : fr->a->err;
}

static void begin_draft(struct fetch_draft *d, const struct fetch_spec *f)
{
	*d = (struct fetch_draft){
		.tls.verify = f->tls_verify,
		.follow = f->follow,
		.downgrade = f->downgrade,
		.decode = f->decode,
		.cache = f->cache,
		.resume = f->resume,
		.max_redirects = f->max_redirects,
		.timeout_ms = f->timeout_ms,
		.connect_timeout_ms = f->connect_timeout_ms,
		.first_byte_timeout_ms = f->first_byte_timeout_ms,
		.read_timeout_ms = f->read_timeout_ms,
		.max_body_bytes = f->max_body_bytes,
		.max_rate_bytes = f->max_rate_bytes,
		.min_rate_bytes = f->min_rate_bytes,
	};
}

static void take_scalars(struct fetch_spec *f, const struct fetch_draft *d)
{
	f->tls_verify = d->tls.verify;
	f->follow = d->follow;
	f->downgrade = d->downgrade;
	f->decode = d->decode;
	f->cache = d->cache;
	f->resume = d->resume;
	f->max_redirects = d->max_redirects;
	f->timeout_ms = d->timeout_ms;
	f->connect_timeout_ms = d->connect_timeout_ms;
	f->first_byte_timeout_ms = d->first_byte_timeout_ms;
	f->read_timeout_ms = d->read_timeout_ms;
	f->max_body_bytes = d->max_body_bytes;
	f->max_rate_bytes = d->max_rate_bytes;
	f->min_rate_bytes = d->min_rate_bytes;
}

static struct fields_at member_at(const struct fields_at *at, const char *name)
{
	return (struct fields_at){.up = at, .member = name};
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err read_sha256(struct fetch_reading *fr, const struct fetch_draft *d,
			    const struct fields_at *at, struct fetch_spec *f)
{
	const struct fields_at here = member_at(at, "sha256");
	if (d->sha256 == NULL)
		return ERR_OK;
	bool is_long = strlen(d->sha256) == 2 * sizeof(f->sha256);
	for (size_t i = 0; i < sizeof(f->sha256); i++) {
		int high = is_long ? hex_value(d->sha256[2 * i]) : -1;
		int low = is_long ? hex_value(d->sha256[2 * i + 1]) : -1;
		if (high < 0 || low < 0)
			return fields_fail(fr->rd, &here, NULL,
					   "sha256 must be 64 hexadecimal digits");
		f->sha256[i] = (unsigned char)(high << 4 | low);
	}
	f->has_sha256 = true;
	return ERR_OK;
}

static enum err read_tls(struct fetch_reading *fr, const struct fetch_draft *d,
			 const struct fields_at *at, struct fetch_spec *f)
{
	const struct fields_at here = member_at(at, "tls");
	if (d->tls.key != NULL && d->tls.cert == NULL)
		return fields_fail(fr->rd, &here, "key", "a key needs its cert");
	f->tls_ca = d->tls.ca != NULL ? slice_of(d->tls.ca) : f->tls_ca;
	f->tls_cert = d->tls.cert != NULL ? slice_of(d->tls.cert) : f->tls_cert;
	f->tls_key = d->tls.cert != NULL ? slice_of(d->tls.key) : f->tls_key;
	return ERR_OK;
}

static enum err read_strings(struct fetch_reading *fr, const struct fetch_draft *d,
			     const struct fields_at *at, struct fetch_spec *f)
{
	const struct fields_at method_at = member_at(at, "method");
	const struct fields_at socket_at = member_at(at, "unix_socket");
	if (d->method != NULL && !fetch_is_token(slice_of(d->method)))
		return fields_fail(fr->rd, &method_at, NULL, "method must be a word of letters");
	if (d->method != NULL && strcmp(d->method, "CONNECT") == 0)
		return fields_fail(fr->rd, &method_at, NULL, "CONNECT is for proxies only");
	if (d->unix_socket != NULL && d->unix_socket[0] != '/')
		return fields_fail(fr->rd, &socket_at, NULL,
				   "unix_socket must be an absolute path");
	if (d->unix_socket != NULL)
		f->unix_socket = slice_of(d->unix_socket);
	if (d->method != NULL)
		f->method = slice_of(d->method);
	return ERR_OK;
}

static enum err read_cookies(struct fetch_reading *fr, const struct fetch_draft *d,
			     const struct fields_at *at, struct fetch_spec *f)
{
	const struct fields_at here = member_at(at, "cookies");
	if (d->cookies == NULL)
		return ERR_OK;
	f->cookies = !json_is_false(d->cookies);
	if (json_is_boolean(d->cookies))
		return ERR_OK;
	if (!json_is_object(d->cookies))
		return fields_fail(fr->rd, &here, NULL,
				   "cookies must be true, false or an object of names and values");
	enum err e = fetch_read_pairs(fr, d->cookies, &here, &f->cookie, &f->n_cookie);
	for (uint32_t i = 0; e == ERR_OK && i < f->n_cookie; i++) {
		struct slice v = f->cookie[i].value;
		if (!fetch_is_token(f->cookie[i].name) || !fetch_is_field_text(v) ||
		    (v.n != 0 && memchr(v.p, ';', v.n) != NULL))
			e = fields_fail(fr->rd, &here, NULL, "\"%.60s\" cannot be a cookie",
					f->cookie[i].name.p);
	}
	return e;
}

static enum err read_expect(struct fetch_reading *fr, const struct fetch_draft *d,
			    const struct fields_at *at, struct fetch_spec *f)
{
	const struct fields_at here = member_at(at, "expect");
	if (d->expect == NULL)
		return ERR_OK;
	f->expect = (struct statuses){.n = 0};
	if (statuses_add_json(&f->expect, d->expect) != ERR_OK)
		return fields_fail(fr->rd, &here, NULL,
				   "expect must be a status such as 404, a range such as "
				   "\"200-299\", or a list of at most %d",
				   STATUSES_MAX);
	return ERR_OK;
}

typedef enum err (*read_part)(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			      struct fetch_spec *f);

static enum err read_query(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			   struct fetch_spec *f)
{
	return fetch_read_pairs(fr, v, at, &f->query, &f->n_query);
}

static enum err read_tag(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			 struct fetch_spec *f)
{
	(void)at;
	return fetch_dump(fr, v, &f->tag);
}

/* Members that are trees of their own. */
static enum err read_trees(struct fetch_reading *fr, const struct fetch_draft *d,
			   const struct fields_at *at, struct fetch_spec *f)
{
	const struct {
		const char *name;
		const json_t *v;
		read_part read;
	} part[] = {
		{"headers", d->headers, fetch_read_headers},
		{"query", d->query, read_query},
		{"auth", d->auth, fetch_read_auth},
		{"mirrors", d->mirrors, fetch_read_mirrors},
		{"resolve", d->resolve, fetch_read_resolve},
		{"tag", d->tag, read_tag},
	};
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		const struct fields_at here = member_at(at, part[i].name);
		enum err e = ERR_OK;
		if (part[i].v != NULL)
			e = part[i].read(fr, part[i].v, &here, f);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err finish(struct fetch_reading *fr, const struct fetch_draft *d,
		       const struct fields_at *at, struct fetch_spec *f)
{
	const struct fields_at url_at = member_at(at, "url");
	const struct fields_at proxy_at = member_at(at, "proxy");
	enum err e = ERR_OK;
	if (fr->is_defaults && d->url != NULL)
		return fields_fail(fr->rd, at, "url", "defaults have no url");
	if (!fr->is_defaults && d->url == NULL)
		return fields_fail(fr->rd, at, NULL, "fetch needs a member \"url\"");
	if (d->url != NULL) {
		f->url = slice_of(d->url);
		e = fetch_read_url(fr, &url_at, f->url);
	}
	take_scalars(f, d);
	if (e == ERR_OK)
		e = read_strings(fr, d, at, f);
	if (e == ERR_OK)
		e = fetch_read_body(fr, d, at, f);
	if (e == ERR_OK)
		e = read_trees(fr, d, at, f);
	if (e == ERR_OK)
		e = read_expect(fr, d, at, f);
	if (e == ERR_OK)
		e = read_sha256(fr, d, at, f);
	if (e == ERR_OK)
		e = read_tls(fr, d, at, f);
	if (e == ERR_OK)
		e = read_cookies(fr, d, at, f);
	if (e == ERR_OK)
		e = fetch_read_proxy(fr, d->proxy, &proxy_at, f);
	return e;
}

enum err fetch_read(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
		    struct fetch_spec *ret)
{
	struct fetch_spec f = *fr->defaults;
	struct fetch_draft d;
	fr->kind = KIND_REQUEST_INVALID;
	f.arena = (struct arena){.last = NULL};
	f.keep = NULL;
	if (json_is_string(v) && !fr->is_defaults) {
		f.url = (struct slice){json_string_value(v), json_string_length(v)};
		enum err e = fetch_read_url(fr, at, f.url);
		if (e == ERR_OK)
			*ret = f;
		return e;
	}
	if (!json_is_object(v) && !fr->is_defaults)
		return fields_fail(fr->rd, at, NULL, "fetch must be a URL or an object");
	begin_draft(&d, &f);
	enum err e = fields_read(fr->rd, &fetch_table, v, at, &d, NULL);
	if (e == ERR_OK)
		e = finish(fr, &d, at, &f);
	if (e == ERR_OK)
		*ret = f;
	return e;
}
