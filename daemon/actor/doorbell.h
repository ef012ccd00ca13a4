/*
 * doorbell -- how a callback of the loop tells an actor that there is something to fetch: one
 * message at most under way, its cell reserved beforehand, so that ringing cannot fail.
 * Threads: the shard's.
 */
#pragma once

#include "run/shard.h"

struct doorbell {
	act_shard *shard;
	act_id to;
	uint32_t type;
	act_msg *cell; /* NULL while it rings */
};

/* False: no memory. */
bool doorbell_init(struct doorbell *d, act_shard *shard, act_id to, uint32_t type);
void doorbell_fini(struct doorbell *d);
/* From callbacks. Coalesces. */
void doorbell_ring(struct doorbell *d);
/* The actor has got the message: from now on it rings again. False: no memory; then nothing rings
 * and the actor has to look by itself and try this again. */
bool doorbell_answered(struct doorbell *d);
