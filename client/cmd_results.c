/*
 * cmd_results -- lines and bodies of jobs that are there: results, body.
 */
#include "client/command.h"
#include "client/follow.h"
#include "client/say.h"
#include "proto/jsonscan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool is_job_name(const char *job)
{
	if (strspn(job, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(job) && strlen(job) < 32)
		return true;
	say("\"%s\" is no job; muster jobs lists them", job);
	return false;
}

int command_results(const struct args *a)
{
	struct signals signals;
	struct session s = {.signals = &signals};
	struct follow_options o = {
		.job = a->arg.v[0],
		.until = args_has(a, OPTION_FOLLOW) ? FOLLOW_TO_END : FOLLOW_TO_LAST,
		.mode = args_has(a, OPTION_OUTPUT) ? LINES_FILES : LINES_PLAIN,
		.after = (uint64_t)args_number(a, OPTION_AFTER, 0),
		.summary = SUMMARY_NEVER,
	};
	if (!is_job_name(o.job))
		return STATUS_USAGE;
	if (bodies_open(&o.where, args_text(a, OPTION_OUTPUT), false) != ERR_OK) {
		say("cannot write into %s: %s", args_text(a, OPTION_OUTPUT), strerror(errno));
		return STATUS_USAGE;
	}
	signals_open(&signals);
	int result = (int)ask_open(a, &s.m);
	if (result == STATUS_OK)
		result = follow_run(&s, &o);
	muster_close(s.m);
	return result;
}

struct printing {
	int fd;
	int error;
};

static bool print_piece(void *ctx, struct slice piece)
{
	struct printing *p = ctx;
	p->error = stored_write_all(p->fd, piece) ? 0 : errno;
	return p->error == 0;
}

/* Hands the body of a line to where the user wants it. */
static int put_body(struct session *s, const struct args *a, const struct body *b)
{
	const char *path = args_text(a, OPTION_OUTPUT);
	const struct bodies where = {.path = path, .is_file = true};
	struct printing p = {.fd = STDOUT_FILENO};
	struct stored_failure why = {.kind = ""};
	struct bytes written = {.limit = 0};
	enum status status = path != NULL ? bodies_write(&where, s, b, &written, &why)
					  : bodies_read(s, b, print_piece, &p, &why);
	if (p.error != 0)
		stored_fail(&why, "local.resource", "cannot write to standard output: %s",
			    strerror(p.error));
	if (why.kind[0] != '\0') {
		say("%.*s", (int)why.message.n, why.message.p);
		status = STATUS_FAILED;
	}
	bytes_fini(&written);
	bytes_fini(&why.message);
	return (int)status;
}

/* The body stands in the result's line, or the line names it. */
static int print_body(struct session *s, const struct args *a, uint64_t seq)
{
	struct bytes params = {.limit = 0}, text = {.limit = 0};
	struct muster_reply r;
	struct slice results, line, name;
	struct jsonscan_iter it;
	struct body b;
	enum status status;
	bytes_printf(&params, "{\"job\":\"%s\",\"after\":%llu,\"max\":1,\"wait_ms\":0}",
		     a->arg.v[0], (unsigned long long)seq - 1);
	enum muster_status ms = session_call(s, "job.results", bytes_cstr(&params), &r, &status);
	if (ms == MUSTER_REFUSED)
		status = ask_failed(s->m, "job.results", ms, &r);
	if (ms == MUSTER_OK)
		bytes_add(&text, r.result, r.n_result); /* the next call would end it */
	int result = (int)status;
	if (ms == MUSTER_OK && jsonscan_member(bytes_slice(&text), "results", &results) &&
	    jsonscan_items(results, &it) == ERR_OK && jsonscan_next_item(&it, &line) &&
	    lines_find_body(line, &b, &name) && slice_is(b.seq, a->arg.v[1])) {
		result = put_body(s, a, &b);
	} else if (ms == MUSTER_OK) {
		say("result %s of job %s has no body", a->arg.v[1], a->arg.v[0]);
		result = STATUS_FAILED;
	}
	bytes_fini(&params);
	bytes_fini(&text);
	return result;
}

int command_body(const struct args *a)
{
	struct signals none = {.fd = -1};
	struct session s = {.signals = &none};
	uint64_t seq;
	if (!is_job_name(a->arg.v[0]))
		return STATUS_USAGE;
	if (jsonscan_u64(slice_of(a->arg.v[1]), &seq) != ERR_OK || seq == 0) {
		say("SEQ is the number in a result line, not \"%s\"", a->arg.v[1]);
		return STATUS_USAGE;
	}
	int result = (int)ask_open(a, &s.m);
	if (result == STATUS_OK)
		result = print_body(&s, a, seq);
	muster_close(s.m);
	return result;
}
