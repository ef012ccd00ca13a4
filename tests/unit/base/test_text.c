/* Promises of base/bytes, base/log and base/rng. */
#include "base/bytes.h"
#include "base/log.h"
#include "base/rng.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(bytes_stop_at_their_limit_and_keep_what_they_had)
{
	struct bytes b = BYTES_LIMIT(10);
	ck_assert_int_eq(bytes_add(&b, "12345678", 8), ERR_OK);
	ck_assert_int_eq(bytes_add(&b, "abc", 3), ERR_TOO_LARGE);
	ck_assert_int_eq(bytes_add(&b, "a", 1), ERR_TOO_LARGE); /* sticky */
	ck_assert(slice_is(bytes_slice(&b), "12345678"));
	bytes_clear(&b);
	ck_assert_int_eq(bytes_add_str(&b, "0123456789"), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), "0123456789");
	bytes_fini(&b);
}
END_TEST

START_TEST(bytes_write_the_extreme_numbers)
{
	struct bytes b = BYTES_LIMIT(0);
	bytes_add_i64(&b, INT64_MIN);
	bytes_add_byte(&b, ' ');
	bytes_add_i64(&b, INT64_MAX);
	bytes_add_byte(&b, ' ');
	bytes_add_u64(&b, UINT64_MAX);
	bytes_printf(&b, " %s-%d", "x", 5);
	ck_assert_str_eq(bytes_cstr(&b),
			 "-9223372036854775808 9223372036854775807 18446744073709551615 x-5");
	bytes_drop(&b, 21);
	ck_assert_int_eq(strncmp(bytes_cstr(&b), "9223372036854775807", 19), 0);
	size_t n = 0;
	char *stolen = bytes_steal(&b, &n);
	ck_assert_uint_eq(strlen(stolen), n);
	ck_assert_uint_eq(b.n, 0);
	free(stolen);
}
END_TEST

struct caught {
	char line[4096];
	int n;
};

static void catch_line(void *ctx, enum log_level level, const char *line, size_t n)
{
	struct caught *c = ctx;
	(void)level;
	ck_assert_uint_lt(n, sizeof(c->line));
	memcpy(c->line, line, n);
	c->line[n] = '\0';
	c->n++;
}

START_TEST(log_never_lets_a_stranger_start_a_line)
{
	struct caught c = {.n = 0};
	struct log l = {LOG_LEVEL_INFO, &c, catch_line};
	log_info(&l, "fetch", kv_s("url", "http://h/\r\nerror forged x=\"1\"\x1b[31m\xff"),
		 kv_i("status", -5), kv_s("plain", "abc"), kv_s("empty", ""));
	ck_assert_int_eq(c.n, 1);
	ck_assert_str_eq(
		c.line,
		"info fetch url=\"http://h/\\x0d\\x0aerror forged x=\\\"1\\\"\\x1b[31m\\xff\" "
		"status=-5 plain=abc empty=\"\"");
	log_debug(&l, "quiet", kv_i("n", 1));
	ck_assert_int_eq(c.n, 1);
	log_info(NULL, "nobody", kv_i("n", 1));
}
END_TEST

START_TEST(rng_repeats_from_a_seed_and_stays_below)
{
	struct rng a, b;
	int seen[7] = {0};
	rng_seed(&a, 9);
	rng_seed(&b, 9);
	for (int i = 0; i < 7000; i++) {
		uint64_t x = rng_below(&a, 7);
		ck_assert_uint_eq(x, rng_below(&b, 7));
		ck_assert_uint_lt(x, 7);
		seen[x]++;
		double u = rng_unit(&a);
		rng_unit(&b);
		ck_assert(u >= 0.0 && u < 1.0);
	}
	for (int i = 0; i < 7; i++)
		ck_assert_int_gt(seen[i], 800);
}
END_TEST

START_TEST(slices_compare_as_bytes_and_without_case)
{
	ck_assert(slice_eq_nocase(SLICE_LIT("Content-Type"), SLICE_LIT("content-type")));
	ck_assert(!slice_eq(SLICE_LIT("A"), SLICE_LIT("a")));
	ck_assert(slice_eq((struct slice){NULL, 0}, SLICE_LIT("")));
	ck_assert_str_eq(err_text(ERR_TOO_LARGE), "too large");
	ck_assert_str_eq(err_text((enum err)999), "unknown error");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base text");
	TCase *tc = tcase_create("all");
	tcase_add_test(tc, bytes_stop_at_their_limit_and_keep_what_they_had);
	tcase_add_test(tc, bytes_write_the_extreme_numbers);
	tcase_add_test(tc, log_never_lets_a_stranger_start_a_line);
	tcase_add_test(tc, rng_repeats_from_a_seed_and_stays_below);
	tcase_add_test(tc, slices_compare_as_bytes_and_without_case);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
