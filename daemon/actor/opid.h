/*
 * opid -- the same mutating request twice is done once: its answer is kept for ten minutes under
 * the caller and the op_id it gave, or, without one, under the connection, the request's number on
 * the wire and its text (a peer that resends the same message).
 *
 * Answers under an op_id are also in the store, committed before they are given, so that a restart
 * remembers them. The table in memory is bounded: the oldest go first.
 * Threads: control's shard.
 */
#pragma once

#include "actor/call.h"

#define OPID_KEEP_NS   (600 * NS_PER_S)
#define OPID_MAX_BYTES (16u << 20)
#define OPID_NAME_MAX  128

enum opid_verdict {
	OPID_RUN,  /* nobody has asked that before: do it */
	OPID_HELD, /* the call will be answered or run later; it is taken over */
};

/* Before a mutating call is run. */
enum opid_verdict opid_begin(act_self *self, struct call *call);
/* The op_id the caller gave, empty if none. */
struct slice opid_name(const struct call *call);
/*
 * The call has been answered by `tail` (a result or an error; only results are remembered). True:
 * the answer waits for its commit and is given by this file; the packet is held meanwhile.
 */
bool opid_end(act_self *self, struct call *call, struct slice tail, bool is_result);
/* The call is being freed unanswered. */
void opid_abandon(struct call *call);
void opid_fini(struct control *ct);
