/*
 * watch_job -- see watch_job.h. Results are read near the end of what there is, without being
 * acknowledged; a view that cannot keep up skips ahead.
 */
#include "client/watch_job.h"

#include "client/held.h"
#include "client/jobrow.h"

#include <stdio.h>
#include <string.h>

#define LOOK_BACK  256 /* lines before the end that are searched for failures */
#define PAGE_LINES 256
#define PAGES_MAX  4
#define GROUPS_MAX 12

void watch_job_fini(struct watch_job *w)
{
	rates_fini(&w->rates);
	json_decref(w->errors);
}

/* ---- what failed ---- */

static void keep_errors(struct watch_job *w, const json_t *lines)
{
	if (w->errors == NULL)
		w->errors = json_array();
	for (size_t i = 0; i < json_array_size(lines); i++) {
		json_t *line = json_array_get(lines, i);
		if (json_object_get(line, "error") == NULL)
			continue;
		if (json_array_size(w->errors) == WATCH_ERRORS)
			json_array_remove(w->errors, 0);
		json_array_append(w->errors, line);
	}
}

static enum muster_status read_errors(struct live *l, struct watch_job *w, const struct jobrow *r)
{
	uint64_t near = r->done > LOOK_BACK ? (uint64_t)r->done - LOOK_BACK : 0;
	enum muster_status s = MUSTER_OK;
	if (!w->is_placed || w->after + PAGES_MAX * PAGE_LINES < near)
		w->after = near;
	w->is_placed = true;
	for (unsigned i = 0; i < PAGES_MAX && s == MUSTER_OK; i++) {
		json_t *page = NULL;
		s = live_ask(l, "job.results",
			     json_pack("{s:s,s:I,s:i}", "job", w->job, "after",
				       (json_int_t)w->after, "max", PAGE_LINES),
			     &page);
		const json_t *lines = json_object_get(page, "results");
		size_t n = json_array_size(lines);
		keep_errors(w, lines);
		if (s == MUSTER_OK && live_number(page, "next") > (json_int_t)w->after)
			w->after = (uint64_t)live_number(page, "next");
		json_decref(page);
		if (n < PAGE_LINES)
			break;
	}
	return s;
}

static void draw_error(struct frame *f, const json_t *line)
{
	const json_t *error = json_object_get(line, "error");
	frame_cell(f, 8, STYLE_DIM, "%s", live_text(line, "task"));
	frame_cell(f, 16, STYLE_BAD, "%s", live_text(error, "kind"));
	frame_cell(f, 40, STYLE_PLAIN, "%s", live_text(error, "message"));
	frame_cell(f, 0, STYLE_DIM, "%s", live_text(line, "url"));
	frame_line(f);
}

/* The newest first. */
static void draw_errors(struct frame *f, const json_t *errors)
{
	size_t n = json_array_size(errors);
	if (n == 0 || frame_rows_left(f) < 3)
		return;
	frame_title(f, "Last errors");
	for (size_t i = n; i > 0 && frame_rows_left(f) > 0; i--)
		draw_error(f, json_array_get(errors, i - 1));
}

/* ---- what its tasks do ---- */

struct task_group {
	const char *verb, *state;
	unsigned n;
	int64_t longest_ms;
};

static size_t group_tasks(const json_t *tasks, struct task_group g[GROUPS_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(tasks); i++) {
		const json_t *t = json_array_get(tasks, i);
		const char *verb = live_text(t, "verb"), *state = live_text(t, "state");
		size_t k = 0;
		while (k < n && (strcmp(g[k].verb, verb) != 0 || strcmp(g[k].state, state) != 0))
			k++;
		if (k == GROUPS_MAX)
			continue;
		if (k == n)
			g[n++] = (struct task_group){.verb = verb, .state = state};
		int64_t since = live_number(t, "since_ms");
		g[k].n++;
		g[k].longest_ms = since > g[k].longest_ms ? since : g[k].longest_ms;
	}
	return n;
}

static void draw_tasks(struct frame *f, const json_t *explained)
{
	struct task_group g[GROUPS_MAX];
	char text[LIVE_TEXT];
	size_t n = group_tasks(json_object_get(explained, "tasks"), g);
	if (n == 0 || frame_rows_left(f) < 3)
		return;
	frame_title(f, "Tasks");
	for (size_t i = 0; i < n; i++) {
		frame_cell(f, -6, STYLE_PLAIN, "%u", g[i].n);
		frame_cell(f, 8, STYLE_PLAIN, "%s", g[i].verb);
		frame_cell(f, 28, STYLE_PLAIN, "%s", g[i].state);
		if (g[i].longest_ms > 0)
			frame_cell(f, 0, STYLE_DIM, "longest %s",
				   live_elapsed(text, g[i].longest_ms));
		frame_line(f);
	}
}

/* ---- the job ---- */

static void draw_head(struct frame *f, const struct jobrow *r)
{
	char text[LIVE_TEXT];
	bool has_ended = jobrow_has_ended(r->state);
	frame_cell(f, 0, STYLE_BOLD, "muster watch %s", r->job);
	frame_cell(f, 0, STYLE_BOLD, "%s", r->name);
	frame_cell(f, 0, jobrow_style(r->state), " %s", r->state);
	frame_cell(f, 0, STYLE_DIM, has_ended ? "after %s" : "for %s",
		   live_elapsed(text, r->elapsed_ms));
	if (f->is_terminal)
		frame_cell(f, 0, STYLE_DIM, " q leaves");
	frame_line(f);
	frame_line(f);
}

static void draw_progress(struct frame *f, const struct jobrow *r)
{
	char text[LIVE_TEXT];
	unsigned width = f->columns < 50 ? 10 : f->columns < 90 ? f->columns - 40 : 50;
	frame_bar(f, width, r->failed > 0 ? STYLE_WARN : STYLE_GOOD, r->part);
	frame_cell(f, -4, STYLE_BOLD, "%d%%", (int)(r->part * 100));
	frame_cell(f, 0, STYLE_PLAIN, " %lld of %lld", (long long)r->done, (long long)r->total);
	frame_line(f);
	frame_cell(f, 0, STYLE_PLAIN, "%lld ok ", (long long)r->ok);
	frame_cell(f, 0, r->failed > 0 ? STYLE_BAD : STYLE_PLAIN, "%lld failed ",
		   (long long)r->failed);
	if (f->columns >= 60)
		frame_cell(f, 0, STYLE_PLAIN, "%lld handled  %lld cancelled ",
			   (long long)r->handled, (long long)r->cancelled);
	frame_cell(f, 0, STYLE_BOLD, "%s", jobrow_rate(text, r->per_s));
	if (r->left_ms >= 0)
		frame_cell(f, 0, STYLE_PLAIN, " %s left", live_elapsed(text, r->left_ms));
	frame_line(f);
}

/* Why all of it ended, where no single line tells. */
static void draw_verdict(struct frame *f, const json_t *record)
{
	const json_t *error = json_object_get(record, "error");
	if (error == NULL)
		return;
	frame_line(f);
	frame_cell(f, 0, STYLE_BAD, "%s:", live_text(error, "kind"));
	frame_cell(f, 0, STYLE_PLAIN, "%s", live_text(error, "message"));
	frame_line(f);
}

enum muster_status watch_job_draw(struct live *l, void *view, struct frame *f)
{
	struct watch_job *w = view;
	struct jobrow r;
	json_t *record = NULL, *explained = NULL, *held = json_array();
	rates_begin(&w->rates);
	enum muster_status s = live_ask(l, "job.get", json_pack("{s:s}", "job", w->job), &record);
	if (s == MUSTER_OK) {
		jobrow_read(&r, record, &w->rates, l->now_ms);
		draw_head(f, &r);
		draw_progress(f, &r);
		draw_verdict(f, record);
		s = read_errors(l, w, &r);
	}
	if (s == MUSTER_OK && !jobrow_has_ended(r.state))
		s = live_ask(l, "job.explain", json_pack("{s:s}", "job", w->job), &explained);
	/* It may have ended between the two questions. */
	if (s == MUSTER_REFUSED && record != NULL)
		s = MUSTER_OK;
	held_add(held, w->job, explained);
	held_draw(f, held, frame_rows_left(f) / 2);
	draw_tasks(f, explained);
	draw_errors(f, w->errors);
	json_decref(held);
	json_decref(explained);
	json_decref(record);
	return s;
}
