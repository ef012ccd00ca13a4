/* Promises of model/execenv: which variables a job may set for a program. */
#include "model/execenv.h"

#include <check.h>
#include <stdlib.h>

START_TEST(what_loads_other_code_is_denied)
{
	static const char *const bad[] = {"LD_PRELOAD", "LD_",	      "PATH",	       "BASH_ENV",
					  "ENV",	"PYTHONPATH", "NODE_OPTIONS",  "PERL5OPT",
					  "IFS",	"HOME",	      "GLIBC_TUNABLES"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!execenv_allowed(slice_of(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(what_only_begins_or_ends_like_it_is_allowed)
{
	static const char *const good[] = {"LANG", "TZ",      "PATHS", "MY_PATH", "TOKEN",
					   "LD",   "ENVIRON", "A",     "path",	  "HOMEPAGE"};
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(execenv_allowed(slice_of(good[i])), "%s", good[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("execenv");
	TCase *tc = tcase_create("names");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, what_loads_other_code_is_denied);
	tcase_add_test(tc, what_only_begins_or_ends_like_it_is_allowed);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
