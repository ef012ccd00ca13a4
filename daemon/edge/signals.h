/*
 * signals -- SIGTERM, SIGINT and SIGHUP as calls from the loop. Threads: the loop's.
 */
#pragma once

#include "base/err.h"

struct event_base;
struct signals;

struct signals_owner {
	void *ctx;
	void (*on_stop)(void *ctx, const char *name);
	void (*on_reload)(void *ctx);
};

/* Errors: NOMEM. */
enum err signals_new(struct event_base *base, const struct signals_owner *owner,
		     struct signals **ret);
/* NULL is fine. */
void signals_free(struct signals *s);
