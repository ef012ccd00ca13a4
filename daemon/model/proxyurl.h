/*
 * proxyurl -- what names a proxy: http://[user:pass@]host[:port] (80), socks5://… or socks5h://…
 * (1080), or host:port alone, which is http. Both SOCKS forms give the proxy the name.
 */
#pragma once

#include "model/url.h"

struct proxyurl {
	struct url url; /* owned: host, user and password; its scheme says nothing */
	bool is_socks;
	uint16_t port;
};

/* Errors: INVALID, *why a sentence; NOMEM. On failure there is nothing to free. */
enum err proxyurl_parse(struct slice text, struct proxyurl *ret, const char **why);
void proxyurl_fini(struct proxyurl *p);
