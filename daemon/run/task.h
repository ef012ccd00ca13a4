/*
 * task -- stackless tasks: a frame and a step function that returns ACT_WAIT at each await.
 *
 *	struct fetch { act_co co; int rc; act_msg *reply; };
 *	static int fetch_step(act_self *self, void *frame)
 *	{
 *		struct fetch *f = frame;
 *		CO_BEGIN(&f->co);
 *		CO_AWAIT(&f->co, f->rc, act_ask(self, http, HTTP_GET, &q, sizeof(q), &f->reply));
 *		if (f->rc != ACT_OK)
 *			return f->rc;
 *		CO_END(&f->co);
 *	}
 *
 * Locals die at every await: what must live goes into the frame, and so does everything a pointer
 * is given to (&f->reply). No switch around an await. A step returns ACT_OK or ACT_EXIT when the
 * task has ended well, < 0 when it failed, ACT_WAIT only when an operation just returned ACT_WAIT.
 *
 * Every operation that may wait ("await") first looks at cancellation: while the task's scope is
 * effectively cancelled it returns ECANCELED and has no effect (exceptions say so). ECANCELED and
 * ETIMEDOUT mean: it did not happen. A grant that came before a cancel stays granted. A task is
 * never interrupted inside a step.
 */
#pragma once

#include "run/actor.h"

typedef struct act_co {
	uint32_t pc;
} act_co;

typedef int (*act_step)(act_self *self, void *frame);

#define CO_BEGIN(co)                                                                               \
	switch ((co)->pc) {                                                                        \
	case 0:
#define CO_AWAIT_(co, rc, op, n)                                                                   \
	do {                                                                                       \
		(rc) = (op);                                                                       \
		if ((rc) == ACT_WAIT) {                                                            \
			(co)->pc = (n);                                                            \
			return ACT_WAIT;                                                           \
		case (n):                                                                          \
			(rc) = act_result(self);                                                   \
		}                                                                                  \
	} while (0)
/* rc (in the frame or set again before use) becomes the result of the operation `op`. */
#define CO_AWAIT(co, rc, op) CO_AWAIT_(co, rc, op, __COUNTER__ + 1)
#define CO_CALL_(co, rc, child_step, child_frame, n)                                               \
	do {                                                                                       \
		(co)->pc = (n);                                                                    \
		__attribute__((fallthrough));                                                      \
	case (n):                                                                                  \
		(rc) = child_step(self, child_frame);                                              \
		if ((rc) == ACT_WAIT)                                                              \
			return ACT_WAIT;                                                           \
		if ((rc) == ACT_EXIT)                                                              \
			(rc) = ACT_OK;                                                             \
	} while (0)
/*
 * A stackless call: runs another step function to its end inside this task. child_frame is an
 * expression over this frame (it is evaluated at every resumption); its act_co must be zero when
 * the call begins (clear the frame before a second call). rc: what it returned, EXIT as OK.
 */
#define CO_CALL(co, rc, child_step, child_frame)                                                   \
	CO_CALL_(co, rc, child_step, child_frame, __COUNTER__ + 1)
#define CO_END(co)                                                                                 \
	}                                                                                          \
	(void)(co);                                                                                \
	return ACT_EXIT

/* Of the wait that has just ended. */
int act_result(act_self *self);

struct act_task_opts {
	const char *name;	/* must live as long as the task and its error; NULL: "task" */
	const void *frame_init; /* copied to the start of the frame; the rest is zeroed */
	size_t frame_init_size;
	void *arg; /* act_arg */
	/* Runs once when the task has ended, also if it never started or could not be spawned. */
	act_cleanup arg_dtor;
	uint64_t tag; /* its index in its group */
	uint16_t cap; /* of its mailbox, see act_recv; 0 = 64 */
	bool high, link;
};

/*
 * A task outside any group, in a root scope of its own; it may be monitored, cancelled, killed.
 * When it ends, DOWN carries its rc and act_err. Runs later, never inside the call.
 * 0: no memory or at the limit. Frames are 16-byte aligned.
 */
act_id act_spawn_task(act_self *self, act_step step, size_t frame_size,
		      const struct act_task_opts *opts);
void *act_arg(const act_self *self);

/* The task's outcome value for its group; replaces (and frees) an earlier one; also kept when the
 * task fails afterwards. */
void act_value(act_self *self, void *value, size_t len, act_cleanup dtor);
/* Records why the task (or actor) fails and returns code, for `return act_fail(...)`. Takes over
 * `cause`, usually NULL. The last one counts. code must be < 0. */
int act_fail(act_self *self, int code, const char *type, act_err *cause, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/* Fails the behaviour or step with EFAILED and the expression unless cond holds. */
#define ACT_REQUIRE(self, cond, type)                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			return act_fail((self), ACT_EFAILED, (type), NULL, "%s", #cond);           \
	} while (0)

/* ---- awaits ---- */

/* The others first. */
int act_yield(act_self *self);
/* ns <= 0 yields. */
int act_sleep(act_self *self, int64_t ns);
int act_sleep_until(act_self *self, int64_t at_ns);
/* The next mail of the task itself; *ret_m is the caller's to act_drop. */
int act_recv(act_self *self, act_msg **ret_m);
/* Until `id` (local) has ended; *ret_rc is what it ended with (EDEAD if unknown). */
int act_await_exit(act_self *self, act_id id, int *ret_rc);

/*
 * Request and reply. Parks while the mailbox of `to` is full (FIFO), then until the reply; *ret_m
 * is the caller's to act_drop. No room is needed for the reply. EDEAD at once if `to` dies with the
 * request. Cancelled, timed out or killed, the request stays where it is, its reply will be void,
 * and `to` gets ACT_SIG_ASK_GONE if its class wants it. On one shard exactly one of "the reply was
 * granted" and "gone" happens. EDEADLK if `to` is a task waiting, over any chain, for the caller.
 * Without an effective deadline the shard's default_wait_ns applies (ETIMEDOUT). A full mailbox on
 * another shard is EFULL, not waited for; what is waited for is room on the way there.
 */
int act_ask(act_self *self, act_id to, uint32_t type, const void *p, size_t len, act_msg **ret_m);
/* The same with an owned buffer. Unlike a send it takes the buffer in any case. */
int act_ask_buf(act_self *self, act_id to, uint32_t type, void *owned, size_t len, act_cleanup dtor,
		act_msg **ret_m);
/* act_ask without the default deadline: for waits whose length is their purpose. */
int act_ask_patient(act_self *self, act_id to, uint32_t type, const void *p, size_t len,
		    act_msg **ret_m);
/* act_ask_buf without the default deadline. */
int act_ask_buf_patient(act_self *self, act_id to, uint32_t type, void *owned, size_t len,
			act_cleanup dtor, act_msg **ret_m);

/*
 * An operation of the outside completed from a callback on the owning thread.
 *
 * The caller owns the object and keeps it until the await has returned. While it is awaited exactly
 * one of two things happens: act_op_complete(op, rc) resumes the task with rc (and cancel will not
 * be called), or the task is cancelled, timed out or killed: then cancel(op) is called exactly
 * once, synchronously, and the await returns ECANCELED. cancel must not touch actor code; it stops
 * the outside. act_op_complete on an op that is not awaited any more does nothing, as long as the
 * object itself still exists. Completed before it is awaited: the await returns rc at once.
 * After it has returned, act_op_init makes it fit for use again.
 */
struct act_op {
	void (*cancel)(struct act_op *op); /* may be NULL */
	void *user;
	void *waiter; /* the runtime's */
	int rc;
	uint32_t state;
};
void act_op_init(struct act_op *op, void (*cancel)(struct act_op *), void *user);
int act_op_await(act_self *self, struct act_op *op);
/* Owning thread, outside or inside actor code. rc <= ACT_OK, or > ACT_WAIT for the caller's own. */
void act_op_complete(act_shard *shard, struct act_op *op, int rc);
