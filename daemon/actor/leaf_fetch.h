/*
 * leaf_fetch -- the leaf behind job/leaf.h: one fetch, all its attempts, one line.
 *
 * attempt: the limiter's grant (all keys, or it waits), then the host's answer, hop by hop while it
 * is redirected, each hop under the limits of its own host; then the verdict of model/retry; then
 * back-off that holds nothing. The slot of a fetch is held from its grant to the commit of its
 * line. Threads: the job's shard.
 */
#pragma once

#include "job/leaf.h"

size_t leaf_fetch_size(void);
/* Frame: struct leaf_fetch and what follows. */
int leaf_fetch_step(act_self *self, void *frame);
void leaf_fetch_fini(struct leaf_fetch *frame);
