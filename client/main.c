/*
 * main -- `muster`: the command line is parsed by its tables, the command's function runs, and here
 * alone the process ends.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/say.h"
#include "client/signals.h"

#include <stdlib.h>

static int (*const run[COMMAND_COUNT])(const struct args *) = {
	[COMMAND_FETCH] = command_fetch,     [COMMAND_SUBMIT] = command_submit,
	[COMMAND_JOBS] = command_jobs,	     [COMMAND_SHOW] = command_show,
	[COMMAND_RESULTS] = command_results, [COMMAND_BODY] = command_body,
	[COMMAND_WAIT] = command_wait,	     [COMMAND_CANCEL] = command_job,
	[COMMAND_PAUSE] = command_job,	     [COMMAND_RESUME] = command_job,
	[COMMAND_RETRY] = command_job,	     [COMMAND_FORGET] = command_job,
	[COMMAND_EXPLAIN] = command_explain, [COMMAND_WATCH] = command_watch,
	[COMMAND_TOP] = command_top,	     [COMMAND_PING] = command_daemon,
	[COMMAND_INFO] = command_daemon,     [COMMAND_STATS] = command_daemon,
	[COMMAND_ACTORS] = command_actors,   [COMMAND_RELOAD] = command_daemon,
	[COMMAND_EVENT] = command_event,     [COMMAND_QUEUE] = command_queue,
	[COMMAND_DRAIN] = command_daemon,    [COMMAND_CONFIG] = command_config,
	[COMMAND_VERSION] = command_version,
};

int main(int argc, char **argv)
{
	struct args args;
	struct bytes message = {.limit = 0};
	int status = STATUS_OK;
	switch (args_parse(argc, argv, &args, &message)) {
	case ARGS_RUN:
		status = run[args.command](&args);
		break;
	case ARGS_HELP:
		status = (int)ask_print(&message);
		break;
	case ARGS_USAGE:
		say("%s", bytes_cstr(&message));
		status = STATUS_USAGE;
		break;
	}
	args_fini(&args);
	bytes_fini(&message);
	if (status < 0)
		signals_die(-status);
	return status;
}
