/*
 * options -- the command line of musterd. Threads: one.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

enum options_do { OPTIONS_RUN, OPTIONS_CHECK, OPTIONS_VERSION, OPTIONS_HELP };

struct options {
	enum options_do what;
	const char *config; /* NULL: the default places */
	const char *state;
	const char *socket; /* ipc:///path or a path */
	bool foreground;    /* the only way it runs; accepted so that units may say it */
};

/* Texts point into argv. INVALID: *ret_why names what is wrong. */
enum err options_parse(int argc, char **argv, struct options *ret, const char **ret_why,
		       const char **ret_what);
const char *options_help(void);
