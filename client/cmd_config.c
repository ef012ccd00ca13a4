/*
 * cmd_config -- `muster config check`: a file is checked by the daemon's own reader, `musterd
 * --config FILE --check-config`; without one the files that the running daemon was started with,
 * so that what `muster reload` would say is known before.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/say.h"
#include "client/standalone.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* NULL: the default places. */
static int check_file(const char *file)
{
	char program[600];
	standalone_find("musterd", program, sizeof(program));
	if (file != NULL)
		execlp(program, "musterd", "--check-config", "--config", file, (char *)NULL);
	else
		execlp(program, "musterd", "--check-config", (char *)NULL);
	say("cannot run %s, which knows what a configuration may hold: %s", program,
	    strerror(errno));
	return STATUS_NO_DAEMON;
}

static int check_running(const struct args *a)
{
	struct muster *m = NULL;
	json_t *info = NULL;
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask(m, "daemon.info", NULL, &info);
	if (s == STATUS_OK && strncmp(muster_address(m), "ipc://", 6) != 0) {
		say("the files of a daemon on another machine are checked there");
		s = STATUS_USAGE;
	}
	const char *path = json_string_value(json_object_get(info, "config"));
	int result = s != STATUS_OK ? (int)s : check_file(path); /* does not return if it can run */
	json_decref(info);
	muster_close(m);
	return result;
}

int command_config(const struct args *a)
{
	if (strcmp(a->arg.v[0], "check") != 0) {
		say("there is no \"config %s\"; there is: muster config check [FILE]", a->arg.v[0]);
		return STATUS_USAGE;
	}
	return a->arg.n == 2 ? check_file(a->arg.v[1]) : check_running(a);
}
