/*
 * offload -- blocking work on other threads, awaited.
 *
 *	struct sum { act_co co; int rc; struct act_work work; char *path; };
 *	static int sum_step(act_self *self, void *frame)
 *	{
 *		struct sum *f = frame;
 *		CO_BEGIN(&f->co);
 *		f->work = (struct act_work){.fn = sum_of_file, .arg = f->path};
 *		CO_AWAIT(&f->co, f->rc, act_offload(self, &f->work));
 *		return f->rc < 0 ? f->rc : ACT_OK; // what sum_of_file returned
 *		CO_END(&f->co);
 *	}
 *
 * The runtime knows only the interface (edge/workers has the threads; in tests work runs when the
 * seed says). Classes bound how much of one kind runs at once.
 *
 * arg   While the work is under way it belongs to fn's thread. If the await ends with any result of
 *       fn, or with ENOMEM, EFULL, it is the caller's again. If it ends with ECANCELED, or the task
 *       dies, the runtime owns it and calls dtor(arg) once, on the shard's thread, as soon as fn
 *       has returned or at once if it never ran.
 */
#pragma once

#include "run/task.h"

struct act_work {
	int (*fn)(void *arg); /* on a worker thread; must not call act_* */
	void *arg;
	act_cleanup dtor; /* may be NULL */
	uint8_t cls;
	/* false: a cancel waits until fn has returned if it is running (then the result counts).
	 * true: the await ends at once and the result goes to dtor. Work still queued is withdrawn.
	 */
	bool abandon_on_cancel;
};

/* Await; the result is fn's (>= 0 other than ACT_WAIT, or < 0). EFULL: the class's line is full. */
int act_offload(act_self *self, const struct act_work *w);
/* For actors: ends in ACT_SIG_WORK{ref = tag, rc, ptr = arg}. ENOMEM, EFULL: arg is the caller's.
 * If the actor ends before, dtor(arg). */
int act_offload_signal(act_self *self, const struct act_work *w, uint64_t tag);

/* ---- for implementations ---- */

struct act_job {
	struct act_job *next, *prev; /* the pool's while it has the job */
	struct act_work work;
	int rc;
	uint32_t state; /* the pool's */
	act_shard *shard;
	act_id owner;
	uint64_t ref;
	uint64_t node[2]; /* the runtime's, like what follows */
	void *waiter;
	uint32_t mode;
};

struct act_offload_pool {
	void *ctx;
	/* Takes the job and later, on any thread, runs work.fn, stores rc and calls act_job_done.
	 * ACT_OK, EFULL, ECLOSED. Called on the shard's thread. */
	int (*submit)(void *ctx, struct act_job *job);
	/* True: the job had not begun, will not run, and act_job_done will not be called. */
	bool (*withdraw)(void *ctx, struct act_job *job);
};

/* The work is finished; any thread. The pool must not touch the job afterwards. */
void act_job_done(struct act_job *job);
