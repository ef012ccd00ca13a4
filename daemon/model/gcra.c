#include "model/gcra.h"

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t gcra_interval_ns(struct rate rate)
{
	return max64(1, rate.per_ns / rate.n + (rate.per_ns % rate.n != 0));
}

void gcra_init(struct gcra *g, struct rate rate, int64_t burst, int64_t now_ns)
{
	g->interval_ns = gcra_interval_ns(rate);
	g->burst = max64(1, burst);
	g->tat_ns = now_ns;
}

void gcra_change(struct gcra *g, struct rate rate, int64_t burst, int64_t now_ns)
{
	int64_t was = g->interval_ns, owed_ns = max64(0, g->tat_ns - now_ns);
	g->interval_ns = gcra_interval_ns(rate);
	g->burst = max64(1, burst);
	/* rounded up; 53 bits are exact for all that a store may remember */
	double owed = (double)owed_ns / (double)was * (double)g->interval_ns;
	const double most = (double)(INT64_MAX / 4);
	g->tat_ns = now_ns + (owed >= most ? INT64_MAX / 4 : (int64_t)owed + (owed_ns != 0));
}

int64_t gcra_ready_ns(const struct gcra *g, int64_t cost)
{
	return g->tat_ns - max64(0, g->burst - cost) * g->interval_ns;
}

int64_t gcra_tat_after(const struct gcra *g, int64_t now_ns, int64_t cost, int64_t late_ns)
{
	return max64(now_ns - late_ns, g->tat_ns) + cost * g->interval_ns;
}

void gcra_take(struct gcra *g, int64_t now_ns, int64_t cost, int64_t late_ns)
{
	g->tat_ns = gcra_tat_after(g, now_ns, cost, late_ns);
}

bool gcra_untake(struct gcra *g, int64_t tat_after_ns, int64_t cost)
{
	if (g->tat_ns != tat_after_ns)
		return false;
	g->tat_ns -= cost * g->interval_ns;
	return true;
}
