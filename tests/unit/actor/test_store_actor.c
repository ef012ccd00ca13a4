/*
 * actor/store: what is grouped into one commit, when it begins, who is answered and when, and what
 * happens when the disk fails. One shard, a fake loop, offloaded work that a seed delays.
 */
#include "actor/store.h"
#include "run/task.h"
#include "tests/kit/fakepool.h"
#include "tests/kit/store_kit.h"
#include "tests/unit/run/world.h"

#include <check.h>
#include <stdlib.h>

#define SYNC_NS (2 * NS_PER_MS)

struct set {
	struct world w;
	struct fakepool pool;
	struct store *store;
	char *dir;
	act_id front;
	int n_fatal;
};

static struct set t;

static void on_fatal(void *ctx, const char *why)
{
	ck_assert_str_ne(why, "");
	++*(int *)ctx;
}

static void open_with(struct store_options o, uint64_t max_bytes)
{
	struct store_actor_opts opts;

	t.dir = store_kit_dir();
	o.dir = t.dir;
	ck_assert_int_eq(store_open(&o, &t.store), ERR_OK);
	fakepool_init(&t.pool, &t.w.fake, 1, SYNC_NS);
	world_open_with(&t.w, (struct act_shard_opts){.seed = 1, .offload = &t.pool.pool});
	t.w.fake.wall_offset_ns = 1000 * NS_PER_S;
	opts = (struct store_actor_opts){.store = t.store,
					 .clock = &t.w.fake.clock,
					 .reader_class = 1,
					 .max_bytes = max_bytes,
					 .fatal_ctx = &t.n_fatal,
					 .fatal = on_fatal};
	t.front = store_actor_spawn(t.w.root, &opts);
	ck_assert_uint_ne(t.front, 0);
	world_settle(&t.w);
}

/* A store that takes its time, without a disk. */
static void open_disk(void)
{
	open_with((struct store_options){.kind = STORE_MEMORY, .plays_disk = true}, 0);
}

static void close_all(void)
{
	world_close(&t.w);
	store_close(t.store);
	store_kit_remove(t.dir);
	t = (struct set){0};
}

/* ---- a sender: an actor with the smallest mailbox that writes down its answers ---- */

struct heard {
	uint64_t tag[600];
	enum err result[600];
	uint32_t n_rows[600];
	size_t n;
};

static struct heard heard;

static int sender_on_msg(act_self *self, void *state, act_msg *m)
{
	(void)self;
	(void)state;
	ck_assert(m->type == STORE_APPLIED || m->type == STORE_ROWS);
	ck_assert_uint_lt(heard.n, 600);
	if (m->type == STORE_APPLIED) {
		const struct store_batch *b = act_data(m);
		heard.tag[heard.n] = b->tag;
		heard.result[heard.n++] = b->result;
	} else {
		const struct store_reading *r = act_data(m);
		heard.tag[heard.n] = r->tag;
		heard.n_rows[heard.n] = r->rows.n;
		heard.result[heard.n++] = r->result;
	}
	return ACT_OK;
}

/* Sends what root hands it: a message with a batch or reading goes on in its own name. */
static int sender_forward(act_self *self, void *state, act_msg *m)
{
	if (m->type == STORE_APPLIED || m->type == STORE_ROWS)
		return sender_on_msg(self, state, m);
	ck_assert_int_eq(act_send_buf(self, t.front, m->type, m->buf.ptr, m->buf.len, m->buf.dtor),
			 ACT_OK);
	m->buf.ptr = NULL;
	m->buf.dtor = NULL;
	return ACT_OK;
}

static act_id sender(void)
{
	static const struct act_class cls = {.name = "sender", .on_msg = sender_forward};
	const struct act_opts o = {.cap = 1};
	act_id id = act_spawn(t.w.root, &cls, NULL, &o);

	heard = (struct heard){0};
	ck_assert_uint_ne(id, 0);
	return id;
}

static void send_batch(act_id from, struct store_batch *b, uint64_t tag, bool is_urgent)
{
	b->tag = tag;
	b->is_urgent = is_urgent;
	ck_assert_int_eq(act_send_buf(t.w.root, from, STORE_APPLY, b, sizeof(*b), store_batch_drop),
			 ACT_OK);
	world_settle(&t.w);
}

static void send_job(act_id from, uint64_t id)
{
	struct store_batch *b = store_batch_new();

	store_kit_job(b, id);
	send_batch(from, b, id, true);
}

static uint64_t next_seq;

static void send_lines(act_id from, uint32_t n, bool is_urgent)
{
	struct store_batch *b = store_batch_new();

	store_kit_chunk(b, 1, next_seq + 1, n);
	next_seq += n;
	send_batch(from, b, next_seq, is_urgent);
}

static void send_query(act_id from, struct store_query q)
{
	struct store_reading *r = store_reading_new(&q);

	ck_assert_ptr_nonnull(r);
	r->tag = 77;
	ck_assert_int_eq(
		act_send_buf(t.w.root, from, STORE_READ, r, sizeof(*r), store_reading_drop),
		ACT_OK);
	world_settle(&t.w);
}

static act_id sender_with_job(void)
{
	act_id s = sender();

	next_seq = 0;
	send_job(s, 1);
	world_run_for(&t.w, 3 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 1);
	heard.n = 0;
	t.pool.n_run = 0;
	return s;
}

/* ---- grouping ---- */

START_TEST(a_submission_commits_at_once_and_is_answered_after_the_commit)
{
	act_id s;

	open_disk();
	s = sender();
	send_job(s, 1);
	ck_assert_uint_eq(heard.n, 0);
	world_run_for(&t.w, 2 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 1);
	ck_assert_int_eq(heard.result[0], ERR_OK);
	ck_assert_uint_eq(t.pool.n_run, 1);
	close_all();
}
END_TEST

START_TEST(a_few_results_wait_five_milliseconds)
{
	act_id s;

	open_disk();
	s = sender_with_job();
	send_lines(s, 10, false);
	world_run_for(&t.w, 3 * NS_PER_MS);
	send_lines(s, 10, false);
	world_run_for(&t.w, STORE_WAIT_NS - 3 * NS_PER_MS - 1);
	ck_assert_uint_eq(t.pool.n_run, 0);
	world_run_for(&t.w, NS_PER_MS + 2 * SYNC_NS);
	ck_assert_uint_eq(t.pool.n_run, 1);
	ck_assert_uint_eq(heard.n, 2);
	close_all();
}
END_TEST

START_TEST(many_results_or_an_urgent_batch_do_not_wait)
{
	act_id s;

	open_disk();
	s = sender_with_job();
	send_lines(s, 200, false);
	world_run_for(&t.w, NS_PER_MS / 2);
	ck_assert_uint_eq(t.pool.n_run, 0);
	send_lines(s, 56, false);
	world_run_for(&t.w, 2 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 2);
	send_lines(s, 1, false);
	send_lines(s, 1, true);
	world_run_for(&t.w, 2 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 4);
	ck_assert_uint_eq(t.pool.n_run, 2);
	close_all();
}
END_TEST

START_TEST(what_arrives_during_a_sync_commits_together_and_in_order)
{
	act_id s;

	open_disk();
	s = sender();
	for (uint64_t id = 1; id <= 300; id++)
		send_job(s, id);
	world_run_for(&t.w, 6 * SYNC_NS);
	ck_assert_uint_eq(t.pool.n_run, 2);
	ck_assert_uint_eq(heard.n, 300);
	for (size_t i = 0; i < 300; i++)
		ck_assert_uint_eq(heard.tag[i], i + 1);
	close_all();
}
END_TEST

START_TEST(an_empty_urgent_batch_is_a_barrier)
{
	act_id s;

	open_disk();
	s = sender_with_job();
	send_lines(s, 3, false);
	send_batch(s, store_batch_new(), 99, true);
	world_run_for(&t.w, 2 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 2);
	ck_assert_uint_eq(heard.tag[1], 99);
	close_all();
}
END_TEST

START_TEST(a_refusal_is_told_to_the_one_it_is_for)
{
	act_id s;

	open_disk();
	s = sender();
	send_job(s, 1);
	send_job(s, 1);
	send_job(s, 2);
	world_run_for(&t.w, 6 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 3);
	ck_assert_int_eq(heard.result[0], ERR_OK);
	ck_assert_int_eq(heard.result[1], ERR_EXISTS);
	ck_assert_int_eq(heard.result[2], ERR_OK);
	close_all();
}
END_TEST

/* ---- reading ---- */

START_TEST(a_read_sees_what_was_answered_before)
{
	act_id s;

	open_disk();
	s = sender();
	send_job(s, 5);
	world_run_for(&t.w, 2 * SYNC_NS);
	send_query(s, (struct store_query){.kind = STORE_Q_JOB, .job = 5});
	send_query(s, (struct store_query){.kind = STORE_Q_JOB, .job = 6});
	world_run_for(&t.w, 6 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 3);
	ck_assert_int_eq(heard.result[1], ERR_OK);
	ck_assert_uint_eq(heard.n_rows[1], 1);
	ck_assert_uint_eq(heard.tag[1], 77);
	ck_assert_int_eq(heard.result[2], ERR_NOT_FOUND);
	close_all();
}
END_TEST

/* ---- askers ---- */

struct asker {
	act_co co;
	int rc;
	act_msg *reply;
	enum err *result;
};

static int asker_step(act_self *self, void *frame)
{
	struct asker *f = frame;
	struct store_batch *b;

	CO_BEGIN(&f->co);
	b = store_batch_new();
	store_kit_job(b, 1);
	b->is_urgent = true;
	CO_AWAIT(&f->co, f->rc,
		 act_ask_buf(self, t.front, STORE_APPLY, b, sizeof(*b), store_batch_drop,
			     &f->reply));
	if (f->rc != ACT_OK)
		return f->rc;
	ck_assert_uint_eq(f->reply->type, STORE_APPLIED);
	*f->result = ((struct store_batch *)act_data(f->reply))->result;
	act_drop(self, f->reply);
	CO_END(&f->co);
}

static act_id ask(enum err *result)
{
	struct asker init = {.result = result};
	const struct act_task_opts o = {.frame_init = &init, .frame_init_size = sizeof(init)};

	return act_spawn_task(t.w.root, asker_step, sizeof(init), &o);
}

START_TEST(a_task_asks_and_gets_its_batch_back)
{
	enum err result = ERR_COUNT;

	open_disk();
	ck_assert_uint_ne(ask(&result), 0);
	world_run_for(&t.w, 4 * SYNC_NS);
	ck_assert_int_eq(result, ERR_OK);
	close_all();
}
END_TEST

START_TEST(an_asker_that_goes_away_does_not_undo_its_commit)
{
	enum err result = ERR_COUNT;
	act_id task, s;

	open_disk();
	task = ask(&result);
	world_settle(&t.w);
	act_cancel(t.w.root, task, ACT_ECANCELED);
	world_run_for(&t.w, 4 * SYNC_NS);
	ck_assert_int_eq(result, ERR_COUNT);
	s = sender();
	send_query(s, (struct store_query){.kind = STORE_Q_JOB, .job = 1});
	world_run_for(&t.w, 4 * SYNC_NS);
	ck_assert_uint_eq(heard.n_rows[0], 1);
	close_all();
}
END_TEST

START_TEST(its_end_in_the_middle_of_a_commit_loses_no_memory)
{
	act_id s;

	open_disk();
	s = sender();
	for (uint64_t id = 1; id <= 20; id++)
		send_job(s, id);
	send_query(s, (struct store_query){.kind = STORE_Q_JOBS});
	if (_i == 0)
		act_kill(t.w.root, t.front);
	else
		act_stop(t.w.root, t.front);
	world_run_for(&t.w, 6 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 0);
	close_all();
}
END_TEST

/* ---- failures ---- */

static void open_failing(void)
{
	*store_kit_disk() = (struct store_kit_disk){0};
	open_with((struct store_options){.kind = STORE_SQLITE, .vfs = "store_kit"}, 0);
}

START_TEST(after_a_failed_sync_nobody_is_answered_and_fatal_is_called_once)
{
	act_id s;

	open_failing();
	s = sender_with_job();
	store_kit_disk()->fail_sync_at = atomic_load(&store_kit_disk()->n_sync) + 1;
	for (uint64_t id = 2; id <= 30; id++)
		send_job(s, id);
	world_run_for(&t.w, 10 * SYNC_NS);
	send_job(s, 31);
	send_query(s, (struct store_query){.kind = STORE_Q_JOBS});
	world_run_for(&t.w, NS_PER_S);
	ck_assert_uint_eq(heard.n, 0);
	ck_assert_int_eq(t.n_fatal, 1);
	close_all();
}
END_TEST

START_TEST(a_full_disk_refuses_new_work_and_holds_the_rest_until_there_is_room)
{
	act_id s;

	open_failing();
	s = sender_with_job();
	store_kit_disk()->full_at = 1;
	store_kit_disk()->is_full = true;
	send_lines(s, 5, true);
	send_job(s, 2);
	world_run_for(&t.w, NS_PER_S);
	ck_assert_uint_eq(heard.n, 1);
	ck_assert_uint_eq(heard.tag[0], 2);
	ck_assert_int_eq(heard.result[0], ERR_FULL);
	store_kit_disk()->is_full = false;
	world_run_for(&t.w, NS_PER_S);
	ck_assert_uint_eq(heard.n, 2);
	ck_assert_int_eq(heard.result[1], ERR_OK);
	send_job(s, 2);
	world_run_for(&t.w, 4 * SYNC_NS);
	ck_assert_int_eq(heard.result[2], ERR_OK);
	ck_assert_int_eq(t.n_fatal, 0);
	close_all();
}
END_TEST

/* ---- forgetting ---- */

static uint32_t n_jobs(act_id s)
{
	size_t at = heard.n;

	send_query(s, (struct store_query){.kind = STORE_Q_JOBS});
	world_run_for(&t.w, 4 * SYNC_NS);
	ck_assert_uint_eq(heard.n, at + 1);
	return heard.n_rows[at];
}

START_TEST(forgetting_goes_on_by_itself)
{
	act_id s;
	struct store_batch *b;

	open_disk();
	s = sender();
	for (uint64_t id = 1; id <= 500; id++) {
		b = store_batch_new();
		store_kit_job(b, id)->job.keep_ns = NS_PER_S;
		store_batch_add(b, STORE_JOB_STATE)->state =
			(struct store_state_op){.job = id,
						.state = STORE_JOB_SUCCEEDED,
						.wall_at_ns = clock_wall_ns(&t.w.fake.clock)};
		send_batch(s, b, id, true);
	}
	world_run_for(&t.w, 20 * SYNC_NS);
	ck_assert_uint_eq(heard.n, 500);
	ck_assert_uint_eq(n_jobs(s), 500);
	world_run_for(&t.w, 11 * NS_PER_S);
	ck_assert_uint_eq(n_jobs(s), 0);
	close_all();
}
END_TEST

START_TEST(the_volatile_store_answers_on_the_spot)
{
	act_id s;

	open_with((struct store_options){.kind = STORE_MEMORY}, 0);
	s = sender();
	send_job(s, 1);
	next_seq = 0;
	send_lines(s, 3, false);
	send_query(s, (struct store_query){.kind = STORE_Q_CHUNKS, .job = 1});
	ck_assert_uint_eq(heard.n, 3);
	ck_assert_uint_eq(heard.n_rows[2], 1);
	ck_assert_uint_eq(t.pool.n_run, 0);
	close_all();
}
END_TEST

START_TEST(acknowledged_volatile_results_do_not_pile_up)
{
	act_id s;
	struct store_batch *b;

	open_with((struct store_options){.kind = STORE_MEMORY}, 0);
	s = sender();
	b = store_batch_new();
	store_kit_job(b, 1)->job.is_attached = true;
	send_batch(s, b, 1, true);
	next_seq = 0;
	for (int i = 0; i < 200; i++) {
		send_lines(s, 1000, false);
		b = store_batch_new();
		store_batch_add(b, STORE_CURSOR_PUT)->cursor =
			(struct store_cursor){.job = 1, .path = slice_of("0"), .seq = next_seq};
		store_batch_add(b, STORE_ACK)->ack = (struct store_ack_op){1, next_seq};
		send_batch(s, b, 0, false);
	}
	send_query(s, (struct store_query){.kind = STORE_Q_USAGE});
	{
		struct store_rows rows;
		store_kit_read(t.store, (struct store_query){.kind = STORE_Q_USAGE}, &rows);
		ck_assert_uint_lt(rows.row[0].usage.n_bytes, 2 << 20);
		store_rows_fini(&rows);
	}
	close_all();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_actor");
	TCase *c = tcase_create("front");
	SRunner *sr = srunner_create(s);
	int failed;

	store_kit_disk();
	tcase_set_timeout(c, 60);
	tcase_add_test(c, a_submission_commits_at_once_and_is_answered_after_the_commit);
	tcase_add_test(c, a_few_results_wait_five_milliseconds);
	tcase_add_test(c, many_results_or_an_urgent_batch_do_not_wait);
	tcase_add_test(c, what_arrives_during_a_sync_commits_together_and_in_order);
	tcase_add_test(c, an_empty_urgent_batch_is_a_barrier);
	tcase_add_test(c, a_refusal_is_told_to_the_one_it_is_for);
	tcase_add_test(c, a_read_sees_what_was_answered_before);
	tcase_add_test(c, a_task_asks_and_gets_its_batch_back);
	tcase_add_test(c, an_asker_that_goes_away_does_not_undo_its_commit);
	tcase_add_loop_test(c, its_end_in_the_middle_of_a_commit_loses_no_memory, 0, 2);
	tcase_add_test(c, after_a_failed_sync_nobody_is_answered_and_fatal_is_called_once);
	tcase_add_test(c, a_full_disk_refuses_new_work_and_holds_the_rest_until_there_is_room);
	tcase_add_test(c, forgetting_goes_on_by_itself);
	tcase_add_test(c, the_volatile_store_answers_on_the_spot);
	tcase_add_test(c, acknowledged_volatile_results_do_not_pile_up);
	suite_add_tcase(s, c);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
