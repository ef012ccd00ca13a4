/*
 * group -- structured concurrency: a scope whose tasks never outlive it.
 *
 *	struct all { act_co co; int rc; act_group *g; };
 *	static int all_step(act_self *self, void *frame)
 *	{
 *		struct all *f = frame;
 *		CO_BEGIN(&f->co);
 *		f->g = act_group_open(self, ACT_FAIL_FAST, 10, 30 * NS_PER_S);
 *		for (int i = 0; f->g != NULL && i < 100; i++)
 *			act_group_go(self, f->g, one_step, sizeof(struct one), NULL);
 *		CO_AWAIT(&f->co, f->rc, f->g != NULL ? act_group_join(self, f->g) : ACT_ENOMEM);
 *		return f->g != NULL ? act_group_close(self, f->g) : f->rc;
 *		CO_END(&f->co);
 *	}
 *
 * The opener is inside the group's scope from open to close. What a policy does:
 *
 * - FAIL_FAST: the first child that fails (rc < 0, not ECANCELED) cancels its siblings and the
 *body;
 * - COLLECT: nobody is cancelled, the join is OK;
 * - FIRST_OK: the first success cancels the rest; if all fail, EGROUP.
 *
 * Errors are kept in order of occurrence, up to ACT_ERR_LEAVES, never masking the first. A child
 * that ends with ECANCELED counts as cancelled, never as failed. Cost: spawn, run and join of a
 * child, some 50 ns; while it lives 320 bytes, its frame and what it opens.
 *
 * A group over millions of children stays small: take them one by one with act_group_next.
 * All calls: the opener only (EBUG otherwise), on its shard; act_group_go also by its children.
 */
#pragma once

#include "run/scope.h"

typedef struct act_group act_group;

struct act_child_result {
	uint64_t index; /* the tag given at act_group_go */
	int rc;		/* ACT_OK, or < 0 */
	act_id id;
	void *value; /* the caller's: act_child_result_drop */
	size_t value_len;
	act_cleanup value_dtor;
	act_err *err; /* a reference of the caller's, or NULL */
};

/* max_running: more children wait unstarted, in order; 0 = no limit. timeout_ns as for scopes.
 * NULL: no memory. */
act_group *act_group_open(act_self *self, enum act_policy policy, uint32_t max_running,
			  int64_t timeout_ns);
/* For errors and introspection; not copied. */
void act_group_name(act_group *g, const char *name);
act_scope *act_group_scope(act_group *g);
/* A child; opts->tag is its index. Refused with ECANCELED while the group is cancelled, EBUG after
 * the join, ENOMEM; then arg_dtor has run. */
int act_group_go(act_self *self, act_group *g, act_step step, size_t frame_size,
		 const struct act_task_opts *opts);
/*
 * Await: the next finished child in order of completion; it is forgotten by the group, whose
 * counts and errors keep it. ECLOSED when no child is left. *r must live in the frame.
 * Cancelled, it goes on delivering: the children are cancelled too, so it ends.
 */
int act_group_next(act_self *self, act_group *g, struct act_child_result *r);
void act_child_result_drop(struct act_child_result *r);
/*
 * Await: until every child has ended, cleanup included; cancelled, it keeps waiting. Then errors:
 * EGROUP, always wrapped; own deadline: ETIMEDOUT; cancelled: ECANCELED; else OK (COLLECT: OK
 * unless cancelled or timed out; FIRST_OK: OK with a success, EGROUP if all failed).
 */
int act_group_join(act_self *self, act_group *g);
/* After the join, of a child not handed over yet: its rc; value and err stay the group's.
 * ret_* may be NULL. EINVAL: no such child. O(1) when tags are 0, 1, 2, ... in spawn order. */
int act_group_result(act_group *g, uint64_t index, const void **ret_value, size_t *ret_len,
		     const act_err **ret_err);
/* The EGROUP error after a failed join; NULL otherwise. The group's until close: act_err_ref. */
const act_err *act_group_error(act_group *g);
struct act_err_counts act_group_counts(const act_group *g);
uint64_t act_group_live(const act_group *g);
/* Started and not ended. */
uint32_t act_group_running(const act_group *g);
/* Leaves the scope and frees what is left. EBUG: not joined, or not the innermost scope. Passes
 * on the join's rc. */
int act_group_close(act_self *self, act_group *g);
