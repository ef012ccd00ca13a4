/*
 * muster_core -- what the actor runtime does per second on one shard, answers checked.
 *
 *	muster_core [case ...]     prints: case  best and median of the runs, in M/s or ns
 *
 * Cases: pingpong, ring1, ring503, fanin, spawn, idle, group, cancel, handoff, timers.
 */
#include "base/check.h"
#include "run/group.h"
#include "run/shard.h"
#include "run/sync.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 5 };

static int64_t mono(void *ctx)
{
	(void)ctx;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void poll_nothing(void *ctx, int64_t timeout_ns)
{
	(void)ctx;
	(void)timeout_ns;
}

static void wake_nobody(void *ctx)
{
	(void)ctx;
}

static const struct clock real_clock = {.mono_ns = mono, .boot_ns = mono, .wall_ns = mono};
static const struct act_loop no_loop = {.poll = poll_nothing, .wake = wake_nobody};

static act_shard *shard(void *user)
{
	act_shard *sh = act_shard_new(&(struct act_shard_opts){
		.clock = &real_clock, .loop = &no_loop, .user = user, .slow_turn_ns = -1});
	CHECK(sh != NULL);
	return sh;
}

static void run_dry(act_shard *sh)
{
	while (act_shard_turn(sh))
		continue;
}

/* ---- a token through actors: ping-pong and rings ---- */

struct hop {
	act_id next;
	uint64_t *n_done;
};

static int hop_init(act_self *self, void *state, const void *arg)
{
	(void)self;
	*(struct hop *)state = *(const struct hop *)arg;
	return ACT_OK;
}

static int hop_msg(act_self *self, void *state, act_msg *m)
{
	struct hop *h = state;
	if (m->type != 0) {
		h->next = m->word[0];
		return ACT_OK;
	}
	uint64_t left = m->word[0];
	if (left == 0) {
		++*h->n_done;
		return ACT_OK;
	}
	left--;
	return act_send(self, h->next, 0, &left, sizeof(left));
}

static const act_class hop = {
	.name = "hop", .state_size = sizeof(struct hop), .init = hop_init, .on_msg = hop_msg};

static double run_ring(unsigned n, unsigned tokens, uint64_t hops)
{
	uint64_t n_done = 0;
	act_shard *sh = shard(NULL);
	act_self *root = act_shard_root(sh);
	struct hop h = {.n_done = &n_done};
	const struct act_opts room = {.cap = 1024};
	act_id first = act_spawn(root, &hop, &h, &room), last = first;
	h.next = first;
	for (unsigned i = 1; i < n; i++) {
		act_id a = act_spawn(root, &hop, &h, &room);
		act_send(root, last, 1, &a, sizeof(a));
		last = a;
	}
	run_dry(sh);
	uint64_t each = hops / tokens;
	for (unsigned i = 0; i < tokens; i++) {
		/* One token per actor when there are as many: ids are slots in order. */
		act_id to = first + ((uint64_t)(i % n) << 32);
		CHECK(act_send(root, to, 0, &each, sizeof(each)) == ACT_OK);
	}
	int64_t t = mono(NULL);
	run_dry(sh);
	t = mono(NULL) - t;
	CHECK(n_done == tokens);
	act_shard_free(sh);
	return (double)(each * tokens) * 1e3 / (double)t;
}

static double pingpong(void)
{
	return run_ring(2, 1, 20000000);
}

static double ring1(void)
{
	return run_ring(503, 1, 20000000);
}

static double ring503(void)
{
	return run_ring(503, 503, 40000000);
}

/* ---- fan-in: 100 senders that keep going, one bounded receiver ---- */

enum { SENDERS = 100, PER_SENDER = 200000 };

struct sender {
	act_id to;
	uint64_t left;
};

static int sender_init(act_self *self, void *state, const void *arg)
{
	*(struct sender *)state = *(const struct sender *)arg;
	act_more(self);
	return ACT_OK;
}

static int sender_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct sender *s = state;
	(void)sig;
	while (s->left > 0) {
		int rc = act_send(self, s->to, 0, &s->left, sizeof(s->left));
		if (rc == ACT_EFULL)
			return act_resume_when_free(self, s->to);
		s->left--;
	}
	return ACT_EXIT;
}

static int never(act_self *self, void *state, act_msg *m)
{
	(void)self;
	(void)state;
	(void)m;
	return ACT_OK;
}

static const act_class sender = {.name = "sender",
				 .state_size = sizeof(struct sender),
				 .init = sender_init,
				 .on_msg = never,
				 .on_signal = sender_signal};

static int sink_msg(act_self *self, void *state, act_msg *m)
{
	(void)m;
	uint64_t *n = state;
	++*n;
	*(uint64_t *)act_user(self) = *n;
	return ACT_OK;
}

static const act_class sink = {.name = "sink", .state_size = sizeof(uint64_t), .on_msg = sink_msg};

static double fanin(void)
{
	uint64_t got = 0;
	act_shard *sh = shard(&got);
	act_self *root = act_shard_root(sh);
	act_id to = act_spawn(root, &sink, NULL, &(struct act_opts){.cap = 1024});
	struct sender s = {.to = to, .left = PER_SENDER};
	for (unsigned i = 0; i < SENDERS; i++)
		act_spawn(root, &sender, &s, NULL);
	int64_t t = mono(NULL);
	run_dry(sh);
	t = mono(NULL) - t;
	CHECK(got == (uint64_t)SENDERS * PER_SENDER);
	act_shard_free(sh);
	return (double)got * 1e3 / (double)t;
}

/* ---- spawn, one message, exit ---- */

enum { SPAWNS = 5000000 };

static int mayfly_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	(void)m;
	++*(uint64_t *)act_user(self);
	return ACT_EXIT;
}

static const act_class mayfly = {.name = "mayfly", .on_msg = mayfly_msg};

static int breeder_signal(act_self *self, void *state, const struct act_sig *sig)
{
	uint64_t *left = state;
	(void)sig;
	for (int i = 0; i < 64 && *left > 0; i++, --*left) {
		act_id id = act_spawn(self, &mayfly, NULL, NULL);
		act_send(self, id, 0, left, sizeof(*left));
	}
	if (*left == 0)
		return ACT_EXIT;
	act_more(self);
	return ACT_OK;
}

static int breeder_init(act_self *self, void *state, const void *arg)
{
	*(uint64_t *)state = *(const uint64_t *)arg;
	act_more(self);
	return ACT_OK;
}

static const act_class breeder = {.name = "breeder",
				  .state_size = sizeof(uint64_t),
				  .init = breeder_init,
				  .on_msg = never,
				  .on_signal = breeder_signal};

static double spawn(void)
{
	uint64_t n = 0, want = SPAWNS;
	act_shard *sh = shard(&n);
	act_spawn(act_shard_root(sh), &breeder, &want, NULL);
	int64_t t = mono(NULL);
	run_dry(sh);
	t = mono(NULL) - t;
	CHECK(n == SPAWNS);
	act_shard_free(sh);
	return (double)SPAWNS * 1e3 / (double)t;
}

/* ---- bytes of an idle actor with 64 B of state ---- */

static int64_t resident(void)
{
	long pages = 0, rss = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	CHECK(f != NULL && fscanf(f, "%ld %ld", &pages, &rss) == 2);
	fclose(f);
	return (int64_t)rss * sysconf(_SC_PAGESIZE);
}

static double idle(void)
{
	enum { MANY = 1000000 };
	static const act_class still = {.name = "still", .state_size = 64, .on_msg = never};
	act_shard *sh = shard(NULL);
	int64_t before = resident();
	for (int i = 0; i < MANY; i++)
		CHECK(act_spawn(act_shard_root(sh), &still, NULL, NULL) != 0);
	int64_t after = resident();
	act_shard_free(sh);
	return (double)(after - before) / MANY;
}

/* ---- groups ---- */

enum { TASKS = 100000 };

struct leaf {
	act_co co;
	int rc;
};

static int quick_step(act_self *self, void *frame)
{
	(void)self;
	(void)frame;
	return ACT_EXIT;
}

static void clean(act_self *self, void *arg)
{
	(void)self;
	++*(uint64_t *)arg;
}

static int blocked_step(act_self *self, void *frame)
{
	struct leaf *l = frame;
	CO_BEGIN(&l->co);
	act_defer(self, clean, act_user(self));
	CO_AWAIT(&l->co, l->rc, act_sleep(self, 3600 * NS_PER_S));
	return l->rc;
	CO_END(&l->co);
}

struct trunk {
	act_co co;
	int rc;
	bool is_cancel;
	int64_t t, *took;
	act_group *g;
};

static int trunk_step(act_self *self, void *frame)
{
	struct trunk *t = frame;
	CO_BEGIN(&t->co);
	t->t = mono(NULL);
	t->g = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	for (uint64_t i = 0; i < TASKS; i++) {
		struct act_task_opts o = {.tag = i};
		CHECK(act_group_go(self, t->g, t->is_cancel ? blocked_step : quick_step,
				   sizeof(struct leaf), &o) == ACT_OK);
	}
	if (t->is_cancel) {
		CO_AWAIT(&t->co, t->rc, act_sleep(self, NS_PER_MS));
		t->t = mono(NULL);
		act_scope_cancel(self, act_group_scope(t->g), ACT_WHY_CANCEL, NULL);
	}
	CO_AWAIT(&t->co, t->rc, act_group_join(self, t->g));
	*t->took = mono(NULL) - t->t;
	act_group_close(self, t->g);
	CO_END(&t->co);
}

static double run_group(bool is_cancel)
{
	uint64_t n_clean = 0;
	int64_t took = 0, best = INT64_MAX;
	act_shard *sh = shard(&n_clean);
	for (int warm = 0; warm < 3; warm++) {
		struct trunk t = {.is_cancel = is_cancel, .took = &took};
		struct act_task_opts o = {.frame_init = &t, .frame_init_size = sizeof(t)};
		act_spawn_task(act_shard_root(sh), trunk_step, sizeof(t), &o);
		while (act_shard_live(sh) > 0)
			act_shard_turn(sh);
		if (took < best)
			best = took;
	}
	CHECK(n_clean == (is_cancel ? 3 * TASKS : 0));
	act_shard_free(sh);
	return (double)best / TASKS;
}

static double group(void)
{
	return run_group(false);
}

static double cancel(void)
{
	return run_group(true);
}

/* ---- semaphore hand-off ---- */

struct user {
	act_co co;
	int rc;
	int i;
	act_sem *sem;
};
enum { HANDOFFS = 1000 };

static int user_step(act_self *self, void *frame)
{
	struct user *u = frame;
	CO_BEGIN(&u->co);
	for (u->i = 0; u->i < HANDOFFS; u->i++) {
		CO_AWAIT(&u->co, u->rc, act_sem_acquire(self, u->sem, 1));
		CHECK(u->rc == ACT_OK);
		CO_AWAIT(&u->co, u->rc, act_yield(self));
		act_sem_release(self, u->sem, 1);
		++*(uint64_t *)act_user(self);
	}
	CO_END(&u->co);
}

static double handoff(void)
{
	enum { USERS = 1000 };
	uint64_t n = 0;
	act_shard *sh = shard(&n);
	struct user u = {.sem = act_sem_new(sh, ACT_SEM_OWNED, 10, 10)};
	struct act_task_opts o = {.frame_init = &u, .frame_init_size = sizeof(u)};
	for (int i = 0; i < USERS; i++)
		act_spawn_task(act_shard_root(sh), user_step, sizeof(u), &o);
	int64_t t = mono(NULL);
	run_dry(sh);
	t = mono(NULL) - t;
	CHECK(n == (uint64_t)USERS * HANDOFFS);
	act_sem_free(u.sem);
	act_shard_free(sh);
	return (double)t / (double)n;
}

struct bench_case {
	const char *name, *unit;
	double (*run)(void);
	bool is_more_better;
};

static const struct bench_case bench_case[] = {
	{"pingpong", "M msg/s", pingpong, true},
	{"ring1", "M msg/s", ring1, true},
	{"ring503", "M msg/s", ring503, true},
	{"fanin", "M msg/s", fanin, true},
	{"spawn", "M/s", spawn, true},
	{"idle", "B per actor with 64 B of state", idle, false},
	{"group", "ns per task", group, false},
	{"cancel", "ns per task", cancel, false},
	{"handoff", "ns", handoff, false},
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(bench_case) / sizeof(*bench_case); i++) {
		const struct bench_case *c = &bench_case[i];
		double v[RUNS];
		if (!is_wanted(c->name, argc, argv))
			continue;
		for (int r = 0; r < RUNS; r++)
			v[r] = c->run();
		qsort(v, RUNS, sizeof(*v), by_value);
		printf("%-10s best %8.1f  median %8.1f  %s\n", c->name,
		       c->is_more_better ? v[RUNS - 1] : v[0], v[RUNS / 2], c->unit);
	}
	return 0;
}
