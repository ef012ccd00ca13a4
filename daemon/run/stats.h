/*
 * stats -- counters of a shard and rows about its actors.
 *
 *	static void print_row(void *out, const struct act_row *row)
 *	{
 *		fprintf(out, "%s %s %u\n", row->name, row->state, row->depth);
 *	}
 *	static void print_all(act_shard *sh)
 *	{
 *		uint32_t cursor = 0;
 *		while (act_inspect(sh, &cursor, 1000, print_row, stdout))
 *			continue; // or a turn for the others
 *	}
 *
 * Counters have one writer and are read relaxed from any thread. Rows are made on the owning
 * thread, page by page, so that nothing is ever locked.
 */
#pragma once

#include "run/actor.h"

/* sent = delivered + dead + dropped + queued, over all shards of a mesh. */
#define ACT_STATS_LIST(X)                                                                          \
	X(sent)	     /* user messages accepted into a mailbox, an inbox or a way out */            \
	X(delivered) /* handed to a behaviour, a receiver, taken */                                \
	X(rejected)  /* EFULL */                                                                   \
	X(dropped)   /* by an overflow policy, a refused cast or post */                           \
	X(dead)	     /* accepted, but the receiver ended before */                                 \
	X(replies)                                                                                 \
	X(dead_replies)                                                                            \
	X(signals)                                                                                 \
	X(remote)                                                                                  \
	X(spawned)                                                                                 \
	X(ended)                                                                                   \
	X(failed)                                                                                  \
	X(parked)                                                                                  \
	X(cancels)                                                                                 \
	X(timeouts)                                                                                \
	X(restarts)                                                                                \
	X(dead_items)	/* queue items lost with their consumers */                                \
	X(leaked_items) /* queue items got, not done at a normal end */                            \
	X(turns)                                                                                   \
	X(polls)                                                                                   \
	X(sleeps)                                                                                  \
	X(wakes)                                                                                   \
	X(busy_ns)                                                                                 \
	X(max_turn_ns)

typedef struct act_stats {
#define X(name) uint64_t name;
	ACT_STATS_LIST(X)
#undef X
	uint64_t live, queued;
} act_stats;

void act_stats_read(const act_shard *sh, act_stats *ret);
/* Cells of messages and signals in use. Owning thread. */
uint64_t act_stats_cells(const act_shard *sh);

enum { ACT_ROW_HOLDS = 8 };

struct act_row {
	act_id id, parent;
	const char *class_name, *name;
	const char *state; /* "idle", "queued", "running", "parked" */
	bool is_task;
	uint32_t depth;
	uint16_t high_water, cap;
	uint32_t received;
	const char *parked_on; /* "sleep", "ask", ...; NULL: not parked */
	act_id parked_owner;   /* whom it waits for, if that is one; 0 */
	int64_t parked_since_ns;
	int64_t deadline_ns; /* of a task; INT64_MAX: none */
	bool is_cancelled;
	uint32_t n_scopes; /* of a task: opened and not yet left, groups among them */
	uint32_t n_holds;  /* of a task: what it holds; the oldest ACT_ROW_HOLDS are listed */
	struct {
		const char *what; /* "permits", "lock", "item", ... */
		const void *object;
		uint64_t n; /* permits */
	} hold[ACT_ROW_HOLDS];
	const act_class *cls; /* with state_data: for dump */
	const void *state_data;
};

/*
 * Calls row for up to max actors from *cursor on (0 = the first) and moves it; returns false when
 * there are no more. The pointers are valid during the call. Owning thread, actor code or not.
 */
bool act_inspect(act_shard *sh, uint32_t *cursor, uint32_t max,
		 void (*row)(void *ctx, const struct act_row *row), void *ctx);
/* The same for one; false: no such actor. */
bool act_inspect_one(act_shard *sh, act_id id, void (*row)(void *ctx, const struct act_row *row),
		     void *ctx);
