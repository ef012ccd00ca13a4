/*
 * acterr -- what went wrong: the codes every runtime call returns, and the error object that a
 * failed task leaves to its group.
 *
 * An act_err is immutable and counted; act_err_ref and act_err_drop on the owning shard's thread
 * only. Making one never fails: without memory a shared constant error (ENOMEM) takes its place.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* shard:8 | slot:24 | generation:32; 0 = nobody. A stale id is EDEAD, never another actor. */
typedef uint64_t act_id;

#define ACT_RC_LIST(X)                                                                             \
	X(EDEAD, -1, "no such actor")                                                              \
	X(EFULL, -2, "at its limit")                                                               \
	X(ECANCELED, -3, "cancelled")                                                              \
	X(ETIMEDOUT, -4, "timed out")                                                              \
	X(ECLOSED, -5, "closed")                                                                   \
	X(EDEADLK, -6, "would wait for itself")                                                    \
	X(EPERM, -7, "not the owner")                                                              \
	X(EOWNERDEAD, -8, "the owner died holding it")                                             \
	X(EGROUP, -9, "tasks of a group failed")                                                   \
	X(ENOMEM, -10, "out of memory")                                                            \
	X(EINVAL, -11, "invalid")                                                                  \
	X(EBUG, -12, "misused")                                                                    \
	X(EKILLED, -13, "killed")                                                                  \
	X(EFAILED, -14, "failed")

/*
 * Results of behaviours and steps: OK (an actor goes on, a task has ended well), EXIT (ended well),
 * WAIT (a task is parked), < 0 (failed). Codes below -100 are the caller's own.
 */
enum act_rc {
	ACT_OK = 0,
	ACT_EXIT = 1,
	ACT_WAIT = 2,
#define X(name, value, text) ACT_##name = value,
	ACT_RC_LIST(X)
#undef X
};

/* "ECANCELED", "OK", ...; "EFAILED" for a code of the caller's own. */
const char *act_rc_name(int rc);
const char *act_rc_text(int rc);

enum act_phase { ACT_PHASE_BODY, ACT_PHASE_CLEANUP, ACT_PHASE_INIT };

enum { ACT_ERR_MESSAGE_MAX = 512, ACT_ERR_CAUSES = 8, ACT_ERR_LEAVES = 64, ACT_ERR_DEPTH = 16 };

/* Group policies: here because the error of a group tells its own. */
enum act_policy { ACT_FAIL_FAST, ACT_COLLECT, ACT_FIRST_OK };

struct act_err_counts {
	uint64_t ok, failed, cancelled;
};

typedef struct act_err {
	uint32_t refs; /* 0: constant, never freed */
	int code;      /* < 0 */
	enum act_phase phase;
	uint16_t restarts;
	const char *type;    /* in the object's own memory, like message */
	const char *message; /* UTF-8 is not promised: act_err_json mends it */
	const char *name;    /* of the task; "" if none */
	act_id task;	     /* 0: none */
	uint64_t index;	     /* the task's tag in its group */
	int64_t at_ns;	     /* clock of the shard */
	struct act_err *cause;
	/* Only in an error of a group (code EGROUP): */
	struct act_err **child; /* in order of occurrence; at most ACT_ERR_LEAVES kept */
	uint32_t n_child;
	uint64_t n_truncated; /* errors beyond that, only counted */
	enum act_policy policy;
	uint64_t cause_index; /* of the child that failed first */
	struct act_err_counts counts;
} act_err;

/* A new error with one reference; message is cut at 512 bytes; takes over `cause` (may be NULL). */
act_err *act_err_new(int code, const char *type, const char *message, act_err *cause);
act_err *act_err_ref(const act_err *e);
/* NULL is ignored. */
void act_err_drop(const act_err *e);
/* The object in JSON with a stable key order, always valid, appended to out; about max_bytes at
 * most (0 = 64 KiB), never below a minimal object of 256 bytes. Errors: NOMEM, TOO_LARGE. */
enum err act_err_json(const act_err *e, struct bytes *out, size_t max_bytes);
/*
 * except*: parts the leaves of e by `pred`, keeping the structure; branches that become empty
 * vanish. Returns the matching part or NULL, *ret_rest the others or NULL; each is the caller's
 * reference. A leaf gives itself to one side.
 */
act_err *act_err_split(const act_err *e, bool (*pred)(const act_err *leaf, void *ctx), void *ctx,
		       act_err **ret_rest);
