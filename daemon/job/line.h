/*
 * line -- how a leaf's end is told: its line, the facts or the mark that go with it, the wait for
 * their commit.
 *
 *	line_tell(t, &record)                    once t->out stands
 *	CO_CALL(&f->co, f->rc, line_wait, &f->wait)
 *
 * Threads: the job's shard.
 */
#pragma once

#include "job/task.h"
#include "proto/result.h"

/* The outcome of an earlier life. True: t->out is it, and there is nothing left to do or tell. */
bool line_recall(struct task *t);

/* What results.where and select need beside the record; all borrowed. */
struct line_about {
	struct result_record *rec; /* job, seq, task, tag, ok, at, error are filled in here */
	const struct cond_header *header;
	size_t n_header;
	const json_t *doc;	 /* the body as JSON if something looks at it; NULL: none */
	bool is_value;		 /* the line, with the body as `json`, is the task's value */
	struct slice value_body; /* the value's body and file, whatever the line has of them */
	struct slice value_file;
	const struct fetch_spec *fetch; /* its own tag goes before the node's; may be NULL */
};

/*
 * Writes the line of t as t->out says (unless results.where drops it), counts it, puts the fact or
 * the mark of its item into the same commit. *ret_wait is ready for line_wait.
 */
void line_tell(act_self *self, struct task *t, struct line_about *about,
	       struct results_wait *ret_wait);
int line_wait(act_self *self, void *frame);
/* Whether results.where lets it be stored; t->out stands. */
bool line_is_wanted(const struct task *t, const struct line_about *about);
/* For verbs that tell only when they fail. A step; frame: struct line_plain. */
struct line_plain {
	act_co co;
	int rc;
	struct task *t; /* in */
	struct slice value;
	struct results_wait wait;
};
int line_plain(act_self *self, void *frame);
/* Whether conditions of the job look at the body as JSON. */
bool line_needs_doc(const struct task *t);
/* Whether the task's end is told by its one line: an item of an each that is a leaf. */
bool line_is_item(const struct task *t);
