/*
 * daemon_schedules -- the whole daemon in one process, again and again: a random job, submitted and
 * followed over byte pipes by a client that speaks the real protocol, servers that are a script, a
 * clock that moves when nothing is left to do, a run ring that is permuted, and kill -9 at random
 * steps, after which only what the store was given is left and a new daemon goes on.
 *
 *	daemon_schedules [--schedules N] [--seed S]
 *
 * Schedule i has seed S + i and runs twice; both runs must leave the same trace. At its end the job
 * must have the outcome that the oracle allows, every started leaf exactly one line in an unbroken
 * sequence, no line that a client has seen may be missing or changed, and no server may have been
 * asked more often than attempts and kills explain.
 */
#include "base/table.h"
#include "daemon.h"
#include "edge/pipepair.h"
#include "edge/store.h"
#include "model/config.h"
#include "proto/jsonscan.h"
#include "proto/sp.h"
#include "tests/kit/fakepool.h"
#include "tests/kit/scriptx.h"
#include "tests/sim/oracle.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_FETCHES = 256, MAX_LINES = 512, ATTEMPTS = 2, STEPS_MAX = 200000, UID = 1000 };
#define HANDLER MAX_FETCHES

enum client_phase { SUBMIT, FEED, RESULTS, GET, DONE };

struct client {
	enum client_phase phase;
	struct pipe_end *end;
	bool is_waiting; /* for the answer to `id` */
	uint32_t id;
	struct bytes in;
	uint64_t next; /* cursor: lines up to here have been seen */
	uint32_t fed;
	bool fed_all;
	uint64_t line_hash[MAX_LINES];
	uint32_t n_ok, n_failed, n_cancelled;
	struct bytes final;
};

struct sim {
	uint64_t seed, hash;
	struct rng rng;
	struct jobtree *tree;
	struct fakeloop fake;
	struct fakepool pool;
	struct scriptx x;
	struct act_loop loop;
	struct notify notify;
	struct log log;
	struct world world;
	struct transport *control;
	struct config *config;
	struct daemon *d;
	struct client c;
	uint32_t n_kills, kills_left;
	uint64_t kill_at, step;
	uint32_t asked[MAX_FETCHES + 1];
};

static unsigned long n_schedules = 4000; /* SIM_SCHEDULES in the environment changes it */
static unsigned long first_seed = 1;
static uint64_t now_at_seed;

#define EXPECT(cond) ck_assert_msg(cond, "seed %llu: %s", (unsigned long long)now_at_seed, #cond)

static void trace(struct sim *s, const void *p, size_t n)
{
	static const uint64_t key[2] = {1, 2};
	s->hash = s->hash * 0x100000001b3ULL ^ siphash13(key, p, n);
}

/* ---- the world ---- */

static void sim_poll(void *ctx, int64_t timeout_ns)
{
	struct sim *s = ctx;
	(void)timeout_ns;
	pipepair_poll(s->control);
	s->fake.loop.poll(s->fake.loop.ctx, 0);
}

static void sim_wake(void *ctx)
{
	(void)ctx;
}

static void no_log(void *ctx, enum log_level level, const char *line, size_t n)
{
	(void)level;
	trace(ctx, line, n);
	if (getenv("SIM_LOG") != NULL)
		fprintf(stderr, "%.*s\n", (int)n, line);
}

static void on_request(void *ctx, const struct scriptx_request *rq)
{
	struct sim *s = ctx;
	const char *mark = memmem(rq->target.p, rq->target.n, "/n", 2);
	unsigned long serial = mark != NULL ? strtoul(mark + 2, NULL, 10) : HANDLER;
	trace(s, rq->target.p, rq->target.n);
	trace(s, &rq->at_ns, sizeof(rq->at_ns));
	s->asked[serial < MAX_FETCHES ? serial : HANDLER]++;
}

static void begin_life(struct sim *s)
{
	struct bytes why = {.n = 0};
	struct pipepair_options po = {.clock = &s->fake.clock, .seed = rng_u64(&s->rng) | 1};
	EXPECT(pipepair_new(&po, &s->control) == ERR_OK);
	scriptx_init(&s->x, &s->fake, rng_u64(&s->rng), NULL, s);
	s->x.seen = on_request;
	s->world.exchange = &s->x.base;
	s->world.control = s->control;
	s->world.rng_seed = rng_u64(&s->rng);
	s->world.permute_seed = rng_u64(&s->rng) | 1;
	EXPECT(daemon_new(&s->world, &s->d, &why) == ERR_OK);
	bytes_fini(&why);
}

static void hang_up(struct client *c)
{
	pipe_end_close(c->end);
	c->end = NULL;
	c->is_waiting = false;
	bytes_clear(&c->in);
}

/* Answers on their way to the dead reach nobody. */
static void forget_calls(struct fakeloop *f)
{
	int64_t now = f->now_ns, offset = f->wall_offset_ns;
	fakeloop_fini(f);
	fakeloop_init(f);
	f->now_ns = now;
	f->wall_offset_ns = offset;
}

/* What was not in the store is gone. */
static void end_life(struct sim *s)
{
	daemon_free(s->d);
	s->d = NULL;
	hang_up(&s->c);
	s->control->ops->free(s->control);
	scriptx_fini(&s->x);
	forget_calls(&s->fake);
}

static void plan_kill(struct sim *s)
{
	s->kill_at = s->kills_left > 0 ? s->step + 1 + rng_below(&s->rng, 400) : UINT64_MAX;
}

static void set_up(struct sim *s, uint64_t seed)
{
	struct bytes why = {.n = 0};
	struct store_options so = {.kind = STORE_MEMORY};
	memset(s, 0, sizeof(*s));
	s->seed = seed;
	rng_seed(&s->rng, seed);
	fakeloop_init(&s->fake);
	s->fake.now_ns = 1000 * NS_PER_S;
	s->fake.wall_offset_ns = 1700000000 * NS_PER_S;
	fakepool_init(&s->pool, &s->fake, seed, NS_PER_MS);
	s->tree = jobtree_new(&s->rng);
	s->loop = (struct act_loop){.ctx = s, .poll = sim_poll, .wake = sim_wake};
	s->log = (struct log){.level = LOG_LEVEL_INFO, .ctx = s, .sink = no_log};
	EXPECT(config_read(NULL, 0, NULL, &s->config, &why) == ERR_OK);
	s->world = (struct world){.clock = &s->fake.clock,
				  .hash_seed = seed,
				  .machine_boot = 1,
				  .boot_id = "b00t",
				  .loop = &s->loop,
				  .offload = &s->pool.pool,
				  .notify = &s->notify,
				  .log = &s->log,
				  .config = s->config,
				  .own_uid = 500,
				  .version = "1",
				  .control_address = "pipe"};
	EXPECT(store_open(&so, &s->world.durable) == ERR_OK);
	EXPECT(store_open(&so, &s->world.volatile_) == ERR_OK);
	s->kills_left = (uint32_t)rng_below(&s->rng, 4);
	begin_life(s);
	plan_kill(s);
}

static void tear_down(struct sim *s)
{
	end_life(s);
	store_close(s->world.durable);
	store_close(s->world.volatile_);
	config_unref(s->config);
	jobtree_free(s->tree);
	bytes_fini(&s->c.in);
	bytes_fini(&s->c.final);
	fakeloop_fini(&s->fake);
}

/* ---- the client ---- */

static void send_call(struct sim *s, const char *method, struct bytes *params)
{
	struct client *c = &s->c;
	struct bytes body = {.n = 0}, frame = {.n = 0};
	bytes_printf(&body, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":", method);
	bytes_add_slice(&body, bytes_slice(params));
	bytes_add_byte(&body, '}');
	sp_add_request(&frame, ++c->id, bytes_slice(&body));
	pipe_end_send(c->end, frame.p, frame.n);
	c->is_waiting = true;
	bytes_fini(&body);
	bytes_fini(&frame);
	bytes_fini(params);
}

static void ask_submit(struct sim *s)
{
	struct bytes p = {.n = 0};
	bytes_add_str(&p, "{\"op_id\":\"once\",\"spec\":");
	jobtree_spec(s->tree, &p);
	bytes_add_byte(&p, '}');
	send_call(s, "job.submit", &p);
}

static void ask_feed(struct sim *s)
{
	struct bytes p = {.n = 0};
	uint32_t n = (uint32_t)rng_below(&s->rng, s->tree->n - s->c.fed + 1);
	bytes_printf(&p, "{\"job\":\"j1\",\"offset\":%u,\"items\":[", s->c.fed);
	for (uint32_t i = 0; i < n; i++) {
		if (i > 0)
			bytes_add_byte(&p, ',');
		jobtree_url(s->tree->child[s->c.fed + i], &p);
	}
	s->c.fed_all = s->c.fed + n == s->tree->n;
	bytes_printf(&p, "],\"end\":%s}", s->c.fed_all ? "true" : "false");
	send_call(s, "job.feed", &p);
}

static void ask_results(struct sim *s)
{
	struct bytes p = {.n = 0};
	bytes_printf(&p, "{\"job\":\"j1\",\"after\":%llu,\"max\":%u,\"wait_ms\":%u",
		     (unsigned long long)s->c.next, 1 + (unsigned)rng_below(&s->rng, 5),
		     (unsigned)rng_below(&s->rng, 2000));
	if (rng_below(&s->rng, 2) == 0)
		bytes_printf(&p, ",\"ack\":%llu", (unsigned long long)s->c.next);
	bytes_add_byte(&p, '}');
	send_call(s, "job.results", &p);
}

static void ask_get(struct sim *s)
{
	struct bytes p = {.n = 0};
	bytes_add_str(&p, "{\"job\":\"j1\"}");
	send_call(s, "job.get", &p);
}

static void ask(struct sim *s)
{
	static void (*const by_phase[])(struct sim *) = {
		[SUBMIT] = ask_submit, [FEED] = ask_feed, [RESULTS] = ask_results, [GET] = ask_get};
	by_phase[s->c.phase](s);
}

static uint64_t number_in(struct slice object, const char *name)
{
	struct slice raw;
	uint64_t v = 0;
	EXPECT(jsonscan_member(object, name, &raw));
	EXPECT(jsonscan_u64(raw, &v) == ERR_OK);
	return v;
}

static void take_line(struct sim *s, struct slice line)
{
	struct client *c = &s->c;
	struct slice raw, kind;
	bool ok = false;
	uint64_t seq = number_in(line, "seq");
	EXPECT(seq == c->next + 1); /* unbroken, nothing twice */
	EXPECT(seq < MAX_LINES);
	c->next = seq;
	EXPECT(jsonscan_member(line, "ok", &raw) && jsonscan_bool(raw, &ok) == ERR_OK);
	EXPECT(jsonscan_member(line, "task", &raw));
	for (uint64_t i = 1; i < seq; i++) /* one line a task */
		EXPECT(c->line_hash[i] != siphash13((uint64_t[]){3, 4}, raw.p, raw.n));
	c->line_hash[seq] = siphash13((uint64_t[]){3, 4}, raw.p, raw.n);
	bool is_cancelled = jsonscan_member(line, "error", &raw) &&
			    jsonscan_member(raw, "kind", &kind) && slice_is(kind, "\"cancelled\"");
	if (ok)
		c->n_ok++;
	else if (is_cancelled)
		c->n_cancelled++;
	else
		c->n_failed++;
}

static void take_results(struct sim *s, struct slice result)
{
	struct slice raw, line;
	struct jsonscan_iter it;
	bool done = false;
	EXPECT(jsonscan_member(result, "results", &raw));
	EXPECT(jsonscan_items(raw, &it) == ERR_OK);
	while (jsonscan_next_item(&it, &line))
		take_line(s, line);
	EXPECT(number_in(result, "next") == s->c.next);
	EXPECT(jsonscan_member(result, "done", &raw) && jsonscan_bool(raw, &done) == ERR_OK);
	if (s->tree->is_fed && !s->c.fed_all)
		s->c.phase = FEED;
	else if (done)
		s->c.phase = GET;
}

static void take_answer(struct sim *s, struct slice body)
{
	struct client *c = &s->c;
	struct slice result, raw;
	c->is_waiting = false;
	if (c->phase == FEED && memmem(body.p, body.n, "\"closed\"", 8) != NULL) {
		c->fed_all = true; /* it has ended meanwhile: what came of it is told by results */
		c->phase = RESULTS;
		return;
	}
	if (!jsonscan_member(body, "result", &result)) {
		ck_abort_msg("seed %llu: phase %d: %.*s", (unsigned long long)now_at_seed, c->phase,
			     (int)body.n, body.p);
	}
	switch (c->phase) {
	case SUBMIT:
		EXPECT(jsonscan_member(result, "job", &raw) && slice_is(raw, "\"j1\""));
		c->phase = s->tree->is_fed ? FEED : RESULTS;
		break;
	case FEED:
		c->fed = (uint32_t)number_in(result, "next");
		c->phase = RESULTS;
		break;
	case RESULTS:
		take_results(s, result);
		break;
	case GET:
		bytes_add_slice(&c->final, result);
		c->phase = DONE;
		break;
	case DONE:
		break;
	}
}

static void client_dial(struct sim *s)
{
	struct peer peer = {.uid = UID, .gid = UID, .pid = 1};
	uint8_t hello[SP_HELLO_BYTES];
	s->c.end = pipepair_dial(s->control, &peer);
	if (s->c.end == NULL)
		return; /* it does not listen yet */
	sp_hello_put(hello, SP_REQ);
	pipe_end_send(s->c.end, hello, sizeof(hello));
}

static void client_turn(struct sim *s)
{
	struct client *c = &s->c;
	struct sp_frame f;
	size_t need;
	if (c->phase == DONE)
		return;
	if (c->end == NULL)
		client_dial(s);
	if (c->end == NULL)
		return;
	size_t before = c->in.n;
	pipe_end_receive(c->end, &c->in);
	trace(s, c->in.p + before, c->in.n - before);
	if (c->in.n >= SP_HELLO_BYTES && c->in.p[0] == 0)
		bytes_drop(&c->in, SP_HELLO_BYTES);
	if (sp_frame_parse(c->in.p, c->in.n, SP_REPLY_MAX_BYTES, &f, &need) == ERR_OK) {
		take_answer(s, (struct slice){f.payload.p + 4, f.payload.n - 4});
		bytes_drop(&c->in, f.n_total);
	}
	if (c->phase != DONE && !c->is_waiting)
		ask(s);
	else if (rng_below(&s->rng, 500) == 0)
		hang_up(c); /* and comes back */
}

/* ---- turning ---- */

/* Nothing is left to do now: the next thing that time brings. */
static void pass_time(struct sim *s)
{
	int64_t next = act_shard_next_timer_ns(daemon_shard(s->d));
	if (fakeloop_next_ns(&s->fake) < next)
		next = fakeloop_next_ns(&s->fake);
	if (pipepair_tick_ns(s->control) < next)
		next = pipepair_tick_ns(s->control);
	EXPECT(next != INT64_MAX);
	if (next > s->fake.now_ns)
		s->fake.now_ns = next;
	else
		s->fake.now_ns += NS_PER_MS;
}

static void kill_now(struct sim *s)
{
	end_life(s);
	s->fake.now_ns += (int64_t)rng_below(&s->rng, 3000) * NS_PER_MS;
	s->n_kills++;
	s->kills_left--;
	begin_life(s);
	plan_kill(s);
}

static void run(struct sim *s)
{
	int quiet = 0;
	while (s->c.phase != DONE) {
		EXPECT(++s->step < STEPS_MAX);
		if (s->step == s->kill_at)
			kill_now(s);
		bool busy = act_shard_turn(daemon_shard(s->d)) || pipepair_poll(s->control);
		client_turn(s);
		quiet = busy ? 0 : quiet + 1;
		if (quiet > 2) {
			pass_time(s);
			quiet = 0;
		}
	}
}

/* ---- the end ---- */

static bool within(uint64_t n, struct oracle_range r)
{
	return n >= r.min && n <= r.max;
}

static bool is_allowed(struct slice state, struct slice tasks, const struct oracle *o)
{
	return slice_is(state, o->ok ? "\"succeeded\"" : "\"failed\"") &&
	       within(number_in(tasks, "ok"), o->n_ok) &&
	       within(number_in(tasks, "failed"), o->n_failed) &&
	       within(number_in(tasks, "handled"), o->n_handled);
}

static void check_outcome(struct sim *s)
{
	struct oracle o = oracle_of(s->tree);
	struct slice final = bytes_slice(&s->c.final), tasks, state;
	EXPECT(jsonscan_member(final, "state", &state));
	EXPECT(jsonscan_member(final, "tasks", &tasks));
	if (!is_allowed(state, tasks, &o)) {
		struct bytes b = {.n = 0};
		jobtree_spec(s->tree, &b);
		ck_abort_msg("seed %llu, kills %u\n%s\n%.*s\noracle: %s, ok %u to %u, failed %u to "
			     "%u, handled %u to %u",
			     (unsigned long long)now_at_seed, s->n_kills, bytes_cstr(&b),
			     (int) final.n, final.p, o.ok ? "ok" : "fails", o.n_ok.min, o.n_ok.max,
			     o.n_failed.min, o.n_failed.max, o.n_handled.min, o.n_handled.max);
	}
	EXPECT(number_in(tasks, "ok") == s->c.n_ok);
	EXPECT(number_in(tasks, "failed") + number_in(tasks, "handled") == s->c.n_failed);
}

static void check_requests(struct sim *s)
{
	for (uint32_t i = 0; i < MAX_FETCHES; i++)
		EXPECT(s->asked[i] <= ATTEMPTS * (1 + s->n_kills));
}

static uint64_t run_one(uint64_t seed)
{
	static struct sim s;
	set_up(&s, seed);
	run(&s);
	check_outcome(&s);
	check_requests(&s);
	trace(&s, s.c.final.p, s.c.final.n);
	trace(&s, &s.step, sizeof(s.step));
	tear_down(&s);
	return s.hash;
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

START_TEST(a_job_ends_as_its_tree_says_whatever_happens_to_the_daemon)
{
	uint64_t all = 0;
	signal(SIGABRT, name_seed);
	signal(SIGSEGV, name_seed);
	for (unsigned long i = 0; i < n_schedules; i++) {
		now_at_seed = first_seed + i;
		uint64_t a = run_one(now_at_seed), b = run_one(now_at_seed);
		EXPECT(a == b);
		all = all * 31 + a;
	}
	printf("schedules=%lu seed=%lu trace=%016llx\n", n_schedules, first_seed,
	       (unsigned long long)all);
}
END_TEST

int main(int argc, char **argv)
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
	Suite *s = suite_create("daemon_schedules");
	TCase *t = tcase_create("schedules");
	tcase_set_timeout(t, 600);
	tcase_add_test(t, a_job_ends_as_its_tree_says_whatever_happens_to_the_daemon);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
