/*
 * history -- what became of one task, out of the result lines the daemon keeps of its job.
 */
#pragma once

#include "client/ask.h"

#include <jansson.h>

/*
 * *ret: the last line of that task without its body and headers; NULL if there is none (yet, or any
 * more). Errors are said.
 */
enum status history_find(struct muster *m, const char *job, const char *path, json_t **ret);
