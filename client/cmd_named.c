/*
 * cmd_named -- named objects: event set clear wait show, queue put close join show.
 */
#include "client/ask.h"
#include "client/command.h"
#include "client/render.h"
#include "client/say.h"
#include "client/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_STEP_MS 20000

/* One word of a command and the method behind it. */
struct named_word {
	const char *word, *method;
	enum status (*run)(const struct args *a, struct muster *m, const struct named_word *w);
};

static enum status show(const struct args *a, const json_t *answer)
{
	const struct render r = {.first = NULL};
	struct bytes text = {.limit = 0};
	if (args_has(a, OPTION_JSON))
		return ask_print_json(answer);
	render_object(&text, &r, answer);
	enum status s = ask_print(&text);
	bytes_fini(&text);
	return s;
}

static const char *member_of(const struct named_word *w)
{
	return strncmp(w->method, "event", 5) == 0 ? "event" : "queue";
}

static enum status call(const struct args *a, struct muster *m, const struct named_word *w)
{
	json_t *answer = NULL;
	enum status s = ask(m, w->method, json_pack("{s:s}", member_of(w), a->arg.v[1]), &answer);
	if (s == STATUS_OK && json_is_object(answer))
		s = show(a, answer);
	json_decref(answer);
	return s;
}

static enum status wait_for(const struct args *a, struct muster *m, const struct named_word *w)
{
	bool has_limit = args_has(a, OPTION_WAIT);
	int64_t until = session_now_ms() + args_number(a, OPTION_WAIT, 0);
	for (;;) {
		json_t *answer = NULL;
		int64_t left = has_limit ? until - session_now_ms() : WAIT_STEP_MS;
		left = left < 0 ? 0 : left > WAIT_STEP_MS ? WAIT_STEP_MS : left;
		enum status s = ask(m, w->method,
				    json_pack("{s:s,s:I}", member_of(w), a->arg.v[1], "wait_ms",
					      (json_int_t)left),
				    &answer);
		bool is_granted = json_is_true(json_object_get(answer, "granted"));
		json_decref(answer);
		if (s != STATUS_OK || is_granted)
			return s;
		if (has_limit && session_now_ms() >= until) {
			say("the %s \"%s\" did not get so far in time", member_of(w), a->arg.v[1]);
			return STATUS_EXPIRED;
		}
	}
}

static json_t *value_of(const char *text)
{
	json_t *v = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	return v != NULL ? v : json_string(text);
}

/* Waits for room as long as it takes. */
static enum status put_value(struct muster *m, const char *name, const char *text)
{
	json_t *value = value_of(text), *answer = NULL;
	if (value == NULL) {
		say("the value is not UTF-8: %.80s", text);
		return STATUS_USAGE;
	}
	enum status s = STATUS_OK;
	for (bool is_in = false; s == STATUS_OK && !is_in; json_decref(answer)) {
		answer = NULL;
		s = ask(m, "queue.put", json_pack("{s:s,s:O}", "queue", name, "value", value),
			&answer);
		is_in = json_is_true(json_object_get(answer, "granted"));
	}
	json_decref(value);
	return s;
}

static enum status put_lines(struct muster *m, const char *name)
{
	enum status s = STATUS_OK;
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	while (s == STATUS_OK && (n = getline(&line, &cap, stdin)) >= 0) {
		if (n > 0 && line[n - 1] == '\n')
			line[--n] = '\0';
		if (n > 0)
			s = put_value(m, name, line);
	}
	free(line);
	return s;
}

static enum status put(const struct args *a, struct muster *m, const struct named_word *w)
{
	const char *value = a->arg.n > 2 ? a->arg.v[2] : "-";
	(void)w;
	return strcmp(value, "-") == 0 ? put_lines(m, a->arg.v[1])
				       : put_value(m, a->arg.v[1], value);
}

static const struct named_word event_word[] = {
	{"set", "event.set", call},
	{"clear", "event.clear", call},
	{"wait", "event.wait", wait_for},
	{"show", "event.get", call},
	{NULL, NULL, NULL},
};
static const struct named_word queue_word[] = {
	{"put", "queue.put", put},
	{"close", "queue.close", call},
	{"join", "queue.join", wait_for},
	{"show", "queue.get", call},
	{NULL, NULL, NULL},
};

static int run(const struct args *a, const struct named_word *w, const char *words)
{
	struct muster *m = NULL;
	while (w->word != NULL && strcmp(w->word, a->arg.v[0]) != 0)
		w++;
	if (w->word == NULL || (a->arg.n > 2 && w->run != put)) {
		say("usage: muster %s", words);
		return STATUS_USAGE;
	}
	enum status s = ask_open(a, &m);
	if (s == STATUS_OK)
		s = w->run(a, m, w);
	muster_close(m);
	return (int)s;
}

int command_event(const struct args *a)
{
	return run(a, event_word, "event set|clear|wait|show NAME");
}

int command_queue(const struct args *a)
{
	return run(a, queue_word, "queue put|close|join|show NAME [VALUE|-]");
}
