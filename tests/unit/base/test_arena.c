/*
 * arena -- zeroed, aligned, bounded memory that is given back all at once.
 */
#include "base/arena.h"

#include <check.h>
#include <stdalign.h>
#include <string.h>

START_TEST(memory_is_zeroed_and_aligned)
{
	struct arena a;
	arena_init(&a, 0);
	for (size_t n = 0; n < 5000; n += 7) {
		unsigned char *p = arena_alloc(&a, n);
		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % alignof(max_align_t), 0);
		size_t n_set = 0;
		for (size_t i = 0; i < n; i++)
			n_set += p[i] != 0;
		ck_assert_uint_eq(n_set, 0);
		memset(p, 0xaa, n);
	}
	arena_fini(&a);
}
END_TEST

START_TEST(limit_is_kept_and_the_failure_sticks)
{
	struct arena a;
	arena_init(&a, 4096);
	ck_assert_ptr_nonnull(arena_alloc(&a, 1024));
	ck_assert_ptr_null(arena_alloc(&a, 4096));
	ck_assert_int_eq(a.err, ERR_TOO_LARGE);
	ck_assert_ptr_null(arena_alloc(&a, 1));
	ck_assert_uint_le(a.used, 4096);
	arena_fini(&a);
}
END_TEST

START_TEST(product_that_overflows_is_too_large)
{
	struct arena a;
	arena_init(&a, 0);
	ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 2, 3));
	ck_assert_int_eq(a.err, ERR_TOO_LARGE);
	arena_fini(&a);
}
END_TEST

START_TEST(copy_is_terminated_and_keeps_its_length)
{
	struct arena a;
	arena_init(&a, 0);
	struct slice s = arena_copy(&a, (struct slice){"a\0b", 3});
	ck_assert_uint_eq(s.n, 3);
	ck_assert_mem_eq(s.p, "a\0b\0", 4);
	s = arena_copy(&a, (struct slice){NULL, 0});
	ck_assert_str_eq(s.p, "");
	arena_fini(&a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("arena");
	TCase *tc = tcase_create("arena");
	tcase_add_test(tc, memory_is_zeroed_and_aligned);
	tcase_add_test(tc, limit_is_kept_and_the_failure_sticks);
	tcase_add_test(tc, product_that_overflows_is_too_large);
	tcase_add_test(tc, copy_is_terminated_and_keeps_its_length);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
