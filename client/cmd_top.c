/*
 * cmd_top -- live view of the runtime: its counters per second, actors and their mailboxes, and
 * what parked tasks wait for.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/live.h"
#include "client/rates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACTORS_MAX 50000
#define GROUPS_MAX 32

struct top {
	struct rates rates;
};

/* ---- counters ---- */

struct counter {
	const char *of, *name; /* members of daemon.stats */
	const char *label;
	bool is_rate, is_bytes;
};

static const struct counter_line {
	const char *label;
	struct counter counter[6];
} counter_line[] = {
	{"messages",
	 {{"runtime", "delivered", "delivered", true, false},
	  {"runtime", "queued", "queued", false, false},
	  {"runtime", "rejected", "refused", true, false},
	  {"runtime", "dropped", "dropped", true, false},
	  {"runtime", "cells_in_use", "cells", false, false}}},
	{"tasks",
	 {{"runtime", "spawned", "begun", true, false},
	  {"runtime", "live", "alive", false, false},
	  {"runtime", "parked", "parked", true, false},
	  {"runtime", "cancels", "cancelled", true, false},
	  {"runtime", "failed", "failed", true, false}}},
	{"http",
	 {{"http", "busy", "in flight", false, false},
	  {"http", "idle", "idle", false, false},
	  {"http", "calls", "calls", true, false},
	  {"http", "opened", "opened", true, false},
	  {"http", "reuses", "reused", true, false}}},
	{"control",
	 {{"control", "connections", "connections", false, false},
	  {"control", "requests", "requests", true, false},
	  {"control", "input_bytes", "in", true, true},
	  {"control", "output_bytes", "out", true, true}}},
};

static void draw_counter(struct live *l, struct top *t, struct frame *f, const json_t *stats,
			 const struct counter *c)
{
	char name[48], text[LIVE_TEXT];
	int64_t count = live_number(json_object_get(stats, c->of), c->name);
	snprintf(text, sizeof(text), "%lld", (long long)count);
	if (c->is_rate) {
		snprintf(name, sizeof(name), "%s.%s", c->of, c->name);
		double per_s = rates_of(&t->rates, name, count, l->now_ms);
		struct bytes b = {.limit = 0};
		if (per_s < 0)
			per_s = (double)count * 1000 /
				(double)(live_number(stats, "uptime_ms") + 1);
		if (c->is_bytes)
			units_add_bytes(&b, (int64_t)per_s);
		else
			bytes_printf(&b, per_s < 10 ? "%.1f" : "%.0f", per_s);
		snprintf(text, sizeof(text), "%s/s", bytes_cstr(&b));
		bytes_fini(&b);
	}
	frame_cell(f, -7, STYLE_BOLD, "%s", text);
	frame_cell(f, 11, STYLE_DIM, "%s", c->label);
}

static void draw_counters(struct live *l, struct top *t, struct frame *f, const json_t *stats)
{
	for (size_t i = 0; i < sizeof(counter_line) / sizeof(counter_line[0]); i++) {
		const struct counter_line *line = &counter_line[i];
		frame_cell(f, 9, STYLE_PLAIN, "%s", line->label);
		for (size_t k = 0; k < 6 && line->counter[k].of != NULL; k++)
			/* A counter that does not fit whole is left out. */
			if (frame_columns_left(f) >= 19)
				draw_counter(l, t, f, stats, &line->counter[k]);
		frame_line(f);
	}
}

/* ---- actors ---- */

struct actor_row {
	const json_t *actor;
	double per_s;
};

/* The deepest mailbox first, then the busiest, then by name. */
static int compare(const void *a, const void *b)
{
	const struct actor_row *x = a, *y = b;
	int64_t dx = live_number(x->actor, "mailbox"), dy = live_number(y->actor, "mailbox");
	if (dx != dy)
		return dx < dy ? 1 : -1;
	if (x->per_s < y->per_s || x->per_s > y->per_s)
		return x->per_s < y->per_s ? 1 : -1;
	return strcmp(live_text(x->actor, "name"), live_text(y->actor, "name"));
}

static void draw_actor(struct frame *f, int width, const struct actor_row *r)
{
	const json_t *a = r->actor;
	int64_t depth = live_number(a, "mailbox"), cap = live_number(a, "cap");
	enum style full = depth * 2 > cap ? STYLE_BAD : depth > 0 ? STYLE_WARN : STYLE_PLAIN;
	frame_cell(f, width, STYLE_PLAIN, "%s", live_text(a, "name"));
	frame_cell(f, 9, STYLE_DIM, "%s", live_text(a, "class"));
	frame_cell(f, 8, STYLE_PLAIN, "%s", live_text(a, "state"));
	frame_cell(f, -7, full, "%lld", (long long)depth);
	frame_cell(f, -10, STYLE_PLAIN, "%lld", (long long)live_number(a, "high_water"));
	frame_cell(f, -6, STYLE_DIM, "%lld", (long long)cap);
	frame_cell(f, -9, STYLE_PLAIN, "%lld", (long long)live_number(a, "received"));
	if (r->per_s < 0)
		frame_cell(f, -8, STYLE_DIM, "-");
	else
		frame_cell(f, -8, STYLE_BOLD, r->per_s < 10 ? "%.1f" : "%.0f", r->per_s);
	frame_line(f);
}

static int actor_width(const struct frame *f)
{
	/* The other columns take 64. */
	return f->columns > 64 + 40 ? 40 : f->columns > 64 + 16 ? (int)f->columns - 65 : 15;
}

static void draw_actors(struct frame *f, struct actor_row *rows, size_t n, unsigned room)
{
	int width = actor_width(f);
	if (n == 0)
		return;
	qsort(rows, n, sizeof(rows[0]), compare);
	frame_title(f, "Actors");
	frame_cell(f, width, STYLE_DIM, "name");
	frame_cell(f, 9, STYLE_DIM, "class");
	frame_cell(f, 8, STYLE_DIM, "state");
	frame_cell(f, -7, STYLE_DIM, "mailbox");
	frame_cell(f, -10, STYLE_DIM, "high-water");
	frame_cell(f, -6, STYLE_DIM, "of");
	frame_cell(f, -9, STYLE_DIM, "received");
	frame_cell(f, -8, STYLE_DIM, "per s");
	frame_line(f);
	for (size_t i = 0; i < n && i < room; i++)
		draw_actor(f, width, &rows[i]);
	if (n > room) {
		frame_cell(f, 0, STYLE_DIM, "and %zu more", n - room);
		frame_line(f);
	}
}

/* ---- tasks, those that do the same together ---- */

struct task_group {
	const char *name, *on, *owner;
	size_t n;
	int64_t longest_ms;
};

static const char *name_of(const json_t *actors, const char *id)
{
	for (size_t i = 0; id[0] != '\0' && i < json_array_size(actors); i++)
		if (strcmp(live_text(json_array_get(actors, i), "id"), id) == 0)
			return live_text(json_array_get(actors, i), "name");
	return "";
}

static bool is_of(const struct task_group *g, const json_t *task, const char *on)
{
	return strcmp(g->name, live_text(task, "name")) == 0 && strcmp(g->on, on) == 0 &&
	       strcmp(g->owner, live_text(task, "parked_owner")) == 0;
}

static size_t group_tasks(const json_t *actors, struct task_group g[GROUPS_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(actors); i++) {
		const json_t *t = json_array_get(actors, i);
		const char *on = live_text(t, "parked_on");
		size_t k = 0;
		if (!json_is_true(json_object_get(t, "task")))
			continue;
		on = on[0] != '\0' ? on : live_text(t, "state");
		while (k < n && !is_of(&g[k], t, on))
			k++;
		if (k == GROUPS_MAX)
			continue;
		if (k == n)
			g[n++] = (struct task_group){.name = live_text(t, "name"),
						     .on = on,
						     .owner = live_text(t, "parked_owner")};
		int64_t since = live_number(t, "parked_ms");
		g[k].n++;
		g[k].longest_ms = since > g[k].longest_ms ? since : g[k].longest_ms;
	}
	return n;
}

static void draw_tasks(struct frame *f, const json_t *actors, const struct task_group *g, size_t n)
{
	char text[LIVE_TEXT];
	int width = actor_width(f);
	if (n == 0 || frame_rows_left(f) < 3)
		return;
	frame_title(f, "Tasks");
	frame_cell(f, width, STYLE_DIM, "name");
	frame_cell(f, -8, STYLE_DIM, "how many");
	frame_cell(f, 10, STYLE_DIM, "parked on");
	frame_cell(f, 20, STYLE_DIM, "of");
	frame_cell(f, -9, STYLE_DIM, "longest");
	frame_line(f);
	for (size_t i = 0; i < n; i++) {
		const char *owner = name_of(actors, g[i].owner);
		frame_cell(f, width, STYLE_PLAIN, "%s", g[i].name);
		frame_cell(f, -8, STYLE_BOLD, "%zu", g[i].n);
		frame_cell(f, 10, STYLE_PLAIN, "%s", g[i].on);
		frame_cell(f, 20, STYLE_PLAIN, "%s", owner[0] != '\0' ? owner : "-");
		frame_cell(f, -9, STYLE_PLAIN, "%s",
			   g[i].longest_ms > 0 ? live_elapsed(text, g[i].longest_ms) : "-");
		frame_line(f);
	}
}

/* ---- the picture ---- */

static void draw_head(struct live *l, struct frame *f, const json_t *stats)
{
	char up[LIVE_TEXT];
	frame_cell(f, 0, STYLE_BOLD, "muster top");
	frame_cell(f, 0, STYLE_PLAIN, " up %s", live_elapsed(up, live_number(stats, "uptime_ms")));
	if (f->is_terminal)
		frame_cell(f, 0, STYLE_DIM, " q leaves");
	frame_cell(f, 0, STYLE_DIM, " %s", muster_address(l->m));
	frame_line(f);
	frame_line(f);
}

static void draw_rows(struct live *l, struct top *t, struct frame *f, const json_t *actors)
{
	size_t n = json_array_size(actors), k = 0;
	struct task_group g[GROUPS_MAX];
	struct actor_row *rows = calloc(n + 1, sizeof(*rows));
	if (rows == NULL)
		return;
	for (size_t i = 0; i < n; i++) {
		const json_t *a = json_array_get(actors, i);
		if (json_is_true(json_object_get(a, "task")))
			continue;
		double per_s = rates_of(&t->rates, live_text(a, "id"), live_number(a, "received"),
					l->now_ms);
		rows[k++] = (struct actor_row){.actor = a, .per_s = per_s};
	}
	size_t n_groups = group_tasks(actors, g);
	unsigned left = frame_rows_left(f);
	unsigned tasks = n_groups == 0 ? 0 : (unsigned)n_groups + 3;
	unsigned room = left > tasks + 4 ? left - tasks - 4 : left > 8 ? left / 2 - 3 : 3;
	draw_actors(f, rows, k, room);
	draw_tasks(f, actors, g, n_groups);
	free(rows);
}

static enum muster_status draw_all(struct live *l, void *view, struct frame *f)
{
	struct top *t = view;
	json_t *stats = NULL, *actors = NULL;
	rates_begin(&t->rates);
	enum muster_status s = live_ask(l, "daemon.stats", NULL, &stats);
	if (s == MUSTER_OK)
		s = live_ask_list(l, "actor.list", "actors", ACTORS_MAX, &actors);
	if (s == MUSTER_OK) {
		draw_head(l, f, stats);
		draw_counters(l, t, f, stats);
		draw_rows(l, t, f, actors);
	}
	json_decref(stats);
	json_decref(actors);
	return s;
}

/* The figures themselves, once. */
static int print_figures(const struct args *a)
{
	struct muster *m = NULL;
	json_t *stats = NULL, *actors = NULL;
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask(m, "daemon.stats", NULL, &stats);
	if (s == STATUS_OK)
		s = ask_pages(m, "actor.list", "actors", &actors);
	json_t *all =
		s == STATUS_OK ? json_pack("{s:O,s:O}", "stats", stats, "actors", actors) : NULL;
	if (all != NULL)
		s = ask_print_json(all);
	json_decref(all);
	json_decref(stats);
	json_decref(actors);
	muster_close(m);
	return (int)s;
}

int command_top(const struct args *a)
{
	if (args_has(a, OPTION_JSON))
		return print_figures(a);
	struct top t = {.rates = {.n = 0}};
	int rc = live_run(a, draw_all, &t);
	rates_fini(&t.rates);
	return rc;
}
