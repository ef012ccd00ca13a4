/*
 * No wake-up is lost between shards that fall asleep all the time. The loop between them is a flag
 * that is waited for without the kernel, so that ten million trials take seconds. There is one
 * message, so nothing else wakes who was forgotten: who waits for ten seconds. Each shard has a
 * processor, and whoever wakes the other dawdles before it falls asleep itself: about as long as
 * the other needs to answer, so that the answer meets every point of falling asleep.
 * LOST_WAKE_TRIALS in the environment changes the number.
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

enum { TOKEN = 1, SPINS = 20000, DAWDLE = 4096 };
#define TRIALS	  300000
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
	struct rng rng; /* of whoever wakes it: the other shard */
	_Alignas(64) int is_woken;
};

struct pair {
	act_mesh *mesh;
	act_shard *sh[2];
	struct flag_loop flag[2];
	act_id relay[2];
	_Alignas(64) uint64_t n_left;
};

struct side {
	act_shard *sh;
	unsigned no;
};

static void wake(void *ctx)
{
	struct flag_loop *f = ctx;
	__atomic_store_n(&f->is_woken, 1, __ATOMIC_SEQ_CST);
	for (uint64_t i = rng_u64(&f->rng) % DAWDLE; i > 0; i--)
		__asm__ volatile("");
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
	return act_send(self, p->relay[1 - here], TOKEN, NULL, 0);
}

static const act_class relay = {.name = "relay", .on_msg = relay_msg};

/* Where there are two processors, each thread has one: without, nothing happens at once. */
static void take_a_processor(unsigned no)
{
	cpu_set_t may, one;
	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(may), &may) != 0 || CPU_COUNT(&may) < 2)
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &may) && no-- == 0)
			CPU_SET(cpu, &one);
	pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
}

static void *live(void *arg)
{
	struct side *side = arg;
	take_a_processor(side->no);
	act_shard_run(side->sh, false);
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
		rng_seed(&p->flag[i].rng, i + 1);
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

START_TEST(no_wakeup_is_lost_between_shards_that_fall_asleep)
{
	struct pair p;
	pthread_t t[2];
	act_stats s[2];
	open_pair(&p);
	act_send(act_shard_root(p.sh[0]), p.relay[0], TOKEN, NULL, 0);
	struct side side[2] = {{p.sh[0], 0}, {p.sh[1], 1}};
	for (unsigned i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, live, &side[i]), 0);
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
	tcase_set_timeout(t, 120 + (double)trials() / 10000);
	tcase_add_test(t, no_wakeup_is_lost_between_shards_that_fall_asleep);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
