/*
 * cmd_watch -- live views of jobs: all of them here, one in watch_job.c.
 *
 * Those under way come first, in their order, then the others, newest first. Only rows that are
 * shown are asked about one by one.
 */
#include "client/command.h"
#include "client/held.h"
#include "client/jobrow.h"
#include "client/watch_job.h"

#include <stdio.h>

#define JOBS_MAX    100000 /* listed; counted further by `muster jobs` */
#define ACTIVE_MAX  64	   /* asked about in every picture */
#define EXPLAIN_MAX 8	   /* of those, asked what they wait for */
#define PLAIN_ENDED 20	   /* shown where there is no window */

struct watch {
	struct rates rates;
};

/* Of one picture. */
struct picture {
	struct live *l;
	struct watch *w;
	struct frame *f;
	json_t *jobs, *held;
	size_t n_active, n_explained;
};

static int name_width(const struct frame *f)
{
	/* All of it takes 79 at least; names get a third of the rest, the bar half. */
	unsigned spare = f->columns > 163 ? 84 : f->columns > 79 ? f->columns - 79 : 0;
	return (int)(10 + spare / 3);
}

static unsigned bar_width(const struct frame *f)
{
	unsigned spare = f->columns > 163 ? 84 : f->columns > 79 ? f->columns - 79 : 0;
	return 8 + spare / 2;
}

/* In a narrow window: job, part, bar, failed. */
#define NARROW 60

static unsigned narrow_bar(const struct frame *f)
{
	return f->columns > 34 ? f->columns - 26 : 8;
}

static void draw_narrow_row(struct frame *f, const struct jobrow *r)
{
	bool has_ended = jobrow_has_ended(r->state);
	enum style bar = has_ended ? STYLE_DIM : r->failed > 0 ? STYLE_WARN : STYLE_GOOD;
	frame_cell(f, 6, jobrow_style(r->state), "%s", r->job);
	frame_cell(f, -4, STYLE_PLAIN, "%d%%", (int)(r->part * 100));
	frame_bar(f, narrow_bar(f), bar, r->part);
	frame_cell(f, -7, r->failed > 0 ? STYLE_BAD : STYLE_PLAIN, "%lld", (long long)r->failed);
	frame_line(f);
}

static void draw_columns(struct frame *f)
{
	if (f->columns < NARROW) {
		frame_cell(f, 6, STYLE_DIM, "job");
		frame_cell(f, (int)narrow_bar(f) + 5, STYLE_DIM, "progress");
		frame_cell(f, -7, STYLE_DIM, "failed");
		frame_line(f);
		return;
	}
	frame_cell(f, 6, STYLE_DIM, "job");
	frame_cell(f, 10, STYLE_DIM, "state");
	frame_cell(f, name_width(f), STYLE_DIM, "name");
	frame_cell(f, (int)bar_width(f) + 5, STYLE_DIM, "progress");
	frame_cell(f, -12, STYLE_DIM, "done/total");
	frame_cell(f, -6, STYLE_DIM, "failed");
	frame_cell(f, -7, STYLE_DIM, "rate");
	frame_cell(f, -7, STYLE_DIM, "left");
	frame_line(f);
}

static void draw_row(struct frame *f, const struct jobrow *r)
{
	char rate[LIVE_TEXT], left[LIVE_TEXT], done[48];
	if (f->columns < NARROW) {
		draw_narrow_row(f, r);
		return;
	}
	snprintf(done, sizeof(done), "%lld/%lld", (long long)r->done, (long long)r->total);
	enum style bar = r->failed > 0 ? STYLE_WARN : STYLE_GOOD;
	frame_cell(f, 6, STYLE_BOLD, "%s", r->job);
	frame_cell(f, 10, jobrow_style(r->state), "%s", r->state);
	frame_cell(f, name_width(f), STYLE_PLAIN, "%s", r->name[0] != '\0' ? r->name : "-");
	frame_bar(f, bar_width(f), jobrow_has_ended(r->state) ? STYLE_DIM : bar, r->part);
	frame_cell(f, -4, STYLE_PLAIN, "%d%%", (int)(r->part * 100));
	frame_cell(f, -12, STYLE_PLAIN, "%s", done);
	frame_cell(f, -6, r->failed > 0 ? STYLE_BAD : STYLE_PLAIN, "%lld", (long long)r->failed);
	frame_cell(f, -7, STYLE_PLAIN, "%s", jobrow_rate(rate, r->per_s));
	frame_cell(f, -7, STYLE_PLAIN, "%s", r->left_ms < 0 ? "-" : live_elapsed(left, r->left_ms));
	frame_line(f);
}

static enum muster_status explain(struct picture *p, const char *job)
{
	json_t *explained = NULL;
	if (p->n_explained++ >= EXPLAIN_MAX)
		return MUSTER_OK;
	enum muster_status s = live_ask(
		p->l, "job.explain", json_pack("{s:s,s:s}", "job", job, "path", "0"), &explained);
	held_add(p->held, job, explained);
	json_decref(explained);
	return s == MUSTER_REFUSED ? MUSTER_OK : s;
}

/* One that was forgotten meanwhile is left out. */
static enum muster_status draw_job(struct picture *p, const json_t *listed, bool is_active)
{
	struct jobrow r;
	json_t *record = NULL;
	const char *job = live_text(listed, "job");
	enum muster_status s = live_ask(p->l, "job.get", json_pack("{s:s}", "job", job), &record);
	if (s == MUSTER_OK) {
		jobrow_read(&r, record, &p->w->rates, p->l->now_ms);
		draw_row(p->f, &r);
		if (is_active)
			s = explain(p, job);
	}
	json_decref(record);
	return s == MUSTER_REFUSED ? MUSTER_OK : s;
}

static bool is_active(const json_t *listed)
{
	return !jobrow_has_ended(live_text(listed, "state"));
}

/* Lines for jobs that have ended, when those under way have theirs. */
static size_t room_for_ended(const struct picture *p)
{
	size_t left = frame_rows_left(p->f);
	size_t held =
		p->held != NULL && json_array_size(p->held) > 0 ? json_array_size(p->held) + 3 : 0;
	if (!p->f->is_terminal)
		return PLAIN_ENDED;
	return left > held + 1 ? left - held - 1 : left / 2;
}

static enum muster_status draw_jobs(struct picture *p)
{
	enum muster_status s = MUSTER_OK;
	size_t n = json_array_size(p->jobs), shown = 0;
	size_t most = frame_rows_left(p->f) / 3 * 2;
	most = most < ACTIVE_MAX ? most : ACTIVE_MAX;
	for (size_t i = 0; i < n && s == MUSTER_OK && shown < most; i++)
		if (is_active(json_array_get(p->jobs, i))) {
			s = draw_job(p, json_array_get(p->jobs, i), true);
			shown++;
		}
	if (s == MUSTER_OK && p->n_active > shown) {
		frame_cell(p->f, 0, STYLE_DIM, "and %zu more under way", p->n_active - shown);
		frame_line(p->f);
	}
	size_t room = room_for_ended(p);
	for (size_t i = n; i > 0 && s == MUSTER_OK && room > 0; i--)
		if (!is_active(json_array_get(p->jobs, i - 1))) {
			s = draw_job(p, json_array_get(p->jobs, i - 1), false);
			room--;
		}
	return s;
}

static void draw_head(struct picture *p)
{
	size_t n = json_array_size(p->jobs);
	for (size_t i = 0; i < n; i++)
		p->n_active += is_active(json_array_get(p->jobs, i));
	frame_cell(p->f, 0, STYLE_BOLD, "muster watch");
	frame_cell(p->f, 0, STYLE_PLAIN, " %zu under way, %zu ended", p->n_active, n - p->n_active);
	if (p->f->is_terminal)
		frame_cell(p->f, 0, STYLE_DIM, " q leaves");
	frame_cell(p->f, 0, STYLE_DIM, " %s", muster_address(p->l->m));
	frame_line(p->f);
	frame_line(p->f);
}

static enum muster_status draw_all(struct live *l, void *view, struct frame *f)
{
	struct picture p = {.l = l, .w = view, .f = f};
	rates_begin(&p.w->rates);
	enum muster_status s = live_ask_list(l, "job.list", "jobs", JOBS_MAX, &p.jobs);
	if (s != MUSTER_OK)
		return s;
	p.held = json_array();
	draw_head(&p);
	if (json_array_size(p.jobs) == 0) {
		frame_cell(f, 0, STYLE_DIM, "no jobs; `muster fetch URL` runs one");
		frame_line(f);
	} else {
		draw_columns(f);
		s = draw_jobs(&p);
		held_draw(f, p.held, frame_rows_left(f));
	}
	json_decref(p.held);
	json_decref(p.jobs);
	return s;
}

int command_watch(const struct args *a)
{
	if (args_has(a, OPTION_JSON)) /* the figures themselves, once */
		return a->arg.n != 0 ? command_show(a) : command_jobs(a);
	struct watch all = {.rates = {.n = 0}};
	struct watch_job one = {.job = a->arg.n != 0 ? a->arg.v[0] : NULL};
	int rc = one.job == NULL ? live_run(a, draw_all, &all) : live_run(a, watch_job_draw, &one);
	rates_fini(&all.rates);
	watch_job_fini(&one);
	return rc;
}
