/* Promises of job/cursor: what is done is remembered in O(window), in whatever order it came. */
#include "job/cursor.h"

#include "base/rng.h"

#include <check.h>
#include <stdlib.h>

static void launch(struct cursor *c, uint64_t n)
{
	uint64_t index;
	for (uint64_t i = 0; i < n; i++)
		ck_assert_int_eq(cursor_launch(c, &index), ERR_OK);
}

static void done(struct cursor *c, uint64_t from, uint64_t to)
{
	ck_assert_int_eq(cursor_done(c, (struct cursor_range){from, to}), ERR_OK);
}

static void reads_as(const struct cursor *c, const char *text)
{
	struct bytes b = BYTES_LIMIT(1 << 20);
	cursor_write(c, &b);
	ck_assert_str_eq(bytes_cstr(&b), text);
	bytes_fini(&b);
}

START_TEST(the_watermark_stands_at_the_first_open_item)
{
	struct cursor c;
	cursor_init(&c);
	launch(&c, 5);
	ck_assert_uint_eq(cursor_watermark(&c), 0);
	done(&c, 1, 2);
	ck_assert_uint_eq(cursor_watermark(&c), 0);
	done(&c, 0, 1);
	ck_assert_uint_eq(cursor_watermark(&c), 2);
	done(&c, 2, 5);
	ck_assert_uint_eq(cursor_watermark(&c), 5);
	cursor_fini(&c);
}
END_TEST

START_TEST(one_stuck_item_costs_one_gap)
{
	struct cursor c;
	cursor_init(&c);
	launch(&c, 1);
	for (uint64_t i = 1; i < 100000; i++) {
		launch(&c, 1);
		done(&c, i, i + 1);
	}
	reads_as(&c, "100000;0");
	ck_assert(!cursor_is_done(&c, 0));
	ck_assert(cursor_is_done(&c, 99999));
	ck_assert(!cursor_is_done(&c, 100000));
	cursor_fini(&c);
}
END_TEST

START_TEST(a_range_ahead_of_next_leaves_gaps_behind_it)
{
	struct cursor c;
	cursor_init(&c);
	done(&c, 3, 5);
	reads_as(&c, "5;0-2");
	done(&c, 1, 2);
	reads_as(&c, "5;0,2");
	cursor_fini(&c);
}
END_TEST

START_TEST(a_snapshot_and_later_ranges_in_any_order_give_the_same_cursor)
{
	struct rng r;
	rng_seed(&r, 7);
	for (int round = 0; round < 200; round++) {
		struct cursor live, back;
		struct bytes snap = BYTES_LIMIT(1 << 20);
		uint64_t order[64];
		cursor_init(&live);
		cursor_init(&back);
		launch(&live, 64);
		for (uint64_t i = 0; i < 64; i++)
			order[i] = i;
		for (uint64_t i = 63; i > 0; i--) {
			uint64_t j = rng_below(&r, i + 1), t = order[i];
			order[i] = order[j];
			order[j] = t;
		}
		for (int i = 0; i < 20; i++)
			done(&live, order[i], order[i] + 1);
		cursor_write(&live, &snap);
		ck_assert_int_eq(cursor_read(&back, bytes_slice(&snap)), ERR_OK);
		for (int i = 20; i < 50; i++)
			done(&live, order[i], order[i] + 1);
		for (int i = 49; i >= 20; i--)
			done(&back, order[i], order[i] + 1);
		bytes_clear(&snap);
		cursor_write(&live, &snap);
		reads_as(&back, bytes_cstr(&snap));
		bytes_fini(&snap);
		cursor_fini(&live);
		cursor_fini(&back);
	}
}
END_TEST

START_TEST(text_that_write_cannot_have_made_is_refused)
{
	static const char *const bad[] = {"",
					  "x",
					  "5;",
					  "5;5",
					  "5;3,2",
					  "5;2-1",
					  "5;1-9",
					  "5,1",
					  "5;1;2",
					  "5;1,",
					  "-1",
					  "5;1 ",
					  "99999999999999999999"};
	struct cursor c;
	cursor_init(&c);
	launch(&c, 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(cursor_read(&c, slice_of(bad[i])), ERR_INVALID);
	reads_as(&c, "2;0-1");
	cursor_fini(&c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cursor");
	TCase *t = tcase_create("cursor");
	tcase_add_test(t, the_watermark_stands_at_the_first_open_item);
	tcase_add_test(t, one_stuck_item_costs_one_gap);
	tcase_add_test(t, a_range_ahead_of_next_leaves_gaps_behind_it);
	tcase_add_test(t, a_snapshot_and_later_ranges_in_any_order_give_the_same_cursor);
	tcase_add_test(t, text_that_write_cannot_have_made_is_refused);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
