/*
 * cmd_watch -- live views: watch shows jobs, or one job and what it waits for; top shows actors. On
 * a terminal the view is drawn again every second until a signal; elsewhere it is printed once.
 */
#include "client/command.h"
#include "client/render.h"
#include "client/say.h"
#include "client/session.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_MS 1000

struct view {
	const char *method;
	const char *list; /* the member that is a table; NULL: the answer is an object */
	const char *job;  /* NULL: none */
	const char *none;
	struct render render;
};

static enum status draw(struct muster *m, const struct view *v, struct bytes *out)
{
	json_t *answer = NULL;
	json_t *params = v->job != NULL ? json_pack("{s:s}", "job", v->job) : NULL;
	enum status s = ask(m, v->method, params, &answer);
	if (s != STATUS_OK)
		return s;
	const json_t *list = v->list != NULL ? json_object_get(answer, v->list) : NULL;
	if (v->list == NULL)
		render_object(out, &v->render, answer);
	else
		render_table(out, &v->render, list, v->none);
	json_decref(answer);
	return STATUS_OK;
}

/* All views, one below the other. */
static enum status draw_all(struct muster *m, const struct view *v, size_t n, bool clears)
{
	struct bytes out = {.limit = 0};
	enum status s = STATUS_OK;
	if (clears)
		bytes_add_str(&out, "\033[H\033[2J");
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		if (i > 0)
			bytes_add_byte(&out, '\n');
		s = draw(m, &v[i], &out);
	}
	if (s == STATUS_OK)
		s = ask_print(&out);
	bytes_fini(&out);
	return s;
}

static int show_live(const struct args *a, const struct view *v, size_t n)
{
	struct signals signals = {.fd = -1};
	struct muster *m = NULL;
	bool is_live = say_is_terminal(STDOUT_FILENO);
	int signo = 0;
	enum status s = ask_open(a, &m);
	if (is_live)
		signals_open(&signals);
	while (s == STATUS_OK && signo == 0) {
		s = draw_all(m, v, n, is_live);
		if (!is_live)
			break;
		struct pollfd p = {.fd = signals.fd, .events = POLLIN};
		poll(&p, 1, REDRAW_MS);
		signo = signals_take(&signals);
	}
	muster_close(m);
	return signo != 0 ? -signo : (int)s;
}

static const char *const job_columns[] = {"job", "state", "name", "tasks", "elapsed_ms", NULL};
static const char *const actor_columns[] = {"class", "name", "id", "state", "mailbox", NULL};

int command_watch(const struct args *a)
{
	const struct render r = {.first = job_columns,
				 .has_colours = say_has_colours(STDOUT_FILENO)};
	const struct view all[] = {
		{.method = "job.list", .list = "jobs", .none = "no jobs", .render = r}};
	const char *job = a->arg.n != 0 ? a->arg.v[0] : NULL;
	const struct view one[] = {{.method = "job.get", .job = job, .render = r},
				   {.method = "job.explain", .job = job, .render = r}};
	return job == NULL ? show_live(a, all, 1) : show_live(a, one, 2);
}

int command_top(const struct args *a)
{
	const struct render r = {.first = actor_columns,
				 .has_colours = say_has_colours(STDOUT_FILENO)};
	const struct view views[] = {
		{.method = "daemon.stats", .render = r},
		{.method = "actor.list", .list = "actors", .none = "no actors", .render = r}};
	return show_live(a, views, 2);
}
