/*
 * warden -- the actor that sees the daemon through its life: opens the sockets once everything has
 * been recovered, keeps the watchdog quiet, reloads, drains, ends it.
 */
#pragma once

#include "world.h"

struct doorbell;

enum {
	WARDEN_STOP = 0x0300, /* doorbell */
	WARDEN_RELOAD,	      /* doorbell */
	WARDEN_RECOVERED,     /* its own task: everything is there again */
	WARDEN_COMMITTED,     /* its own task: the store has nothing left to do */
};

enum warden_phase {
	WARDEN_STARTING,
	WARDEN_READY,
	WARDEN_DRAINING, /* attempts in flight may end */
	WARDEN_CLOSING,	 /* what is parked is answered, the last commits are awaited */
	WARDEN_OVER
};

/* What warden and daemon share. */
struct warden_desk {
	enum warden_phase phase;
	int status; /* of the process, once OVER */
	struct doorbell *stop, *reload;
	int64_t drain_ns;
};

extern const act_class warden_class; /* arg: struct warden_desk * */

/* The end, at once. */
void warden_end(struct house *h, struct warden_desk *desk, int status);
