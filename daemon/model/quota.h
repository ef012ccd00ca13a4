/*
 * quota -- at most n in any window of a given length, spendable as fast as one likes.
 *
 * A log of what was taken: exact up to QUOTA_GROUPS entries; above, neighbours share an entry that
 * counts as taken at its last moment, so that the promise holds and only the refill comes late (by
 * at most 1/QUOTA_GROUPS of n, or of the window). Memory grows with use, up to 40 KiB. Without
 * memory entries are merged early: never too much, only later.
 * Pure: no clock, no chance. Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"
#include "model/gcra.h"

#define QUOTA_GROUPS	   1024u
#define QUOTA_SAVED_GROUPS 32u

struct quota_group {
	int64_t first_ns, last_ns;
	int64_t count;
};

struct quota {
	int64_t n;
	int64_t window_ns;
	int64_t taken;		   /* in the log */
	struct quota_group *group; /* a ring */
	uint32_t at, len, cap;
};

/* n >= 1. slack_ns lengthens the window by how long after its grant a use may happen. NOMEM. */
enum err quota_init(struct quota *q, struct rate rate, int64_t slack_ns);
void quota_fini(struct quota *q);
/* Another size; what was taken stays taken. */
void quota_change(struct quota *q, struct rate rate, int64_t slack_ns);
/* When cost conforms: <= now means now. A cost above n waits for an empty log. */
int64_t quota_ready_ns(struct quota *q, int64_t now_ns, int64_t cost);
/* now must not go backwards. */
void quota_take(struct quota *q, int64_t now_ns, int64_t cost);
/* Gives back what the latest quota_take (at taken_ns) took; false: something was taken since. */
bool quota_untake(struct quota *q, int64_t taken_ns, int64_t cost);
/* Left at now. */
int64_t quota_left(struct quota *q, int64_t now_ns);
/*
 * For the store: at most QUOTA_SAVED_GROUPS entries "last:count ", merged towards the later, with
 * offset_ns added to each time. Loading subtracts it; an entry from the future counts as now.
 * Errors of load: INVALID (and the quota counts as spent), NOMEM (the same).
 */
void quota_save(const struct quota *q, int64_t offset_ns, struct bytes *out);
enum err quota_load(struct quota *q, struct slice text, int64_t offset_ns, int64_t now_ns);
