/* What the limiter promises across restarts: a kill, a jump of the clock, another boot. */
#include "tests/unit/actor/limit_world.h"

enum { CLIENTS = 64, ARRIVALS = 40000 };

static struct limit_world lw;
static struct store *store;
static int64_t at[ARRIVALS];
static size_t n_at;

static void open_store(void)
{
	struct store_options o = {.kind = STORE_MEMORY};
	ck_assert_int_eq(store_open(&o, &store), ERR_OK);
	n_at = 0;
}

/* Clients that ask again and again until they are killed. */
struct greedy_frame {
	act_co co;
	int rc;
	act_msg *m;
};

static int greedy_step(act_self *self, void *frame)
{
	struct greedy_frame *f = frame;
	struct client *c = act_arg(self);
	CO_BEGIN(&f->co);
	act_defer(self, client_lost, c);
	for (;;) {
		CO_AWAIT(&f->co, f->rc,
			 limit_acquire(self, c->lw->limiter, limit_ticket_new(&c->ask), &f->m));
		if (f->rc != ACT_OK)
			return f->rc;
		c->ticket = limit_granted(f->m);
		act_drop(self, f->m);
		ck_assert_ptr_nonnull(c->ticket);
		ck_assert_uint_lt(n_at, ARRIVALS);
		at[n_at++] = act_now_ns(self);
		limit_release(self, c->lw->limiter, c->ticket, &c->outcome);
		c->ticket = NULL;
	}
	CO_END(&f->co);
}

static struct client greedy[CLIENTS];

static void start_greedy(bool is_own)
{
	for (int i = 0; i < CLIENTS; i++) {
		greedy[i] = client_of(&lw, "a");
		if (is_own) {
			greedy[i].ask.is_durable = true;
			greedy[i].ask.n_own = 1;
			greedy[i].ask.own[0] = (struct limit_own){.rate = {50, S}, .burst = 5};
		}
		struct act_task_opts o = {.name = "greedy", .arg = &greedy[i]};
		ck_assert_uint_ne(
			act_spawn_task(lw.w.root, greedy_step, sizeof(struct greedy_frame), &o), 0);
	}
}

/* Lives of random length, killed without a word, with a short time dead in between. */
static void live_and_die(const char *rules, bool is_own, int lives, int64_t most_ns, uint64_t seed)
{
	struct rng rng;
	int64_t now = 5 * S, wall = 1000000 * S;
	rng_seed(&rng, seed);
	for (int i = 0; i < lives; i++) {
		limit_open_at(&lw, rules, store, now, wall, 77);
		start_greedy(is_own);
		world_run_for(&lw.w, (int64_t)rng_below(&rng, (uint64_t)most_ns));
		wall += ((int64_t)rng_below(&rng, 7200) - 3600) * S; /* somebody sets the clock */
		now = lw.w.fake.now_ns + (int64_t)rng_below(&rng, 20 * MS);
		lw.w.fake.wall_offset_ns = wall;
		limit_close(&lw);
	}
}

static const struct {
	const char *rules;
	int64_t n, per_ns, burst;
	bool is_own;
	int64_t life_ns;
} rows[] = {
	{"[{\"key\":\"k\",\"rate\":\"500/s\"}]", 500, S, 1, false, S},
	{"[{\"key\":\"k\",\"rate\":\"100/s\",\"burst\":20}]", 100, S, 20, false, S},
	{"[{\"key\":\"k\",\"rate\":\"3/s\",\"burst\":3}]", 3, S, 3, false, 2 * S},
	{"[{\"key\":\"k\",\"rate\":\"1/10s\"}]", 1, 10 * S, 1, false, 30 * S},
	{"[{\"key\":\"k\",\"concurrency\":9}]", 50, S, 5, true, S},
};

START_TEST(no_kill_and_no_clock_refills_a_bucket)
{
	open_store();
	live_and_die(rows[_i].rules, rows[_i].is_own, 50, rows[_i].life_ns, (uint64_t)_i + 1);
	ck_assert_uint_gt(n_at, 10);
	check_rate(at, n_at, rows[_i].n, rows[_i].per_ns, rows[_i].burst);
	store_close(store);
}
END_TEST

START_TEST(no_kill_refills_a_quota)
{
	open_store();
	live_and_die("[{\"key\":\"k\",\"quota\":[\"20/10s\",\"50/m\"],\"concurrency\":5}]", false,
		     60, 8 * S, 9);
	ck_assert_uint_gt(n_at, 100);
	ck_assert_int_le(most_within(at, n_at, 10 * S), 20);
	ck_assert_int_le(most_within(at, n_at, 60 * S), 50);
	store_close(store);
}
END_TEST

/* What a kill costs is half a second of the rate, or one token. */
START_TEST(a_kill_costs_at_most_half_a_second)
{
	open_store();
	for (int i = 0; i < 20; i++) {
		limit_open_at(&lw, "[{\"key\":\"k\",\"rate\":\"100/s\"}]", store, S + i * 2 * S, 0,
			      77);
		size_t before = n_at;
		start_greedy(false);
		world_run_for(&lw.w, 2 * S);
		ck_assert_uint_ge(n_at - before, 145);
		limit_close(&lw);
	}
	store_close(store);
}
END_TEST

/* Another boot: only the wall clock is left, and nobody waits for ever because of it. */
START_TEST(a_clock_set_back_over_a_boot_is_clamped)
{
	open_store();
	limit_open_at(&lw, "[{\"key\":\"k\",\"rate\":\"1/s\",\"burst\":2}]", store, 1000 * S,
		      1000000 * S, 1);
	start_greedy(false);
	world_run_for(&lw.w, 5 * S);
	limit_close(&lw);
	size_t before = n_at;
	limit_open_at(&lw, "[{\"key\":\"k\",\"rate\":\"1/s\",\"burst\":2}]", store, 3 * S,
		      900000 * S, 2);
	start_greedy(false);
	world_run_for(&lw.w, 4 * S);
	ck_assert_uint_gt(n_at, before);
	limit_close(&lw);
	store_close(store);
}
END_TEST

START_TEST(a_block_is_remembered)
{
	static struct client first, next;
	const char *rules = "[{\"match\":{\"host\":\"a\"},\"key\":\"k\",\"rate\":\"100/s\"}]";
	open_store();
	limit_open_at(&lw, rules, store, S, 0, 1);
	first = client_of(&lw, "a");
	first.outcome =
		(struct limit_outcome){.status = 429, .use = LIMIT_USED, .retry_after_ms = 100000};
	client_start(&first);
	world_run_for(&lw.w, S);
	ck_assert(first.is_done);
	limit_close(&lw);
	limit_open_at(&lw, rules, store, 3 * S, 500 * S, 1);
	next = client_of(&lw, "a");
	client_start(&next);
	world_run_for(&lw.w, 90 * S);
	ck_assert(!next.is_granted);
	world_run_for(&lw.w, 30 * S);
	ck_assert(next.is_done);
	limit_close(&lw);
	store_close(store);
}
END_TEST

static uint32_t rows_of_keys(void)
{
	struct store_query q = {.kind = STORE_Q_KEYS};
	struct store_rows r = {0};
	store_read(store, &q, &r);
	uint32_t n = r.n;
	store_rows_fini(&r);
	return n;
}

START_TEST(an_ended_job_leaves_no_row)
{
	static struct client c;
	open_store();
	limit_open_at(&lw, "[]", store, S, 0, 1);
	c = client_of(&lw, "a");
	c.ask.is_durable = true;
	c.ask.n_own = 1;
	c.ask.own[0] = (struct limit_own){.rate = {5, S}};
	client_start(&c);
	world_run_for(&lw.w, S);
	ck_assert(c.is_done);
	ck_assert_uint_eq(rows_of_keys(), 1);
	limit_close(&lw);
	/* it ends in the next life, before it has asked for anything */
	limit_open_at(&lw, "[]", store, 3 * S, 0, 1);
	struct limit_job_end end = {1};
	world_run_for(&lw.w, S);
	ck_assert_int_eq(act_send(lw.w.root, lw.limiter, LIMIT_JOB_END, &end, sizeof(end)), ACT_OK);
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(rows_of_keys(), 0);
	limit_close(&lw);
	store_close(store);
}
END_TEST

START_TEST(a_volatile_job_writes_nothing)
{
	static struct client c;
	open_store();
	limit_open_at(&lw, "[]", store, S, 0, 1);
	c = client_of(&lw, "a");
	c.ask.n_own = 1;
	c.ask.own[0] = (struct limit_own){.rate = {5, S}};
	client_start(&c);
	world_run_for(&lw.w, S);
	ck_assert(c.is_done);
	ck_assert_uint_eq(rows_of_keys(), 0);
	limit_close(&lw);
	store_close(store);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limiter_store");
	TCase *t = tcase_create("limiter_store");
	tcase_add_loop_test(t, no_kill_and_no_clock_refills_a_bucket, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, no_kill_refills_a_quota);
	tcase_add_test(t, a_kill_costs_at_most_half_a_second);
	tcase_add_test(t, a_clock_set_back_over_a_boot_is_clamped);
	tcase_add_test(t, a_block_is_remembered);
	tcase_add_test(t, an_ended_job_leaves_no_row);
	tcase_add_test(t, a_volatile_job_writes_nothing);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
