/*
 * verb_named -- frames of the verbs that use named objects: put, take, set, clear, wait.
 */
#pragma once

#include "job/line.h"
#include "job/named.h"

struct taken;

struct named_frame {
	act_co co;
	int rc;
	act_msg *m;
	struct bytes name;
	char *text;	     /* of what is put or was taken; malloc'd */
	uint64_t n;	     /* of the word or item */
	bool has_item;	     /* of a take: it is in hand */
	struct taken *taken; /* not yet its holder's */
	struct results_wait wait;
	struct line_plain line;
};

/* The object's name as it is now; false: the task has been failed. */
bool named_render(struct named_frame *f, struct task *t, const struct tmpl *name);
struct named_ask *named_ask_of(const struct named_frame *f, struct task *t, enum named_op op,
			       enum named_kind kind);
/* Asks; an await. */
int named_asks(act_self *self, struct task *t, struct named_ask *ask, act_msg **ret_m);
void named_tells(act_self *self, struct task *t, struct named_ask *ask);
/* What came of the ask: f->n, or the task has been failed or cancelled. The message is dropped. */
bool named_granted(act_self *self, struct named_frame *f, struct task *t);
/* With the next commit: a row of the object. */
void named_row(const struct named_frame *f, struct task *t, enum named_kind kind,
	       struct slice data);
/* A step; frame: the task. Its end is committed: an outcome if it ended well, a line if it failed,
 * nothing if it was cancelled. */
int named_ends(act_self *self, void *task);
