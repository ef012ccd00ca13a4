/*
 * proxytalk -- what is said to a proxy before the bytes of the origin flow: CONNECT (RFC 9110
 * section 9.3.6) or SOCKS5 (RFC 1928, with the name left to the proxy, and RFC 1929).
 *
 * Threads    the loop's; never blocks; reads not one byte of what follows.
 */
#pragma once

#include "base/bytes.h"
#include "edge/exchange.h"
#include "model/head.h"

struct proxytalk {
	const struct xproxy *proxy;
	struct slice host; /* of the origin, no brackets */
	uint16_t port;
	uint8_t step;
	struct bytes out; /* not sent yet */
	unsigned char in[262];
	size_t n_in, want;
	struct head head;
	const char *why; /* at failure */
	char why_text[128];
};

/* proxy and host must stay valid. Errors: NOMEM, INVALID (a name that SOCKS5 cannot carry). */
enum err proxytalk_init(struct proxytalk *t, const struct xproxy *proxy, struct slice host,
			uint16_t port);
void proxytalk_fini(struct proxytalk *t);
/*
 * Goes on as far as the socket lets it. OK: the way is open. AGAIN: *ret_write tells what to wait
 * for. Anything else: refused or broken, t->why says it.
 */
enum err proxytalk_step(struct proxytalk *t, int fd, bool *ret_write);
