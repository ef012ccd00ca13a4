/* world -- one shard on a fake loop, for the unit tests of this floor. */
#pragma once

#include "run/shard.h"
#include "tests/kit/fakeloop.h"

#include <check.h>

struct world {
	struct fakeloop fake;
	act_shard *sh;
	act_self *root;
};

static inline void world_open_with(struct world *w, struct act_shard_opts opts)
{
	fakeloop_init(&w->fake);
	opts.clock = &w->fake.clock;
	opts.loop = &w->fake.loop;
	opts.user = opts.user != NULL ? opts.user : w;
	w->sh = act_shard_new(&opts);
	w->root = act_shard_root(w->sh);
}

static inline void world_open(struct world *w)
{
	world_open_with(w, (struct act_shard_opts){.seed = 1});
}

static inline void world_close(struct world *w)
{
	act_shard_free(w->sh);
	fakeloop_fini(&w->fake);
}

/* Turns until nothing is left to run now; time stands still. */
static inline void world_settle(struct world *w)
{
	while (act_shard_turn(w->sh))
		continue;
}

/* Turns for so much virtual time. */
static inline void world_run_for(struct world *w, int64_t ns)
{
	int64_t end = w->fake.now_ns + ns;
	world_settle(w);
	for (;;) {
		int64_t next = act_shard_next_timer_ns(w->sh);
		if (fakeloop_next_ns(&w->fake) < next)
			next = fakeloop_next_ns(&w->fake);
		if (next > end)
			break;
		if (next > w->fake.now_ns)
			w->fake.now_ns = next;
		world_settle(w);
	}
	w->fake.now_ns = end;
	world_settle(w);
}

/* One suite of one case; returns main's exit status. */
static inline int run_tests(const char *name, const TTest *const *tests, size_t n)
{
	Suite *s = suite_create(name);
	TCase *t = tcase_create(name);
	tcase_set_timeout(t, 60);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}

#define RUN_TESTS(name, ...)                                                                       \
	int main(void)                                                                             \
	{                                                                                          \
		const TTest *const tests[] = {__VA_ARGS__};                                        \
		return run_tests(name, tests, sizeof(tests) / sizeof(*tests));                     \
	}
