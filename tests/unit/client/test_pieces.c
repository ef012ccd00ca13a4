/* Promises of the client's parts: arguments, URLs, proxies, names of files, input lines. */
#include "client/args.h"
#include "client/bodies.h"
#include "client/feed.h"
#include "client/proxyenv.h"
#include "client/status.h"
#include "client/urlcheck.h"
#include "proto/base64.h"
#include "proto/jsonscan.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum args_result parse(struct args *a, struct bytes *message, int n, char **v)
{
	bytes_clear(message);
	return args_parse(n, v, a, message);
}

#define PARSE(a, m, ...)                                                                           \
	parse((a), (m), (int)(sizeof((char *[]){"muster", __VA_ARGS__}) / sizeof(char *)),         \
	      (char *[]){"muster", __VA_ARGS__})

START_TEST(options_and_arguments_may_be_mixed)
{
	struct args a;
	struct bytes m = {.limit = 0};
	ck_assert_int_eq(PARSE(&a, &m, "--socket", "ipc:///s", "fetch", "-c5", "u1", "--retry=0",
			       "-kXPUT", "-H", "A: 1", "u2", "-H", "B: 2", "--", "-dash"),
			 ARGS_RUN);
	ck_assert_int_eq(a.command, COMMAND_FETCH);
	ck_assert_str_eq(a.global[OPTION_SOCKET], "ipc:///s");
	ck_assert_int_eq(args_number(&a, OPTION_CONCURRENCY, 16), 5);
	ck_assert_int_eq(args_number(&a, OPTION_RETRIES, 2), 0);
	ck_assert_int_eq(args_number(&a, OPTION_BURST, 1), 1);
	ck_assert(args_has(&a, OPTION_INSECURE));
	ck_assert_str_eq(args_text(&a, OPTION_METHOD), "PUT");
	ck_assert_uint_eq(a.value[OPTION_HEADER].n, 2);
	ck_assert_uint_eq(a.arg.n, 3);
	ck_assert_str_eq(a.arg.v[2], "-dash");
	ck_assert(args_is(&a, OPTION_BODY, "inline"));
	args_fini(&a);
	bytes_fini(&m);
}
END_TEST

START_TEST(mistakes_name_what_is_wrong)
{
	struct args a;
	struct bytes m = {.limit = 0};
	ck_assert_int_eq(PARSE(&a, &m, "fetch", "--concurency", "5"), ARGS_USAGE);
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&m), "did you mean --concurrency?"));
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "fetsh"), ARGS_USAGE);
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&m), "did you mean \"fetch\"?"));
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "fetch", "--timeout", "5"), ARGS_USAGE);
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&m), "--timeout wants a duration"));
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "fetch", "-c"), ARGS_USAGE);
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "fetch", "--fail-fast=1"), ARGS_USAGE);
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "show"), ARGS_USAGE);
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "jobs", "extra"), ARGS_USAGE);
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "jobs", "-c", "5"), ARGS_USAGE);
	args_fini(&a);
	ck_assert_int_eq(parse(&a, &m, 1, (char *[]){"muster"}), ARGS_USAGE);
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "fetch", "--help"), ARGS_HELP);
	args_fini(&a);
	ck_assert_int_eq(PARSE(&a, &m, "help", "fetch"), ARGS_HELP);
	args_fini(&a);
	bytes_fini(&m);
}
END_TEST

START_TEST(slips_of_the_hand_in_urls_are_found)
{
	static const struct {
		const char *url;
		bool ok;
	} row[] = {
		{"http://h/", true},
		{"HTTPS://h:8443/x?y#z", true},
		{"http://u:p@h/", true},
		{"http://[::1]:80/", true},
		{"http://h?q", true},
		{"http://m\xc3\xbcller.de/", true},
		{"not a url", false},
		{"ftp://x/y", false},
		{"http://", false},
		{"http:///x", false},
		{"http://a b/", false},
		{"http://h/\r\nX: 1", false},
		{"http://h:99999/", false},
		{"http://h:x/", false},
		{"http://h:0/", false},
		{"http://[::1/", false},
		{"http://[::1]x/", false},
		{"http://a<b/", false},
		{"h/", false},
		{"", false},
		{"http://u@/", false},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		ck_assert_msg((urlcheck(slice_of(row[i].url)) == NULL) == row[i].ok, "%s",
			      row[i].url);
}
END_TEST

START_TEST(proxies_follow_the_environment)
{
	struct proxyenv p = {
		.http = "http://p1:1", .https = "http://p2:2", .no = "local, .x.org,127.0.0.1"};
	ck_assert_str_eq(proxyenv_for(&p, slice_of("http://h/")), "http://p1:1");
	ck_assert_str_eq(proxyenv_for(&p, slice_of("https://h/")), "http://p2:2");
	ck_assert_ptr_null(proxyenv_for(&p, slice_of("http://local/")));
	ck_assert_ptr_null(proxyenv_for(&p, slice_of("http://a.local:80/")));
	ck_assert_ptr_null(proxyenv_for(&p, slice_of("http://X.ORG/")));
	ck_assert_ptr_null(proxyenv_for(&p, slice_of("http://127.0.0.1:8080/")));
	ck_assert_ptr_nonnull(proxyenv_for(&p, slice_of("http://notlocal/")));
	p.no = "*";
	ck_assert_ptr_null(proxyenv_for(&p, slice_of("http://h/")));
	ck_assert_ptr_null(proxyenv_for(&p, slice_of("nonsense")));
}
END_TEST

START_TEST(files_are_named_after_index_and_last_segment)
{
	static const struct {
		const char *task, *url, *want;
	} row[] = {
		{"0.0", "http://h/a/b.html", "0-b.html"},
		{"0.12", "http://h/a/b.html?x=/y", "12-b.html"},
		{"0.1", "http://h/we%20ird%3F.txt", "1-we_20ird_3F.txt"},
		{"0.1", "http://h/", "1-index"},
		{"0.1", "http://h", "1-index"},
		{"0", "http://h/x", "0-x"},
		{"0.3.1", "http://h/x", "3.1-x"},
		{"0.1", "http://h/../../etc/passwd", "1-passwd"},
		{"0.1", "http://h/..", "1-.."},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes b = {.limit = 0};
		bodies_add_name(&b, slice_of(row[i].task), slice_of(row[i].url));
		ck_assert_str_eq(bytes_cstr(&b), row[i].want);
		bytes_fini(&b);
	}
	char url[400] = "http://h/";
	memset(url + 9, 'x', 300);
	struct bytes b = {.limit = 0};
	bodies_add_name(&b, SLICE_LIT("0.7"), slice_of(url));
	ck_assert_uint_eq(b.n, 120);
	bytes_fini(&b);
}
END_TEST

START_TEST(base64_is_decoded_strictly)
{
	static const struct {
		const char *text, *want;
	} row[] = {{"", ""},	    {"YQ==", "a"},	  {"YWI=", "ab"},
		   {"YWJj", "abc"}, {"YWJjZA==", "abcd"}, {"YQ", NULL},
		   {"Y!==", NULL},  {"Y===", NULL},	  {"YQ==YQ==", NULL}};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes b = {.limit = 0};
		enum err e = base64_decode(slice_of(row[i].text), &b);
		ck_assert_msg((e == ERR_OK) == (row[i].want != NULL), "%s", row[i].text);
		ck_assert_str_eq(bytes_cstr(&b), row[i].want != NULL ? row[i].want : "");
		bytes_fini(&b);
	}
}
END_TEST

static int file_with(const char *text, char path[32])
{
	strcpy(path, "/tmp/muster-in-XXXXXX");
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

/* Reads all there is and gives the parameters of the first chunk. */
static void first_chunk(struct feed *f, struct bytes *out)
{
	while (feed_fd(f) >= 0)
		ck_assert_int_eq(feed_read(f), ERR_OK);
	ck_assert(feed_has_chunk(f));
	bytes_clear(out);
	feed_add_params(f, "j1", out);
	ck_assert_int_eq(jsonscan_check(bytes_slice(out), NULL, NULL), ERR_OK);
}

START_TEST(lines_become_items_and_bad_ones_stop_nothing)
{
	char path[32];
	struct feed f;
	struct bytes b = {.limit = 0};
	const char *args[] = {"http://first/"};
	const struct args_list list = {args, 1};
	close(file_with("# comment\n\n  http://a/ \r\n{\"url\":\"http://b/\",\"tag\":1}\n{broken\n"
			"caf\xe9\nhttp://last",
			path));
	ck_assert_int_eq(feed_open(&f, &list, path), ERR_OK);
	first_chunk(&f, &b);
	ck_assert_str_eq(bytes_cstr(&b),
			 "{\"job\":\"j1\",\"offset\":0,\"items\":[\"http://first/\",\"http://a/\","
			 "{\"url\":\"http://b/\",\"tag\":1},\"{broken\",\"caf\xc3\xa9\","
			 "\"http://last\"],\"end\":true}");
	ck_assert(feed_done(&f, 6));
	ck_assert(!feed_has_chunk(&f));
	feed_close(&f);
	unlink(path);
	bytes_fini(&b);
}
END_TEST

START_TEST(what_the_daemon_took_of_a_chunk_is_not_sent_again)
{
	char path[32];
	struct feed f;
	struct bytes b = {.limit = 0};
	close(file_with("a\nb\nc\n", path));
	ck_assert_int_eq(feed_open(&f, NULL, path), ERR_OK);
	first_chunk(&f, &b);
	ck_assert(!feed_done(&f, 2));
	first_chunk(&f, &b);
	ck_assert_str_eq(bytes_cstr(&b),
			 "{\"job\":\"j1\",\"offset\":2,\"items\":[\"c\"],\"end\":true}");
	ck_assert(feed_done(&f, 3));
	feed_close(&f);
	unlink(path);
	bytes_fini(&b);
}
END_TEST

START_TEST(an_empty_input_is_an_end_without_items)
{
	struct feed f;
	struct bytes b = {.limit = 0};
	ck_assert_int_eq(feed_open(&f, NULL, "/dev/null"), ERR_OK);
	first_chunk(&f, &b);
	ck_assert_str_eq(bytes_cstr(&b), "{\"job\":\"j1\",\"offset\":0,\"items\":[],\"end\":true}");
	ck_assert(feed_done(&f, 0));
	feed_close(&f);
	ck_assert_int_eq(feed_open(&f, NULL, "/dev/null/none"), ERR_IO);
	bytes_fini(&b);
}
END_TEST

START_TEST(a_line_without_end_is_cut_and_the_next_one_taken)
{
	char path[32];
	struct feed f;
	struct bytes b = {.limit = 0};
	int fd = file_with("", path);
	char block[65536];
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(write(fd, block, sizeof(block)), sizeof(block));
	ck_assert_int_eq(write(fd, "\nhttp://next/\n", 14), 14);
	close(fd);
	ck_assert_int_eq(feed_open(&f, NULL, path), ERR_OK);
	first_chunk(&f, &b);
	ck_assert_uint_lt(b.n, 300);
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&b), ",\"http://next/\"]"));
	feed_close(&f);
	unlink(path);
	bytes_fini(&b);
}
END_TEST

START_TEST(states_and_kinds_have_their_exit_status)
{
	ck_assert_int_eq(status_of_state(SLICE_LIT("succeeded"), 0), 0);
	ck_assert_int_eq(status_of_state(SLICE_LIT("succeeded"), 1), 1);
	ck_assert_int_eq(status_of_state(SLICE_LIT("failed"), 0), 1);
	ck_assert_int_eq(status_of_state(SLICE_LIT("cancelled"), 3), 4);
	ck_assert_int_eq(status_of_state(SLICE_LIT("expired"), 3), 5);
	ck_assert_int_eq(status_of_kind("url.invalid"), 2);
	ck_assert_int_eq(status_of_kind("request.invalid"), 2);
	ck_assert_int_eq(status_of_kind("conflict"), 6);
	ck_assert_int_eq(status_of_kind("store.full"), 6);
	ck_assert_int_eq(status_of_kind("policy.denied"), 6);
	ck_assert_int_eq(status_of_kind("not_found"), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("client pieces");
	TCase *t = tcase_create("all");
	tcase_add_test(t, options_and_arguments_may_be_mixed);
	tcase_add_test(t, mistakes_name_what_is_wrong);
	tcase_add_test(t, slips_of_the_hand_in_urls_are_found);
	tcase_add_test(t, proxies_follow_the_environment);
	tcase_add_test(t, files_are_named_after_index_and_last_segment);
	tcase_add_test(t, base64_is_decoded_strictly);
	tcase_add_test(t, lines_become_items_and_bad_ones_stop_nothing);
	tcase_add_test(t, what_the_daemon_took_of_a_chunk_is_not_sent_again);
	tcase_add_test(t, an_empty_input_is_an_end_without_items);
	tcase_add_test(t, a_line_without_end_is_cut_and_the_next_one_taken);
	tcase_add_test(t, states_and_kinds_have_their_exit_status);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
