/*
 * jsonscan -- one pass over JSON text from strangers, before any tree is built (RFC 8259).
 *
 * It refuses what a tree builder would accept or choke on: too deep, too many values, duplicate
 * members (after un-escaping), text that is not strict UTF-8, lone surrogates, \u0000 in a member
 * name. It also finds positions for error messages and cuts raw slices out of checked text, so
 * that hot paths need no tree at all. Nothing here allocates, but for the table of member names.
 * Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define JSONSCAN_DEPTH_MAX  64
#define JSONSCAN_VALUES_MAX 65536

struct jsonscan_limits {
	uint32_t depth;	  /* most nested arrays and objects; 0 = JSONSCAN_DEPTH_MAX, never more */
	uint32_t values;  /* most values of any type; 0 = JSONSCAN_VALUES_MAX */
	uint64_t seed[2]; /* of the hash of member names; from the daemon's random source */
};

struct jsonscan_error {
	size_t offset;	       /* of the first byte that is wrong */
	uint32_t line, column; /* from 1; columns count characters */
	char text[160];	       /* a sentence without a full stop: "expected ',' or '}'" */
};

/*
 * Checks that text is exactly one JSON value (any type) with whitespace around it. limits may be
 * NULL. Errors: INVALID (with *ret_error), TOO_LARGE (depth or values, with *ret_error), NOMEM.
 */
enum err jsonscan_check(struct slice text, const struct jsonscan_limits *limits,
			struct jsonscan_error *ret_error);

struct jsonscan_place {
	size_t offset;
	uint32_t line, column; /* from 1 */
};

/*
 * Where the value at a JSON Pointer (RFC 6901; "" is the whole text) starts; with member, where
 * that member's name stands in the object at the pointer. Falls back to the deepest place that
 * exists. text must have passed jsonscan_check.
 */
struct jsonscan_place jsonscan_locate(struct slice text, struct slice pointer, const char *member);
/* Line and column of a byte. */
struct jsonscan_place jsonscan_place_at(struct slice text, size_t offset);

/*
 * Iteration over raw slices. The text must have passed jsonscan_check; on text that has not, the
 * iteration ends early or gives nonsense, but stays within the slice.
 */
struct jsonscan_iter {
	const char *p, *end;
};

/* INVALID if text is not an array (an object for _members). */
enum err jsonscan_items(struct slice array, struct jsonscan_iter *ret);
/* False at the end. The item has no whitespace around it. */
bool jsonscan_next_item(struct jsonscan_iter *it, struct slice *ret_item);
enum err jsonscan_members(struct slice object, struct jsonscan_iter *ret);
/* *ret_name is without its quotes and still escaped. */
bool jsonscan_next_member(struct jsonscan_iter *it, struct slice *ret_name,
			  struct slice *ret_value);

/* The raw value of a member of an object; names are compared un-escaped. False if absent. */
bool jsonscan_member(struct slice object, const char *name, struct slice *ret_value);

/* Raw values into C. INVALID if it is not one (a string; digits that fit; true or false). */
enum err jsonscan_string(struct slice raw, struct bytes *out);
enum err jsonscan_u64(struct slice raw, uint64_t *ret);
enum err jsonscan_bool(struct slice raw, bool *ret);
/*
 * A raw string that needs no un-escaping, as a slice of the text: the fast way for URLs. INVALID
 * if it is no string, UNSUPPORTED if it holds a backslash.
 */
enum err jsonscan_plain(struct slice raw, struct slice *ret);
