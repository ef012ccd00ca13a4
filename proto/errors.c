/*
 * errors -- names of kinds and how lists of kinds match. The rows are in errors.def.
 */
#include "proto/errors.h"

#include <string.h>

static const struct {
	const char *name, *doc;
} kind_row[KIND_COUNT] = {
	[KIND_NONE] = {"", ""},
#define KIND(id, text, meaning) [KIND_##id] = {text, meaning},
#include "proto/errors.def"
#undef KIND
};

static bool kind_in_range(enum kind k)
{
	return (unsigned)k < KIND_COUNT;
}

const char *kind_name(enum kind k)
{
	return kind_row[kind_in_range(k) ? k : KIND_INTERNAL].name;
}

const char *kind_doc(enum kind k)
{
	return kind_row[kind_in_range(k) ? k : KIND_INTERNAL].doc;
}

enum kind kind_from_name(struct slice name)
{
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT; k++)
		if (slice_is(name, kind_row[k].name))
			return (enum kind)k;
	return KIND_NONE;
}

bool kind_matches(struct slice entry, enum kind k)
{
	if (k == KIND_NONE || !kind_in_range(k) || entry.n == 0)
		return false;
	const char *name = kind_row[k].name;
	if (entry.n > strlen(name) || memcmp(name, entry.p, entry.n) != 0)
		return false;
	return name[entry.n] == '\0' || name[entry.n] == '.';
}

bool kind_entry_valid(struct slice entry)
{
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT; k++)
		if (kind_matches(entry, (enum kind)k))
			return true;
	return false;
}
