/* Promises of job/done: what a commit finished reads back as it was written. */
#include "job/done.h"

#include <check.h>
#include <stdlib.h>

static void add(struct done_list *d, const char *path, struct done_mark m)
{
	ck_assert_int_eq(done_add(d, slice_of(path), &m), ERR_OK);
}

static void writes(struct done_list *d, const char *text)
{
	struct bytes b = BYTES_LIMIT(1 << 16);
	ck_assert_int_eq(done_write(d, &b), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), text);
	bytes_fini(&b);
}

static enum err show(void *ctx, struct slice path, uint64_t from, uint64_t to,
		     const struct done_mark *how)
{
	return bytes_printf(ctx, "[%.*s %lu %lu %s h%u f%u]", (int)path.n, path.p, from, to,
			    kind_name(how->kind), how->n_handled, how->n_failed);
}

START_TEST(runs_of_good_items_become_ranges_whatever_their_order)
{
	struct done_list d = {0};
	for (uint64_t i = 0; i < 5; i++)
		add(&d, "0", (struct done_mark){.index = (i * 3 + 1) % 5});
	add(&d, "0", (struct done_mark){.index = 9});
	writes(&d, "0 0-4,9");
	writes(&d, "");
	done_fini(&d);
}
END_TEST

START_TEST(how_an_item_ended_is_told_with_it)
{
	struct done_list d = {0};
	add(&d, "0.1", (struct done_mark){.index = 1, .kind = KIND_STATUS, .n_failed = 1});
	add(&d, "0.1", (struct done_mark){.index = 2, .kind = KIND_CANCELLED});
	add(&d, "0.1", (struct done_mark){.index = 3, .n_handled = 2});
	add(&d, "0", (struct done_mark){.index = 7});
	writes(&d, "0.1 1!status:f1,2~,3+:h2 0 7");
	done_fini(&d);
}
END_TEST

START_TEST(what_was_written_reads_back)
{
	struct bytes b = BYTES_LIMIT(1 << 16);
	ck_assert_int_eq(done_read(SLICE_LIT("0.1 1!status:f1,2~,3+:h2 0 7-9"), show, &b), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), "[0.1 1 2 status h0 f1][0.1 2 3 cancelled h0 f0]"
					 "[0.1 3 4  h2 f0][0 7 10  h0 f0]");
	bytes_fini(&b);
}
END_TEST

START_TEST(other_text_is_refused)
{
	static const char *const bad[] = {"0",	  "0 ",	    "0 x",   "0 1-",	"0 3-1",
					  "0 1!", "0 1!no", "0 1~x", "0 1+:q1", "0 1+:h"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bytes b = BYTES_LIMIT(1 << 16);
		ck_assert_msg(done_read(slice_of(bad[i]), show, &b) == ERR_INVALID, "%s", bad[i]);
		bytes_fini(&b);
	}
}
END_TEST

START_TEST(a_tally_reads_back)
{
	struct done_tally t = {0}, back = {0};
	struct bytes b = BYTES_LIMIT(1 << 16);
	done_tally_add(&t, 10, &(struct done_mark){.kind = KIND_NONE, .n_handled = 1});
	done_tally_add(&t, 2, &(struct done_mark){.kind = KIND_READ_TIMEOUT, .n_failed = 1});
	done_tally_add(&t, 1, &(struct done_mark){.kind = KIND_CANCELLED});
	done_tally_write(&t, &b);
	ck_assert_str_eq(bytes_cstr(&b), "ok=10,-=1,h=10,f=2,read.timeout=2");
	ck_assert_int_eq(done_tally_read(&back, bytes_slice(&b)), ERR_OK);
	ck_assert_mem_eq(&t, &back, sizeof(t));
	ck_assert_uint_eq(done_tally_failed(&back), 2);
	ck_assert_int_eq(done_tally_read(&back, SLICE_LIT("what=1")), ERR_INVALID);
	bytes_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("done");
	TCase *t = tcase_create("done");
	tcase_add_test(t, runs_of_good_items_become_ranges_whatever_their_order);
	tcase_add_test(t, how_an_item_ended_is_told_with_it);
	tcase_add_test(t, what_was_written_reads_back);
	tcase_add_test(t, other_text_is_refused);
	tcase_add_test(t, a_tally_reads_back);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
