/* What unfinished bodies promise: gone on with by a later life, or not there at all. */
#include "edge/bodykept.h"
#include "edge/failure.h"
#include "tests/kit/store_kit.h"

#include <check.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *dir;
static struct failure failure;
static struct bodydir *bodies;

static void open_bodies(void)
{
	const struct bodydir_options o = {
		.dir = dir, .name = "bodies", .is_durable = true, .failure = &failure};
	ck_assert_int_eq(bodydir_open(&o, &bodies), ERR_OK);
}

static void setup(void)
{
	dir = store_kit_dir();
	memset(&failure, 0, sizeof(failure));
	open_bodies();
}

static void teardown(void)
{
	bodydir_close(bodies);
	store_kit_remove(dir);
}

static struct bodyabout about(uint64_t job)
{
	return (struct bodyabout){.job = job,
				  .boot = 11,
				  .total = 10,
				  .path = SLICE_LIT("0.3"),
				  .url = SLICE_LIT("http://h/a?b=c"),
				  .etag = SLICE_LIT("\"v1\""),
				  .last_modified = SLICE_LIT("")};
}

static uint64_t leave(uint64_t job, const char *text)
{
	const struct bodyabout a = about(job);
	struct bodyfile *f;
	ck_assert_int_eq(bodykept_new(bodies, &a, &f), ERR_OK);
	ck_assert_int_eq(bodyfile_append(f, text, strlen(text)), ERR_OK);
	uint64_t id = bodyfile_id(f);
	bodyfile_leave(f);
	return id;
}

struct found {
	int n;
	uint64_t id, size, job;
	int64_t total;
	char texts[128];
};

static void on_found(void *ctx, uint64_t id, uint64_t size, const struct bodyabout *a)
{
	struct found *f = ctx;
	f->n++;
	f->id = id;
	f->size = size;
	f->job = a->job;
	f->total = a->total;
	snprintf(f->texts, sizeof(f->texts), "%.*s %.*s %.*s %.*s.", (int)a->path.n, a->path.p,
		 (int)a->url.n, a->url.p, (int)a->etag.n, a->etag.p, (int)a->last_modified.n,
		 a->last_modified.p);
}

static struct found load(uint64_t boot)
{
	struct found f = {.n = 0};
	ck_assert_int_eq(bodykept_load(bodies, boot, on_found, &f), ERR_OK);
	return f;
}

static int path_of(const char *form, uint64_t job, uint64_t id, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/bodies/kept/", dir);
	return n + snprintf(out + n, cap - (size_t)n, form, (unsigned long long)job,
			    (unsigned long long)id);
}

START_TEST(a_later_life_finds_it_and_what_it_is_about)
{
	uint64_t id = leave(7, "hello");
	bodydir_close(bodies);
	open_bodies();
	struct found f = load(11);
	ck_assert_int_eq(f.n, 1);
	ck_assert_uint_eq(f.id, id);
	ck_assert_uint_eq(f.size, 5);
	ck_assert_uint_eq(f.job, 7);
	ck_assert_int_eq(f.total, 10);
	ck_assert_str_eq(f.texts, "0.3 http://h/a?b=c \"v1\" .");
}
END_TEST

START_TEST(gone_on_with_it_is_one_body_with_one_hash)
{
	uint64_t id = leave(7, "hello"), size;
	uint8_t sum[BODY_SHA256], want[BODY_SHA256];
	struct bodyfile *f;
	struct bodyread *r;
	ck_assert_int_eq(bodykept_reopen(bodies, 7, id, 5, &f), ERR_OK);
	bodyfile_park(f);
	ck_assert_int_eq(bodyfile_append(f, "world", 5), ERR_OK);
	bodyfile_park(f);
	ck_assert_int_eq(bodyfile_finish(f, &size, sum), ERR_OK);
	bodyfile_free(f);
	SHA256((const unsigned char *)"helloworld", 10, want);
	ck_assert_mem_eq(sum, want, sizeof(want));
	ck_assert_uint_eq(size, 10);
	ck_assert_int_eq(bodyread_open(bodies, id, 10, sum, &r), ERR_OK);
	bodyread_close(r);
	ck_assert_int_eq(load(11).n, 0);
}
END_TEST

START_TEST(another_size_than_was_asked_for_is_corrupt_and_gone)
{
	uint64_t id = leave(7, "hello");
	struct bodyfile *f;
	ck_assert_int_eq(bodykept_reopen(bodies, 7, id, 4, &f), ERR_CORRUPT);
	ck_assert_int_eq(bodykept_reopen(bodies, 7, id, 5, &f), ERR_IO);
	ck_assert_int_eq(load(11).n, 0);
}
END_TEST

START_TEST(of_another_boot_it_is_not_believed)
{
	leave(7, "hello");
	ck_assert_int_eq(load(12).n, 0);
	ck_assert_int_eq(load(11).n, 0); /* it went */
}
END_TEST

START_TEST(a_text_cut_short_or_alone_goes_and_so_does_a_body_alone)
{
	char path[256];
	path_of("%llu-%llu.about", 7, leave(7, "hello"), path, sizeof(path));
	ck_assert_int_eq(truncate(path, 20), 0);
	path_of("%llu-%llu", 8, leave(8, "hello"), path, sizeof(path));
	ck_assert_int_eq(unlink(path), 0);
	path_of("%llu-%llu.about", 9, leave(9, "hello"), path, sizeof(path));
	ck_assert_int_eq(unlink(path), 0);
	leave(10, "");
	ck_assert_int_eq(load(11).n, 0);
	snprintf(path, sizeof(path), "%s/bodies/kept", dir);
	ck_assert_int_eq(rmdir(path), 0); /* nothing is left in it */
}
END_TEST

static bool is_seven(void *ctx, uint64_t job)
{
	(void)ctx;
	return job == 7;
}

START_TEST(those_of_ended_jobs_are_swept)
{
	uint64_t n = 0;
	leave(7, "a");
	leave(8, "b");
	leave(9, "c");
	ck_assert_int_eq(bodykept_sweep(bodies, is_seven, NULL, &n), ERR_OK);
	ck_assert_uint_eq(n, 2);
	struct found f = load(11);
	ck_assert_int_eq(f.n, 1);
	ck_assert_uint_eq(f.job, 7);
}
END_TEST

START_TEST(freed_unfinished_nothing_is_left)
{
	const struct bodyabout a = about(7);
	struct bodyfile *f;
	ck_assert_int_eq(bodykept_new(bodies, &a, &f), ERR_OK);
	bodyfile_free(f);
	ck_assert_int_eq(load(11).n, 0);
}
END_TEST

int main(void)
{
	const TTest *const all[] = {
		a_later_life_finds_it_and_what_it_is_about,
		gone_on_with_it_is_one_body_with_one_hash,
		another_size_than_was_asked_for_is_corrupt_and_gone,
		of_another_boot_it_is_not_believed,
		a_text_cut_short_or_alone_goes_and_so_does_a_body_alone,
		those_of_ended_jobs_are_swept,
		freed_unfinished_nothing_is_left,
	};
	Suite *s = suite_create("bodykept");
	TCase *tc = tcase_create("bodykept");
	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		tcase_add_test(tc, all[i]);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
