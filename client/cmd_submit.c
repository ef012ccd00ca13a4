/*
 * cmd_submit -- `muster submit`: the text of a job file goes to the daemon as it is, so that errors
 * name its lines.
 */
#include "client/command.h"
#include "client/deliver.h"
#include "client/say.h"
#include "client/slurp.h"
#include "proto/jsonscan.h"
#include "proto/result.h"

#include <errno.h>
#include <string.h>

#define FILE_MAX_BYTES (3u << 20)

/*
 * --volatile overrules the file: its `durable` is replaced, or one is put behind all else, where it
 * moves no place that an error may name. Text that is no object is left for the daemon to refuse.
 */
static void make_volatile(struct bytes *text)
{
	struct slice s = bytes_slice(text), raw;
	struct bytes out = {.limit = 0};
	if (jsonscan_check(s, NULL, NULL) != ERR_OK)
		return;
	size_t end = s.n;
	while (end != 0 && s.p[end - 1] != '}')
		end--;
	if (jsonscan_member(s, "durable", &raw)) {
		bytes_add(&out, s.p, (size_t)(raw.p - s.p));
		bytes_add_str(&out, "false");
		bytes_add(&out, raw.p + raw.n, (size_t)(s.p + s.n - raw.p) - raw.n);
	} else if (end > 1 && jsonscan_member(s, "run", &raw)) {
		bytes_add(&out, s.p, end - 1);
		bytes_add_str(&out, ",\"durable\":false}");
		bytes_add(&out, s.p + end, s.n - end);
	} else {
		return;
	}
	bytes_fini(text);
	*text = out;
}

/* NAME=VALUE each; values are strings. */
static bool add_vars(struct bytes *out, const struct args_list *l)
{
	if (l->n == 0)
		return true;
	bytes_add_str(out, ",\"vars\":{");
	for (size_t i = 0; i < l->n; i++) {
		const char *equals = strchr(l->v[i], '=');
		if (equals == NULL || equals == l->v[i]) {
			say("--var wants NAME=VALUE, not \"%s\"", l->v[i]);
			return false;
		}
		if (i > 0)
			bytes_add_byte(out, ',');
		result_add_string(out, (struct slice){l->v[i], (size_t)(equals - l->v[i])});
		bytes_add_byte(out, ':');
		result_add_string(out, slice_of(equals + 1));
	}
	bytes_add_byte(out, '}');
	return true;
}

/* Whether some source of the job is fed by us: it has to be told that nothing comes. */
static bool mentions_feed(const struct bytes *text)
{
	return text->n != 0 && memmem(text->p, text->n, "\"feed\"", 6) != NULL;
}

static int submit(const struct args *a, struct bytes *text)
{
	struct feed feed;
	const char *input = args_text(a, OPTION_INPUT);
	struct delivery d = {.a = a, .file = a->arg.v[0]};
	if (feed_open(&feed, NULL, input) != ERR_OK) {
		say("cannot read %s: %s", input, strerror(errno));
		feed_close(&feed);
		return STATUS_USAGE;
	}
	if (args_has(a, OPTION_VOLATILE))
		make_volatile(text);
	if (input != NULL || mentions_feed(text))
		d.feed = &feed;
	feed.is_optional = input == NULL;
	bytes_add_str(&d.params, "{\"text\":");
	result_add_string(&d.params, bytes_slice(text));
	int result = STATUS_USAGE;
	if (add_vars(&d.params, &a->value[OPTION_VAR]))
		result = deliver(&d);
	else
		bytes_fini(&d.params);
	feed_close(&feed);
	return result;
}

int command_submit(const struct args *a)
{
	const char *path = a->arg.v[0], *input = args_text(a, OPTION_INPUT);
	struct bytes text = BYTES_LIMIT(FILE_MAX_BYTES);
	if (strcmp(path, "-") == 0 && input != NULL && strcmp(input, "-") == 0) {
		say("standard input cannot be both the job and its items");
		return STATUS_USAGE;
	}
	enum err e = slurp(path, &text);
	int result = STATUS_USAGE;
	if (e == ERR_OK)
		result = submit(a, &text);
	else
		say("cannot read %s: %s", path,
		    e == ERR_IO ? strerror(errno) : "it is larger than 3 MiB");
	bytes_fini(&text);
	return result;
}
