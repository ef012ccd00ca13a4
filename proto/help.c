/*
 * help -- the texts of --help, laid out from the tables of commands.h for 80 columns and more.
 */
#include "proto/commands.h"

#include <string.h>

#define LINE_COLUMNS   98
#define OPTION_COLUMNS 34

static void add_spaces(struct bytes *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		bytes_add_byte(out, ' ');
}

/* Words of text, broken at LINE_COLUMNS, further lines indented; starts at column `at`. */
static void add_wrapped(struct bytes *out, const char *text, size_t at, size_t indent)
{
	const char *word = text;
	while (*word != '\0') {
		size_t n = strcspn(word, " ");
		if (at + 1 + n > LINE_COLUMNS && at > indent) {
			bytes_add_byte(out, '\n');
			add_spaces(out, indent);
			at = indent;
		} else if (word != text) {
			bytes_add_byte(out, ' ');
			at++;
		}
		bytes_add(out, word, n);
		at += n;
		word += n + (word[n] == ' ');
	}
	bytes_add_byte(out, '\n');
}

static void add_option(struct bytes *out, const struct option_row *o)
{
	size_t start = out->n;
	if (o->letter != 0)
		bytes_printf(out, "  -%c, ", o->letter);
	else
		bytes_add_str(out, "      ");
	bytes_printf(out, "--%s", o->name);
	if (o->arg[0] != '\0')
		bytes_printf(out, " %s", o->arg);
	size_t at = out->n - start;
	if (at + 2 > OPTION_COLUMNS) {
		bytes_add_byte(out, '\n');
		at = 0;
	}
	add_spaces(out, OPTION_COLUMNS - at);
	struct bytes text = {.limit = 0};
	bytes_add_str(&text, o->doc);
	if (o->dflt[0] != '\0')
		bytes_printf(&text, " (%s)", o->dflt);
	if (o->use == OPTION_MANY)
		bytes_add_str(&text, "; repeatable");
	add_wrapped(out, bytes_cstr(&text), OPTION_COLUMNS, OPTION_COLUMNS);
	bytes_fini(&text);
}

static void add_options(struct bytes *out, uint64_t mask)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if ((options[i].commands & mask) != 0)
			add_option(out, &options[i]);
}

void command_add_help(struct bytes *out, enum command_id id)
{
	const struct command *c = &commands[id];
	bytes_printf(out, "muster %s%s%s%s\n\n  %s\n\nOptions:\n", c->name, " [OPTIONS]",
		     c->args[0] != '\0' ? " " : "", c->args, c->summary);
	add_options(out, UINT64_C(1) << id);
	bytes_add_str(out, "\nExamples:\n");
	for (const char *line = c->examples; *line != '\0';) {
		size_t n = strcspn(line, "\n");
		bytes_printf(out, "  %.*s\n", (int)n, line);
		line += n + (line[n] == '\n');
	}
}

void commands_add_help(struct bytes *out)
{
	bytes_add_str(out, "muster [--socket ADDR] COMMAND ...\n\nCommands:\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		size_t n = strlen(commands[i].name);
		bytes_printf(out, "  %s", commands[i].name);
		add_spaces(out, n < 10 ? 10 - n : 1);
		add_wrapped(out, commands[i].summary, 12, 12);
	}
	bytes_add_str(out, "\nBefore the command:\n");
	add_options(out, COMMANDS_GLOBAL);
	bytes_add_str(out,
		      "\nmuster COMMAND --help tells more, with examples. Durations are written "
		      "250ms 5s 2m 1h 1d,\nsizes 512 64k 16M 1G. Exit status: 0 all well, 1 a "
		      "task failed, 2 usage, 3 no daemon,\n4 cancelled by someone else, 5 "
		      "deadline or --wait expired, 6 refused.\n");
}
