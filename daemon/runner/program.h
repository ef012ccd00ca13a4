/*
 * program -- from fork to execve: a session of its own, no descriptors but 0, 1, 2, no privilege to
 * gain, signals as a new process expects them, limits of its own.
 */
#pragma once

#include "proto/runnerwire.h"

#include <sys/types.h>

#define PROGRAM_FILES 1024 /* descriptors it may have open */

/* Its 0, 1, 2 are the caller's. -1: it could not be started, *ret_errno says why. */
pid_t program_start(const struct runnerwire_run *run, int *ret_errno);
