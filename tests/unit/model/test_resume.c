/* When the beginning of a body may be gone on with, and what the answer to that means. */
#include "model/resume.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 8

/* "Name: value" lines parted by '|'. */
static size_t fields_of(const char *text, struct head_field f[FIELDS_MAX])
{
	size_t n = 0;
	while (*text != '\0' && n < FIELDS_MAX) {
		const char *colon = strchr(text, ':'), *end = strchr(text, '|');
		if (end == NULL)
			end = text + strlen(text);
		f[n].name = (struct slice){text, (size_t)(colon - text)};
		f[n++].value = (struct slice){colon + 2, (size_t)(end - colon - 2)};
		text = *end == '|' ? end + 1 : end;
	}
	return n;
}

static const struct {
	const char *text;
	int ok;
	uint64_t first, last;
	int64_t total;
} range_rows[] = {
	{"bytes 0-99/1000", 1, 0, 99, 1000},
	{"bytes 0-0/1", 1, 0, 0, 1},
	{"Bytes  500-999/1000", 1, 500, 999, 1000},
	{"bytes 7-8/*", 1, 7, 8, -1},
	{"bytes */1000", 1, 1, 0, 1000},
	{"bytes */0", 1, 1, 0, 0},
	{"bytes */*", 0, 0, 0, 0},
	{"bytes 0-1000/1000", 0, 0, 0, 0},
	{"bytes 9-8/1000", 0, 0, 0, 0},
	{"bytes 0-/1000", 0, 0, 0, 0},
	{"bytes -5/1000", 0, 0, 0, 0},
	{"bytes 0-99", 0, 0, 0, 0},
	{"bytes=0-99/1000", 0, 0, 0, 0},
	{"bytes 0-99/1000 ", 0, 0, 0, 0},
	{"bytes 0-99/1000, 200-299/1000", 0, 0, 0, 0},
	{"items 0-9/10", 0, 0, 0, 0},
	{"bytes 0-99999999999999999999/*", 0, 0, 0, 0},
	{"bytes +0-99/1000", 0, 0, 0, 0},
	{"", 0, 0, 0, 0},
};

START_TEST(a_content_range_is_read_strictly)
{
	uint64_t first = 0, last = 0;
	int64_t total = 0;
	enum err e = resume_content_range(slice_of(range_rows[_i].text), &first, &last, &total);
	ck_assert_msg((e == ERR_OK) == range_rows[_i].ok, "%s", range_rows[_i].text);
	ck_assert_uint_eq(first, range_rows[_i].first);
	ck_assert_uint_eq(last, range_rows[_i].last);
	ck_assert_int_eq(total, range_rows[_i].total);
}
END_TEST

#define NOW	"Date: Sat, 22 Nov 2025 13:00:05 GMT"
#define SAME	"Last-Modified: Sat, 22 Nov 2025 13:00:05 GMT"
#define EARLIER "Last-Modified: Sat, 22 Nov 2025 13:00:04 GMT"

static const struct {
	int status;
	const char *fields;
	int may;
	int64_t total;
	const char *validator;
} may_rows[] = {
	{200, "ETag: \"a\"|Content-Length: 10", 1, 10, "\"a\""},
	{200, "ETag: \"a\"|Transfer-Encoding: chunked", 1, -1, "\"a\""},
	{200, "ETag: \"a\"|Content-Length: 10|" EARLIER "|" NOW, 1, 10, "\"a\""},
	{200, "ETag: W/\"a\"|" EARLIER "|" NOW, 1, -1, "Sat, 22 Nov 2025 13:00:04 GMT"},
	{200, "ETag: W/\"a\"", 0, 0, ""},
	{200, "ETag: a", 0, 0, ""},
	{200, EARLIER, 0, 0, ""},
	{200, SAME "|" NOW, 0, 0, ""},
	{200, "Content-Length: 10", 0, 0, ""},
	{200, "ETag: \"a\"|Content-Encoding: gzip", 0, 0, ""},
	{200, "ETag: \"a\"|Content-Encoding: identity", 1, -1, "\"a\""},
	{200, "ETag: \"a\"|Accept-Ranges: none", 0, 0, ""},
	{200, "ETag: \"a\"|Accept-Ranges: bytes", 1, -1, "\"a\""},
	{206, "ETag: \"a\"|Content-Range: bytes 0-9/10", 0, 0, ""},
	{203, "ETag: \"a\"", 0, 0, ""},
};

START_TEST(only_a_strong_validator_lets_a_body_be_gone_on_with)
{
	struct head_field f[FIELDS_MAX];
	struct resume_held held = {.size = 0};
	size_t n = fields_of(may_rows[_i].fields, f);
	bool may = resume_may(may_rows[_i].status, f, n, &held);
	ck_assert_msg(may == may_rows[_i].may, "%s", may_rows[_i].fields);
	if (!may)
		return;
	ck_assert_int_eq(held.total, may_rows[_i].total);
	ck_assert(slice_is(resume_validator(&held), may_rows[_i].validator));
}
END_TEST

static const struct {
	int64_t total;
	int status;
	const char *fields;
	enum resume_step step;
	uint64_t last;
} judge_rows[] = {
	{1000, 206, "Content-Range: bytes 100-999/1000", RESUME_GOES_ON, 999},
	{1000, 206, "Content-Range: bytes 100-999/*", RESUME_GOES_ON, 999},
	{-1, 206, "Content-Range: bytes 100-999/1000", RESUME_GOES_ON, 999},
	{1000, 206, "Content-Range: bytes 100-199/1000", RESUME_GOES_ON, 199},
	{1000, 206, "Content-Range: bytes 100-999/1000|ETag: \"v\"", RESUME_GOES_ON, 999},
	{1000, 206, "Content-Range: bytes 100-999/1000|ETag: \"w\"", RESUME_MISFIT, 0},
	{1000, 206, "Content-Range: bytes 99-999/1000", RESUME_MISFIT, 0},
	{1000, 206, "Content-Range: bytes 101-999/1000", RESUME_MISFIT, 0},
	{1000, 206, "Content-Range: bytes 100-1000/1001", RESUME_MISFIT, 0},
	{1000, 206, "Content-Range: bytes */1000", RESUME_MISFIT, 0},
	{1000, 206, "Content-Type: multipart/byteranges; boundary=x", RESUME_MISFIT, 0},
	{1000, 206, "Content-Range: bytes 100-999/1000|Content-Encoding: gzip", RESUME_MISFIT, 0},
	{1000, 200, "Content-Length: 1000", RESUME_ANEW, 0},
	{100, 416, "Content-Range: bytes */100", RESUME_WHOLE, 0},
	{-1, 416, "Content-Range: bytes */100", RESUME_WHOLE, 0},
	{-1, 416, "Content-Range: bytes */99", RESUME_MISFIT, 0},
	{1000, 416, "Content-Range: bytes */100", RESUME_MISFIT, 0},
	{1000, 416, "", RESUME_MISFIT, 0},
	{1000, 503, "Retry-After: 1", RESUME_LATER, 0},
	{1000, 404, "", RESUME_LATER, 0},
	{1000, 302, "Location: /x", RESUME_LATER, 0},
};

START_TEST(an_answer_fits_to_the_byte_or_is_not_taken)
{
	struct head_field f[FIELDS_MAX];
	const struct resume_held held = {
		.size = 100, .total = judge_rows[_i].total, .etag = SLICE_LIT("\"v\"")};
	uint64_t last = 0;
	int64_t total = 0;
	size_t n = fields_of(judge_rows[_i].fields, f);
	ck_assert_msg(resume_judge(&held, judge_rows[_i].status, f, n, &last, &total) ==
			      judge_rows[_i].step,
		      "%s", judge_rows[_i].fields);
	ck_assert_uint_eq(last, judge_rows[_i].last);
}
END_TEST

START_TEST(a_date_tells_versions_apart_without_a_tag)
{
	struct head_field f[FIELDS_MAX];
	const struct resume_held held = {
		.size = 100, .total = 1000, .last_modified = SLICE_LIT("Sat, 1")};
	uint64_t last;
	int64_t total;
	size_t n = fields_of("Content-Range: bytes 100-999/1000|Last-Modified: Sat, 1", f);
	ck_assert_int_eq(resume_judge(&held, 206, f, n, &last, &total), RESUME_GOES_ON);
	n = fields_of("Content-Range: bytes 100-999/1000|Last-Modified: Sat, 2", f);
	ck_assert_int_eq(resume_judge(&held, 206, f, n, &last, &total), RESUME_MISFIT);
}
END_TEST

#define COUNT(x) ((int)(sizeof(x) / sizeof((x)[0])))

int main(void)
{
	Suite *s = suite_create("resume");
	TCase *tc = tcase_create("resume");
	tcase_add_loop_test(tc, a_content_range_is_read_strictly, 0, COUNT(range_rows));
	tcase_add_loop_test(tc, only_a_strong_validator_lets_a_body_be_gone_on_with, 0,
			    COUNT(may_rows));
	tcase_add_loop_test(tc, an_answer_fits_to_the_byte_or_is_not_taken, 0, COUNT(judge_rows));
	tcase_add_test(tc, a_date_tells_versions_apart_without_a_tag);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
