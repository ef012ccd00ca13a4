/* Shards on threads of their own, with the libevent loop between them; worker threads; posts. */
#include "edge/loop_libevent.h"
#include "edge/workers.h"
#include "run/group.h"
#include "run/shard.h"
#include "run/stats.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_SHARDS = 4 };

static int64_t mono(void *ctx)
{
	(void)ctx;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static const struct clock real_clock = {.mono_ns = mono, .boot_ns = mono, .wall_ns = mono};

struct house {
	unsigned n;
	act_mesh *mesh;
	act_shard *sh[MAX_SHARDS];
	struct loop_libevent *loop[MAX_SHARDS];
	pthread_t thread[MAX_SHARDS];
	struct workers *workers;
	act_id peer[MAX_SHARDS]; /* an actor on each */
	uint64_t n_got[MAX_SHARDS];
	int result[MAX_SHARDS];
	bool is_cut_short; /* mail may be on its way at the end */
};

static void build(struct house *h, unsigned n)
{
	*h = (struct house){.n = n, .mesh = act_mesh_new(n)};
	h->workers = workers_new(&(struct workers_opts){
		.n_threads = 2, .cls[1] = {.max_running = 1, .max_queued = 2}});
	ck_assert_ptr_nonnull(h->workers);
	for (unsigned i = 0; i < n; i++) {
		h->loop[i] = loop_libevent_new();
		h->sh[i] = act_shard_new(
			&(struct act_shard_opts){.clock = &real_clock,
						 .loop = loop_libevent_loop(h->loop[i]),
						 .user = h,
						 .mesh = h->mesh,
						 .no = (uint8_t)i,
						 .max_actors = 65536,
						 .offload = workers_pool(h->workers)});
		ck_assert_ptr_nonnull(h->sh[i]);
	}
}

static void *live(void *sh)
{
	act_shard_run(sh, false);
	return NULL;
}

static void go(struct house *h)
{
	for (unsigned i = 0; i < h->n; i++)
		ck_assert_int_eq(pthread_create(&h->thread[i], NULL, live, h->sh[i]), 0);
}

static void wait_and_raze(struct house *h)
{
	for (unsigned i = 0; i < h->n; i++)
		pthread_join(h->thread[i], NULL);
	act_stats sum = {0};
	for (unsigned i = 0; i < h->n; i++) {
		act_stats s;
		act_stats_read(h->sh[i], &s);
		sum.sent += s.sent;
		sum.delivered += s.delivered + s.dead + s.dropped;
	}
	if (!h->is_cut_short)
		ck_assert_uint_eq(sum.sent, sum.delivered);
	for (unsigned i = 0; i < h->n; i++)
		act_shard_free(h->sh[i]);
	for (unsigned i = 0; i < h->n; i++)
		loop_libevent_free(h->loop[i]);
	workers_free(h->workers);
	act_mesh_free(h->mesh);
}

static void stop_all(struct house *h)
{
	for (unsigned i = 0; i < h->n; i++)
		act_shard_ask_stop(h->sh[i]);
}

/* ---- a token round the shards: each hop may wake a sleeper ---- */

enum { TOKEN = 1, FLOOD, FLOOD_END, QUESTION, NEVER };

static int relay_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	struct house *h = act_user(self);
	unsigned here = (unsigned)(act_whoami(self) >> 56);
	uint64_t left = m->word[0];
	h->n_got[here]++;
	if (left == 0) {
		stop_all(h);
		return ACT_OK;
	}
	left--;
	return act_send(self, h->peer[(here + 1) % h->n], TOKEN, &left, sizeof(left));
}

static const act_class relay = {.name = "relay", .on_msg = relay_msg};

static void run_token(unsigned n, uint64_t hops)
{
	struct house h;
	build(&h, n);
	for (unsigned i = 0; i < n; i++)
		h.peer[i] = act_spawn(act_shard_root(h.sh[i]), &relay, NULL, NULL);
	act_send(act_shard_root(h.sh[0]), h.peer[0], TOKEN, &hops, sizeof(hops));
	go(&h);
	wait_and_raze(&h);
	uint64_t sum = 0;
	for (unsigned i = 0; i < n; i++)
		sum += h.n_got[i];
	ck_assert_uint_eq(sum, hops + 1);
}

START_TEST(no_wakeup_is_lost_on_a_way_round_the_shards)
{
	static const unsigned n[] = {1, 2, 4};
	run_token(n[_i], _i == 0 ? 100000 : 20000);
}
END_TEST

/* ---- many tasks that ask across, against a small mailbox ---- */

static int answer_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	struct house *h = act_user(self);
	h->n_got[act_whoami(self) >> 56]++;
	if (m->type == QUESTION) {
		uint64_t v = m->word[0] * 2;
		act_reply(self, m->token, QUESTION, &v, sizeof(v));
	}
	return ACT_OK;
}

static const act_class answerer = {.name = "answerer", .on_msg = answer_msg};

struct asker {
	act_co co;
	int rc;
	uint64_t i, n, v;
	act_id to;
	act_msg *reply;
};

static int asker_step(act_self *self, void *frame)
{
	struct asker *a = frame;
	CO_BEGIN(&a->co);
	for (a->i = 0; a->i < a->n; a->i++) {
		a->v = a->i;
		CO_AWAIT(&a->co, a->rc,
			 act_ask(self, a->to, QUESTION, &a->v, sizeof(a->v), &a->reply));
		if (a->rc == ACT_EFULL) {
			a->i--;
			CO_AWAIT(&a->co, a->rc, act_yield(self));
			continue;
		}
		ck_assert_int_eq(a->rc, ACT_OK);
		ck_assert_uint_eq(a->reply->word[0], a->i * 2);
		act_drop(self, a->reply);
	}
	CO_END(&a->co);
}

struct crowd {
	act_co co;
	int rc;
	act_group *g;
};

static int crowd_step(act_self *self, void *frame)
{
	struct crowd *c = frame;
	struct house *h = act_user(self);
	CO_BEGIN(&c->co);
	c->g = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	for (unsigned i = 0; i < 50; i++) {
		struct asker a = {.n = 100, .to = h->peer[1 % h->n]};
		struct act_task_opts o = {.frame_init = &a, .frame_init_size = sizeof(a)};
		act_group_go(self, c->g, asker_step, sizeof(a), &o);
	}
	CO_AWAIT(&c->co, c->rc, act_group_join(self, c->g));
	h->result[0] = act_group_close(self, c->g);
	stop_all(h);
	CO_END(&c->co);
}

START_TEST(asks_and_replies_cross_between_shards)
{
	struct house h;
	build(&h, 2);
	h.peer[1] =
		act_spawn(act_shard_root(h.sh[1]), &answerer, NULL, &(struct act_opts){.cap = 64});
	h.result[0] = -1;
	act_spawn_task(act_shard_root(h.sh[0]), crowd_step, sizeof(struct crowd), NULL);
	go(&h);
	wait_and_raze(&h);
	ck_assert_int_eq(h.result[0], ACT_OK);
	ck_assert_uint_eq(h.n_got[1], 5000);
}
END_TEST

/* ---- a flood over the lane: refused, never lost ---- */

struct flooder {
	uint64_t left, n_refused;
};

static int flooder_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct flooder *f = state;
	struct house *h = act_user(self);
	(void)sig;
	while (f->left > 0) {
		int rc = act_send(self, h->peer[1], FLOOD, &f->left, sizeof(f->left));
		if (rc == ACT_EFULL)
			break;
		ck_assert_int_eq(rc, ACT_OK);
		f->left--;
	}
	if (f->left > 0) {
		act_more(self);
		return ACT_OK;
	}
	act_stop(self, h->peer[1]);
	return ACT_EXIT;
}

static int flooder_init(act_self *self, void *state, const void *arg)
{
	(void)arg;
	((struct flooder *)state)->left = 50000;
	act_more(self);
	return ACT_OK;
}

static const act_class flooder = {.name = "flooder",
				  .state_size = sizeof(struct flooder),
				  .init = flooder_init,
				  .on_msg = answer_msg,
				  .on_signal = flooder_signal};

static void drain_fini(act_self *self, void *state, int why)
{
	(void)state;
	(void)why;
	stop_all(act_user(self));
}

static const act_class drain = {.name = "drain", .on_msg = answer_msg, .fini = drain_fini};

START_TEST(a_flood_between_shards_keeps_order_and_accounts)
{
	struct house h;
	build(&h, 2);
	h.peer[1] =
		act_spawn(act_shard_root(h.sh[1]), &drain, NULL, &(struct act_opts){.cap = 65535});
	act_spawn(act_shard_root(h.sh[0]), &flooder, NULL, NULL);
	go(&h);
	wait_and_raze(&h);
	ck_assert_uint_eq(h.n_got[1], 50000);
}
END_TEST

/* ---- DOWN across shards ---- */

static int mourner_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	(void)m;
	struct house *h = act_user(self);
	ck_assert_int_eq(act_monitor(self, h->peer[1], 5), ACT_OK);
	act_kill(self, h->peer[1]);
	return ACT_OK;
}

static int mourner_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)state;
	struct house *h = act_user(self);
	if (sig->kind == ACT_SIG_DOWN && sig->ref == 5) {
		h->result[0] = sig->rc;
		stop_all(h);
	}
	return ACT_OK;
}

static const act_class mourner = {
	.name = "mourner", .on_msg = mourner_msg, .on_signal = mourner_signal};

START_TEST(kill_and_down_cross_between_shards)
{
	struct house h;
	build(&h, 2);
	h.peer[1] = act_spawn(act_shard_root(h.sh[1]), &answerer, NULL, NULL);
	act_id m = act_spawn(act_shard_root(h.sh[0]), &mourner, NULL, NULL);
	act_send(act_shard_root(h.sh[0]), m, TOKEN, NULL, 0);
	go(&h);
	wait_and_raze(&h);
	ck_assert_int_eq(h.result[0], ACT_EKILLED);
}
END_TEST

/* ---- kills from all sides, over ways that are full ---- */

enum { VICTIMS = 5000 };
static act_id victim[VICTIMS];

static int victim_msg(act_self *self, void *state, act_msg *m)
{
	(void)self;
	(void)state;
	(void)m;
	return ACT_OK;
}

static void victim_fini(act_self *self, void *state, int why)
{
	struct house *h = act_user(self);
	(void)state;
	ck_assert_int_eq(why, ACT_EKILLED);
	if (++h->n_got[0] == VICTIMS)
		stop_all(h);
}

static int killer_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	(void)m;
	while (act_send(self, victim[0], 1, NULL, 0) == ACT_OK)
		continue;
	for (int i = VICTIMS; i-- > 0;)
		act_kill(self, victim[i]);
	return ACT_OK;
}

START_TEST(kills_arrive_from_all_sides_over_full_ways)
{
	static const act_class prey = {.name = "prey", .on_msg = victim_msg, .fini = victim_fini};
	static const act_class killer = {.name = "killer", .on_msg = killer_msg};
	struct house h;
	build(&h, 4);
	h.is_cut_short = true;
	for (int i = 0; i < VICTIMS; i++)
		victim[i] = act_spawn(act_shard_root(h.sh[0]), &prey, NULL, NULL);
	for (unsigned i = 1; i < 4; i++)
		act_send(act_shard_root(h.sh[i]),
			 act_spawn(act_shard_root(h.sh[i]), &killer, NULL, NULL), 1, NULL, 0);
	go(&h);
	wait_and_raze(&h);
	ck_assert_uint_eq(h.n_got[0], VICTIMS);
}
END_TEST

/* ---- posts from foreign threads ---- */

enum { POSTERS = 3, POSTS = 5000 };

static int counter_msg(act_self *self, void *state, act_msg *m)
{
	uint64_t *next = state; /* per producer: the number expected */
	struct house *h = act_user(self);
	ck_assert_uint_eq(m->word[1], next[m->word[0]]);
	next[m->word[0]]++;
	if (++h->n_got[0] == POSTERS * POSTS)
		stop_all(h);
	return ACT_OK;
}

static const act_class counter = {
	.name = "counter", .state_size = POSTERS * sizeof(uint64_t), .on_msg = counter_msg};

struct poster {
	struct house *h;
	uint64_t no;
};

static void *post_many(void *arg)
{
	struct poster *p = arg;
	for (uint64_t i = 0; i < POSTS; i++) {
		uint64_t v[2] = {p->no, i};
		ck_assert_int_eq(act_post(p->h->sh[0], p->h->peer[0], FLOOD, v, sizeof(v)), ACT_OK);
	}
	return NULL;
}

START_TEST(posts_of_foreign_threads_arrive_in_each_ones_order)
{
	struct house h;
	pthread_t t[POSTERS];
	struct poster p[POSTERS];
	build(&h, 1);
	h.peer[0] = act_spawn(act_shard_root(h.sh[0]), &counter, NULL,
			      &(struct act_opts){.cap = 65535});
	go(&h);
	for (uint64_t i = 0; i < POSTERS; i++) {
		p[i] = (struct poster){&h, i};
		pthread_create(&t[i], NULL, post_many, &p[i]);
	}
	for (int i = 0; i < POSTERS; i++)
		pthread_join(t[i], NULL);
	wait_and_raze(&h);
	ck_assert_uint_eq(h.n_got[0], POSTERS * POSTS);
}
END_TEST

/* ---- offloading ---- */

static int count_up(void *arg)
{
	return __atomic_add_fetch((int *)arg, 1, __ATOMIC_SEQ_CST) > 0 ? 5 : -1;
}

struct loader {
	act_co co;
	int rc, i;
	int *n;
};

static int loader_step(act_self *self, void *frame)
{
	struct loader *l = frame;
	CO_BEGIN(&l->co);
	for (l->i = 0; l->i < 200; l->i++) {
		struct act_work w = {.fn = count_up, .arg = l->n};
		CO_AWAIT(&l->co, l->rc, act_offload(self, &w));
		ck_assert_int_eq(l->rc, 5);
	}
	CO_END(&l->co);
}

struct load {
	act_co co;
	int rc, n;
	act_group *g;
};

static int load_step(act_self *self, void *frame)
{
	struct load *l = frame;
	struct house *h = act_user(self);
	CO_BEGIN(&l->co);
	l->g = act_group_open(self, ACT_FAIL_FAST, 0, ACT_FOREVER);
	for (int i = 0; i < 10; i++) {
		struct loader one = {.n = &l->n};
		struct act_task_opts o = {.frame_init = &one, .frame_init_size = sizeof(one)};
		act_group_go(self, l->g, loader_step, sizeof(one), &o);
	}
	CO_AWAIT(&l->co, l->rc, act_group_join(self, l->g));
	act_group_close(self, l->g);
	h->result[0] = l->n;
	stop_all(h);
	CO_END(&l->co);
}

START_TEST(offloaded_work_comes_back_to_its_task)
{
	struct house h;
	build(&h, 1);
	act_spawn_task(act_shard_root(h.sh[0]), load_step, sizeof(struct load), NULL);
	go(&h);
	wait_and_raze(&h);
	ck_assert_int_eq(h.result[0], 2000);
}
END_TEST

/* A gate that the test opens. */
struct gate {
	pthread_mutex_t mutex;
	pthread_cond_t news;
	bool is_open, is_entered;
};

static int pass_gate(void *arg)
{
	struct gate *g = arg;
	pthread_mutex_lock(&g->mutex);
	g->is_entered = true;
	pthread_cond_broadcast(&g->news);
	while (!g->is_open)
		pthread_cond_wait(&g->news, &g->mutex);
	pthread_mutex_unlock(&g->mutex);
	return 0;
}

static int do_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static int submitter_msg(act_self *self, void *state, act_msg *m)
{
	(void)state;
	struct house *h = act_user(self);
	struct gate *gate = (struct gate *)(uintptr_t)m->word[1];
	for (uint64_t i = 0; i < m->word[0]; i++) {
		struct act_work w = {
			.fn = m->type == 0 ? pass_gate : do_nothing, .arg = gate, .cls = 1};
		h->result[i] = act_offload_signal(self, &w, i);
	}
	return ACT_OK;
}

static int submitter_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)state;
	struct house *h = act_user(self);
	h->n_got[0] += sig->kind == ACT_SIG_WORK;
	return ACT_OK;
}

static const act_class submitter = {
	.name = "submitter", .on_msg = submitter_msg, .on_signal = submitter_signal};

static void open_gate(struct gate *g)
{
	pthread_mutex_lock(&g->mutex);
	g->is_open = true;
	pthread_cond_broadcast(&g->news);
	pthread_mutex_unlock(&g->mutex);
}

static void wait_until_entered(struct gate *g)
{
	pthread_mutex_lock(&g->mutex);
	while (!g->is_entered)
		pthread_cond_wait(&g->news, &g->mutex);
	pthread_mutex_unlock(&g->mutex);
}

START_TEST(a_class_bounds_what_runs_and_what_waits)
{
	struct house h;
	build(&h, 1);
	struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, false};
	act_id a = act_spawn(act_shard_root(h.sh[0]), &submitter, NULL, NULL);
	uint64_t v[2] = {1, (uintptr_t)&gate};
	act_send(act_shard_root(h.sh[0]), a, 0, v, sizeof(v));
	act_shard_turn(h.sh[0]);
	wait_until_entered(&gate);
	v[0] = 3;
	act_send(act_shard_root(h.sh[0]), a, 1, v, sizeof(v));
	act_shard_turn(h.sh[0]);
	ck_assert_int_eq(h.result[0], ACT_OK);
	ck_assert_int_eq(h.result[1], ACT_OK);
	ck_assert_int_eq(h.result[2], ACT_EFULL);
	open_gate(&gate);
	while (h.n_got[0] < 3)
		act_shard_turn(h.sh[0]);
	act_shard_free(h.sh[0]);
	loop_libevent_free(h.loop[0]);
	workers_free(h.workers);
	act_mesh_free(h.mesh);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("shards");
	TCase *t = tcase_create("shards");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, no_wakeup_is_lost_on_a_way_round_the_shards, 0, 3);
	tcase_add_test(t, asks_and_replies_cross_between_shards);
	tcase_add_test(t, a_flood_between_shards_keeps_order_and_accounts);
	tcase_add_test(t, kill_and_down_cross_between_shards);
	tcase_add_loop_test(t, kills_arrive_from_all_sides_over_full_ways, 0, 10);
	tcase_add_test(t, posts_of_foreign_threads_arrive_in_each_ones_order);
	tcase_add_test(t, offloaded_work_comes_back_to_its_task);
	tcase_add_test(t, a_class_bounds_what_runs_and_what_waits);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
