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
 * bytewise. Globs are those of glob.h.
 *
 * Threads none; a cond is immutable and lives in the arena it was parsed into, except that it
 * holds references to JSON values, which live as long as the json_t it was parsed from.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "model/interp.h"
#include "proto/errors.h"
#include "proto/fields.h"

#include <jansson.h>
#include <stdbool.h>

#define COND_MAX_DEPTH 16
#define COND_MAX_TESTS 256

struct cond;

/* Where the condition is used: results and items differ in what may be asked. */
enum cond_use {
	COND_ITEM,	/* each.where: pointers only */
	COND_RESULT,	/* results.where */
	COND_WHEN,	/* all must stand under an `of` */
	COND_WHEN_ITEM, /* a pointer without `of` reads the item of the `each` around */
};

/*
 * Parses v, which stands at `at`. Errors: INVALID told by fields_fail, NOMEM and TOO_LARGE of the
 * arena. COND_MAX_TESTS and COND_MAX_DEPTH are INVALID.
 */
enum err cond_parse(struct arena *a, const json_t *v, enum cond_use use, struct fields_read *rd,
		    const struct fields_at *at, const struct cond **ret);
/*
 * The same with ${references} in what pointers are compared with: cond_holds_in replaces them. last
 * as in struct tmpl. Elsewhere in a condition a reference is a text like others.
 */
enum err cond_parse_refs(struct arena *a, const json_t *v, enum cond_use use,
			 struct fields_read *rd, const struct fields_at *at,
			 const struct interp_env *last, const struct cond **ret);

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
 * run or is not known, and whatever is asked of it is false. What it borrows need be valid only
 * until the next call.
 */
typedef bool (*cond_of)(void *ctx, struct slice id, struct cond_input *ret);

/* `in` may be NULL (nothing to test but by `of`); `of` may be NULL. */
bool cond_holds(const struct cond *c, const struct cond_input *in, cond_of of, void *ctx);
/* The same with values for references; a test whose reference has none is false. */
bool cond_holds_in(const struct cond *c, const struct cond_input *in, cond_of of, void *ctx,
		   const struct interp_env *env);
/* Whether the input's doc is looked at, so that it is worth parsing. */
bool cond_needs_doc(const struct cond *c);
/* Calls visit for every `of` in it. */
void cond_each_of(const struct cond *c, void (*visit)(void *ctx, struct slice id), void *ctx);
