/*
 * verb_each -- one task for every item of a source, at most W of them started and not ended.
 *
 * Two tasks of one group: the feeder launches items while there is room and takes them from the
 * source; the each itself takes the ended ones. Memory is O(W) whatever the source is.
 */
#pragma once

#include "job/bodytext.h"
#include "job/children.h"
#include "job/collect.h"
#include "job/feed.h"
#include "job/spec.h"

struct each_frame;

/* What a source's `load` works with; zeroed when it begins. */
struct each_load {
	act_co co;
	int rc;
	struct each_frame *e; /* in */
	struct feed_load feed;
	struct bodytext_read body;
	struct feed_recall recall;
};

/* An item that runs again: what was kept of it. */
struct each_again {
	act_co co;
	int rc;
	struct each_frame *e; /* in */
	uint64_t index;	      /* in */
	bool is_read;	      /* what follows is of that index */
	bool is_item;
	uint64_t seq;	   /* of the line that its new one replaces */
	struct slice text; /* empty: the source still has it */
	act_msg *m;
};

/* Takes items from the source and launches them. */
struct feeder {
	act_co co;
	int rc;
	struct each_frame *e;
	struct slice line;
	json_t *value; /* of a list or range: borrowed or own */
	uint32_t n;
	struct each_load load;
	struct each_again again;
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

/* Where items come from: a row of the table in verb_each_source.c. Absent members are NULL. */
struct each_source {
	/* Its task runs before anything else of the each, as `.s`; e->source has ended when open is
	 * called, and is freed after it. */
	bool is_after_task;
	/* n_source is how many items there are, all told; else nobody knows. */
	bool is_counted;
	/* First of all: its state in e->src. False: the each has been failed. */
	bool (*make)(struct each_frame *e);
	/* Before open: what an earlier life left of it. A step; frame: struct each_load. */
	act_step recall;
	/* False: the each has been failed. */
	bool (*open)(struct each_frame *e);
	/* Item `index`, growing from call to call (the same may be asked for again), into f->line
	 * as JSON text or f->value. END also when e->broken says why there are no more. */
	enum feed_got (*take)(struct feeder *f, uint64_t index);
	/* After FEED_LOAD. A step; frame: struct each_load. */
	act_step load;
	/* After FEED_EMPTY: set when there may be more. NULL: there was no memory. */
	act_event *(*more)(struct each_frame *e);
	/* A task of the each beside the feeder, which makes the items. A step; frame: e->src. */
	act_step produce;
	/* The watermark has moved. */
	void (*done_below)(struct each_frame *e, uint64_t index);
	/* Items that are known so far, of a source that is not counted. */
	uint64_t (*known)(const struct each_frame *e);
	/* All items have ended: what it kept for a later life is of no use any more. */
	void (*over)(struct each_frame *e);
	/* The task of an item begins. */
	void (*begun)(struct each_frame *e, struct task *item);
	/* After the last item. A step; frame: struct each_load. */
	act_step close;
	void (*fini)(struct each_frame *e);
};

/* NULL: this daemon cannot run it. */
const struct each_source *each_source(enum source_kind k);

struct each_frame {
	act_co co;
	int rc;
	struct task *t;
	const struct each_source *ops;
	void *src; /* the source's own state, freed by its fini */
	struct children c;
	struct collect values;
	bool has_given_up;	       /* the list is too long to be kept */
	struct results_cursor *cursor; /* its own until it ends */
	struct task *source;	       /* whose value the items are taken from */
	struct failure *broken;	       /* why the source ended too early; NULL: it did not */
	json_t *list;		       /* SOURCE_LIST, or what the source's task gave */
	struct spec_range range;       /* SOURCE_RANGE */
	uint64_t n_source;	       /* items of a list or range */
	uint64_t index;		       /* the next to look at */
	uint64_t first, n_seen;	       /* where that began; items that are not expected any more */
	bool was_at_end;	       /* the source has said that there are no more */
	uint32_t window, n_open;
	act_event *room; /* set while n_open < window */
	bool was_late;
	int produces; /* whether its producer runs: as children_help says */
	struct each_load load;
	act_scope *shield;
	struct each_late late;
	uint64_t again_below; /* items that may run again, by an order to retry */
	uint64_t n_kept;      /* items kept for one */
};

bool each_source_runs(enum source_kind k);
/* Of the task of an each. */
struct results_cursor *each_cursor(struct task *each);

/* W of a concurrency; an each whose items do more than fetch starts no more than c. */
uint32_t each_window(const struct node *n);

/* ---- sources: verb_each_source.c, verb_each_text.c ---- */

/* Opens it; also what e->source has given. False: the each has been failed. */
bool each_source_open(struct each_frame *e);
/* The source can give no more: after the items before. */
void each_source_breaks(struct each_frame *e, enum kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Items of a named queue (verb_each_queue.c). */
bool each_queue_open(struct each_frame *e);
enum feed_got each_queue_take(struct feeder *f, uint64_t index);
int each_queue_load(act_self *self, void *load);
void each_queue_begun(struct each_frame *e, struct task *item);
int each_queue_close(act_self *self, void *load);
void each_queue_fini(struct each_frame *e);
/* Of any task, as it begins. */
void each_item_begins(struct task *t);
/* An item of e->list or e->range. */
enum feed_got each_take_known(struct feeder *f, uint64_t index);
/* Lines, texts between marks, a list in JSON: out of what a task gave. */
bool each_text_open(struct each_frame *e);
enum feed_got each_text_take(struct feeder *f, uint64_t index);
int each_text_load(act_self *self, void *load);
void each_text_over(struct each_frame *e);
void each_text_fini(struct each_frame *e);

/* ---- items for another try (verb_each_again.c) ---- */

/*
 * An item has ended as the mark says; c: how its line counts, RESULTS_CLASSES if its leaves count
 * for themselves. If it did not end well it is kept, with its text, as a fact at `~PATH`, up to a
 * bound; one that is well now is not kept any more.
 */
void each_keep_item(struct task *item, const struct done_mark *m, int c, uint64_t seq);
/* What each_keep_item wrote. False: it is not that. is_full: more items failed than are kept. */
struct each_kept {
	bool is_full;
	int c;
	struct done_mark mark;
	struct slice text;
};
bool each_kept_read(struct slice data, struct each_kept *ret);
/* A step: reads what was kept of the item. frame: struct each_again. */
int each_again_step(act_self *self, void *again);
void each_again_done(act_self *self, struct each_again *a);
/* ---- sources that are fed by a task of the each: verb_each_fed.c, _pages.c, _emits.c ---- */

/* Where such a source's state begins. */
struct each_fed {
	act_co co;
	int rc;
	struct each_frame *e;
	struct feed *feed;
};

/* Path of what makes the items: "0.2.s". */
struct slice each_source_path(const struct each_frame *e, char buf[TASK_PATH_MAX]);
/* Its feed; size of the whole state, in e->src. False: no memory (the each has been failed). */
bool each_fed_make(struct each_frame *e, size_t size);
int each_fed_recall(act_self *self, void *load);
bool each_fed_open(struct each_frame *e);
enum feed_got each_fed_take(struct feeder *f, uint64_t index);
int each_fed_load(act_self *self, void *load);
act_event *each_fed_more(struct each_frame *e);
void each_fed_done_below(struct each_frame *e, uint64_t index);
uint64_t each_fed_known(const struct each_frame *e);
void each_fed_fini(struct each_frame *e);

bool each_pages_make(struct each_frame *e);
int each_pages_produce(act_self *self, void *pages);
void each_pages_fini(struct each_frame *e);

bool each_emits_make(struct each_frame *e);
int each_emits_produce(act_self *self, void *emits);
/* Whether what n emits are items. */
bool each_emits_has(const struct node *n);
/* The each whose items an emit makes; NULL: of none. */
struct each_frame *each_emits_for(const struct task *emit);
struct feed *each_emits_feed(const struct each_frame *e);

/* ---- the list of values (verb_each_list.c) ---- */

void each_list_open(struct each_frame *e);
/* What the item gave goes into the commit that marks it done. */
void each_list_keep(struct task *item);

/* ---- the feeder (verb_each_feeder.c) ---- */

/* A step; frame: &e->late. Of a cancelled each: launches what an earlier life began and did not
 * end, so that it is cleaned up. */
int each_late_step(act_self *self, void *late);
/* Starts it inside e->c; false: no memory. */
bool each_feeder_start(act_self *self, struct each_frame *e);
