/*
 * rules_read -- the rules of the configuration from their JSON, checked and in order of rank.
 */
#include "base/clock.h"
#include "base/table.h"
#include "model/glob.h"
#include "model/rules_internal.h"
#include "model/url.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS (24LL * 3600 * 1000)

struct raw_match {
	const char *host, *path, *method;
	int64_t port;
	const json_t *user, *header;
};

struct raw_circuit {
	int64_t failures, open_ms;
};

struct raw_rule {
	struct raw_match match;
	const char *key;
	struct units_rate rate;
	int64_t burst, concurrency, cost, max_wait_ms, max_retry_after_ms, bandwidth;
	const json_t *quota;
	bool adaptive;
	struct raw_circuit circuit;
	double retry_budget;
};

#define NUMBER_OR_TEXT "{\"type\":[\"string\",\"integer\"]}"

static enum err take_json(struct fields_read *rd, const json_t *value, const struct fields_at *at,
			  void *out)
{
	(void)rd;
	(void)at;
	*(const json_t **)out = value;
	return ERR_OK;
}

static const struct field match_field[] = {
	F_STRING("host", struct raw_match, host, 1, 255, FIELD_OPTIONAL,
		 "host in lower case, or a pattern: *.x.org also matches x.org"),
	F_STRING("path", struct raw_match, path, 1, GLOB_MAX, FIELD_OPTIONAL,
		 "pattern of the path, without the query"),
	F_STRING("method", struct raw_match, method, 1, 32, FIELD_OPTIONAL, "request method"),
	F_INT("port", struct raw_match, port, 1, 65535, FIELD_OPTIONAL, "port of the server"),
	F_CUSTOM("user", struct raw_match, user, take_json, NUMBER_OR_TEXT, FIELD_OPTIONAL,
		 "the user whose job it is, by name or number"),
	F_CUSTOM("header", struct raw_match, header, take_json,
		 "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}",
		 FIELD_OPTIONAL, "request header fields and patterns of their values"),
};
static const struct field_table match_table = FIELD_TABLE("match", match_field);

static const struct field circuit_field[] = {
	F_INT("failures", struct raw_circuit, failures, 1, 1000000, FIELD_REQUIRED,
	      "failures in a row that open it"),
	F_DURATION("open", struct raw_circuit, open_ms, 1, DAY_MS, FIELD_REQUIRED,
		   "how long it stays open before a probe"),
};
static const struct field_table circuit_table = FIELD_TABLE("circuit", circuit_field);

static const struct field rule_field[] = {
	F_OBJECT("match", struct raw_rule, match, &match_table, FIELD_OPTIONAL,
		 "which requests; absent: all"),
	F_STRING("key", struct raw_rule, key, 1, 200, FIELD_OPTIONAL,
		 "what is counted together: a name, or a template of ${host} ${domain} ${user} "
		 "${header:NAME}; absent: all that this rule matches"),
	F_RATE("rate", struct raw_rule, rate, FIELD_OPTIONAL, "paced requests: 3/s"),
	F_INT("burst", struct raw_rule, burst, 1, 1000000, FIELD_OPTIONAL,
	      "how many may come at once (1)"),
	F_CUSTOM("quota", struct raw_rule, quota, take_json,
		 "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}", FIELD_OPTIONAL,
		 "most requests in any window of that length: [\"1000/d\"]"),
	F_INT("concurrency", struct raw_rule, concurrency, 1, 65536, FIELD_OPTIONAL,
	      "requests under way at once"),
	F_INT("cost", struct raw_rule, cost, 1, 1000000, FIELD_OPTIONAL,
	      "tokens of rate and quota that one request takes (1)"),
	F_DURATION("max_wait", struct raw_rule, max_wait_ms, 0, UNITS_MAX_MS, FIELD_OPTIONAL,
		   "longest wait for a server's block (1h)"),
	F_DURATION("max_retry_after", struct raw_rule, max_retry_after_ms, 0, UNITS_MAX_MS,
		   FIELD_OPTIONAL, "longest Retry-After that is obeyed; then one probes (1h)"),
	F_BOOL("adaptive", struct raw_rule, adaptive, FIELD_OPTIONAL,
	       "lets concurrency (6, if none is said) follow what the server bears"),
	F_OBJECT("circuit", struct raw_rule, circuit, &circuit_table, FIELD_OPTIONAL,
		 "stop asking what only fails"),
	F_NUMBER("retry_budget", struct raw_rule, retry_budget, 0, 100, FIELD_OPTIONAL,
		 "retries per first attempt"),
	F_SIZE("bandwidth", struct raw_rule, bandwidth, 1024, INT64_MAX, FIELD_OPTIONAL,
	       "bytes per second of all responses together, shared among concurrency (6, if none "
	       "is said)"),
};
static const struct field_table rule_table = FIELD_TABLE("limits", rule_field);

const struct field_table *rules_fields(void)
{
	return &rule_table;
}

/* What reading one rule needs. */
struct reading {
	struct fields_read rd;
	struct rules *rules;
	rules_uid_of uid_of;
	void *ctx;
};

static enum err keep_lower(struct reading *g, const char *text, struct slice *ret)
{
	char **grown = realloc(g->rules->lower, (g->rules->n_lower + 1) * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	g->rules->lower = grown;
	char *copy = strdup(text);
	if (copy == NULL)
		return ERR_NOMEM;
	for (char *c = copy; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c | 0x20);
	}
	g->rules->lower[g->rules->n_lower++] = copy;
	*ret = slice_of(copy);
	return ERR_OK;
}

/* A host in normal form; patterns only in lower case and without a trailing dot. */
static enum err read_host(struct reading *g, const struct fields_at *at, const char *text,
			  struct rule *rule)
{
	struct bytes normal = BYTES_LIMIT(512);
	enum err e;
	if (rules_is_glob(slice_of(text))) {
		e = keep_lower(g, text, &rule->host);
		while (e == ERR_OK && rule->host.n > 0 && rule->host.p[rule->host.n - 1] == '.')
			rule->host.n--;
		if (e == ERR_OK && rule->host.n == 1 && rule->host.p[0] == '*')
			rule->host.n = 0;
	} else {
		bool bare_v6 = strchr(text, ':') != NULL && text[0] != '[';
		char spelt[300];
		snprintf(spelt, sizeof(spelt), bare_v6 ? "[%s]" : "%s", text);
		e = url_normal_host(slice_of(spelt), &normal);
		if (e == ERR_INVALID)
			e = fields_fail(&g->rd, at, "match", "\"%.100s\" is not a host", text);
		else if (e == ERR_OK)
			e = keep_lower(g, bytes_cstr(&normal), &rule->host);
	}
	bytes_fini(&normal);
	return e;
}

static enum err read_user(struct reading *g, const struct fields_at *at, const json_t *user,
			  struct rule *rule)
{
	if (json_is_integer(user) && json_integer_value(user) >= 0 &&
	    json_integer_value(user) <= UINT32_MAX) {
		rule->uid = json_integer_value(user);
		return ERR_OK;
	}
	if (!json_is_string(user))
		return fields_fail(&g->rd, at, "match", "user must be a name or a number");
	if (g->uid_of == NULL || !g->uid_of(g->ctx, json_string_value(user), &rule->uid))
		return fields_fail(&g->rd, at, "match", "there is no user \"%.80s\"",
				   json_string_value(user));
	return ERR_OK;
}

static enum err want_header(struct reading *g, const struct fields_at *at, struct slice name)
{
	struct rules *r = g->rules;
	for (uint32_t i = 0; i < r->n_header; i++) {
		if (slice_eq(r->header[i], name))
			return ERR_OK;
	}
	if (r->n_header == RULES_HEADERS_MAX)
		return fields_fail(&g->rd, at, NULL,
				   "all rules together look at more than %d headers",
				   RULES_HEADERS_MAX);
	r->header[r->n_header++] = name;
	return ERR_OK;
}

static enum err read_headers(struct reading *g, const struct fields_at *at, const json_t *headers,
			     struct rule *rule)
{
	const char *name;
	json_t *value;
	if (!json_is_object(headers))
		return fields_fail(&g->rd, at, "match", "header must be an object");
	json_object_foreach((json_t *)headers, name, value)
	{
		struct slice lower;
		if (!json_is_string(value) || rule->n_header == RULES_HEADERS_MAX)
			return fields_fail(&g->rd, at, "match",
					   "header must be at most %d names with patterns",
					   RULES_HEADERS_MAX);
		enum err e = keep_lower(g, name, &lower);
		if (e == ERR_OK)
			e = want_header(g, at, lower);
		if (e != ERR_OK)
			return e;
		rule->header[rule->n_header++] =
			(struct rule_header){lower, slice_of(json_string_value(value))};
	}
	return ERR_OK;
}

static enum err read_match(struct reading *g, const struct fields_at *at, const struct raw_match *m,
			   struct rule *rule)
{
	enum err e = ERR_OK;
	rule->path = slice_of(m->path);
	rule->method = slice_of(m->method);
	rule->port = (int)m->port;
	rule->uid = -1;
	if (m->host != NULL)
		e = read_host(g, at, m->host, rule);
	if (e == ERR_OK && m->user != NULL)
		e = read_user(g, at, m->user, rule);
	if (e == ERR_OK && m->header != NULL)
		e = read_headers(g, at, m->header, rule);
	return e;
}

static enum err read_reference(struct reading *g, const struct fields_at *at, struct slice name,
			       struct rule *rule)
{
	if (slice_is(name, "host") || slice_is(name, "domain")) {
		rule->by_host = true;
		return ERR_OK;
	}
	if (slice_is(name, "user")) {
		rule->by_user = true;
		return ERR_OK;
	}
	char header[128];
	if (name.n > 7 && name.n < sizeof(header) && memcmp(name.p, "header:", 7) == 0) {
		rule->by_header = true;
		memcpy(header, name.p + 7, name.n - 7);
		header[name.n - 7] = '\0';
		struct slice lower;
		enum err e = keep_lower(g, header, &lower);
		return e != ERR_OK ? e : want_header(g, at, lower);
	}
	return fields_fail(&g->rd, at, "key", "\"%.*s\" is not host, domain, user or header:NAME",
			   name.n > 80 ? 80 : (int)name.n, name.p);
}

/* The key of a rule that names none: what it matches, in one spelling. */
static enum err key_of_match(struct reading *g, const json_t *v, struct rule *rule)
{
	char *text = json_dumps(json_object_get(v, "match"), JSON_COMPACT | JSON_SORT_KEYS);
	struct bytes key = BYTES_LIMIT(RULES_KEY_MAX - 1);
	bytes_add_str(&key, "rule:");
	bytes_add_str(&key, text != NULL ? text : "all");
	if (key.err == ERR_TOO_LARGE) {
		uint64_t hash = siphash13((uint64_t[2]){0, 0}, text, strlen(text));
		bytes_clear(&key);
		bytes_printf(&key, "rule:%016llx", (unsigned long long)hash);
	}
	for (size_t i = 0; i < key.n; i++) {
		if ((unsigned char)key.p[i] <= ' ' || key.p[i] == '$' || key.p[i] == 0x7f)
			key.p[i] = '_';
	}
	enum err e = key.err != ERR_OK ? key.err : keep_lower(g, bytes_cstr(&key), &rule->key);
	bytes_fini(&key);
	free(text);
	return e;
}

static enum err read_key(struct reading *g, const struct fields_at *at, const char *key,
			 struct rule *rule)
{
	rule->key = slice_of(key);
	if (strncmp(key, "origin:", 7) == 0 || strncmp(key, "job:", 4) == 0 ||
	    strncmp(key, "daemon:", 7) == 0)
		return fields_fail(&g->rd, at, "key",
				   "origin:, job: and daemon: are names of the daemon's own");
	for (size_t i = 0; i < rule->key.n;) {
		if ((unsigned char)key[i] <= ' ' || key[i] == 0x7f)
			return fields_fail(&g->rd, at, "key", "a key holds no blanks or controls");
		if (key[i] != '$' || key[i + 1] != '{') {
			i++;
			continue;
		}
		struct slice name = rules_reference(rule->key, &i);
		if (name.p == NULL)
			return fields_fail(&g->rd, at, "key", "\"${\" is not closed");
		enum err e = read_reference(g, at, name, rule);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static struct rate rate_of(struct units_rate r)
{
	return (struct rate){.n = r.n, .per_ns = r.per_ms * NS_PER_MS};
}

static enum err read_quota(struct reading *g, const struct fields_at *at, const json_t *quota,
			   struct limits *l)
{
	size_t n = json_array_size(quota);
	if (!json_is_array(quota) || n > RULES_QUOTAS_MAX)
		return fields_fail(&g->rd, at, "quota", "quota must be a list of at most %d rates",
				   RULES_QUOTAS_MAX);
	for (size_t i = 0; i < n; i++) {
		struct units_rate r;
		const char *text = json_string_value(json_array_get(quota, i));
		if (text == NULL || units_rate(slice_of(text), &r) != ERR_OK)
			return fields_fail(&g->rd, at, "quota",
					   "quota must hold rates like \"1000/d\"");
		l->quota[l->n_quota++] = rate_of(r);
	}
	return ERR_OK;
}

static enum err read_limits(struct reading *g, const struct fields_at *at,
			    const struct raw_rule *raw, struct limits *l)
{
	limits_init(l);
	if (raw->rate.n > 0)
		l->rate = rate_of(raw->rate);
	l->burst = (uint32_t)raw->burst;
	l->concurrency = (uint32_t)raw->concurrency;
	l->cost = (uint32_t)raw->cost;
	l->max_wait_ns = raw->max_wait_ms * NS_PER_MS;
	l->max_retry_after_ns = raw->max_retry_after_ms * NS_PER_MS;
	l->adaptive = raw->adaptive;
	l->circuit_failures = (uint32_t)raw->circuit.failures;
	l->circuit_open_ns = raw->circuit.open_ms * NS_PER_MS;
	l->retry_budget = raw->retry_budget;
	l->bandwidth_bytes_per_s = raw->bandwidth;
	/* both are shares of a concurrency: an origin's default where none is said */
	if (l->concurrency == 0 && (l->adaptive || l->bandwidth_bytes_per_s != 0))
		l->concurrency = RULES_CONCURRENCY;
	return raw->quota != NULL ? read_quota(g, at, raw->quota, l) : ERR_OK;
}

static enum err read_rule(struct reading *g, const json_t *v, const struct fields_at *at,
			  struct rule *rule)
{
	struct raw_rule raw = {
		.burst = 1,
		.cost = 1,
		.max_wait_ms = UNITS_HOUR_MS,
		.max_retry_after_ms = UNITS_HOUR_MS,
	};
	enum err e = fields_read(&g->rd, &rule_table, v, at, &raw, NULL);
	if (e == ERR_OK)
		e = read_match(g, at, &raw.match, rule);
	if (e == ERR_OK)
		e = raw.key != NULL ? read_key(g, at, raw.key, rule) : key_of_match(g, v, rule);
	return e != ERR_OK ? e : read_limits(g, at, &raw, &rule->limits);
}

static enum err check_conflicts(struct reading *g)
{
	const struct rules *r = g->rules;
	for (uint32_t i = 0; i < r->n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			const struct rule *a = &r->rule[k], *b = &r->rule[i];
			if (!slice_eq(a->key, b->key) || rules_rank(a, b) != 0 ||
			    !rules_may_meet(a, b))
				continue;
			struct fields_at list = {.member = "limits"};
			struct fields_at at = {.up = &list, .index = i};
			return fields_fail(&g->rd, &at, "key",
					   "rules %u and %u give the key \"%.80s\" to the same "
					   "request, and neither is more specific",
					   (unsigned)k, (unsigned)i, b->key.p);
		}
	}
	return ERR_OK;
}

static int by_rank(const void *a, const void *b)
{
	return -rules_rank(a, b);
}

/* Stable: equal ranks keep the order of the file. */
static void sort_rules(struct rules *r)
{
	for (uint32_t i = 1; i < r->n; i++) {
		struct rule moved = r->rule[i];
		uint32_t k = i;
		for (; k > 0 && by_rank(&r->rule[k - 1], &moved) > 0; k--)
			r->rule[k] = r->rule[k - 1];
		r->rule[k] = moved;
	}
}

static enum err read_all(struct reading *g, const json_t *list)
{
	struct fields_at at_list = {.member = "limits"};
	size_t n = json_array_size(list);
	if (!json_is_array(list))
		return fields_fail(&g->rd, &at_list, NULL, "limits must be a list of rules");
	if (n > RULES_MAX)
		return fields_fail(&g->rd, &at_list, NULL, "more than %d rules", RULES_MAX);
	g->rules->rule = calloc(n + 1, sizeof(*g->rules->rule));
	if (g->rules->rule == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		struct fields_at at = {.up = &at_list, .index = i};
		enum err e = read_rule(g, json_array_get(list, i), &at, &g->rules->rule[i]);
		if (e != ERR_OK)
			return e;
		g->rules->n++;
	}
	enum err e = check_conflicts(g);
	if (e == ERR_OK)
		sort_rules(g->rules);
	return e;
}

enum err rules_read(const json_t *list, rules_uid_of uid_of, void *ctx, struct rules **ret,
		    struct fields_error *error)
{
	struct reading g = {.uid_of = uid_of, .ctx = ctx, .rules = rules_none()};
	g.rd.error = error;
	if (g.rules == NULL)
		return ERR_NOMEM;
	g.rules->keep = json_incref((json_t *)list);
	enum err e = read_all(&g, list);
	if (e == ERR_OK)
		*ret = g.rules;
	else
		rules_unref(g.rules);
	return e;
}
