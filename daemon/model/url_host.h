/*
 * url_host -- the host of a URL in normal form. Only url.c and rules need it.
 */
#pragma once

#include "model/url.h"

#define URL_HOST_MAX 253u /* bytes of a name (RFC 1035 2.3.4, without the root's dot) */

struct url_host_out {
	char text[URL_HOST_MAX + 3]; /* without brackets */
	uint32_t n;
	enum url_host kind;
	unsigned char addr[16];
};

/* in is what stands between userinfo and port, brackets included. Errors: as url_parse. */
enum err url_host_normal(struct slice in, struct url_host_out *ret, const char **ret_why);
/* Decodes %XX into out (cap >= in.n). Returns the bytes written; SIZE_MAX for a broken escape. */
size_t url_percent_decode(struct slice in, char *out);
