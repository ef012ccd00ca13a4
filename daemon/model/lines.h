/*
 * lines -- a stream's lines: without "\n" or "\r\n", empty ones skipped. Fed and taken like
 * between.h. Threads: one owner at a time.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define LINES_MAX (1024 * 1024) /* bytes of a line */

struct lines {
	struct bytes buf;
	size_t at;	/* of buf: what is before is done with */
	size_t scanned; /* of buf: no line end before */
	bool is_ended;
	bool is_skipping; /* the rest of a line that was too long */
};

void lines_init(struct lines *l);
void lines_fini(struct lines *l);
/* Errors: NOMEM. */
enum err lines_feed(struct lines *l, struct slice bytes);
/* Nothing follows: a last line need not be ended. */
void lines_end(struct lines *l);
/*
 * OK and a line, valid until the next feed; AGAIN: feed more; END: nothing more. TOO_LARGE: a line
 * above LINES_MAX, which is skipped; go on.
 */
enum err lines_next(struct lines *l, struct slice *ret_line);
