/*
 * runnerspawn -- how the daemon comes to a runner: it starts one of its own, or connects to the
 * socket of the system's. Starting it is the only program the daemon ever executes.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

struct runnerspawn {
	int fd;	   /* the connection; -1: none */
	pid_t pid; /* of one that we started; 0: none */
};

/* place: the path of a program to start, or "unix:PATH" to connect to. Errors: IO (errno). */
enum err runnerspawn_open(const char *place, struct runnerspawn *ret);
/* "unix:" and $MUSTERD_RUNNER where that is set, else musterd-runner beside our own program. */
enum err runnerspawn_place(char *out, size_t cap);
