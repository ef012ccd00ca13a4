/*
 * daemon_schedules -- the whole daemon in one process, again and again: a random job, submitted and
 * followed over byte pipes by a client that speaks the real protocol and may pause or cancel it,
 * servers that are a script, a disk as slow as the seed says, a clock that moves when nothing is
 * left to do, a run ring that is permuted, and kill -9, after which only what the store was given
 * is left and a new daemon goes on.
 *
 *	daemon_schedules [--schedules N] [--seed S]
 *
 * At its end the job must have an outcome that the oracle allows, every started leaf exactly one
 * line for each time it ran in an unbroken sequence, no line that a client has seen may be missing
 * or changed, and no server may have been asked more often than attempts and kills explain.
 */
#include "base/table.h"
#include "daemon.h"
#include "edge/store.h"
#include "model/config.h"
#include "proto/jsonscan.h"
#include "tests/kit/fakepool.h"
#include "tests/kit/scriptx.h"
#include "tests/sim/oracle.h"
#include "tests/sim/simclient.h"
#include "tests/sim/simseed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS = 2, STEPS_MAX = 200000 };

/* What happens to the job and to the daemon under it. */
struct plan {
	struct jobtree_job job;
	uint64_t seed;
	int64_t disk_ns;		 /* the longest that work for the disk takes, twice */
	uint32_t n_kills;		 /* at random steps */
	uint64_t kill_at;		 /* the first one; 0: random as well */
	int64_t order_at_ns[SIM_ORDERS]; /* from the beginning; 0: never */
};

struct sim {
	const struct plan *plan;
	uint64_t hash;
	struct rng rng;
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
	struct simclient c;
	uint32_t n_kills, kills_left;
	uint64_t kill_at, step;
	uint32_t asked[JOBTREE_FETCHES];
};

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

static void take_log(void *ctx, enum log_level level, const char *line, size_t n)
{
	(void)level;
	trace(ctx, line, n);
	simseed_show("log", (struct slice){line, n});
}

static unsigned long number_after(struct slice target, const char *mark)
{
	const char *at = memmem(target.p, target.n, mark, strlen(mark));
	return at != NULL ? strtoul(at + strlen(mark), NULL, 10) : 0;
}

/* The servers: by path, and some get better the more often they are asked. */
static void serve(void *ctx, const struct scriptx_request *rq, struct rng *rng,
		  struct scriptx_answer *ret)
{
	struct sim *s = ctx;
	unsigned long serial = number_after(rq->target, "/n");
	unsigned long bad = number_after(rq->target, "/flaky/");
	SIM_EXPECT(serial < JOBTREE_FETCHES);
	scriptx_by_path(s, rq, rng, ret);
	if (s->asked[serial]++ < bad)
		ret->status = 503;
	trace(s, rq->target.p, rq->target.n);
	trace(s, &rq->at_ns, sizeof(rq->at_ns));
	simseed_show("asked", rq->target);
}

static void heard(void *ctx, struct slice bytes)
{
	trace(ctx, bytes.p, bytes.n);
}

static void begin_life(struct sim *s)
{
	struct bytes why = {.n = 0};
	struct pipepair_options po = {.clock = &s->fake.clock, .seed = rng_u64(&s->rng) | 1};
	SIM_EXPECT(pipepair_new(&po, &s->control) == ERR_OK);
	scriptx_init(&s->x, &s->fake, rng_u64(&s->rng), serve, s);
	s->world.exchange = &s->x.base;
	s->world.control = s->control;
	s->world.rng_seed = rng_u64(&s->rng);
	s->world.permute_seed = rng_u64(&s->rng) | 1;
	SIM_EXPECT(daemon_new(&s->world, &s->d, &why) == ERR_OK);
	bytes_fini(&why);
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
	fakepool_kill(&s->pool);
	daemon_free(s->d);
	s->d = NULL;
	simclient_hang_up(&s->c);
	s->control->ops->free(s->control);
	scriptx_fini(&s->x);
	forget_calls(&s->fake);
	fakepool_revive(&s->pool);
}

static void plan_kill(struct sim *s)
{
	s->kill_at = s->kills_left > 0 ? s->step + 1 + rng_below(&s->rng, 400) : UINT64_MAX;
}

static void most_repeats(void *ctx, const struct jobtree *t, uint32_t times)
{
	uint32_t *most = ctx;
	(void)t;
	*most = times > *most ? times : *most;
}

static void open_client(struct sim *s)
{
	s->c.job = &s->plan->job;
	s->c.rng = &s->rng;
	s->c.heard = heard;
	s->c.ctx = s;
	for (int o = 0; o < SIM_ORDERS; o++)
		if (s->plan->order_at_ns[o] > 0)
			s->c.order_at_ns[o] = s->fake.now_ns + s->plan->order_at_ns[o];
	jobtree_walk(s->plan->job.root, 1, most_repeats, &s->c.repeats);
}

static void open_world(struct sim *s)
{
	struct bytes why = {.n = 0};
	struct store_options so = {.kind = STORE_MEMORY};
	SIM_EXPECT(config_read(NULL, 0, NULL, &s->config, &why) == ERR_OK);
	s->world = (struct world){.clock = &s->fake.clock,
				  .hash_seed = s->plan->seed,
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
	SIM_EXPECT(store_open(&so, &s->world.volatile_) == ERR_OK);
	so.plays_disk = true;
	SIM_EXPECT(store_open(&so, &s->world.durable) == ERR_OK);
}

static void set_up(struct sim *s, const struct plan *plan)
{
	memset(s, 0, sizeof(*s));
	s->plan = plan;
	rng_seed(&s->rng, plan->seed);
	fakeloop_init(&s->fake);
	fakepool_init(&s->pool, &s->fake, plan->seed, plan->disk_ns);
	s->loop = (struct act_loop){.ctx = s, .poll = sim_poll, .wake = sim_wake};
	s->log = (struct log){.level = LOG_LEVEL_INFO, .ctx = s, .sink = take_log};
	open_world(s);
	open_client(s);
	s->kills_left = plan->n_kills;
	begin_life(s);
	plan_kill(s);
	if (plan->kill_at > 0)
		s->kill_at = plan->kill_at;
}

static void tear_down(struct sim *s)
{
	end_life(s);
	store_close(s->world.durable);
	store_close(s->world.volatile_);
	config_unref(s->config);
	simclient_fini(&s->c);
	fakeloop_fini(&s->fake);
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
	SIM_EXPECT(next != INT64_MAX);
	if (next > s->fake.now_ns)
		s->fake.now_ns = next;
	else
		s->fake.now_ns += NS_PER_MS;
}

static void show_rows(struct sim *s, enum store_query_kind kind)
{
	struct store_query q = {.kind = kind, .job = 1};
	struct store_rows rows = {.n = 0};
	SIM_EXPECT(store_read(s->world.durable, &q, &rows) == ERR_OK);
	for (uint32_t i = 0; i < rows.n; i++) {
		const struct store_row *r = &rows.row[i];
		if (kind == STORE_Q_FACTS) {
			simseed_show("fact", r->fact.path);
			simseed_show("    ", r->fact.kind);
			simseed_show("    ", r->fact.data);
		} else if (kind == STORE_Q_CURSORS) {
			simseed_show("cursor", r->cursor.path);
			simseed_show("    ", r->cursor.gaps);
		} else {
			simseed_show("chunk", r->chunk.lines);
			simseed_show("    ", r->chunk.done);
		}
	}
	store_rows_fini(&rows);
}

static void kill_now(struct sim *s)
{
	end_life(s);
	if (simseed_is_told()) {
		simseed_show("killed", SLICE_LIT(""));
		show_rows(s, STORE_Q_FACTS);
		show_rows(s, STORE_Q_CURSORS);
		show_rows(s, STORE_Q_CHUNKS);
	}
	s->fake.now_ns += (int64_t)rng_below(&s->rng, 3000) * NS_PER_MS;
	s->n_kills++;
	s->kills_left--;
	begin_life(s);
	plan_kill(s);
}

static void run(struct sim *s)
{
	int quiet = 0;
	while (s->c.phase != SIM_DONE) {
		SIM_EXPECT(++s->step < STEPS_MAX);
		if (s->step == s->kill_at)
			kill_now(s);
		bool busy = act_shard_turn(daemon_shard(s->d)) || pipepair_poll(s->control);
		simclient_turn(&s->c, s->control, s->fake.now_ns);
		quiet = busy ? 0 : quiet + 1;
		if (quiet > 2) {
			pass_time(s);
			quiet = 0;
		}
	}
}

/* ---- the end ---- */

static bool is_within(struct slice tasks, const struct oracle_part *p)
{
	uint64_t ok = simclient_number(tasks, "ok"), failed = simclient_number(tasks, "failed");
	uint64_t handled = simclient_number(tasks, "handled");
	return p->may && ok >= p->n_ok.min && ok <= p->n_ok.max && failed >= p->n_failed.min &&
	       failed <= p->n_failed.max && handled >= p->n_handled.min &&
	       handled <= p->n_handled.max;
}

static bool is_allowed(const struct sim *s, struct slice state, struct slice tasks,
		       const struct oracle *o)
{
	if (slice_is(state, "\"succeeded\""))
		return is_within(tasks, &o->ok);
	if (slice_is(state, "\"failed\""))
		return is_within(tasks, &o->fail);
	if (slice_is(state, "\"cancelled\""))
		return s->c.was_cancelled && is_within(tasks, &o->cut);
	return slice_is(state, "\"expired\"") && s->plan->job.deadline_s > 0 &&
	       is_within(tasks, &o->cut);
}

/* The record says what the lines said. */
static bool adds_up(const struct sim *s, struct slice tasks)
{
	uint64_t ok = simclient_number(tasks, "ok"), failed = simclient_number(tasks, "failed");
	uint64_t handled = simclient_number(tasks, "handled");
	uint64_t cancelled = simclient_number(tasks, "cancelled");
	return ok == s->c.n_ok && failed + handled == s->c.n_failed &&
	       cancelled == s->c.n_cancelled &&
	       simclient_number(tasks, "total") ==
		       ok + failed + handled + cancelled + simclient_number(tasks, "not_started");
}

static void add_part(struct bytes *b, const char *name, const struct oracle_part *p)
{
	if (p->may)
		bytes_printf(b, "\n%s: ok %u to %u, failed %u to %u, handled %u to %u", name,
			     p->n_ok.min, p->n_ok.max, p->n_failed.min, p->n_failed.max,
			     p->n_handled.min, p->n_handled.max);
}

static void not_allowed(const struct sim *s, const struct oracle *o)
{
	struct bytes b = {.n = 0};
	bytes_printf(&b, "%u kills, first at %llu%s; lines: %u ok, %u failed, %u cancelled\n",
		     s->n_kills, (unsigned long long)s->plan->kill_at,
		     s->c.was_cancelled ? ", cancelled" : "", s->c.n_ok, s->c.n_failed,
		     s->c.n_cancelled);
	jobtree_spec(&s->plan->job, &b);
	bytes_add_byte(&b, '\n');
	bytes_add_slice(&b, bytes_slice(&s->c.final));
	add_part(&b, "success", &o->ok);
	add_part(&b, "failure", &o->fail);
	add_part(&b, "cut off", &o->cut);
	simseed_abort("not allowed", bytes_slice(&b));
}

static void check_outcome(const struct sim *s)
{
	struct oracle o =
		oracle_of(s->plan->job.root, jobtree_may_be_late(s->plan->job.deadline_s));
	struct slice final = bytes_slice(&s->c.final), tasks, state;
	SIM_EXPECT(jsonscan_member(final, "state", &state));
	SIM_EXPECT(jsonscan_member(final, "tasks", &tasks));
	if (!is_allowed(s, state, tasks, &o) || !adds_up(s, tasks))
		not_allowed(s, &o);
}

static void check_asked(void *ctx, const struct jobtree *t, uint32_t times)
{
	struct sim *s = ctx;
	uint32_t shared = s->plan->job.root != NULL ? JOBTREE_CHILDREN : 1; /* all items share it */
	uint32_t most = ATTEMPTS * times * (1 + s->n_kills) * (t->is_item ? 1 : shared);
	if (t->verb == JOBTREE_FETCH)
		SIM_EXPECT(s->asked[t->serial] <= most);
}

static uint64_t run_plan(const struct plan *plan)
{
	static struct sim s;
	set_up(&s, plan);
	run(&s);
	check_outcome(&s);
	jobtree_walk(plan->job.root, 1, check_asked, &s);
	trace(&s, s.c.final.p, s.c.final.n);
	trace(&s, &s.step, sizeof(s.step));
	tear_down(&s);
	return s.hash;
}

/* ---- random schedules ---- */

struct coverage {
	unsigned long pair[JOBTREE_VERBS][JOBTREE_MODS];
};

static struct coverage covered;

static void cover(void *ctx, const struct jobtree *t, uint32_t times)
{
	struct coverage *c = ctx;
	(void)times;
	for (int m = 0; m < JOBTREE_MODS; m++)
		c->pair[t->verb][m] += jobtree_has(t, (enum jobtree_mod)m);
}

static int64_t some_ms(struct rng *rng, uint32_t one_in, uint32_t most_ms)
{
	if (rng_below(rng, one_in) != 0)
		return 0;
	return (1 + (int64_t)rng_below(rng, most_ms)) * NS_PER_MS;
}

static struct plan plan_of(uint64_t seed)
{
	static const int64_t disk_ms[] = {0, 1, 1, 20, 300};
	struct plan p = {.seed = seed};
	struct rng rng;
	rng_seed(&rng, seed);
	p.job.root = jobtree_new(&rng);
	p.disk_ns = disk_ms[rng_below(&rng, 5)] * NS_PER_MS;
	p.n_kills = (uint32_t)rng_below(&rng, 4);
	if (rng_below(&rng, 8) == 0)
		p.job.deadline_s = rng_below(&rng, 2) == 0 ? 3600 : 1 + (int64_t)rng_below(&rng, 5);
	enum jobtree_verb v = p.job.root->verb;
	p.job.is_ordered = !jobtree_has(p.job.root, JOBTREE_RETRY) && rng_below(&rng, 3) == 0 &&
			   (v == JOBTREE_EACH || v == JOBTREE_EACH_GROUP || v == JOBTREE_GROUP ||
			    v == JOBTREE_GATHER);
	p.order_at_ns[SIM_CANCEL] = some_ms(&rng, 6, 4000);
	p.order_at_ns[SIM_PAUSE] = some_ms(&rng, 5, 3000);
	if (p.order_at_ns[SIM_PAUSE] > 0)
		p.order_at_ns[SIM_RESUME] = p.order_at_ns[SIM_PAUSE] + some_ms(&rng, 1, 3000);
	return p;
}

static uint64_t run_seed(uint64_t seed)
{
	struct plan p = plan_of(seed);
	jobtree_walk(p.job.root, 1, cover, &covered);
	uint64_t hash = run_plan(&p);
	jobtree_free(p.job.root);
	return hash;
}

START_TEST(a_job_ends_as_its_tree_says_whatever_happens_to_the_daemon)
{
	simseed_each(run_seed);
	for (int v = 0; v < JOBTREE_VERBS && simseed_count() >= 1000; v++)
		for (int m = 0; m < JOBTREE_MODS; m++)
			ck_assert_msg(covered.pair[v][m] > 0 ||
					      (v == JOBTREE_FETCH && m == JOBTREE_RETRY),
				      "no schedule had verb %d with modifier %d", v, m);
}
END_TEST

/* ---- a kill at every step ---- */

static const char *const shapes[] = {
	"200",
	"fallback(404,200)",
	"any(404,hang,200)",
	"each(200,404,flaky,200)",
	"sequence(200?finally,404?catch,200)",
	"group(404,sequence(200,200?finally))?catch",
	"gather(sleep?timeout,hang?timeout,emit?with)",
	"sequence(emit,fail)?retry?catch",
	"group(flaky,404?catch)?retry",
	/* What failed and was handled is told from what is there, whichever sibling is recalled
	 * first. */
	"group(gather(200,eachgroup(200,404,200,503),group(404)?catch),eachgroup(404,404,503,200))"
	"?catch",
	"group(404,eachgroup(200,200,404,503)?catch)?catch",
	"group(group(200,404),eachgroup(503,200))?catch",
	"group(each(503,200,200),sequence(group(200,200,200),sequence(200,200),404),503)?catch",
};

static void run_shape(const char *shape, uint64_t seed, int64_t disk_ns)
{
	struct plan p = {.seed = seed, .disk_ns = disk_ns, .job.root = jobtree_shaped(shape)};
	static struct sim s;
	simseed_set(seed);
	set_up(&s, &p);
	run(&s);
	check_outcome(&s);
	uint64_t steps = s.step;
	tear_down(&s);
	p.n_kills = 1;
	for (p.kill_at = 1; p.kill_at < steps; p.kill_at++)
		run_plan(&p);
	jobtree_free(p.job.root);
}

START_TEST(a_kill_at_any_step_changes_no_verdict)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		for (uint64_t seed = 1; seed <= 8; seed++)
			run_shape(shapes[i], seed, seed % 2 == 0 ? 20 * NS_PER_MS : NS_PER_MS);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const test[] = {
		a_job_ends_as_its_tree_says_whatever_happens_to_the_daemon,
		a_kill_at_any_step_changes_no_verdict,
	};
	return simseed_main(argc, argv, "daemon_schedules", 4000, test, 2);
}
