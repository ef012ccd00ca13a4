/*
 * Named points where a test build kills itself.
 */
#include "base/fault.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

START_TEST(only_known_names_and_counts_arm)
{
	static const char *const bad[] = {"",
					  "nothing",
					  "before_commi",
					  "before_commit2",
					  "before_commit:",
					  "before_commit:0",
					  "before_commit:-1",
					  "before_commit:2x",
					  "before_commit:1000001"};
	struct fault f = {0};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(fault_arm(&f, bad[i]), ERR_INVALID);
	ck_assert_int_eq(f.point, FAULT_NONE);
	ck_assert_int_eq(fault_arm(&f, "before_commit"), ERR_OK);
	ck_assert_int_eq(f.point, FAULT_before_commit);
	ck_assert_uint_eq(atomic_load(&f.left), 1);
	ck_assert_int_eq(fault_arm(&f, "mid_recovery:12"), ERR_OK);
	ck_assert_uint_eq(atomic_load(&f.left), 12);
}
END_TEST

START_TEST(it_fires_at_its_count_and_only_at_its_point)
{
	struct fault f = {0};

	fault_hit(NULL, FAULT_before_commit);
	fault_hit(&f, FAULT_before_commit);
	ck_assert_int_eq(fault_arm(&f, "before_commit:3"), ERR_OK);
	fault_hit(&f, FAULT_mid_recovery);
	fault_hit(&f, FAULT_before_commit);
	fault_hit(&f, FAULT_before_commit);
	ck_assert_uint_eq(atomic_load(&f.left), 1);
	fault_hit(&f, FAULT_before_commit);
	ck_abort_msg("it did not fire");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fault");
	TCase *t = tcase_create("points");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_test(t, only_known_names_and_counts_arm);
	tcase_add_test_raise_signal(t, it_fires_at_its_count_and_only_at_its_point, SIGKILL);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
