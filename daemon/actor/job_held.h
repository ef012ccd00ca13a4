/*
 * job_held -- the keys that hold requests of a job back, told as JSON.
 */
#pragma once

#include "actor/limiter.h"
#include "base/bytes.h"

/* `[{"key":…},…]`: of each key the request that has waited longest, and how many stand there. */
void job_held_add(struct bytes *out, const struct limit_rows *rows, int64_t now_ns);
