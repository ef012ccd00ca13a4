/* Uploads: pieces in order, complete or not there, gone with their job. */
#include "edge/uploads.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/muster-uploads-XXXXXX";
static struct uploads *u;
static const struct upload_of j7 = {.job = 7}, v7 = {.job = 7, .is_volatile = true};

static bool knows(void *ctx, const struct upload_of *of)
{
	const struct upload_of *known = ctx;
	return known != NULL && of->job == known->job && of->is_volatile == known->is_volatile;
}

static void open_it(uint64_t max_bytes, const struct upload_of *known)
{
	uploads_close(u);
	ck_assert_int_eq(uploads_open(dir, max_bytes, &u), ERR_OK);
	ck_assert_int_eq(uploads_sweep(u, knows, (void *)(uintptr_t)known), ERR_OK);
}

static void setup(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	u = NULL;
	open_it(0, NULL);
}

static void teardown(void)
{
	char path[128];
	open_it(0, NULL);
	uploads_close(u);
	snprintf(path, sizeof(path), "%s/uploads", dir);
	ck_assert_int_eq(rmdir(path), 0); /* nothing is left behind */
	rmdir(dir);
}

static enum err put(const struct upload_of *of, const char *name, uint64_t offset, const char *data,
		    bool is_end, uint64_t *next)
{
	struct upload_piece p = {.of = *of,
				 .name = slice_of(name),
				 .offset = offset,
				 .data = slice_of(data),
				 .is_end = is_end};
	return uploads_write(u, &p, next);
}

static struct uploadread *reading(const struct upload_of *of, const char *name)
{
	struct uploadread *r = uploadread_new(u, of);
	ck_assert_int_eq(uploadread_add_text(r, SLICE_LIT("<")), ERR_OK);
	ck_assert_int_eq(uploadread_add_file(r, slice_of(name)), ERR_OK);
	ck_assert_int_eq(uploadread_add_text(r, SLICE_LIT(">")), ERR_OK);
	return r;
}

static void expect(const struct upload_of *of, const char *name, const char *want)
{
	struct uploadread *r = reading(of, name);
	char buf[3], all[64];
	size_t n = 1, n_all = 0;
	ck_assert_int_eq(uploadread_open(r), ERR_OK);
	ck_assert_uint_eq(uploadread_size(r), strlen(want));
	while (n > 0) {
		ck_assert_int_eq(uploadread_next(r, buf, sizeof(buf), &n), ERR_OK);
		memcpy(all + n_all, buf, n);
		n_all += n;
	}
	ck_assert(slice_is((struct slice){all, n_all}, want));
	uploadread_free(r);
}

static void expect_none(const struct upload_of *of, const char *name)
{
	struct uploadread *r = reading(of, name);
	ck_assert_int_eq(uploadread_open(r), ERR_NOT_FOUND);
	ck_assert(slice_is(uploadread_missing(r), name));
	uploadread_free(r);
}

START_TEST(pieces_make_a_file_that_is_read_once_it_is_complete)
{
	uint64_t next = 0;
	ck_assert(uploads_is_empty(u));
	ck_assert_int_eq(put(&j7, "a", 0, "hello ", false, &next), ERR_OK);
	ck_assert_uint_eq(next, 6);
	expect_none(&j7, "a");
	ck_assert_int_eq(put(&j7, "a", 6, "world", true, &next), ERR_OK);
	ck_assert_uint_eq(next, 11);
	expect(&j7, "a", "<hello world>");
	expect_none(&v7, "a");
	ck_assert(!uploads_is_empty(u));
}
END_TEST

START_TEST(a_piece_sent_again_changes_nothing)
{
	uint64_t next = 0;
	put(&j7, "a", 0, "hello ", false, &next);
	ck_assert_int_eq(put(&j7, "a", 0, "hello ", false, &next), ERR_OK);
	ck_assert_uint_eq(next, 6);
	ck_assert_int_eq(put(&j7, "a", 3, "lo world", true, &next), ERR_OK);
	ck_assert_int_eq(put(&j7, "a", 3, "lo world", true, &next), ERR_OK);
	ck_assert_uint_eq(next, 11);
	expect(&j7, "a", "<hello world>");
}
END_TEST

START_TEST(a_gap_is_refused_and_says_where_to_go_on)
{
	uint64_t next = 0;
	put(&j7, "a", 0, "hello", false, &next);
	ck_assert_int_eq(put(&j7, "a", 7, "x", false, &next), ERR_CONFLICT);
	ck_assert_uint_eq(next, 5);
}
END_TEST

START_TEST(an_empty_upload_is_an_empty_file)
{
	uint64_t next = 1;
	ck_assert_int_eq(put(&j7, "a", 0, "", true, &next), ERR_OK);
	ck_assert_uint_eq(next, 0);
	expect(&j7, "a", "<>");
}
END_TEST

START_TEST(names_cannot_leave_their_place)
{
	static const char *const bad[] = {"", "a/b", "../a", "/etc/passwd"};
	uint64_t next = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(put(&j7, bad[i], 0, "x", true, &next), ERR_INVALID);
	ck_assert_int_eq(put(&j7, "..", 0, "x", true, &next), ERR_OK);
	expect(&j7, "..", "<x>");
}
END_TEST

START_TEST(they_go_with_their_job)
{
	uint64_t next = 0;
	put(&j7, "a", 0, "x", true, &next);
	put(&v7, "a", 0, "y", true, &next);
	uploads_forget(u, &j7);
	expect_none(&j7, "a");
	expect(&v7, "a", "<y>");
	uploads_forget(u, &v7);
	ck_assert(uploads_is_empty(u));
}
END_TEST

START_TEST(after_a_restart_those_of_open_jobs_are_left)
{
	uint64_t next = 0;
	put(&j7, "a", 0, "x", true, &next);
	put(&j7, "b", 0, "half", false, &next);
	put(&v7, "a", 0, "y", true, &next);
	open_it(0, &j7);
	expect(&j7, "a", "<x>");
	expect_none(&v7, "a");
	ck_assert_int_eq(put(&j7, "b", 4, " done", true, &next), ERR_OK);
	expect(&j7, "b", "<half done>");
}
END_TEST

START_TEST(all_together_are_bounded)
{
	uint64_t next = 0;
	open_it(4, NULL);
	ck_assert_int_eq(put(&j7, "a", 0, "abc", true, &next), ERR_OK);
	ck_assert_int_eq(put(&j7, "b", 0, "de", true, &next), ERR_FULL);
	uploads_forget(u, &j7);
	ck_assert_int_eq(put(&j7, "b", 0, "de", true, &next), ERR_OK);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("uploads");
	TCase *tc = tcase_create("uploads");
	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, pieces_make_a_file_that_is_read_once_it_is_complete);
	tcase_add_test(tc, a_piece_sent_again_changes_nothing);
	tcase_add_test(tc, a_gap_is_refused_and_says_where_to_go_on);
	tcase_add_test(tc, an_empty_upload_is_an_empty_file);
	tcase_add_test(tc, names_cannot_leave_their_place);
	tcase_add_test(tc, they_go_with_their_job);
	tcase_add_test(tc, after_a_restart_those_of_open_jobs_are_left);
	tcase_add_test(tc, all_together_are_bounded);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
