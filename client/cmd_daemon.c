/*
 * cmd_daemon -- one request to the daemon and its answer shown: ping info stats reload drain.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/render.h"
#include "client/say.h"
#include "client/session.h"

#include <string.h>
#include <unistd.h>

static const struct row {
	enum command_id command;
	const char *method;
	const char *done; /* what to say instead of showing the answer; NULL: show it */
} row[] = {
	{COMMAND_INFO, "daemon.info", NULL},
	{COMMAND_STATS, "daemon.stats", NULL},
	{COMMAND_RELOAD, "daemon.reload", "the configuration was read again"},
	{COMMAND_DRAIN, "daemon.drain", "draining: it stops when attempts in flight have ended"},
};

static const struct row *find_row(enum command_id c)
{
	size_t i = 0;
	while (i + 1 < sizeof(row) / sizeof(row[0]) && row[i].command != c)
		i++;
	return &row[i];
}

static enum status show(const struct args *a, const struct row *w, const json_t *answer)
{
	const struct render r = {.has_colours = say_has_colours(STDOUT_FILENO)};
	struct bytes text = {.limit = 0};
	const char *restart = json_string_value(json_object_get(answer, "needs_restart"));
	if (args_has(a, OPTION_JSON))
		return ask_print_json(answer);
	if (w->done != NULL)
		bytes_printf(&text, "%s\n", w->done);
	else
		render_object(&text, &r, answer);
	if (restart != NULL && restart[0] != '\0')
		bytes_printf(&text, "in force only after a restart: %s\n", restart);
	enum status s = ask_print(&text);
	bytes_fini(&text);
	return s;
}

static enum status ping(const struct args *a, struct muster *m)
{
	json_t *answer = NULL;
	int64_t before = session_now_ms();
	enum status s = ask(m, "daemon.ping", NULL, &answer);
	if (s != STATUS_OK)
		return s;
	struct bytes text = {.limit = 0};
	if (args_has(a, OPTION_JSON)) {
		s = ask_print_json(answer);
	} else {
		bytes_printf(&text, "musterd answers at %s in %lld ms\n", muster_address(m),
			     (long long)(session_now_ms() - before));
		s = ask_print(&text);
	}
	bytes_fini(&text);
	json_decref(answer);
	return s;
}

int command_daemon(const struct args *a)
{
	struct muster *m = NULL;
	json_t *answer = NULL;
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK && a->command == COMMAND_PING) {
		s = ping(a, m);
	} else if (s == STATUS_OK) {
		const struct row *w = find_row(a->command);
		s = ask(m, w->method, NULL, &answer);
		if (s == STATUS_OK)
			s = show(a, w, answer);
		json_decref(answer);
	}
	muster_close(m);
	return (int)s;
}
