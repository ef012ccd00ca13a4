#include "model/proxyurl.h"

#include <string.h>

static const struct {
	const char *scheme;
	bool is_socks;
} schemes[] = {
	{"http://", false},
	{"socks5://", true},
	{"socks5h://", true},
};

#define N_SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

static bool begins(struct slice s, const char *with)
{
	size_t n = strlen(with);
	return s.n >= n && slice_eq_nocase((struct slice){s.p, n}, slice_of(with));
}

static enum err parse_as(const char *scheme, struct slice rest, struct url *ret, const char **why)
{
	struct bytes text = BYTES_LIMIT(URL_MAX);
	bytes_add_str(&text, scheme);
	bytes_add_slice(&text, rest);
	enum err e = text.err != ERR_OK ? text.err : url_parse(bytes_slice(&text), ret, why);
	bytes_fini(&text);
	return e == ERR_NOMEM ? e : e == ERR_OK ? ERR_OK : ERR_INVALID;
}

/* https's default differs from http's: a port that is 443 under it is 443 or was not given. */
static enum err socks_port(struct slice rest, struct proxyurl *p, const char **why)
{
	struct url other = {0};
	enum err e = parse_as("https://", rest, &other, why);
	if (e == ERR_OK)
		p->port = p->url.port == 80 && other.port == 443 ? 1080 : p->url.port;
	url_fini(&other);
	return e;
}

enum err proxyurl_parse(struct slice text, struct proxyurl *ret, const char **why)
{
	size_t i = 0;
	struct slice rest = text;
	while (i < N_SCHEMES && !begins(text, schemes[i].scheme))
		i++;
	*why = "a proxy is http://HOST:PORT or socks5://HOST:PORT";
	*ret = (struct proxyurl){.is_socks = i < N_SCHEMES && schemes[i].is_socks};
	if (i < N_SCHEMES)
		rest = (struct slice){text.p + strlen(schemes[i].scheme),
				      text.n - strlen(schemes[i].scheme)};
	else if (memmem(text.p, text.n, "://", 3) != NULL)
		return ERR_INVALID;
	enum err e = parse_as("http://", rest, &ret->url, why);
	if (e != ERR_OK)
		return e;
	ret->port = ret->url.port;
	e = ret->is_socks ? socks_port(rest, ret, why) : ERR_OK;
	if (e != ERR_OK)
		proxyurl_fini(ret);
	return e;
}

void proxyurl_fini(struct proxyurl *p)
{
	url_fini(&p->url);
	*p = (struct proxyurl){.port = 0};
}
