/*
 * args -- the command line, parsed by the tables of proto/commands.h. Options and arguments may be
 * mixed; values are checked by their type here, so that readers below cannot fail.
 */
#pragma once

#include "proto/commands.h"
#include "proto/units.h"

#include <stdbool.h>
#include <stddef.h>

struct args_list {
	const char **v;
	size_t n;
};

struct args {
	enum command_id command;
	const char *global[OPTION_COUNT];     /* before the command; NULL = not given */
	struct args_list value[OPTION_COUNT]; /* of the command, in order; a flag's text is "" */
	struct args_list arg;
};

enum args_result {
	ARGS_RUN,
	ARGS_HELP,  /* message is a help text, for stdout */
	ARGS_USAGE, /* message says what is wrong */
};

/* Texts are borrowed from argv. The message is without a newline at its end for USAGE. */
enum args_result args_parse(int argc, char **argv, struct args *ret, struct bytes *message);
void args_fini(struct args *a);

static inline bool args_has(const struct args *a, enum option_id o)
{
	return a->value[o].n != 0;
}

/* The last one given, or NULL. */
const char *args_text(const struct args *a, enum option_id o);
/* The last one given, or usual. INT, DURATION (ms) and SIZE options. */
int64_t args_number(const struct args *a, enum option_id o, int64_t usual);
/* Whether a CHOICE is that word; not given: whether its default is. */
bool args_is(const struct args *a, enum option_id o, const char *word);
