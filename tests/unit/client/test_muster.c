/* Promises of libmuster: calls, many outstanding, losses, other machines through libnng. */
#include "client/muster.h"
#include "proto/jsonscan.h"
#include "tests/kit/spserver.h"

#include <check.h>
#include <netinet/in.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Answers with the method; "hold" waits for "let_go", "die" closes, "fail" is refused. */
static enum spserver_say echo(void *state, struct slice request, struct bytes *out)
{
	bool *is_let_go = state;
	struct slice id, method;
	if (!jsonscan_member(request, "id", &id) || !jsonscan_member(request, "method", &method) ||
	    jsonscan_plain(method, &method) != ERR_OK)
		abort();
	if (slice_is(method, "die"))
		return SPSERVER_CLOSE;
	if (slice_is(method, "hold") && !*is_let_go)
		return SPSERVER_PARK;
	*is_let_go |= slice_is(method, "let_go");
	bytes_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%.*s,", (int)id.n, id.p);
	if (slice_is(method, "fail"))
		bytes_add_str(out,
			      "\"error\":{\"code\":-32601,\"message\":\"no \\\"fail\\\" here\","
			      "\"data\":{\"kind\":\"request.invalid\",\"line\":3,\"column\":9}}}");
	else
		bytes_printf(out, "\"result\":\"%.*s\"}", (int)method.n, method.p);
	return SPSERVER_REPLY;
}

static struct muster *open_at(const char *address)
{
	struct muster *m = NULL;
	const struct muster_options o = {.address = address};
	enum muster_status s = muster_open(&m, &o);
	ck_assert_msg(s == MUSTER_OK, "%s", muster_message(m));
	return m;
}

static void check_result(const struct muster_reply *r, const char *want)
{
	ck_assert_ptr_nonnull(r->result);
	ck_assert(slice_is((struct slice){r->result, r->n_result}, want));
}

START_TEST(a_call_gives_its_result_or_why_not)
{
	bool state = false;
	struct spserver sv;
	struct muster_reply r;
	spserver_start(&sv, echo, &state);
	struct muster *m = open_at(sv.address);
	ck_assert_int_eq(muster_call(m, "hello", "{\"a\":1}", 5000, &r), MUSTER_OK);
	check_result(&r, "\"hello\"");
	ck_assert_int_eq(muster_call(m, "fail", NULL, 5000, &r), MUSTER_REFUSED);
	ck_assert_int_eq(r.code, -32601);
	ck_assert_str_eq(r.kind, "request.invalid");
	ck_assert_str_eq(r.message, "no \"fail\" here");
	ck_assert(r.line == 3 && r.column == 9 && r.result == NULL);
	ck_assert_int_eq(muster_call(m, "hold", NULL, 50, &r), MUSTER_TIMEOUT);
	muster_close(m);
	spserver_stop(&sv);
}
END_TEST

START_TEST(replies_come_in_any_order_and_none_is_lost)
{
	bool state = false;
	struct spserver sv;
	struct muster_reply r;
	uint32_t held[3];
	spserver_start(&sv, echo, &state);
	struct muster *m = open_at(sv.address);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(muster_send(m, "hold", NULL, 0, &held[i]), MUSTER_OK);
	ck_assert_int_eq(muster_call(m, "let_go", NULL, 5000, &r), MUSTER_OK);
	check_result(&r, "\"let_go\"");
	ck_assert_int_eq(muster_call(m, "other", NULL, 5000, &r), MUSTER_OK);
	check_result(&r, "\"other\"");
	unsigned seen = 0;
	for (int n = 0; n < 3;) {
		while (muster_next(m, &r)) {
			check_result(&r, "\"hold\"");
			for (unsigned i = 0; i < 3; i++)
				seen |= r.id == held[i] ? 1u << i : 0;
			n++;
		}
		struct pollfd p = {muster_fd(m), muster_events(m), 0};
		if (n < 3)
			ck_assert_int_gt(poll(&p, 1, 5000), 0);
		ck_assert_int_eq(muster_turn(m), MUSTER_OK);
	}
	ck_assert_uint_eq(seen, 7);
	muster_close(m);
	spserver_stop(&sv);
}
END_TEST

START_TEST(a_lost_connection_is_told_and_can_be_made_again)
{
	bool state = false;
	struct spserver sv;
	struct muster_reply r;
	spserver_start(&sv, echo, &state);
	struct muster *m = open_at(sv.address);
	ck_assert_int_eq(muster_call(m, "die", NULL, 5000, &r), MUSTER_LOST);
	ck_assert_str_ne(muster_message(m), "");
	ck_assert_int_eq(muster_reopen(m), MUSTER_OK);
	ck_assert_int_eq(muster_call(m, "again", NULL, 5000, &r), MUSTER_OK);
	spserver_stop(&sv);
	ck_assert_int_eq(muster_call(m, "x", NULL, 5000, &r), MUSTER_LOST);
	ck_assert_int_eq(muster_reopen(m), MUSTER_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(muster_message(m), sv.address));
	muster_close(m);
}
END_TEST

START_TEST(large_requests_pass_and_too_large_ones_are_refused_here)
{
	bool state = false;
	struct spserver sv;
	struct muster_reply r;
	size_t n = 3 << 20;
	char *params = malloc(n + 1);
	memset(params, ' ', n);
	params[0] = '{';
	params[n - 1] = '}';
	params[n] = '\0';
	spserver_start(&sv, echo, &state);
	struct muster *m = open_at(sv.address);
	ck_assert_int_eq(muster_call(m, "large", params, 5000, &r), MUSTER_OK);
	free(params);
	n = 5 << 20;
	params = calloc(1, n + 1);
	memset(params, ' ', n);
	ck_assert_int_eq(muster_call(m, "larger", params, 5000, &r), MUSTER_INVALID);
	free(params);
	ck_assert_int_eq(muster_call(m, "small", NULL, 5000, &r), MUSTER_OK);
	muster_close(m);
	spserver_stop(&sv);
}
END_TEST

START_TEST(what_is_no_daemon_is_named)
{
	static const char *const bad[] = {"ipc://relative", "http://h/", "nonsense", "ipc://"};
	for (size_t i = 0; i < 4; i++) {
		struct muster *m = NULL;
		const struct muster_options o = {.address = bad[i]};
		ck_assert_int_eq(muster_open(&m, &o), MUSTER_INVALID);
		ck_assert_ptr_nonnull(strstr(muster_message(m), bad[i]));
		muster_close(m);
	}
}
END_TEST

START_TEST(a_server_of_another_kind_is_not_taken_for_a_daemon)
{
	char dir[] = "/tmp/muster-test-XXXXXX";
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char address[64];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/s", dir);
	snprintf(address, sizeof(address), "ipc://%s/s", dir);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int fd = accept(listener, NULL, NULL);
		char all[64];
		ssize_t n = write(fd, "220 smtp ready\r\n", 16);
		while (read(fd, all, sizeof(all)) > 0)
			n++; /* what is left unread would break the connection */
		_exit(n >= 16 ? 0 : 1);
	}
	struct muster *m = NULL;
	const struct muster_options o = {.address = address};
	ck_assert_int_eq(muster_open(&m, &o), MUSTER_INVALID);
	ck_assert_ptr_nonnull(strstr(muster_message(m), "not a muster daemon"));
	muster_close(m);
	waitpid(pid, NULL, 0);
	close(listener);
	unlink(sa.sun_path);
	rmdir(dir);
}
END_TEST

static uint16_t free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

/* A REP of libnng that answers a few requests; says on `ready` that it listens. */
_Noreturn static void serve_nng(const char *url, int ready)
{
	nng_socket rep;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (nng_rep0_open(&rep) != 0 || nng_listen(rep, url, NULL, 0) != 0 ||
	    write(ready, "r", 1) != 1)
		_exit(1);
	for (;;) {
		char *got;
		size_t n;
		bool state = true;
		struct bytes out = {.limit = 0};
		if (nng_recv(rep, &got, &n, NNG_FLAG_ALLOC) != 0)
			_exit(1);
		echo(&state, (struct slice){got, n}, &out);
		nng_free(got, n);
		nng_send(rep, out.p, out.n, 0);
		bytes_fini(&out);
	}
}

START_TEST(other_machines_are_reached_through_libnng)
{
	char url[64], c;
	int ready[2];
	struct muster_reply r;
	ck_assert_int_eq(pipe(ready), 0);
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", free_port());
	pid_t pid = fork();
	if (pid == 0)
		serve_nng(url, ready[1]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	struct muster *m = open_at(url);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(muster_call(m, "far", "{}", 5000, &r), MUSTER_OK);
		check_result(&r, "\"far\"");
	}
	ck_assert_int_eq(muster_call(m, "fail", NULL, 5000, &r), MUSTER_REFUSED);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	enum muster_status s = muster_call(m, "gone", NULL, 3000, &r);
	ck_assert(s == MUSTER_LOST || s == MUSTER_TIMEOUT);
	muster_close(m);
}
END_TEST

START_TEST(an_unreachable_machine_is_named)
{
	char url[64];
	struct muster *m = NULL;
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", free_port());
	const struct muster_options o = {.address = url};
	ck_assert_int_eq(muster_open(&m, &o), MUSTER_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(muster_message(m), url));
	muster_close(m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("libmuster");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 20);
	tcase_add_test(t, a_call_gives_its_result_or_why_not);
	tcase_add_test(t, replies_come_in_any_order_and_none_is_lost);
	tcase_add_test(t, a_lost_connection_is_told_and_can_be_made_again);
	tcase_add_test(t, large_requests_pass_and_too_large_ones_are_refused_here);
	tcase_add_test(t, what_is_no_daemon_is_named);
	tcase_add_test(t, a_server_of_another_kind_is_not_taken_for_a_daemon);
	tcase_add_test(t, other_machines_are_reached_through_libnng);
	tcase_add_test(t, an_unreachable_machine_is_named);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
