/*
 * held -- the keys that hold requests back, of one job or of several, as a table of a live view.
 */
#pragma once

#include "client/live.h"

/* The member `limits` of answers of job.explain, with the job of each: an array of the caller's. */
void held_add(json_t *all, const char *job, const json_t *explained);
/* At most so many lines; nothing if nothing is held back. */
void held_draw(struct frame *f, const json_t *all, unsigned rows);
