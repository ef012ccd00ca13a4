/*
 * redirect -- where a 3xx answer leads, with which method, and what may not go along.
 *
 * As curl does: 301 and 302 turn POST into GET, 303 turns all but HEAD into GET, 300, 307 and 308
 * keep method and body (RFC 9110 section 15.4). Only http and https; a Location that is missing or
 * empty makes the answer final. Other than curl: from https to http only if that was asked for.
 * Pure. Ownership: step.to is the caller's (url_fini).
 */
#pragma once

#include "model/url.h"
#include "proto/errors.h"

enum redirect_verdict {
	REDIRECT_FINAL,	 /* not a redirect */
	REDIRECT_FOLLOW, /* to step.to */
	REDIRECT_FAILED, /* step.kind and step.why */
};

struct redirect_facts {
	int status;
	struct slice method;
	struct slice location; /* the first Location field; empty: none */
	const struct url *at;  /* what was asked */
	uint32_t hops;	       /* redirects followed so far */
	uint32_t max_hops;
	bool may_downgrade; /* from https to http */
};

struct redirect_step {
	struct url to;
	bool to_get;	   /* the method becomes GET, the body is dropped */
	bool other_origin; /* than what was asked */
	enum kind kind;
	const char *why;
};

enum redirect_verdict redirect_next(const struct redirect_facts *f, struct redirect_step *ret);
/* Fields that described a body which is dropped: Content-Type and its like, Expect. */
bool redirect_drops_field(struct slice name);
