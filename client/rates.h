/*
 * rates -- how fast named counters grow, from one picture of a live view to the next.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct rate_of {
	char name[48];
	int64_t count, at_ms;
	double per_s; /* smoothed over some seconds; < 0: seen once, unknown yet */
	unsigned round;
};

struct rates {
	struct rate_of *v;
	size_t n;
	unsigned round;
};

void rates_fini(struct rates *r);
/* Counters not asked for since the round before are forgotten. */
void rates_begin(struct rates *r);
/* Per second; < 0: not known yet. A counter that shrank starts anew. */
double rates_of(struct rates *r, const char *name, int64_t count, int64_t now_ms);
