#include "model/adapt.h"

void adapt_init(struct adapt *a, uint32_t max)
{
	*a = (struct adapt){.now = (double)max, .max = max, .cut_ns = INT64_MIN / 2};
}

uint32_t adapt_limit(const struct adapt *a)
{
	return (uint32_t)a->now;
}

void adapt_succeeded(struct adapt *a)
{
	a->now += 1.0 / a->now;
	if (a->now > (double)a->max)
		a->now = (double)a->max;
}

void adapt_overloaded(struct adapt *a, int64_t now_ns)
{
	if (now_ns - a->cut_ns < ADAPT_PAUSE_NS)
		return;
	a->cut_ns = now_ns;
	a->now /= 2;
	if (a->now < 1.0)
		a->now = 1.0;
}

void retry_budget_init(struct retry_budget *b, double ratio)
{
	*b = (struct retry_budget){.ratio = ratio, .left = RETRY_BUDGET_START};
}

void retry_budget_earn(struct retry_budget *b)
{
	if (b->ratio > 0 && b->left < RETRY_BUDGET_MOST)
		b->left += b->ratio;
}

bool retry_budget_has(const struct retry_budget *b)
{
	/* sums of fractions: ten times 0.1 is a little less than 1 */
	return b->ratio <= 0 || b->left >= 1.0 - 1e-9;
}

void retry_budget_spend(struct retry_budget *b)
{
	if (b->ratio > 0)
		b->left -= 1.0;
}
