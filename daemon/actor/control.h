/*
 * control -- JSON-RPC 2.0 over control.sock: takes requests from a ctlsock, finds the method in
 * one table, checks who asks, and answers now or when the actor that knows has spoken.
 *
 * Every request that has to wait is a small task of its own; when its connection ends it is
 * cancelled, and whoever it had asked hears that the asker is gone. What a method means is in the
 * files control_daemon.c, control_job.c, control_actor.c; docs/protocol.md describes them.
 *
 * Bounds     requests as in ctlsock.h; depth and number of values as in jsonscan.h; parked polls:
 *            CONTROL_PARKED_PER_CONN of a connection, CONTROL_PARKED_MAX in all, more are `busy`.
 */
#pragma once

#include "run/actor.h"

struct ctlsock;
struct doorbell;

#define CONTROL_WAIT_MAX_MS	25000
#define CONTROL_PARKED_PER_CONN 48
#define CONTROL_PARKED_MAX	4096
#define CONTROL_INLINE_BYTES	(64u << 10) /* longer requests are scanned by a worker */

struct call;

/* What the table says about a method. */
enum {
	CONTROL_MUTATING = 1,	     /* takes op_id: the same caller and id get the same answer */
	CONTROL_MAY_WAIT = 2,	     /* takes wait_ms; not in a batch */
	CONTROL_ADMIN_ONLY = 4,	     /* root, the daemon's own uid, `admins` */
	CONTROL_NOT_VIA_GATEWAY = 8, /* denied to requests that bear hop words */
	CONTROL_NEW_WORK = 16,	     /* refused while draining */
	CONTROL_RECORDS_OPID = 32,   /* what it does commits its op_id in the same breath */
};

/* Begins to answer: `call` is the handler's until it is finished with call_ok or call_fail
 * (call.h), in this behaviour or later. */
typedef void (*control_handler)(act_self *self, struct call *call);

struct control_method {
	const char *name;
	control_handler handler;
	unsigned flags;
	const char *doc;
};

/* NULL if there is none. Sorted by name; n is the whole number. */
const struct control_method *control_method_find(const char *name, size_t n);
const struct control_method *control_methods(size_t *ret_n);

/* To control. */
enum {
	CONTROL_RING = 0x0100, /* doorbell: requests wait in the ctlsock, or a connection ended */
	CONTROL_DRAIN,	       /* daemon: from now on nothing new is taken */
	CONTROL_CLOSE,	       /* daemon: what is parked is answered `closed` */
};

struct control_args {
	struct ctlsock *ctlsock;
	struct doorbell *bell; /* its CONTROL_RING comes here */
};

extern const act_class control_class;
