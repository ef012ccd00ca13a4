/* Structured concurrency: groups, cancellation, deadlines, bounded buffers, the barber's room. */
#include "base/check.h"
#include "base/rng.h"
#include "bench.h"

#include <stdlib.h>

#define TASKS	   100000
#define IDLE_TASKS 1000000

static void spawn_main(struct run *r, act_step step, size_t frame)
{
	act_id id = act_spawn_task(r->root, step, frame, NULL);
	CHECK(id != 0);
}

/* ---- group: spawn, run, join ---- */

static int add_one(act_self *self, void *frame)
{
	(void)frame;
	run_of(self)->answer++;
	return ACT_OK;
}

struct group_frame {
	act_co co;
	int rc;
	act_group *g;
};

static int group_main(act_self *self, void *frame)
{
	struct group_frame *f = frame;
	CO_BEGIN(&f->co);
	f->g = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	CHECK(f->g != NULL);
	for (int i = 0; i < TASKS; i++)
		CHECK(act_group_go(self, f->g, add_one, 0, NULL) == ACT_OK);
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->g));
	CHECK(f->rc == ACT_OK);
	act_group_close(self, f->g);
	act_shard_ask_stop(run_of(self)->shard);
	CO_END(&f->co);
}

static void group(struct run *r)
{
	r->ops = TASKS;
	spawn_main(r, group_main, sizeof(struct group_frame));
	act_shard_run(r->shard, false);
}

/* ---- cancel: blocked tasks with a clean-up each ---- */

static void clean_up(act_self *self, void *arg)
{
	(void)arg;
	run_of(self)->answer++;
}

struct blocked_frame {
	act_co co;
	int rc;
};

static int blocked(act_self *self, void *frame)
{
	struct blocked_frame *f = frame;
	CO_BEGIN(&f->co);
	CHECK(act_defer(self, clean_up, NULL) == ACT_OK);
	CO_AWAIT(&f->co, f->rc, act_sleep(self, 3600 * NS_PER_S));
	return f->rc;
	CO_END(&f->co);
}

static int cancel_main(act_self *self, void *frame)
{
	struct group_frame *f = frame;
	struct run *r = run_of(self);
	CO_BEGIN(&f->co);
	f->g = act_group_open(self, ACT_COLLECT, 0, ACT_FOREVER);
	CHECK(f->g != NULL);
	for (int i = 0; i < TASKS; i++)
		CHECK(act_group_go(self, f->g, blocked, sizeof(struct blocked_frame), NULL) ==
		      ACT_OK);
	while (act_group_running(f->g) < TASKS)
		CO_AWAIT(&f->co, f->rc, act_yield(self));
	CO_AWAIT(&f->co, f->rc, act_yield(self));
	CO_AWAIT(&f->co, f->rc, act_sleep(self, 50 * NS_PER_MS));
	r->inner_s = -bench_now_s();
	act_scope_cancel(self, act_group_scope(f->g), ACT_WHY_CANCEL, "bench");
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->g));
	r->inner_s += bench_now_s();
	act_group_close(self, f->g);
	act_shard_ask_stop(r->shard);
	CO_END(&f->co);
}

static void cancel(struct run *r)
{
	r->ops = TASKS;
	spawn_main(r, cancel_main, sizeof(struct group_frame));
	act_shard_run(r->shard, false);
}

/* ---- idle tasks: of a group, asleep in a scope with a deadline ---- */

static int asleep(act_self *self, void *frame)
{
	struct blocked_frame *f = frame;
	CO_BEGIN(&f->co);
	CHECK(act_scope_open(self, 7200 * NS_PER_S) != NULL);
	CO_AWAIT(&f->co, f->rc, act_sleep(self, 3600 * NS_PER_S));
	CO_END(&f->co);
}

static int idletask_main(act_self *self, void *frame)
{
	struct group_frame *f = frame;
	struct run *r = run_of(self);
	CO_BEGIN(&f->co);
	f->g = act_group_open(self, ACT_COLLECT, 0, ACT_FOREVER);
	CHECK(f->g != NULL);
	uint64_t before = bench_rss_bytes();
	for (int i = 0; i < IDLE_TASKS; i++)
		CHECK(act_group_go(self, f->g, asleep, sizeof(struct blocked_frame), NULL) ==
		      ACT_OK);
	r->bytes = -(double)before;
	CO_AWAIT(&f->co, f->rc, act_sleep(self, NS_PER_S));
	r->bytes += (double)bench_rss_bytes();
	r->bytes /= IDLE_TASKS;
	r->answer = (double)act_group_live(f->g);
	act_shard_ask_stop(r->shard);
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->g)); /* until it is killed */
	CO_END(&f->co);
}

static void idletask(struct run *r)
{
	r->ops = IDLE_TASKS;
	spawn_main(r, idletask_main, sizeof(struct group_frame));
	act_shard_run(r->shard, false);
}

/* ---- timers: a million deadlines, each armed anew once ---- */

#define TIMERS 1000000

static int timers_on_msg(act_self *self, void *state, act_msg *m)
{
	struct run *r = run_of(self);
	struct act_timer *t = calloc(TIMERS, sizeof(*t));
	(void)state;
	(void)m;
	CHECK(t != NULL);
	for (int i = 0; i < TIMERS; i++)
		act_timer_set(self, &t[i], 3600 * NS_PER_S);
	double began = bench_now_s();
	for (int i = 0; i < TIMERS; i++)
		act_timer_set(self, &t[i], 7200 * NS_PER_S);
	r->inner_s = bench_now_s() - began;
	uint64_t cleared = 0;
	for (int i = 0; i < TIMERS; i++) {
		cleared += act_timer_is_set(&t[i]);
		act_timer_clear(self, &t[i]);
	}
	free(t);
	run_end(r, (double)cleared);
	return ACT_EXIT;
}

static void timers(struct run *r)
{
	static const act_class cls = {.name = "timers", .on_msg = timers_on_msg};
	r->ops = TIMERS;
	bench_send(r->root, bench_spawn(r->root, &cls, NULL, 1), 1, NULL, 0);
	act_shard_run(r->shard, false);
}

/* ---- bounded buffer with close and join ---- */

#define SIDES 40
#define ITEMS 1000
#define ROOM  50
#define COST  25

struct buffer_frame {
	act_co co;
	int rc;
	act_group *makers, *takers;
	act_queue *q;
	act_msg *item;
	int i;
};

static int maker(act_self *self, void *frame)
{
	struct buffer_frame *f = frame;
	CO_BEGIN(&f->co);
	for (; f->i < ITEMS; f->i++) {
		bench_burn(COST);
		f->item = act_msg_new(self, 1, &f->i, sizeof(f->i));
		CHECK(f->item != NULL);
		CO_AWAIT(&f->co, f->rc, act_queue_put(self, act_arg(self), f->item));
		CHECK(f->rc == ACT_OK);
	}
	CO_END(&f->co);
}

static int taker(act_self *self, void *frame)
{
	struct buffer_frame *f = frame;
	CO_BEGIN(&f->co);
	for (;;) {
		CO_AWAIT(&f->co, f->rc, act_queue_get(self, act_arg(self), &f->item));
		if (f->rc == ACT_ECLOSED)
			break;
		bench_burn(COST);
		run_of(self)->answer++;
		CHECK(act_queue_done(self, act_arg(self)) == ACT_OK);
	}
	CO_END(&f->co);
}

static int buffer_main(act_self *self, void *frame)
{
	struct buffer_frame *f = frame;
	CO_BEGIN(&f->co);
	f->q = act_queue_new(act_myshard(self), ROOM);
	f->takers = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	f->makers = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	CHECK(f->q != NULL && f->makers != NULL && f->takers != NULL);
	for (int i = 0; i < SIDES; i++) {
		struct act_task_opts o = {.arg = f->q};
		CHECK(act_group_go(self, f->takers, taker, sizeof(*f), &o) == ACT_OK);
		CHECK(act_group_go(self, f->makers, maker, sizeof(*f), &o) == ACT_OK);
	}
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->makers));
	act_group_close(self, f->makers);
	CO_AWAIT(&f->co, f->rc, act_queue_join(self, f->q));
	act_queue_close(f->q, false);
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->takers));
	act_group_close(self, f->takers);
	act_queue_free(f->q);
	act_shard_ask_stop(run_of(self)->shard);
	CO_END(&f->co);
}

static void boundedbuffer(struct run *r)
{
	r->ops = SIDES * ITEMS;
	spawn_main(r, buffer_main, sizeof(struct buffer_frame));
	act_shard_run(r->shard, false);
}

/* ---- the barber: a room of 1000; who is turned away comes again ---- */

#define HAIRCUTS     5000
#define WAITING_ROOM 1000

static act_queue *room;

static int customer(act_self *self, void *frame)
{
	struct buffer_frame *f = frame;
	CO_BEGIN(&f->co);
	f->item = act_msg_new(self, 1, NULL, 0);
	CHECK(f->item != NULL);
	for (;;) {
		f->rc = act_queue_try_put(self, room, f->item);
		if (f->rc == ACT_OK)
			break;
		CO_AWAIT(&f->co, f->rc, act_yield(self));
	}
	CO_END(&f->co);
}

static int barber_main(act_self *self, void *frame)
{
	struct buffer_frame *f = frame;
	CO_BEGIN(&f->co);
	room = act_queue_new(act_myshard(self), WAITING_ROOM);
	f->makers = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	CHECK(room != NULL && f->makers != NULL);
	for (int i = 0; i < HAIRCUTS; i++)
		CHECK(act_group_go(self, f->makers, customer, sizeof(*f), NULL) == ACT_OK);
	for (; f->i < HAIRCUTS; f->i++) {
		CO_AWAIT(&f->co, f->rc, act_queue_get(self, room, &f->item));
		CHECK(f->rc == ACT_OK);
		bench_burn(100);
		act_queue_done(self, room);
		run_of(self)->answer++;
	}
	CO_AWAIT(&f->co, f->rc, act_group_join(self, f->makers));
	act_group_close(self, f->makers);
	act_queue_free(room);
	act_shard_ask_stop(run_of(self)->shard);
	CO_END(&f->co);
}

static void barber(struct run *r)
{
	r->ops = HAIRCUTS;
	spawn_main(r, barber_main, sizeof(struct buffer_frame));
	act_shard_run(r->shard, false);
}

/* ---- smokers: wakes one of 200 ---- */

#define SMOKERS	      200
#define SMOKER_ROUNDS 1000

struct smokers_frame {
	act_co co;
	int rc, i;
	act_msg *m;
	act_id id[SMOKERS];
};

static int smoker_on_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	bench_burn((unsigned)m->word[0]);
	act_reply(self, m->token, 1, NULL, 0);
	return ACT_OK;
}

static int smokers_main(act_self *self, void *frame)
{
	static const act_class cls = {.name = "smoker", .on_msg = smoker_on_msg};
	static const uint64_t cost = COST;
	struct smokers_frame *f = frame;
	CO_BEGIN(&f->co);
	for (int i = 0; i < SMOKERS; i++)
		f->id[i] = bench_spawn(self, &cls, NULL, 1);
	for (; f->i < SMOKER_ROUNDS; f->i++) {
		CO_AWAIT(&f->co, f->rc,
			 act_ask(self, f->id[rng_below(act_rng(self), SMOKERS)], 1, &cost,
				 sizeof(cost), &f->m));
		CHECK(f->rc == ACT_OK);
		act_drop(self, f->m);
		run_of(self)->answer++;
	}
	act_shard_ask_stop(run_of(self)->shard);
	CO_END(&f->co);
}

static void smokers(struct run *r)
{
	r->ops = SMOKER_ROUNDS;
	spawn_main(r, smokers_main, sizeof(struct smokers_frame));
	act_shard_run(r->shard, false);
}

const struct bench bench_task[] = {{"group", group},
				   {"cancel", cancel},
				   {"idletask", idletask},
				   {"timers", timers},
				   {"boundedbuffer", boundedbuffer},
				   {"barber", barber},
				   {"smokers", smokers},
				   {NULL, NULL}};
