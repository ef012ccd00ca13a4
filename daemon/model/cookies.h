/*
 * cookies -- a jar: what servers set, and what goes along with a request (RFC 6265, with the
 * prefixes and the rule for Secure of its revision; libpsl's built-in list of public suffixes).
 *
 * At most COOKIES_MAX of them, COOKIES_PER_DOMAIN of one domain, COOKIE_BYTES of name, value and
 * attributes each and COOKIES_BYTES together; when there are too many, expired ones go first, then
 * those used longest ago. HttpOnly is only remembered: there are no scripts. SameSite means
 * nothing: there are no sites.
 *
 * Pure: the wall clock is a parameter, in seconds. Threads: none of its own.
 */
#pragma once

#include "model/url.h"

#define COOKIES_MAX	   3000
#define COOKIES_PER_DOMAIN 50
#define COOKIE_BYTES	   4096
#define COOKIES_BYTES	   (1u << 20) /* of all of them */

struct cookies;

/* NULL: no memory. */
struct cookies *cookies_new(void);
/* NULL is allowed. */
void cookies_free(struct cookies *c);
uint32_t cookies_count(const struct cookies *c);

/*
 * One Set-Cookie field of an answer from that URL. INVALID: it is none, or may not be set from
 * there; it changes nothing. NOMEM.
 */
enum err cookies_take(struct cookies *c, const struct url *from, struct slice field,
		      int64_t wall_now_s);
/* A cookie of the caller's own for that host alone, all paths, until the jar goes, unless there is
 * one of that name already. Errors as before. */
enum err cookies_put(struct cookies *c, const struct url *host, struct slice name,
		     struct slice value);
/* Appends the value of Cookie for a request to that URL; nothing if there is none. Errors: of
 * bytes. */
enum err cookies_add(struct cookies *c, const struct url *to, int64_t wall_now_s,
		     struct bytes *out);
/*
 * One line of a cookie file in Netscape's form, as curl writes and reads it: domain, whether its
 * hosts below count too, path, secure, expiry (0: with the session), name and value, parted by
 * tabs. INVALID: it is none (comments and empty lines are none). An expired one changes nothing.
 */
enum err cookies_load(struct cookies *c, struct slice line, int64_t wall_now_s);
/* Whether it has the form of one. */
bool cookies_is_line(struct slice line);
/* All that have not expired, each as a JSON string, parted by commas. Errors: of bytes. */
enum err cookies_save(struct cookies *c, int64_t wall_now_s, struct bytes *out);
/* RFC 6265 5.1.1: seconds since 1970. INVALID. */
enum err cookies_date(struct slice text, int64_t *ret_s);
