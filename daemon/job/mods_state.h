/*
 * mods_state -- private to mods*.c: what the modifiers of a running task keep.
 */
#pragma once

#include "job/grip.h"
#include "job/line.h"
#include "job/mods.h"

/* Of an entry of `with` while it is entered. */
struct with_entry {
	struct names names;  /* what `as` means */
	struct bytes object; /* the name of a named object */
	bool is_held;	     /* it is */
	struct grip_permit permit;
};

struct mods {
	act_co when_co, finally_co, catch_co, timeout_co, retry_co, with_co;
	int rc;
	act_scope *timeout, *shield;
	int64_t timeout_ms, left_ns, wall_deadline_ns; /* as it is said; as it is stored */
	int64_t deadline_ns;			       /* of the timeout; shard's clock */
	bool timed_out;
	uint32_t attempt, clause;
	bool waits_already; /* an earlier life began this back-off */
	struct results_wait wait;
	int64_t until_ns;
	struct outcome kept;	 /* of the body, while handlers or `finally` run */
	struct outcome handlers; /* sums of what handlers left */
	struct failure *rest;	 /* what no clause has taken yet */
	struct failure *joined;	 /* what handlers failed with */
	struct names names;	 /* error or outcome */
	struct task *sub;	 /* handler, `finally`, enter or exit */
	uint32_t n_entries, n_entered;
	struct with_entry *entered;
	act_co grip_co, again_co;
	uint32_t again;
	struct grip grip;
	struct line_plain line;
	const struct names *outside;
};

/* ---- cleaning up: `finally` and exit ---- */

/* The outcome stands aside, the task's own scope is shielded; m->sub is the clean-up or NULL. */
void cleanup_begin(act_self *self, struct task *t, const struct node *run,
		   const struct names *names);
/* Folds what m->sub ended with into the outcome, which is back. */
void cleanup_end(act_self *self, struct task *t);

/* ---- with (mods_with.c) ---- */

int with_step(act_self *self, void *task);
void with_fini(struct mods *m);
