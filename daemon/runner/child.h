/*
 * child -- one program as the runner sees it: its keeper, what it writes, how it ended.
 *
 * Threads: one. A child is over when its keeper is gone; what the pipes still hold is read then.
 */
#pragma once

#include "base/list.h"
#include "proto/runnerwire.h"
#include "runner/capture.h"
#include "runner/keeper.h"

#include <sys/types.h>

struct child {
	struct link link;
	uint64_t id;
	pid_t keeper;
	int leash, out_fd, err_fd; /* -1: closed */
	struct capture out, err;
	struct keeper_word word; /* how 0: not yet known */
};

/* NULL: it could not be started, *ret_errno says why. What run holds is not needed afterwards. */
struct child *child_start(const struct runnerwire_run *run, int *ret_errno);
/* Its end comes later all the same. */
void child_cancel(struct child *c);
/* Kills it at once if it still runs, waits for its keeper. NULL is fine. */
void child_free(struct child *c);

/* Something can be read from it: out, err or the leash. */
void child_read_out(struct child *c);
void child_read_err(struct child *c);
/* True: it is over, and word, out and err are complete. */
bool child_read_leash(struct child *c);
