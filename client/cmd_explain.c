/*
 * cmd_explain -- why a job, or one of its tasks, is where it is: sentences and short tables.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/render.h"
#include "client/say.h"
#include "proto/units.h"

#include <string.h>
#include <unistd.h>

static const char *text_of(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));
	return s != NULL ? s : "";
}

static json_int_t number_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* ", 3.2 s so far, at most 5.0 s more" */
static void add_times(struct bytes *out, const json_t *task)
{
	static const struct {
		const char *name, *before, *behind;
	} times[] = {
		{"since_ms", ", ", " so far"},
		{"in_ms", ", ", " more"},
		{"timeout_in_ms", ", its timeout in ", ""},
	};
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (json_object_get(task, times[i].name) == NULL)
			continue;
		bytes_add_str(out, times[i].before);
		units_add_elapsed(out, number_of(task, times[i].name));
		bytes_add_str(out, times[i].behind);
	}
}

static void add_below(struct bytes *out, const json_t *task, const char *member)
{
	static const char *const names[] = {"running", "waiting",   "ok",
					    "failed",  "cancelled", "not_started"};
	static const char *const words[] = {"running", "waiting",   "ok",
					    "failed",  "cancelled", "not started"};
	const json_t *below = json_object_get(task, member);
	bool is_first = true;
	if (below == NULL)
		return;
	bytes_add_str(out, "  below it: ");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (number_of(below, names[i]) == 0)
			continue;
		bytes_printf(out, "%s%lld %s", is_first ? "" : ", ",
			     (long long)number_of(below, names[i]), words[i]);
		is_first = false;
	}
	bytes_add_str(out, is_first ? "nothing\n" : "\n");
}

static void add_attempts(struct bytes *out, const json_t *history)
{
	static const char *const first[] = {"status", "kind", "waited_ms", "took_ms", NULL};
	const struct render r = {.first = first};
	if (json_array_size(history) > 0)
		render_table(out, &r, history, "");
}

static void add_task(struct bytes *out, const json_t *task)
{
	bytes_printf(out, "%s  %s", text_of(task, "task"), text_of(task, "verb"));
	if (json_object_get(task, "id") != NULL)
		bytes_printf(out, " \"%s\"", text_of(task, "id"));
	bytes_printf(out, " %s", text_of(task, "state"));
	if (json_object_get(task, "why") != NULL)
		bytes_printf(out, ": %s", text_of(task, "why"));
	add_times(out, task);
	bytes_add_byte(out, '\n');
	add_below(out, task, "below");
	add_below(out, task, "lines_below");
	if (number_of(task, "attempt") > 1)
		bytes_printf(out, "  attempt %lld; those before:\n",
			     (long long)number_of(task, "attempt"));
	add_attempts(out, json_object_get(task, "history"));
}

static void add_result(struct bytes *out, const json_t *line)
{
	const json_t *error = json_object_get(line, "error");
	bytes_printf(out, "line %lld: %s", (long long)number_of(line, "seq"),
		     json_is_true(json_object_get(line, "ok")) ? "ok" : "failed");
	if (number_of(line, "supersedes") > 0)
		bytes_printf(out, " (in place of line %lld)",
			     (long long)number_of(line, "supersedes"));
	if (number_of(line, "status") > 0)
		bytes_printf(out, ", status %lld", (long long)number_of(line, "status"));
	if (error != NULL)
		bytes_printf(out, ", %s: %s", text_of(error, "kind"), text_of(error, "message"));
	if (number_of(line, "attempts") > 0)
		bytes_printf(out, ", %lld %s", (long long)number_of(line, "attempts"),
			     number_of(line, "attempts") == 1 ? "attempt" : "attempts");
	const json_t *timing = json_object_get(line, "timing");
	if (json_object_get(timing, "wait_ms") != NULL) {
		bytes_add_str(out, ", waited ");
		units_add_elapsed(out, number_of(timing, "wait_ms"));
	}
	if (json_object_get(timing, "total_ms") != NULL) {
		bytes_add_str(out, ", took ");
		units_add_elapsed(out, number_of(timing, "total_ms"));
	}
	bytes_printf(out, ", at %s\n", text_of(line, "at"));
	add_attempts(out, json_object_get(line, "history"));
}

static void add_limits(struct bytes *out, const json_t *limits)
{
	static const char *const first[] = {"key",    "why",	  "waiting", "since_ms", "in_ms",
					    "behind", "position", "held",    NULL};
	const struct render r = {.first = first};
	if (json_array_size(limits) == 0)
		return;
	for (size_t i = 0; i < json_array_size(limits); i++) {
		json_t *row = json_array_get(limits, i);
		/* Keys of a job itself have made-up names. */
		if (strncmp(text_of(row, "key"), "job:", 4) == 0)
			json_object_set_new(row, "key", json_string("its own limit"));
	}
	bytes_add_str(out, "\nheld back by\n");
	render_table(out, &r, limits, "");
}

/* Locks, semaphores, events and queues. */
static void add_objects(struct bytes *out, const json_t *objects)
{
	const struct render r = {.first = NULL};
	if (json_array_size(objects) == 0)
		return;
	bytes_add_str(out, "\nwaits for\n");
	render_table(out, &r, objects, "");
}

static void add_job(struct bytes *out, const json_t *answer)
{
	const json_t *queue = json_object_get(answer, "queue");
	const json_t *summary = json_object_get(answer, "summary");
	const struct render r = {.first = NULL};
	bytes_printf(out, "%s is %s", text_of(answer, "job"), text_of(answer, "state"));
	if (queue != NULL) {
		bytes_printf(out, " behind %lld %s, %lld running, ",
			     (long long)number_of(queue, "ahead"),
			     number_of(queue, "ahead") == 1 ? "job" : "jobs",
			     (long long)number_of(queue, "running"));
		units_add_elapsed(out, number_of(queue, "since_ms"));
		bytes_add_str(out, " so far");
	}
	bytes_add_byte(out, '\n');
	if (json_array_size(summary) > 0)
		render_table(out, &r, summary, "");
}

static void add_results(struct bytes *out, const json_t *lines)
{
	for (size_t i = 0; i < json_array_size(lines); i++)
		add_result(out, json_array_get(lines, i));
}

/* What comes from strangers stands in one line and has no control characters. */
static void make_harmless(struct bytes *text)
{
	for (size_t i = 0; i < text->n; i++)
		if (((unsigned char)text->p[i] < 0x20 && text->p[i] != '\n') || text->p[i] == 0x7f)
			text->p[i] = '?';
}

static enum status show(const struct args *a, const json_t *answer)
{
	struct bytes text = {.limit = 0};
	const json_t *task = json_object_get(answer, "task");
	if (args_has(a, OPTION_JSON))
		return ask_print_json(answer);
	if (task != NULL)
		add_task(&text, task);
	else
		add_job(&text, answer);
	add_results(&text, json_object_get(answer, "results"));
	add_limits(&text, json_object_get(answer, "limits"));
	add_objects(&text, json_object_get(answer, "objects"));
	make_harmless(&text);
	enum status s = ask_print(&text);
	bytes_fini(&text);
	return s;
}

/* JOB or JOB/PATH */
int command_explain(const struct args *a)
{
	struct muster *m = NULL;
	json_t *answer = NULL;
	const char *text = a->arg.v[0], *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	json_t *params = json_object();
	json_object_set_new(params, "job", json_stringn(text, n));
	if (slash != NULL)
		json_object_set_new(params, "path", json_string(slash + 1));
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask(m, "job.explain", params, &answer);
	else
		json_decref(params);
	if (s == STATUS_OK)
		s = show(a, answer);
	json_decref(answer);
	muster_close(m);
	return (int)s;
}
