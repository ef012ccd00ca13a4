/*
 * commands -- the command line of `muster` as tables (commands.def, options.def). The parser, the
 * texts of --help, the man page and the completions are made from these rows and nothing else.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum command_id {
#define COMMAND(id, ...) COMMAND_##id,
#include "proto/commands.def"
#undef COMMAND
	COMMAND_COUNT
};

struct command {
	const char *name, *args;
	int min_args, max_args; /* max -1: any number */
	const char *summary;
	const char *examples; /* lines */
};

enum option_id {
#define OPTION(id, ...) OPTION_##id,
#include "proto/options.def"
#undef OPTION
	OPTION_COUNT
};

enum option_type {
	OPTION_TYPE_FLAG,
	OPTION_TYPE_STRING,
	OPTION_TYPE_INT,
	OPTION_TYPE_DURATION,
	OPTION_TYPE_SIZE,
	OPTION_TYPE_RATE,
	OPTION_TYPE_BACKOFF, /* BASE[:MAX], two durations */
	OPTION_TYPE_LIST,    /* kinds and statuses with commas: read,429,500-599 */
	OPTION_TYPE_STATUSES,
	OPTION_TYPE_CHOICE, /* one of the words of .arg */
};

enum option_use { OPTION_ONCE, OPTION_MANY };

struct option_row {
	char letter; /* 0: none */
	const char *name;
	enum option_type type;
	const char *arg, *dflt;
	int64_t min, max; /* both 0: any; of a STRING: bytes, and 1 is for no empty one */
	enum option_use use;
	uint64_t commands; /* bits of command_id, COMMANDS_GLOBAL */
	const char *doc;
};

#define COMMANDS_GLOBAL (UINT64_C(1) << 63)
#define COMMANDS_ALL	((UINT64_C(1) << COMMAND_COUNT) - 1)

extern const struct command commands[COMMAND_COUNT];
extern const struct option_row options[OPTION_COUNT];

/* COMMAND_COUNT if there is none of that name. */
enum command_id command_find(const char *name);
/* Among the options of these commands (a mask); OPTION_COUNT if there is none. */
enum option_id option_find(uint64_t commands, struct slice name);
enum option_id option_find_letter(uint64_t commands, char letter);

/*
 * Whether the text is a value of the option: its type, range and choice. INVALID, with a phrase
 * of what it should be ("a duration such as 5s") in *ret_wanted.
 */
enum err option_check(const struct option_row *o, struct slice text, struct bytes *ret_wanted);

/* Texts for people, made of the tables. */
void command_add_help(struct bytes *out, enum command_id c);
void commands_add_help(struct bytes *out);
