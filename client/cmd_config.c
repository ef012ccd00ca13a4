/*
 * cmd_config -- `muster config check`: a file is checked by the daemon's own reader, `musterd
 * --config FILE --check`; without one the running daemon tells what it has in force.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/render.h"
#include "client/say.h"
#include "client/standalone.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int check_file(const char *file)
{
	char program[600];
	standalone_find("musterd", program, sizeof(program));
	execlp(program, "musterd", "--config", file, "--check", (char *)NULL);
	say("cannot run %s, which knows what a configuration may hold: %s", program,
	    strerror(errno));
	return STATUS_NO_DAEMON;
}

int command_config(const struct args *a)
{
	struct muster *m = NULL;
	json_t *info = NULL;
	if (strcmp(a->arg.v[0], "check") != 0) {
		say("muster config check [FILE]");
		return STATUS_USAGE;
	}
	if (a->arg.n == 2)
		return check_file(a->arg.v[1]);
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask(m, "daemon.info", NULL, &info);
	const json_t *config = json_object_get(info, "config");
	if (s == STATUS_OK) {
		struct bytes text = {.limit = 0};
		const struct render r = {.first = NULL};
		bytes_add_str(&text,
			      "the configuration in force was found sound when it was read\n");
		if (json_is_object(config))
			render_object(&text, &r, config);
		s = ask_print(&text);
		bytes_fini(&text);
	}
	json_decref(info);
	muster_close(m);
	return (int)s;
}
