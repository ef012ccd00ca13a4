/* Promises of job/tail: followers get whole lines, in order, as many as fit and never less than
 * one. */
#include "job/tail.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* n lines "S…" of about `width` bytes each, from t->next on. */
static void push(struct tail *t, uint32_t n, int width)
{
	struct bytes b = BYTES_LIMIT(16 << 20);
	for (uint32_t i = 0; i < n; i++)
		bytes_printf(&b, "%0*lu\n", width, t->next + i);
	tail_push(t, n, bytes_slice(&b));
	bytes_fini(&b);
}

static struct tail_cut measured(const struct tail *t, uint64_t after, uint32_t max, size_t bytes)
{
	struct tail_cut cut = {.after = after, .max = max, .max_bytes = bytes};
	ck_assert(tail_measure(t, &cut));
	return cut;
}

static void reads_as(const struct tail *t, const struct tail_cut *cut, const char *text)
{
	struct bytes b = BYTES_LIMIT(1 << 20);
	ck_assert_int_eq(tail_write(t, cut, &b), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), text);
	bytes_fini(&b);
}

START_TEST(lines_come_verbatim_over_chunks)
{
	struct tail t;
	tail_init(&t);
	push(&t, 2, 1);
	push(&t, 3, 1);
	struct tail_cut cut = measured(&t, 1, 3, 100);
	ck_assert_uint_eq(cut.n, 3);
	reads_as(&t, &cut, "2,\n3,\n4");
	cut = measured(&t, 0, 0, 100);
	reads_as(&t, &cut, "1,\n2,\n3,\n4,\n5");
	ck_assert(!cut.is_full);
	cut = measured(&t, 5, 0, 100);
	ck_assert_uint_eq(cut.n, 0);
	tail_fini(&t);
}
END_TEST

START_TEST(one_line_comes_whatever_its_size_and_no_second_beyond_the_bytes)
{
	struct tail t;
	tail_init(&t);
	push(&t, 3, 100);
	struct tail_cut cut = measured(&t, 0, 0, 1);
	ck_assert_uint_eq(cut.n, 1);
	ck_assert(cut.is_full);
	cut = measured(&t, 0, 0, 202);
	ck_assert_uint_eq(cut.n, 2);
	tail_fini(&t);
}
END_TEST

START_TEST(memory_is_bounded_and_what_was_dropped_is_not_in_it)
{
	struct tail t;
	tail_init(&t);
	for (int i = 0; i < 40; i++)
		push(&t, 100, 1000);
	ck_assert_uint_le(t.n_bytes, TAIL_BYTES);
	struct tail_cut cut = {.after = 0, .max_bytes = 1000};
	ck_assert(!tail_measure(&t, &cut));
	cut.after = t.cold_next - 1;
	ck_assert(tail_measure(&t, &cut));
	ck_assert_uint_eq(tail_unacked(&t), 40u * 100 * 1001);
	tail_fini(&t);
}
END_TEST

START_TEST(acknowledged_lines_do_not_count)
{
	struct tail t;
	tail_init(&t);
	for (int i = 0; i < 20; i++)
		push(&t, 100, 1000);
	tail_ack(&t, 1000);
	ck_assert_uint_le(tail_unacked(&t), 1001u * 1000 + 2000);
	ck_assert_uint_ge(tail_unacked(&t), 1001u * 1000 - 2000);
	tail_ack(&t, 500);
	ck_assert_uint_eq(t.acked, 1000);
	tail_ack(&t, 99999);
	ck_assert_uint_eq(tail_unacked(&t), 0);
	tail_fini(&t);
}
END_TEST

START_TEST(lines_out_of_stored_chunks_are_cut_the_same_way)
{
	struct tail_cut cut = {.after = 4, .max = 3, .max_bytes = 100};
	struct bytes b = BYTES_LIMIT(1 << 10);
	bool is_first = true;
	tail_measure_text(SLICE_LIT("4\n5\n6\n"), 4, &cut);
	tail_measure_text(SLICE_LIT("7\n8\n"), 7, &cut);
	ck_assert_uint_eq(cut.n, 3);
	tail_write_text(SLICE_LIT("4\n5\n6\n"), 4, &cut, &is_first, &b);
	tail_write_text(SLICE_LIT("7\n8\n"), 7, &cut, &is_first, &b);
	ck_assert_str_eq(bytes_cstr(&b), "5,\n6,\n7");
	bytes_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tail");
	TCase *t = tcase_create("tail");
	tcase_add_test(t, lines_come_verbatim_over_chunks);
	tcase_add_test(t, one_line_comes_whatever_its_size_and_no_second_beyond_the_bytes);
	tcase_add_test(t, memory_is_bounded_and_what_was_dropped_is_not_in_it);
	tcase_add_test(t, acknowledged_lines_do_not_count);
	tcase_add_test(t, lines_out_of_stored_chunks_are_cut_the_same_way);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
