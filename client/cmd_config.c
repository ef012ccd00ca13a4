/*
 * cmd_config -- `muster config check`: a file is checked by the daemon's own reader, `musterd
 * --config FILE --check-config`; without one the files that the running daemon was started with,
 * so that what `muster reload` would say is known before.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/say.h"
#include "client/slurp.h"
#include "client/standalone.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
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

/* The value of an option among the words of a command line, each ended by NUL; NULL: not there. */
static const char *option_of(const struct bytes *words, const char *name)
{
	const char *end = words->p + words->n, *next;
	size_t n = strlen(name);
	for (const char *w = words->p; w != NULL && w < end; w = next) {
		next = w + strnlen(w, (size_t)(end - w)) + 1;
		if (strcmp(w, name) == 0)
			return next < end ? next : NULL;
		if (strncmp(w, name, n) == 0 && w[n] == '=')
			return w + n + 1;
	}
	return NULL;
}

/* The file of a running daemon of this machine; "" if it uses the default places. */
static enum err find_file(long long pid, char *path, size_t size)
{
	struct bytes words = BYTES_LIMIT(1 << 16);
	char name[64], cwd[PATH_MAX] = "";
	snprintf(name, sizeof(name), "/proc/%lld/cmdline", pid);
	enum err e = slurp(name, &words);
	bytes_cstr(&words);
	const char *file = e == ERR_OK ? option_of(&words, "--config") : NULL;
	path[0] = '\0';
	if (file != NULL && file[0] != '/') {
		snprintf(name, sizeof(name), "/proc/%lld/cwd", pid);
		ssize_t n = readlink(name, cwd, sizeof(cwd) - 1);
		e = n > 0 ? ERR_OK : ERR_DENIED;
	}
	if (e == ERR_OK && file != NULL)
		snprintf(path, size, "%s%s%s", cwd, cwd[0] != '\0' ? "/" : "", file);
	bytes_fini(&words);
	return e;
}

static int check_running(const struct args *a)
{
	char path[PATH_MAX + 256];
	struct muster *m = NULL;
	json_t *info = NULL;
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask(m, "daemon.info", NULL, &info);
	if (s == STATUS_OK && strncmp(muster_address(m), "ipc://", 6) != 0) {
		say("the files of a daemon on another machine are checked there");
		s = STATUS_USAGE;
	}
	long long pid = json_integer_value(json_object_get(info, "pid"));
	if (s == STATUS_OK && find_file(pid, path, sizeof(path)) != ERR_OK) {
		say("cannot tell which files musterd (%lld) was started with; name one: muster "
		    "config check FILE",
		    pid);
		s = STATUS_FAILED;
	}
	json_decref(info);
	muster_close(m);
	return s != STATUS_OK ? (int)s : check_file(path[0] != '\0' ? path : NULL);
}

int command_config(const struct args *a)
{
	if (strcmp(a->arg.v[0], "check") != 0) {
		say("there is no \"config %s\"; there is: muster config check [FILE]", a->arg.v[0]);
		return STATUS_USAGE;
	}
	return a->arg.n == 2 ? check_file(a->arg.v[1]) : check_running(a);
}
