/*
 * cursor -- which items of an `each` are done: everything below `next` except the gaps.
 *
 * Only launched items may be open, so there are never more gaps than the window W; ten million
 * items with one stuck at the start cost one gap. A snapshot and the `done` ranges committed
 * after it, in any order, give the same cursor again.
 * Threads: none of its own; one owner at a time.
 */
#pragma once

#include "base/bytes.h"

struct cursor {
	uint64_t next; /* items >= next were never launched */
	uint64_t *gap; /* open items below next, ascending */
	uint32_t n_gap, cap_gap;
};

/* A run of finished items, [from, to). */
struct cursor_range {
	uint64_t from, to;
};

void cursor_init(struct cursor *c);
void cursor_fini(struct cursor *c);
/* Item c->next is launched: it becomes a gap. *ret_index is its index. Errors: NOMEM. */
enum err cursor_launch(struct cursor *c, uint64_t *ret_index);
/* Marks the range done. What lies between `next` and r.from becomes gaps. Errors: NOMEM. */
enum err cursor_done(struct cursor *c, struct cursor_range r);
/* Done items become open ones again; ascending indices, all of them done. Errors: NOMEM. */
enum err cursor_reopen(struct cursor *c, const uint64_t *index, size_t n);
bool cursor_is_done(const struct cursor *c, uint64_t index);
/* All items below it are done. */
uint64_t cursor_watermark(const struct cursor *c);

/* Text form `next;gap,gap-gap,…`; read_ gives INVALID for what write_ cannot have made. */
void cursor_write(const struct cursor *c, struct bytes *out);
enum err cursor_read(struct cursor *c, struct slice text);
