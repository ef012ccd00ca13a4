/*
 * named -- the actor of all named objects: a table from name to lock, semaphore, event or queue.
 *
 * Everything is FIFO with direct hand-off: what becomes free goes to the first in line before it
 * runs. Asks and their answers are those of job/named.h; whoever waits is known by the token of its
 * ask, and one that has given up is taken out of the line. Objects come with their first use and go
 * when nobody uses them and nothing is in them. All that an owner (the actor of a job) still holds
 * when it ends is given back; a lock it held is then told `owner_died` to whoever comes next.
 *
 * From the store: rows of `hold` (locks and semaphores) and of `named` (items, words), which
 * durable jobs write themselves. The actor writes for volatile ones: a lock of theirs has a row
 * too, which a start finds without its holder.
 *
 * Threads    the shard of the jobs.
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "job/named.h"

enum named_msg {
	NAMED_ASK = 0x4e00, /* struct named_ask, owned; asked or sent, as its op says */
	NAMED_EXPLAIN,	    /* control, asks: struct named_explain, inline */
	NAMED_ANSWER,	    /* reply: struct named_answer, owned */
	NAMED_ROWS,	    /* reply to EXPLAIN: struct named_rows, owned */
};

#define NAMED_OBJECTS_MAX     65536 /* of all users */
#define NAMED_OBJECTS_PER_UID 16384

/* What the tasks of a job wait for. */
struct named_explain {
	char job[24]; /* "j7" */
	uint32_t max; /* 0 = 64 */
};

struct named_row {
	enum named_kind kind;
	char name[NAMED_NAME_MAX + 1];
	char task[200];	    /* path of the one that waits; cut */
	int64_t since_ns;   /* clock of the shard */
	uint32_t position;  /* how many are before it */
	uint32_t n_waiting; /* in all */
	char holder[200];   /* "j7 0.3"; empty: none */
	int64_t held_since_ns;
};

struct named_rows {
	uint32_t n;
	struct named_row row[];
};

struct named_opts {
	act_id store; /* actor/store of the durable store; 0: nothing outlives the daemon */
	const struct clock *clock;
	const struct log *log;
	uint64_t seed;
};

/* Asks that come before the store has answered wait. 0: no memory. */
act_id named_spawn(act_self *parent, const struct named_opts *opts);
/* Delivers what has to be told; takes the ask; without memory the end of the owner does it. */
void named_tell(act_self *self, act_id named, struct named_ask *ask);
