/*
 * verb_row -- what sequence and fallback share: children one after another, in the same task.
 */
#pragma once

#include "job/task.h"

struct row_frame {
	act_co co;
	int rc;
	uint32_t i;
	struct task *child;
	struct names *bound; /* of a sequence: values of earlier children that bear an id */
	uint32_t n_bound;
	struct failure *errors;
};

/* Whether the child after this one began in an earlier life: this one had come to its end then,
 * also if it is cut short now, in a scope that is cancelled. */
bool row_went_on(const struct row_frame *f, const struct task *t);
/* Child i as a task; false: no memory (the task has been failed). */
bool row_begin(struct row_frame *f, struct task *t, const struct names *names);
void row_fini(struct row_frame *f);
