/*
 * cmd_fetch -- `muster fetch`: options become a job, arguments and lines become its items.
 */
#include "client/command.h"
#include "client/deliver.h"
#include "client/fetchjob.h"
#include "client/say.h"
#include "client/urlcheck.h"
#include "proto/result.h"

#include <errno.h>
#include <string.h>

static bool check_urls(const struct args *a)
{
	bool ok = true;
	for (size_t i = 0; i < a->arg.n; i++) {
		const char *wrong = urlcheck(slice_of(a->arg.v[i]));
		if (wrong == NULL)
			continue;
		struct bytes shown = {.limit = 0};
		result_add_url(&shown, slice_of(a->arg.v[i]));
		say("%s cannot be fetched: %s", bytes_cstr(&shown), wrong);
		bytes_fini(&shown);
		ok = false;
	}
	if (!ok)
		say("nothing was submitted");
	return ok;
}

/* Standard input can be one thing only. */
static bool check_stdin(const struct args *a)
{
	int users = 0;
	const char *input = args_text(a, OPTION_INPUT), *json = args_text(a, OPTION_JSON_BODY),
		   *upload = args_text(a, OPTION_UPLOAD);
	users += input != NULL && strcmp(input, "-") == 0;
	users += json != NULL && strcmp(json, "@-") == 0;
	users += upload != NULL && strcmp(upload, "-") == 0;
	for (size_t i = 0; i < a->value[OPTION_DATA].n; i++)
		users += strcmp(a->value[OPTION_DATA].v[i], "@-") == 0;
	if (users > 1)
		say("standard input cannot be read for two things");
	return users <= 1;
}

int command_fetch(const struct args *a)
{
	struct feed feed;
	struct fetchjob_rest rest = {.has_proxy = false};
	const char *input = args_text(a, OPTION_INPUT);
	if (a->arg.n == 0 && input == NULL) {
		say("what shall be fetched? Give URLs, or -i FILE (muster fetch --help)");
		return STATUS_USAGE;
	}
	if (!check_urls(a) || !check_stdin(a))
		return STATUS_USAGE;
	if (feed_open(&feed, &a->arg, input) != ERR_OK) {
		say("cannot read %s: %s", input, strerror(errno));
		feed_close(&feed);
		return STATUS_USAGE;
	}
	struct delivery d = {.a = a, .feed = &feed, .is_one_url = a->arg.n == 1 && input == NULL};
	bytes_add_str(&d.params, "{\"spec\":");
	int result = (int)fetchjob_add(&d.params, a, &rest);
	feed.proxy = rest.has_proxy ? &rest.proxy : NULL;
	d.uploads = &rest.uploads;
	if (result == STATUS_OK)
		result = deliver(&d);
	else
		bytes_fini(&d.params);
	upload_list_fini(&rest.uploads);
	feed_close(&feed);
	return result;
}
