/*
 * loop_libevent -- an event_base as the loop of a shard, and the wake-up of it by an eventfd.
 *
 * Threads: one base belongs to one thread; only loop->wake may be called from others. The base is
 * made without locks (EVENT_BASE_FLAG_NOLOCK) and with the epoll changelist: no descriptor on it
 * may be dup'ed and closed behind its back.
 */
#pragma once

#include "base/err.h"
#include "run/loop.h"

struct event_base;
struct loop_libevent;

/* NULL: no memory or no descriptors. */
struct loop_libevent *loop_libevent_new(void);
/* After everything on the base is gone. NULL is ignored. */
void loop_libevent_free(struct loop_libevent *l);
struct event_base *loop_libevent_base(struct loop_libevent *l);
/* Lives as long as l. */
const struct act_loop *loop_libevent_loop(const struct loop_libevent *l);
