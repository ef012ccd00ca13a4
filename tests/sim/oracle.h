/*
 * oracle -- a slow recursive evaluator of job trees: what may come of one, whatever the order in
 * which things happen, however slow the disk is and however often the daemon is killed.
 */
#pragma once

#include "tests/sim/jobtree.h"

struct oracle_range {
	uint32_t min, max;
};

/* Leaves that ended, by how, if the task ends in this way. */
struct oracle_part {
	bool may;
	struct oracle_range n_ok, n_failed, n_handled;
};

struct oracle {
	struct oracle_part ok, fail;
	struct oracle_part cut; /* cancelled from outside, at any moment */
	unsigned kinds;		/* that may stand in its error: JOBTREE_KIND_… */
};

/* is_late: a deadline may come; leaves it interrupts count as failed. */
struct oracle oracle_of(const struct jobtree *t, bool is_late);
