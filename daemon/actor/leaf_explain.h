/*
 * leaf_explain -- what a leaf that is under way has done so far: its attempts.
 */
#pragma once

#include "base/bytes.h"

struct task;

/* `,"attempt":2,"history":[…]` of a fetch, an exec, or a task with `retry`; nothing of others. */
void leaf_explain(const struct task *t, struct bytes *out);
