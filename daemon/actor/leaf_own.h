/*
 * leaf_own -- the limits of a job itself, of which every leaf that does something outside takes.
 */
#pragma once

#include "actor/limiter.h"

struct task;

/* Adds the job's `limits` and the concurrency of each `each` around the leaf to the ask. */
void leaf_own_limits(const struct task *leaf, struct limit_ask *ask);
