/*
 * retry -- whether a fetch that failed is tried again, and how long it backs off.
 *
 * Pure: chance is a parameter. Threads: none of its own.
 */
#pragma once

#include "base/rng.h"
#include "model/kindset.h"
#include "model/statuses.h"

struct retry_policy {
	uint32_t attempts;  /* the first included; at least 1 */
	int64_t backoff_ms; /* most of the first wait */
	int64_t max_ms;	    /* most of any wait */
	bool has_on;	    /* kinds and statuses replace the built-in ones */
	bool on_is_here;    /* said on this very task: allows methods that are not repeatable */
	struct kindset kinds;
	struct statuses statuses;
};

/* Attempts 3, 500 ms to 30 s, the built-in kinds and statuses. */
void retry_policy_init(struct retry_policy *p);

/* How an attempt ended. */
struct retry_facts {
	uint32_t attempt; /* which it was, from 1; refunded ones do not count */
	enum kind kind;
	int status; /* with KIND_STATUS */
	struct slice method;
	bool was_sent; /* a byte of the request went out */
	bool has_idempotency_key;
};

bool retry_again(const struct retry_policy *p, const struct retry_facts *f);
/* Whether the method may be repeated without asking (RFC 9110 9.2.2): GET HEAD OPTIONS TRACE PUT
 * DELETE. */
bool retry_is_repeatable(struct slice method);
/*
 * The wait before attempt `attempt` + 1, after attempt `attempt` failed: uniform between 0 and
 * min(max, backoff * 2^(attempt-1)), "full jitter" (Brooker, AWS Architecture Blog, 2015).
 */
int64_t retry_backoff_ms(const struct retry_policy *p, uint32_t attempt, struct rng *rng);
