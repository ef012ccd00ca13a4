/*
 * urlcheck -- the outside of RFC 3986: scheme, authority, no spaces or control characters.
 */
#include "client/urlcheck.h"

#include "proto/units.h"

#include <string.h>

/* The authority without user and password. */
static bool find_authority(struct slice url, bool *ret_is_https, struct slice *ret)
{
	struct slice http = {url.p, url.n < 7 ? url.n : 7}, https = {url.p, url.n < 8 ? url.n : 8};
	*ret_is_https = slice_eq_nocase(https, SLICE_LIT("https://"));
	if (!*ret_is_https && !slice_eq_nocase(http, SLICE_LIT("http://")))
		return false;
	const char *p = url.p + (*ret_is_https ? 8 : 7), *end = url.p + url.n, *stop = p;
	while (stop < end && *stop != '/' && *stop != '?' && *stop != '#')
		stop++;
	const char *at = memrchr(p, '@', (size_t)(stop - p));
	if (at != NULL)
		p = at + 1;
	*ret = (struct slice){p, (size_t)(stop - p)};
	return true;
}

/* Splits host and port; an address in brackets loses them. */
static bool split(struct slice authority, struct slice *ret_host, struct slice *ret_port)
{
	const char *p = authority.p, *end = p + authority.n, *host_end;
	if (authority.n != 0 && *p == '[') {
		host_end = memchr(p, ']', authority.n);
		if (host_end == NULL)
			return false;
		*ret_host = (struct slice){p + 1, (size_t)(host_end - p) - 1};
		host_end++;
	} else {
		host_end = memchr(p, ':', authority.n);
		host_end = host_end != NULL ? host_end : end;
		*ret_host = (struct slice){p, (size_t)(host_end - p)};
	}
	*ret_port = (struct slice){host_end, (size_t)(end - host_end)};
	return host_end == end || *host_end == ':';
}

bool urlcheck_host(struct slice url, bool *ret_is_https, struct slice *ret_host)
{
	struct slice authority, port;
	return find_authority(url, ret_is_https, &authority) && split(authority, ret_host, &port) &&
	       ret_host->n != 0;
}

static bool is_port(struct slice port)
{
	uint64_t n;
	if (port.n <= 1)
		return true; /* absent, or a colon alone */
	struct slice digits = {port.p + 1, port.n - 1};
	return units_u64(digits, &n) == ERR_OK && n >= 1 && n <= 65535;
}

const char *urlcheck(struct slice url)
{
	bool is_https;
	struct slice authority, host, port;
	for (size_t i = 0; i < url.n; i++)
		if ((unsigned char)url.p[i] <= ' ' || url.p[i] == 0x7f)
			return "it holds a space or control character";
	if (!find_authority(url, &is_https, &authority))
		return "it does not start with http:// or https://";
	if (!split(authority, &host, &port))
		return "its host and port cannot be told apart";
	if (host.n == 0)
		return "it has no host";
	if (!is_port(port))
		return "its port is not a number from 1 to 65535";
	for (size_t i = 0; i < host.n; i++)
		if (strchr("\"<>\\^`{|}", host.p[i]) != NULL)
			return "its host holds a character that no name has";
	return NULL;
}
