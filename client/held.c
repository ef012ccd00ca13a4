/*
 * held -- see held.h.
 */
#include "client/held.h"

#include <string.h>

/* What the limiter calls its reasons, for people. */
static const char *reason(const char *why)
{
	return why[0] != '\0' ? why : "-";
}

/* Keys of a job itself have made-up names. */
static const char *key_of(const json_t *row)
{
	const char *key = live_text(row, "key");
	return strncmp(key, "job:", 4) == 0 ? "(its own limit)" : key;
}

void held_add(json_t *all, const char *job, const json_t *explained)
{
	const json_t *limits = json_object_get(explained, "limits");
	for (size_t i = 0; i < json_array_size(limits); i++) {
		json_t *row = json_array_get(limits, i);
		json_object_set_new(row, "job", json_string(job));
		json_array_append(all, row);
	}
}

static void draw_row(struct frame *f, int width, const json_t *row)
{
	char since[LIVE_TEXT], next[LIVE_TEXT] = "-";
	if (json_object_get(row, "in_ms") != NULL)
		live_elapsed(next, live_number(row, "in_ms"));
	frame_cell(f, width, STYLE_WARN, "%s", key_of(row));
	frame_cell(f, 12, STYLE_PLAIN, "%s", reason(live_text(row, "why")));
	frame_cell(f, 6, STYLE_PLAIN, "%s", live_text(row, "job"));
	frame_cell(f, -8, STYLE_PLAIN, "%lld", (long long)live_number(row, "waiting"));
	frame_cell(f, -9, STYLE_PLAIN, "%s", live_elapsed(since, live_number(row, "since_ms")));
	frame_cell(f, -9, STYLE_PLAIN, "%s", next);
	frame_cell(f, 6, STYLE_PLAIN, "%s",
		   live_text(row, "behind")[0] != '\0' ? live_text(row, "behind") : "-");
	frame_line(f);
}

void held_draw(struct frame *f, const json_t *all, unsigned rows)
{
	size_t n = json_array_size(all);
	/* The other columns take 57. */
	int width = f->columns > 57 + 60 ? 60 : f->columns > 57 + 16 ? (int)f->columns - 57 : 16;
	if (n == 0 || rows < 4)
		return;
	frame_title(f, "Held back by");
	frame_cell(f, width, STYLE_DIM, "key");
	frame_cell(f, 12, STYLE_DIM, "limit");
	frame_cell(f, 6, STYLE_DIM, "job");
	frame_cell(f, -8, STYLE_DIM, "requests");
	frame_cell(f, -9, STYLE_DIM, "longest");
	frame_cell(f, -9, STYLE_DIM, "next in");
	frame_cell(f, 6, STYLE_DIM, "behind");
	frame_line(f);
	for (size_t i = 0; i < n && i < rows - 3; i++)
		draw_row(f, width, json_array_get(all, i));
}
