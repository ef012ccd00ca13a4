/*
 * jobrow -- see jobrow.h.
 */
#include "client/jobrow.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *state;
	bool has_ended;
	enum style style;
} known[] = {
	{"running", false, STYLE_GOOD},	  {"queued", false, STYLE_PLAIN},
	{"paused", false, STYLE_WARN},	  {"cancelling", false, STYLE_WARN},
	{"succeeded", true, STYLE_PLAIN}, {"failed", true, STYLE_BAD},
	{"cancelled", true, STYLE_DIM},	  {"expired", true, STYLE_BAD},
};

static size_t find(const char *state)
{
	size_t i = 0;
	while (i + 1 < sizeof(known) / sizeof(known[0]) && strcmp(known[i].state, state) != 0)
		i++;
	return i;
}

bool jobrow_has_ended(const char *state)
{
	return known[find(state)].has_ended;
}

enum style jobrow_style(const char *state)
{
	return known[find(state)].style;
}

const char *jobrow_rate(char *text, double per_s)
{
	if (per_s < 0)
		return "-";
	snprintf(text, LIVE_TEXT, per_s < 100 ? "%.1f/s" : "%.0f/s", per_s);
	return text;
}

void jobrow_read(struct jobrow *r, const json_t *record, struct rates *rates, int64_t now_ms)
{
	const json_t *t = json_object_get(record, "tasks");
	*r = (struct jobrow){
		.job = live_text(record, "job"),
		.state = live_text(record, "state"),
		.name = live_text(record, "name"),
		.ok = live_number(t, "ok"),
		.failed = live_number(t, "failed"),
		.handled = live_number(t, "handled"),
		.cancelled = live_number(t, "cancelled"),
		.not_started = live_number(t, "not_started"),
		.total = live_number(t, "total"),
		.elapsed_ms = live_number(record, "elapsed_ms"),
		.left_ms = -1,
	};
	bool has_ended = jobrow_has_ended(r->state);
	r->done = r->ok + r->failed + r->handled + r->cancelled + r->not_started;
	r->per_s = rates_of(rates, r->job, r->done, now_ms);
	if ((r->per_s < 0 || has_ended) && r->elapsed_ms > 0)
		r->per_s = (double)r->done * 1000 / (double)r->elapsed_ms;
	r->part = r->total > 0 ? (double)r->done / (double)r->total : has_ended ? 1 : 0;
	if (!has_ended && r->per_s > 0.001 && r->total >= r->done)
		r->left_ms = (int64_t)((double)(r->total - r->done) * 1000 / r->per_s);
}
