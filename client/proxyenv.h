/*
 * proxyenv -- which proxy a URL wants, by the variables that curl reads: http_proxy (lower case
 * only), https_proxy, all_proxy, no_proxy (or in capitals).
 */
#pragma once

#include "base/bytes.h"

struct proxyenv {
	const char *http, *https; /* NULL: none */
	const char *no;		  /* hosts that go without, comma-separated; NULL: none */
};

/* False if the environment names no proxy at all. Texts are borrowed from the environment. */
bool proxyenv_read(struct proxyenv *ret);
/* The proxy of a URL, or NULL. */
const char *proxyenv_for(const struct proxyenv *p, struct slice url);
