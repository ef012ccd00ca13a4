/* What the limiter promises to one daemon while it runs. */
#include "tests/unit/actor/limit_world.h"

static struct limit_world lw;

static void open_with(const char *rules)
{
	limit_open(&lw, rules);
}

static uint32_t count_done(const struct client *c, uint32_t n)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < n; i++)
		done += c[i].is_done;
	return done;
}

START_TEST(an_origin_without_a_rule_gets_six_at_once)
{
	static struct client c[40];
	open_with("[]");
	for (int i = 0; i < 40; i++) {
		c[i] = client_of(&lw, i < 20 ? "a" : "b");
		c[i].hold_ns = 100 * MS;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 50 * MS);
	ck_assert_uint_eq(lw.held, 12);
	world_run_for(&lw.w, 2 * S);
	ck_assert_uint_eq(count_done(c, 40), 40);
	ck_assert_uint_eq(lw.most_held, 12);
	limit_close(&lw);
}
END_TEST

START_TEST(a_rule_replaces_the_default_of_an_origin)
{
	static struct client c[30];
	open_with("[{\"match\":{\"host\":\"a\"},\"key\":\"k\",\"concurrency\":20}]");
	for (int i = 0; i < 30; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = 100 * MS;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 50 * MS);
	ck_assert_uint_eq(lw.held, 20);
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(count_done(c, 30), 30);
	limit_close(&lw);
}
END_TEST

START_TEST(a_job_has_a_rate_and_a_concurrency_of_its_own)
{
	static struct client c[60];
	int64_t at[60];
	open_with("[]");
	for (int i = 0; i < 60; i++) {
		c[i] = client_of(&lw, i % 2 ? "a" : "b");
		c[i].hold_ns = 350 * MS;
		c[i].ask.n_own = 2;
		c[i].ask.own[0] = (struct limit_own){.rate = {10, S}, .burst = 2};
		c[i].ask.own[1] = (struct limit_own){.scope = 3, .concurrency = 4};
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 8 * S);
	ck_assert_uint_eq(count_done(c, 60), 60);
	ck_assert_uint_eq(lw.most_held, 4);
	for (int i = 0; i < 60; i++)
		at[c[i].order - 1] = c[i].granted_ns;
	check_rate(at, 60, 10, S, 2);
	limit_close(&lw);
}
END_TEST

static const struct {
	const char *rule;
	int64_t n, per_ns, burst;
	int count;
} paces[] = {
	{"[{\"key\":\"k\",\"rate\":\"100/s\",\"burst\":3,\"concurrency\":100}]", 100, S, 3, 600},
	{"[{\"key\":\"k\",\"rate\":\"500/s\",\"concurrency\":100}]", 500, S, 1, 2000},
	{"[{\"key\":\"k\",\"rate\":\"3/s\",\"concurrency\":100}]", 3, S, 1, 60},
	{"[{\"key\":\"k\",\"rate\":\"1/10s\",\"concurrency\":100}]", 1, 10 * S, 1, 20},
	{"[{\"key\":\"k\",\"rate\":\"7/s\",\"burst\":50,\"concurrency\":100}]", 7, S, 50, 200},
};

/* A backlog at a paced key: never above, and within one percent of the rate. */
START_TEST(a_backlog_goes_out_at_the_rate)
{
	static struct client c[2000];
	static int64_t at[2000];
	int n = paces[_i].count;
	open_with(paces[_i].rule);
	for (int i = 0; i < n; i++) {
		c[i] = client_of(&lw, "a");
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 400 * S);
	ck_assert_uint_eq(count_done(c, (uint32_t)n), (uint32_t)n);
	for (int i = 0; i < n; i++) {
		at[c[i].order - 1] = c[i].granted_ns;
		ck_assert_int_ge(c[i].use_before_ns, c[i].granted_ns);
	}
	check_rate(at, (size_t)n, paces[_i].n, paces[_i].per_ns, paces[_i].burst);
	double took = (double)(at[n - 1] - at[0]);
	double want =
		(double)(n - paces[_i].burst) * (double)paces[_i].per_ns / (double)paces[_i].n;
	ck_assert_double_le(took, want * 1.01 + 2 * MS);
	limit_close(&lw);
}
END_TEST

START_TEST(a_quota_is_spent_fast_and_refilled_by_the_window)
{
	static struct client c[25];
	open_with("[{\"key\":\"k\",\"quota\":[\"10/m\"],\"concurrency\":100}]");
	for (int i = 0; i < 25; i++) {
		c[i] = client_of(&lw, "a");
		client_start(&c[i]);
	}
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(count_done(c, 25), 10);
	world_run_for(&lw.w, 57 * S);
	ck_assert_uint_eq(count_done(c, 25), 10);
	world_run_for(&lw.w, 5 * S);
	ck_assert_uint_eq(count_done(c, 25), 20);
	limit_close(&lw);
}
END_TEST

/* Ten wait for the one slot of b; meanwhile they take no tokens of the shared rate. */
START_TEST(who_waits_at_one_key_takes_nothing_of_the_others)
{
	static struct client b[10], a;
	open_with("[{\"key\":\"rate\",\"rate\":\"1/s\",\"burst\":2},"
		  "{\"match\":{\"host\":\"b\"},\"key\":\"slot\",\"concurrency\":1}]");
	for (int i = 0; i < 10; i++) {
		b[i] = client_of(&lw, "b");
		b[i].hold_ns = 60 * S;
		client_start(&b[i]);
	}
	world_run_for(&lw.w, 10 * S);
	ck_assert_uint_eq(lw.held, 1);
	a = client_of(&lw, "a");
	a.start_ns = lw.w.fake.now_ns;
	client_start(&a);
	world_run_for(&lw.w, 5 * MS);
	ck_assert(a.is_done);
	limit_close(&lw);
}
END_TEST

START_TEST(within_a_job_first_in_is_first_out)
{
	static struct client c[200];
	open_with("[{\"key\":\"k\",\"concurrency\":3}]");
	for (int i = 0; i < 200; i++) {
		c[i] = client_of(&lw, i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c");
		c[i].start_ns = S + i * MS;
		c[i].hold_ns = 10 * MS;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 5 * S);
	for (int i = 0; i < 200; i++)
		ck_assert_uint_eq(c[i].order, (uint32_t)i + 1);
	limit_close(&lw);
}
END_TEST

START_TEST(a_front_request_goes_before_its_siblings)
{
	static struct client c[10];
	open_with("[{\"key\":\"k\",\"concurrency\":1}]");
	for (int i = 0; i < 10; i++) {
		c[i] = client_of(&lw, "a");
		c[i].start_ns = S + i * MS;
		c[i].hold_ns = 20 * MS;
		c[i].ask.is_front = i == 9;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 5 * S);
	ck_assert_uint_eq(c[9].order, 2);
	ck_assert_uint_eq(c[8].order, 10);
	limit_close(&lw);
}
END_TEST

START_TEST(a_user_with_a_thousand_waits_no_less_than_one_with_ten)
{
	static struct client big[1000], small[10];
	open_with("[{\"key\":\"k\",\"concurrency\":1}]");
	for (int i = 0; i < 1000; i++) {
		big[i] = client_of(&lw, "a");
		big[i].hold_ns = 10 * MS;
		client_start(&big[i]);
	}
	for (int i = 0; i < 10; i++) {
		small[i] = client_of(&lw, "a");
		small[i].start_ns = S + 100 * MS;
		small[i].hold_ns = 10 * MS;
		small[i].ask.uid = 1001;
		small[i].ask.job = 2;
		client_start(&small[i]);
	}
	world_run_for(&lw.w, 400 * MS);
	ck_assert_uint_eq(count_done(small, 10), 10);
	limit_close(&lw);
}
END_TEST

START_TEST(jobs_share_by_their_priority)
{
	static struct client high[400], low[400];
	open_with("[{\"key\":\"k\",\"concurrency\":1}]");
	for (int i = 0; i < 400; i++) {
		high[i] = client_of(&lw, "a");
		high[i].hold_ns = 10 * MS;
		high[i].ask.priority = 8;
		low[i] = high[i];
		low[i].ask.job = 2;
		low[i].ask.priority = 2;
		client_start(&low[i]);
		client_start(&high[i]);
	}
	world_run_for(&lw.w, 2 * S);
	uint32_t n_low = count_done(low, 400), n_high = count_done(high, 400);
	ck_assert_uint_gt(n_low, 20);
	ck_assert_uint_ge(n_high, n_low * 3);
	ck_assert_uint_le(n_high, n_low * 5);
	limit_close(&lw);
}
END_TEST

START_TEST(who_gives_up_leaves_the_line)
{
	static struct client c[6];
	open_with("[{\"key\":\"k\",\"concurrency\":1}]");
	for (int i = 0; i < 6; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = 100 * MS;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 10 * MS);
	act_cancel(lw.w.root, c[1].id, ACT_WHY_CANCEL);
	act_kill(lw.w.root, c[2].id);
	act_cancel(lw.w.root, c[5].id, ACT_WHY_CANCEL);
	world_run_for(&lw.w, 10 * S);
	ck_assert(c[1].was_cancelled && !c[2].is_granted && c[5].was_cancelled);
	ck_assert(c[0].is_done && c[3].is_done && c[4].is_done);
	limit_close(&lw);
}
END_TEST

START_TEST(a_slot_whose_holder_dies_comes_back)
{
	static struct client c[4];
	open_with("[{\"key\":\"k\",\"concurrency\":1}]");
	for (int i = 0; i < 4; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = 10 * MS;
		c[i].leaves_it = i == 1;
		client_start(&c[i]);
	}
	/* the grant is on its way to one that is killed in the same turn */
	world_run_for(&lw.w, 5 * MS);
	act_kill(lw.w.root, c[2].id);
	world_run_for(&lw.w, 5 * S);
	ck_assert(c[0].is_done && c[1].is_done && c[3].is_done);
	limit_close(&lw);
}
END_TEST

START_TEST(an_unused_token_can_be_had_again)
{
	static struct client c[2];
	open_with("[{\"key\":\"k\",\"rate\":\"1/m\",\"concurrency\":5}]");
	c[0] = client_of(&lw, "a");
	c[0].hold_ns = 10 * MS;
	c[0].outcome.use = LIMIT_UNUSED;
	c[1] = client_of(&lw, "a");
	client_start(&c[0]);
	client_start(&c[1]);
	world_run_for(&lw.w, S);
	ck_assert(c[0].is_done && c[1].is_done);
	ck_assert_int_lt(c[1].granted_ns, S + 20 * MS);
	limit_close(&lw);
}
END_TEST

static act_msg *asked;

struct ask_frame {
	act_co co;
	int rc;
	act_msg *m;
};

struct ask_arg {
	uint32_t type;
	struct limit_explain_ask explain;
	struct limit_keys_ask keys;
};

static int ask_step(act_self *self, void *frame)
{
	struct ask_frame *f = frame;
	const struct ask_arg *a = act_arg(self);
	CO_BEGIN(&f->co);
	CO_AWAIT(&f->co, f->rc,
		 a->type == LIMIT_KEYS
			 ? act_ask(self, lw.limiter, a->type, &a->keys, sizeof(a->keys), &f->m)
			 : act_ask(self, lw.limiter, a->type, &a->explain, sizeof(a->explain),
				   &f->m));
	ck_assert_int_eq(f->rc, ACT_OK);
	asked = f->m;
	CO_END(&f->co);
}

static const struct limit_rows *ask_rows(struct ask_arg *a)
{
	struct act_task_opts o = {.name = "asker", .arg = a};
	asked = NULL;
	act_spawn_task(lw.w.root, ask_step, sizeof(struct ask_frame), &o);
	world_settle(&lw.w);
	ck_assert_ptr_nonnull(asked);
	ck_assert_uint_eq(asked->type, LIMIT_ROWS);
	return act_data(asked);
}

START_TEST(it_can_say_what_a_request_waits_for)
{
	static struct client c[5];
	open_with("[{\"match\":{\"host\":\"a\"},\"key\":\"slots\",\"concurrency\":2}]");
	for (int i = 0; i < 5; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = 10 * S;
		c[i].ask.leaf = (uint64_t)i;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, S);
	struct ask_arg a = {.type = LIMIT_EXPLAIN, .explain = {.job = 1, .leaf = UINT64_MAX}};
	const struct limit_rows *rows = ask_rows(&a);
	ck_assert_uint_eq(rows->n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		ck_assert_uint_eq(rows->row[i].leaf, i + 2);
		ck_assert_uint_eq(rows->row[i].position, i);
		ck_assert_str_eq(rows->row[i].key, "slots");
		ck_assert_int_eq(rows->row[i].why, LIMIT_WHY_CONCURRENCY);
		ck_assert_int_eq(rows->row[i].since_ns, S);
	}
	act_drop(lw.w.root, asked);
	a.explain.leaf = 4;
	rows = ask_rows(&a);
	ck_assert_uint_eq(rows->n, 1);
	ck_assert_uint_eq(rows->row[0].position, 2);
	act_drop(lw.w.root, asked);
	a.type = LIMIT_KEYS;
	rows = ask_rows(&a);
	ck_assert_uint_eq(rows->n, 2); /* and the origin */
	ck_assert_uint_eq(rows->row[0].held, 2);
	ck_assert_uint_eq(rows->row[0].waiting, 3);
	act_drop(lw.w.root, asked);
	limit_close(&lw);
}
END_TEST

START_TEST(a_reload_reaches_those_who_wait)
{
	static struct client c[10];
	open_with("[{\"key\":\"k\",\"concurrency\":1}]");
	for (int i = 0; i < 10; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = S;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 100 * MS);
	ck_assert_uint_eq(lw.held, 1);
	struct rules *r = world_rules("[{\"key\":\"k\",\"concurrency\":4}]");
	ck_assert_int_eq(act_send(lw.w.root, lw.limiter, LIMIT_RELOAD, &r, sizeof(r)), ACT_OK);
	world_run_for(&lw.w, 10 * MS);
	ck_assert_uint_eq(lw.held, 4);
	world_run_for(&lw.w, 10 * S);
	ck_assert_uint_eq(count_done(c, 10), 10);
	for (int i = 1; i < 10; i++)
		ck_assert_uint_eq(c[i].order, (uint32_t)i + 1);
	limit_close(&lw);
}
END_TEST

START_TEST(idle_keys_and_ended_jobs_are_forgotten)
{
	static struct client c[300];
	open_with("[]");
	for (int i = 0; i < 300; i++) {
		char host[16];
		snprintf(host, sizeof(host), "h%d", i % 60);
		c[i] = client_of(&lw, host);
		c[i].ask.n_own = 1;
		c[i].ask.own[0] = (struct limit_own){.concurrency = 50};
		client_start(&c[i]);
	}
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(count_done(c, 300), 300);
	struct limit_job_end end = {1};
	ck_assert_int_eq(act_send(lw.w.root, lw.limiter, LIMIT_JOB_END, &end, sizeof(end)), ACT_OK);
	world_run_for(&lw.w, 200 * S);
	struct ask_arg a = {.type = LIMIT_KEYS};
	ck_assert_uint_eq(ask_rows(&a)->n, 0);
	act_drop(lw.w.root, asked);
	ck_assert(act_shard_idle(lw.w.sh));
	ck_assert_int_eq(act_shard_next_timer_ns(lw.w.sh), INT64_MAX);
	limit_close(&lw);
}
END_TEST

START_TEST(bandwidth_is_shared_among_the_slots)
{
	static struct client c;
	open_with("[{\"key\":\"k\",\"concurrency\":4,\"bandwidth\":\"1M\"}]");
	c = client_of(&lw, "a");
	client_start(&c);
	world_run_for(&lw.w, S);
	ck_assert_int_eq(c.bandwidth, 1048576 / 4);
	limit_close(&lw);
}
END_TEST

START_TEST(adaptive_halves_on_overload)
{
	static struct client c[40];
	open_with("[{\"key\":\"k\",\"concurrency\":16,\"adaptive\":true}]");
	for (int i = 0; i < 40; i++) {
		c[i] = client_of(&lw, "a");
		c[i].hold_ns = 100 * MS;
		c[i].outcome.status = i < 16 ? 503 : 200;
		client_start(&c[i]);
	}
	world_run_for(&lw.w, 50 * MS);
	ck_assert_uint_eq(lw.held, 16);
	world_run_for(&lw.w, 100 * MS);
	ck_assert_uint_eq(lw.held, 8);
	world_run_for(&lw.w, 5 * S);
	ck_assert_uint_eq(count_done(c, 40), 40);
	limit_close(&lw);
}
END_TEST

START_TEST(named_keys_are_bounded_and_nobody_is_turned_away)
{
	static struct client c[400];
	lw = (struct limit_world){0};
	limit_open(&lw, "[]");
	struct limiter_opts o = {
		.rules = lw.rules, .clock = &lw.w.fake.clock, .seed = 1, .max_keys = 20};
	lw.limiter = limiter_spawn(lw.w.root, &o);
	struct ask_arg a = {.type = LIMIT_KEYS};
	for (int i = 0; i < 400; i++) {
		char host[16];
		snprintf(host, sizeof(host), "n%d", i);
		c[i] = client_of(&lw, host);
		c[i].hold_ns = 2 * MS;
		client_start(&c[i]);
		world_run_for(&lw.w, MS);
		ck_assert_uint_le(ask_rows(&a)->n, 20);
		act_drop(lw.w.root, asked);
	}
	world_run_for(&lw.w, S);
	ck_assert_uint_eq(count_done(c, 400), 400);
	limit_close(&lw);
}
END_TEST

static const char *const mixed_rules =
	"[{\"key\":\"all\",\"concurrency\":20},"
	"{\"match\":{\"host\":\"h1\"},\"key\":\"one\",\"rate\":\"50/s\",\"burst\":4},"
	"{\"match\":{\"host\":\"h2\"},\"key\":\"two\",\"quota\":[\"30/s\"],\"concurrency\":5},"
	"{\"match\":{\"path\":\"/p\"},\"key\":\"path-${host}\",\"concurrency\":2}]";

static struct client mixed_client(struct rng *rng)
{
	static const char *const hosts[] = {"h1", "h2", "h3"};
	struct client c = client_of(&lw, hosts[rng_below(rng, 3)]);
	c.start_ns = S + (int64_t)rng_below(rng, 10 * S);
	c.hold_ns = (int64_t)rng_below(rng, 100 * MS);
	c.ask.path = rng_below(rng, 2) == 0 ? SLICE_LIT("/p") : SLICE_LIT("/");
	c.ask.job = 1 + rng_below(rng, 6);
	c.ask.uid = (uint32_t)(c.ask.job % 2);
	c.ask.priority = (uint8_t)(1 + rng_below(rng, 9));
	c.ask.is_front = rng_below(rng, 10) == 0;
	c.ask.n_own = 1;
	c.ask.own[0] = (struct limit_own){.concurrency = 7};
	c.leaves_it = rng_below(rng, 20) == 0;
	if (rng_below(rng, 15) == 0)
		c.outcome = (struct limit_outcome){.use = LIMIT_UNUSED, .retry_after_ms = -1};
	return c;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Arrivals of used grants at one host. */
static size_t arrivals(const struct client *c, int n, const char *host, int64_t *at)
{
	size_t count = 0;
	for (int i = 0; i < n; i++) {
		if (c[i].is_granted && c[i].outcome.use == LIMIT_USED &&
		    slice_is(c[i].ask.host, host))
			at[count++] = c[i].granted_ns;
	}
	qsort(at, count, sizeof(*at), by_time);
	return count;
}

/* Everything at once, with clients that are cancelled and killed at any moment. */
START_TEST(whatever_happens_limits_hold_and_nothing_is_lost)
{
	enum { N = 1500 };
	static struct client c[N];
	static int64_t at[N];
	struct rng rng;
	rng_seed(&rng, (uint64_t)_i + 100);
	open_with(mixed_rules);
	for (int i = 0; i < N; i++) {
		c[i] = mixed_client(&rng);
		client_start(&c[i]);
	}
	for (int i = 0; i < 1200; i++) {
		world_run_for(&lw.w, 10 * MS);
		struct client *victim = &c[rng_below(&rng, N)];
		if (rng_below(&rng, 2) == 0)
			act_cancel(lw.w.root, victim->id, ACT_WHY_CANCEL);
		else if (!victim->is_granted)
			act_kill(lw.w.root, victim->id);
	}
	world_run_for(&lw.w, 300 * S);
	size_t n = arrivals(c, N, "h1", at);
	check_rate(at, n, 50, S, 4);
	n = arrivals(c, N, "h2", at);
	ck_assert_int_le(most_within(at, n, S), 30);
	struct ask_arg a = {.type = LIMIT_KEYS};
	const struct limit_rows *rows = ask_rows(&a);
	for (uint32_t i = 0; i < rows->n; i++) {
		ck_assert_uint_eq(rows->row[i].held, 0);
		ck_assert_uint_eq(rows->row[i].waiting, 0);
	}
	act_drop(lw.w.root, asked);
	for (int i = 0; i < N; i++)
		ck_assert(!act_is_alive(lw.w.root, c[i].id));
	limit_close(&lw);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("limiter");
	TCase *t = tcase_create("limiter");
	tcase_add_test(t, an_origin_without_a_rule_gets_six_at_once);
	tcase_add_test(t, a_rule_replaces_the_default_of_an_origin);
	tcase_add_test(t, a_job_has_a_rate_and_a_concurrency_of_its_own);
	tcase_add_loop_test(t, a_backlog_goes_out_at_the_rate, 0,
			    (int)(sizeof(paces) / sizeof(paces[0])));
	tcase_add_test(t, a_quota_is_spent_fast_and_refilled_by_the_window);
	tcase_add_test(t, who_waits_at_one_key_takes_nothing_of_the_others);
	tcase_add_test(t, within_a_job_first_in_is_first_out);
	tcase_add_test(t, a_front_request_goes_before_its_siblings);
	tcase_add_test(t, a_user_with_a_thousand_waits_no_less_than_one_with_ten);
	tcase_add_test(t, jobs_share_by_their_priority);
	tcase_add_test(t, who_gives_up_leaves_the_line);
	tcase_add_test(t, a_slot_whose_holder_dies_comes_back);
	tcase_add_test(t, an_unused_token_can_be_had_again);
	tcase_add_test(t, it_can_say_what_a_request_waits_for);
	tcase_add_test(t, a_reload_reaches_those_who_wait);
	tcase_add_test(t, idle_keys_and_ended_jobs_are_forgotten);
	tcase_add_test(t, bandwidth_is_shared_among_the_slots);
	tcase_add_test(t, adaptive_halves_on_overload);
	tcase_add_test(t, named_keys_are_bounded_and_nobody_is_turned_away);
	tcase_add_loop_test(t, whatever_happens_limits_hold_and_nothing_is_lost, 0, 20);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
