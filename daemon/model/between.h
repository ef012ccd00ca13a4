/*
 * between -- a stream's texts between two marks, such as <loc> and </loc> of a sitemap.
 *
 * Bytes are fed as they come, items are taken until there is no more; memory stays within one item
 * and one feed. An item is trimmed of blanks and line ends; one that is a CDATA section is its
 * content, in any other the five entities of XML and character references are decoded (what is
 * none of these stays as written). Empty items are skipped. Bytes are not checked to be UTF-8.
 * Threads: one owner at a time.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

#define BETWEEN_MAX_MARK 256
#define BETWEEN_MAX_ITEM 65536

struct between {
	struct slice open, close; /* borrowed */
	struct bytes buf;
	size_t at;	/* of buf: what is before is done with */
	size_t scanned; /* of buf: no closing mark begins before */
	bool inside;
	struct bytes item;
};

/* Marks are 1 to BETWEEN_MAX_MARK bytes and must outlive it. */
void between_init(struct between *b, struct slice open, struct slice close);
void between_fini(struct between *b);
/* Errors: NOMEM. */
enum err between_feed(struct between *b, struct slice bytes);
/*
 * OK and an item, valid until the next call; AGAIN: feed more. TOO_LARGE: an item of more than
 * BETWEEN_MAX_ITEM bytes, which is skipped; go on.
 */
enum err between_next(struct between *b, struct slice *ret_item);
