/*
 * main -- the start-up order of musterd: options, world, daemon, run, and the way back.
 */
#include "daemon.h"
#include "edge/machine.h"
#include "model/config.h"
#include "options.h"
#include "realworld.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

/* Few arenas: threads here only read, write and parse, and memory stays low. */
#define MALLOC_ARENAS 2

static int complain(struct bytes *why, enum err e)
{
	fprintf(stderr, "musterd: %s\n", why->n > 0 ? bytes_cstr(why) : err_text(e));
	bytes_fini(why);
	return e == ERR_INVALID || e == ERR_NOT_FOUND ? 2 : 1;
}

static int check_config(const struct realworld_options *o)
{
	struct bytes why = {.n = 0};
	struct config *c;
	enum err e = realworld_config(o, &c, &why);
	if (e != ERR_OK) {
		complain(&why, e);
		return 2;
	}
	config_unref(c);
	puts("the configuration is good");
	return 0;
}

static int run(const struct realworld_options *o)
{
	struct bytes why = {.n = 0};
	struct realworld *rw = NULL;
	struct daemon *d = NULL;
	enum err e = realworld_open(o, &rw, &why);
	if (e == ERR_OK)
		e = daemon_new(realworld_world(rw), &d, &why);
	if (e == ERR_OK)
		e = realworld_obey_signals(rw, d);
	if (e != ERR_OK) {
		daemon_free(d);
		realworld_close(rw);
		return complain(&why, e);
	}
	realworld_watch(rw, d);
	int status = daemon_run(d);
	realworld_unwatch(rw);
	log_info(o->log, "stopped", kv_i("status", status));
	daemon_free(d);
	realworld_close(rw);
	bytes_fini(&why);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	const char *why, *what;
	if (options_parse(argc, argv, &options, &why, &what) != ERR_OK) {
		fprintf(stderr, "musterd: %s: %s (musterd --help)\n", what, why);
		return 2;
	}
	if (options.what == OPTIONS_HELP)
		return fputs(options_help(), stdout) < 0;
	if (options.what == OPTIONS_VERSION)
		return puts("musterd " MUSTER_VERSION) < 0;

	struct log log = {.level = LOG_LEVEL_INFO,
			  .ctx = getenv("JOURNAL_STREAM"), /* set: priorities are understood */
			  .sink = log_to_stderr};
	struct realworld_options world = {.config = options.config,
					  .state = options.state,
					  .socket = options.socket,
					  .log = &log};
	if (options.what == OPTIONS_CHECK)
		return check_config(&world);
	mallopt(M_ARENA_MAX, MALLOC_ARENAS);
	machine_ignore_sigpipe();
	machine_raise_files();
	return run(&world);
}
