/*
 * results_fill -- private to results*.c: what gathers for one commit, and the stream's state.
 */
#pragma once

#include "edge/store.h"
#include "job/cursor.h"
#include "job/results.h"

struct fill {
	struct link link; /* of the full ones */
	uint64_t no;	  /* of the commit */
	struct bytes lines;
	uint64_t first_seq;
	uint32_t n_lines;
	uint32_t n[3];	   /* stored lines by class */
	uint32_t n_parked; /* leaves that wait for it */
	int64_t since_ns;  /* first thing in it; shard's clock */
	bool is_used, is_hurried;
	struct done_list done;
	struct store_batch *batch; /* facts and whatever else goes along; NULL: none yet */
	size_t n_text;		   /* bytes of its texts */
	act_event *committed;
};

/* A line ahead of its turn. */
struct held {
	struct link link; /* by turn, then as written */
	uint64_t turn, serial;
	enum results_class c;
	size_t n;
	char text[]; /* with seq 0, with its newline */
};

struct results {
	struct jobenv *env;
	struct fill *fill, *under_way;
	struct link full; /* packed; they go before `fill` */
	uint64_t next_no, committed_no;
	uint64_t next_seq, last_seq; /* to be written; committed */
	uint64_t counted[3];	     /* committed, dropped ones included */
	uint64_t dropped[3];	     /* since the last commit */
	struct tail tail;
	struct link held;
	uint64_t next_held;
	struct link cursors; /* of eaches that run */
	uint64_t turn;	     /* whose lines may go now */
	struct cursor over;  /* turns that have ended */
	size_t held_bytes;
	int n_holding;
	bool is_attached, is_ordered, is_closed;
	uint32_t n_chunks; /* since the last snapshot */
	uint64_t all_bytes;
	uint64_t line_bytes; /* moving average, for the room that is reserved */
	act_event *some, *ready, *room;
};

/* NULL: no memory. */
struct fill *fill_new(struct results *r);
void fill_free(struct fill *f);
/* The one being filled; made on demand. */
struct fill *results_fill_now(struct results *r);
bool results_is_ready(const struct results *r);
void results_stir(struct results *r);
/* Where it stands goes with the fill: chunks up to seq tell nothing of it. False: no memory. */
bool results_cursor_put(struct results *r, struct results_cursor *c, uint64_t seq);
/* The fill as a batch that nothing is added to any more; NULL: no memory now. */
struct store_batch *results_pack(struct results *r);
/* Begins the next fill and packs the one before, which is returned; NULL: no memory now, nothing
 * changed. */
struct fill *results_turn_over(struct results *r);
