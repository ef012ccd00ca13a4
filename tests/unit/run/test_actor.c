/* Mail of plain actors: order, bounds, ownership; rows and posts. */
#include "run/stats.h"
#include "tests/unit/run/scribe.h"

START_TEST(mail_arrives_in_the_order_it_was_sent)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL);
	for (const char *c = "hello"; *c != '\0'; c++)
		ck_assert_int_eq(act_send(w.root, a, NOTE, c, 1), ACT_OK);
	world_settle(&w);
	ck_assert_str_eq(story, "hello");
	world_close(&w);
}
END_TEST

START_TEST(full_mailbox_leaves_the_message_with_the_sender)
{
	struct world w;
	begin(&w);
	n_freed = 0;
	act_id a = a_scribe(&w, &(struct act_opts){.cap = 2});
	ck_assert_int_eq(act_send(w.root, a, NOTE, "1", 1), ACT_OK);
	ck_assert_int_eq(act_send(w.root, a, NOTE, "2", 1), ACT_OK);
	char *mine = strdup("3");
	ck_assert_int_eq(act_send_buf(w.root, a, NOTE, mine, 1, freed), ACT_EFULL);
	ck_assert_int_eq(n_freed, 0);
	world_settle(&w);
	ck_assert_int_eq(act_send_buf(w.root, a, NOTE, mine, 1, freed), ACT_OK);
	world_settle(&w);
	ck_assert_str_eq(story, "123");
	ck_assert_int_eq(n_freed, 1);
	world_close(&w);
}
END_TEST

START_TEST(overflow_policies_drop_the_new_or_the_old)
{
	struct world w;
	begin(&w);
	act_id n = a_scribe(&w, &(struct act_opts){.cap = 1, .overflow = ACT_DROP_NEW});
	act_id o = a_scribe(&w, &(struct act_opts){.cap = 1, .overflow = ACT_DROP_OLD});
	for (const char *c = "ab"; *c != '\0'; c++) {
		ck_assert_int_eq(act_send(w.root, n, NOTE, c, 1), ACT_OK);
		ck_assert_int_eq(act_send(w.root, o, NOTE, c, 1), ACT_OK);
	}
	world_settle(&w);
	ck_assert_str_eq(story, "ab");
	world_close(&w);
}
END_TEST

START_TEST(a_stale_id_is_dead_and_never_another_actor)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL);
	act_stop(w.root, a);
	world_settle(&w);
	act_id b = a_scribe(&w, NULL);
	ck_assert_uint_ne(a, b);
	ck_assert_uint_eq(a >> 32, b >> 32);
	ck_assert_int_eq(act_send(w.root, a, NOTE, "x", 1), ACT_EDEAD);
	ck_assert(!act_is_alive(w.root, a));
	ck_assert(act_is_alive(w.root, b));
	world_close(&w);
}
END_TEST

START_TEST(stop_lets_the_mail_before_it_be_read)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL);
	act_send(w.root, a, NOTE, "1", 1);
	act_send(w.root, a, NOTE, "2", 1);
	act_stop(w.root, a);
	ck_assert_int_eq(act_send(w.root, a, NOTE, "3", 1), ACT_EDEAD);
	world_settle(&w);
	ck_assert_str_eq(story, "12f");
	world_close(&w);
}
END_TEST

START_TEST(cancel_overtakes_mail)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL);
	act_send(w.root, a, NOTE, "1", 1);
	act_cancel(w.root, a, ACT_WHY_CANCEL);
	act_cancel(w.root, a, ACT_WHY_CANCEL);
	world_settle(&w);
	ck_assert_str_eq(story, "Cf");
	world_close(&w);
}
END_TEST

START_TEST(kill_runs_no_more_of_its_code_but_fini)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL);
	act_send(w.root, a, NOTE, "1", 1);
	act_kill(w.root, a);
	world_settle(&w);
	ck_assert_str_eq(story, "f");
	world_close(&w);
}
END_TEST

START_TEST(a_taken_message_outlives_the_behaviour)
{
	struct world w;
	begin(&w);
	n_freed = 0;
	act_id a = a_scribe(&w, NULL);
	ck_assert_int_eq(act_send_buf(w.root, a, KEEP, strdup("k"), 1, freed), ACT_OK);
	world_settle(&w);
	ck_assert_int_eq(n_freed, 0);
	act_stop(w.root, a);
	world_settle(&w);
	ck_assert_int_eq(n_freed, 1);
	world_close(&w);
}
END_TEST

START_TEST(mail_of_the_dead_is_freed_and_counted)
{
	struct world w;
	begin(&w);
	n_freed = 0;
	act_id a = a_scribe(&w, NULL);
	act_send(w.root, a, FAIL, "1", 1);
	ck_assert_int_eq(act_send_buf(w.root, a, NOTE, strdup("2"), 1, freed), ACT_OK);
	world_settle(&w);
	ck_assert_int_eq(n_freed, 1);
	act_stats st;
	act_stats_read(w.sh, &st);
	ck_assert_uint_eq(st.dead, 1);
	ck_assert_uint_eq(st.failed, 1);
	ck_assert_uint_eq(st.sent, st.delivered + st.dead);
	world_close(&w);
}
END_TEST

START_TEST(casts_keep_their_place_before_later_sends)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL);
	act_cast(w.root, a, NOTE, "1", 1);
	act_cast(w.root, a, NOTE, "2", 1);
	act_send(w.root, a, NOTE, "3", 1);
	world_settle(&w);
	ck_assert_str_eq(story, "123");
	world_close(&w);
}
END_TEST

START_TEST(big_messages_travel_on_the_heap)
{
	struct world w;
	begin(&w);
	char big[300];
	memset(big, 'B', sizeof(big));
	act_id a = a_scribe(&w, NULL);
	ck_assert_int_eq(act_send(w.root, a, NOTE, big, sizeof(big)), ACT_OK);
	world_settle(&w);
	ck_assert_str_eq(story, "B");
	world_close(&w);
}
END_TEST

START_TEST(the_limit_of_actors_refuses_the_next)
{
	struct world w;
	story[0] = '\0';
	world_open_with(&w, (struct act_shard_opts){.max_actors = 2});
	a_scribe(&w, NULL);
	a_scribe(&w, NULL);
	ck_assert_uint_eq(act_spawn(w.root, &scribe, NULL, NULL), 0);
	world_close(&w);
}
END_TEST

static void post_from_callback(void *ctx)
{
	struct world *w = ctx;
	ck_assert_int_eq(act_post_local(w->sh, last_scribe->peer, NOTE, "c", 1), ACT_OK);
}

START_TEST(callbacks_of_the_loop_only_post)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL);
	last_scribe->peer = a;
	fakeloop_at(&w.fake, w.fake.now_ns + NS_PER_MS, post_from_callback, &w);
	world_run_for(&w, 2 * NS_PER_MS);
	ck_assert_str_eq(story, "c");
	ck_assert_int_eq(act_post(w.sh, a, NOTE, "f", 1), ACT_OK);
	world_settle(&w);
	ck_assert_str_eq(story, "cf");
	world_close(&w);
}
END_TEST

static void count_row(void *ctx, const struct act_row *row)
{
	int *n = ctx;
	++*n;
	ck_assert_str_eq(row->class_name, "scribe");
	ck_assert_uint_eq(row->cap, 9);
	ck_assert_uint_eq(row->depth, 1);
}

START_TEST(rows_come_page_by_page)
{
	struct world w;
	begin(&w);
	int n = 0;
	uint32_t cursor = 0;
	for (int i = 0; i < 5; i++)
		act_send(w.root, a_scribe(&w, &(struct act_opts){.cap = 9}), NOTE, "x", 1);
	ck_assert(act_inspect(w.sh, &cursor, 3, count_row, &n));
	ck_assert_int_eq(n, 3);
	ck_assert(!act_inspect(w.sh, &cursor, 3, count_row, &n));
	ck_assert_int_eq(n, 5);
	world_close(&w);
}
END_TEST

RUN_TESTS("actor", mail_arrives_in_the_order_it_was_sent,
	  full_mailbox_leaves_the_message_with_the_sender,
	  overflow_policies_drop_the_new_or_the_old, a_stale_id_is_dead_and_never_another_actor,
	  stop_lets_the_mail_before_it_be_read, cancel_overtakes_mail,
	  kill_runs_no_more_of_its_code_but_fini, a_taken_message_outlives_the_behaviour,
	  mail_of_the_dead_is_freed_and_counted, casts_keep_their_place_before_later_sends,
	  big_messages_travel_on_the_heap, the_limit_of_actors_refuses_the_next,
	  callbacks_of_the_loop_only_post, rows_come_page_by_page)
