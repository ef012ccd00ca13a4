/*
 * deliver -- see deliver.h.
 */
#include "client/deliver.h"

#include "client/cookiejar.h"
#include "client/follow.h"
#include "client/place.h"
#include "client/say.h"
#include "client/standalone.h"
#include "proto/jsonscan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define JOB_NAME_MAX 64

/* So that a submission repeated after a lost answer is the same one. */
static void add_op_id(struct bytes *out)
{
	uint64_t id[2] = {0, 0};
	ssize_t n = getrandom(id, sizeof(id), 0);
	(void)n; /* never short for 16 bytes */
	bytes_printf(out, ",\"op_id\":\"%016llx%016llx\"", (unsigned long long)id[0],
		     (unsigned long long)id[1]);
}

static enum status submit(struct session *s, struct delivery *d, char job[JOB_NAME_MAX])
{
	struct muster_reply r;
	struct slice raw, name;
	enum status status;
	bool is_attached = !args_has(d->a, OPTION_DETACH);
	bytes_printf(&d->params, ",\"attached\":%s", is_attached ? "true" : "false");
	add_op_id(&d->params);
	bytes_add_byte(&d->params, '}');
	enum muster_status ms = session_call(s, "job.submit", bytes_cstr(&d->params), &r, &status);
	if (ms == MUSTER_REFUSED && place_say(d->a, d->file, &r))
		return status_of_kind(r.kind);
	if (ms == MUSTER_REFUSED)
		return ask_failed(s->m, "job.submit", ms, &r);
	if (ms != MUSTER_OK)
		return status;
	if (!jsonscan_member((struct slice){r.result, r.n_result}, "job", &raw) ||
	    jsonscan_plain(raw, &name) != ERR_OK || name.n >= JOB_NAME_MAX) {
		say("job.submit: the answer makes no sense");
		return STATUS_NO_DAEMON;
	}
	memcpy(job, name.p, name.n);
	job[name.n] = '\0';
	return STATUS_OK;
}

static enum follow_summary summary_of(const struct args *a)
{
	static const char *const word[] = {"auto", "text", "json", "never"};
	unsigned i = 0;
	while (i < 3 && !args_is(a, OPTION_SUMMARY, word[i]))
		i++;
	return (enum follow_summary)i;
}

static enum lines_mode mode_of(const struct args *a)
{
	if (args_is(a, OPTION_PRINT, "body"))
		return LINES_BODIES;
	return args_has(a, OPTION_OUTPUT) ? LINES_FILES : LINES_PLAIN;
}

static int follow_attached(struct session *s, const struct delivery *d, const char *job,
			   const struct bodies *where)
{
	bool auto_on = args_is(d->a, OPTION_PROGRESS, "auto") && say_is_terminal(STDERR_FILENO) &&
		       !say_is_terminal(STDOUT_FILENO);
	const struct follow_options o = {
		.job = job,
		.feed = d->feed,
		.until = FOLLOW_TO_END,
		.mode = mode_of(d->a),
		.where = *where,
		.acks = true,
		.cancels = true,
		.has_progress = auto_on || args_is(d->a, OPTION_PROGRESS, "always"),
		.summary = summary_of(d->a),
	};
	int result = follow_run(s, &o);
	const char *jar = args_text(d->a, OPTION_COOKIE_JAR);
	if (jar == NULL || result < 0)
		return result;
	enum status saved = cookiejar_save(s, job, jar);
	return result == STATUS_OK ? (int)saved : result;
}

static int feed_detached(struct session *s, const struct delivery *d, const char *job)
{
	const struct follow_options o = {
		.job = job, .feed = d->feed, .until = FOLLOW_FED, .cancels = true};
	int status = d->feed != NULL ? follow_run(s, &o) : STATUS_OK;
	struct bytes line = {.limit = 0};
	bytes_printf(&line, "%s\n", job);
	if (status == STATUS_OK)
		status = (int)ask_print(&line);
	bytes_fini(&line);
	return status;
}

static int run(struct session *s, struct delivery *d, const struct bodies *where)
{
	char job[JOB_NAME_MAX];
	enum status status = submit(s, d, job);
	if (status == STATUS_OK && d->uploads != NULL && s->signals->first == 0)
		status = upload_send(s, d->uploads, job);
	if (s->signals->first != 0)
		return -s->signals->first;
	if (status != STATUS_OK)
		return (int)status;
	return args_has(d->a, OPTION_DETACH) ? feed_detached(s, d, job)
					     : follow_attached(s, d, job, where);
}

static int connect_and_run(struct delivery *d, struct signals *signals, const struct bodies *where)
{
	struct standalone alone = {.pid = 0};
	struct session s = {.signals = signals};
	bool is_alone = args_has(d->a, OPTION_STANDALONE);
	enum status status = is_alone ? standalone_start(&alone, signals) : STATUS_OK;
	if (status == STATUS_OK)
		status = is_alone ? ask_open_at(d->a, alone.address, &s.m) : ask_open(d->a, &s.m);
	int result = (int)status;
	if (status == STATUS_OK)
		result = run(&s, d, where);
	muster_close(s.m);
	standalone_stop(&alone);
	return result;
}

static bool check_options(const struct args *a)
{
	if (args_is(a, OPTION_PRINT, "body") && args_has(a, OPTION_OUTPUT))
		say("--print body and -o are two places for the bodies");
	else if (args_has(a, OPTION_DETACH) && args_has(a, OPTION_STANDALONE))
		say("--standalone ends its daemon with the command: it cannot --detach");
	else if (args_has(a, OPTION_DETACH) && args_has(a, OPTION_OUTPUT))
		say("--detach leaves no one to write -o; later: muster results JOB -o PATH");
	else if (args_has(a, OPTION_DETACH) && args_has(a, OPTION_COOKIE_JAR))
		say("--detach leaves no one to write the --cookie-jar");
	else
		return true;
	return false;
}

int deliver(struct delivery *d)
{
	struct signals signals;
	struct bodies where;
	const char *path = args_text(d->a, OPTION_OUTPUT);
	int result = STATUS_USAGE;
	if (!check_options(d->a))
		goto out;
	if (bodies_open(&where, path, d->is_one_url) != ERR_OK) {
		say("cannot write into %s: %s", path, strerror(errno));
		goto out;
	}
	/* A fetch is forgotten once we have its lines; another job may read its bodies again. */
	where.may_link = d->a->command == COMMAND_FETCH && !args_has(d->a, OPTION_DETACH);
	signals_open(&signals);
	result = connect_and_run(d, &signals, &where);
out:
	bytes_fini(&d->params);
	return result;
}
