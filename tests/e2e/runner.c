/*
 * runner -- makes a counted Check test of every end-to-end case.
 *
 * The cases are Python functions (cases_*.py). `python3 tests/e2e/run.py --list` names them, one
 * process runs each, in a directory of its own that is removed when it passes.
 * usage: runner [PATTERN]     only cases whose name contains PATTERN
 * RELIABILITY=full in the environment: the cases of tests/reliability alone, in their long form.
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASES_MAX      1024
#define NAME_MAX_BYTES 160
#define CASE_SECONDS   180
#define LONG_SECONDS   1800

static char cases[CASES_MAX][NAME_MAX_BYTES];
static int n_cases;

static bool is_long(void)
{
	return getenv("RELIABILITY") != NULL;
}

static void list_cases(const char *pattern)
{
	FILE *list = popen(is_long() ? "python3 tests/e2e/run.py --list reliability"
				     : "python3 tests/e2e/run.py --list",
			   "r");
	char line[NAME_MAX_BYTES];
	while (list != NULL && fgets(line, sizeof(line), list) != NULL && n_cases < CASES_MAX) {
		line[strcspn(line, "\n")] = '\0';
		if (pattern == NULL || strstr(line, pattern) != NULL)
			memcpy(cases[n_cases++], line, sizeof(line));
	}
	if (list == NULL || pclose(list) != 0 || n_cases == 0) {
		fprintf(stderr, "no end-to-end case was listed\n");
		exit(1);
	}
}

START_TEST(case_passes)
{
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		execlp("python3", "python3", "tests/e2e/run.py", cases[_i], (char *)NULL);
		_exit(127);
	}
	int status = 0;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s failed", cases[_i]);
}
END_TEST

int main(int argc, char **argv)
{
	list_cases(argc > 1 ? argv[1] : NULL);
	Suite *suite = suite_create("end to end");
	TCase *tc = tcase_create("cases");
	tcase_set_timeout(tc, is_long() ? LONG_SECONDS : CASE_SECONDS);
	tcase_add_loop_test(tc, case_passes, 0, n_cases);
	suite_add_tcase(suite, tc);
	SRunner *sr = srunner_create(suite);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
