/*
 * ask -- see ask.h.
 */
#include "client/ask.h"

#include "client/say.h"
#include "proto/jsontree.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 60000

enum status ask_open_at(const struct args *a, const char *address, struct muster **ret)
{
	const struct muster_options o = {
		.address = address,
		.tls = {.ca_file = a->global[OPTION_CACERT],
			.cert_file = a->global[OPTION_CERT],
			.key_file = a->global[OPTION_KEY]},
	};
	struct muster *m = NULL;
	enum muster_status s = muster_open(&m, &o);
	if (s == MUSTER_OK) {
		*ret = m;
		return STATUS_OK;
	}
	if (m == NULL)
		say("out of memory");
	else if (s == MUSTER_INVALID)
		say("%s", muster_message(m));
	else
		say("%s; start one with `systemctl start musterd`%s", muster_message(m),
		    a->command == COMMAND_FETCH || a->command == COMMAND_SUBMIT
			    ? " or use --standalone"
			    : "");
	muster_close(m);
	return STATUS_NO_DAEMON;
}

enum status ask_open(const struct args *a, struct muster **ret)
{
	return ask_open_at(a, a->global[OPTION_SOCKET], ret);
}

/* What to do about it, where the sentence does not say. */
static const char *advice(const struct muster_reply *r)
{
	if (strcmp(r->kind, "not_found") == 0 && strstr(r->message, "there is no job \"") != NULL)
		return "; jobs are named like j7, see `muster jobs`";
	if (strcmp(r->kind, "not_found") == 0 && strstr(r->message, "there is no job ") != NULL)
		return "; `muster jobs` lists yours";
	if (strcmp(r->kind, "conflict") == 0 && strstr(r->message, "has ended already") != NULL)
		return "; `muster show` tells how";
	return "";
}

enum status ask_failed(const struct muster *m, const char *method, enum muster_status s,
		       const struct muster_reply *r)
{
	switch (s) {
	case MUSTER_REFUSED:
		if (r->line != 0 && strstr(r->message, "line ") == NULL)
			say("line %u, column %u: %s (%s)", r->line, r->column, r->message, r->kind);
		else
			say("%s%s (%s)", r->message, advice(r), r->kind);
		return status_of_kind(r->kind);
	case MUSTER_INVALID:
		say("%s: %s", method, muster_message(m));
		return STATUS_USAGE;
	default:
		say("%s: %s at %s", method, muster_message(m), muster_address(m));
		return STATUS_NO_DAEMON;
	}
}

enum status ask(struct muster *m, const char *method, json_t *params, json_t **ret)
{
	struct bytes text = {.limit = 0};
	struct muster_reply r = {.id = 0};
	struct jsonscan_error error;
	const struct jsonscan_limits limits = {.values = UINT32_MAX};
	if (params != NULL)
		jsontree_add(&text, params);
	json_decref(params);
	enum muster_status s = muster_call(m, method, params != NULL ? bytes_cstr(&text) : NULL,
					   ANSWER_TIMEOUT_MS, &r);
	bytes_fini(&text);
	if (s != MUSTER_OK)
		return ask_failed(m, method, s, &r);
	if (jsontree_parse((struct slice){r.result, r.n_result}, &limits, ret, &error) == ERR_OK)
		return STATUS_OK;
	say("%s: the answer makes no sense: %s", method, error.text);
	return STATUS_NO_DAEMON;
}

enum status ask_pages(struct muster *m, const char *method, const char *list, json_t **ret)
{
	json_t *all = json_array(), *page = NULL, *next = NULL;
	enum status s = STATUS_OK;
	do {
		json_t *params = next != NULL ? json_pack("{s:O}", "after", next) : NULL;
		json_decref(page);
		page = NULL;
		s = ask(m, method, params, &page);
		if (s == STATUS_OK)
			json_array_extend(all, json_object_get(page, list));
		next = json_object_get(page, "next");
	} while (s == STATUS_OK && json_is_integer(next));
	json_decref(page);
	if (s == STATUS_OK)
		*ret = all;
	else
		json_decref(all);
	return s;
}

enum status ask_print(const struct bytes *text)
{
	size_t done = 0;
	while (done < text->n) {
		ssize_t n = write(STDOUT_FILENO, text->p + done, text->n - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			say("cannot write to standard output: %s", strerror(errno));
			return STATUS_FAILED;
		}
		done += (size_t)n;
	}
	return STATUS_OK;
}

enum status ask_print_json(const json_t *tree)
{
	struct bytes text = {.limit = 0};
	jsontree_add(&text, tree);
	bytes_add_byte(&text, '\n');
	enum status s = ask_print(&text);
	bytes_fini(&text);
	return s;
}
