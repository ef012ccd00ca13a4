/*
 * rules_internal -- what rules_read.c and rules.c share.
 */
#pragma once

#include "model/rules.h"

struct rules {
	uint32_t refs;
	uint32_t n;
	struct rule *rule;			/* most specific first */
	struct slice header[RULES_HEADERS_MAX]; /* lower case */
	uint32_t n_header;
	json_t *keep; /* texts are borrowed from it */
	char **lower; /* and from these */
	uint32_t n_lower;
};

/* > 0: a is more specific than b. */
int rules_rank(const struct rule *a, const struct rule *b);
/* Whether some request may match both. Says yes when in doubt. */
bool rules_may_meet(const struct rule *a, const struct rule *b);
bool rules_is_glob(struct slice s);
/* The name inside "${name}" at text[*at], which is moved behind it; p == NULL: it is not closed. */
struct slice rules_reference(struct slice text, size_t *at);
