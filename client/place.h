/*
 * place -- what the daemon refused in a job, told by where it stands in what the user gave: a line
 * of the job file, or an option.
 */
#pragma once

#include "client/args.h"
#include "client/muster.h"

/* Says it; false: it stands in neither, and nothing was said. file: of `submit`; NULL: of `fetch`.
 */
bool place_say(const struct args *a, const char *file, const struct muster_reply *r);
