/*
 * verb_each -- one task for every item of a source, at most W of them started and not ended.
 *
 * Two tasks of one group: the feeder launches items while there is room and takes them from the
 * source; the each itself takes the ended ones. Memory is O(W) whatever the source is.
 */
#pragma once

#include "job/children.h"
#include "job/collect.h"
#include "job/spec.h"

struct each_frame {
	act_co co;
	int rc;
	struct task *t;
	struct children c;
	struct collect values;
	struct results_cursor cursor;
	json_t *list;		 /* SOURCE_LIST */
	struct spec_range range; /* SOURCE_RANGE */
	uint64_t n_source;	 /* items of a list or range */
	uint64_t index;		 /* the next to look at */
	uint32_t window, n_open;
	act_event *room; /* set while n_open < window */
};

bool each_source_runs(enum source_kind k);
/* Of the task of an each. */
struct results_cursor *each_cursor(struct task *each);

/* W of a concurrency; an each whose items do more than fetch starts no more than c. */
uint32_t each_window(const struct node *n);

/* ---- the feeder (verb_each_feeder.c) ---- */

/* False: the source is not one; the task has been failed. */
bool each_source_open(struct each_frame *e);
/* Starts it inside e->c; false: no memory. */
bool each_feeder_start(act_self *self, struct each_frame *e);
