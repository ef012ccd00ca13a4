/*
 * proxyenv -- see proxyenv.h. no_proxy entries are names, which also cover what is below them,
 * addresses, or `*`.
 */
#include "client/proxyenv.h"

#include "client/urlcheck.h"

#include <stdlib.h>
#include <string.h>

static const char *variable(const char *lower, const char *upper)
{
	const char *v = getenv(lower);
	if (v == NULL && upper != NULL)
		v = getenv(upper);
	return v != NULL && v[0] != '\0' ? v : NULL;
}

bool proxyenv_read(struct proxyenv *ret)
{
	const char *all = variable("all_proxy", "ALL_PROXY");
	ret->http = variable("http_proxy", NULL);
	ret->https = variable("https_proxy", "HTTPS_PROXY");
	ret->no = variable("no_proxy", "NO_PROXY");
	if (ret->http == NULL)
		ret->http = all;
	if (ret->https == NULL)
		ret->https = all;
	return ret->http != NULL || ret->https != NULL;
}

static bool covers(struct slice entry, struct slice host)
{
	if (slice_is(entry, "*"))
		return true;
	if (entry.n != 0 && entry.p[0] == '.')
		entry = (struct slice){entry.p + 1, entry.n - 1};
	if (entry.n == 0 || entry.n > host.n)
		return false;
	struct slice tail = {host.p + host.n - entry.n, entry.n};
	bool is_whole = entry.n == host.n || host.p[host.n - entry.n - 1] == '.';
	return is_whole && slice_eq_nocase(tail, entry);
}

static bool goes_without(const char *list, struct slice host)
{
	while (list != NULL && *list != '\0') {
		list += strspn(list, ", ");
		size_t n = strcspn(list, ", ");
		if (n != 0 && covers((struct slice){list, n}, host))
			return true;
		list += n;
	}
	return false;
}

const char *proxyenv_for(const struct proxyenv *p, struct slice url)
{
	bool is_https;
	struct slice host;
	if (!urlcheck_host(url, &is_https, &host) || goes_without(p->no, host))
		return NULL;
	return is_https ? p->https : p->http;
}
