/*
 * adapt -- a concurrency that follows what the server can bear: additive increase, multiplicative
 * decrease (Chiu and Jain 1989), between 1 and the configured maximum; and the budget of retries.
 *
 * Pure: time is a parameter. Threads: none of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct adapt {
	double now;
	uint32_t max;
	int64_t cut_ns; /* of the last decrease: one in ADAPT_PAUSE_NS counts */
};

#define ADAPT_PAUSE_NS 1000000000LL

void adapt_init(struct adapt *a, uint32_t max);
uint32_t adapt_limit(const struct adapt *a);
/* One more per round of successes. */
void adapt_succeeded(struct adapt *a);
/* Halved. */
void adapt_overloaded(struct adapt *a, int64_t now_ns);

/* Retries are paid from what first attempts bring in: `ratio` each, and RETRY_BUDGET_START. */
struct retry_budget {
	double ratio; /* 0: unlimited */
	double left;
};

#define RETRY_BUDGET_START 10.0
#define RETRY_BUDGET_MOST  100.0

void retry_budget_init(struct retry_budget *b, double ratio);
void retry_budget_earn(struct retry_budget *b);
bool retry_budget_has(const struct retry_budget *b);
void retry_budget_spend(struct retry_budget *b);
