/*
 * jsonitems -- the items of one list inside a JSON text that comes as a stream, such as the
 * "/items" of {"items":[…],"next":…}, and one more value beside them.
 *
 * Fed and taken like between.h: memory stays within one item and one feed, whatever the length of
 * the text. An item is the raw text of a value, checked by jsonscan; what is not asked for is only
 * followed by its brackets and quotes. The list is the first value found at its pointer.
 * Threads: one owner at a time.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define JSONITEMS_MAX	(1024 * 1024) /* bytes of an item, or of the value beside */
#define JSONITEMS_DEPTH 64
#define JSONITEMS_PATHS 2

/* A pointer, by its segments. */
struct jsonitems_path {
	struct bytes text; /* segments, un-escaped, each ended by NUL */
	uint32_t n;
	bool is_asked, is_found;
};

struct jsonitems_level {
	bool is_object, is_list; /* is_list: its values are the items */
	uint8_t on;		 /* bit of each path that leads through here */
	uint32_t index;
};

struct jsonitems {
	struct jsonitems_path path[JSONITEMS_PATHS]; /* the list; the value beside */
	struct jsonitems_level level[JSONITEMS_DEPTH];
	uint32_t depth;
	int state;
	uint8_t on; /* paths that lead to the value that comes next */
	struct bytes buf;
	size_t at;			   /* of buf: read so far */
	size_t begin, begin_beside;	   /* of buf: where what is cut out begins */
	uint32_t depth_item, depth_beside; /* of the value that is cut out */
	bool in_item, in_beside, in_value, is_ended;
	uint64_t n_dropped; /* bytes before buf */
	struct bytes key, beside;
	char why[160];
};

/* Pointers as pointer_valid has them; beside.p NULL: none. Errors: NOMEM. */
enum err jsonitems_init(struct jsonitems *j, struct slice list, struct slice beside);
void jsonitems_fini(struct jsonitems *j);
/* Errors: NOMEM. */
enum err jsonitems_feed(struct jsonitems *j, struct slice bytes);
/* Nothing follows. */
void jsonitems_end(struct jsonitems *j);
/*
 * OK and an item, valid until the next call; AGAIN: feed more; END: that was all. For good, with
 * the reason in why: INVALID (no JSON), TOO_LARGE (an item, or the depth), NOT_FOUND (no list
 * there), NOMEM.
 */
enum err jsonitems_next(struct jsonitems *j, struct slice *ret_item);
/* Raw text of the value beside; n 0: there was none. */
struct slice jsonitems_beside(const struct jsonitems *j);
