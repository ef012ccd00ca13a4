/*
 * rules -- the limits of the configuration: which keys a request counts under, and what each key
 * allows.
 *
 * Every rule whose match holds applies. Of matching rules that give the same key the most specific
 * one counts: exact host before a longer glob before none, then one with a path, a method, a user,
 * a port, headers. Two of equal rank and equal key that could match the same request are refused
 * when the configuration is read.
 *
 * Key templates: ${host} ${domain} (registrable domain) ${user} (uid) ${header:NAME}; header
 * values enter hashed (SHA-256, 16 hex digits), so that no secret becomes a name.
 *
 * Threads    immutable after reading; counted without locks: one thread.
 */
#pragma once

#include "base/bytes.h"
#include "model/gcra.h"
#include "proto/fields.h"

#include <jansson.h>

#define RULES_MAX	  1024
#define RULES_HITS_MAX	  8   /* keys one request may count under; more: the first in rank */
#define RULES_HEADERS_MAX 8   /* header names all templates and matches together may ask for */
#define RULES_KEY_MAX	  256 /* bytes of an expanded key; longer ones end in their hash */
#define RULES_QUOTAS_MAX  4
#define RULES_CONCURRENCY                                                                          \
	6 /* of an origin without a rule, and where adaptive or bandwidth needs one */

/* What a key allows. 0 or n == 0: no such limit. */
struct limits {
	struct rate rate;
	uint32_t burst; /* at least 1 */
	struct rate quota[RULES_QUOTAS_MAX];
	uint32_t n_quota;
	uint32_t concurrency;
	uint32_t cost; /* tokens of one request, at least 1 */
	int64_t max_wait_ns, max_retry_after_ns;
	bool adaptive;
	uint32_t circuit_failures;
	int64_t circuit_open_ns;
	double retry_budget;	       /* retries per first attempt; 0 = unlimited */
	int64_t bandwidth_bytes_per_s; /* of all under the key together */
};

/* No limit at all; one hour for both waits. */
void limits_init(struct limits *l);

struct rule_header {
	struct slice name, pattern;
};

struct rule {
	struct slice host;   /* glob in normal form; empty: any */
	struct slice path;   /* glob; empty: any */
	struct slice method; /* empty: any */
	int port;	     /* 0: any */
	int64_t uid;	     /* -1: any */
	struct rule_header header[RULES_HEADERS_MAX];
	uint32_t n_header;
	struct slice key; /* template */
	struct limits limits;
	/* the template asks for these */
	bool by_host, by_user, by_header;
};

struct rules;

/* uid of a user name for `match.user`; false: no such user. */
typedef bool (*rules_uid_of)(void *ctx, const char *name, int64_t *ret_uid);

/*
 * Reads the array `limits` of the configuration. *ret has one reference. Errors: INVALID with
 * *error, NOMEM. uid_of may be NULL: only numbers then.
 */
enum err rules_read(const json_t *list, rules_uid_of uid_of, void *ctx, struct rules **ret,
		    struct fields_error *error);
/* The members of a rule, for documentation and schemas. */
const struct field_table *rules_fields(void);
/* No rules; NULL: no memory. */
struct rules *rules_none(void);
struct rules *rules_ref(struct rules *r);
void rules_unref(struct rules *r);
uint32_t rules_count(const struct rules *r);
const struct rule *rules_at(const struct rules *r, uint32_t i);

/* The header fields a query must bring, in lower case. */
uint32_t rules_headers(const struct rules *r);
struct slice rules_header(const struct rules *r, uint32_t i);

/* A request, as rules see it; header values in the order of rules_header, p == NULL: absent. */
struct rules_query {
	struct slice host, domain, path, method;
	uint16_t port;
	uint32_t uid;
	struct slice header[RULES_HEADERS_MAX];
};

struct rules_hit {
	const struct rule *rule;
	char key[RULES_KEY_MAX];
	uint32_t key_n;
};

/* Fills hits in order of rank and returns how many. Pure. */
uint32_t rules_match(const struct rules *r, const struct rules_query *q,
		     struct rules_hit hit[RULES_HITS_MAX]);
/*
 * Whether what rules_match says for this host and port is the same whatever path, method, uid and
 * headers are, so that it may be remembered.
 */
bool rules_constant_for(const struct rules *r, struct slice host, uint16_t port);

/* "*.x.org" also matches "x.org"; * anywhere, ? one character. Host in normal form. */
bool rules_host_matches(struct slice glob, struct slice host);
