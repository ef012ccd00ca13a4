/*
 * Control sockets against real peers: libnng's own sockets and contexts, nngcat, and raw clients
 * that break every rule. The server is a process of its own, so that its descriptors, its CPU time
 * and its survival can be looked at.
 *
 * It answers a request with the request; "hold" is never answered, "big" with 1 MiB, "who" with the
 * caller's uid, "gone" with how many connections have ended, "event" after publishing 1000 events.
 */
#include "edge/ctlsock.h"
#include "edge/loop_libevent.h"
#include "edge/machine.h"
#include "edge/sockpath.h"
#include "edge/unixsock.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BIG (1u << 20)

static char dir[64], control[96], events[96];
static pid_t server;

/* ---- the server's process ---- */

struct echo {
	struct ctlsock *rep, *pub;
	uint64_t n_gone;
};

static void publish_many(struct echo *e)
{
	char text[32];
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "{\"seq\":%d}", i);
		ctlsock_publish(e->pub, getuid(), SLICE_LIT("t"), slice_of(text));
	}
}

static void answer(struct echo *e, struct ctlsock_request *rq)
{
	struct bytes b = {.n = 0};
	if (strcmp(rq->body, "hold") == 0)
		return;
	if (strcmp(rq->body, "big") == 0) {
		bytes_reserve(&b, BIG);
		memset(b.p, 'b', BIG);
		b.n = BIG;
	} else if (strcmp(rq->body, "who") == 0) {
		bytes_printf(&b, "%u", rq->peer.uid);
	} else if (strcmp(rq->body, "gone") == 0) {
		bytes_printf(&b, "%llu", (unsigned long long)e->n_gone);
	} else {
		if (strcmp(rq->body, "event") == 0)
			publish_many(e);
		bytes_add(&b, rq->body, rq->n);
	}
	ctlsock_reply(e->rep, &rq->token, &b);
}

static void on_requests(void *ctx)
{
	struct echo *e = ctx;
	struct ctlsock_request *rq;
	while ((rq = ctlsock_take(e->rep)) != NULL) {
		answer(e, rq);
		free(rq);
	}
}

static void on_gone(void *ctx, ctlsock_conn_id conn)
{
	(void)conn;
	((struct echo *)ctx)->n_gone++;
}

static _Noreturn void serve(int ready_fd, uint64_t max_files, int64_t stall_ns)
{
	struct echo e = {.n_gone = 0};
	struct loop_libevent *l = loop_libevent_new();
	struct transport *rt, *pt;
	struct unixsock_options o = {
		.base = loop_libevent_base(l), .path = control, .mode = 0660, .listen_fd = -1};
	struct ctlsock_limits limits = ctlsock_limits_control;
	struct ctlsock_owner owner = {.ctx = &e,
				      .on_requests = on_requests,
				      .on_gone = on_gone,
				      .too_large = SLICE_LIT("too large")};
	struct rlimit files = {max_files, max_files};
	machine_ignore_sigpipe();
	if (max_files > 0)
		setrlimit(RLIMIT_NOFILE, &files);
	if (stall_ns > 0)
		limits.stall_ns = stall_ns;
	unixsock_new(&o, &rt);
	o.path = events;
	unixsock_new(&o, &pt);
	ctlsock_new(CTLSOCK_REP, rt, &machine_clock, &limits, &owner, &e.rep);
	ctlsock_new(CTLSOCK_PUB, pt, &machine_clock, &ctlsock_limits_events, &owner, &e.pub);
	char word = ctlsock_listen(e.rep) == ERR_OK && ctlsock_listen(e.pub) == ERR_OK ? 'y' : 'n';
	if (write(ready_fd, &word, 1) != 1 || word == 'n')
		_exit(1);
	event_base_dispatch(loop_libevent_base(l));
	_exit(0);
}

static void start(uint64_t max_files, int64_t stall_ns)
{
	int fd[2];
	char word = 'n';
	strcpy(dir, "/tmp/ctlsock-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(control, sizeof(control), "%s/control.sock", dir);
	snprintf(events, sizeof(events), "%s/events.sock", dir);
	ck_assert_int_eq(pipe(fd), 0);
	server = fork();
	if (server == 0)
		serve(fd[1], max_files, stall_ns);
	close(fd[1]);
	ck_assert_int_eq(read(fd[0], &word, 1), 1);
	ck_assert_int_eq(word, 'y');
	close(fd[0]);
}

static void clean(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static void stop(void)
{
	ck_assert_int_eq(waitpid(server, NULL, WNOHANG), 0); /* it lived until now */
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	clean();
}

static int count_files(void)
{
	char path[64];
	int n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", server);
	DIR *d = opendir(path);
	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static double cpu_seconds(void)
{
	char path[64], text[1024];
	unsigned long user, kernel;
	snprintf(path, sizeof(path), "/proc/%d/stat", server);
	FILE *f = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	fclose(f);
	ck_assert_int_eq(sscanf(strrchr(text, ')') + 2,
				"%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
				&kernel),
			 2);
	return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- raw clients ---- */

static int dial_path(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_ge(fd, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void put(int fd, const void *p, size_t n)
{
	ck_assert_int_eq(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static bool take(int fd, void *p, size_t n)
{
	return n == 0 || recv(fd, p, n, MSG_WAITALL) == (ssize_t)n;
}

static int greet(void)
{
	uint8_t hello[SP_HELLO_BYTES];
	int fd = dial_path(control);
	ck_assert_int_ge(fd, 0);
	sp_hello_put(hello, SP_REQ);
	put(fd, hello, sizeof(hello));
	if (!take(fd, hello, sizeof(hello))) {
		close(fd);
		return -1;
	}
	return fd;
}

static void ask(int fd, uint32_t id, const char *text)
{
	struct bytes b = {.n = 0};
	sp_add_request(&b, id, slice_of(text));
	put(fd, b.p, b.n);
	bytes_fini(&b);
}

/* Bytes of the body of the next reply, its start in text; -1: the connection ended. */
static long hear(int fd, char *text, size_t max)
{
	uint8_t head[SP_FRAME_HEAD_BYTES + 4];
	static char body[BIG + 16];
	if (!take(fd, head, sizeof(head)))
		return -1;
	size_t n = (size_t)head[6] << 16 | (size_t)head[7] << 8 | head[8];
	ck_assert_uint_ge(n, 4);
	if (!take(fd, body, n - 4))
		return -1;
	snprintf(text, max, "%.*s", (int)(n - 4), body);
	return (long)n - 4;
}

static void is_served(void)
{
	char text[32];
	int fd = greet();
	ck_assert_int_ge(fd, 0);
	ask(fd, 1, "hello");
	ck_assert_int_eq(hear(fd, text, sizeof(text)), 5);
	ck_assert_str_eq(text, "hello");
	close(fd);
}

static long ask_number(const char *what)
{
	char text[32];
	int fd = greet();
	ask(fd, 1, what);
	ck_assert_int_gt(hear(fd, text, sizeof(text)), 0);
	close(fd);
	return atol(text);
}

/* Connections end when the server has seen it: asks until it is so. */
static void files_return_to(int n)
{
	int now = 0;
	for (int i = 0; i < 1000; i++) {
		is_served();
		now = count_files();
		if (now <= n + 1)
			return;
	}
	ck_abort_msg("%d descriptors are left, %d were there before", now, n);
}

/* ---- promises ---- */

START_TEST(two_hundred_connect_and_close_leave_it_serving)
{
	start(0, 0);
	for (int i = 0; i < 200; i++)
		close(dial_path(control));
	is_served();
	stop();
}
END_TEST

START_TEST(clients_killed_while_large_replies_come_leave_nothing_behind)
{
	char text[64];
	start(0, 0);
	is_served();
	int before = count_files();
	for (int i = 0; i < 1000; i++) {
		int fd = greet();
		ask(fd, 1, "big");
		ck_assert(take(fd, text, (size_t)(i % 50) + 1));
		close(fd);
	}
	files_return_to(before);
	stop();
}
END_TEST

START_TEST(clients_killed_with_requests_on_the_way_leave_nothing_behind)
{
	uint8_t hello[SP_HELLO_BYTES];
	struct bytes b = {.n = 0};
	start(0, 0);
	is_served();
	int before = count_files();
	sp_hello_put(hello, SP_REQ);
	bytes_add(&b, hello, sizeof(hello));
	for (uint32_t i = 0; i < 5; i++)
		sp_add_request(&b, i, SLICE_LIT("pipelined"));
	for (int i = 0; i < 10000; i++) {
		int fd = dial_path(control);
		ck_assert_int_ge(fd, 0);
		put(fd, b.p, b.n);
		close(fd);
	}
	bytes_fini(&b);
	files_return_to(before);
	stop();
}
END_TEST

START_TEST(half_greetings_and_half_frames_do_not_disturb_the_good)
{
	int fd[500];
	start(0, 0);
	for (int i = 0; i < 500; i++) {
		fd[i] = dial_path(control);
		put(fd[i], "\0SP\0\0\x30\0\0\x01\0\0\0\0\0\0\1\0\x80", i % 2 != 0 ? 3 : 18);
		if (i % 50 == 0)
			is_served();
	}
	is_served();
	for (int i = 0; i < 500; i++)
		close(fd[i]);
	is_served();
	stop();
}
END_TEST

START_TEST(without_descriptors_it_refuses_without_spinning_and_recovers)
{
	int fd[100];
	start(64, 0);
	for (int i = 0; i < 100; i++)
		fd[i] = dial_path(control);
	double before = cpu_seconds();
	struct pollfd none = {.fd = -1};
	poll(&none, 1, 500); /* what is measured is that nothing happens */
	ck_assert(cpu_seconds() - before < 0.1);
	for (int i = 0; i < 100; i++)
		close(fd[i]);
	char text[16];
	for (int i = 0;; i++) {
		ck_assert_int_lt(i, 1000);
		int c = greet();
		if (c < 0)
			continue;
		ask(c, 1, "hello");
		long n = hear(c, text, sizeof(text));
		close(c);
		if (n == 5)
			break;
	}
	stop();
}
END_TEST

START_TEST(a_client_that_does_not_read_delays_nobody_and_is_closed)
{
	start(0, 500 * NS_PER_MS);
	int rude = greet();
	for (uint32_t i = 0; i < 60; i++)
		ask(rude, i, "big");
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 20; i++)
		is_served();
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert(b.tv_sec - a.tv_sec <= 1);
	long closed = 20; /* one more than we closed ourselves: it was */
	while (ask_number("gone") <= closed)
		closed++;
	char text[16];
	while (hear(rude, text, sizeof(text)) >= 0)
		;
	close(rude);
	stop();
}
END_TEST

START_TEST(held_requests_delay_nobody_and_their_end_is_told)
{
	start(0, 0);
	long before = ask_number("gone");
	int fd = greet();
	for (uint32_t i = 0; i < 100; i++) /* above the bound: it is not even read any more */
		ask(fd, i, "hold");
	is_served();
	close(fd);
	long after = before;
	for (int i = 0; i < 1000 && after < before + 3 + i; i++)
		after = ask_number("gone");
	ck_assert_int_ge(after, before + 3);
	stop();
}
END_TEST

START_TEST(a_frame_above_four_mebibytes_is_answered)
{
	uint8_t head[SP_FRAME_HEAD_BYTES];
	char text[32];
	start(0, 0);
	char *junk = calloc(1, 5u << 20);
	int fd = greet();
	sp_frame_put(head, 5u << 20);
	junk[0] = (char)0x80;
	put(fd, head, sizeof(head));
	put(fd, junk, 5u << 20);
	ck_assert_int_eq(hear(fd, text, sizeof(text)), 9);
	ck_assert_str_eq(text, "too large");
	ck_assert_int_eq(recv(fd, text, 1, 0), 0);
	close(fd);
	free(junk);
	is_served();
	stop();
}
END_TEST

START_TEST(the_socket_has_its_mode_and_callers_have_their_uid)
{
	struct stat st;
	start(0, 0);
	ck_assert_int_eq(lstat(control, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_int_eq(st.st_mode & 0777, 0660);
	ck_assert_int_eq(ask_number("who"), (long)getuid());
	if (getuid() == 0) {
		pid_t stranger = fork();
		if (stranger == 0) {
			if (chmod(dir, 0755) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
				_exit(2);
			_exit(dial_path(control) < 0 && errno == EACCES ? 0 : 1);
		}
		int status = 0;
		waitpid(stranger, &status, 0);
		ck_assert_int_eq(status, 0);
	}
	stop();
}
END_TEST

/* ---- libnng as the peer ---- */

static void url_of(const char *path, char url[128])
{
	snprintf(url, 128, "ipc://%s", path);
}

START_TEST(nng_request_sockets_and_contexts_are_served)
{
	enum { CONTEXTS = 16, ROUNDS = 50 };
	nng_socket s;
	nng_ctx ctx[CONTEXTS];
	nng_aio *aio[CONTEXTS];
	char url[128], text[32];
	start(0, 0);
	url_of(control, url);
	ck_assert_int_eq(nng_req0_open(&s), 0);
	ck_assert_int_eq(nng_dial(s, url, NULL, 0), 0);
	for (int i = 0; i < CONTEXTS; i++) {
		ck_assert_int_eq(nng_ctx_open(&ctx[i], s), 0);
		ck_assert_int_eq(nng_aio_alloc(&aio[i], NULL, NULL), 0);
	}
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < CONTEXTS; i++) {
			nng_msg *m;
			int n = snprintf(text, sizeof(text), "round %d of %d", round, i);
			ck_assert_int_eq(nng_msg_alloc(&m, 0), 0);
			ck_assert_int_eq(nng_msg_append(m, text, (size_t)n), 0);
			nng_aio_set_msg(aio[i], m);
			nng_ctx_send(ctx[i], aio[i]);
			nng_aio_wait(aio[i]);
			ck_assert_int_eq(nng_aio_result(aio[i]), 0);
			nng_ctx_recv(ctx[i], aio[i]);
		}
		for (int i = CONTEXTS - 1; i >= 0; i--) {
			nng_aio_wait(aio[i]);
			ck_assert_int_eq(nng_aio_result(aio[i]), 0);
			nng_msg *m = nng_aio_get_msg(aio[i]);
			int n = snprintf(text, sizeof(text), "round %d of %d", round, i);
			ck_assert_uint_eq(nng_msg_len(m), (size_t)n);
			ck_assert_int_eq(memcmp(nng_msg_body(m), text, (size_t)n), 0);
			nng_msg_free(m);
		}
	}
	for (int i = 0; i < CONTEXTS; i++)
		nng_aio_free(aio[i]);
	stop(); /* libnng's own close can hang: the test's process ends instead */
}
END_TEST

START_TEST(a_burst_of_a_thousand_events_reaches_a_fast_subscriber)
{
	nng_socket s;
	char url[128], text[64];
	start(0, 0);
	url_of(events, url);
	ck_assert_int_eq(nng_sub0_open(&s), 0);
	ck_assert_int_eq(nng_socket_set_int(s, NNG_OPT_RECVBUF, 4096), 0);
	ck_assert_int_eq(nng_socket_set(s, NNG_OPT_SUB_SUBSCRIBE, "t", 1), 0);
	ck_assert_int_eq(nng_dial(s, url, NULL, 0), 0);
	int fd = greet();
	int next = 0;
	/* The first burst may come before the server has seen the greeting: then ask again. */
	for (int tries = 0; next == 0 && tries < 100; tries++) {
		ask(fd, 1, "event");
		ck_assert_int_eq(hear(fd, text, sizeof(text)), 5);
		nng_msg *m;
		nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 2000);
		while (next < 1000 && nng_recvmsg(s, &m, 0) == 0) {
			snprintf(text, sizeof(text), "t {\"seq\":%d}", next);
			ck_assert_uint_eq(nng_msg_len(m), strlen(text));
			ck_assert_int_eq(memcmp(nng_msg_body(m), text, strlen(text)), 0);
			nng_msg_free(m);
			next++;
		}
	}
	ck_assert_int_eq(next, 1000);
	close(fd);
	stop();
}
END_TEST

START_TEST(nngcat_is_understood)
{
	char command[256], line[128] = "";
	start(0, 0);
	snprintf(command, sizeof(command),
		 "nngcat --req --dial 'ipc://%s' --recv-timeout 5 --ascii --data hello 2>&1",
		 control);
	FILE *f = popen(command, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	pclose(f);
	ck_assert_ptr_nonnull(strstr(line, "hello"));
	stop();
}
END_TEST

START_TEST(a_second_server_is_refused_and_the_first_keeps_serving)
{
	struct sockpath sp;
	int fd;
	start(0, 0);
	ck_assert_int_eq(sockpath_init(&sp, control), ERR_OK);
	ck_assert_int_eq(sockpath_listen(&sp, 0660, 5, &fd), ERR_BUSY);
	ck_assert_ptr_nonnull(strstr(sp.failure, control));
	is_served();
	stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ctlsock peers");
	TCase *t = tcase_create("real sockets");
	tcase_set_timeout(t, 30);
	tcase_add_test(t, two_hundred_connect_and_close_leave_it_serving);
	tcase_add_test(t, clients_killed_while_large_replies_come_leave_nothing_behind);
	tcase_add_test(t, clients_killed_with_requests_on_the_way_leave_nothing_behind);
	tcase_add_test(t, half_greetings_and_half_frames_do_not_disturb_the_good);
	tcase_add_test(t, without_descriptors_it_refuses_without_spinning_and_recovers);
	tcase_add_test(t, a_client_that_does_not_read_delays_nobody_and_is_closed);
	tcase_add_test(t, held_requests_delay_nobody_and_their_end_is_told);
	tcase_add_test(t, a_frame_above_four_mebibytes_is_answered);
	tcase_add_test(t, the_socket_has_its_mode_and_callers_have_their_uid);
	tcase_add_test(t, nng_request_sockets_and_contexts_are_served);
	tcase_add_test(t, a_burst_of_a_thousand_events_reaches_a_fast_subscriber);
	tcase_add_test(t, nngcat_is_understood);
	tcase_add_test(t, a_second_server_is_refused_and_the_first_keeps_serving);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
