/*
 * cookies_state -- what the files of the jar share. Nobody else includes it.
 */
#pragma once

#include "model/cookies.h"
#include "model/cookies_parse.h"

struct cookie {
	struct slice name, value, domain, path; /* in text */
	bool is_host_only, is_secure, is_http_only;
	int64_t expires_s; /* INT64_MAX: with the jar */
	uint64_t made, used;
	size_t n_bytes; /* of text */
	char text[];
};

struct cookies {
	struct cookie **cookie;
	uint32_t n, cap;
	size_t n_bytes;
	uint64_t turn; /* grows with every cookie made or used */
};

/* A copy of it; what it replaces goes, and if there are too many, another. NOMEM. */
enum err cookies_insert(struct cookies *c, const struct cookie *k);
void cookies_drop_expired(struct cookies *c, int64_t now_s);
