/*
 * leaf_exec -- the leaf behind job/leaf.h that runs a program: all its attempts, one line.
 *
 * Only what the configuration names is run, and only by the runner; a place among the programs that
 * run at once is held from the start of an attempt to the commit of its line, and not during
 * back-off. A cancelled program has ended before its task has. Arguments, environment and stdin are
 * never logged. Threads: the job's shard.
 */
#pragma once

#include "job/leaf.h"

size_t leaf_exec_size(void);
/* Frame: struct leaf_exec and what follows. */
int leaf_exec_step(act_self *self, void *frame);
void leaf_exec_fini(struct leaf_exec *frame);
