/*
 * validators -- what servers called the present state of a resource (RFC 9110 8.8), by user and
 * URL, so that the next request can ask whether it has changed.
 *
 * At most VALIDATORS_MAX of them, the one told longest ago goes first. What durable jobs learn is
 * in the store as well: what is not here is looked for there before the request.
 * Threads: none of its own; one owner at a time.
 */
#pragma once

#include "base/bytes.h"

#define VALIDATORS_MAX	10000
#define VALIDATOR_BYTES 1024 /* of an entity tag, of a date */

struct validators;

struct validator {
	struct slice etag, last_modified; /* n == 0: none */
};

/* NULL: no memory. */
struct validators *validators_new(uint64_t seed);
/* NULL is allowed. */
void validators_free(struct validators *v);
uint32_t validators_count(const struct validators *v);
/* False: none is known. The texts live until the next put. */
bool validators_get(const struct validators *v, uint32_t uid, struct slice url,
		    struct validator *ret);
/* Puts or replaces; without either text, or with one too long, what was known is forgotten. NOMEM.
 */
enum err validators_put(struct validators *v, uint32_t uid, struct slice url,
			const struct validator *what);
