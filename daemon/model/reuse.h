/*
 * reuse -- whether a connection may serve another request, and for how long it may wait for it.
 * Any doubt says no: a connection is cheap, one response's bytes in another are not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct reuse_facts {
	bool head_allows;   /* version, Connection, framing (head.reusable) */
	bool body_complete; /* by its own framing, not by the end of the connection */
	bool request_sent;  /* to its last byte */
	bool leftover;	    /* bytes behind the response */
	bool ambiguous;	    /* anything two readers may read differently */
	bool closed;	    /* it is no longer there */
};

bool reuse_allowed(const struct reuse_facts *f);
/*
 * How long it may stay idle: our own limit, and less than what the server said it keeps it
 * (Keep-Alive: timeout=; -1: nothing said), so that we close first.
 */
int64_t reuse_idle_ms(int64_t said_ms, int64_t own_ms);
