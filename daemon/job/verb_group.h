/*
 * verb_group -- what group and gather share: all children at once, their values in order.
 */
#pragma once

#include "job/children.h"
#include "job/collect.h"

struct group_frame {
	act_co co;
	int rc;
	struct children c;
	struct collect values;
};

void group_start(act_self *self, struct group_frame *f, struct task *t);
/* Frees the child. */
void group_child_ended(struct group_frame *f, struct task *t, struct task *child);
