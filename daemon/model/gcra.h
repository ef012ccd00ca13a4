/*
 * gcra -- pacing by the generic cell rate algorithm (Turner 1986; ITU-T I.371, virtual scheduling).
 *
 * In any window conforming arrivals are at most burst + rate * window. Time in nanoseconds of
 * one monotonic clock; all integers; the emission interval is rounded up, never the other way.
 * Pure: no clock, no chance. Threads: none of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* n per per_ns; n == 0: no rate. */
struct rate {
	int64_t n;
	int64_t per_ns;
};

struct gcra {
	int64_t interval_ns; /* emission interval of one token */
	int64_t burst;	     /* tokens, at least 1 */
	int64_t tat_ns;	     /* theoretical arrival time of the next token */
};

/* tat starts at now: the bucket is full. Rates above 10^9/s count as 10^9/s. */
void gcra_init(struct gcra *g, struct rate rate, int64_t burst, int64_t now_ns);
/* Another rate or burst: what is owed stays owed, in tokens. */
void gcra_change(struct gcra *g, struct rate rate, int64_t burst, int64_t now_ns);
/* When cost tokens conform: <= now means now. A cost above burst waits for a full bucket. */
int64_t gcra_ready_ns(const struct gcra *g, int64_t cost);
/*
 * What tat would become. late_ns: how much of the lateness of our own timer counts as if the token
 * had been taken when it was ready. Then arrivals in any window are at most burst + 1 + rate *
 * window, as long as late_ns and the way to the server together stay within one interval; 0: never
 * more than burst + rate * window.
 */
int64_t gcra_tat_after(const struct gcra *g, int64_t now_ns, int64_t cost, int64_t late_ns);
/* Takes them; the caller has seen that they conform. */
void gcra_take(struct gcra *g, int64_t now_ns, int64_t cost, int64_t late_ns);
/*
 * Gives back a take that was not used, if nothing was taken since: tat_after is what tat was right
 * after it. Returns false, and does nothing, otherwise.
 */
bool gcra_untake(struct gcra *g, int64_t tat_after_ns, int64_t cost);
int64_t gcra_interval_ns(struct rate rate);
