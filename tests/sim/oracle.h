/*
 * oracle -- a slow recursive evaluator of job trees: what may come of one, whatever the order in
 * which things happen and however often the daemon is killed.
 */
#pragma once

#include "tests/sim/jobtree.h"

struct oracle_range {
	uint32_t min, max;
};

struct oracle {
	bool ok; /* the outcome of the root */
	struct oracle_range n_ok, n_failed, n_handled;
	uint32_t total; /* leaves that can be told from the tree alone: handlers that may run too */
};

struct oracle oracle_of(const struct jobtree *t);
