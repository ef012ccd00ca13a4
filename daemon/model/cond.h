/*
 * cond -- conditions on a result or on an item: `when`, `each.where`, `results.where`.
 *
 * An object whose members must all hold:
 *   "status": 200 | "300-399" | [...]      the response's status
 *   "kind": "read" | [...]                 the error kind, by prefix
 *   "header": {"content-type": "*json*"}   any header of that name matches; ASCII case ignored
 *   "/pointer": VALUE                      equal (numbers by value), or with an object of
 *   "/pointer": {"lt": …, "gt": …, "match": "glob"}   all of these
 *   "any": [COND…], "not": COND, "of": ID
 * A missing member is false. lt and gt compare numbers with numbers and strings with strings,
 * bytewise. A glob has * and ? and \ for what follows; it is looked for in the first 64 KiB.
 *
 * Threads none; a cond is immutable and lives in the arena it was parsed into, except that it
 * holds references to JSON values, which live as long as the json_t it was parsed from.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "proto/errors.h"

#include <jansson.h>
#include <stdbool.h>

#define COND_MAX_DEPTH 16
#define COND_MAX_TESTS 256
#define COND_MAX_GLOB  256

struct cond;

/* Where the condition is used: results and items differ in what may be asked. */
enum cond_use {
	COND_ITEM,   /* each.where: pointers only */
	COND_RESULT, /* results.where */
	COND_WHEN,   /* as COND_RESULT, and `of` */
};

struct cond_error {
	enum err err;	/* INVALID, TOO_LARGE, NOMEM */
	char path[256]; /* a JSON pointer to the culprit, below the condition; "" = itself */
	char sentence[256];
};

enum err cond_parse(struct arena *a, const json_t *v, enum cond_use use, const struct cond **ret,
		    struct cond_error *e);

struct cond_header {
	struct slice name, value;
};

/* What is tested; all borrowed. */
struct cond_input {
	bool has_result; /* else status, kind, header are false */
	int status;	 /* 0: no response arrived */
	enum kind kind;	 /* KIND_NONE: it succeeded */
	const struct cond_header *headers;
	size_t n_headers;
	const json_t *doc; /* the item, or the body of the result as JSON; NULL: none */
};

/*
 * What a condition with `of` asks for: the input of the task that bears that id. false: it has not
 * run or is not known, and whatever is asked of it is false.
 */
typedef bool (*cond_of)(void *ctx, struct slice id, struct cond_input *ret);

/* `in` may be NULL (nothing to test but by `of`); `of` may be NULL. */
bool cond_holds(const struct cond *c, const struct cond_input *in, cond_of of, void *ctx);
/* Whether the input's doc is looked at, so that it is worth parsing. */
bool cond_needs_doc(const struct cond *c);
/* Calls visit for every `of` in it. */
void cond_each_of(const struct cond *c, void (*visit)(void *ctx, struct slice id), void *ctx);

/* Linear apart from ?: at most pattern × text steps, text cut at 64 KiB. */
bool glob_match(struct slice pattern, struct slice text, bool ignore_case);
