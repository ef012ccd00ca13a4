/*
 * lockfile -- one daemon per state directory: an flock on DIR/lock, which holds the owner's pid.
 *
 * The lock dies with the process, however it dies; the file stays. Threads: one owner.
 */
#pragma once

#include "base/err.h"

#include <sys/types.h>

/* *ret_fd holds the lock until it is closed. BUSY: another process has it, *ret_holder is its pid
 * (0 if unknown). IO: *ret_fd untouched, errno tells. */
enum err lockfile_take(const char *dir, int *ret_fd, pid_t *ret_holder);
