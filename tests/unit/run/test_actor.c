/* Mail, signals, monitors, links, defers and timers of plain actors. */
#include "run/scope.h"
#include "run/stats.h"
#include "tests/unit/run/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTE = 1, FAIL, LEAVE, KEEP };

/* What happened, as letters, in order. */
static char story[256];

static void tell(char c)
{
	size_t n = strlen(story);
	ck_assert_uint_lt(n + 1, sizeof(story));
	story[n] = c;
	story[n + 1] = '\0';
}

static void begin(struct world *w)
{
	story[0] = '\0';
	world_open(w);
}

struct scribe {
	act_msg *kept;
	struct act_timer timer, other;
	uint64_t n;
	act_id peer;
	int on_exit;
};

static struct scribe *last_scribe;

static int scribe_init(act_self *self, void *state, const void *arg)
{
	(void)self;
	(void)arg;
	last_scribe = state;
	return ACT_OK;
}

static int scribe_msg(act_self *self, void *state, act_msg *m)
{
	struct scribe *s = state;
	s->n++;
	if (act_len(m) > 0)
		tell(*(char *)act_data(m));
	if (m->type == FAIL)
		return act_fail(self, -200, "test", NULL, "as told");
	if (m->type == KEEP)
		s->kept = act_take(self, m);
	return m->type == LEAVE ? ACT_EXIT : ACT_OK;
}

static int scribe_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)self;
	(void)state;
	static const char letter[] = "CDXTRMGW";
	tell(letter[sig->kind]);
	return sig->kind == ACT_SIG_CANCEL ? ACT_ECANCELED : ACT_OK;
}

static void scribe_fini(act_self *self, void *state, int why)
{
	(void)why;
	act_drop(self, ((struct scribe *)state)->kept);
	tell('f');
}

static const act_class scribe = {.name = "scribe",
				 .state_size = sizeof(struct scribe),
				 .flags = ACT_CLASS_TRAPS_EXIT,
				 .init = scribe_init,
				 .on_msg = scribe_msg,
				 .on_signal = scribe_signal,
				 .fini = scribe_fini};

static act_id a_scribe(struct world *w, const struct act_opts *opts)
{
	act_id id = act_spawn(w->root, &scribe, NULL, opts);
	ck_assert_uint_ne(id, 0);
	return id;
}

static int n_freed;

static void freed(void *p)
{
	n_freed++;
	free(p);
}

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

/* ---- a watcher acts for the tests: it does what its message says ---- */

enum { DO_MONITOR = 100, DO_DEMONITOR, DO_LINK, DO_TIMER, DO_TIMER_CLEAR, DO_RESUME, DO_DEFER };
enum { DO_DELIVER_LATE = 200, DO_MORE };

struct downs {
	int n, rc;
	uint64_t ref;
	act_id from;
	char message[32];
};
static struct downs downs;

static void say_a(act_self *self, void *arg)
{
	(void)self;
	tell(*(char *)arg);
}

static void deliver_late(act_self *self, void *arg)
{
	act_deliver(self, last_scribe->peer, arg);
}

static int worker_msg(act_self *self, void *state, act_msg *m)
{
	struct scribe *s = state;
	act_id id = m->word[0];
	switch (m->type) {
	case DO_MONITOR:
		return act_monitor(self, id, 7);
	case DO_DEMONITOR:
		act_demonitor(self, id, 7);
		return ACT_OK;
	case DO_LINK:
		return act_link(self, id);
	case DO_TIMER:
		act_timer_set(self, &s->timer, (int64_t)id);
		return ACT_OK;
	case DO_TIMER_CLEAR:
		act_timer_clear(self, &s->timer);
		return ACT_OK;
	case DO_RESUME:
		return act_resume_when_free(self, id);
	case DO_DEFER:
		act_defer(self, say_a, "1");
		act_defer(self, say_a, "2");
		act_defer(self, say_a, "3");
		act_defer(self, say_a, "4");
		ck_assert(act_undefer(self, say_a, "2"));
		ck_assert(!act_undefer(self, say_a, "9"));
		return ACT_OK;
	case DO_DELIVER_LATE:
		last_scribe->peer = id;
		return act_defer(self, deliver_late, act_prepare(self, NOTE, "p", 1));
	case DO_MORE:
		act_more(self);
		act_more(self);
		return ACT_OK;
	default:
		return scribe_msg(self, state, m);
	}
}

static int worker_signal(act_self *self, void *state, const struct act_sig *sig)
{
	if (sig->kind == ACT_SIG_DOWN) {
		downs.n++;
		downs.rc = sig->rc;
		downs.ref = sig->ref;
		downs.from = sig->from;
		snprintf(downs.message, sizeof(downs.message), "%s",
			 sig->err != NULL ? sig->err->message : "");
	}
	return scribe_signal(self, state, sig);
}

static const act_class worker = {.name = "worker",
				 .state_size = sizeof(struct scribe),
				 .flags = ACT_CLASS_TRAPS_EXIT,
				 .on_msg = worker_msg,
				 .on_signal = worker_signal};

static act_id a_worker(struct world *w)
{
	memset(&downs, 0, sizeof(downs));
	return act_spawn(w->root, &worker, NULL, NULL);
}

static void order(struct world *w, act_id who, uint32_t what, uint64_t v)
{
	ck_assert_int_eq(act_send(w->root, who, what, &v, sizeof(v)), ACT_OK);
	world_settle(w);
}

START_TEST(down_comes_after_fini_with_the_reason)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL), b = a_worker(&w);
	order(&w, b, DO_MONITOR, a);
	act_send(w.root, a, FAIL, "!", 1);
	world_settle(&w);
	ck_assert_str_eq(story, "!fD");
	ck_assert_int_eq(downs.rc, -200);
	ck_assert_uint_eq(downs.ref, 7);
	ck_assert_uint_eq(downs.from, a);
	ck_assert_str_eq(downs.message, "as told");
	world_close(&w);
}
END_TEST

START_TEST(a_monitor_of_the_dead_answers_at_once)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL), b = a_worker(&w);
	act_stop(w.root, a);
	world_settle(&w);
	order(&w, b, DO_MONITOR, a);
	ck_assert_int_eq(downs.n, 1);
	ck_assert_int_eq(downs.rc, ACT_EDEAD);
	world_close(&w);
}
END_TEST

START_TEST(demonitor_silences_all_monitors_of_that_ref)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL), b = a_worker(&w);
	order(&w, b, DO_MONITOR, a);
	order(&w, b, DO_MONITOR, a);
	order(&w, b, DO_DEMONITOR, a);
	act_stop(w.root, a);
	world_settle(&w);
	ck_assert_int_eq(downs.n, 0);
	world_close(&w);
}
END_TEST

START_TEST(a_dead_watcher_leaves_nothing_behind)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL), b = a_worker(&w);
	order(&w, b, DO_MONITOR, a);
	order(&w, b, DO_LINK, a);
	ck_assert_uint_eq(act_stats_cells(w.sh), 3);
	act_stop(w.root, b);
	world_settle(&w);
	ck_assert_uint_eq(act_stats_cells(w.sh), 0);
	world_close(&w);
}
END_TEST

START_TEST(a_failing_link_is_told_to_those_who_trap_and_cancels_others)
{
	struct world w;
	begin(&w);
	static const act_class meek = {.name = "meek", .on_msg = scribe_msg};
	act_id a = a_scribe(&w, NULL), b = a_worker(&w);
	act_id c = act_spawn(w.root, &meek, NULL, NULL);
	order(&w, b, DO_LINK, a);
	act_id d = a_worker(&w);
	order(&w, d, DO_LINK, c);
	act_send(w.root, a, FAIL, NULL, 0);
	act_send(w.root, d, FAIL, NULL, 0);
	world_settle(&w);
	ck_assert_ptr_nonnull(strchr(story, 'X'));
	ck_assert(act_is_alive(w.root, b));
	ck_assert(!act_is_alive(w.root, c));
	world_close(&w);
}
END_TEST

START_TEST(a_normal_end_does_not_disturb_links)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, NULL), b = a_worker(&w);
	order(&w, b, DO_LINK, a);
	act_stop(w.root, a);
	world_settle(&w);
	ck_assert_str_eq(story, "f");
	world_close(&w);
}
END_TEST

START_TEST(defers_run_youngest_first_also_when_killed)
{
	struct world w;
	begin(&w);
	act_id b = a_worker(&w);
	order(&w, b, DO_DEFER, 0);
	act_kill(w.root, b);
	world_settle(&w);
	ck_assert_str_eq(story, "431");
	world_close(&w);
}
END_TEST

START_TEST(a_prepared_message_goes_past_the_cap_even_from_a_defer)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, &(struct act_opts){.cap = 1}), b = a_worker(&w);
	order(&w, b, DO_DELIVER_LATE, a);
	act_kill(w.root, b);
	ck_assert_int_eq(act_send(w.root, a, NOTE, "1", 1), ACT_OK);
	world_settle(&w);
	ck_assert_uint_eq(strlen(story), 2);
	ck_assert_ptr_nonnull(strchr(story, 'p'));
	world_close(&w);
}
END_TEST

START_TEST(a_prepared_message_to_the_dead_is_a_dead_letter)
{
	struct world w;
	begin(&w);
	n_freed = 0;
	act_id a = a_scribe(&w, NULL);
	act_kill(w.root, a);
	world_settle(&w);
	act_msg *m = act_msg_new_buf(w.root, NOTE, strdup("x"), 1, freed);
	act_deliver(w.root, a, m);
	ck_assert_int_eq(n_freed, 1);
	world_close(&w);
}
END_TEST

START_TEST(a_timer_is_never_early_and_late_by_at_most_a_tick)
{
	struct world w;
	begin(&w);
	act_id b = a_worker(&w);
	order(&w, b, DO_TIMER, 5 * NS_PER_MS + 1);
	world_run_for(&w, 5 * NS_PER_MS);
	ck_assert_str_eq(story, "");
	world_run_for(&w, NS_PER_MS);
	ck_assert_str_eq(story, "T");
	world_close(&w);
}
END_TEST

START_TEST(a_timer_set_again_fires_once_and_a_cleared_one_never)
{
	struct world w;
	begin(&w);
	act_id b = a_worker(&w);
	order(&w, b, DO_TIMER, 5 * NS_PER_MS);
	order(&w, b, DO_TIMER, 50 * NS_PER_MS);
	world_run_for(&w, 20 * NS_PER_MS);
	ck_assert_str_eq(story, "");
	world_run_for(&w, 100 * NS_PER_MS);
	ck_assert_str_eq(story, "T");
	order(&w, b, DO_TIMER, 5 * NS_PER_MS);
	order(&w, b, DO_TIMER_CLEAR, 0);
	world_run_for(&w, 100 * NS_PER_MS);
	ck_assert_str_eq(story, "T");
	world_close(&w);
}
END_TEST

START_TEST(timers_end_with_their_actor)
{
	struct world w;
	begin(&w);
	act_id b = a_worker(&w);
	order(&w, b, DO_TIMER, 5 * NS_PER_MS);
	act_kill(w.root, b);
	world_run_for(&w, 20 * NS_PER_MS);
	ck_assert_str_eq(story, "");
	ck_assert_int_eq(act_shard_next_timer_ns(w.sh), INT64_MAX);
	world_close(&w);
}
END_TEST

START_TEST(resume_comes_when_the_mailbox_is_half_empty)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, &(struct act_opts){.cap = 2}), b = a_worker(&w);
	order(&w, b, DO_RESUME, a);
	ck_assert_str_eq(story, "");
	act_send(w.root, a, NOTE, "1", 1);
	act_send(w.root, a, NOTE, "2", 1);
	world_settle(&w);
	ck_assert_str_eq(story, "12R");
	world_close(&w);
}
END_TEST

START_TEST(more_is_one_signal_however_often_it_was_asked_for)
{
	struct world w;
	begin(&w);
	act_id b = a_worker(&w);
	order(&w, b, DO_MORE, 0);
	ck_assert_str_eq(story, "M");
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
	  mail_of_the_dead_is_freed_and_counted, down_comes_after_fini_with_the_reason,
	  a_monitor_of_the_dead_answers_at_once, demonitor_silences_all_monitors_of_that_ref,
	  a_dead_watcher_leaves_nothing_behind,
	  a_failing_link_is_told_to_those_who_trap_and_cancels_others,
	  a_normal_end_does_not_disturb_links, defers_run_youngest_first_also_when_killed,
	  a_prepared_message_goes_past_the_cap_even_from_a_defer,
	  a_prepared_message_to_the_dead_is_a_dead_letter,
	  a_timer_is_never_early_and_late_by_at_most_a_tick,
	  a_timer_set_again_fires_once_and_a_cleared_one_never, timers_end_with_their_actor,
	  resume_comes_when_the_mailbox_is_half_empty,
	  more_is_one_signal_however_often_it_was_asked_for,
	  casts_keep_their_place_before_later_sends, big_messages_travel_on_the_heap,
	  the_limit_of_actors_refuses_the_next, callbacks_of_the_loop_only_post,
	  rows_come_page_by_page)
