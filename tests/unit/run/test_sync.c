/* Semaphores, locks, events, queues, streams, and the bugs others had with them. */
#include "run/sync.h"

#include "run/stats.h"
#include "tests/unit/run/script.h"

#include <stdlib.h>

struct set {
	struct world w;
	act_sem *sem;
	act_lock *lock, *lock2;
	act_event *event;
	act_queue *queue;
	act_stream *stream;
	act_msg *got;
	act_id victim;
};

static void open_set(struct set *s)
{
	*s = (struct set){.victim = 0};
	world_open(&s->w);
	s->sem = act_sem_new(s->w.sh, ACT_SEM_OWNED, 2, 2);
	s->lock = act_lock_new(s->w.sh);
	s->lock2 = act_lock_new(s->w.sh);
	s->event = act_event_new(s->w.sh);
	s->queue = act_queue_new(s->w.sh, 1);
	s->stream = act_stream_new(s->w.sh);
}

static void close_set(struct set *s)
{
	act_sem_free(s->sem);
	act_lock_free(s->lock);
	act_lock_free(s->lock2);
	act_event_free(s->event);
	act_queue_free(s->queue);
	act_stream_free(s->stream);
	world_settle(&s->w);
	act_shard_free(s->w.sh);
	fakeloop_fini(&s->w.fake);
}

#define SET ((struct set *)ctx)
#define OP(name, expr)                                                                             \
	static int name(act_self *self, void *ctx)                                                 \
	{                                                                                          \
		(void)self;                                                                        \
		return expr;                                                                       \
	}

OP(take1, act_sem_acquire(self, SET->sem, 1))
OP(take2, act_sem_acquire(self, SET->sem, 2))
OP(take3, act_sem_acquire(self, SET->sem, 3))
OP(try1, act_sem_try(self, SET->sem, 1))
OP(give1, act_sem_release(self, SET->sem, 1))
OP(give2, act_sem_release(self, SET->sem, 2))
OP(lock, act_lock_acquire(self, SET->lock))
OP(lock_other, act_lock_acquire(self, SET->lock2))
OP(unlock, act_lock_release(self, SET->lock))
OP(mend, act_lock_consistent(self, SET->lock))
OP(wait_event, act_event_wait(self, SET->event))
OP(put, act_queue_put(self, SET->queue, act_msg_new(self, 1, "i", 1)))
OP(get, act_queue_get(self, SET->queue, &SET->got))
OP(done, act_queue_done(self, SET->queue))
OP(join, act_queue_join(self, SET->queue))
OP(produce, act_stream_produce(self, SET->stream))
OP(consume, act_stream_consume(self, SET->stream))
OP(emit, act_stream_emit(self, SET->stream, act_msg_new(self, 1, "s", 1)))
OP(next, act_stream_next(self, SET->stream, &SET->got))
OP(end_stream, act_stream_end(self, SET->stream, 0))

static int cancel_victim(act_self *self, void *ctx)
{
	act_cancel(self, SET->victim, ACT_WHY_CANCEL);
	return ACT_OK;
}

static int drop_got(act_self *self, void *ctx)
{
	act_drop(self, SET->got);
	return ACT_OK;
}

/* ---- semaphore ---- */

START_TEST(a_large_waiter_at_the_head_holds_up_small_ones)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(take1, op_sleep_10ms, give1, op_sleep_1h), &s, &a);
	script_start(&s.w, OPS(take2, op_sleep_1ms, give2), &s, &b);
	script_start(&s.w, OPS(take1), &s, &c);
	world_run_for(&s.w, 5 * NS_PER_MS);
	ck_assert_int_eq(b.rc[0], NOT_YET);
	ck_assert_int_eq(c.rc[0], NOT_YET);
	world_run_for(&s.w, 20 * NS_PER_MS);
	ck_assert_int_eq(b.rc[0], ACT_OK);
	ck_assert_int_eq(c.rc[0], ACT_OK);
	close_set(&s);
}
END_TEST

/* The grant loop must run again when a waiter leaves. */
START_TEST(a_cancelled_large_waiter_lets_the_small_ones_go)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(take1, op_sleep_1h), &s, &a);
	act_id big = script_start(&s.w, OPS(take2), &s, &b);
	world_settle(&s.w);
	script_start(&s.w, OPS(take1, op_sleep_1h), &s, &c);
	world_settle(&s.w);
	ck_assert_int_eq(c.rc[0], NOT_YET);
	act_cancel(s.w.root, big, ACT_WHY_CANCEL);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(c.rc[0], ACT_OK);
	close_set(&s);
}
END_TEST

/* asyncio gh-90155: a woken waiter, cancelled before it ran, swallowed the wake-up. */
START_TEST(a_permit_granted_before_the_cancel_is_not_lost)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(take2, op_sleep_1ms, give2, cancel_victim), &s, &a);
	s.victim = script_start(&s.w, OPS(take1, op_sleep_1h), &s, &b);
	script_start(&s.w, OPS(take2, op_sleep_1h), &s, &c);
	world_run_for(&s.w, 5 * NS_PER_MS);
	ck_assert_int_eq(b.rc[0], ACT_OK);
	ck_assert_int_eq(b.rc[1], ACT_ECANCELED);
	ck_assert_int_eq(c.rc[0], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(nobody_barges_past_those_who_wait)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(take1, op_sleep_1h), &s, &a);
	script_start(&s.w, OPS(take2), &s, &b);
	script_start(&s.w, OPS(try1), &s, &c);
	world_settle(&s.w);
	ck_assert_int_eq(c.rc[0], ACT_EFULL);
	ck_assert_int_eq(act_sem_available(s.sem), 1);
	close_set(&s);
}
END_TEST

START_TEST(permits_come_back_at_the_end_of_their_task)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(take2), &s, &a);
	world_settle(&s.w);
	ck_assert(a.is_over);
	ck_assert_int_eq(act_sem_available(s.sem), 2);
	close_set(&s);
}
END_TEST

static int open_scope(act_self *self, void *ctx)
{
	(void)ctx;
	return act_scope_open(self, NS_PER_S) != NULL ? ACT_OK : ACT_ENOMEM;
}

static void keep_row(void *ctx, const struct act_row *row)
{
	struct act_row *rows = ctx;
	if (row->n_holds > 0)
		rows[0] = *row;
	else
		rows[1] = *row;
}

START_TEST(a_row_says_what_a_task_holds_and_what_it_waits_for)
{
	struct set s;
	struct log_of_script a, b;
	struct act_row rows[2] = {{.id = 0}};
	uint32_t cursor = 0;
	open_set(&s);
	script_start(&s.w, OPS(open_scope, take2, lock, wait_event), &s, &a);
	script_start(&s.w, OPS(take1), &s, &b);
	world_settle(&s.w);
	while (act_inspect(s.w.sh, &cursor, 1, keep_row, rows))
		continue;
	ck_assert_uint_eq(rows[0].n_holds, 2);
	ck_assert_str_eq(rows[0].hold[0].what, "permits");
	ck_assert_uint_eq(rows[0].hold[0].n, 2);
	ck_assert_ptr_eq(rows[0].hold[0].object, s.sem);
	ck_assert_str_eq(rows[0].hold[1].what, "lock");
	ck_assert_uint_eq(rows[0].n_scopes, 1);
	ck_assert_int_eq(rows[0].deadline_ns, s.w.fake.now_ns + NS_PER_S);
	ck_assert_str_eq(rows[0].parked_on, "event");
	ck_assert_str_eq(rows[1].parked_on, "semaphore"); /* its permit is not there yet */
	ck_assert_uint_eq(rows[1].n_holds, 0);
	ck_assert_uint_eq(rows[1].n_scopes, 0);
	act_event_set(s.event);
	world_settle(&s.w);
	close_set(&s);
}
END_TEST

START_TEST(impossible_and_foreign_permits_are_refused)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(take3, take1, give2, give1, give1), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_EINVAL);
	ck_assert_int_eq(a.rc[2], ACT_EINVAL);
	ck_assert_int_eq(a.rc[3], ACT_OK);
	ck_assert_int_eq(a.rc[4], ACT_EINVAL);
	script_start(&s.w, OPS(take1, op_sleep_1h), &s, &a);
	script_start(&s.w, OPS(give1), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_EPERM);
	close_set(&s);
}
END_TEST

/* ---- lock ---- */

START_TEST(a_lock_is_handed_over_in_order)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(lock, op_sleep_1ms, unlock, op_sleep_1h), &s, &a);
	act_id second = script_start(&s.w, OPS(lock, op_sleep_1h), &s, &b);
	world_settle(&s.w);
	ck_assert_uint_eq(act_lock_waiting(s.lock), 1);
	world_run_for(&s.w, 2 * NS_PER_MS);
	ck_assert_int_eq(b.rc[0], ACT_OK);
	ck_assert_uint_eq(act_lock_owner(s.lock), second);
	close_set(&s);
}
END_TEST

START_TEST(taking_a_lock_twice_or_in_a_circle_is_refused)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(lock, lock, op_sleep_1ms, lock_other, op_sleep_1h), &s, &a);
	script_start(&s.w, OPS(lock_other, op_sleep_10ms, lock), &s, &b);
	world_run_for(&s.w, 20 * NS_PER_MS);
	ck_assert_int_eq(a.rc[1], ACT_EDEADLK);
	/* a waits for b's lock; b must not wait for a's. */
	ck_assert_int_eq(b.rc[2], ACT_EDEADLK);
	ck_assert_int_eq(a.rc[3], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(a_foreign_release_is_refused)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(lock, op_sleep_1h), &s, &a);
	script_start(&s.w, OPS(unlock), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_EPERM);
	close_set(&s);
}
END_TEST

START_TEST(the_next_owner_hears_that_the_last_one_failed)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	act_id owner = script_start(&s.w, OPS(lock, op_sleep_1h), &s, &a);
	world_settle(&s.w);
	script_start(&s.w, OPS(lock, mend, unlock), &s, &b);
	script_start(&s.w, OPS(lock), &s, &c);
	world_settle(&s.w);
	act_kill(s.w.root, owner);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_EOWNERDEAD);
	ck_assert_int_eq(b.rc[1], ACT_OK);
	ck_assert_int_eq(c.rc[0], ACT_OK);
	close_set(&s);
}
END_TEST

START_TEST(a_lock_not_mended_is_closed_for_ever)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	act_id owner = script_start(&s.w, OPS(lock, op_sleep_1h), &s, &a);
	world_settle(&s.w);
	script_start(&s.w, OPS(lock, unlock), &s, &b);
	script_start(&s.w, OPS(lock), &s, &c);
	world_settle(&s.w);
	act_kill(s.w.root, owner);
	world_settle(&s.w);
	ck_assert_int_eq(c.rc[0], ACT_ECLOSED);
	script_start(&s.w, OPS(lock), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_ECLOSED);
	close_set(&s);
}
END_TEST

START_TEST(a_cancelled_owner_leaves_a_sound_lock)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	act_id owner = script_start_strict(&s.w, OPS(lock, op_sleep_1h), &s, &a);
	world_settle(&s.w);
	script_start(&s.w, OPS(lock), &s, &b);
	world_settle(&s.w);
	act_cancel(s.w.root, owner, ACT_WHY_CANCEL);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_OK);
	close_set(&s);
}
END_TEST

/* ---- event ---- */

START_TEST(a_clear_in_the_same_turn_takes_no_grant_back)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(wait_event), &s, &a);
	world_settle(&s.w);
	act_event_set(s.event);
	act_event_clear(s.event);
	script_start(&s.w, OPS(wait_event), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_OK);
	ck_assert_int_eq(b.rc[0], NOT_YET);
	ck_assert_uint_eq(act_event_waiting(s.event), 1);
	close_set(&s);
}
END_TEST

START_TEST(cancelled_first_the_set_does_not_reach_it)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	act_id id = script_start(&s.w, OPS(wait_event), &s, &a);
	world_settle(&s.w);
	act_cancel(s.w.root, id, ACT_WHY_CANCEL);
	act_event_set(s.event);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_ECANCELED);
	close_set(&s);
}
END_TEST

/* ---- queue ---- */

/* anyio 1145 */
START_TEST(a_cancelled_waiter_for_a_lock_strands_nobody)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(lock, op_sleep_1ms), &s, &a);
	act_id gone = script_start(&s.w, OPS(lock), &s, &b);
	script_start(&s.w, OPS(lock, unlock), &s, &c);
	world_settle(&s.w);
	act_cancel(s.w.root, gone, ACT_WHY_CANCEL);
	world_run_for(&s.w, 5 * NS_PER_MS);
	ck_assert_int_eq(b.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(c.rc[1], ACT_OK);
	close_set(&s);
}
END_TEST

/* asyncio.Queue lost it. */
START_TEST(an_item_goes_to_the_getter_it_was_granted_or_to_the_next)
{
	struct set s;
	struct log_of_script first, second, maker;
	open_set(&s);
	s.victim = script_start(&s.w, OPS(get, done, op_sleep_1h), &s, &first);
	script_start(&s.w, OPS(put, cancel_victim, op_sleep_1ms, put), &s, &maker);
	world_settle(&s.w);
	ck_assert_int_eq(first.rc[0], ACT_OK);
	ck_assert_int_eq(first.rc[2], ACT_ECANCELED);
	act_id b = script_start(&s.w, OPS(get), &s, &first);
	script_start(&s.w, OPS(get, done, join), &s, &second);
	world_settle(&s.w);
	act_cancel(s.w.root, b, ACT_WHY_CANCEL); /* before the second item is put */
	world_run_for(&s.w, 5 * NS_PER_MS);
	ck_assert_int_eq(first.rc[0], ACT_ECANCELED);
	ck_assert_int_eq(second.rc[2], ACT_OK); /* nothing is left undone */
	close_set(&s);
}
END_TEST

START_TEST(a_full_queue_parks_the_putter_until_there_is_room)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(put, put), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_OK);
	ck_assert_int_eq(a.rc[1], NOT_YET);
	script_start(&s.w, OPS(get, done, get, done), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[1], ACT_OK);
	ck_assert_int_eq(b.rc[3], ACT_OK);
	ck_assert_uint_eq(act_queue_unfinished(s.queue), 0);
	close_set(&s);
}
END_TEST

START_TEST(a_queue_without_room_is_refused)
{
	struct set s;
	open_set(&s);
	ck_assert_ptr_null(act_queue_new(s.w.sh, 0));
	close_set(&s);
}
END_TEST

START_TEST(join_waits_for_every_done)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(join, put, join), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[0], ACT_OK);
	script_start(&s.w, OPS(get, op_sleep_1ms, done, done), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[2], NOT_YET);
	world_run_for(&s.w, 2 * NS_PER_MS);
	ck_assert_int_eq(a.rc[2], ACT_OK);
	ck_assert_int_eq(b.rc[3], ACT_EINVAL);
	(void)c;
	close_set(&s);
}
END_TEST

/* asyncio.Queue lost items of consumers that were cancelled. */
START_TEST(an_item_comes_back_once_when_its_consumer_dies)
{
	struct set s;
	struct log_of_script a, b, c;
	open_set(&s);
	script_start(&s.w, OPS(put), &s, &a);
	act_id first = script_start(&s.w, OPS(get, op_sleep_1h), &s, &b);
	world_settle(&s.w);
	act_kill(s.w.root, first);
	world_settle(&s.w);
	ck_assert_uint_eq(act_queue_depth(s.queue), 1);
	act_id second = script_start(&s.w, OPS(get, op_sleep_1h), &s, &c);
	world_settle(&s.w);
	ck_assert_uint_ne(s.got->flags & ACT_MSG_REDELIVERED, 0);
	act_kill(s.w.root, second);
	world_settle(&s.w);
	ck_assert_uint_eq(act_queue_depth(s.queue), 0);
	ck_assert_uint_eq(act_queue_unfinished(s.queue), 0);
	act_stats st;
	act_stats_read(s.w.sh, &st);
	ck_assert_uint_eq(st.dead_items, 1);
	close_set(&s);
}
END_TEST

START_TEST(an_item_forgotten_at_a_good_end_counts_as_done)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(put, join), &s, &a);
	script_start(&s.w, OPS(get), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[1], ACT_OK);
	act_stats st;
	act_stats_read(s.w.sh, &st);
	ck_assert_uint_eq(st.leaked_items, 1);
	close_set(&s);
}
END_TEST

START_TEST(close_lets_getters_drain_and_leaves_putters_their_items)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	act_id putter = script_start_strict(&s.w, OPS(put, put), &s, &a);
	world_settle(&s.w);
	act_queue_close(s.queue, false);
	act_kill(s.w.root, putter); /* before its step: the runtime frees the refused item */
	script_start(&s.w, OPS(get, done, get), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[0], ACT_OK);
	ck_assert_int_eq(b.rc[2], ACT_ECLOSED);
	ck_assert_uint_eq(act_stats_cells(s.w.sh), 0);
	close_set(&s);
}
END_TEST

START_TEST(discarding_close_ends_the_join)
{
	struct set s;
	struct log_of_script a;
	open_set(&s);
	script_start(&s.w, OPS(put, join), &s, &a);
	world_settle(&s.w);
	act_queue_close(s.queue, true);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[1], ACT_OK);
	close_set(&s);
}
END_TEST

/* ---- stream ---- */

START_TEST(emit_waits_for_demand_and_the_end_comes_last)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	script_start(&s.w, OPS(produce, emit, emit, end_stream), &s, &a);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[1], NOT_YET);
	script_start(&s.w, OPS(consume, next, drop_got, next, drop_got, next), &s, &b);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[3], ACT_OK);
	ck_assert_int_eq(b.rc[3], ACT_OK);
	ck_assert_int_eq(b.rc[5], ACT_ECLOSED);
	close_set(&s);
}
END_TEST

START_TEST(a_producer_gone_without_a_word_is_an_error)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	act_id p = script_start(&s.w, OPS(produce, op_sleep_1h), &s, &a);
	script_start(&s.w, OPS(consume, next), &s, &b);
	world_settle(&s.w);
	act_kill(s.w.root, p);
	world_settle(&s.w);
	ck_assert_int_eq(b.rc[1], ACT_EDEAD);
	close_set(&s);
}
END_TEST

START_TEST(a_consumer_gone_ends_the_producer)
{
	struct set s;
	struct log_of_script a, b;
	open_set(&s);
	act_id c = script_start(&s.w, OPS(consume, op_sleep_1h), &s, &b);
	world_settle(&s.w);
	script_start_strict(&s.w, OPS(produce, op_sleep_1h), &s, &a);
	world_settle(&s.w);
	act_kill(s.w.root, c);
	world_settle(&s.w);
	ck_assert_int_eq(a.rc[1], ACT_ECANCELED);
	ck_assert(a.is_over);
	close_set(&s);
}
END_TEST

RUN_TESTS("sync", a_large_waiter_at_the_head_holds_up_small_ones,
	  a_cancelled_large_waiter_lets_the_small_ones_go,
	  a_permit_granted_before_the_cancel_is_not_lost, nobody_barges_past_those_who_wait,
	  permits_come_back_at_the_end_of_their_task, impossible_and_foreign_permits_are_refused,
	  a_row_says_what_a_task_holds_and_what_it_waits_for, a_lock_is_handed_over_in_order,
	  a_cancelled_waiter_for_a_lock_strands_nobody,
	  an_item_goes_to_the_getter_it_was_granted_or_to_the_next,
	  taking_a_lock_twice_or_in_a_circle_is_refused, a_foreign_release_is_refused,
	  the_next_owner_hears_that_the_last_one_failed, a_lock_not_mended_is_closed_for_ever,
	  a_cancelled_owner_leaves_a_sound_lock, a_clear_in_the_same_turn_takes_no_grant_back,
	  cancelled_first_the_set_does_not_reach_it,
	  a_full_queue_parks_the_putter_until_there_is_room, a_queue_without_room_is_refused,
	  join_waits_for_every_done, an_item_comes_back_once_when_its_consumer_dies,
	  an_item_forgotten_at_a_good_end_counts_as_done,
	  close_lets_getters_drain_and_leaves_putters_their_items, discarding_close_ends_the_join,
	  emit_waits_for_demand_and_the_end_comes_last, a_producer_gone_without_a_word_is_an_error,
	  a_consumer_gone_ends_the_producer)
