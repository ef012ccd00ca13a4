/* Promises of proto/runnerwire: what goes in comes out, and nothing else is believed. */
#include "proto/runnerwire.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const argv[] = {"/bin/echo", "", "two words", NULL};
static const char *const env[] = {"A=1", "B=", NULL};

static struct runnerwire_run a_run(void)
{
	return (struct runnerwire_run){.id = 0x1122334455667788u,
				       .timeout_ms = 5000,
				       .memory_bytes = 1u << 30,
				       .output_bytes = 4096,
				       .argv = argv,
				       .env = env,
				       .input = {"in\0put", 6}};
}

static struct runnerwire_frame only_frame(const struct bytes *b, size_t max)
{
	struct runnerwire_frame f;
	size_t need;
	ck_assert_int_eq(runnerwire_parse(b->p, b->n, max, &f, &need), ERR_OK);
	ck_assert_uint_eq(f.n_total, b->n);
	return f;
}

START_TEST(a_run_comes_back_as_it_was)
{
	struct bytes b = {.limit = 0};
	struct runnerwire_run in = a_run(), out;
	struct runnerwire_texts *texts = malloc(sizeof(*texts));
	ck_assert_int_eq(runnerwire_add_run(&b, &in), ERR_OK);
	struct runnerwire_frame f = only_frame(&b, RUNNERWIRE_RUN_MAX);
	ck_assert_int_eq(f.kind, RUNNERWIRE_RUN);
	ck_assert_int_eq(runnerwire_read_run(f.payload, texts, &out), ERR_OK);
	ck_assert(out.id == in.id && out.timeout_ms == 5000 && out.memory_bytes == 1u << 30);
	ck_assert_uint_eq(out.output_bytes, 4096);
	for (int i = 0; i < 3; i++)
		ck_assert_str_eq(out.argv[i], argv[i]);
	ck_assert_ptr_null(out.argv[3]);
	ck_assert_str_eq(out.env[0], "A=1");
	ck_assert_str_eq(out.env[1], "B=");
	ck_assert_ptr_null(out.env[2]);
	ck_assert_uint_eq(out.input.n, 6);
	ck_assert_mem_eq(out.input.p, "in\0put", 6);
	free(texts);
	bytes_fini(&b);
}
END_TEST

START_TEST(an_end_comes_back_as_it_was)
{
	struct bytes b = {.limit = 0};
	struct runnerwire_ended in = {.id = 7,
				      .how = RUNNERWIRE_SIGNALED,
				      .number = 9,
				      .err_cut = true,
				      .out = SLICE_LIT("out"),
				      .err_bytes = SLICE_LIT("")};
	struct runnerwire_ended out;
	ck_assert_int_eq(runnerwire_add_ended(&b, &in), ERR_OK);
	struct runnerwire_frame f = only_frame(&b, RUNNERWIRE_ENDED_MAX);
	ck_assert_int_eq(runnerwire_read_ended(f.payload, &out), ERR_OK);
	ck_assert(out.id == 7 && out.how == RUNNERWIRE_SIGNALED && out.number == 9);
	ck_assert(out.err_cut && !out.out_cut);
	ck_assert(slice_is(out.out, "out") && out.err_bytes.n == 0);
	bytes_fini(&b);
}
END_TEST

START_TEST(hello_and_cancel_come_back)
{
	struct bytes b = {.limit = 0};
	uint32_t version = 0;
	uint64_t id = 0;
	runnerwire_add_hello(&b);
	ck_assert_int_eq(runnerwire_read_hello(only_frame(&b, 4).payload, &version), ERR_OK);
	ck_assert_uint_eq(version, RUNNERWIRE_VERSION);
	bytes_clear(&b);
	runnerwire_add_cancel(&b, UINT64_MAX);
	ck_assert_int_eq(runnerwire_read_cancel(only_frame(&b, 8).payload, &id), ERR_OK);
	ck_assert(id == UINT64_MAX);
	bytes_fini(&b);
}
END_TEST

START_TEST(a_frame_is_whole_only_with_its_last_byte)
{
	struct bytes b = {.limit = 0};
	struct runnerwire_run run = a_run();
	struct runnerwire_frame f;
	runnerwire_add_run(&b, &run);
	for (size_t n = 0; n < b.n; n++) {
		size_t need = 0;
		ck_assert_int_eq(runnerwire_parse(b.p, n, RUNNERWIRE_RUN_MAX, &f, &need),
				 ERR_AGAIN);
		ck_assert_uint_gt(need, n);
		ck_assert_uint_le(need, b.n);
	}
	bytes_fini(&b);
}
END_TEST

START_TEST(a_payload_cut_or_stretched_anywhere_is_corrupt)
{
	struct bytes b = {.limit = 0}, e = {.limit = 0};
	struct runnerwire_run run = a_run(), r;
	struct runnerwire_ended ended = {
		.how = RUNNERWIRE_EXITED, .out = SLICE_LIT("o"), .err_bytes = SLICE_LIT("e")};
	struct runnerwire_ended d;
	struct runnerwire_texts *texts = malloc(sizeof(*texts));
	runnerwire_add_run(&b, &run);
	runnerwire_add_ended(&e, &ended);
	size_t n = b.n - RUNNERWIRE_HEAD, m = e.n - RUNNERWIRE_HEAD;
	bytes_add_byte(&b, 0);
	bytes_add_byte(&e, 0);
	for (size_t i = 0; i <= n + 1; i++)
		ck_assert_int_eq(
			runnerwire_read_run((struct slice){b.p + RUNNERWIRE_HEAD, i}, texts, &r),
			i == n ? ERR_OK : ERR_CORRUPT);
	for (size_t i = 0; i <= m + 1; i++)
		ck_assert_int_eq(
			runnerwire_read_ended((struct slice){e.p + RUNNERWIRE_HEAD, i}, &d),
			i == m ? ERR_OK : ERR_CORRUPT);
	free(texts);
	bytes_fini(&b);
	bytes_fini(&e);
}
END_TEST

START_TEST(any_byte_may_be_wrong)
{
	struct bytes b = {.limit = 0};
	struct runnerwire_run run = a_run(), r;
	struct runnerwire_texts *texts = malloc(sizeof(*texts));
	runnerwire_add_run(&b, &run);
	for (size_t i = RUNNERWIRE_HEAD; i < b.n; i++)
		for (int bit = 0; bit < 8; bit++) {
			b.p[i] = (char)(b.p[i] ^ (1 << bit));
			struct slice p = {b.p + RUNNERWIRE_HEAD, b.n - RUNNERWIRE_HEAD};
			if (runnerwire_read_run(p, texts, &r) == ERR_OK)
				for (size_t k = 0; r.argv[k] != NULL; k++)
					ck_assert_ptr_nonnull(memchr(
						r.argv[k], 0, (size_t)(b.p + b.n - r.argv[k])));
			b.p[i] = (char)(b.p[i] ^ (1 << bit));
		}
	free(texts);
	bytes_fini(&b);
}
END_TEST

START_TEST(lengths_are_bounded_before_they_are_believed)
{
	struct runnerwire_frame f;
	size_t need;
	ck_assert_int_eq(runnerwire_parse("\xff\xff\xff\xff\2", 5, RUNNERWIRE_RUN_MAX, &f, &need),
			 ERR_TOO_LARGE);
	ck_assert_int_eq(runnerwire_parse("\0\0\0\1\0", 5, 100, &f, &need), ERR_CORRUPT);
	ck_assert_int_eq(runnerwire_parse("\0\0\0\1\5", 5, 100, &f, &need), ERR_CORRUPT);
	ck_assert_int_eq(runnerwire_parse("", 0, 100, &f, &need), ERR_AGAIN);
	ck_assert_uint_eq(need, RUNNERWIRE_HEAD);
}
END_TEST

START_TEST(what_is_too_much_is_not_written)
{
	struct bytes b = {.limit = 0};
	struct runnerwire_run run = a_run();
	const char **many = calloc(RUNNERWIRE_TEXTS_MAX + 2, sizeof(*many));
	char *big = malloc(RUNNERWIRE_RUN_MAX);
	memset(big, 'x', RUNNERWIRE_RUN_MAX);
	for (size_t i = 0; i <= RUNNERWIRE_TEXTS_MAX; i++)
		many[i] = "a";
	run.argv = many;
	ck_assert_int_eq(runnerwire_add_run(&b, &run), ERR_TOO_LARGE);
	run.argv = argv;
	run.input = (struct slice){big, RUNNERWIRE_RUN_MAX};
	ck_assert_int_eq(runnerwire_add_run(&b, &run), ERR_TOO_LARGE);
	ck_assert_uint_eq(b.n, 0);
	free(many);
	free(big);
	bytes_fini(&b);
}
END_TEST

START_TEST(a_run_without_a_program_is_corrupt)
{
	static const char *const none[] = {NULL};
	struct bytes b = {.limit = 0};
	struct runnerwire_run run = a_run(), r;
	struct runnerwire_texts *texts = malloc(sizeof(*texts));
	run.argv = none;
	runnerwire_add_run(&b, &run);
	ck_assert_int_eq(runnerwire_read_run(only_frame(&b, RUNNERWIRE_RUN_MAX).payload, texts, &r),
			 ERR_CORRUPT);
	free(texts);
	bytes_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("runnerwire");
	TCase *tc = tcase_create("codec");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, a_run_comes_back_as_it_was);
	tcase_add_test(tc, an_end_comes_back_as_it_was);
	tcase_add_test(tc, hello_and_cancel_come_back);
	tcase_add_test(tc, a_frame_is_whole_only_with_its_last_byte);
	tcase_add_test(tc, a_payload_cut_or_stretched_anywhere_is_corrupt);
	tcase_add_test(tc, any_byte_may_be_wrong);
	tcase_add_test(tc, lengths_are_bounded_before_they_are_believed);
	tcase_add_test(tc, what_is_too_much_is_not_written);
	tcase_add_test(tc, a_run_without_a_program_is_corrupt);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
