/*
 * daemon -- the house of actors built over a world: made, run, stopped. Two of them fit one
 * process; nothing here touches anything but the world it was given.
 * Threads: one, the shard's.
 */
#pragma once

#include "world.h"

struct daemon;

/* Builds everything but does not listen yet: that comes when what an earlier life left has been
 * taken up. *w outlives it. Errors: NOMEM, IO, CORRUPT (the store), with a sentence. */
enum err daemon_new(const struct world *w, struct daemon **ret, struct bytes *why);
/* Turns until it has stopped. 0: it was asked to; 1: it had to, and said why in the log. */
int daemon_run(struct daemon *d);
/* From callbacks of the loop. Stop: takes nothing new, lets attempts in flight end for up to
 * DAEMON_DRAIN_NS, commits, leaves; the second time at once. */
void daemon_stop(struct daemon *d, const char *why);
void daemon_reload(struct daemon *d);
/* Drops all that was not committed: to end after daemon_run, or as kill -9 in simulations. */
void daemon_free(struct daemon *d);

/* For who turns it by hand (simulation). */
act_shard *daemon_shard(struct daemon *d);
bool daemon_is_ready(const struct daemon *d);
bool daemon_has_stopped(const struct daemon *d, int *ret_status);

#define DAEMON_DRAIN_NS (10 * NS_PER_S)
