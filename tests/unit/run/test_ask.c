/* Requests and replies, operations of the outside, mail of tasks, calls, offloaded work. */
#include "run/offload.h"
#include "run/stats.h"
#include "run/sync.h"
#include "tests/kit/fakepool.h"
#include "tests/unit/run/script.h"

#include <stdlib.h>

enum { NOW = 1, KEEP, DIE };

struct set {
	struct world w;
	struct fakepool pool;
	act_id server, other_task;
	uint64_t token, gone;
	int n_served, n_gone;
	act_msg *reply;
	struct act_op op;
	int n_cancelled_ops, n_worked, n_dropped, ended;
	bool abandon;
};

#define SET ((struct set *)ctx)

static int serve(act_self *self, void *state, act_msg *m)
{
	(void)state;
	struct set *s = act_user(self);
	s->n_served++;
	if (m->type == DIE)
		return ACT_EFAILED;
	if (m->type == KEEP)
		s->token = m->token;
	else
		act_reply(self, m->token, NOW, "fine", 5);
	return ACT_OK;
}

static int serve_signal(act_self *self, void *state, const struct act_sig *sig)
{
	(void)state;
	struct set *s = act_user(self);
	if (sig->kind == ACT_SIG_ASK_GONE) {
		s->gone = sig->ref;
		s->n_gone++;
	}
	return ACT_OK;
}

static const act_class server = {.name = "server",
				 .flags = ACT_CLASS_WANTS_ASK_GONE,
				 .on_msg = serve,
				 .on_signal = serve_signal};

static void open_set(struct set *s)
{
	*s = (struct set){.gone = 0};
	world_open_with(&s->w, (struct act_shard_opts){.user = s, .offload = &s->pool.pool});
	fakepool_init(&s->pool, &s->w.fake, 1, 5 * NS_PER_MS);
	s->server = act_spawn(s->w.root, &server, NULL, &(struct act_opts){.cap = 1});
}

static void close_set(struct set *s)
{
	world_close(&s->w);
}

static int ask_now(act_self *self, void *ctx)
{
	return act_ask(self, SET->server, NOW, NULL, 0, &SET->reply);
}

static int ask_keep(act_self *self, void *ctx)
{
	return act_ask(self, SET->server, KEEP, NULL, 0, &SET->reply);
}

static int ask_patiently(act_self *self, void *ctx)
{
	return act_ask_patient(self, SET->server, KEEP, NULL, 0, &SET->reply);
}

static int ask_die(act_self *self, void *ctx)
{
	return act_ask(self, SET->server, DIE, NULL, 0, &SET->reply);
}

static int ask_other(act_self *self, void *ctx)
{
	return act_ask(self, SET->other_task, NOW, NULL, 0, &SET->reply);
}

static int ask_myself(act_self *self, void *ctx)
{
	return act_ask(self, act_whoami(self), NOW, NULL, 0, &SET->reply);
}

static int drop_reply(act_self *self, void *ctx)
{
	act_drop(self, SET->reply);
	return ACT_OK;
}

START_TEST(a_full_mailbox_parks_askers_in_order)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	struct set of_b = s, of_c = s; /* each with a reply of its own */
	script_start(&s.w, OPS(ask_now, drop_reply), &s, &a);
	script_start(&s.w, OPS(ask_now, drop_reply), &of_b, &b);
	script_start(&s.w, OPS(ask_now, drop_reply), &of_c, &c);
	world_settle(&s.w);
	ck_assert_int_eq(s.n_served, 3);
	ck_assert_int_eq(c.rc[1], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(the_dead_answer_at_once)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(ask_keep), &s, &a);
	world_settle(&s.w);
	script_start(&s.w, OPS(ask_die), &s, &b);
	script_start(&s.w, OPS(ask_now, ask_now), &s, &c); /* waits for room */
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_EDEAD);
	ck_assert_int_eq(b.rc[0], ACT_EDEAD);
	ck_assert_int_eq(c.rc[0], ACT_EDEAD);
	ck_assert_int_eq(c.rc[1], ACT_EDEAD);
	close_set(&s);
}
END_TEST

static void answer_late(struct set *s)
{
	act_reply(s->w.root, s->token, NOW, "a reply longer than a cell can hold inside", 42);
}

START_TEST(a_token_can_be_answered_later_by_anybody)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(ask_keep, drop_reply), &s, &a);
	world_settle(&s.w);
	answer_late(&s);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_OK);
	answer_late(&s); /* the second answer is void, and counts as dead */
	act_stats st;
	act_stats_read(s.w.sh, &st);
	ck_assert_uint_eq(st.replies, 1);
	ck_assert_uint_eq(st.dead_replies, 1);
	close_set(&s);
}
END_TEST

START_TEST(either_the_reply_is_granted_or_gone_is_told)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	act_id first = script_start(&s.w, OPS(ask_keep, op_yield, drop_reply), &s, &a);
	world_settle(&s.w);
	answer_late(&s);
	act_cancel(s.w.root, first, ACT_WHY_CANCEL);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_OK);
	ck_assert_int_eq(a.rc[1], ACT_ECANCELED);
	ck_assert_int_eq(s.n_gone, 0);
	act_id second = script_start(&s.w, OPS(ask_keep), &s, &b);
	world_settle(&s.w);
	act_cancel(s.w.root, second, ACT_WHY_CANCEL);
	answer_late(&s);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(s.n_gone, 1);
	ck_assert_uint_eq(s.gone, s.token);
	close_set(&s);
}
END_TEST

START_TEST(a_request_nobody_has_read_is_withdrawn_with_its_asker)
{
	struct set s = {.gone = 0};
	struct log_of_script a;
	world_open_with(&s.w, (struct act_shard_opts){.user = &s, .turn_messages = 1});
	s.server = act_spawn(s.w.root, &server, NULL, NULL);
	act_id id = script_start(&s.w, OPS(ask_keep), &s, &a);
	act_shard_turn(s.w.sh); /* the asker alone */
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(s.n_served, 0);
	ck_assert_int_eq(s.n_gone, 0);
	close_set(&s);
}
END_TEST

START_TEST(a_killed_asker_is_gone_too)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(&s.w, OPS(ask_keep), &s, &a);
	world_settle(&s.w);
	act_kill(s.w.root, id);
	world_settle(&s.w);
	ck_assert_uint_eq(s.gone, s.token);
	close_set(&s);
}
END_TEST

START_TEST(an_ask_without_a_deadline_ends_after_the_default)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(ask_keep), &s, &a);
	world_settle(&s.w);
	script_start(&s.w, OPS(ask_patiently), &s, &b);
	world_run_for(&s.w, 31 * NS_PER_S);
	ck_assert_int_eq(a.rc[0], ACT_ETIMEDOUT);
	ck_assert_int_eq(b.rc[0], NOT_YET);
	close_set(&s);
}
END_TEST

START_TEST(asking_oneself_or_in_a_circle_is_refused)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	act_id first = script_start(&s.w, OPS(ask_myself, op_sleep_1ms, ask_other), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_EDEADLK);
	s.other_task = first;
	act_id second = script_start(&s.w, OPS(ask_other, op_sleep_1h), &s, &b);
	world_settle(&s.w);
	s.other_task = second;
	world_run_for(&s.w, 2 * NS_PER_MS);
	ck_assert_int_eq(a.rc[2], ACT_EDEADLK);
	ck_assert_int_eq(b.rc[0], ACT_EDEAD); /* the first has ended without reading it */
	close_set(&s);
}
END_TEST

/* ---- operations ---- */

static void count_cancel(struct act_op *op)
{
	((struct set *)op->user)->n_cancelled_ops++;
}

static int await_op(act_self *self, void *ctx)
{
	return act_op_await(self, &SET->op);
}

START_TEST(an_operation_is_completed_or_cancelled_but_not_both)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	act_op_init(&s.op, count_cancel, &s);
	act_id id = script_start(&s.w, OPS(await_op), &s, &a);
	world_settle(&s.w);
	act_op_complete(s.w.sh, &s.op, -200);
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], -200);
	ck_assert_int_eq(s.n_cancelled_ops, 0);
	act_op_init(&s.op, count_cancel, &s);
	id = script_start(&s.w, OPS(await_op), &s, &b);
	world_settle(&s.w);
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	act_op_complete(s.w.sh, &s.op, ACT_OK);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(s.n_cancelled_ops, 1);
	close_set(&s);
}
END_TEST

START_TEST(an_operation_completed_before_the_await_returns_at_once)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_op_init(&s.op, count_cancel, &s);
	act_op_complete(s.w.sh, &s.op, 42);
	script_start(&s.w, OPS(await_op), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], 42);
	close_set(&s);
}
END_TEST

/* ---- mail and ends of tasks ---- */

static int recv_mail(act_self *self, void *ctx)
{
	return act_recv(self, &SET->reply);
}

static int await_other(act_self *self, void *ctx)
{
	return act_await_exit(self, SET->other_task, &SET->ended);
}

START_TEST(a_task_receives_mail)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(&s.w, OPS(recv_mail, drop_reply, recv_mail, drop_reply), &s, &a);
	ck_assert_int_eq(act_send(s.w.root, id, NOW, "1", 1), ACT_OK);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_OK);
	ck_assert_int_eq(a.rc[2], NOT_YET);
	ck_assert_int_eq(act_send(s.w.root, id, NOW, "2", 1), ACT_OK);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[3], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(mail_given_to_a_task_killed_before_its_step_is_freed)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(&s.w, OPS(recv_mail), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(act_send(s.w.root, id, NOW, "a", 1), ACT_OK);
	act_kill(s.w.root, id);
	world_settle(&s.w);
	ck_assert_uint_eq(act_stats_cells(s.w.sh), 0);
	close_set(&s);
}
END_TEST

START_TEST(the_end_of_another_can_be_awaited)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	s.other_task = script_start_strict(&s.w, OPS(op_sleep_1ms, op_fail), &s, &a);
	script_start(&s.w, OPS(await_other), &s, &b);
	world_run_for(&s.w, 5 * NS_PER_MS);
	ck_assert_int_eq(b.rc[0], ACT_OK);
	ck_assert_int_eq(s.ended, -200);
	close_set(&s);
}
END_TEST

/* ---- offloaded work ---- */

static int work(void *arg)
{
	((struct set *)arg)->n_worked++;
	return 5;
}

static void dropped(void *arg)
{
	((struct set *)arg)->n_dropped++;
}

static int offload_it(act_self *self, void *ctx)
{
	struct act_work w = {
		.fn = work, .arg = ctx, .dtor = dropped, .abandon_on_cancel = SET->abandon};
	return act_offload(self, &w);
}

static void run_offload(struct set *s, int64_t cancel_after_ns, struct log_of_script *a)
{
	act_id id = script_start(&s->w, OPS(offload_it), s, a);
	world_settle(&s->w);
	if (cancel_after_ns >= 0) {
		world_run_for(&s->w, cancel_after_ns);
		act_cancel(s->w.root, id, ACT_WHY_CANCEL);
	}
	world_run_for(&s->w, 50 * NS_PER_MS);
}

START_TEST(work_returns_its_result)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	run_offload(&s, -1, &a);
	ck_assert_int_eq(a.rc[0], 5);
	ck_assert_int_eq(s.n_dropped, 0);
	close_set(&s);
}
END_TEST

START_TEST(work_not_begun_is_withdrawn)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	run_offload(&s, 0, &a);
	ck_assert_int_eq(a.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(s.n_worked, 0);
	ck_assert_int_eq(s.n_dropped, 1);
	close_set(&s);
}
END_TEST

/* With seed 1 the work has begun after 5 ms and is over after 10. */
START_TEST(work_under_way_is_waited_out_or_abandoned)
{
	for (int abandon = 0; abandon < 2; abandon++) {
		struct set s;
		struct log_of_script a;
		open_set(&s);
		s.abandon = abandon;
		act_id id = script_start(&s.w, OPS(offload_it), &s, &a);
		while (s.n_worked == 0)
			world_run_for(&s.w, NS_PER_MS / 4);
		ck_assert_int_eq(a.rc[0], NOT_YET);
		act_cancel(s.w.root, id, ACT_WHY_CANCEL);
		world_settle(&s.w);
		ck_assert_int_eq(a.rc[0], abandon ? ACT_ECANCELED : NOT_YET);
		world_run_for(&s.w, 50 * NS_PER_MS);
		ck_assert_int_eq(a.rc[0], abandon ? ACT_ECANCELED : 5);
		ck_assert_int_eq(s.n_dropped, abandon);
		close_set(&s);
	}
}
END_TEST

RUN_TESTS("ask", a_full_mailbox_parks_askers_in_order, the_dead_answer_at_once,
	  a_token_can_be_answered_later_by_anybody, either_the_reply_is_granted_or_gone_is_told,
	  a_request_nobody_has_read_is_withdrawn_with_its_asker, a_killed_asker_is_gone_too,
	  an_ask_without_a_deadline_ends_after_the_default,
	  asking_oneself_or_in_a_circle_is_refused,
	  an_operation_is_completed_or_cancelled_but_not_both,
	  an_operation_completed_before_the_await_returns_at_once, a_task_receives_mail,
	  mail_given_to_a_task_killed_before_its_step_is_freed, the_end_of_another_can_be_awaited,
	  work_returns_its_result, work_not_begun_is_withdrawn,
	  work_under_way_is_waited_out_or_abandoned)
