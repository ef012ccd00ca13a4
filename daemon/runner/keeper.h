/*
 * keeper -- the process between the runner and one program: everything the program starts, however
 * far it detaches itself, becomes the keeper's child when its own parent is gone, and none of it
 * outlives the program.
 *
 * The keeper hears of the runner by a socket, its leash: a byte asks for the program's end (SIGTERM
 * to its group, SIGKILL to all after KEEPER_GRACE_MS); a closed leash, also that of a runner that
 * was killed, is SIGKILL at once. It answers with one struct keeper_word once nothing of the
 * program is left, and ends.
 */
#pragma once

#include "proto/runnerwire.h"

#define KEEPER_GRACE_MS 250
/* For what SIGKILL does not end at once (it waits for a disk); then it is left alone. */
#define KEEPER_SWEEP_MS 5000

struct keeper_word {
	enum runnerwire_how how;
	uint32_t number;
};

struct keeper_fds {
	int input, out, err; /* the program's 0, 1, 2 */
	int leash;
};

/* In a process of its own, just forked; runs the program and never returns. */
_Noreturn void keeper_run(const struct runnerwire_run *run, const struct keeper_fds *fds);
