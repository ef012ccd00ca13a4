#include "tests/sim/simseed.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned long n_schedules, first_seed = 1;
static uint64_t now_at_seed;

unsigned long simseed_count(void)
{
	return n_schedules;
}

uint64_t simseed_now(void)
{
	return now_at_seed;
}

void simseed_set(uint64_t seed)
{
	now_at_seed = seed;
}

bool simseed_is_told(void)
{
	return getenv("SIM_LOG") != NULL;
}

void simseed_show(const char *what, struct slice text)
{
	if (simseed_is_told())
		fprintf(stderr, "%s %.*s\n", what, (int)text.n, text.p);
}

void simseed_abort(const char *what, struct slice text)
{
	ck_abort_msg("seed %llu: %s: %.*s", (unsigned long long)now_at_seed, what, (int)text.n,
		     text.p);
	abort();
}

static void name_seed(int sig)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "failing seed: %llu\n",
			 (unsigned long long)now_at_seed);
	if (n > 0 && write(2, text, (size_t)n) < 0)
		_exit(2);
	signal(sig, SIG_DFL);
	raise(sig);
}

void simseed_each(simseed_run run)
{
	uint64_t all = 0;
	signal(SIGABRT, name_seed);
	signal(SIGSEGV, name_seed);
	for (unsigned long i = 0; i < n_schedules; i++) {
		now_at_seed = first_seed + i;
		uint64_t a = run(now_at_seed), b = run(now_at_seed);
		SIM_EXPECT(a == b);
		all = all * 31 + a;
	}
	printf("schedules=%lu seed=%lu trace=%016llx\n", n_schedules, first_seed,
	       (unsigned long long)all);
}

static void read_arguments(int argc, char **argv)
{
	const char *wanted = getenv("SIM_SCHEDULES");
	if (wanted != NULL && strtoul(wanted, NULL, 10) > 0)
		n_schedules = strtoul(wanted, NULL, 10);
	for (int i = 1; i + 1 < argc; i += 2) {
		unsigned long v = strtoul(argv[i + 1], NULL, 10);
		if (strcmp(argv[i], "--schedules") == 0)
			n_schedules = v;
		else if (strcmp(argv[i], "--seed") == 0)
			first_seed = v;
	}
}

int simseed_main(int argc, char **argv, const char *name, unsigned long n_default,
		 const TTest *const *test, size_t n)
{
	n_schedules = n_default;
	read_arguments(argc, argv);
	Suite *s = suite_create(name);
	for (size_t i = 0; i < n; i++) { /* each to be chosen by CK_RUN_CASE */
		TCase *t = tcase_create(test[i]->name);
		tcase_set_timeout(t, 7200); /* who runs it bounds it */
		tcase_add_test(t, test[i]);
		suite_add_tcase(s, t);
	}
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
