/*
 * realworld -- the world the daemon runs in outside of tests: this machine's clocks, sockets,
 * threads, disk and network behind the seams of world.h. Threads: the main one.
 */
#pragma once

#include "world.h"

struct realworld;

struct realworld_options {
	const char *config; /* NULL: default places, as of machine.h */
	const char *state;
	const char *socket; /* "ipc:///path", "unix:///path" or a path */
	const struct log *log;
};

/* Reads the configuration alone. Errors with one line in *why, as configfiles_load. */
enum err realworld_config(const struct realworld_options *o, struct config **ret,
			  struct bytes *why);
/*
 * Takes the state directory (locked), opens stores, engine, threads and addresses; listens on
 * nothing yet. *why is a line for people. Errors: BUSY (another daemon has it), DENIED, IO,
 * INVALID, CORRUPT, UNSUPPORTED, FULL, NOMEM.
 */
enum err realworld_open(const struct realworld_options *o, struct realworld **ret,
			struct bytes *why);
const struct world *realworld_world(const struct realworld *rw);
/* SIGTERM, SIGINT and SIGHUP go to the daemon from now on. Errors: NOMEM. */
struct daemon;
enum err realworld_obey_signals(struct realworld *rw, struct daemon *d);
/* From now until _unwatch a thread names the actor that holds the daemon's shard; _unwatch before
 * the daemon is freed. Without a thread it says so and goes on. */
void realworld_watch(struct realworld *rw, struct daemon *d);
void realworld_unwatch(struct realworld *rw);
/* After the daemon. NULL is fine. */
void realworld_close(struct realworld *rw);
