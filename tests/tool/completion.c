/*
 * completion -- completions for bash, zsh and fish.
 *
 * Names of jobs are asked of the daemon; a word that starts with FILE in the tables is a file; a
 * choice is one of its words.
 */
#include "manual.h"

#include "proto/commands.h"

#include <string.h>

#define JOBS "muster jobs 2>/dev/null | awk 'NR > 1 { print $1 }'"

static bool takes_file(const struct option_row *o)
{
	return strstr(o->arg, "FILE") != NULL || strcmp(o->arg, "PATH") == 0;
}

static bool takes_job(const struct command *c)
{
	return strncmp(c->args, "JOB", 3) == 0 || strncmp(c->args, "[JOB", 4) == 0;
}

static bool is_of(const struct option_row *o, unsigned command)
{
	return (o->commands & (UINT64_C(1) << command)) != 0;
}

/* "a|b" with spaces. */
static void add_choices(struct bytes *out, const char *arg)
{
	for (; *arg != '\0'; arg++)
		bytes_add_byte(out, *arg == '|' ? ' ' : *arg);
}

/* In single quotes; brackets and colons mean something to zsh. */
static void add_quoted(struct bytes *out, const char *text, const char *escaped)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			bytes_add_str(out, "'\\''");
		else if (strchr(escaped, *text) != NULL)
			bytes_printf(out, "\\%c", *text);
		else
			bytes_add_byte(out, *text);
	}
}

static void add_names(struct bytes *out, uint64_t mask)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		if ((options[i].commands & mask) == 0)
			continue;
		bytes_printf(out, "--%s ", options[i].name);
		if (options[i].letter != 0)
			bytes_printf(out, "-%c ", options[i].letter);
	}
}

static void add_bash_values(struct bytes *out)
{
	bytes_add_str(out, "\tcase \"$prev\" in\n");
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *o = &options[i];
		if (o->type != OPTION_TYPE_CHOICE)
			continue;
		bytes_printf(out, "\t--%s) COMPREPLY=($(compgen -W '", o->name);
		add_choices(out, o->arg);
		bytes_add_str(out, "' -- \"$cur\")); return;;\n");
	}
	bytes_add_str(out, "\tesac\n");
}

void completion_add_bash(struct bytes *out)
{
	bytes_add_str(out, "# Completion of muster for bash.\n_muster() {\n"
			   "\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" "
			   "prev=\"${COMP_WORDS[COMP_CWORD-1]}\" cmd= words i\n"
			   "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
			   "\t\tcase \"${COMP_WORDS[i]}\" in\n"
			   "\t\t--socket|--cacert|--cert|--key) ((i++));;\n\t\t-*) ;;\n"
			   "\t\t*) cmd=\"${COMP_WORDS[i]}\"; break;;\n\t\tesac\n\tdone\n");
	add_bash_values(out);
	bytes_add_str(out, "\tcase \"$cmd\" in\n\t'') words='");
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		bytes_printf(out, "%s ", commands[i].name);
	add_names(out, COMMANDS_GLOBAL);
	bytes_add_str(out, "';;\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		bytes_printf(out, "\t%s) words='", commands[i].name);
		add_names(out, UINT64_C(1) << i);
		bytes_add_str(out, "'");
		if (takes_job(&commands[i]))
			bytes_add_str(out, "; [[ $cur == -* ]] || words=$(" JOBS ")");
		bytes_add_str(out, ";;\n");
	}
	bytes_add_str(out, "\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
			   "complete -o default -F _muster muster\n");
}

/* '(-c --concurrency)'{-c,--concurrency}'[doc]:N:' */
static void add_zsh_option(struct bytes *out, const struct option_row *o)
{
	bytes_add_str(out, "\t\t");
	if (o->use == OPTION_MANY)
		bytes_add_str(out, "'*'");
	if (o->letter != 0)
		bytes_printf(out, "{-%c,--%s}", o->letter, o->name);
	else
		bytes_printf(out, "--%s", o->name);
	bytes_add_str(out, "'[");
	add_quoted(out, o->doc, "[]:\\");
	bytes_add_byte(out, ']');
	if (o->type != OPTION_TYPE_FLAG) {
		bytes_add_byte(out, ':');
		add_quoted(out, o->arg, "[]:\\");
		bytes_add_byte(out, ':');
	}
	if (o->type == OPTION_TYPE_CHOICE) {
		bytes_add_byte(out, '(');
		add_choices(out, o->arg);
		bytes_add_byte(out, ')');
	} else if (takes_file(o)) {
		bytes_add_str(out, "_files");
	}
	bytes_add_str(out, "' \\\n");
}

static void add_zsh_command(struct bytes *out, unsigned id)
{
	bytes_printf(out, "\t%s)\n\t\t_arguments \\\n", commands[id].name);
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if (is_of(&options[i], id))
			add_zsh_option(out, &options[i]);
	bytes_add_str(out, takes_job(&commands[id]) ? "\t\t'*:job:($(" : "\t\t'*:argument:_files'");
	if (takes_job(&commands[id]))
		add_quoted(out, JOBS, "");
	bytes_add_str(out, takes_job(&commands[id]) ? "))'\n\t\t;;\n" : "\n\t\t;;\n");
}

void completion_add_zsh(struct bytes *out)
{
	bytes_add_str(out, "#compdef muster\n# Completion of muster for zsh.\n_muster() {\n"
			   "\tlocal -a commands\n\tcommands=(\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		bytes_printf(out, "\t\t'%s:", commands[i].name);
		add_quoted(out, commands[i].summary, ":\\");
		bytes_add_str(out, "'\n");
	}
	bytes_add_str(out, "\t)\n\tlocal curcontext=\"$curcontext\" state line\n"
			   "\t_arguments -C \\\n");
	for (unsigned i = 0; i < OPTION_COUNT; i++)
		if ((options[i].commands & COMMANDS_GLOBAL) != 0)
			add_zsh_option(out, &options[i]);
	bytes_add_str(out, "\t\t'1:command:->command' '*::argument:->argument'\n"
			   "\tcase \"$state\" in\n"
			   "\tcommand) _describe command commands; return;;\n\tesac\n"
			   "\tcase \"$line[1]\" in\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		add_zsh_command(out, i);
	bytes_add_str(out, "\tesac\n}\n_muster \"$@\"\n");
}

static void add_fish_option(struct bytes *out, const struct option_row *o, const char *condition)
{
	bytes_printf(out, "complete -c muster -n '%s' -l %s", condition, o->name);
	if (o->letter != 0)
		bytes_printf(out, " -s %c", o->letter);
	if (o->type != OPTION_TYPE_FLAG)
		bytes_add_str(out, takes_file(o) ? " -r" : " -x");
	if (o->type == OPTION_TYPE_CHOICE) {
		bytes_add_str(out, " -a '");
		add_choices(out, o->arg);
		bytes_add_byte(out, '\'');
	}
	bytes_add_str(out, " -d '");
	for (const char *p = o->doc; *p != '\0'; p++)
		bytes_printf(out, *p == '\'' ? "\\%c" : "%c", *p);
	bytes_add_str(out, "'\n");
}

void completion_add_fish(struct bytes *out)
{
	bytes_add_str(out, "# Completion of muster for fish.\n");
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		bytes_printf(out, "complete -c muster -n __fish_use_subcommand -f -a %s -d '%s'\n",
			     commands[i].name, commands[i].summary);
	for (unsigned k = 0; k < OPTION_COUNT; k++)
		if ((options[k].commands & COMMANDS_GLOBAL) != 0)
			add_fish_option(out, &options[k], "__fish_use_subcommand");
	for (unsigned i = 0; i < COMMAND_COUNT; i++) {
		struct bytes seen = {.limit = 0};
		bytes_printf(&seen, "__fish_seen_subcommand_from %s", commands[i].name);
		for (unsigned k = 0; k < OPTION_COUNT; k++)
			if (is_of(&options[k], i))
				add_fish_option(out, &options[k], bytes_cstr(&seen));
		if (takes_job(&commands[i]))
			bytes_printf(out,
				     "complete -c muster -n '%s' -f -a '(muster jobs "
				     "2>/dev/null | string match -r \"^[jv][0-9]+\")'\n",
				     bytes_cstr(&seen));
		bytes_fini(&seen);
	}
}
