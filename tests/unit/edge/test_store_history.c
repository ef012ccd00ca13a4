/*
 * A random history runs on both keepers of the store; after every few steps all queries must say
 * the same of both.
 */
#include "base/rng.h"
#include "edge/store.h"
#include "tests/kit/store_kit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct store *open_kind(enum store_kind kind, const char *dir)
{
	const struct store_options o = {.kind = kind, .dir = dir};
	struct store *s = NULL;

	ck_assert_int_eq(store_open(&o, &s), ERR_OK);
	return s;
}

static struct store_batch *batch(void)
{
	struct store_batch *b = store_batch_new();

	ck_assert_ptr_nonnull(b);
	return b;
}

static struct store_op *add(struct store_batch *b, enum store_op_kind kind)
{
	struct store_op *op = store_batch_add(b, kind);

	ck_assert_ptr_nonnull(op);
	return op;
}

static const char *const some_paths[] = {"0", "0.1", "0.2", "0.1.7", "0.10"};

static struct slice some_path(struct rng *r)
{
	return slice_of(some_paths[rng_below(r, 5)]);
}

struct history {
	struct rng rng;
	uint64_t last_job, last_seq[12];
};

static void random_job_op(struct history *h, struct store_batch *b, uint64_t job)
{
	struct rng *r = &h->rng;
	struct store_op *op;

	switch (rng_below(r, 6)) {
	case 0:
		op = store_kit_job(b, h->last_job < 10 ? ++h->last_job : job);
		op->job.idem = slice_of(rng_below(r, 2) ? "k1" : "k2");
		op->job.priority = (uint8_t)(1 + rng_below(r, 9));
		op->job.keep_ns = (int64_t)rng_below(r, 2) * 50;
		op->job.is_attached = rng_below(r, 2) == 0;
		break;
	case 1:
		add(b, STORE_JOB_STATE)->state = (struct store_state_op){
			.job = job,
			.state = (enum store_job_state)rng_below(r, STORE_JOB_FORGOTTEN),
			.wall_at_ns = (int64_t)rng_below(r, 100),
			.error = slice_of(rng_below(r, 2) ? "{}" : "")};
		break;
	case 2:
		add(b, STORE_JOB_COMMAND)->command = (struct store_command_op){
			.job = job, .command = (enum store_command)rng_below(r, STORE_COMMANDS)};
		break;
	case 3:
		if (rng_below(r, 4) == 0)
			add(b, STORE_JOB_FORGET)->ref.job = job;
		break;
	case 4: {
		uint32_t n = (uint32_t)(1 + rng_below(r, 9));
		store_kit_chunk(b, job, h->last_seq[job] + 1, n);
		break;
	}
	default:
		add(b, STORE_ACK)->ack = (struct store_ack_op){job, rng_below(r, 40)};
	}
}

static void random_part_op(struct history *h, struct store_batch *b, uint64_t job)
{
	static const enum store_op_kind drops[] = {STORE_FEED_DROP, STORE_FACT_DROP,
						   STORE_TREE_DROP};
	struct rng *r = &h->rng;

	switch (rng_below(r, 5)) {
	case 0:
		add(b, STORE_FEED_ADD)->feed = (struct store_feed){.job = job,
								   .path = some_path(r),
								   .first = rng_below(r, 10) * 3,
								   .n = 3,
								   .is_eof = rng_below(r, 9) == 0,
								   .lines = slice_of("a\nb\nc\n")};
		break;
	case 1:
		add(b, STORE_FACT_PUT)->fact = (struct store_fact){.job = job,
								   .path = some_path(r),
								   .n = rng_below(r, 5),
								   .kind = slice_of("outcome"),
								   .data = slice_of("x")};
		break;
	case 2:
		add(b, STORE_CURSOR_PUT)->cursor =
			(struct store_cursor){.job = job,
					      .path = some_path(r),
					      .watermark = rng_below(r, 50),
					      .seq = rng_below(r, 40)};
		break;
	case 3:
		add(b, drops[rng_below(r, 3)])->range =
			(struct store_range_op){job, some_path(r), rng_below(r, 20)};
		break;
	default:
		add(b, STORE_PRUNE)->prune =
			(struct store_prune_op){.wall_now_ns = (int64_t)rng_below(r, 200),
						.wall_opid_before_ns = 10,
						.default_keep_ns = 90,
						.max_bytes = 200 + rng_below(r, 2000),
						.max_rows = 1000};
	}
}

static void random_named_op(struct rng *r, struct store_batch *b)
{
	static const enum store_op_kind kinds[] = {STORE_NAMED_PUT, STORE_NAMED_HOLD,
						   STORE_NAMED_HOLD, STORE_NAMED_DROP};
	static const char *const holders[] = {"", "", "h", "i"};
	enum store_op_kind kind = kinds[rng_below(r, 4)];

	add(b, kind)->named =
		(struct store_named){.name = slice_of(rng_below(r, 2) == 0 ? "q" : "e"),
				     .n = rng_below(r, 3),
				     .holder = slice_of(holders[rng_below(r, 4)]),
				     .was = slice_of(holders[rng_below(r, 4)]),
				     .tries = (uint32_t)rng_below(r, 9),
				     .data = slice_of(rng_below(r, 2) == 0 ? "" : "data")};
}

static void random_global_op(struct history *h, struct store_batch *b)
{
	static const char *const names[] = {"a", "b", "c"};
	struct rng *r = &h->rng;
	struct slice name = slice_of(names[rng_below(r, 3)]);

	switch (rng_below(r, 8)) {
	case 0:
		add(b, STORE_KEY_PUT)->key =
			(struct store_key){.name = name, .tat_ns = (int64_t)rng_below(r, 9)};
		break;
	case 1:
		add(b, STORE_KEY_DROP)->counter.name = name;
		break;
	case 2:
		add(b, STORE_HOLD_PUT)->hold = (struct store_hold){
			.name = name, .session = slice_of("s"), .fence = rng_below(r, 100)};
		break;
	case 3:
		add(b, STORE_OPID_PUT)->opid = (struct store_opid){
			.uid = 1, .op_id = name, .wall_at_ns = (int64_t)rng_below(r, 20)};
		break;
	case 4:
	case 5:
	case 6:
		random_named_op(r, b);
		break;
	default:
		add(b, STORE_COUNTER_PUT)->counter =
			(struct store_counter){.name = name, .value = rng_below(r, 100)};
	}
}

static bool is_once(enum store_op_kind kind)
{
	return kind == STORE_CHUNK_ADD || kind == STORE_OPID_PUT || kind == STORE_JOB_PUT ||
	       kind == STORE_JOB_FORGET || kind == STORE_PRUNE;
}

static struct store_batch *random_batch(struct history *h)
{
	struct store_batch *b = batch();
	uint64_t job = 1 + rng_below(&h->rng, 10), n = 1 + rng_below(&h->rng, 3);

	for (uint64_t i = 0; i < n; i++) {
		switch (rng_below(&h->rng, 3)) {
		case 0:
			random_job_op(h, b, job);
			break;
		case 1:
			random_part_op(h, b, job);
			break;
		default:
			random_global_op(h, b);
		}
		/* Twice the same in one batch is what only a mistake of ours can do. */
		if (b->n > 0 && is_once(b->op[b->n - 1].kind))
			break;
	}
	return b;
}

static void dump_job(struct bytes *out, const struct store_job *j)
{
	bytes_printf(out, "j%d u%d p%d a%d s%d %.*s|%.*s|%.*s|%.*s ", (int)j->id, (int)j->uid,
		     j->priority, j->is_attached, (int)j->state, (int)j->idem.n, j->idem.p,
		     (int)j->spec.n, j->spec.p, (int)j->error.n, j->error.p, (int)j->scopes.n,
		     j->scopes.p);
	bytes_printf(out, "%d %d ok%d last%d ack%d b%d\n", (int)j->wall_started_ns,
		     (int)j->wall_ended_ns, (int)j->totals.ok, (int)j->last_seq, (int)j->acked_seq,
		     (int)j->n_bytes);
}

static void dump_row(struct bytes *out, enum store_query_kind kind, const struct store_row *row)
{
	switch (kind) {
	case STORE_Q_FACTS:
		bytes_printf(out, "fact %.*s %d %.*s\n", (int)row->fact.path.n, row->fact.path.p,
			     (int)row->fact.n, (int)row->fact.kind.n, row->fact.kind.p);
		break;
	case STORE_Q_FEED:
		bytes_printf(out, "feed %d %d %d\n", (int)row->feed.first, (int)row->feed.n,
			     row->feed.is_eof);
		break;
	case STORE_Q_CHUNKS:
		bytes_printf(out, "chunk %d %d %.*s\n", (int)row->chunk.first_seq,
			     (int)row->chunk.n, (int)row->chunk.lines.n, row->chunk.lines.p);
		break;
	case STORE_Q_CURSORS:
		bytes_printf(out, "cursor %.*s %d %d\n", (int)row->cursor.path.n,
			     row->cursor.path.p, (int)row->cursor.watermark, (int)row->cursor.seq);
		break;
	case STORE_Q_KEYS:
		bytes_printf(out, "key %.*s %d\n", (int)row->key.name.n, row->key.name.p,
			     (int)row->key.tat_ns);
		break;
	case STORE_Q_HOLDS:
		bytes_printf(out, "hold %.*s %d\n", (int)row->hold.name.n, row->hold.name.p,
			     (int)row->hold.fence);
		break;
	case STORE_Q_NAMED:
		bytes_printf(out, "named %.*s %d %.*s %d %.*s\n", (int)row->named.name.n,
			     row->named.name.p, (int)row->named.n, (int)row->named.holder.n,
			     row->named.holder.p, (int)row->named.tries, (int)row->named.data.n,
			     row->named.data.p);
		break;
	case STORE_Q_COUNTER:
		bytes_printf(out, "counter %d\n", (int)row->counter.value);
		break;
	case STORE_Q_USAGE:
		bytes_printf(out, "usage %d %d %d %d\n", (int)row->usage.n_jobs,
			     (int)row->usage.n_queued, (int)row->usage.n_open,
			     (int)row->usage.n_bytes);
		break;
	default:
		dump_job(out, &row->job);
	}
}

static void dump_query(struct store *s, struct bytes *out, struct store_query q)
{
	struct store_rows rows;

	store_kit_read(s, q, &rows);
	bytes_printf(out, "query %d job %d:\n", (int)q.kind, (int)q.job);
	for (uint32_t i = 0; i < rows.n; i++)
		dump_row(out, q.kind, &rows.row[i]);
	store_rows_fini(&rows);
}

static void dump_store(struct store *s, struct bytes *out)
{
	static const enum store_query_kind all[] = {STORE_Q_JOBS,  STORE_Q_OPEN,  STORE_Q_KEYS,
						    STORE_Q_HOLDS, STORE_Q_NAMED, STORE_Q_USAGE};
	static const enum store_query_kind each[] = {STORE_Q_JOB, STORE_Q_FACTS, STORE_Q_CHUNKS,
						     STORE_Q_CURSORS};

	for (size_t i = 0; i < 6; i++)
		dump_query(s, out, (struct store_query){.kind = all[i]});
	dump_query(s, out, (struct store_query){.kind = STORE_Q_QUEUED, .priority = 9});
	dump_query(s, out, (struct store_query){.kind = STORE_Q_COUNTER, .text = slice_of("a")});
	dump_query(s, out, (struct store_query){.kind = STORE_Q_COUNTER, .text = slice_of("job")});
	for (uint64_t job = 1; job <= 10; job++) {
		struct store_query feed_q = {.kind = STORE_Q_FEED, .job = job, .after = job};
		struct store_rows rows;
		/* What belongs to a job counts while the job is there. */
		store_kit_read(s, (struct store_query){.kind = STORE_Q_JOB, .job = job}, &rows);
		bool there = rows.n == 1;
		store_rows_fini(&rows);
		if (!there)
			continue;
		for (size_t i = 0; i < 4; i++)
			dump_query(s, out, (struct store_query){.kind = each[i], .job = job});
		for (size_t i = 0; i < 5; i++) {
			feed_q.path = slice_of(some_paths[i]);
			dump_query(s, out, feed_q);
		}
	}
}

static void note_seqs(struct store *s, struct history *h)
{
	struct store_rows rows;

	store_kit_read(s, (struct store_query){.kind = STORE_Q_JOBS}, &rows);
	for (uint32_t i = 0; i < rows.n; i++)
		h->last_seq[rows.row[i].job.id] = rows.row[i].job.last_seq;
	store_rows_fini(&rows);
}

START_TEST(both_keepers_say_the_same_after_any_history)
{
	struct history h = {0};
	char *dir = store_kit_dir();
	struct store *store = open_kind(STORE_SQLITE, dir), *memory = open_kind(STORE_MEMORY, dir);
	struct bytes a = {0}, b = {0};
	size_t total = 0;

	rng_seed(&h.rng, (uint64_t)_i + 1);
	for (int step = 0; step < 300; step++) {
		struct rng before = h.rng;
		uint64_t last_job = h.last_job;
		struct store_batch *x = random_batch(&h), *y;
		h.rng = before;
		h.last_job = last_job;
		y = random_batch(&h);
		ck_assert_int_eq(store_apply(store, &x, 1), ERR_OK);
		ck_assert_int_eq(store_apply(memory, &y, 1), ERR_OK);
		ck_assert_msg(x->result == y->result, "step %d: %s and %s", step,
			      err_text(x->result), err_text(y->result));
		ck_assert_uint_eq(x->ret_job, y->ret_job);
		store_batch_free(x);
		store_batch_free(y);
		note_seqs(store, &h);
		if (step % 10 != 9)
			continue;
		bytes_clear(&a);
		bytes_clear(&b);
		dump_store(store, &a);
		dump_store(memory, &b);
		total += a.n;
		ck_assert_msg(slice_eq(bytes_slice(&a), bytes_slice(&b)), "step %d:\n%s\n---\n%s",
			      step, bytes_cstr(&a), bytes_cstr(&b));
	}
	ck_assert_uint_gt(total, 5000);
	bytes_fini(&a);
	bytes_fini(&b);
	store_close(memory);
	store_close(store);
	store_kit_remove(dir);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_history");
	TCase *t = tcase_create("random");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, both_keepers_say_the_same_after_any_history, 0, 12);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
