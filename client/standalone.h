/*
 * standalone -- a private musterd for one command: its own socket and state in a directory that
 * goes away with it. It says it is ready by sd_notify, so nothing is guessed by waiting.
 */
#pragma once

#include "client/signals.h"
#include "client/status.h"

#include <sys/types.h>

struct standalone {
	pid_t pid; /* 0: none */
	char dir[64];
	char address[96];
};

/* Failures are said: NO_DAEMON. */
enum status standalone_start(struct standalone *s, struct signals *signals);
/* Ends the daemon and removes its directory. Does nothing if there is none. */
void standalone_stop(struct standalone *s);
/* The path of a program of ours: beside this one, else NAME, to be found in PATH. */
void standalone_find(const char *name, char *out, size_t cap);
