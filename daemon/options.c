/*
 * options -- see options.h. One table for parsing; the help text stands beside it.
 */
#include "options.h"

#include <stddef.h>
#include <string.h>

enum option_type { TAKES_TEXT, DOES, SETS };

struct option_row {
	const char *name;
	enum option_type type;
	size_t offset; /* TAKES_TEXT, SETS */
	enum options_do what;
};

static const struct option_row rows[] = {
	{"--config", TAKES_TEXT, offsetof(struct options, config), OPTIONS_RUN},
	{"--state", TAKES_TEXT, offsetof(struct options, state), OPTIONS_RUN},
	{"--socket", TAKES_TEXT, offsetof(struct options, socket), OPTIONS_RUN},
	{"--foreground", SETS, offsetof(struct options, foreground), OPTIONS_RUN},
	{"--check", DOES, 0, OPTIONS_CHECK},
	{"--check-config", DOES, 0, OPTIONS_CHECK},
	{"--version", DOES, 0, OPTIONS_VERSION},
	{"--help", DOES, 0, OPTIONS_HELP},
	{"-h", DOES, 0, OPTIONS_HELP},
};

static const struct option_row *find(const char *arg, const char **ret_value)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].name);
		if (strncmp(arg, rows[i].name, n) != 0)
			continue;
		if (arg[n] == '\0' || (arg[n] == '=' && rows[i].type == TAKES_TEXT)) {
			*ret_value = arg[n] == '=' ? arg + n + 1 : NULL;
			return &rows[i];
		}
	}
	return NULL;
}

enum err options_parse(int argc, char **argv, struct options *ret, const char **ret_why,
		       const char **ret_what)
{
	*ret = (struct options){.what = OPTIONS_RUN};
	for (int i = 1; i < argc; i++) {
		const char *value;
		const struct option_row *row = find(argv[i], &value);
		*ret_what = argv[i];
		*ret_why = "unknown option";
		if (row == NULL)
			return ERR_INVALID;
		char *at = (char *)ret + row->offset;
		if (row->type == DOES) {
			ret->what = row->what;
		} else if (row->type == SETS) {
			*(bool *)at = true;
		} else {
			if (value == NULL && i + 1 < argc)
				value = argv[++i];
			*ret_why = "it needs a value";
			if (value == NULL || value[0] == '\0')
				return ERR_INVALID;
			memcpy(at, &value, sizeof(value));
		}
	}
	return ERR_OK;
}

const char *options_help(void)
{
	return "usage: musterd [OPTIONS]\n"
	       "\n"
	       "Fetches over HTTP for every program of this machine, under limits they share.\n"
	       "\n"
	       "  --config FILE    configuration (/etc/musterd/musterd.json if it is there);\n"
	       "                   conf.d/*.json beside it are merged over it\n"
	       "  --state DIR      where jobs and results are kept (/var/lib/musterd; for users\n"
	       "                   $XDG_STATE_HOME/musterd or ~/.local/state/musterd)\n"
	       "  --socket ADDR    ipc:///path of the control socket (/run/musterd/control.sock;\n"
	       "                   for users $XDG_RUNTIME_DIR/musterd/control.sock); events.sock\n"
	       "                   stands beside it\n"
	       "  --foreground     stay in the foreground, which it always does\n"
	       "  --check-config   read the configuration, say what is wrong, and leave\n"
	       "  --version        the version, and leave\n"
	       "  --help           this text\n"
	       "\n"
	       "SIGHUP reads the configuration anew, whole or not at all. SIGTERM takes nothing\n"
	       "new, lets attempts in flight end (up to 10 s), commits, and leaves with status 0.\n"
	       "\n"
	       "examples:\n"
	       "  musterd --state ./state --socket ipc://$PWD/control.sock\n"
	       "  musterd --config musterd.json --check-config\n";
}
