/* Promises of whole commands against a scripted daemon: what is asked, printed, and returned. */
#include "client/args.h"
#include "client/command.h"
#include "tests/kit/fakejob.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- running a command in this process, its output in files ---- */

struct ran {
	int status;
	char *out, *err;
};

static char *text_of(const char *path)
{
	struct bytes b = {.limit = 0};
	char buf[4096];
	FILE *f = fopen(path, "re");
	for (size_t n; (n = fread(buf, 1, sizeof(buf), f)) > 0;)
		bytes_add(&b, buf, n);
	fclose(f);
	unlink(path);
	char *text = bytes_steal(&b, NULL);
	return text != NULL ? text : strdup("");
}

static int run_words(int n, char **v)
{
	struct args a;
	struct bytes m = {.limit = 0};
	int status = -1000;
	ck_assert_msg(args_parse(n, v, &a, &m) == ARGS_RUN, "%s", bytes_cstr(&m));
	static const struct {
		enum command_id id;
		int (*run)(const struct args *);
	} row[] = {{COMMAND_FETCH, command_fetch},     {COMMAND_SUBMIT, command_submit},
		   {COMMAND_RESULTS, command_results}, {COMMAND_BODY, command_body},
		   {COMMAND_WAIT, command_wait},       {COMMAND_SHOW, command_show},
		   {COMMAND_PING, command_daemon},     {COMMAND_CANCEL, command_job}};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (row[i].id == a.command)
			status = row[i].run(&a);
	args_fini(&a);
	bytes_fini(&m);
	return status;
}

static struct ran run(int n, char **v)
{
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	char out_path[] = "/tmp/muster-out-XXXXXX", err_path[] = "/tmp/muster-err-XXXXXX";
	int to = mkstemp(out_path), to_err = mkstemp(err_path);
	fflush(stdout);
	dup2(to, STDOUT_FILENO);
	dup2(to_err, STDERR_FILENO);
	struct ran r = {.status = run_words(n, v)};
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	close(to);
	close(to_err);
	close(out);
	close(err);
	r.out = text_of(out_path);
	r.err = text_of(err_path);
	return r;
}

#define RUN(address, ...)                                                                          \
	run((int)(sizeof((char *[]){"muster", "--socket", (address), __VA_ARGS__}) /               \
		  sizeof(char *)),                                                                 \
	    (char *[]){"muster", "--socket", (address), __VA_ARGS__})

static void free_ran(struct ran *r)
{
	free(r->out);
	free(r->err);
}

static void write_lines(const char *path, int n)
{
	FILE *f = fopen(path, "we");
	for (int i = 0; i < n; i++)
		fprintf(f, "http://h/%d\n", i);
	fclose(f);
}

static int count_lines(const char *text)
{
	int n = 0;
	for (; (text = strchr(text, '\n')) != NULL; text++)
		n++;
	return n;
}

/* Every line once, in order. */
static void check_all_lines(const char *text, int n)
{
	ck_assert_int_eq(count_lines(text), n);
	for (int i = 0; i < n; i++) {
		char want[64];
		snprintf(want, sizeof(want), "{\"job\":\"j1\",\"seq\":%d,", i + 1);
		ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "line %d: %.60s", i, text);
		text = strchr(text, '\n') + 1;
	}
}

START_TEST(lines_are_printed_as_they_come)
{
	struct fakejob j = {.state = "succeeded", .body = "\"body\":\"a,\\n]}\""};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "http://a/", "http://b/");
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(
		r.out,
		"{\"job\":\"j1\",\"seq\":1,\"task\":\"0.0\",\"url\":\"http://a/\",\"ok\":true,"
		"\"status\":200,\"body\":\"a,\\n]}\"}\n"
		"{\"job\":\"j1\",\"seq\":2,\"task\":\"0.1\",\"url\":\"http://b/\",\"ok\":true,"
		"\"status\":200,\"body\":\"a,\\n]}\"}\n");
	ck_assert_str_eq(r.err, "");
	ck_assert_int_eq(spserver_count(&s, "\"attached\":true"), 1);
	ck_assert_int_eq(spserver_count(&s, "\"ack\":2"), 1);
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

START_TEST(long_inputs_are_fed_in_chunks)
{
	struct fakejob j = {.state = "succeeded"};
	struct spserver s;
	char path[] = "/tmp/muster-list-XXXXXX";
	close(mkstemp(path));
	write_lines(path, 10000);
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "-i", path);
	ck_assert_int_eq(r.status, 0);
	check_all_lines(r.out, 10000);
	ck_assert_int_ge(spserver_count(&s, "job.feed"), 3);
	ck_assert_int_eq(spserver_count(&s, "\"end\":true"), 1);
	free_ran(&r);
	unlink(path);
	spserver_stop(&s);
}
END_TEST

START_TEST(a_daemon_that_goes_away_loses_and_repeats_nothing)
{
	char path[] = "/tmp/muster-list-XXXXXX";
	close(mkstemp(path));
	write_lines(path, 5000);
	for (int every = 3; every < 8; every++) {
		struct fakejob j = {.state = "succeeded", .close_after = every};
		struct spserver s;
		spserver_start(&s, fakejob_script, &j);
		struct ran r = RUN(s.address, "fetch", "-i", path);
		ck_assert_msg(r.status == 0, "%d: %s", r.status, r.err);
		check_all_lines(r.out, 5000);
		free_ran(&r);
		spserver_stop(&s);
	}
	unlink(path);
}
END_TEST

START_TEST(a_volatile_job_lost_with_its_daemon_is_status_3)
{
	struct fakejob j = {.state = "succeeded", .lost_after = 3, .never_done = true};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "--volatile", "http://a/");
	ck_assert_int_eq(r.status, 3);
	ck_assert_ptr_nonnull(strstr(r.err, "j1"));
	ck_assert_int_eq(spserver_count(&s, "\\\"durable\\\":false") +
				 spserver_count(&s, "\"durable\":false"),
			 1);
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

START_TEST(states_become_exit_statuses)
{
	static const struct {
		const char *state;
		int status;
	} row[] = {{"succeeded", 0}, {"failed", 1}, {"cancelled", 4}, {"expired", 5}};
	for (size_t i = 0; i < 4; i++) {
		struct fakejob j = {.state = row[i].state};
		struct spserver s;
		spserver_start(&s, fakejob_script, &j);
		struct ran r = RUN(s.address, "fetch", "http://a/");
		ck_assert_int_eq(r.status, row[i].status);
		ck_assert_int_eq(r.err[0] == '\0', row[i].status == 0);
		free_ran(&r);
		r = RUN(s.address, "wait", "j1", "--json");
		ck_assert_int_eq(r.status, row[i].status);
		ck_assert_ptr_nonnull(strstr(r.out, row[i].state));
		free_ran(&r);
		spserver_stop(&s);
	}
}
END_TEST

START_TEST(the_summary_is_the_last_line_when_asked)
{
	struct fakejob j = {.state = "succeeded"};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "--summary", "json", "http://a/");
	ck_assert_int_eq(r.status, 0);
	ck_assert_int_eq(count_lines(r.out), 2);
	ck_assert_ptr_nonnull(strstr(strchr(r.out, '\n'), "\"state\":\"succeeded\""));
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

START_TEST(a_refused_submission_says_why_and_where)
{
	static const struct {
		const char *kind;
		int status;
	} row[] = {{"request.invalid", 2}, {"conflict", 6}, {"store.full", 6}};
	for (size_t i = 0; i < 3; i++) {
		struct fakejob j = {.submit_error = row[i].kind};
		struct spserver s;
		spserver_start(&s, fakejob_script, &j);
		struct ran r = RUN(s.address, "fetch", "http://a/");
		ck_assert_int_eq(r.status, row[i].status);
		ck_assert_ptr_nonnull(strstr(r.err, "line 2, column 3"));
		ck_assert_ptr_nonnull(strstr(r.err, row[i].kind));
		free_ran(&r);
		spserver_stop(&s);
	}
}
END_TEST

START_TEST(an_invalid_url_submits_nothing)
{
	struct fakejob j = {.state = "succeeded"};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "http://a/", "not a url");
	ck_assert_int_eq(r.status, 2);
	ck_assert_ptr_nonnull(strstr(r.err, "not a url"));
	ck_assert_int_eq(spserver_count(&s, ""), 0);
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

static void check_file(const char *path, const char *want)
{
	char *text = text_of(path);
	ck_assert_str_eq(text, want);
	free(text);
}

START_TEST(bodies_go_into_files_named_by_index)
{
	char dir[] = "/tmp/muster-dir-XXXXXX", out[64], a[80], b[80], want[120];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(out, sizeof(out), "%s/x/y", dir);
	snprintf(a, sizeof(a), "%s/0-p.html", out);
	snprintf(b, sizeof(b), "%s/1-index", out);
	struct fakejob j = {.state = "succeeded", .body = "\"body\":\"x\\u0079\""};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "-o", out, "http://h/d/p.html?q", "http://h/");
	ck_assert_msg(r.status == 0, "%s", r.err);
	snprintf(want, sizeof(want), "\"status\":200,\"file\":\"%s\"}\n", a);
	ck_assert_msg(strstr(r.out, want) != NULL, "%s", r.out);
	check_file(a, "xy");
	check_file(b, "xy");
	ck_assert_int_eq(rmdir(out), 0); /* no .part is left */
	free_ran(&r);
	spserver_stop(&s);
	out[strlen(out) - 2] = '\0';
	rmdir(out);
	rmdir(dir);
}
END_TEST

START_TEST(one_url_goes_into_one_file)
{
	char dir[] = "/tmp/muster-dir-XXXXXX", out[64];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(out, sizeof(out), "%s/page", dir);
	struct fakejob j = {.state = "succeeded", .body = "\"body_base64\":\"YQBi\""};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "-o", out, "http://h/");
	ck_assert_msg(r.status == 0, "%s", r.err);
	struct stat st;
	ck_assert_int_eq(stat(out, &st), 0);
	ck_assert_int_eq(st.st_size, 3);
	ck_assert_int_eq(spserver_count(&s, "\"max_body\":0"), 1);
	free_ran(&r);
	spserver_stop(&s);
	unlink(out);
	rmdir(dir);
}
END_TEST

START_TEST(stored_bodies_are_expanded_into_their_line)
{
	struct fakejob j = {.state = "succeeded", .body = "\"file\":\"b1\"", .big_body = 2500000};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "http://h/");
	ck_assert_int_eq(r.status, 0);
	const char *body = strstr(r.out, "\"status\":200,\"body\":\"abcdef");
	ck_assert_ptr_nonnull(body);
	ck_assert_uint_eq(strlen(body), strlen("\"status\":200,\"body\":\"") + 2500000 + 3);
	ck_assert_int_eq(spserver_count(&s, "job.body"), 4);
	free_ran(&r);
	r = RUN(s.address, "body", "j1", "1");
	ck_assert_uint_eq(strlen(r.out), 2500000);
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

START_TEST(print_body_gives_the_bodies_alone)
{
	struct fakejob j = {.state = "succeeded", .body = "\"body\":\"<\\n>\""};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "--print", "body", "http://a/", "http://b/");
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.out, "<\n><\n>");
	ck_assert_int_eq(spserver_count(&s, "\"ordered\":true"), 1);
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

START_TEST(a_detached_fetch_prints_the_job_and_asks_for_no_results)
{
	struct fakejob j = {.state = "running"};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "--detach", "http://a/");
	ck_assert_int_eq(r.status, 0);
	ck_assert_str_eq(r.out, "j1\n");
	ck_assert_int_eq(spserver_count(&s, "\"attached\":false"), 1);
	ck_assert_int_eq(spserver_count(&s, "\"end\":true"), 1);
	ck_assert_int_eq(spserver_count(&s, "job.results"), 0);
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

START_TEST(results_stop_at_the_last_line_there_is)
{
	struct fakejob j = {.state = "running", .never_done = true};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "fetch", "--detach", "http://a/", "http://b/", "http://c/");
	free_ran(&r);
	r = RUN(s.address, "results", "j1", "--after", "1");
	ck_assert_int_eq(r.status, 0);
	ck_assert_int_eq(count_lines(r.out), 2);
	ck_assert_int_eq(spserver_count(&s, "\"ack\""), 0);
	free_ran(&r);
	spserver_stop(&s);
}
END_TEST

/* Runs fetch in a child so that it can be signalled; returns its pid. */
static pid_t start_child(const struct spserver *s, const int out[2])
{
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char address[64];
		strcpy(address, s->address);
		char *v[] = {"muster", "--socket", address, "fetch", "http://a/"};
		close(out[0]);
		dup2(out[1], STDOUT_FILENO);
		close(out[1]);
		close(STDERR_FILENO);
		int status = run_words(5, v);
		_exit(status < 0 ? 100 - status : status);
	}
	return pid;
}

static void read_line(int fd)
{
	char c = 0;
	while (c != '\n')
		ck_assert_int_eq(read(fd, &c, 1), 1);
}

START_TEST(a_signal_cancels_the_job_and_waits_for_its_end)
{
	struct fakejob j = {.state = "running", .never_done = true};
	struct spserver s;
	int out[2], status;
	spserver_start(&s, fakejob_script, &j);
	ck_assert_int_eq(pipe(out), 0);
	pid_t pid = start_child(&s, out);
	read_line(out[0]); /* it follows the job now */
	kill(pid, SIGINT);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 100 + SIGINT);
	ck_assert_int_eq(spserver_count(&s, "job.cancel"), 1);
	ck_assert_int_eq(spserver_count(&s, "job.get"), 1);
	spserver_stop(&s);
}
END_TEST

START_TEST(a_closed_output_cancels_the_job)
{
	struct fakejob j = {.state = "running", .never_done = true};
	struct spserver s;
	int out[2], status;
	spserver_start(&s, fakejob_script, &j);
	ck_assert_int_eq(pipe(out), 0);
	pid_t pid = start_child(&s, out);
	close(out[1]);
	read_line(out[0]);
	close(out[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WEXITSTATUS(status), 100 + SIGPIPE);
	ck_assert_int_eq(spserver_count(&s, "job.cancel"), 1);
	spserver_stop(&s);
}
END_TEST

START_TEST(a_job_file_goes_as_text_with_its_variables)
{
	char path[] = "/tmp/muster-job-XXXXXX";
	int fd = mkstemp(path);
	static const char text[] =
		"{\n \"run\": {\"each\":{\"in\":{\"feed\":true},\"do\":\"${item}\"}}\n}\n";
	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	close(fd);
	struct fakejob j = {.state = "succeeded"};
	struct spserver s;
	spserver_start(&s, fakejob_script, &j);
	struct ran r = RUN(s.address, "submit", path, "--var", "a=b=c", "--volatile");
	ck_assert_msg(r.status == 0, "%s", r.err);
	ck_assert_int_eq(spserver_count(&s, "\"text\":\"{\\n \\\"run\\\""), 1);
	ck_assert_int_eq(spserver_count(&s, "\"vars\":{\"a\":\"b=c\"}"), 1);
	ck_assert_int_eq(spserver_count(&s, ",\\\"durable\\\":false}"), 1);
	ck_assert_int_eq(spserver_count(&s, "\"items\":[],\"end\":true"), 1);
	free_ran(&r);
	unlink(path);
	spserver_stop(&s);
}
END_TEST

START_TEST(no_daemon_is_status_3_with_advice)
{
	struct ran r = RUN("ipc:///nonexistent/sock", "fetch", "http://a/");
	ck_assert_int_eq(r.status, 3);
	ck_assert_ptr_nonnull(strstr(r.err, "ipc:///nonexistent/sock"));
	ck_assert_ptr_nonnull(strstr(r.err, "--standalone"));
	free_ran(&r);
	r = RUN("carrier-pigeon://x", "ping");
	ck_assert_int_eq(r.status, 3);
	free_ran(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client commands");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 20);
	tcase_add_test(t, lines_are_printed_as_they_come);
	tcase_add_test(t, long_inputs_are_fed_in_chunks);
	tcase_add_test(t, a_daemon_that_goes_away_loses_and_repeats_nothing);
	tcase_add_test(t, a_volatile_job_lost_with_its_daemon_is_status_3);
	tcase_add_test(t, states_become_exit_statuses);
	tcase_add_test(t, the_summary_is_the_last_line_when_asked);
	tcase_add_test(t, a_refused_submission_says_why_and_where);
	tcase_add_test(t, an_invalid_url_submits_nothing);
	tcase_add_test(t, bodies_go_into_files_named_by_index);
	tcase_add_test(t, one_url_goes_into_one_file);
	tcase_add_test(t, stored_bodies_are_expanded_into_their_line);
	tcase_add_test(t, print_body_gives_the_bodies_alone);
	tcase_add_test(t, a_detached_fetch_prints_the_job_and_asks_for_no_results);
	tcase_add_test(t, results_stop_at_the_last_line_there_is);
	tcase_add_test(t, a_signal_cancels_the_job_and_waits_for_its_end);
	tcase_add_test(t, a_closed_output_cancels_the_job);
	tcase_add_test(t, a_job_file_goes_as_text_with_its_variables);
	tcase_add_test(t, no_daemon_is_status_3_with_advice);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
