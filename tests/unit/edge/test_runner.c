/*
 * Promises of musterd-runner and of edge/runnerlink: the real runner, real programs, this process
 * as the daemon. Everything is waited for; nothing sleeps for luck.
 */
#include "edge/runnerlink.h"

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS(n) ((n) / 1000), ((n) % 1000 * 1000)

static struct event_base *base;
static struct runner *runner;
static char place[600];

struct heard {
	struct runner_call call; /* first */
	bool is_ended, is_lost;
	struct runnerwire_ended ended;
	struct bytes out, err;
};

static void on_end(struct runner_call *c, const struct runner_end *end)
{
	struct heard *h = (struct heard *)(void *)c;
	ck_assert(!h->is_ended);
	h->is_ended = true;
	h->is_lost = end->is_lost;
	h->ended = end->ended;
	bytes_add_slice(&h->out, end->ended.out);
	bytes_add_slice(&h->err, end->ended.err_bytes);
}

static double now_s(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void turn(void)
{
	struct timeval tv = {MS(20)};
	event_base_loopexit(base, &tv);
	event_base_loop(base, EVLOOP_ONCE);
}

static void await(const struct heard *h)
{
	double until = now_s() + 20;
	while (!h->is_ended) {
		ck_assert_msg(now_s() < until, "no end came");
		turn();
	}
}

static void open_link(void)
{
	const struct runnerlink_options o = {.base = base, .place = place, .spawn = {.fd = -1}};
	ck_assert_int_eq(runnerlink_new(&o, &runner), ERR_OK);
}

static void setup(void)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(self, '/') = '\0';
	snprintf(place, sizeof(place), "%s/musterd-runner", self);
	base = event_base_new();
	open_link();
}

static void teardown(void)
{
	runnerlink_free(runner);
	event_base_free(base);
}

/* ---- asking ---- */

static struct runnerwire_run a_run(const char *const *argv)
{
	static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
	return (struct runnerwire_run){
		.argv = argv, .env = env, .output_bytes = 64 << 10, .input = {"", 0}};
}

static void begin(struct heard *h, const struct runnerwire_run *run)
{
	*h = (struct heard){.call = {.on_end = on_end}};
	ck_assert_int_eq(runner->ops->start(runner, run, &h->call), ERR_OK);
}

static void begin_sh(struct heard *h, const char *script, uint64_t timeout_ms)
{
	const char *const argv[] = {"/bin/sh", "-c", script, NULL};
	struct runnerwire_run run = a_run(argv);
	run.timeout_ms = timeout_ms;
	begin(h, &run);
}

static void sh(struct heard *h, const char *script)
{
	begin_sh(h, script, 10000);
	await(h);
}

static void done(struct heard *h)
{
	bytes_fini(&h->out);
	bytes_fini(&h->err);
}

/* ---- what there is on the machine ---- */

static bool is_alive(long pid)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return false;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	return end != NULL && end[2] != 'Z' && end[2] != 'X';
}

static long parent_of(long pid)
{
	char path[64], text[512] = "";
	long parent = 0;
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	size_t n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	const char *end = strrchr(text, ')');
	if (end != NULL && sscanf(end + 4, "%ld", &parent) != 1)
		parent = 0;
	return parent;
}

/* The runner that serves us: our only child. */
static long runner_pid(void)
{
	DIR *d = opendir("/proc");
	long found = 0;
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		if (isdigit((unsigned char)e->d_name[0]) &&
		    parent_of(strtol(e->d_name, NULL, 10)) == getpid() &&
		    is_alive(strtol(e->d_name, NULL, 10)))
			found = strtol(e->d_name, NULL, 10);
	closedir(d);
	return found;
}

static void await_gone(long pid)
{
	double until = now_s() + 10;
	while (is_alive(pid)) {
		ck_assert_msg(now_s() < until, "process %ld lives on", pid);
		turn();
	}
}

/* A number that a program has written into the file; waits for it. */
static long await_number(const char *path)
{
	double until = now_s() + 10;
	for (;;) {
		char text[32] = "";
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
		if (fd >= 0)
			close(fd);
		if (n > 0 && text[n - 1] == '\n')
			return strtol(text, NULL, 10);
		ck_assert_msg(now_s() < until, "%s was not written", path);
		turn();
	}
}

static void fresh(char path[64])
{
	snprintf(path, 64, "/tmp/muster-runner-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

/* ---- ends ---- */

START_TEST(a_program_gets_its_arguments_and_its_output_comes_back)
{
	const char *const argv[] = {"/bin/echo", "two words", "", "$x", NULL};
	struct runnerwire_run run = a_run(argv);
	struct heard h;
	begin(&h, &run);
	await(&h);
	ck_assert(!h.is_lost && h.ended.how == RUNNERWIRE_EXITED && h.ended.number == 0);
	ck_assert(slice_is(bytes_slice(&h.out), "two words  $x\n"));
	ck_assert_uint_eq(h.err.n, 0);
	done(&h);
}
END_TEST

START_TEST(stdin_and_environment_are_what_was_asked_for)
{
	static const char *const env[] = {"A=one", "B=", NULL};
	const char *const argv[] = {"/bin/sh", "-c", "/bin/cat; /usr/bin/env | /usr/bin/sort",
				    NULL};
	struct runnerwire_run run = a_run(argv);
	struct heard h;
	run.env = env;
	run.input = SLICE_LIT("fed\n");
	begin(&h, &run);
	await(&h);
	ck_assert_msg(strncmp(bytes_cstr(&h.out), "fed\nA=one\nB=\n", 13) == 0, "%s",
		      bytes_cstr(&h.out));
	done(&h);
}
END_TEST

START_TEST(megabytes_of_stdin_arrive)
{
	const char *const argv[] = {"/usr/bin/wc", "-c", NULL};
	struct runnerwire_run run = a_run(argv);
	struct heard h;
	char *big = malloc(5000000);
	memset(big, 'x', 5000000);
	run.input = (struct slice){big, 5000000};
	begin(&h, &run);
	await(&h);
	ck_assert(slice_is(bytes_slice(&h.out), "5000000\n"));
	free(big);
	done(&h);
}
END_TEST

START_TEST(statuses_and_signals_come_back)
{
	struct heard h;
	sh(&h, "echo why >&2; exit 3");
	ck_assert(h.ended.how == RUNNERWIRE_EXITED && h.ended.number == 3);
	ck_assert(slice_is(bytes_slice(&h.err), "why\n"));
	done(&h);
	sh(&h, "kill -SEGV $$");
	ck_assert(h.ended.how == RUNNERWIRE_SIGNALED && h.ended.number == SIGSEGV);
	done(&h);
}
END_TEST

START_TEST(what_cannot_be_started_says_why)
{
	const char *const argv[] = {"/nowhere/at/all", NULL};
	struct runnerwire_run run = a_run(argv);
	struct heard h;
	begin(&h, &run);
	await(&h);
	ck_assert(h.ended.how == RUNNERWIRE_NOT_STARTED && h.ended.number == ENOENT);
	done(&h);
}
END_TEST

START_TEST(a_gibibyte_of_output_is_cut)
{
	struct heard h;
	sh(&h, "echo first; head -c 1073741824 /dev/zero; echo last >&2");
	ck_assert(h.ended.how == RUNNERWIRE_EXITED && h.ended.out_cut && !h.ended.err_cut);
	ck_assert_uint_eq(h.out.n, 64 << 10);
	ck_assert_mem_eq(h.out.p, "first\n", 6);
	done(&h);
	sh(&h, "head -c 10000000 /dev/zero >&2; echo last >&2");
	ck_assert(h.ended.err_cut && h.err.n == 64 << 10);
	ck_assert_mem_eq(h.err.p + h.err.n - 5, "last\n", 5);
	done(&h);
}
END_TEST

START_TEST(a_program_inherits_nothing)
{
	struct heard h;
	sh(&h, "ls /proc/self/fd | sort -n | tr '\\n' ' '; umask; ulimit -c; ulimit -n;"
	       "grep NoNewPrivs /proc/self/status");
	/* 3 is the directory that ls itself reads. */
	ck_assert_msg(strcmp(bytes_cstr(&h.out), "0 1 2 3 0077\n0\n1024\nNoNewPrivs:\t1\n") == 0,
		      "%s", bytes_cstr(&h.out));
	done(&h);
}
END_TEST

START_TEST(memory_is_limited)
{
	const char *const argv[] = {"/usr/bin/head", "-c", "1", "/dev/zero", NULL};
	const char *const big[] = {"/bin/dd", "if=/dev/zero", "of=/dev/null",
				   "bs=300M", "count=1",      NULL};
	struct runnerwire_run run = a_run(argv);
	struct heard h;
	run.memory_bytes = 100u << 20;
	begin(&h, &run);
	await(&h);
	ck_assert(h.ended.how == RUNNERWIRE_EXITED && h.ended.number == 0);
	done(&h);
	run.argv = big;
	run.timeout_ms = 15000;
	begin(&h, &run);
	await(&h);
	ck_assert(h.ended.how == RUNNERWIRE_EXITED && h.ended.number != 0);
	ck_assert_msg(strstr(bytes_cstr(&h.err), "memory") != NULL, "%s", bytes_cstr(&h.err));
	done(&h);
}
END_TEST

/* ---- ends that are made ---- */

START_TEST(a_timeout_kills_what_ignores_sigterm)
{
	struct heard h;
	double began = now_s();
	begin_sh(&h, "trap '' TERM; echo before; while :; do sleep 0.05; done", 200);
	await(&h);
	ck_assert(h.ended.how == RUNNERWIRE_TIMED_OUT);
	ck_assert(slice_is(bytes_slice(&h.out), "before\n"));
	ck_assert(now_s() - began < 5);
	done(&h);
}
END_TEST

START_TEST(a_timeout_kills_grandchildren_that_have_detached_themselves)
{
	struct heard h;
	char path[64], script[512];
	fresh(path);
	snprintf(
		script, sizeof(script),
		"(setsid sh -c 'trap \"\" TERM; setsid sh -c \"echo \\$\\$ >%s; exec sleep 100\" & "
		"wait' &) ; while :; do sleep 1; done",
		path);
	begin_sh(&h, script, 1500);
	long pid = await_number(path);
	ck_assert(is_alive(pid));
	await(&h);
	ck_assert(h.ended.how == RUNNERWIRE_TIMED_OUT);
	ck_assert(!is_alive(pid));
	unlink(path);
	done(&h);
}
END_TEST

START_TEST(what_a_program_leaves_behind_ends_with_it)
{
	struct heard h;
	double began = now_s();
	sh(&h, "sleep 100 & setsid sleep 100 & echo $!");
	ck_assert(h.ended.how == RUNNERWIRE_EXITED && h.ended.number == 0);
	ck_assert(now_s() - began < 5);
	ck_assert(!is_alive(strtol(bytes_cstr(&h.out), NULL, 10)));
	done(&h);
}
END_TEST

START_TEST(fifty_strays_are_all_ended)
{
	struct heard h;
	double began = now_s();
	sh(&h, "for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5; do setsid sleep 100 & "
	       "echo $!; done; done");
	ck_assert(now_s() - began < 8);
	int n = 0;
	for (char *p = (char *)(uintptr_t)bytes_cstr(&h.out), *end; *p != '\0'; p = end + 1, n++)
		ck_assert(!is_alive(strtol(p, &end, 10)));
	ck_assert_int_eq(n, 50);
	done(&h);
}
END_TEST

START_TEST(a_cancelled_program_may_clean_up)
{
	struct heard h;
	char path[64], script[256];
	fresh(path);
	snprintf(script, sizeof(script),
		 "trap 'echo cleaned; exit 0' TERM; echo $$ >%s; while :; do sleep 0.02; done",
		 path);
	begin_sh(&h, script, 0);
	await_number(path);
	double began = now_s();
	runner->ops->cancel(runner, &h.call);
	await(&h);
	ck_assert(now_s() - began < 2);
	ck_assert(h.ended.how == RUNNERWIRE_CANCELLED);
	ck_assert(slice_is(bytes_slice(&h.out), "cleaned\n"));
	unlink(path);
	done(&h);
}
END_TEST

START_TEST(an_abandoned_program_is_ended_without_a_word)
{
	struct heard h;
	char path[64], script[256];
	fresh(path);
	snprintf(script, sizeof(script), "echo $$ >%s; exec sleep 100", path);
	begin_sh(&h, script, 0);
	long pid = await_number(path);
	runner->ops->abandon(runner, &h.call);
	ck_assert_uint_eq(runner->ops->n_calls(runner), 0);
	await_gone(pid);
	ck_assert(!h.is_ended);
	unlink(path);
}
END_TEST

START_TEST(many_run_at_once)
{
	enum { N = 40 };
	static struct heard h[N];
	double began = now_s();
	for (int i = 0; i < N; i++)
		begin_sh(&h[i], "sleep 0.5; echo $$", 10000);
	for (int i = 0; i < N; i++) {
		await(&h[i]);
		ck_assert(h[i].ended.how == RUNNERWIRE_EXITED && h[i].out.n > 1);
		done(&h[i]);
	}
	ck_assert_msg(now_s() - began < 10, "one after another, these take 20 s");
}
END_TEST

START_TEST(nothing_unreaped_stays_behind)
{
	struct heard h;
	for (int i = 0; i < 30; i++) {
		sh(&h, "exit 0");
		done(&h);
	}
	long pid = runner_pid();
	DIR *d = opendir("/proc");
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		ck_assert_msg(!isdigit((unsigned char)e->d_name[0]) ||
				      parent_of(strtol(e->d_name, NULL, 10)) != pid,
			      "the runner has a child left");
	closedir(d);
}
END_TEST

/* ---- somebody dies ---- */

START_TEST(a_killed_runner_loses_its_programs_and_another_comes)
{
	struct heard h, next;
	char path[64], script[256];
	fresh(path);
	snprintf(script, sizeof(script), "echo $$ >%s; setsid sleep 100 & exec sleep 100", path);
	begin_sh(&h, script, 0);
	long program = await_number(path), pid = runner_pid();
	ck_assert_int_gt(pid, 0);
	kill((pid_t)pid, SIGKILL);
	await(&h);
	ck_assert(h.is_lost);
	await_gone(program);
	sh(&next, "echo again");
	ck_assert(!next.is_lost && slice_is(bytes_slice(&next.out), "again\n"));
	ck_assert_int_ne(runner_pid(), pid);
	unlink(path);
	done(&h);
	done(&next);
}
END_TEST

START_TEST(without_a_runner_a_call_is_lost)
{
	struct heard h;
	runnerlink_free(runner);
	snprintf(place, sizeof(place), "/nowhere/musterd-runner");
	open_link();
	begin_sh(&h, "exit 0", 0);
	await(&h);
	ck_assert(h.is_lost);
	done(&h);
}
END_TEST

/* The daemon is a child here, so that it can be killed. */
START_TEST(a_killed_daemon_leaves_no_orphan)
{
	char path[64], script[256];
	fresh(path);
	snprintf(script, sizeof(script),
		 "trap '' TERM; (setsid sh -c 'echo $$ >%s; exec sleep 100' &); while :; do sleep "
		 "1; done",
		 path);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* what is orphaned comes to us, and can be seen */
	pid_t daemon = fork();
	if (daemon == 0) {
		struct heard h;
		event_reinit(base);
		begin_sh(&h, script, 0);
		for (;;)
			turn();
	}
	long stray = await_number(path);
	ck_assert(is_alive(stray));
	kill(daemon, SIGKILL);
	await_gone(stray);
	double until = now_s() + 10;
	while (waitpid(-1, NULL, WNOHANG) >= 0)
		ck_assert_msg(now_s() < until, "something of the runner lives on");
	unlink(path);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("runner");
	TCase *tc = tcase_create("ends");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_program_gets_its_arguments_and_its_output_comes_back);
	tcase_add_test(tc, stdin_and_environment_are_what_was_asked_for);
	tcase_add_test(tc, megabytes_of_stdin_arrive);
	tcase_add_test(tc, statuses_and_signals_come_back);
	tcase_add_test(tc, what_cannot_be_started_says_why);
	tcase_add_test(tc, a_gibibyte_of_output_is_cut);
	tcase_add_test(tc, a_program_inherits_nothing);
	tcase_add_test(tc, memory_is_limited);
	tcase_add_test(tc, a_timeout_kills_what_ignores_sigterm);
	tcase_add_test(tc, a_timeout_kills_grandchildren_that_have_detached_themselves);
	tcase_add_test(tc, what_a_program_leaves_behind_ends_with_it);
	tcase_add_test(tc, fifty_strays_are_all_ended);
	tcase_add_test(tc, a_cancelled_program_may_clean_up);
	tcase_add_test(tc, an_abandoned_program_is_ended_without_a_word);
	tcase_add_test(tc, many_run_at_once);
	tcase_add_test(tc, nothing_unreaped_stays_behind);
	tcase_add_test(tc, a_killed_runner_loses_its_programs_and_another_comes);
	tcase_add_test(tc, without_a_runner_a_call_is_lost);
	tcase_add_test(tc, a_killed_daemon_leaves_no_orphan);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
