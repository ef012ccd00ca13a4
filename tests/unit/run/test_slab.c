/* Cells: the stack of free ones, the limit, chunks that go back. */
#include "run/slab.h"
#include "tests/unit/run/world.h"

#include <stdlib.h>
#include <string.h>

enum { N = 400000, CELL = 64 };

struct many {
	struct slab s;
	void **cell;
};

static void take_many(struct many *m)
{
	rt_slab_init(&m->s, CELL, 0);
	m->cell = calloc(N, sizeof(void *));
	for (size_t i = 0; i < N; i++) {
		m->cell[i] = rt_slab_take(&m->s);
		ck_assert_ptr_nonnull(m->cell[i]);
		memcpy(m->cell[i], &i, sizeof(i));
	}
}

static void give(struct many *m, size_t i)
{
	rt_slab_give(&m->s, m->cell[i]);
	m->cell[i] = NULL;
}

static void close_many(struct many *m)
{
	free(m->cell);
	rt_slab_fini(&m->s);
}

START_TEST(empty_chunks_go_back_and_cells_in_use_stay_as_they_are)
{
	struct many m;
	take_many(&m);
	for (size_t i = 0; i < N; i++) /* one cell in 100000 stays: it keeps its chunk */
		if (i % 100000 != 7)
			give(&m, i);
	ck_assert_uint_eq(rt_slab_trim(&m.s), 0); /* all of it was just in use */
	size_t cells = m.s.n_cells, back = rt_slab_trim(&m.s);
	ck_assert_uint_gt(back, 8U << 20);
	ck_assert_uint_eq(m.s.n_cells, cells - back / CELL);
	ck_assert_uint_eq(rt_slab_in_use(&m.s), 4);
	for (size_t i = 7; i < N; i += 100000)
		ck_assert_mem_eq(m.cell[i], &i, sizeof(i));
	close_many(&m);
}
END_TEST

START_TEST(after_a_trim_every_free_cell_can_be_written)
{
	struct many m;
	take_many(&m);
	for (size_t i = 0; i < N; i++)
		give(&m, i);
	rt_slab_trim(&m.s);
	ck_assert_uint_gt(rt_slab_trim(&m.s), 0);
	size_t n = m.s.n_free;
	for (size_t i = 0; i < n; i++)
		memset(m.cell[i] = rt_slab_take(&m.s), 1, CELL);
	ck_assert_uint_eq(m.s.n_free, 0);
	for (size_t i = 0; i < n; i++)
		give(&m, i);
	close_many(&m);
}
END_TEST

START_TEST(a_slab_in_use_or_small_is_left_alone)
{
	struct many m;
	take_many(&m);
	for (size_t i = 0; i < N / 2; i++)
		give(&m, i);
	rt_slab_trim(&m.s);
	ck_assert_uint_eq(rt_slab_trim(&m.s), 0); /* half of it is in use */
	close_many(&m);
	rt_slab_init(&m.s, CELL, 0);
	rt_slab_give(&m.s, rt_slab_take(&m.s));
	rt_slab_trim(&m.s);
	ck_assert_uint_eq(rt_slab_trim(&m.s), 0);
	rt_slab_fini(&m.s);
}
END_TEST

START_TEST(what_comes_and_goes_in_waves_is_kept)
{
	struct many m;
	take_many(&m);
	for (size_t i = 0; i < N; i++)
		give(&m, i);
	rt_slab_trim(&m.s);
	for (int wave = 0; wave < 3; wave++) {
		for (size_t i = 0; i < N; i++)
			m.cell[i] = rt_slab_take(&m.s);
		for (size_t i = 0; i < N; i++)
			give(&m, i);
		ck_assert_uint_eq(rt_slab_trim(&m.s), 0);
	}
	ck_assert_uint_gt(rt_slab_trim(&m.s), 8U << 20); /* no wave since */
	close_many(&m);
}
END_TEST

START_TEST(kept_addresses_read_as_zeros_and_come_again)
{
	struct many m;
	take_many(&m);
	rt_slab_keep_addresses(&m.s);
	for (size_t i = 0; i < N; i++)
		rt_slab_give(&m.s, m.cell[i]);
	rt_slab_trim(&m.s);
	size_t cells = m.s.n_cells, chunk = (2U << 20) / CELL;
	ck_assert_uint_gt(rt_slab_trim(&m.s), 8U << 20);
	size_t zeros = 0;
#ifndef SLAB_ASAN
	for (size_t i = 1; i < N; i++)
		zeros += *(size_t *)m.cell[i] == 0;
	ck_assert_uint_gt(zeros, N / 10 * 9);
#endif
	(void)zeros;
	size_t gone = cells - m.s.n_cells, seen = 0;
	while (m.s.n_free > 0)
		(void)!rt_slab_take(&m.s);
	for (size_t i = 0; i < gone; i++) {
		const char *p = rt_slab_take(&m.s);
		for (size_t c = 0; c < N && p != NULL; c += chunk / 2)
			seen += p == m.cell[c];
	}
	ck_assert_uint_gt(seen, gone / chunk);
	close_many(&m);
}
END_TEST

START_TEST(the_limit_holds_but_for_what_must_go_on)
{
	struct slab s;
	rt_slab_init(&s, CELL, 128);
	for (int i = 0; i < 128; i++)
		ck_assert_ptr_nonnull(rt_slab_take(&s));
	ck_assert_ptr_null(rt_slab_take(&s));
	ck_assert_ptr_nonnull(rt_slab_take_past_limit(&s));
	rt_slab_fini(&s);
}
END_TEST

RUN_TESTS("slab", empty_chunks_go_back_and_cells_in_use_stay_as_they_are,
	  after_a_trim_every_free_cell_can_be_written, a_slab_in_use_or_small_is_left_alone,
	  what_comes_and_goes_in_waves_is_kept, kept_addresses_read_as_zeros_and_come_again,
	  the_limit_holds_but_for_what_must_go_on)
