/*
 * progress -- one line on stderr that tells how far a job is: redrawn in place on a terminal, a
 * line a second elsewhere.
 */
#pragma once

#include "client/lines.h"
#include "client/rates.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on, is_terminal, is_drawn;
	int64_t started_ms, drawn_ms;
	struct lines_head head;
	struct rates rates;
	double per_s;
	char held_by[160];   /* the key most of it waits for, or "" */
	bool is_total_known; /* nothing more will be fed */
};

void progress_start(struct progress *p, bool is_on, int64_t now_ms);
/* Milliseconds until it wants to draw again; -1: never. */
int progress_wait_ms(const struct progress *p, int64_t now_ms);
/* Draws if it is time, or if it must. */
void progress_draw(struct progress *p, int64_t now_ms, bool must);
/* Leaves the line: what follows on stderr starts at its beginning. */
void progress_end(struct progress *p, int64_t now_ms);
