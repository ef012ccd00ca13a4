/* Signals of plain actors: monitors, links, defers, prepared messages, timers, resume. */
#include "run/stats.h"
#include "tests/unit/run/scribe.h"

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
	act_send(w.root, b, DO_RESUME, &a, sizeof(a));
	act_send(w.root, a, NOTE, "1", 1);
	act_send(w.root, a, NOTE, "2", 1);
	world_settle(&w);
	ck_assert_str_eq(story, "12R");
	order(&w, b, DO_RESUME, a);
	ck_assert_str_eq(story, "12RR"); /* there is room: at once */
	world_close(&w);
}
END_TEST

/* 128 places are two senders' batches; the others hear of it when there is nothing left. */
START_TEST(as_many_senders_resume_as_there_is_room_for_and_all_when_it_is_empty)
{
	struct world w;
	begin(&w);
	act_id a = a_scribe(&w, &(struct act_opts){.cap = 256});
	for (int i = 0; i < 10; i++)
		act_send(w.root, a_worker(&w), DO_RESUME, &a, sizeof(a));
	for (int i = 0; i < 255; i++)
		act_send(w.root, a, NOTE, NULL, 0);
	act_send(w.root, a, NOTE, "e", 1);
	world_settle(&w);
	ck_assert_str_eq(story, "RReRRRRRRRR");
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

RUN_TESTS("signal", down_comes_after_fini_with_the_reason, a_monitor_of_the_dead_answers_at_once,
	  demonitor_silences_all_monitors_of_that_ref, a_dead_watcher_leaves_nothing_behind,
	  a_failing_link_is_told_to_those_who_trap_and_cancels_others,
	  a_normal_end_does_not_disturb_links, defers_run_youngest_first_also_when_killed,
	  a_prepared_message_goes_past_the_cap_even_from_a_defer,
	  a_prepared_message_to_the_dead_is_a_dead_letter,
	  a_timer_is_never_early_and_late_by_at_most_a_tick,
	  a_timer_set_again_fires_once_and_a_cleared_one_never, timers_end_with_their_actor,
	  resume_comes_when_the_mailbox_is_half_empty,
	  as_many_senders_resume_as_there_is_room_for_and_all_when_it_is_empty,
	  more_is_one_signal_however_often_it_was_asked_for)
