/*
 * configfiles -- the configuration from disk: one file and the *.json of conf.d beside it, in the
 * order of their names. Threads: one; blocks for the disk, at start and at a reload.
 */
#pragma once

#include "base/bytes.h"

struct config;

struct configfiles {
	const char *path; /* NULL: /etc/musterd/musterd.json if it is there, else the defaults */
};

/* The file that is read, or NULL. */
const char *configfiles_path(const struct configfiles *cf);
/* *why gets one line for people. Errors: INVALID, TOO_LARGE, NOT_FOUND (a path that was given), IO,
 * NOMEM. */
enum err configfiles_load(const struct configfiles *cf, struct config **ret, struct bytes *why);
