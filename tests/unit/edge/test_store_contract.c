/*
 * The promises of edge/store.h about jobs, results and forgetting, each kept by both keepers: every
 * test runs twice, on SQLite and in memory.
 */
#include "edge/store.h"
#include "tests/kit/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- jobs ---- */

START_TEST(a_job_reads_back_whole)
{
	struct store_batch *b = batch();
	struct store_rows rows;
	struct store_job j, put;

	store = open_kind(_i, 0);
	put = (struct store_job){.id = 41,
				 .uid = 12,
				 .priority = 9,
				 .is_attached = true,
				 .name = slice_of("nightly"),
				 .idem = slice_of("key-1"),
				 .spec = slice_of("{\"run\":{}}"),
				 .vars = slice_of("{\"a\":1}"),
				 .wall_created_ns = 5,
				 .wall_due_ns = 6,
				 .wall_deadline_ns = 7,
				 .remaining_ns = 8,
				 .keep_ns = 9,
				 .totals.total = 3};
	add(b, STORE_JOB_PUT)->job = put;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	j = job_of(41, &rows);
	ck_assert_uint_eq(j.uid, 12);
	ck_assert_uint_eq(j.priority, 9);
	ck_assert(j.is_attached && !j.was_started && j.state == STORE_JOB_QUEUED);
	assert_text(j.name, "nightly");
	assert_text(j.idem, "key-1");
	assert_text(j.spec, "{\"run\":{}}");
	assert_text(j.vars, "{\"a\":1}");
	ck_assert_int_eq(j.wall_created_ns, 5);
	ck_assert_int_eq(j.wall_due_ns, 6);
	ck_assert_int_eq(j.wall_deadline_ns, 7);
	ck_assert_int_eq(j.remaining_ns, 8);
	ck_assert_int_eq(j.keep_ns, 9);
	ck_assert_uint_eq(j.totals.total, 3);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(the_same_idempotency_key_names_the_job_that_is_there)
{
	static const struct {
		const char *spec;
		uint32_t uid;
		enum err result;
		uint64_t job;
	} cases[] = {{"{\"run\":\"http://a/\"}", 1000, ERR_EXISTS, 1},
		     {"{\"run\":\"http://b/\"}", 1000, ERR_CONFLICT, 1},
		     {"{\"run\":\"http://b/\"}", 1001, ERR_OK, 0}};
	struct store_batch *b = batch();

	store = open_kind(_i, 0);
	store_kit_job(b, 1)->job.idem = slice_of("k");
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	for (size_t i = 0; i < 3; i++) {
		struct store_op *op;
		b = batch();
		op = store_kit_job(b, 10 + i);
		op->job.idem = slice_of("k");
		op->job.uid = cases[i].uid;
		op->job.spec = slice_of(cases[i].spec);
		ck_assert_int_eq(store_apply(store, &b, 1), ERR_OK);
		ck_assert_int_eq(b->result, cases[i].result);
		ck_assert_uint_eq(b->ret_job, cases[i].job);
		store_batch_free(b);
	}
}
END_TEST

START_TEST(a_refused_batch_has_no_effect_and_disturbs_no_other)
{
	struct store_batch *b[3] = {batch(), batch(), batch()};
	struct store_rows rows;

	store = open_kind(_i, 0);
	put_job(1);
	store_kit_job(b[0], 2);
	store_kit_job(b[1], 3);
	add(b[1], STORE_ACK)->ack = (struct store_ack_op){.job = 77, .seq = 1};
	store_kit_job(b[2], 4);
	add(b[2], STORE_ACK)->ack = (struct store_ack_op){.job = 4, .seq = 1};
	ck_assert_int_eq(store_apply(store, b, 3), ERR_OK);
	ck_assert_int_eq(b[0]->result, ERR_OK);
	ck_assert_int_eq(b[1]->result, ERR_NOT_FOUND);
	ck_assert_int_eq(b[2]->result, ERR_OK);
	for (int i = 0; i < 3; i++)
		store_batch_free(b[i]);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_JOBS}, &rows);
	ck_assert_uint_eq(rows.n, 3);
	ck_assert_uint_eq(rows.row[2].job.id, 4);
	ck_assert_uint_eq(rows.row[2].job.acked_seq, 1);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(a_text_above_its_limit_is_refused_alone)
{
	struct store_batch *b[2] = {batch(), batch()};
	char *name = calloc(1, STORE_NAME_MAX + 2);

	store = open_kind(_i, 0);
	memset(name, 'n', STORE_NAME_MAX + 1);
	store_kit_job(b[0], 1)->job.name = slice_of(name);
	store_kit_job(b[1], 2);
	ck_assert_int_eq(store_apply(store, b, 2), ERR_OK);
	ck_assert_int_eq(b[0]->result, ERR_TOO_LARGE);
	ck_assert_int_eq(b[1]->result, ERR_OK);
	store_batch_free(b[0]);
	store_batch_free(b[1]);
	free(name);
}
END_TEST

START_TEST(queued_jobs_come_by_priority_then_age_across_pages)
{
	static const uint8_t priority[] = {5, 9, 1, 9, 5, 5};
	static const uint64_t expected[] = {2, 4, 1, 5, 6, 3};
	struct store_query q = {.kind = STORE_Q_QUEUED, .priority = 9, .max_rows = 2};
	size_t n = 0;

	store = open_kind(_i, 0);
	for (size_t i = 0; i < 6; i++) {
		struct store_batch *b = batch();
		store_kit_job(b, i + 1)->job.priority = priority[i];
		ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	}
	put_job(7);
	ck_assert_int_eq(set_state(7, STORE_JOB_RUNNING, 1), ERR_OK);
	for (;;) {
		struct store_rows rows;
		bool more;
		store_kit_read(store, q, &rows);
		ck_assert_uint_le(rows.n, 2);
		for (uint32_t i = 0; i < rows.n; i++) {
			ck_assert_uint_lt(n, 6);
			ck_assert_uint_eq(rows.row[i].job.id, expected[n++]);
			q.priority = rows.row[i].job.priority;
			q.after = rows.row[i].job.id;
		}
		more = rows.more;
		store_rows_fini(&rows);
		if (!more)
			break;
	}
	ck_assert_uint_eq(n, 6);
}
END_TEST

START_TEST(open_jobs_are_those_running_paused_or_cancelling)
{
	struct store_rows rows;

	store = open_kind(_i, 0);
	for (uint64_t i = 0; i < STORE_JOB_FORGOTTEN; i++) {
		put_job(i + 1);
		ck_assert_int_eq(set_state(i + 1, (enum store_job_state)i, 50), ERR_OK);
	}
	store_kit_read(store, (struct store_query){.kind = STORE_Q_OPEN}, &rows);
	ck_assert_uint_eq(rows.n, 3);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(rows.row[i].job.state, STORE_JOB_RUNNING + i);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(a_cancelled_job_never_comes_back)
{
	struct store_rows rows;

	store = open_kind(_i, 0);
	put_job(1);
	ck_assert_int_eq(say(1, STORE_COMMAND_RETRY), ERR_CONFLICT);
	ck_assert_int_eq(say(1, STORE_COMMAND_PAUSE), ERR_OK);
	ck_assert_int_eq(job_of(1, &rows).state, STORE_JOB_PAUSED);
	store_rows_fini(&rows);
	ck_assert_int_eq(say(1, STORE_COMMAND_RESUME), ERR_OK);
	ck_assert_int_eq(job_of(1, &rows).state, STORE_JOB_QUEUED);
	store_rows_fini(&rows);
	ck_assert_int_eq(set_state(1, STORE_JOB_RUNNING, 5), ERR_OK);
	ck_assert_int_eq(say(1, STORE_COMMAND_PAUSE), ERR_OK);
	ck_assert_int_eq(say(1, STORE_COMMAND_RESUME), ERR_OK);
	ck_assert_int_eq(job_of(1, &rows).state, STORE_JOB_RUNNING);
	ck_assert(rows.row[0].job.was_started);
	store_rows_fini(&rows);
	ck_assert_int_eq(say(1, STORE_COMMAND_CANCEL), ERR_OK);
	ck_assert_int_eq(say(1, STORE_COMMAND_RESUME), ERR_CONFLICT);
	ck_assert_int_eq(say(1, STORE_COMMAND_PAUSE), ERR_CONFLICT);
	ck_assert_int_eq(say(1, STORE_COMMAND_CANCEL), ERR_OK);
	ck_assert_int_eq(set_state(1, STORE_JOB_CANCELLED, 6), ERR_OK);
	ck_assert_int_eq(say(1, STORE_COMMAND_CANCEL), ERR_CONFLICT);
	ck_assert_int_eq(say(2, STORE_COMMAND_CANCEL), ERR_NOT_FOUND);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_FACTS, .job = 1}, &rows);
	ck_assert_uint_eq(rows.n, 3);
	assert_text(rows.row[0].fact.kind, "pause");
	assert_text(rows.row[2].fact.kind, "cancel");
	store_rows_fini(&rows);
	ck_assert_int_eq(say(1, STORE_COMMAND_RETRY), ERR_OK);
	ck_assert_int_eq(job_of(1, &rows).state, STORE_JOB_QUEUED);
	ck_assert_int_eq(rows.row[0].job.wall_ended_ns, 0);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(the_end_of_a_job_keeps_totals_error_and_scopes)
{
	struct store_batch *b = batch();
	struct store_rows rows;
	struct store_job j;

	store = open_kind(_i, 0);
	put_job(1);
	ck_assert_int_eq(set_state(1, STORE_JOB_RUNNING, 10), ERR_OK);
	ck_assert_int_eq(set_state(1, STORE_JOB_RUNNING, 11), ERR_OK);
	add(b, STORE_JOB_STATE)->state =
		(struct store_state_op){.job = 1,
					.state = STORE_JOB_FAILED,
					.wall_at_ns = 20,
					.has_totals = true,
					.totals = {9, 7, 1, 1, 0, 0},
					.error = slice_of("{\"kind\":\"group\"}"),
					.scopes = slice_of("[]")};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	j = job_of(1, &rows);
	ck_assert_int_eq(j.state, STORE_JOB_FAILED);
	ck_assert_int_eq(j.wall_started_ns, 10);
	ck_assert_int_eq(j.wall_ended_ns, 20);
	ck_assert_uint_eq(j.totals.total, 9);
	ck_assert_uint_eq(j.totals.handled, 1);
	assert_text(j.error, "{\"kind\":\"group\"}");
	assert_text(j.scopes, "[]");
	store_rows_fini(&rows);
	ck_assert_int_eq(set_state(99, STORE_JOB_RUNNING, 1), ERR_NOT_FOUND);
}
END_TEST

START_TEST(jobs_list_by_owner)
{
	struct store_rows rows;

	store = open_kind(_i, 0);
	for (uint64_t i = 1; i <= 6; i++) {
		struct store_batch *b = batch();
		store_kit_job(b, i)->job.uid = i % 2 == 0 ? 5 : 6;
		ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	}
	store_kit_read(
		store,
		(struct store_query){.kind = STORE_Q_JOBS, .has_uid = true, .uid = 5, .after = 2},
		&rows);
	ck_assert_uint_eq(rows.n, 2);
	ck_assert_uint_eq(rows.row[0].job.id, 4);
	ck_assert_uint_eq(rows.row[0].job.spec.n, 0);
	store_rows_fini(&rows);
}
END_TEST

/* ---- results ---- */

START_TEST(results_read_from_any_seq_and_add_to_the_totals)
{
	struct store_rows rows;
	struct store_batch *b = batch();

	store = open_kind(_i, 0);
	put_job(1);
	put_chunk(1, 1, 3);
	put_chunk(1, 4, 1);
	put_chunk(1, 5, 4);
	store_kit_chunk(b, 1, 8, 2);
	ck_assert_int_eq(store_kit_apply(store, b), ERR_EXISTS);
	b = batch();
	store_kit_chunk(b, 2, 1, 2);
	ck_assert_int_eq(store_kit_apply(store, b), ERR_NOT_FOUND);
	for (uint64_t after = 0; after <= 9; after++) {
		static const uint32_t expected[] = {3, 3, 3, 2, 1, 1, 1, 1, 0, 0};
		store_kit_read(
			store,
			(struct store_query){.kind = STORE_Q_CHUNKS, .job = 1, .after = after},
			&rows);
		ck_assert_uint_eq(rows.n, expected[after]);
		if (rows.n == 1 && after == 4)
			ck_assert(strncmp(rows.row[0].chunk.lines.p, "{\"seq\":5,", 9) == 0);
		store_rows_fini(&rows);
	}
	store_kit_read(store, (struct store_query){.kind = STORE_Q_DONE, .job = 1, .after = 3},
		       &rows);
	ck_assert_uint_eq(rows.n, 2);
	assert_text(rows.row[0].chunk.done, "0:1-2");
	ck_assert_uint_eq(rows.row[0].chunk.lines.n, 0);
	store_rows_fini(&rows);
	ck_assert_uint_eq(job_of(1, &rows).totals.ok, 8);
	ck_assert_uint_eq(rows.row[0].job.last_seq, 8);
	ck_assert_uint_gt(rows.row[0].job.n_bytes, 8 * 10);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(rows_are_bounded_by_bytes_but_one_always_fits)
{
	struct store_rows rows;

	store = open_kind(_i, 0);
	put_job(1);
	put_chunk(1, 1, 100);
	put_chunk(1, 101, 100);
	store_kit_read(store,
		       (struct store_query){.kind = STORE_Q_CHUNKS, .job = 1, .max_bytes = 10},
		       &rows);
	ck_assert_uint_eq(rows.n, 1);
	ck_assert(rows.more);
	store_rows_fini(&rows);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_CHUNKS, .job = 1}, &rows);
	ck_assert_uint_eq(rows.n, 2);
	ck_assert(!rows.more);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(an_acknowledgement_never_goes_back)
{
	struct store_rows rows;

	store = open_kind(_i, 0);
	put_job(1);
	put_chunk(1, 1, 9);
	ck_assert_int_eq(ack(1, 7), ERR_OK);
	ck_assert_int_eq(ack(1, 3), ERR_OK);
	ck_assert_uint_eq(job_of(1, &rows).acked_seq, 7);
	store_rows_fini(&rows);
	ck_assert_int_eq(ack(2, 1), ERR_NOT_FOUND);
}
END_TEST

/* ---- forgetting ---- */

START_TEST(a_forgotten_job_is_gone_at_once_and_its_rows_by_and_by)
{
	struct store_batch *b = batch();
	struct store_rows rows;
	uint64_t n, total = 0;

	store = open_kind(_i, 0);
	store_kit_job(b, 1)->job.idem = slice_of("k");
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	for (uint64_t i = 0; i < 20; i++)
		put_chunk(1, 1 + i * 2, 2);
	b = batch();
	add(b, STORE_JOB_FORGET)->ref.job = 1;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_JOBS}, &rows);
	ck_assert_uint_eq(rows.n, 0);
	b = batch();
	store_kit_job(b, 2)->job.idem = slice_of("k");
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	do {
		n = prune((struct store_prune_op){.max_rows = 7});
		total += n;
	} while (n > 0);
	ck_assert_uint_ge(total, 1);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_CHUNKS, .job = 1}, &rows);
	ck_assert_uint_eq(rows.n, 0);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_USAGE}, &rows);
	ck_assert_uint_eq(rows.row[0].usage.n_bytes, 0);
	store_rows_fini(&rows);
}
END_TEST

static uint32_t chunks(uint64_t job)
{
	struct store_rows rows;
	uint32_t n;

	store_kit_read(store, (struct store_query){.kind = STORE_Q_CHUNKS, .job = job}, &rows);
	n = rows.n;
	store_rows_fini(&rows);
	return n;
}

START_TEST(only_acknowledged_results_that_no_recovery_needs_are_dropped)
{
	const struct store_prune_op all = {.max_rows = 100, .max_bytes = 1};

	store = open_kind(_i, 0);
	put_job(1);
	ck_assert_int_eq(set_state(1, STORE_JOB_RUNNING, 1), ERR_OK);
	for (uint64_t i = 0; i < 5; i++)
		put_chunk(1, 1 + i * 10, 10);
	prune(all);
	ck_assert_uint_eq(chunks(1), 5);
	ck_assert_int_eq(ack(1, 35), ERR_OK);
	prune(all);
	ck_assert_uint_eq(chunks(1), 5);
	cursor("0", 12, 25);
	cursor("0.3", 12, 45);
	prune((struct store_prune_op){.max_rows = 100, .max_bytes = 1 << 20});
	ck_assert_uint_eq(chunks(1), 5);
	prune(all);
	ck_assert_uint_eq(chunks(1), 3);
	ck_assert_int_eq(set_state(1, STORE_JOB_SUCCEEDED, 2), ERR_OK);
	prune(all);
	ck_assert_uint_eq(chunks(1), 2);
	ck_assert_int_eq(ack(1, 50), ERR_OK);
	prune(all);
	ck_assert_uint_eq(chunks(1), 0);
}
END_TEST

START_TEST(an_attached_job_keeps_no_acknowledged_result)
{
	struct store_batch *b = batch();

	store = open_kind(_i, 0);
	store_kit_job(b, 1)->job.is_attached = true;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	put_chunk(1, 1, 5);
	put_chunk(1, 6, 5);
	cursor("0", 5, 10);
	ck_assert_int_eq(ack(1, 5), ERR_OK);
	prune((struct store_prune_op){.max_rows = 100});
	ck_assert_uint_eq(chunks(1), 1);
}
END_TEST

START_TEST(ended_jobs_are_forgotten_after_their_time)
{
	struct store_batch *b = batch();
	struct store_rows rows;

	store = open_kind(_i, 0);
	put_job(1);
	put_job(2);
	store_kit_job(b, 3)->job.keep_ns = 1000;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	ck_assert_int_eq(set_state(1, STORE_JOB_FAILED, 5000), ERR_OK);
	ck_assert_int_eq(set_state(3, STORE_JOB_SUCCEEDED, 5000), ERR_OK);
	prune((struct store_prune_op){.wall_now_ns = 5900, .default_keep_ns = 1000, .max_rows = 9});
	store_kit_read(store, (struct store_query){.kind = STORE_Q_JOBS}, &rows);
	ck_assert_uint_eq(rows.n, 3);
	store_rows_fini(&rows);
	prune((struct store_prune_op){.wall_now_ns = 6100, .default_keep_ns = 2000, .max_rows = 9});
	store_kit_read(store, (struct store_query){.kind = STORE_Q_JOBS}, &rows);
	ck_assert_uint_eq(rows.n, 2);
	store_rows_fini(&rows);
	prune((struct store_prune_op){.wall_now_ns = 7100, .default_keep_ns = 2000, .max_rows = 9});
	store_kit_read(store, (struct store_query){.kind = STORE_Q_JOBS}, &rows);
	ck_assert_uint_eq(rows.n, 1);
	ck_assert_uint_eq(rows.row[0].job.id, 2);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(above_its_size_it_takes_no_new_job_but_finishes_the_old)
{
	struct store_batch *b = batch();

	store = open_kind(_i, 1000);
	put_job(1);
	put_chunk(1, 1, 100);
	store_kit_job(b, 2);
	ck_assert_int_eq(store_kit_apply(store, b), ERR_FULL);
	put_chunk(1, 101, 10);
	ck_assert_int_eq(set_state(1, STORE_JOB_SUCCEEDED, 1), ERR_OK);
	ck_assert_int_eq(ack(1, 110), ERR_OK);
	prune((struct store_prune_op){.max_bytes = 900, .max_rows = 100});
	put_job(2);
}
END_TEST

static void put_validator(uint32_t uid, const char *url, const char *etag, int64_t wall_at_ns)
{
	struct store_batch *b = batch();

	store_batch_add(b, STORE_VALIDATOR_PUT)->validator =
		(struct store_validator){.uid = uid,
					 .url = slice_of(url),
					 .etag = slice_of(etag),
					 .last_modified = SLICE_LIT(""),
					 .wall_at_ns = wall_at_ns};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
}

/* etag NULL: none is known. */
static void knows_validator(uint32_t uid, const char *url, const char *etag)
{
	struct store_query q = {.kind = STORE_Q_VALIDATOR, .uid = uid, .text = slice_of(url)};
	struct store_rows rows = {.n = 0};

	ck_assert_int_eq(store_read(store, &q, &rows), etag != NULL ? ERR_OK : ERR_NOT_FOUND);
	ck_assert_uint_eq(rows.n, etag != NULL);
	if (etag != NULL)
		ck_assert(slice_is(rows.row[0].validator.etag, etag));
	store_rows_fini(&rows);
}

START_TEST(a_validator_is_its_users_and_goes_with_age)
{
	store = open_kind(_i, 0);
	put_validator(1, "http://a/", "\"1\"", 100);
	put_validator(1, "http://b/", "\"2\"", 200);
	put_validator(2, "http://a/", "\"3\"", 300);
	knows_validator(1, "http://a/", "\"1\"");
	knows_validator(2, "http://a/", "\"3\"");
	knows_validator(2, "http://b/", NULL);
	put_validator(1, "http://b/", "\"4\"", 400);
	knows_validator(1, "http://b/", "\"4\"");
	put_validator(2, "http://a/", "", 500);
	knows_validator(2, "http://a/", NULL);
	prune((struct store_prune_op){.wall_validator_before_ns = 300, .max_rows = 9});
	knows_validator(1, "http://a/", NULL);
	knows_validator(1, "http://b/", "\"4\"");
}
END_TEST

START_TEST(only_so_many_validators_are_kept_the_newest)
{
	char url[32];

	store = open_kind(_i, 0);
	for (int i = 0; i < STORE_VALIDATORS + 3;) {
		struct store_batch *b = batch();
		for (int k = 0; k < 1000 && i < STORE_VALIDATORS + 3; k++, i++) {
			struct slice copy;
			snprintf(url, sizeof(url), "http://a/%d", i);
			ck_assert_int_eq(store_batch_copy(b, slice_of(url), &copy), ERR_OK);
			store_batch_add(b, STORE_VALIDATOR_PUT)->validator =
				(struct store_validator){.uid = 1,
							 .url = copy,
							 .etag = SLICE_LIT("\"e\""),
							 .last_modified = SLICE_LIT(""),
							 .wall_at_ns = i + 1};
		}
		ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	}
	prune((struct store_prune_op){.max_rows = 100});
	knows_validator(1, "http://a/2", NULL);
	knows_validator(1, "http://a/3", "\"e\"");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_contract");
	TCase *t = tcase_create("both");
	SRunner *sr = srunner_create(s);
	int failed;
	const TTest *const tests[] = {
		a_job_reads_back_whole,
		the_same_idempotency_key_names_the_job_that_is_there,
		a_refused_batch_has_no_effect_and_disturbs_no_other,
		a_text_above_its_limit_is_refused_alone,
		queued_jobs_come_by_priority_then_age_across_pages,
		open_jobs_are_those_running_paused_or_cancelling,
		a_cancelled_job_never_comes_back,
		the_end_of_a_job_keeps_totals_error_and_scopes,
		jobs_list_by_owner,
		results_read_from_any_seq_and_add_to_the_totals,
		rows_are_bounded_by_bytes_but_one_always_fits,
		an_acknowledgement_never_goes_back,
		a_forgotten_job_is_gone_at_once_and_its_rows_by_and_by,
		only_acknowledged_results_that_no_recovery_needs_are_dropped,
		an_attached_job_keeps_no_acknowledged_result,
		ended_jobs_are_forgotten_after_their_time,
		above_its_size_it_takes_no_new_job_but_finishes_the_old,
		a_validator_is_its_users_and_goes_with_age,
		only_so_many_validators_are_kept_the_newest,
	};

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_loop_test(t, tests[i], 0, 2);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
