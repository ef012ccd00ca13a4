/*
 * fault -- named points where a test build kills its own process, to prove that a crash there loses
 * nothing that was acknowledged.
 *
 * Only builds with -DFAULT_POINTS (V=asan, tsan, ubsan, debug) have them. main reads the
 * environment variable MUSTERD_FAULT=NAME[:COUNT], arms a struct fault with it and hands that down;
 * the COUNTth time (default 1) the point is passed, the process gets SIGKILL. A NULL fault never
 * fires. Threads: fault_hit from any.
 */
#pragma once

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>

/* X(name, where it stands) */
#define FAULT_LIST(X)                                                                              \
	X(before_commit, "edge/store_sqlite: all ops applied, COMMIT not begun")                   \
	X(after_commit_before_ack, "edge/store_sqlite: committed and synced, nobody told")         \
	X(after_submit_commit_before_reply,                                                        \
	  "actor/store: a commit with a new job, its answer not sent")                             \
	X(after_feed_commit_before_ack, "actor/store: a commit with feed items, not answered")     \
	X(after_command_commit_before_reply, "actor/store: a commit with a command, not answered") \
	X(after_chunk_commit_before_ack, "actor/store: a commit with results, scopes not told")    \
	X(after_key_horizon_commit,                                                                \
	  "actor/store: a commit with a key's horizon, limiter not told")                          \
	X(after_end_commit_before_reply, "actor/store: a commit with a job's end, not told")       \
	X(after_body_file_before_row,                                                              \
	  "edge/bodyfile: file synced and renamed, its row not written")                           \
	X(mid_body_file, "edge/bodyfile: some bytes appended, not finished")                       \
	X(mid_recovery, "edge/store_sqlite: opened, leftovers not yet swept")                      \
	X(mid_migration, "edge/store_sqlite_schema: steps applied, not committed")                 \
	X(mid_checkpoint, "edge/store_sqlite: the log is in the database and not emptied yet")     \
	X(mid_prune, "edge/store_sqlite: rows deleted and committed, body files not")              \
	X(after_grant_before_send, "actor/leaf_fetch: slot granted, request not sent")             \
	X(after_response_before_commit,                                                            \
	  "actor/leaf_fetch: response complete, result not handed to the store")                   \
	X(after_recovery_before_ready, "daemon: jobs recovered, not ready yet")

enum fault_point {
	FAULT_NONE,
#define X(name, where) FAULT_##name,
	FAULT_LIST(X)
#undef X
		FAULT_POINTS_N
};

struct fault {
	enum fault_point point;
	atomic_uint left; /* passes until it fires */
};

/* Arms *f with "NAME" or "NAME:COUNT". INVALID: no such point, or COUNT not in 1..1000000. */
enum err fault_arm(struct fault *f, const char *text);
/* Does not return when it fires. */
void fault_hit(struct fault *f, enum fault_point point);

#ifdef FAULT_POINTS
#define FAULT(f, name)	   fault_hit((f), FAULT_##name)
#define FAULT_AT(f, point) fault_hit((f), (point))
#else
#define FAULT(f, name)	   ((void)(f))
#define FAULT_AT(f, point) ((void)(f), (void)(point))
#endif
