/*
 * tail -- the last committed lines of a job, kept for those who follow it: at most TAIL_BYTES.
 *
 * Lines are numbered by seq without holes. What has been dropped from memory is only counted; a
 * reader that far behind goes to the store. Threads: none of its own; one owner.
 */
#pragma once

#include "base/bytes.h"
#include "base/list.h"

#define TAIL_BYTES (1u << 20)

struct tail {
	struct link chunks;		 /* oldest first */
	size_t n_bytes;			 /* in memory */
	uint64_t next;			 /* seq after the last */
	uint64_t acked;			 /* seqs up to it will not be asked for again */
	uint64_t cold_next;		 /* seqs below it are not in memory */
	uint64_t cold_first, cold_bytes; /* unacknowledged ones not in memory: from, and bytes */
};

void tail_init(struct tail *t);
void tail_fini(struct tail *t);
/* After a restart: lines up to last are in the store only, n_bytes of them unacknowledged. */
void tail_resume(struct tail *t, uint64_t last, uint64_t acked, uint64_t n_bytes);
/* n lines from t->next on, each ended by '\n'; copied. Without memory they are cold at once. */
void tail_push(struct tail *t, uint32_t n, struct slice lines);
void tail_ack(struct tail *t, uint64_t seq);
/* Bytes of lines that are not acknowledged, in memory or not. */
uint64_t tail_unacked(const struct tail *t);

struct tail_cut {
	uint64_t after; /* in */
	uint32_t max;	/* in: lines; 0 = no bound */
	size_t max_bytes;
	uint32_t n; /* out: lines that fit; at least 1 if there is one */
	size_t bytes;
	bool is_full; /* out: another line would not fit */
};

/* False: the line after `after` is not in memory. */
bool tail_measure(const struct tail *t, struct tail_cut *cut);
/* Appends the measured lines verbatim, ",\n" between them. Errors: those of bytes. */
enum err tail_write(const struct tail *t, const struct tail_cut *cut, struct bytes *out);
/* The same of any text of lines of which the first has seq `first`. */
void tail_measure_text(struct slice lines, uint64_t first, struct tail_cut *cut);
/* Appends the lines of the cut that lie in this text; *is_first: no separator before the next. */
enum err tail_write_text(struct slice lines, uint64_t first, const struct tail_cut *cut,
			 bool *is_first, struct bytes *out);
