/*
 * fetchjob -- options to JSON. Plain options are rows of a table; what has to be put together has
 * a function of its own.
 */
#include "client/fetchjob.h"

#include "client/cookiejar.h"
#include "client/fetchbody.h"
#include "client/say.h"
#include "client/slurp.h"
#include "proto/jsontree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PEM_MAX_BYTES (1u << 20)

enum shape {
	AS_TEXT,   /* the text itself */
	AS_NUMBER, /* an integer */
	AS_FALSE,  /* given: false */
	AS_TRUE,
	AS_LIST,  /* 200,300-399 to [200,"300-399"] */
	AS_TEXTS, /* all of them, as an array */
};

static const struct row {
	enum option_id option;
	const char *member;
	enum shape shape;
} fetch_row[] = {
	{OPTION_METHOD, "method", AS_TEXT},
	{OPTION_EXPECT, "expect", AS_LIST},
	{OPTION_NO_LOCATION, "follow", AS_FALSE},
	{OPTION_MAX_REDIRS, "max_redirects", AS_NUMBER},
	{OPTION_RAW, "decode", AS_FALSE},
	{OPTION_TIMEOUT, "timeout", AS_TEXT},
	{OPTION_CONNECT_TIMEOUT, "connect_timeout", AS_TEXT},
	{OPTION_FIRST_BYTE_TIMEOUT, "first_byte_timeout", AS_TEXT},
	{OPTION_READ_TIMEOUT, "read_timeout", AS_TEXT},
	{OPTION_MAX_BODY, "max_body", AS_TEXT},
	{OPTION_MAX_RATE, "max_rate", AS_TEXT},
	{OPTION_MIN_RATE, "min_rate", AS_TEXT},
	{OPTION_FALLBACK, "mirrors", AS_TEXTS},
	{OPTION_PROXY, "proxy", AS_TEXT},
	{OPTION_UNIX_SOCKET, "unix_socket", AS_TEXT},
	{OPTION_CACHE, "cache", AS_TRUE},
	{OPTION_COOKIE_JAR, "cookies", AS_TRUE},
	{OPTION_SHA256, "sha256", AS_TEXT},
};

static json_t *list_of(const char *text)
{
	json_t *list = json_array();
	while (*text != '\0') {
		size_t n = strcspn(text, ",");
		char *end;
		long status = strtol(text, &end, 10);
		if (end == text + n)
			json_array_append_new(list, json_integer(status));
		else
			json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == ',');
	}
	return list;
}

static json_t *texts_of(const struct args_list *l)
{
	json_t *list = json_array();
	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(list, json_string(l->v[i]));
	return list;
}

static json_t *value_of(const struct args *a, const struct row *r)
{
	switch (r->shape) {
	case AS_NUMBER:
		return json_integer(args_number(a, r->option, 0));
	case AS_FALSE:
		return json_false();
	case AS_TRUE:
		return json_true();
	case AS_LIST:
		return list_of(args_text(a, r->option));
	case AS_TEXTS:
		return texts_of(&a->value[r->option]);
	case AS_TEXT:
		break;
	}
	return json_string(args_text(a, r->option));
}

static enum status add_headers(json_t *fetch, const struct args *a)
{
	const struct args_list *l = &a->value[OPTION_HEADER];
	const char *agent = args_text(a, OPTION_AGENT);
	json_t *list = json_array();
	json_object_set_new(fetch, "headers", list);
	if (agent != NULL)
		json_array_append_new(list, json_pack("[s,s]", "User-Agent", agent));
	for (size_t i = 0; i < l->n; i++) {
		const char *colon = strchr(l->v[i], ':');
		if (colon == NULL || colon == l->v[i]) {
			/* What follows the name may be a secret. */
			say("-H wants 'Name: value' or 'Name:', not \"%.*s%s\"",
			    (int)strcspn(l->v[i], " \t:"), l->v[i],
			    l->v[i][strcspn(l->v[i], " \t:")] != '\0' ? " ..." : "");
			return STATUS_USAGE;
		}
		const char *value = colon + 1 + strspn(colon + 1, " \t");
		json_t *pair = json_array();
		json_array_append_new(pair, json_stringn(l->v[i], (size_t)(colon - l->v[i])));
		json_array_append_new(pair, *value != '\0' ? json_string(value) : json_null());
		json_array_append_new(list, pair);
	}
	return STATUS_OK;
}

static enum status add_user(json_t *fetch, const struct args *a)
{
	const char *user = args_text(a, OPTION_USER);
	if (user == NULL)
		return STATUS_OK;
	const char *colon = strchr(user, ':');
	if (colon == NULL) {
		say("-u wants USER:PASS");
		return STATUS_USAGE;
	}
	json_object_set_new(
		fetch, "auth",
		json_pack("{s:[s%,s]}", "basic", user, (size_t)(colon - user), colon + 1));
	return STATUS_OK;
}

/* HOST:PORT:ADDR; the address may hold colons, a host in brackets too. */
static enum status add_resolve(json_t *fetch, const struct args *a)
{
	const struct args_list *l = &a->value[OPTION_RESOLVE];
	json_t *map = l->n != 0 ? json_object() : NULL;
	if (map != NULL)
		json_object_set_new(fetch, "resolve", map);
	for (size_t i = 0; i < l->n; i++) {
		const char *text = l->v[i], *after = text;
		if (*text == '[' && strchr(text, ']') != NULL)
			after = strchr(text, ']');
		const char *port = strchr(after, ':');
		const char *address = port != NULL ? strchr(port + 1, ':') : NULL;
		if (address == NULL || address == port + 1 || address[1] == '\0') {
			say("--resolve wants HOST:PORT:ADDR, not \"%s\"", text);
			return STATUS_USAGE;
		}
		size_t n = strlen(address + 1);
		bool is_bracketed = address[1] == '[' && address[n] == ']';
		json_object_setn_new(map, text, (size_t)(address - text),
				     is_bracketed ? json_stringn(address + 2, n - 2)
						  : json_string(address + 1));
	}
	return STATUS_OK;
}

static enum status add_pem(json_t *tls, const char *member, const char *path)
{
	struct bytes pem = BYTES_LIMIT(PEM_MAX_BYTES);
	if (path == NULL)
		return STATUS_OK;
	enum err e = slurp(path, &pem);
	json_t *text = e == ERR_OK ? json_stringn(pem.p != NULL ? pem.p : "", pem.n) : NULL;
	bytes_fini(&pem);
	if (text == NULL) {
		say("cannot read %s: %s", path,
		    e == ERR_IO ? strerror(errno) : "it is no PEM text");
		return STATUS_USAGE;
	}
	json_object_set_new(tls, member, text);
	return STATUS_OK;
}

static enum status add_tls(json_t *fetch, const struct args *a)
{
	json_t *tls = json_object();
	const char *ca = args_text(a, OPTION_CACERT);
	const char *from_env = getenv("SSL_CERT_FILE");
	if (ca == NULL && from_env != NULL && from_env[0] != '\0')
		ca = from_env;
	json_object_set_new(fetch, "tls", tls);
	enum status s = add_pem(tls, "ca", ca);
	if (s == STATUS_OK)
		s = add_pem(tls, "cert", args_text(a, OPTION_CERT));
	const char *key = args_text(a, OPTION_KEY);
	/* As with curl, the key may stand in the certificate's file. */
	if (key == NULL)
		key = args_text(a, OPTION_CERT);
	if (s == STATUS_OK)
		s = add_pem(tls, "key", key);
	if (args_has(a, OPTION_INSECURE))
		json_object_set_new(tls, "verify", json_false());
	if (json_object_size(tls) == 0)
		json_object_del(fetch, "tls");
	return s;
}

static enum status fill_fetch(json_t *fetch, const struct args *a, struct upload_list *up)
{
	enum status s = add_headers(fetch, a);
	for (size_t i = 0; i < sizeof(fetch_row) / sizeof(fetch_row[0]); i++)
		if (args_has(a, fetch_row[i].option))
			json_object_set_new(fetch, fetch_row[i].member, value_of(a, &fetch_row[i]));
	if (args_has(a, OPTION_OUTPUT) && !args_has(a, OPTION_MAX_BODY))
		json_object_set_new(fetch, "max_body", json_integer(0));
	if (s == STATUS_OK)
		s = add_user(fetch, a);
	if (s == STATUS_OK)
		s = add_resolve(fetch, a);
	if (s == STATUS_OK)
		s = add_tls(fetch, a);
	if (s == STATUS_OK)
		s = fetchbody_add(fetch, a, up);
	if (json_array_size(json_object_get(fetch, "headers")) == 0)
		json_object_del(fetch, "headers");
	return s;
}

static void fill_retry(json_t *retry, const struct args *a)
{
	const char *backoff = args_text(a, OPTION_BACKOFF);
	if (args_has(a, OPTION_RETRIES))
		json_object_set_new(retry, "attempts",
				    json_integer(args_number(a, OPTION_RETRIES, 2) + 1));
	if (backoff != NULL) {
		const char *colon = strchr(backoff, ':');
		size_t n = colon != NULL ? (size_t)(colon - backoff) : strlen(backoff);
		json_object_set_new(retry, "backoff", json_stringn(backoff, n));
		if (colon != NULL)
			json_object_set_new(retry, "max", json_string(colon + 1));
	}
	if (args_has(a, OPTION_RETRY_ON))
		json_object_set_new(retry, "on", list_of(args_text(a, OPTION_RETRY_ON)));
}

static json_t *limits_of(const struct args *a)
{
	json_t *limits = json_object();
	json_object_set_new(limits, "concurrency",
			    json_integer(args_number(a, OPTION_CONCURRENCY, 16)));
	if (args_has(a, OPTION_RATE))
		json_object_set_new(limits, "rate", json_string(args_text(a, OPTION_RATE)));
	if (args_has(a, OPTION_BURST))
		json_object_set_new(limits, "burst", json_integer(args_number(a, OPTION_BURST, 1)));
	return limits;
}

static json_t *results_of(const struct args *a)
{
	bool prints_bodies = args_is(a, OPTION_PRINT, "body");
	bool wants_bodies =
		prints_bodies || args_has(a, OPTION_OUTPUT) || args_is(a, OPTION_BODY, "inline");
	json_t *results = json_pack("{s:s}", "body", wants_bodies ? "inline" : "none");
	if (prints_bodies || args_has(a, OPTION_ORDERED))
		json_object_set_new(results, "ordered", json_true());
	return results;
}

/* --retry-on belongs to the task itself, where it also allows repeating a POST. */
static json_t *run_of(const struct args *a)
{
	json_t *task = json_pack("{s:s}", "fetch", "${item}");
	if (args_has(a, OPTION_RETRY_ON))
		json_object_set_new(
			task, "retry",
			json_pack("{s:o}", "on", list_of(args_text(a, OPTION_RETRY_ON))));
	return json_pack("{s:{s:{s:b},s:s,s:I,s:s,s:o}}", "each", "in", "feed", 1, "as", "item",
			 "concurrency", (json_int_t)args_number(a, OPTION_CONCURRENCY, 16), "mode",
			 args_has(a, OPTION_FAIL_FAST) ? "group" : "gather", "do", task);
}

/* The proxies of the environment: the item's own where they differ from URL to URL. */
static void settle_proxy(json_t *fetch, const struct args *a, struct proxyenv *p, bool *ret_has)
{
	*ret_has = false;
	if (args_has(a, OPTION_PROXY) || args_has(a, OPTION_UNIX_SOCKET) || !proxyenv_read(p))
		return;
	bool is_one = p->no == NULL && p->http != NULL && p->https != NULL &&
		      strcmp(p->http, p->https) == 0;
	if (is_one)
		json_object_set_new(fetch, "proxy", json_string(p->http));
	*ret_has = !is_one;
}

enum status fetchjob_add(struct bytes *out, const struct args *a, struct fetchjob_rest *rest)
{
	if (args_has(a, OPTION_BURST) && !args_has(a, OPTION_RATE)) {
		say("--burst says how many may start before a rate paces: it needs --rate");
		return STATUS_USAGE;
	}
	json_t *fetch = json_object(), *retry = json_object();
	enum status s = fill_fetch(fetch, a, &rest->uploads);
	settle_proxy(fetch, a, &rest->proxy, &rest->has_proxy);
	fill_retry(retry, a);
	json_t *job = json_pack("{s:s,s:{s:o,s:o},s:o,s:o,s:o}", "name", "fetch", "defaults",
				"fetch", fetch, "retry", retry, "limits", limits_of(a), "results",
				results_of(a), "run", run_of(a));
	if (args_has(a, OPTION_DEADLINE))
		json_object_set_new(job, "deadline", json_string(args_text(a, OPTION_DEADLINE)));
	if (args_has(a, OPTION_VOLATILE))
		json_object_set_new(job, "durable", json_false());
	if (s == STATUS_OK)
		s = cookiejar_add(job, args_text(a, OPTION_COOKIE_JAR));
	if (s == STATUS_OK && jsontree_add(out, job) != ERR_OK) {
		say("an option is not UTF-8, or memory ran out");
		s = STATUS_USAGE;
	}
	json_decref(job);
	return s;
}
