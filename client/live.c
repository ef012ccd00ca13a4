/*
 * live -- see live.h.
 */
#include "client/live.h"

#include "client/ask.h"
#include "client/say.h"
#include "client/screen.h"
#include "client/session.h"
#include "proto/jsontree.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_MS	  1000
#define RECONNECT_MS	  500
#define ANSWER_TIMEOUT_MS 10000
#define PAGE_ROWS	  1000

enum muster_status live_ask(struct live *l, const char *method, json_t *params, json_t **ret)
{
	struct bytes text = {.limit = 0};
	struct jsonscan_error error;
	const struct jsonscan_limits limits = {.values = UINT32_MAX};
	l->method = method;
	if (params != NULL)
		jsontree_add(&text, params);
	json_decref(params);
	enum muster_status s = muster_call(l->m, method, params != NULL ? bytes_cstr(&text) : NULL,
					   ANSWER_TIMEOUT_MS, &l->reply);
	bytes_fini(&text);
	if (s != MUSTER_OK)
		return s;
	struct slice answer = {l->reply.result, l->reply.n_result};
	return jsontree_parse(answer, &limits, ret, &error) == ERR_OK ? MUSTER_OK : MUSTER_INVALID;
}

enum muster_status live_ask_list(struct live *l, const char *method, const char *list, size_t max,
				 json_t **ret)
{
	json_t *all = json_array(), *page = NULL;
	const json_t *next = NULL;
	enum muster_status s;
	do {
		json_t *params = json_pack("{s:i}", "max", PAGE_ROWS);
		if (next != NULL)
			json_object_set_new(params, "after",
					    json_integer(json_integer_value(next)));
		json_decref(page);
		page = NULL;
		s = live_ask(l, method, params, &page);
		if (s == MUSTER_OK)
			json_array_extend(all, json_object_get(page, list));
		next = json_object_get(page, "next");
	} while (s == MUSTER_OK && json_is_integer(next) && json_array_size(all) < max);
	json_decref(page);
	if (s == MUSTER_OK)
		*ret = all;
	else
		json_decref(all);
	return s;
}

int64_t live_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

const char *live_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text != NULL ? text : "";
}

const char *live_elapsed(char *text, int64_t ms)
{
	struct bytes b = {.limit = 0};
	units_add_elapsed(&b, ms);
	snprintf(text, LIVE_TEXT, "%s", bytes_cstr(&b));
	bytes_fini(&b);
	return text;
}

static bool is_loss(enum muster_status s)
{
	return s == MUSTER_LOST || s == MUSTER_TIMEOUT || s == MUSTER_UNREACHABLE;
}

/* The daemon is away: tells so in place of the picture. */
static void draw_loss(const struct live *l, struct frame *f, int64_t since_ms)
{
	char ago[LIVE_TEXT];
	frame_begin(f);
	frame_cell(f, 0, STYLE_WARN, "The daemon at %s went away %s ago.", muster_address(l->m),
		   live_elapsed(ago, l->now_ms - since_ms));
	frame_line(f);
	frame_cell(f, 0, STYLE_DIM, "Looking for it; q leaves.");
	frame_line(f);
	frame_end(f);
}

static enum status show_once(struct live *l, live_draw draw, void *view)
{
	struct frame f = {.columns = 0};
	screen_measure(&f, false);
	frame_begin(&f);
	enum muster_status ms = draw(l, view, &f);
	frame_end(&f);
	enum status s =
		ms == MUSTER_OK ? ask_print(&f.out) : ask_failed(l->m, l->method, ms, &l->reply);
	bytes_fini(&f.out);
	return s;
}

/* One picture; false: nothing to go on with, *ret_why is set. */
static bool show_next(struct live *l, live_draw draw, void *view, struct frame *f, int64_t *lost_ms,
		      enum muster_status *ret_why)
{
	l->now_ms = session_now_ms();
	screen_measure(f, true);
	if (*lost_ms == 0 || muster_reopen(l->m) == MUSTER_OK) {
		frame_begin(f);
		*ret_why = draw(l, view, f);
		frame_end(f);
		if (*ret_why == MUSTER_OK)
			*lost_ms = 0;
		else if (!is_loss(*ret_why))
			return false;
	}
	if (is_loss(*ret_why)) {
		*lost_ms = *lost_ms != 0 ? *lost_ms : l->now_ms;
		draw_loss(l, f, *lost_ms);
	}
	*ret_why = *lost_ms != 0 ? MUSTER_LOST : MUSTER_OK;
	return ask_print(&f->out) == STATUS_OK;
}

static int show_live(struct live *l, live_draw draw, void *view)
{
	struct screen screen;
	struct frame f = {.columns = 0};
	enum screen_event event = SCREEN_TICK;
	enum muster_status why = MUSTER_OK;
	int64_t lost_ms = 0;
	bool goes_on = true;
	screen_open(&screen);
	while (goes_on && event == SCREEN_TICK) {
		goes_on = show_next(l, draw, view, &f, &lost_ms, &why);
		if (goes_on)
			event = screen_wait(&screen,
					    l->now_ms + (lost_ms != 0 ? RECONNECT_MS : REDRAW_MS));
	}
	screen_close(&screen);
	bytes_fini(&f.out);
	if (event == SCREEN_SIGNAL)
		return -screen.signals.first;
	if (!goes_on && why != MUSTER_OK)
		return (int)ask_failed(l->m, l->method, why, &l->reply);
	return goes_on ? STATUS_OK : STATUS_FAILED;
}

int live_run(const struct args *a, live_draw draw, void *view)
{
	struct live l = {.now_ms = session_now_ms()};
	enum status s = ask_open(a, &l.m);
	int rc = (int)s;
	if (s == STATUS_OK)
		rc = say_is_terminal(STDOUT_FILENO) ? show_live(&l, draw, view)
						    : (int)show_once(&l, draw, view);
	muster_close(l.m);
	return rc;
}
