#include "model/credentials.h"

#include <strings.h>

static bool contains_nocase(struct slice s, const char *part)
{
	struct slice p = slice_of(part);
	for (size_t i = 0; i + p.n <= s.n; i++)
		if (strncasecmp(s.p + i, p.p, p.n) == 0)
			return true;
	return false;
}

bool credentials_is_secret(struct slice name)
{
	static const char *const exact[] = {"cookie", "cookie2", "x-csrf", "x-key"};
	static const char *const part[] = {"auth",    "token",	    "secret",	 "api-key",
					   "apikey",  "api_key",    "password",	 "passwd",
					   "session", "credential", "signature", "access-key"};
	for (size_t i = 0; i < sizeof(exact) / sizeof(*exact); i++)
		if (slice_eq_nocase(name, slice_of(exact[i])))
			return true;
	for (size_t i = 0; i < sizeof(part) / sizeof(*part); i++)
		if (contains_nocase(name, part[i]))
			return true;
	return false;
}

bool credentials_may_go(const struct url *given_for, const struct url *to)
{
	return slice_eq(url_origin(given_for), url_origin(to));
}

bool credentials_keeps_field(struct slice name, const struct url *given_for, const struct url *to)
{
	return !credentials_is_secret(name) || credentials_may_go(given_for, to);
}
