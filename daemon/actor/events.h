/*
 * events -- what happens, told to subscribers of events.sock: topic, space, one JSON object that
 * ends in a sequence number and the number of this life of the daemon, so that a gap shows.
 *
 * Lossy by design: an event is a hint, the state is asked for by control.sock. Not an actor:
 * publishing only queues bytes.
 * Threads: the shard of the ctlsock.
 */
#pragma once

#include "base/bytes.h"
#include "edge/ctlsock.h"

struct events {
	struct ctlsock *ctlsock; /* NULL: nobody can listen */
	const char *boot_id;
	uint64_t seq;
};

/* uid of things that belong to nobody: every subscriber sees them. */
#define EVENTS_FOR_ALL UINT32_MAX

/* members: what stands inside the braces, `"state":"running"`, or nothing. */
void events_publish(struct events *e, uint32_t uid, struct slice topic, struct slice members);
