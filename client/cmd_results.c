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
	while (piece.n != 0) {
		ssize_t n = write(p->fd, piece.p, piece.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			p->error = errno;
			return false;
		}
		piece = (struct slice){piece.p + n, piece.n - (size_t)n};
	}
	return true;
}

static int print_body(struct session *s, const struct args *a)
{
	const struct body b = {
		.job = slice_of(a->arg.v[0]), .seq = slice_of(a->arg.v[1]), .is_stored = true};
	const char *path = args_text(a, OPTION_OUTPUT);
	struct bytes written = {.limit = 0};
	if (path != NULL) {
		const struct bodies where = {.path = path, .is_file = true};
		int status = (int)bodies_write(&where, s, &b, &written);
		bytes_fini(&written);
		return status;
	}
	struct printing p = {.fd = STDOUT_FILENO};
	int status = (int)bodies_read(s, &b, print_piece, &p);
	if (p.error != 0) {
		say("cannot write to standard output: %s", strerror(p.error));
		status = STATUS_FAILED;
	}
	return status;
}

int command_body(const struct args *a)
{
	struct signals none = {.fd = -1};
	struct session s = {.signals = &none};
	uint64_t seq;
	if (!is_job_name(a->arg.v[0]))
		return STATUS_USAGE;
	if (jsonscan_u64(slice_of(a->arg.v[1]), &seq) != ERR_OK) {
		say("SEQ is the number in a result line, not \"%s\"", a->arg.v[1]);
		return STATUS_USAGE;
	}
	int result = (int)ask_open(a, &s.m);
	if (result == STATUS_OK)
		result = print_body(&s, a);
	muster_close(s.m);
	return result;
}
