/* Cancellation as a level, shields, deadlines. */
#include "run/scope.h"

#include "run/stats.h"
#include "tests/unit/run/script.h"

struct set {
	struct world w;
	act_scope *scope[4];
	int n_scopes;
	int rc, seen_why;
	bool timed_out;
	struct act_scope_ref ref;
	int64_t deadline;
};

static void open_set(struct set *s)
{
	*s = (struct set){.n_scopes = 0};
	world_open(&s->w);
}

#define SET ((struct set *)ctx)

static int open_for(act_self *self, void *ctx, int64_t ns)
{
	struct set *s = SET;
	s->scope[s->n_scopes] = act_scope_open(self, ns);
	s->ref = act_scope_ref(s->scope[s->n_scopes]);
	s->n_scopes++;
	s->deadline = act_deadline(self);
	return ACT_OK;
}

static int open_5ms(act_self *self, void *ctx)
{
	return open_for(self, ctx, 5 * NS_PER_MS);
}

static int open_20ms(act_self *self, void *ctx)
{
	return open_for(self, ctx, 20 * NS_PER_MS);
}

static int open_0(act_self *self, void *ctx)
{
	return open_for(self, ctx, 0);
}

static int open_forever(act_self *self, void *ctx)
{
	return open_for(self, ctx, ACT_FOREVER);
}

static int shield_5ms(act_self *self, void *ctx)
{
	SET->scope[SET->n_scopes++] = act_scope_shield(self, 5 * NS_PER_MS);
	SET->deadline = act_deadline(self);
	return ACT_OK;
}

static int shield_default(act_self *self, void *ctx)
{
	SET->scope[SET->n_scopes++] = act_scope_shield(self, 0);
	SET->deadline = act_deadline(self) - act_now_ns(self);
	return ACT_OK;
}

static int close_with(act_self *self, void *ctx, int rc)
{
	struct set *s = SET;
	s->seen_why = act_cancel_why(self, NULL);
	s->rc = act_scope_close(self, s->scope[--s->n_scopes], rc, &s->timed_out);
	return s->rc;
}

static int close_ok(act_self *self, void *ctx)
{
	return close_with(self, ctx, ACT_OK);
}

static int close_canceled(act_self *self, void *ctx)
{
	return close_with(self, ctx, ACT_ECANCELED);
}

static int close_failed(act_self *self, void *ctx)
{
	return close_with(self, ctx, -200);
}

static int close_outer_first(act_self *self, void *ctx)
{
	return act_scope_close(self, SET->scope[0], ACT_OK, NULL);
}

static int cancel_it(act_self *self, void *ctx)
{
	act_scope_cancel(self, SET->scope[SET->n_scopes - 1], 77, "enough of it");
	act_scope_cancel(self, SET->scope[SET->n_scopes - 1], 78, "and again");
	return ACT_OK;
}

static int extend_to_50ms(act_self *self, void *ctx)
{
	act_scope_set_deadline(self, SET->scope[SET->n_scopes - 1],
			       act_now_ns(self) + 50 * NS_PER_MS);
	return ACT_OK;
}

static int cancel_by_ref(act_self *self, void *ctx)
{
	act_scope_cancel_ref(self, SET->ref, 79, NULL);
	return ACT_OK;
}

static void close_set(struct set *s)
{
	world_close(&s->w);
}

START_TEST(every_await_fails_while_the_scope_is_cancelled)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(
		&s.w,
		OPS(open_forever, cancel_it, op_sleep_1ms, op_yield, close_canceled, op_sleep_1ms),
		&s, &a);
	world_run_for(&s.w, 10 * NS_PER_MS);
	ck_assert_int_eq(a.rc[2], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[3], ACT_ECANCELED);
	ck_assert_int_eq(s.seen_why, 77);
	ck_assert_int_eq(a.rc[4], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[5], ACT_OK);
	ck_assert(!s.timed_out);
	close_set(&s);
}
END_TEST

START_TEST(an_own_deadline_turns_cancelled_into_timed_out)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(open_5ms, op_sleep_10ms, close_canceled, op_sleep_1ms), &s, &a);
	world_run_for(&s.w, 20 * NS_PER_MS);
	ck_assert_int_eq(a.rc[1], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[2], ACT_ETIMEDOUT);
	ck_assert(s.timed_out);
	ck_assert_int_eq(a.rc[3], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(other_errors_stay_errors_after_a_timeout)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(open_5ms, op_sleep_10ms, close_failed), &s, &a);
	world_run_for(&s.w, 20 * NS_PER_MS);
	ck_assert_int_eq(a.rc[2], -200);
	ck_assert(s.timed_out);
	close_set(&s);
}
END_TEST

START_TEST(a_body_done_before_the_expiry_is_a_success)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(open_5ms, op_sleep_1ms, close_ok), &s, &a);
	world_run_for(&s.w, 20 * NS_PER_MS);
	ck_assert_int_eq(a.rc[2], ACT_OK);
	ck_assert(!s.timed_out);
	close_set(&s);
}
END_TEST

START_TEST(a_timeout_of_zero_is_cancelled_from_the_start)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(open_0, op_yield, close_canceled), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[1], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[2], ACT_ETIMEDOUT);
	close_set(&s);
}
END_TEST

START_TEST(a_child_scope_can_shorten_a_deadline_but_not_extend_it)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	int64_t start = s.w.fake.now_ns;
	script_start(&s.w, OPS(open_5ms, open_20ms, op_sleep_10ms, close_canceled, close_canceled),
		     &s, &a);
	world_run_for(&s.w, 3 * NS_PER_MS);
	ck_assert_int_eq(s.deadline, start + 5 * NS_PER_MS);
	world_run_for(&s.w, 20 * NS_PER_MS);
	/* The inner one does not report a timeout: the outer ended it. */
	ck_assert_int_eq(a.rc[3], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[4], ACT_ETIMEDOUT);
	close_set(&s);
}
END_TEST

START_TEST(cancelled_from_outside_passes_through_a_timeout)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id =
		script_start(&s.w, OPS(open_5ms, op_sleep_10ms, close_canceled, op_yield), &s, &a);
	world_settle(&s.w);
	s.w.fake.now_ns += 6 * NS_PER_MS;
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[2], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[3], ACT_ECANCELED);
	close_set(&s);
}
END_TEST

START_TEST(a_shield_lets_cleanup_await_but_not_for_ever)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(
		&s.w,
		OPS(op_sleep_1h, shield_5ms, op_sleep_1ms, op_sleep_10ms, close_canceled, op_yield),
		&s, &a);
	world_settle(&s.w);
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	world_run_for(&s.w, 20 * NS_PER_MS);
	ck_assert_int_eq(a.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[2], ACT_OK);
	ck_assert_int_eq(a.rc[3], ACT_ECANCELED);
	ck_assert_int_eq(a.rc[4], ACT_ETIMEDOUT);
	ck_assert_int_eq(a.rc[5], ACT_ECANCELED);
	close_set(&s);
}
END_TEST

START_TEST(a_shield_without_a_timeout_has_five_seconds)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(shield_default, op_yield, close_ok), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(s.deadline, 5 * NS_PER_S);
	close_set(&s);
}
END_TEST

START_TEST(kill_ignores_shields)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(&s.w, OPS(shield_5ms, op_sleep_1ms), &s, &a);
	world_settle(&s.w);
	act_kill(s.w.root, id);
	world_settle(&s.w);
	ck_assert(a.is_over);
	ck_assert_int_eq(a.rc[1], NOT_YET);
	close_set(&s);
}
END_TEST

START_TEST(scopes_close_from_the_inside_out)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(open_forever, open_forever, close_outer_first, close_ok, close_ok),
		     &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[2], ACT_EBUG);
	ck_assert_int_eq(a.rc[4], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(a_deadline_can_be_moved_until_it_fires)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w,
		     OPS(open_5ms, extend_to_50ms, op_sleep_10ms, close_ok, open_5ms, op_sleep_10ms,
			 extend_to_50ms, op_yield, close_canceled),
		     &s, &a);
	world_run_for(&s.w, 100 * NS_PER_MS);
	ck_assert_int_eq(a.rc[3], ACT_OK);
	ck_assert_int_eq(a.rc[7], ACT_ECANCELED);
	close_set(&s);
}
END_TEST

START_TEST(a_stale_reference_cancels_nothing)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(open_forever, close_ok, op_yield, op_sleep_1ms), &s, &a);
	world_settle(&s.w);
	script_start(&s.w, OPS(cancel_by_ref), &s, &b);
	world_run_for(&s.w, 2 * NS_PER_MS);
	ck_assert_int_eq(a.rc[3], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(others_cancel_a_scope_by_its_reference)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(open_forever, op_sleep_1h, close_canceled), &s, &a);
	world_settle(&s.w);
	script_start(&s.w, OPS(cancel_by_ref), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[1], ACT_ECANCELED);
	ck_assert_int_eq(s.seen_why, 79);
	close_set(&s);
}
END_TEST

/* One transition only: the timer of the sleep and the cancel in the same turn. */
START_TEST(a_wait_ends_once_when_timer_and_cancel_meet)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(&s.w, OPS(op_sleep_1ms, op_yield), &s, &a);
	world_settle(&s.w);
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	s.w.fake.now_ns += 5 * NS_PER_MS;
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_ECANCELED);
	ck_assert(a.is_over);
	close_set(&s);
}
END_TEST

START_TEST(a_task_cancelled_before_its_first_step_is_never_stepped)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(&s.w, OPS(op_yield), &s, &a);
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	world_settle(&s.w);
	ck_assert(!a.is_over);
	ck_assert_uint_eq(act_shard_live(s.w.sh), 0);
	close_set(&s);
}
END_TEST

START_TEST(what_a_task_leaves_open_closes_at_its_end)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(open_5ms, open_20ms, op_yield), &s, &a);
	world_run_for(&s.w, 50 * NS_PER_MS);
	ck_assert(a.is_over);
	ck_assert_int_eq(act_shard_next_timer_ns(s.w.sh), INT64_MAX);
	close_set(&s);
}
END_TEST

RUN_TESTS("scope", every_await_fails_while_the_scope_is_cancelled,
	  an_own_deadline_turns_cancelled_into_timed_out, other_errors_stay_errors_after_a_timeout,
	  a_body_done_before_the_expiry_is_a_success, a_timeout_of_zero_is_cancelled_from_the_start,
	  a_child_scope_can_shorten_a_deadline_but_not_extend_it,
	  cancelled_from_outside_passes_through_a_timeout,
	  a_shield_lets_cleanup_await_but_not_for_ever, a_shield_without_a_timeout_has_five_seconds,
	  kill_ignores_shields, scopes_close_from_the_inside_out,
	  a_deadline_can_be_moved_until_it_fires, a_stale_reference_cancels_nothing,
	  others_cancel_a_scope_by_its_reference, a_wait_ends_once_when_timer_and_cancel_meet,
	  a_task_cancelled_before_its_first_step_is_never_stepped,
	  what_a_task_leaves_open_closes_at_its_end)
