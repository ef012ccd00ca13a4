/*
 * cookies_parse -- the text of a Set-Cookie field (RFC 6265 5.2). Private to the jar.
 */
#pragma once

#include "base/bytes.h"

/* Slices point into the field. */
struct cookie_draft {
	struct slice name, value;
	struct slice domain; /* without its leading dot; n == 0: none */
	struct slice path;   /* n == 0: none */
	bool is_secure, is_http_only, has_max_age, has_expires;
	int64_t max_age_s, expires_s;
};

/* False: no name, no "=", or controls in it. Attributes that make no sense are passed over. */
bool cookie_parse(struct slice field, struct cookie_draft *ret);
