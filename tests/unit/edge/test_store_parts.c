/*
 * The promises of edge/store.h about what belongs to jobs (feeds, facts, cursors, bodies) and about
 * keys, holds, op ids and counters, each kept by both keepers.
 */
#include "edge/bodyfile.h"
#include "edge/store.h"
#include "tests/kit/store_fixture.h"

#include <stdlib.h>
#include <string.h>

/* ---- feed, facts, cursors ---- */

static void feed(uint64_t first, uint32_t n, bool eof, const char *lines)
{
	struct store_batch *b = batch();

	add(b, STORE_FEED_ADD)->feed = (struct store_feed){.job = 1,
							   .path = slice_of("0"),
							   .first = first,
							   .n = n,
							   .is_eof = eof,
							   .lines = slice_of(lines)};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
}

static void range(enum store_op_kind kind, const char *path, uint64_t n)
{
	struct store_batch *b = batch();

	add(b, kind)->range = (struct store_range_op){1, slice_of(path), n};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
}

static uint32_t fed_from(uint64_t after, struct store_rows *rows)
{
	store_kit_read(
		store,
		(struct store_query){
			.kind = STORE_Q_FEED, .job = 1, .path = slice_of("0"), .after = after},
		rows);
	return rows->n;
}

START_TEST(feed_chunks_go_below_the_watermark_and_the_end_stays)
{
	struct store_rows rows;

	store = open_kind(_i, 0);
	put_job(1);
	feed(0, 2, false, "a\nb\n");
	feed(2, 2, false, "c\nd\n");
	feed(2, 2, false, "x\ny\n");
	feed(4, 0, true, "");
	ck_assert_uint_eq(fed_from(0, &rows), 3);
	assert_text(rows.row[1].feed.lines, "c\nd\n");
	store_rows_fini(&rows);
	ck_assert_uint_eq(fed_from(3, &rows), 2);
	ck_assert_uint_eq(rows.row[0].feed.first, 2);
	ck_assert(rows.row[1].feed.is_eof);
	store_rows_fini(&rows);
	range(STORE_FEED_DROP, "0", 3);
	ck_assert_uint_eq(fed_from(0, &rows), 2);
	ck_assert_uint_eq(rows.row[0].feed.first, 2);
	store_rows_fini(&rows);
	range(STORE_FEED_DROP, "0", 400);
	ck_assert_uint_eq(fed_from(0, &rows), 1);
	ck_assert(rows.row[0].feed.is_eof && rows.row[0].feed.first == 4);
	store_rows_fini(&rows);
}
END_TEST

static void fact(const char *path, uint64_t n, const char *kind, const char *data)
{
	struct store_batch *b = batch();

	add(b, STORE_FACT_PUT)->fact = (struct store_fact){.job = 1,
							   .path = slice_of(path),
							   .n = n,
							   .kind = slice_of(kind),
							   .wall_at_ns = 3,
							   .data = slice_of(data)};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
}

static uint32_t facts(struct store_rows *rows)
{
	store_kit_read(store, (struct store_query){.kind = STORE_Q_FACTS, .job = 1}, rows);
	return rows->n;
}

START_TEST(facts_replace_drop_and_page)
{
	struct store_query q = {.kind = STORE_Q_FACTS, .job = 1, .max_rows = 1};
	struct store_rows rows;
	uint32_t n = 0;

	store = open_kind(_i, 0);
	put_job(1);
	fact("0", 0, "wait", "{}");
	fact("0", 7, "outcome", "{\"ok\":true}");
	fact("0.3", 0, "finally", "");
	fact("0", 0, "outcome", "{\"ok\":false}");
	ck_assert_uint_eq(facts(&rows), 3);
	assert_text(rows.row[0].fact.kind, "outcome");
	assert_text(rows.row[0].fact.data, "{\"ok\":false}");
	ck_assert_uint_eq(rows.row[1].fact.n, 7);
	ck_assert_int_eq(rows.row[1].fact.wall_at_ns, 3);
	store_rows_fini(&rows);
	range(STORE_FACT_DROP, "0", 7);
	for (bool more = true; more; n++) {
		store_kit_read(store, q, &rows);
		ck_assert_uint_eq(rows.n, 1);
		if (n == 1)
			assert_text(rows.row[0].fact.path, "0.3");
		more = rows.more;
		q.has_after = true;
		q.after_path = n == 0 ? slice_of("0") : slice_of("0.3");
		q.after_n = 0;
		store_rows_fini(&rows);
	}
	ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(a_tree_drop_spares_siblings_whose_name_begins_alike)
{
	static const char *const paths[] = {"0",    "0.1",    "0.1.5", "0.1.c0.2",
					    "0.10", "0.10.1", "0.2"};
	struct store_rows rows;

	store = open_kind(_i, 0);
	put_job(1);
	for (size_t i = 0; i < 7; i++) {
		fact(paths[i], 0, "outcome", "");
		cursor(paths[i], 5, 1);
	}
	range(STORE_TREE_DROP, "0.1", 0);
	ck_assert_uint_eq(facts(&rows), 4);
	assert_text(rows.row[1].fact.path, "0.10");
	store_rows_fini(&rows);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_CURSORS, .job = 1}, &rows);
	ck_assert_uint_eq(rows.n, 4);
	assert_text(rows.row[3].cursor.path, "0.2");
	assert_text(rows.row[3].cursor.gaps, "3-4");
	ck_assert_uint_eq(rows.row[3].cursor.watermark, 5);
	store_rows_fini(&rows);
	store_kit_read(store,
		       (struct store_query){.kind = STORE_Q_CURSORS,
					    .job = 1,
					    .has_after = true,
					    .after_path = slice_of("0.10")},
		       &rows);
	ck_assert_uint_eq(rows.n, 2);
	store_rows_fini(&rows);
}
END_TEST

/* ---- keys, holds, op ids, counters, bodies ---- */

START_TEST(keys_and_holds_put_replace_drop_and_page)
{
	struct store_rows rows;
	struct store_batch *b = batch();

	store = open_kind(_i, 0);
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"b", "a", "c", "b"};
		add(b, STORE_KEY_PUT)->key = (struct store_key){.name = slice_of(names[i]),
								.tat_ns = i,
								.horizon_ns = -5,
								.blocked_until_ns = 9,
								.quota = {"q\0q", 3}};
		add(b, STORE_HOLD_PUT)->hold = (struct store_hold){.name = slice_of("lock"),
								   .session = slice_of(names[i]),
								   .fence = (uint64_t)i,
								   .data = slice_of("d")};
	}
	add(b, STORE_KEY_DROP)->counter.name = slice_of("c");
	add(b, STORE_HOLD_DROP)->hold =
		(struct store_hold){.name = slice_of("lock"), .session = slice_of("a")};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_KEYS}, &rows);
	ck_assert_uint_eq(rows.n, 2);
	assert_text(rows.row[1].key.name, "b");
	ck_assert_int_eq(rows.row[1].key.tat_ns, 3);
	ck_assert_int_eq(rows.row[1].key.horizon_ns, -5);
	ck_assert_uint_eq(rows.row[1].key.quota.n, 3);
	store_rows_fini(&rows);
	store_kit_read(store,
		       (struct store_query){
			       .kind = STORE_Q_KEYS, .has_after = true, .text = slice_of("a")},
		       &rows);
	ck_assert_uint_eq(rows.n, 1);
	store_rows_fini(&rows);
	store_kit_read(store,
		       (struct store_query){.kind = STORE_Q_HOLDS,
					    .has_after = true,
					    .text = slice_of("lock"),
					    .after_path = slice_of("b")},
		       &rows);
	ck_assert_uint_eq(rows.n, 1);
	assert_text(rows.row[0].hold.session, "c");
	ck_assert_uint_eq(rows.row[0].hold.fence, 2);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(the_same_op_id_gets_the_same_answer_and_no_second_effect)
{
	struct store_batch *b[2] = {batch(), batch()};
	struct store_rows rows;

	store = open_kind(_i, 0);
	for (int i = 0; i < 2; i++) {
		store_kit_job(b[i], (uint64_t)i + 1);
		add(b[i], STORE_OPID_PUT)->opid =
			(struct store_opid){.uid = 3,
					    .op_id = slice_of("op"),
					    .wall_at_ns = 1,
					    .answer = slice_of(i == 0 ? "j1" : "j2")};
	}
	ck_assert_int_eq(store_apply(store, b, 2), ERR_OK);
	ck_assert_int_eq(b[0]->result, ERR_OK);
	ck_assert_int_eq(b[1]->result, ERR_EXISTS);
	assert_text(b[1]->ret_answer, "j1");
	store_batch_free(b[0]);
	store_batch_free(b[1]);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_JOB, .job = 2}, &rows);
	ck_assert_uint_eq(rows.n, 0);
	store_kit_read(store,
		       (struct store_query){.kind = STORE_Q_OPID, .uid = 3, .text = slice_of("op")},
		       &rows);
	ck_assert_uint_eq(rows.n, 1);
	assert_text(rows.row[0].opid.answer, "j1");
	store_rows_fini(&rows);
	ck_assert_uint_eq(prune((struct store_prune_op){.wall_opid_before_ns = 2, .max_rows = 9}),
			  1);
	store_kit_read(store,
		       (struct store_query){.kind = STORE_Q_OPID, .uid = 3, .text = slice_of("op")},
		       &rows);
	ck_assert_uint_eq(rows.n, 0);
}
END_TEST

static uint64_t counter(const char *name)
{
	struct store_rows rows;
	uint64_t v;

	store_kit_read(store, (struct store_query){.kind = STORE_Q_COUNTER, .text = slice_of(name)},
		       &rows);
	ck_assert_uint_eq(rows.n, 1);
	v = rows.row[0].counter.value;
	store_rows_fini(&rows);
	return v;
}

START_TEST(counters_only_grow_and_know_every_id_handed_out)
{
	struct store_batch *b = batch();

	store = open_kind(_i, 0);
	ck_assert_uint_eq(counter("job"), 0);
	put_job(12);
	put_job(4);
	ck_assert_uint_eq(counter("job"), 12);
	add(b, STORE_COUNTER_PUT)->counter = (struct store_counter){slice_of("job"), 20};
	add(b, STORE_COUNTER_PUT)->counter = (struct store_counter){slice_of("job"), 19};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	ck_assert_uint_eq(counter("job"), 20);
	b = batch();
	add(b, STORE_JOB_FORGET)->ref.job = 12;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	prune((struct store_prune_op){.max_rows = 100});
	ck_assert_uint_eq(counter("job"), 20);
}
END_TEST

static uint64_t write_body(uint64_t job, uint64_t seq, const char *text)
{
	struct bodyfile *f = NULL;
	struct store_batch *b = batch();
	struct store_body row = {.job = job, .seq = seq};

	ck_assert_int_eq(bodyfile_new(store_bodies(store), &f), ERR_OK);
	ck_assert_int_eq(bodyfile_append(f, text, strlen(text)), ERR_OK);
	ck_assert_int_eq(bodyfile_finish(f, &row.size, row.sha256), ERR_OK);
	row.id = bodyfile_id(f);
	bodyfile_free(f);
	add(b, STORE_BODY_PUT)->body = row;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	return row.id;
}

START_TEST(a_body_is_found_by_its_result_and_goes_with_its_job)
{
	struct store_rows rows;
	struct bodyread *r = NULL;
	struct store_body row;
	struct store_batch *b = batch();
	char text[16];
	size_t n;

	store = open_kind(_i, 0);
	put_job(1);
	put_chunk(1, 1, 2);
	write_body(1, 1, "one");
	uint64_t id = write_body(1, 5, "two two");
	add(b, STORE_BODY_SEQ)->body = (struct store_body){.id = id, .job = 1, .seq = 2};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	b = batch();
	store_kit_read(store, (struct store_query){.kind = STORE_Q_BODY, .job = 1, .after = 5},
		       &rows);
	ck_assert_uint_eq(rows.n, 0);
	store_rows_fini(&rows);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_BODY, .job = 1, .after = 2},
		       &rows);
	ck_assert_uint_eq(rows.n, 1);
	row = rows.row[0].body;
	store_rows_fini(&rows);
	ck_assert_uint_eq(row.size, 7);
	ck_assert_int_eq(bodyread_open(store_bodies(store), row.id, row.size, row.sha256, &r),
			 ERR_OK);
	ck_assert_int_eq(bodyread_at(r, 4, text, sizeof(text), &n), ERR_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(memcmp(text, "two", 3), 0);
	bodyread_close(r);
	add(b, STORE_JOB_FORGET)->ref.job = 1;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	prune((struct store_prune_op){.max_rows = 100});
	ck_assert_int_eq(bodyread_open(store_bodies(store), row.id, row.size, row.sha256, &r),
			 ERR_CORRUPT);
	store_kit_read(store, (struct store_query){.kind = STORE_Q_USAGE}, &rows);
	ck_assert_uint_eq(rows.row[0].usage.n_bytes, 0);
	ck_assert_uint_eq(rows.row[0].usage.n_jobs, 0);
	store_rows_fini(&rows);
}
END_TEST

START_TEST(a_volatile_job_leaves_no_body_in_a_borrowed_place)
{
	struct store *durable = open_kind(0, 0);
	const struct store_options o = {.kind = STORE_MEMORY, .bodies = store_bodies(durable)};
	struct store_rows rows;
	struct bodyread *r = NULL;
	struct store_body row;
	struct store_batch *b = batch();

	ck_assert_int_eq(store_open(&o, &store), ERR_OK);
	put_job(1);
	write_body(1, 1, "one");
	store_kit_read(store, (struct store_query){.kind = STORE_Q_BODY, .job = 1, .after = 1},
		       &rows);
	ck_assert_uint_eq(rows.n, 1);
	row = rows.row[0].body;
	store_rows_fini(&rows);
	ck_assert_int_eq(bodyread_open(o.bodies, row.id, row.size, row.sha256, &r), ERR_OK);
	bodyread_close(r);
	add(b, STORE_JOB_FORGET)->ref.job = 1;
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
	prune((struct store_prune_op){.max_rows = 100});
	ck_assert_int_eq(bodyread_open(o.bodies, row.id, row.size, row.sha256, &r), ERR_CORRUPT);
	store_close(store);
	store = durable;
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_parts");
	TCase *t = tcase_create("both");
	SRunner *sr = srunner_create(s);
	int failed;
	const TTest *const tests[] = {
		feed_chunks_go_below_the_watermark_and_the_end_stays,
		facts_replace_drop_and_page,
		a_tree_drop_spares_siblings_whose_name_begins_alike,
		keys_and_holds_put_replace_drop_and_page,
		the_same_op_id_gets_the_same_answer_and_no_second_effect,
		counters_only_grow_and_know_every_id_handed_out,
		a_body_is_found_by_its_result_and_goes_with_its_job,
	};

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_loop_test(t, tests[i], 0, 2);
	tcase_add_test(t, a_volatile_job_leaves_no_body_in_a_borrowed_place);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
