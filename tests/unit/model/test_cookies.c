/* The jar: what may be set from where, what goes along where, and its bounds. */
#include "model/cookies.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1800000000 /* 2027-01-15 */

static struct url url_of(const char *text)
{
	struct url u = {0};
	ck_assert_int_eq(url_parse(slice_of(text), &u, NULL), ERR_OK);
	return u;
}

static enum err take(struct cookies *c, const char *from, const char *field)
{
	struct url u = url_of(from);
	enum err e = cookies_take(c, &u, slice_of(field), NOW);
	url_fini(&u);
	return e;
}

static void expect_at(struct cookies *c, const char *to, int64_t now, const char *want)
{
	struct url u = url_of(to);
	struct bytes out = {.n = 0};
	ck_assert_int_eq(cookies_add(c, &u, now, &out), ERR_OK);
	ck_assert_msg(slice_is(bytes_slice(&out), want), "%s: %s, not %s", to, bytes_cstr(&out),
		      want);
	bytes_fini(&out);
	url_fini(&u);
}

static const struct {
	const char *from, *field, *to, *want;
} rows[] = {
	{"http://a.example/", "k=v", "http://a.example/x", "k=v"},
	{"http://a.example/", " k = v ; Path=/ ", "http://a.example/", "k=v"},
	{"http://a.example/", "k=v=w", "http://a.example/", "k=v=w"},
	{"http://a.example/", "k=", "http://a.example/", "k="},
	{"http://a.example/", "k", "http://a.example/", ""},
	{"http://a.example/", "=v", "http://a.example/", ""},
	{"http://a.example/", "", "http://a.example/", ""},
	{"http://a.example/", "k=a\001b", "http://a.example/", ""},
	/* whose */
	{"http://a.example/", "k=v", "http://b.a.example/", ""},
	{"http://b.a.example/", "k=v; Domain=a.example", "http://c.a.example/", "k=v"},
	{"http://b.a.example/", "k=v; Domain=.A.EXAMPLE", "http://a.example/", "k=v"},
	{"http://a.example/", "k=v; Domain=b.a.example", "http://b.a.example/", ""},
	{"http://a.example/", "k=v; Domain=other.example", "http://other.example/", ""},
	{"http://xa.example/", "k=v; Domain=a.example", "http://a.example/", ""},
	{"http://a.co.uk/", "k=v; Domain=co.uk", "http://b.co.uk/", ""},
	{"http://a.com/", "k=v; Domain=com", "http://b.com/", ""},
	{"http://github.io/", "k=v; Domain=github.io", "http://github.io/", "k=v"},
	{"http://github.io/", "k=v; Domain=github.io", "http://a.github.io/", ""},
	{"http://127.0.0.1/", "k=v; Domain=127.0.0.1", "http://127.0.0.1/", "k=v"},
	{"http://127.0.0.1/", "k=v; Domain=0.0.1", "http://127.0.0.1/", ""},
	{"http://a.example:81/", "k=v", "http://a.example:82/", "k=v"},
	/* where */
	{"http://a.example/x/y", "k=v", "http://a.example/x/z", "k=v"},
	{"http://a.example/x/y", "k=v", "http://a.example/", ""},
	{"http://a.example/", "k=v; Path=/x", "http://a.example/x", "k=v"},
	{"http://a.example/", "k=v; Path=/x", "http://a.example/x/y", "k=v"},
	{"http://a.example/", "k=v; Path=/x", "http://a.example/xy", ""},
	{"http://a.example/x", "k=v; Path=y", "http://a.example/z", "k=v"},
	/* how */
	{"https://a.example/", "k=v; Secure", "https://a.example/", "k=v"},
	{"https://a.example/", "k=v; secure", "http://a.example/", ""},
	{"http://a.example/", "k=v; Secure", "https://a.example/", ""},
	{"https://a.example/", "__Host-k=v; Secure; Path=/", "https://a.example/", "__Host-k=v"},
	{"https://a.example/", "__Host-k=v; Path=/", "https://a.example/", ""},
	{"https://b.a.example/", "__Host-k=v; Secure; Path=/; Domain=a.example",
	 "https://b.a.example/", ""},
	{"https://a.example/", "__Secure-k=v", "https://a.example/", ""},
	/* how long */
	{"http://a.example/", "k=v; Max-Age=0", "http://a.example/", ""},
	{"http://a.example/", "k=v; Max-Age=-5", "http://a.example/", ""},
	{"http://a.example/", "k=v; Max-Age=10", "http://a.example/", "k=v"},
	{"http://a.example/", "k=v; Max-Age=99999999999999999999", "http://a.example/", "k=v"},
	{"http://a.example/", "k=v; Max-Age=x", "http://a.example/", "k=v"},
	{"http://a.example/", "k=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.example/",
	 ""},
	{"http://a.example/", "k=v; Expires=Wed, 09-Jun-2100 10:18:14 GMT", "http://a.example/",
	 "k=v"},
	{"http://a.example/", "k=v; Expires=never", "http://a.example/", "k=v"},
	{"http://a.example/", "k=v; Max-Age=9; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
	 "http://a.example/", "k=v"},
};

START_TEST(a_cookie_goes_where_it_belongs_and_nowhere_else)
{
	struct cookies *c = cookies_new();
	take(c, rows[_i].from, rows[_i].field);
	expect_at(c, rows[_i].to, NOW, rows[_i].want);
	cookies_free(c);
}
END_TEST

START_TEST(the_same_name_domain_and_path_is_one_cookie)
{
	struct cookies *c = cookies_new();
	ck_assert_int_eq(take(c, "http://a.example/", "a=1"), ERR_OK);
	ck_assert_int_eq(take(c, "http://a.example/", "b=1"), ERR_OK);
	ck_assert_int_eq(take(c, "http://a.example/", "a=2"), ERR_OK);
	expect_at(c, "http://a.example/", NOW, "a=2; b=1");
	ck_assert_int_eq(take(c, "http://a.example/", "a=; Max-Age=0"), ERR_OK);
	expect_at(c, "http://a.example/", NOW, "b=1");
	cookies_free(c);
}
END_TEST

START_TEST(longer_paths_come_first)
{
	struct cookies *c = cookies_new();
	take(c, "http://a.example/", "short=1; Path=/");
	take(c, "http://a.example/", "long=1; Path=/x/y");
	expect_at(c, "http://a.example/x/y/z", NOW, "long=1; short=1");
	cookies_free(c);
}
END_TEST

START_TEST(an_expired_cookie_is_gone)
{
	struct cookies *c = cookies_new();
	take(c, "http://a.example/", "k=v; Max-Age=10");
	expect_at(c, "http://a.example/", NOW + 9, "k=v");
	expect_at(c, "http://a.example/", NOW + 10, "");
	ck_assert_uint_eq(cookies_count(c), 0);
	cookies_free(c);
}
END_TEST

START_TEST(a_plain_answer_does_not_overlay_a_secure_cookie)
{
	struct cookies *c = cookies_new();
	ck_assert_int_eq(take(c, "https://a.example/", "k=good; Secure"), ERR_OK);
	ck_assert_int_eq(take(c, "http://a.example/", "k=evil"), ERR_INVALID);
	expect_at(c, "https://a.example/", NOW, "k=good");
	cookies_free(c);
}
END_TEST

START_TEST(own_cookies_do_not_replace_what_the_server_set)
{
	struct cookies *c = cookies_new();
	struct url u = url_of("http://a.example/x");
	ck_assert_int_eq(cookies_put(c, &u, SLICE_LIT("k"), SLICE_LIT("mine")), ERR_OK);
	expect_at(c, "http://a.example/", NOW, "k=mine");
	take(c, "http://a.example/", "k=theirs");
	ck_assert_int_eq(cookies_put(c, &u, SLICE_LIT("k"), SLICE_LIT("mine")), ERR_OK);
	expect_at(c, "http://a.example/", NOW, "k=theirs");
	url_fini(&u);
	cookies_free(c);
}
END_TEST

START_TEST(a_jar_is_bounded)
{
	struct cookies *c = cookies_new();
	char from[64], field[64];
	for (int i = 0; i < COOKIES_PER_DOMAIN + 5; i++) {
		snprintf(field, sizeof(field), "k%d=v", i);
		ck_assert_int_eq(take(c, "http://a.example/", field), ERR_OK);
	}
	ck_assert_uint_eq(cookies_count(c), COOKIES_PER_DOMAIN);
	for (int i = 0; i < COOKIES_MAX + 5; i++) {
		snprintf(from, sizeof(from), "http://h%d.example/", i);
		ck_assert_int_eq(take(c, from, "k=v"), ERR_OK);
	}
	ck_assert_uint_eq(cookies_count(c), COOKIES_MAX);
	expect_at(c, "http://a.example/", NOW, ""); /* the oldest made room */
	cookies_free(c);
}
END_TEST

START_TEST(a_cookie_beyond_4_KiB_is_refused)
{
	struct cookies *c = cookies_new();
	char field[COOKIE_BYTES + 2];
	memset(field, 'x', sizeof(field));
	field[1] = '=';
	field[sizeof(field) - 1] = '\0';
	ck_assert_int_eq(take(c, "http://a.example/", field), ERR_INVALID);
	field[COOKIE_BYTES] = '\0';
	ck_assert_int_eq(take(c, "http://a.example/", field), ERR_OK);
	cookies_free(c);
}
END_TEST

static const struct {
	const char *text;
	int64_t s; /* -1: none */
} dates[] = {
	{"Thu, 01 Jan 1970 00:00:01 GMT", 1},
	{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
	{"Sun Nov  6 08:49:37 1994", 784111777},
	{"6 november 1994 8:49:37", 784111777},
	{"29 Feb 2000 00:00:00", 951782400},
	{"29 Feb 2001 00:00:00", -1},
	{"31 Jan 1600 00:00:00", -1},
	{"1 Jan 2000 24:00:00", -1},
	{"1 Jan 2000", -1},
	{"", -1},
};

START_TEST(dates_are_read_as_servers_write_them)
{
	int64_t s = -1;
	enum err e = cookies_date(slice_of(dates[_i].text), &s);
	ck_assert_int_eq(e, dates[_i].s < 0 ? ERR_INVALID : ERR_OK);
	ck_assert_int_eq(s, dates[_i].s);
}
END_TEST

static const struct {
	const char *line, *to, *want;
	bool is_line;
} files[] = {
	{"a.example\tFALSE\t/\tFALSE\t0\tk\tv", "http://a.example/", "k=v", true},
	{"a.example\tFALSE\t/\tFALSE\t0\tk\tv", "http://b.a.example/", "", true},
	{".A.Example\ttrue\t/\tfalse\t0\tk\tv", "http://b.a.example/", "k=v", true},
	{"a.example\tTRUE\t/\tFALSE\t0\tk\tv", "http://b.a.example/", "k=v", true},
	{"#HttpOnly_a.example\tFALSE\t/\tFALSE\t0\tk\tv", "http://a.example/", "k=v", true},
	{"a.example\tFALSE\t/x\tFALSE\t0\tk\tv", "http://a.example/", "", true},
	{"a.example\tFALSE\t/\tTRUE\t0\tk\tv", "http://a.example/", "", true},
	{"a.example\tFALSE\t/\tTRUE\t0\tk\tv", "https://a.example/", "k=v", true},
	{"a.example\tFALSE\t/\tFALSE\t1\tk\tv", "http://a.example/", "", true},
	{"a.example\tFALSE\t/\tFALSE\t99999999999999999999\tk\tv", "http://a.example/", "k=v",
	 true},
	{"a.example\tFALSE\t/\tFALSE\t0\tk", "http://a.example/", "k=", true},
	{"a.example\tFALSE\t/\tFALSE\t0\tk\tv\tw", "http://a.example/", "k=v\tw", true},
	{"a.example\tFALSE\t/\tFALSE\t0\tk\tv; other=1", "http://a.example/", "", true},
	{"a.example\tFALSE\t/\tFALSE\t0\tk\ta\rb", "http://a.example/", "", true},
	{"a.example\tFALSE\t/\tFALSE\t0\t__Host-k\tv", "http://a.example/", "", true},
	{"a.example\tFALSE\t/\tTRUE\t0\t__Host-k\tv", "https://a.example/", "__Host-k=v", true},
	{"a.example\tTRUE\t/\tTRUE\t0\t__Host-k\tv", "https://a.example/", "", true},
	{"a.example\tFALSE\t/\tFALSE\t0", "http://a.example/", "", false},
	{"a.example\tMAYBE\t/\tFALSE\t0\tk\tv", "http://a.example/", "", false},
	{"a.example\tFALSE\tx\tFALSE\t0\tk\tv", "http://a.example/", "", false},
	{"a.example\tFALSE\t/\tFALSE\t-1\tk\tv", "http://a.example/", "", false},
	{"a.example\tFALSE\t/\tFALSE\t\tk\tv", "http://a.example/", "", false},
	{"\tFALSE\t/\tFALSE\t0\tk\tv", "http://a.example/", "", false},
	{"# a.example\tFALSE\t/\tFALSE\t0\tk\tv", "http://a.example/", "", false},
	{"", "http://a.example/", "", false},
};

START_TEST(a_line_of_a_file_is_a_cookie_or_nothing)
{
	struct cookies *c = cookies_new();
	struct slice line = slice_of(files[_i].line);
	ck_assert_int_eq(cookies_is_line(line), files[_i].is_line);
	cookies_load(c, line, NOW);
	expect_at(c, files[_i].to, NOW, files[_i].want);
	cookies_free(c);
}
END_TEST

START_TEST(what_is_saved_is_loaded_again)
{
	static const char want[] =
		"\"#HttpOnly_.a.example\\tTRUE\\t/p\\tTRUE\\t1800000060\\tk\\tv\","
		"\"a.example\\tFALSE\\t/\\tFALSE\\t0\\tq\\t\\\"x\\\"\"";
	struct cookies *c = cookies_new();
	struct bytes out = {.n = 0};
	take(c, "https://a.example/",
	     "k=v; Domain=a.example; Path=/p; Max-Age=60; Secure; HttpOnly");
	take(c, "https://a.example/", "q=\"x\"");
	take(c, "https://a.example/", "short=1; Max-Age=1");
	ck_assert_int_eq(cookies_save(c, NOW + 2, &out), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&out), want);
	ck_assert(cookies_is_line(SLICE_LIT("#HttpOnly_.a.example\tTRUE\t/p\tTRUE\t60\tk\tv")));
	bytes_fini(&out);
	cookies_free(c);
}
END_TEST

START_TEST(all_cookies_together_are_bounded)
{
	struct cookies *c = cookies_new();
	struct bytes out = {.n = 0};
	char field[4001], from[64];
	memset(field, 'x', 4000);
	field[1] = '=';
	field[4000] = '\0';
	for (int i = 0; i < 400; i++) {
		snprintf(from, sizeof(from), "http://h%d.example/", i);
		take(c, from, field);
	}
	ck_assert_uint_lt(cookies_count(c), 400);
	ck_assert_uint_gt(cookies_count(c), 250);
	ck_assert_int_eq(cookies_save(c, NOW, &out), ERR_OK);
	ck_assert_uint_lt(out.n, COOKIES_BYTES + 400 * 64);
	bytes_fini(&out);
	cookies_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cookies");
	TCase *tc = tcase_create("cookies");
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, a_cookie_goes_where_it_belongs_and_nowhere_else, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, the_same_name_domain_and_path_is_one_cookie);
	tcase_add_test(tc, longer_paths_come_first);
	tcase_add_test(tc, an_expired_cookie_is_gone);
	tcase_add_test(tc, a_plain_answer_does_not_overlay_a_secure_cookie);
	tcase_add_test(tc, own_cookies_do_not_replace_what_the_server_set);
	tcase_add_test(tc, a_jar_is_bounded);
	tcase_add_test(tc, a_cookie_beyond_4_KiB_is_refused);
	tcase_add_loop_test(tc, a_line_of_a_file_is_a_cookie_or_nothing, 0,
			    (int)(sizeof(files) / sizeof(files[0])));
	tcase_add_test(tc, what_is_saved_is_loaded_again);
	tcase_add_test(tc, all_cookies_together_are_bounded);
	tcase_add_loop_test(tc, dates_are_read_as_servers_write_them, 0,
			    (int)(sizeof(dates) / sizeof(dates[0])));
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
