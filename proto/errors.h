/*
 * errors -- the kinds of errors that users see in results and refusals (errors.def).
 *
 * Not to be confused with enum err (base/err.h), which functions return among themselves.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

enum kind {
	KIND_NONE, /* no error */
#define KIND(name, text, doc) KIND_##name,
#include "proto/errors.def"
#undef KIND
	KIND_COUNT
};

/* "read.timeout"; "" for KIND_NONE; "internal" for a number out of range. Never NULL. */
const char *kind_name(enum kind k);
/* One phrase for people: what the kind means. "" for KIND_NONE. */
const char *kind_doc(enum kind k);
/* KIND_NONE if there is no such kind. */
enum kind kind_from_name(struct slice name);
/*
 * Whether an entry of a list of kinds covers k: equal, or a prefix that ends at a dot
 * ("read" covers read.timeout, "re" and "read." do not). KIND_NONE is covered by nothing.
 */
bool kind_matches(struct slice entry, enum kind k);
/* Whether an entry of a list can cover any kind at all (else it is a spelling mistake). */
bool kind_entry_valid(struct slice entry);
