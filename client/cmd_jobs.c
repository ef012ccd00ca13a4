/*
 * cmd_jobs -- what is asked about jobs and told to them: jobs show wait cancel pause resume retry
 * forget.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/outcome.h"
#include "client/render.h"
#include "client/say.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_STEP_MS 20000

static json_t *job_params(const char *job)
{
	return json_pack("{s:s}", "job", job);
}

/* Asked about one by one; beyond those the list alone has to do. */
#define PROGRESS_MAX 200

static bool has_ended(const char *state)
{
	struct outcome o = {.total = 0};
	snprintf(o.state, sizeof(o.state), "%s", state);
	return outcome_is_end(&o);
}

/* The list counts what is stored; how far a job under way is, its own record tells. */
static enum status add_progress(struct muster *m, json_t *row)
{
	json_t *record = NULL;
	struct muster_reply r;
	struct bytes params = {.limit = 0};
	bytes_printf(&params, "{\"job\":\"%s\"}", json_string_value(json_object_get(row, "job")));
	enum muster_status ms = muster_call(m, "job.get", bytes_cstr(&params), -1, &r);
	bytes_fini(&params);
	if (ms == MUSTER_REFUSED)
		return STATUS_OK; /* it was forgotten meanwhile */
	if (ms != MUSTER_OK)
		return ask_failed(m, "job.get", ms, &r);
	record = json_loadb(r.result, r.n_result, 0, NULL);
	json_t *tasks = json_object_get(record, "tasks");
	json_int_t total = json_integer_value(json_object_get(tasks, "total")), done = 0;
	static const char *const counts[] = {"ok", "failed", "handled", "cancelled", "not_started"};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		done += json_integer_value(json_object_get(tasks, counts[i]));
	json_object_update_existing(row, tasks);
	json_object_set_new(row, "progress",
			    json_sprintf("%d%%", total > 0 ? (int)(done * 100 / total) : 0));
	json_decref(record);
	return STATUS_OK;
}

static enum status add_all_progress(struct muster *m, json_t *rows)
{
	enum status s = STATUS_OK;
	unsigned asked = 0;
	for (size_t i = 0; i < json_array_size(rows) && s == STATUS_OK; i++) {
		json_t *row = json_array_get(rows, i);
		const char *state = json_string_value(json_object_get(row, "state"));
		if (state == NULL || has_ended(state))
			json_object_set_new(row, "progress", json_string("ended"));
		else if (asked++ < PROGRESS_MAX)
			s = add_progress(m, row);
	}
	return s;
}

static enum status show_rows(const struct args *a, struct muster *m, json_t *rows)
{
	static const char *const first[] = {"job",    "state",	   "name",     "ok",
					    "failed", "cancelled", "progress", "created",
					    "uid",    "priority",  NULL};
	const struct render r = {.first = first, .has_colours = say_has_colours(STDOUT_FILENO)};
	struct bytes text = {.limit = 0};
	enum status s = STATUS_OK;
	if (args_has(a, OPTION_JSON)) {
		for (size_t i = 0; i < json_array_size(rows) && s == STATUS_OK; i++)
			s = ask_print_json(json_array_get(rows, i));
		return s;
	}
	s = add_all_progress(m, rows);
	if (s != STATUS_OK)
		return s;
	render_table(&text, &r, rows, "no jobs");
	s = ask_print(&text);
	bytes_fini(&text);
	return s;
}

int command_jobs(const struct args *a)
{
	struct muster *m = NULL;
	json_t *answer = NULL;
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask_pages(m, "job.list", "jobs", &answer);
	if (s == STATUS_OK)
		s = show_rows(a, m, answer);
	json_decref(answer);
	muster_close(m);
	return (int)s;
}

static enum status show_object(const struct args *a, const json_t *answer)
{
	const struct render r = {.has_colours = say_has_colours(STDOUT_FILENO)};
	struct bytes text = {.limit = 0};
	if (args_has(a, OPTION_JSON))
		return ask_print_json(answer);
	render_object(&text, &r, answer);
	enum status s = ask_print(&text);
	bytes_fini(&text);
	return s;
}

int command_show(const struct args *a)
{
	struct muster *m = NULL;
	json_t *answer = NULL;
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask(m, "job.get", job_params(a->arg.v[0]), &answer);
	if (s == STATUS_OK)
		s = show_object(a, answer);
	json_decref(answer);
	muster_close(m);
	return (int)s;
}

static enum status tell_end(const struct args *a, const struct outcome *end)
{
	struct bytes text = {.limit = 0};
	if (args_has(a, OPTION_JSON)) {
		bytes_add_slice(&text, bytes_slice(&end->text));
		bytes_add_byte(&text, '\n');
		ask_print(&text);
	} else if (outcome_status(end) != STATUS_OK) {
		outcome_add_sentence(&text, end);
		say("%s", bytes_cstr(&text));
	}
	bytes_fini(&text);
	return outcome_status(end);
}

/* Asks until the job has ended or the time is over. */
static enum status wait_for_end(struct session *s, const struct args *a)
{
	bool has_limit = args_has(a, OPTION_WAIT);
	int64_t until = session_now_ms() + args_number(a, OPTION_WAIT, 0);
	for (;;) {
		struct bytes params = {.limit = 0};
		struct muster_reply r;
		struct outcome end;
		enum status status;
		int64_t left = has_limit ? until - session_now_ms() : WAIT_STEP_MS;
		left = left < 0 ? 0 : left > WAIT_STEP_MS ? WAIT_STEP_MS : left;
		bytes_printf(&params, "{\"job\":\"%s\",\"wait_ms\":%lld}", a->arg.v[0],
			     (long long)left);
		enum muster_status ms =
			session_call(s, "job.wait", bytes_cstr(&params), &r, &status);
		bytes_fini(&params);
		if (ms != MUSTER_OK)
			return ms == MUSTER_REFUSED ? ask_failed(s->m, "job.wait", ms, &r) : status;
		status = outcome_get(s, a->arg.v[0], &end);
		if (status != STATUS_OK)
			return status;
		bool is_end = outcome_is_end(&end);
		if (is_end)
			status = tell_end(a, &end);
		outcome_fini(&end);
		if (is_end)
			return status;
		if (has_limit && session_now_ms() >= until) {
			say("job %s has not ended yet", a->arg.v[0]);
			return STATUS_EXPIRED;
		}
	}
}

int command_wait(const struct args *a)
{
	struct signals none = {.fd = -1};
	struct session s = {.signals = &none};
	enum status status = ask_open(a, &s.m);
	if (status == STATUS_OK)
		status = wait_for_end(&s, a);
	muster_close(s.m);
	return (int)status;
}

/* What runs again, what stays, and where to look on. */
static enum status tell_again(const struct args *a, const json_t *answer)
{
	struct bytes text = {.limit = 0};
	const char *job = json_string_value(json_object_get(answer, "job"));
	json_int_t again = json_integer_value(json_object_get(answer, "again"));
	json_int_t ok = json_integer_value(json_object_get(json_object_get(answer, "tasks"), "ok"));
	if (args_has(a, OPTION_JSON))
		return ask_print_json(answer);
	bytes_printf(&text,
		     "%s runs again: %lld %s, %lld that succeeded %s kept\n"
		     "muster wait %s; muster results %s --follow\n",
		     job, (long long)again, again == 1 ? "task that failed" : "tasks that failed",
		     (long long)ok, ok == 1 ? "is" : "are", job, job);
	enum status s = ask_print(&text);
	bytes_fini(&text);
	return s;
}

int command_job(const struct args *a)
{
	struct muster *m = NULL;
	json_t *answer = NULL;
	char method[40] = "job.";
	strcat(method, commands[a->command].name);
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = ask(m, method, job_params(a->arg.v[0]), &answer);
	if (s == STATUS_OK && a->command == COMMAND_RETRY)
		s = tell_again(a, answer);
	json_decref(answer);
	muster_close(m);
	return (int)s;
}
