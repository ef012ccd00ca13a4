/*
 * A writer and a reader on threads of their own: what the writer was told to be committed, the
 * reader sees, whole, while commits and tidying go on. To be run under V=tsan as well.
 */
#include "edge/store.h"
#include "tests/kit/store_kit.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define JOBS  400
#define LINES 50

struct shared {
	struct store *store;
	atomic_uint_fast64_t committed;
	atomic_int err;
};

static void *write_all(void *arg)
{
	struct shared *sh = arg;

	for (uint64_t id = 1; id <= JOBS; id++) {
		struct store_batch *b = store_batch_new();
		enum err e;
		store_kit_job(b, id);
		store_kit_chunk(b, id, 1, LINES);
		e = store_kit_apply(sh->store, b);
		if (e == ERR_OK && (id % 50 == 0 || store_is_untidy(sh->store)))
			e = store_tidy(sh->store);
		if (e != ERR_OK) {
			atomic_store(&sh->err, (int)e);
			break;
		}
		atomic_store(&sh->committed, id);
	}
	return NULL;
}

START_TEST(the_reader_sees_every_commit_while_the_writer_goes_on)
{
	char *dir = store_kit_dir();
	const struct store_options o = {.kind = STORE_SQLITE, .dir = dir};
	struct shared sh = {0};
	pthread_t writer;
	uint64_t seen = 0, n_reads = 0;

	ck_assert_int_eq(store_open(&o, &sh.store), ERR_OK);
	ck_assert_int_eq(pthread_create(&writer, NULL, write_all, &sh), 0);
	while (seen < JOBS && atomic_load(&sh.err) == ERR_OK) {
		struct store_rows rows;
		seen = atomic_load(&sh.committed);
		if (seen == 0)
			continue;
		store_kit_read(sh.store, (struct store_query){.kind = STORE_Q_CHUNKS, .job = seen},
			       &rows);
		ck_assert_uint_eq(rows.n, 1);
		ck_assert_uint_eq(rows.row[0].chunk.n, LINES);
		store_rows_fini(&rows);
		store_kit_read(sh.store, (struct store_query){.kind = STORE_Q_USAGE}, &rows);
		ck_assert_uint_ge(rows.row[0].usage.n_jobs, seen);
		store_rows_fini(&rows);
		n_reads++;
	}
	ck_assert_int_eq(pthread_join(writer, NULL), 0);
	ck_assert_int_eq(atomic_load(&sh.err), ERR_OK);
	ck_assert_uint_gt(n_reads, 1);
	store_close(sh.store);
	store_kit_remove(dir);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_threads");
	TCase *t = tcase_create("two");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, the_reader_sees_every_commit_while_the_writer_goes_on);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
