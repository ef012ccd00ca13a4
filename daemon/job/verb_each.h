/*
 * verb_each -- one task for every item of a source, at most W of them started and not ended.
 *
 * Two tasks of one group: the feeder launches items while there is room and takes them from the
 * source; the each itself takes the ended ones. Memory is O(W) whatever the source is.
 */
#pragma once

#include "job/children.h"
#include "job/collect.h"
#include "job/feed.h"
#include "job/spec.h"

struct each_frame;

/* Takes items from the source and launches them. */
struct feeder {
	act_co co;
	int rc;
	struct each_frame *e;
	struct slice line;
	json_t *value; /* of a list or range: borrowed or own */
	uint32_t n;
	struct feed_load load;
};

/* What an earlier life began, once nothing more is launched. */
struct each_late {
	act_co co;
	int rc;
	struct feeder f;
	uint64_t *index; /* malloc'd */
	size_t n, i;
	act_scope *shield;
};

struct each_frame {
	act_co co;
	int rc;
	struct task *t;
	struct children c;
	struct collect values;
	struct results_cursor cursor;
	struct task *source;	 /* whose value the items are taken from */
	json_t *list;		 /* SOURCE_LIST, or what the source's task gave */
	struct spec_range range; /* SOURCE_RANGE */
	uint64_t n_source;	 /* items of a list or range */
	uint64_t index;		 /* the next to look at */
	uint32_t window, n_open;
	act_event *room; /* set while n_open < window */
	bool was_late;
	struct each_late late;
};

bool each_source_runs(enum source_kind k);
/* Of the task of an each. */
struct results_cursor *each_cursor(struct task *each);

/* W of a concurrency; an each whose items do more than fetch starts no more than c. */
uint32_t each_window(const struct node *n);

/* ---- the feeder (verb_each_feeder.c) ---- */

/* Items that a task gives: it runs first, as `.s`; its value is part of its committed outcome, so a
 * restart sees the same items. */
bool each_source_is_task(enum source_kind k);
/* The task has ended: the items are in e->list. False: there are none; the each has been failed. */
bool each_source_take(struct each_frame *e, struct task *t);
/* False: the source is not one; the task has been failed. */
bool each_source_open(struct each_frame *e);
/* A step; frame: &e->late. Of a cancelled each: launches what an earlier life began and did not
 * end, so that it is cleaned up. */
int each_late_step(act_self *self, void *late);
/* Starts it inside e->c; false: no memory. */
bool each_feeder_start(act_self *self, struct each_frame *e);
