/*
 * cookiejar -- the file of --cookie-jar, in Netscape's form: what it holds goes with the job, and
 * what the job's jar holds at its end is written to it, as curl -b FILE -c FILE does.
 */
#pragma once

#include "client/session.h"

#include <jansson.h>

/* Adds the lines of the file to the job, if there is such a file; path NULL: nothing. Lines that
 * are no cookies are passed over. USAGE, said: it cannot be read. */
enum status cookiejar_add(json_t *job, const char *path);
/* Writes the jar of the ended job into the file, whole or not at all, for its owner's eyes alone.
 * FAILED, said. Unused, it is left as it is. */
enum status cookiejar_save(struct session *s, const char *job, const char *path);
