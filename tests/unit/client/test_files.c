/*
 * Open files that come with replies, from a real control socket to libmuster: each reply has its
 * own or none, whatever order and however many, and none is left behind in either process.
 */
#include "base/check.h"
#include "client/muster.h"
#include "edge/ctlsock.h"
#include "edge/loop_libevent.h"
#include "edge/machine.h"
#include "edge/unixsock.h"
#include "proto/jsonscan.h"

#include <check.h>
#include <dirent.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], path[96], address[112];
static pid_t server;

/* ---- the server: "file" is answered with a file that holds the id ---- */

static int file_with(struct slice text)
{
	int fd = memfd_create("reply", MFD_CLOEXEC);
	CHECK(fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n);
	return fd;
}

static void on_requests(void *ctx)
{
	struct ctlsock *cs = *(struct ctlsock **)ctx;
	struct ctlsock_request *rq;
	while ((rq = ctlsock_take(cs)) != NULL) {
		struct bytes b = {.n = 0};
		struct slice text = {rq->body, rq->n}, id, method;
		CHECK(jsonscan_member(text, "id", &id) && jsonscan_member(text, "method", &method));
		bool has_file = slice_is(method, "\"file\"");
		bytes_printf(&b, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":%s}", (int)id.n, id.p,
			     has_file ? "true" : "false");
		ctlsock_reply_file(cs, &rq->token, &b, has_file ? file_with(id) : -1);
		free(rq);
	}
}

static _Noreturn void serve(int ready_fd)
{
	struct ctlsock *cs = NULL;
	struct transport *t;
	struct loop_libevent *l = loop_libevent_new();
	struct unixsock_options o = {
		.base = loop_libevent_base(l), .path = path, .mode = 0600, .listen_fd = -1};
	struct ctlsock_owner owner = {.ctx = &cs, .on_requests = on_requests};
	machine_ignore_sigpipe();
	CHECK(unixsock_new(&o, &t) == ERR_OK);
	CHECK(ctlsock_new(CTLSOCK_REP, t, &machine_clock, &ctlsock_limits_control, &owner, &cs) ==
	      ERR_OK);
	CHECK(ctlsock_listen(cs) == ERR_OK);
	CHECK(write(ready_fd, "y", 1) == 1);
	event_base_dispatch(loop_libevent_base(l));
	_exit(0);
}

static void start(void)
{
	int fd[2];
	char word = 'n';
	strcpy(dir, "/tmp/files-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	snprintf(address, sizeof(address), "ipc://%s", path);
	ck_assert_int_eq(pipe(fd), 0);
	server = fork();
	if (server == 0)
		serve(fd[1]);
	close(fd[1]);
	ck_assert_int_eq(read(fd[0], &word, 1), 1);
	close(fd[0]);
}

static void stop(void)
{
	ck_assert_int_eq(waitpid(server, NULL, WNOHANG), 0); /* it lived until now */
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	unlink(path);
	rmdir(dir);
}

static int count_files(pid_t pid)
{
	char name[64];
	int n = 0;
	snprintf(name, sizeof(name), "/proc/%d/fd", (int)pid);
	DIR *d = opendir(name);
	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static struct muster *open_it(void)
{
	struct muster *m;
	const struct muster_options o = {.address = address};
	ck_assert_int_eq(muster_open(&m, &o), MUSTER_OK);
	return m;
}

static void check_file(struct muster *m, const struct muster_reply *r)
{
	char want[16], got[16] = "";
	bool wants = r->n_result == 4; /* true */
	int fd = muster_take_file(m);
	ck_assert_int_eq(muster_take_file(m), -1); /* once */
	if (!wants) {
		ck_assert_int_eq(fd, -1);
		return;
	}
	if (fd < 0)
		return; /* more than four unsent: it comes without */
	snprintf(want, sizeof(want), "%u", r->id);
	ck_assert_int_ge(pread(fd, got, sizeof(got) - 1, 0), 1);
	ck_assert_str_eq(got, want);
	close(fd);
}

START_TEST(a_call_brings_its_file)
{
	struct muster_reply r;
	start();
	struct muster *m = open_it();
	for (int i = 0; i < 500; i++) {
		ck_assert_int_eq(muster_call(m, i % 3 != 0 ? "file" : "none", NULL, 10000, &r),
				 MUSTER_OK);
		int before = count_files(getpid());
		check_file(m, &r);
		ck_assert_int_eq(count_files(getpid()), before - (i % 3 != 0));
	}
	muster_close(m);
	stop();
}
END_TEST

START_TEST(among_many_outstanding_each_reply_has_its_own)
{
	uint32_t id[64];
	start();
	struct muster *m = open_it();
	int had = 0;
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 64; i++)
			ck_assert_int_eq(
				muster_send(m, i % 5 == 2 ? "file" : "none", NULL, 0, &id[i]),
				MUSTER_OK);
		for (int i = 63; i >= 0; i -= 1 + round % 3) { /* the others wait meanwhile */
			struct muster_reply r;
			ck_assert_int_eq(muster_await(m, id[i], 10000, &r), MUSTER_OK);
			ck_assert_uint_eq(r.id, id[i]);
			check_file(m, &r);
			had++;
		}
		struct muster_reply r;
		while (round % 3 != 0 && muster_next(m, &r))
			check_file(m, &r);
	}
	ck_assert_int_gt(had, 1000);
	muster_close(m);
	stop();
}
END_TEST

START_TEST(files_nobody_takes_are_closed_on_both_sides)
{
	start();
	struct muster *m = open_it();
	struct muster_reply r;
	uint32_t id;
	ck_assert_int_eq(muster_call(m, "none", NULL, 10000, &r), MUSTER_OK);
	int own = count_files(getpid()), its = count_files(server);
	for (int i = 0; i < 2000; i++) {
		ck_assert_int_eq(muster_send(m, "file", NULL, 0, &id), MUSTER_OK);
		if (i % 40 == 39)
			ck_assert_int_eq(muster_await(m, id, 10000, &r), MUSTER_OK);
		if (i % 500 == 499)
			while (muster_next(m, &r))
				;
	}
	ck_assert_int_eq(muster_call(m, "none", NULL, 10000, &r), MUSTER_OK);
	while (muster_next(m, &r))
		;
	ck_assert_int_eq(count_files(getpid()), own);
	ck_assert_int_eq(count_files(server), its);
	ck_assert_int_eq(muster_send(m, "file", NULL, 0, &id), MUSTER_OK);
	muster_close(m);
	m = open_it();
	ck_assert_int_eq(muster_call(m, "none", NULL, 10000, &r), MUSTER_OK);
	ck_assert_int_eq(count_files(server), its);
	muster_close(m);
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("files");
	TCase *t = tcase_create("real sockets");
	tcase_set_timeout(t, 30);
	tcase_add_test(t, a_call_brings_its_file);
	tcase_add_test(t, among_many_outstanding_each_reply_has_its_own);
	tcase_add_test(t, files_nobody_takes_are_closed_on_both_sides);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
