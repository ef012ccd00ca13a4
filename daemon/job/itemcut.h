/*
 * itemcut -- a body as a stream of items, each as the JSON text that an `each` works with: lines
 * and texts between marks as strings, values of a list as they stand.
 *
 * Fed and taken like model/between.h; memory stays within one item and one feed. Text that is not
 * UTF-8 is read as Latin-1, item by item. Threads: one owner at a time.
 */
#pragma once

#include "job/spec.h"
#include "model/between.h"
#include "model/jsonitems.h"
#include "model/lines.h"

struct itemcut {
	enum source_kind kind;
	union {
		struct lines lines;
		struct between between;
		struct jsonitems json;
	} u;
	struct bytes item; /* as JSON */
	bool is_ended;
	char why[200];
};

/* Of SOURCE_LINES, SOURCE_BETWEEN or SOURCE_JSON; s outlives it. Errors: NOMEM. */
enum err itemcut_init(struct itemcut *c, const struct source *s);
/* A list in JSON with a value beside it; pointers outlive it. */
enum err itemcut_init_json(struct itemcut *c, struct slice list, struct slice beside);
void itemcut_fini(struct itemcut *c);
/* Errors: NOMEM. */
enum err itemcut_feed(struct itemcut *c, struct slice bytes);
void itemcut_end(struct itemcut *c);
/*
 * OK and an item, valid until the next call; AGAIN: feed more; END: that was all. For good, with
 * the reason in why: TOO_LARGE, INVALID, NOT_FOUND, NOMEM.
 */
enum err itemcut_next(struct itemcut *c, struct slice *ret_json);
