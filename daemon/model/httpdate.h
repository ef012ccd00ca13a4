/*
 * httpdate -- dates of HTTP (RFC 9110 5.6.7) and what Retry-After says (10.2.3).
 *
 * Pure: the wall clock is a parameter. Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"

/*
 * IMF-fixdate, the RFC 850 form and asctime's, case of names as written, day name not checked
 * against the date. A two-digit year is the one at most 50 years ahead of now. Seconds since 1970.
 * Errors: INVALID.
 */
enum err httpdate_parse(struct slice text, int64_t wall_now_s, int64_t *ret_s);

#define RETRYAFTER_MAX_MS (100LL * 365 * 86400 * 1000)

/*
 * Milliseconds from now: delay-seconds or a date (in the past: 0); absurd ones are cut at
 * RETRYAFTER_MAX_MS. -1: neither (also negative numbers and fractions), so there is none.
 */
int64_t retryafter_parse(struct slice text, int64_t wall_now_ns);
