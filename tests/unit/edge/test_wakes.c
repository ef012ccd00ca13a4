/*
 * No wake-up is lost between shards that fall asleep all the time. The loop between them is a flag
 * that is waited for without the kernel, so that ten million trials take seconds; who waits for ten
 * seconds has been forgotten. LOST_WAKE_TRIALS in the environment changes the number.
 */
#include "base/rng.h"
#include "run/shard.h"
#include "run/stats.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TOKEN = 1, N_TOKENS = 2, SPINS = 300, LATER = 100 };
#define TRIALS	  1000000
#define FORGOTTEN (10 * NS_PER_S)

static int64_t mono(void *ctx)
{
	(void)ctx;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static const struct clock real_clock = {.mono_ns = mono, .boot_ns = mono, .wall_ns = mono};

struct flag_loop {
	struct act_loop loop;
	_Alignas(64) int is_woken;
};

struct pair {
	act_mesh *mesh;
	act_shard *sh[2];
	struct flag_loop flag[2];
	act_id relay[2];
	_Alignas(64) uint64_t n_left;
};

static void wake(void *ctx)
{
	__atomic_store_n(&((struct flag_loop *)ctx)->is_woken, 1, __ATOMIC_SEQ_CST);
}

static void poll_flag(void *ctx, int64_t timeout_ns)
{
	struct flag_loop *f = ctx;
	int64_t began = 0;
	if (timeout_ns == 0)
		return;
	for (unsigned i = 1; __atomic_exchange_n(&f->is_woken, 0, __ATOMIC_SEQ_CST) == 0; i++) {
		if (i % SPINS != 0)
			continue;
		if (began == 0)
			began = mono(NULL);
		ck_assert_msg(mono(NULL) - began < FORGOTTEN, "a wake-up was lost");
		sched_yield();
	}
}

static int relay_msg(act_self *self, void *state, act_msg *m)
{
	struct pair *p = act_user(self);
	unsigned here = (unsigned)(act_whoami(self) >> 56);
	(void)state;
	(void)m;
	if (__atomic_sub_fetch(&p->n_left, 1, __ATOMIC_RELAXED) == 0) {
		act_shard_ask_stop(p->sh[0]);
		act_shard_ask_stop(p->sh[1]);
		return ACT_OK;
	}
	/* A little later each time, so that the other side is met at each point of falling asleep.
	 */
	for (uint64_t i = rng_below(act_rng(self), LATER); i > 0; i--)
		__asm__ volatile("");
	return act_send(self, p->relay[1 - here], TOKEN, NULL, 0);
}

static const act_class relay = {.name = "relay", .on_msg = relay_msg};

static void *live(void *sh)
{
	act_shard_run(sh, false);
	return NULL;
}

static uint64_t trials(void)
{
	const char *wanted = getenv("LOST_WAKE_TRIALS");
	return wanted != NULL ? strtoull(wanted, NULL, 10) : TRIALS;
}

static void open_pair(struct pair *p)
{
	*p = (struct pair){.mesh = act_mesh_new(2), .n_left = trials()};
	for (unsigned i = 0; i < 2; i++) {
		p->flag[i].loop =
			(struct act_loop){.ctx = &p->flag[i], .poll = poll_flag, .wake = wake};
		p->sh[i] = act_shard_new(&(struct act_shard_opts){.clock = &real_clock,
								  .loop = &p->flag[i].loop,
								  .user = p,
								  .mesh = p->mesh,
								  .no = (uint8_t)i,
								  .seed = i + 1,
								  .turn_messages = 1,
								  .max_actors = 64});
		ck_assert_ptr_nonnull(p->sh[i]);
		p->relay[i] = act_spawn(act_shard_root(p->sh[i]), &relay, NULL, NULL);
	}
}

START_TEST(no_wakeup_is_lost_in_a_million_trials)
{
	struct pair p;
	pthread_t t[2];
	act_stats s[2];
	open_pair(&p);
	for (unsigned i = 0; i < N_TOKENS; i++)
		act_send(act_shard_root(p.sh[i % 2]), p.relay[i % 2], TOKEN, NULL, 0);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, live, p.sh[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < 2; i++)
		act_stats_read(p.sh[i], &s[i]);
	ck_assert_uint_ge(s[0].delivered + s[1].delivered, trials());
	/* They did sleep, and were woken: otherwise this was no trial. */
	ck_assert_uint_gt(s[0].sleeps + s[1].sleeps, trials() / 100);
	ck_assert_uint_gt(s[0].wakes + s[1].wakes, trials() / 1000);
	printf("trials=%llu sleeps=%llu wakes=%llu\n", (unsigned long long)trials(),
	       (unsigned long long)(s[0].sleeps + s[1].sleeps),
	       (unsigned long long)(s[0].wakes + s[1].wakes));
	for (unsigned i = 0; i < 2; i++)
		act_shard_free(p.sh[i]);
	act_mesh_free(p.mesh);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("wakes");
	TCase *t = tcase_create("wakes");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, no_wakeup_is_lost_in_a_million_trials);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
