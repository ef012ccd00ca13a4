/*
 * store_fixture -- what the test programs of the store's contract share: a store of either kind in
 * a directory of its own, and one-line ways to use it.
 */
#pragma once

#include "tests/kit/store_kit.h"

#include <check.h>

static struct store *store;
static char *dir;

static inline struct store *open_kind(int kind, uint64_t max_bytes)
{
	const struct store_options o = {.kind = kind == 0 ? STORE_SQLITE : STORE_MEMORY,
					.dir = dir,
					.max_bytes = max_bytes};
	struct store *s = NULL;

	ck_assert_int_eq(store_open(&o, &s), ERR_OK);
	return s;
}

static inline void set_up(void)
{
	dir = store_kit_dir();
}

static inline void tear_down(void)
{
	store_close(store);
	store = NULL;
	store_kit_remove(dir);
}

static inline struct store_batch *batch(void)
{
	struct store_batch *b = store_batch_new();

	ck_assert_ptr_nonnull(b);
	return b;
}

static inline struct store_op *add(struct store_batch *b, enum store_op_kind kind)
{
	struct store_op *op = store_batch_add(b, kind);

	ck_assert_ptr_nonnull(op);
	return op;
}

static inline void put_job(uint64_t id)
{
	struct store_batch *b = batch();

	store_kit_job(b, id);
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
}

static inline void put_chunk(uint64_t job, uint64_t first, uint32_t n)
{
	struct store_batch *b = batch();

	store_kit_chunk(b, job, first, n);
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
}

static inline enum err set_state(uint64_t job, enum store_job_state state, int64_t at)
{
	struct store_batch *b = batch();

	add(b, STORE_JOB_STATE)->state =
		(struct store_state_op){.job = job, .state = state, .wall_at_ns = at};
	return store_kit_apply(store, b);
}

static inline enum err say(uint64_t job, enum store_command command)
{
	struct store_batch *b = batch();

	add(b, STORE_JOB_COMMAND)->command = (struct store_command_op){
		.job = job, .command = command, .uid = 7, .wall_at_ns = 99, .why = slice_of("{}")};
	return store_kit_apply(store, b);
}

static inline enum err ack(uint64_t job, uint64_t seq)
{
	struct store_batch *b = batch();

	add(b, STORE_ACK)->ack = (struct store_ack_op){job, seq};
	return store_kit_apply(store, b);
}

static inline uint64_t prune(struct store_prune_op op)
{
	struct store_batch *b = batch();
	uint64_t n;

	add(b, STORE_PRUNE)->prune = op;
	ck_assert_int_eq(store_apply(store, &b, 1), ERR_OK);
	ck_assert_int_eq(b->result, ERR_OK);
	n = b->op[0].prune.ret_rows;
	store_batch_free(b);
	return n;
}

static inline struct store_job job_of(uint64_t id, struct store_rows *rows)
{
	store_kit_read(store, (struct store_query){.kind = STORE_Q_JOB, .job = id}, rows);
	ck_assert_uint_eq(rows->n, 1);
	return rows->row[0].job;
}

static inline void assert_text(struct slice text, const char *expected)
{
	ck_assert_msg(slice_is(text, expected), "\"%.*s\", expected \"%s\"", (int)text.n, text.p,
		      expected);
}

static inline void cursor(const char *path, uint64_t watermark, uint64_t seq)
{
	struct store_batch *b = batch();

	add(b, STORE_CURSOR_PUT)->cursor = (struct store_cursor){.job = 1,
								 .path = slice_of(path),
								 .watermark = watermark,
								 .gaps = slice_of("3-4"),
								 .seq = seq};
	ck_assert_int_eq(store_kit_apply(store, b), ERR_OK);
}
