/* The ways between shards when they are full and no memory is left: what must arrive arrives. */
#include "run/scope.h"
#include "run/stats.h"
#include "tests/unit/run/world.h"

enum { ITEM = 1, LAST, MAX_CELLS = 2048, LANE = 1024 };

struct pair {
	struct fakeloop fake[2];
	act_mesh *mesh;
	act_shard *sh[2];
	act_self *root[2];
	act_id sink, watcher;
	unsigned n_items, n_last, n_down;
	int down_rc;
	uint64_t next;
	act_msg *hoard[MAX_CELLS + 1];
	unsigned n_hoard;
};

static int sink_msg(act_self *self, void *state, act_msg *m)
{
	struct pair *p = act_user(self);
	(void)state;
	if (m->type == LAST) {
		p->n_last++;
		return ACT_OK;
	}
	ck_assert_uint_eq(m->word[0], p->next++);
	p->n_items++;
	return ACT_OK;
}

static int watcher_msg(act_self *self, void *state, act_msg *m)
{
	struct pair *p = act_user(self);
	(void)state;
	if (m->type == ITEM)
		return act_monitor(self, p->sink, 9);
	act_demonitor(self, p->sink, 9);
	return ACT_OK;
}

static int watcher_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct pair *p = act_user(self);
	(void)state;
	if (sig->kind == ACT_SIG_DOWN && sig->ref == 9) {
		p->n_down++;
		p->down_rc = sig->rc;
	}
	return ACT_OK;
}

static const act_class sink = {.name = "sink", .on_msg = sink_msg};
static const act_class watcher = {
	.name = "watcher", .on_msg = watcher_msg, .on_signal = watcher_signal};

static void open_pair(struct pair *p)
{
	*p = (struct pair){.mesh = act_mesh_new(2)};
	for (unsigned i = 0; i < 2; i++) {
		fakeloop_init(&p->fake[i]);
		p->sh[i] = act_shard_new(
			&(struct act_shard_opts){.clock = &p->fake[i].clock,
						 .loop = &p->fake[i].loop,
						 .user = p,
						 .mesh = p->mesh,
						 .no = (uint8_t)i,
						 .max_cells = i == 0 ? MAX_CELLS : 0});
		p->root[i] = act_shard_root(p->sh[i]);
	}
	p->watcher = act_spawn(p->root[0], &watcher, NULL, NULL);
	p->sink = act_spawn(p->root[1], &sink, NULL, &(struct act_opts){.cap = 4096});
}

static void settle(struct pair *p)
{
	bool more = true;
	while (more) {
		more = act_shard_turn(p->sh[0]);
		more = act_shard_turn(p->sh[1]) || more;
		more = more || !act_shard_idle(p->sh[0]);
	}
}

static void close_pair(struct pair *p)
{
	for (unsigned i = 0; i < 2; i++)
		act_shard_free(p->sh[i]);
	for (unsigned i = 0; i < 2; i++)
		fakeloop_fini(&p->fake[i]);
	act_mesh_free(p->mesh);
}

static uint64_t fill_lane(struct pair *p)
{
	uint64_t n = 0;
	while (act_send(p->root[0], p->sink, ITEM, &n, sizeof(n)) == ACT_OK)
		n++;
	return n;
}

static void take_all_cells(struct pair *p)
{
	while ((p->hoard[p->n_hoard] = act_prepare(p->root[0], LAST, NULL, 0)) != NULL)
		p->n_hoard++;
}

static void give_cells_back(struct pair *p)
{
	while (p->n_hoard > 0)
		act_unprepare(p->root[0], p->hoard[--p->n_hoard]);
}

START_TEST(what_must_be_delivered_needs_neither_way_nor_memory)
{
	struct pair p;
	open_pair(&p);
	uint64_t n = fill_lane(&p);
	ck_assert_uint_eq(n, LANE);
	take_all_cells(&p);
	act_deliver(p.root[0], p.sink, p.hoard[--p.n_hoard]);
	act_deliver(p.root[0], p.sink, p.hoard[--p.n_hoard]);
	take_all_cells(&p); /* none came back: they are on their way */
	act_stop(p.root[0], p.sink);
	settle(&p);
	ck_assert_uint_eq(p.n_items, n);
	ck_assert_uint_eq(p.n_last, 2);
	ck_assert_uint_eq(act_shard_live(p.sh[1]), 0);
	give_cells_back(&p);
	ck_assert_uint_eq(act_stats_cells(p.sh[0]), 0);
	close_pair(&p);
}
END_TEST

START_TEST(a_down_from_afar_arrives_where_no_cell_is_left)
{
	struct pair p;
	open_pair(&p);
	act_send(p.root[0], p.watcher, ITEM, NULL, 0);
	settle(&p);
	take_all_cells(&p);
	act_kill(p.root[1], p.sink);
	settle(&p);
	ck_assert_uint_eq(p.n_down, 1);
	ck_assert_int_eq(p.down_rc, ACT_EKILLED);
	give_cells_back(&p);
	ck_assert_uint_eq(act_stats_cells(p.sh[0]), 0);
	close_pair(&p);
}
END_TEST

START_TEST(a_far_monitor_without_memory_is_refused)
{
	struct pair p;
	open_pair(&p);
	act_send(p.root[0], p.watcher, ITEM, NULL, 0);
	take_all_cells(&p);
	settle(&p); /* fails with ENOMEM, and the watcher with it */
	ck_assert_uint_eq(act_shard_live(p.sh[0]), 0);
	act_kill(p.root[1], p.sink);
	settle(&p);
	ck_assert_uint_eq(p.n_down, 0);
	give_cells_back(&p);
	close_pair(&p);
}
END_TEST

START_TEST(cancels_and_kills_pass_a_full_way_without_memory)
{
	enum { N = 3 * LANE };
	struct pair p;
	act_id id[N];
	open_pair(&p);
	for (int i = 0; i < N; i++)
		id[i] = act_spawn(p.root[1], &sink, NULL, NULL);
	uint64_t n = fill_lane(&p), live = act_shard_live(p.sh[1]);
	take_all_cells(&p);
	uint64_t cells = act_stats_cells(p.sh[0]);
	for (int i = 0; i < N; i++) {
		act_cancel(p.root[0], id[i], ACT_WHY_CANCEL); /* sinks end of it */
		if (i % 2 == 0)
			act_kill(p.root[0], id[i]);
		act_cancel(p.root[0], id[i], ACT_WHY_CANCEL);
	}
	ck_assert_uint_eq(act_stats_cells(p.sh[0]), cells);
	act_id heir = 0; /* of a slot whose actor a signal on its way was for */
	act_kill(p.root[1], id[0]);
	act_shard_turn(p.sh[1]);
	heir = act_spawn(p.root[1], &sink, NULL, NULL);
	act_kill(p.root[0], id[1]);
	settle(&p);
	ck_assert_uint_eq(act_shard_live(p.sh[1]), live - N + 1);
	ck_assert(act_is_alive(p.root[1], heir));
	ck_assert_uint_eq(p.n_items, n); /* and the mail came, in order */
	give_cells_back(&p);
	close_pair(&p);
}
END_TEST

START_TEST(a_far_monitor_is_dropped_and_a_dead_one_answered_without_memory)
{
	struct pair p;
	open_pair(&p);
	act_send(p.root[0], p.watcher, ITEM, NULL, 0);
	settle(&p);
	act_send(p.root[0], p.watcher, LAST, NULL, 0); /* drops it */
	fill_lane(&p);
	take_all_cells(&p);
	settle(&p);
	act_kill(p.root[1], p.sink);
	settle(&p);
	ck_assert_uint_eq(p.n_down, 0);
	give_cells_back(&p);
	act_send(p.root[0], p.watcher, ITEM, NULL, 0);
	settle(&p);
	ck_assert_uint_eq(p.n_down, 1);
	ck_assert_int_eq(p.down_rc, ACT_EDEAD);
	close_pair(&p);
}
END_TEST

START_TEST(shards_that_end_with_mail_aside_lose_no_memory)
{
	struct pair p;
	open_pair(&p);
	fill_lane(&p);
	for (int i = 0; i < 10; i++) {
		act_msg *m = act_prepare(p.root[0], LAST,
					 "more than a cell holds, so a block of its own", 45);
		act_deliver(p.root[0], p.sink, m);
	}
	close_pair(&p); /* leaks are the sanitizer's to find */
	ck_assert_uint_eq(p.n_last, 0);
}
END_TEST

RUN_TESTS("lanes", what_must_be_delivered_needs_neither_way_nor_memory,
	  a_down_from_afar_arrives_where_no_cell_is_left, a_far_monitor_without_memory_is_refused,
	  cancels_and_kills_pass_a_full_way_without_memory,
	  a_far_monitor_is_dropped_and_a_dead_one_answered_without_memory,
	  shards_that_end_with_mail_aside_lose_no_memory)
