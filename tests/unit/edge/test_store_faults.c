/*
 * A disk that fails: after a failed sync nothing is acknowledged, a full disk is told and survived,
 * damage is found before it is delivered. The failing disk is an SQLite VFS (tests/kit/store_kit).
 */
#include "edge/bodyfile.h"
#include "edge/lockfile.h"
#include "edge/store.h"
#include "tests/kit/store_kit.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *dir;
static struct store_kit_disk *disk;

static void set_up(void)
{
	dir = store_kit_dir();
	disk = store_kit_disk();
}

static void tear_down(void)
{
	store_kit_remove(dir);
}

static struct store *open_on(const char *vfs)
{
	const struct store_options o = {.kind = STORE_SQLITE, .dir = dir, .vfs = vfs};
	struct store *s = NULL;

	ck_assert_int_eq(store_open(&o, &s), ERR_OK);
	return s;
}

static void disk_reset(void)
{
	*disk = (struct store_kit_disk){0};
}

static enum err put_job(struct store *s, uint64_t id)
{
	struct store_batch *b = store_batch_new();

	store_kit_job(b, id);
	store_kit_chunk(b, id, 1, 20);
	return store_kit_apply(s, b);
}

static bool has_job(struct store *s, uint64_t id)
{
	struct store_rows rows;
	bool has;

	store_kit_read(s, (struct store_query){.kind = STORE_Q_JOB, .job = id}, &rows);
	has = rows.n == 1;
	store_rows_fini(&rows);
	return has;
}

/* ---- failed syncs and writes ---- */

/* Applies until it fails; returns the last acknowledged job. Nothing may be acknowledged after. */
static uint64_t write_until_failure(struct store *s, uint64_t first)
{
	uint64_t acked = first - 1, id = first;

	for (; id < first + 60; id++) {
		if (put_job(s, id) != ERR_OK)
			break;
		acked = id;
		if (id % 5 == 0 && store_tidy(s) != ERR_OK)
			break;
	}
	if (store_failed(s) == ERR_OK)
		return acked;
	ck_assert_str_ne(store_failure_text(s), "");
	for (int i = 0; i < 5; i++)
		ck_assert_int_ne(put_job(s, id + 1 + (uint64_t)i), ERR_OK);
	return acked;
}

static void fail_and_look(int fail_sync_at, int fail_write_at, bool for_ever)
{
	struct store *s;
	uint64_t acked;

	disk_reset();
	s = open_on("store_kit");
	disk_reset();
	disk->fail_sync_at = fail_sync_at;
	disk->fail_write_at = fail_write_at;
	disk->for_ever = for_ever;
	acked = write_until_failure(s, 1);
	ck_assert_int_eq(store_failed(s), ERR_IO);
	store_close(s);
	disk_reset();
	s = open_on("store_kit");
	for (uint64_t id = 1; id <= acked; id++)
		ck_assert_msg(has_job(s, id), "acknowledged job %d is lost", (int)id);
	ck_assert_int_eq(put_job(s, 1000), ERR_OK);
	store_close(s);
	store_kit_sql(dir,
		      "DELETE FROM job; DELETE FROM chunk; DELETE FROM spec; DELETE FROM counter;");
}

START_TEST(after_a_failed_sync_nothing_is_acknowledged)
{
	for (int n = 1; n <= 20; n++)
		fail_and_look(n, 0, _i == 1);
}
END_TEST

START_TEST(after_a_failed_or_short_write_nothing_is_acknowledged)
{
	for (int n = 1; n <= 40; n++)
		fail_and_look(0, n, _i == 1);
}
END_TEST

/* ---- full disk ---- */

START_TEST(a_full_disk_is_told_and_work_goes_on_when_there_is_room)
{
	struct store *s = open_on("store_kit");
	uint64_t acked = 0;

	for (int at = 1; at < 30; at++) {
		disk_reset();
		disk->full_at = at;
		disk->is_full = true;
		for (uint64_t id = acked + 1;; id++) {
			enum err e = put_job(s, id);
			if (e == ERR_OK) {
				acked = id;
				continue;
			}
			ck_assert_int_eq(e, ERR_FULL);
			break;
		}
		ck_assert_int_eq(store_failed(s), ERR_OK);
		ck_assert(!has_job(s, acked + 1));
		disk->is_full = false;
		ck_assert_int_eq(put_job(s, ++acked), ERR_OK);
	}
	for (uint64_t id = 1; id <= acked; id++)
		ck_assert(has_job(s, id));
	store_close(s);
}
END_TEST

static uint64_t free_bytes(void *ctx)
{
	return *(uint64_t *)ctx;
}

START_TEST(below_the_low_water_mark_new_work_is_refused_and_the_old_finishes)
{
	uint64_t n_free = 100 << 20;
	const struct store_options o = {.kind = STORE_SQLITE,
					.dir = dir,
					.low_water_bytes = 8 << 20,
					.ballast_bytes = 1 << 20,
					.free_ctx = &n_free,
					.free_bytes = free_bytes};
	struct store *s = NULL;
	struct store_rows rows;
	struct store_batch *b = store_batch_new();
	char path[256];
	struct stat st;

	ck_assert_int_eq(store_open(&o, &s), ERR_OK);
	snprintf(path, sizeof(path), "%s/ballast", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_blocks * 512, 1 << 20);
	ck_assert_int_eq(put_job(s, 1), ERR_OK);
	n_free = 7 << 20;
	ck_assert_int_eq(put_job(s, 2), ERR_FULL);
	store_kit_chunk(b, 1, 21, 20);
	ck_assert_int_eq(store_kit_apply(s, b), ERR_OK);
	b = store_batch_new();
	store_batch_add(b, STORE_FEED_ADD)->feed = (struct store_feed){
		.job = 1, .path = slice_of("0"), .n = 1, .lines = slice_of("a\n")};
	ck_assert_int_eq(store_kit_apply(s, b), ERR_FULL);
	store_kit_read(s, (struct store_query){.kind = STORE_Q_USAGE}, &rows);
	ck_assert(rows.row[0].usage.is_low);
	ck_assert_uint_gt(rows.row[0].usage.disk_bytes, 0);
	store_rows_fini(&rows);
	n_free = 9 << 20; /* not yet: a quarter above the mark */
	ck_assert_int_eq(put_job(s, 2), ERR_FULL);
	n_free = 11 << 20;
	ck_assert_int_eq(put_job(s, 2), ERR_OK);
	store_close(s);
}
END_TEST

START_TEST(the_ballast_is_given_up_for_a_full_disk_and_taken_again)
{
	uint64_t n_free = 100 << 20;
	const struct store_options o = {.kind = STORE_SQLITE,
					.dir = dir,
					.vfs = "store_kit",
					.low_water_bytes = 1 << 20,
					.ballast_bytes = 1 << 20,
					.free_ctx = &n_free,
					.free_bytes = free_bytes};
	struct store *s = NULL;
	char path[256];

	ck_assert_int_eq(store_open(&o, &s), ERR_OK);
	snprintf(path, sizeof(path), "%s/ballast", dir);
	ck_assert_int_eq(access(path, F_OK), 0);
	disk_reset();
	disk->is_full = true;
	disk->full_at = 1;
	ck_assert_int_eq(put_job(s, 1), ERR_FULL);
	ck_assert_int_ne(access(path, F_OK), 0);
	disk_reset();
	for (uint64_t id = 1; id <= 64; id++)
		ck_assert_int_eq(put_job(s, id), ERR_OK);
	ck_assert(store_is_untidy(s));
	ck_assert_int_eq(store_tidy(s), ERR_OK);
	ck_assert_int_eq(access(path, F_OK), 0);
	store_close(s);
}
END_TEST

START_TEST(the_log_is_moved_when_it_has_grown_and_shrinks_with_the_results)
{
	struct store *s = open_on(NULL);
	struct store_batch *b;
	uint64_t n_rows = 1;
	char path[256], row[64];
	struct stat st;
	bool was_untidy = false;

	snprintf(path, sizeof(path), "%s/store.db-wal", dir);
	for (uint64_t id = 1; id <= 300; id++) {
		b = store_batch_new();
		store_kit_job(b, id);
		store_kit_chunk(b, id, 1, 5000);
		ck_assert_int_eq(store_kit_apply(s, b), ERR_OK);
		if (store_is_untidy(s)) {
			was_untidy = true;
			ck_assert_int_eq(store_tidy(s), ERR_OK);
		}
		ck_assert_int_eq(stat(path, &st), 0);
		ck_assert_int_lt(st.st_size, 20 << 20);
	}
	ck_assert(was_untidy);
	for (uint64_t id = 1; id <= 300; id++) {
		b = store_batch_new();
		store_batch_add(b, STORE_JOB_FORGET)->ref.job = id;
		ck_assert_int_eq(store_kit_apply(s, b), ERR_OK);
	}
	while (n_rows > 0) {
		b = store_batch_new();
		store_batch_add(b, STORE_PRUNE)->prune = (struct store_prune_op){.max_rows = 64};
		ck_assert_int_eq(store_apply(s, &b, 1), ERR_OK);
		n_rows = b->op[0].prune.ret_rows;
		store_batch_free(b);
		while (store_is_untidy(s))
			ck_assert_int_eq(store_tidy(s), ERR_OK);
	}
	store_close(s);
	snprintf(path, sizeof(path), "%s/store.db", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_lt(st.st_size, 20 << 20);
	store_kit_sql_row(dir, "SELECT count(*) FROM chunk", row, sizeof(row));
	ck_assert_str_eq(row, "0");
}
END_TEST

/* ---- damage ---- */

START_TEST(a_changed_text_is_found_by_its_checksum)
{
	struct store *s = open_on(NULL);
	struct store_rows rows = {0};
	struct store_query chunks = {.kind = STORE_Q_CHUNKS, .job = 1};
	struct store_query job = {.kind = STORE_Q_JOB, .job = 2};

	ck_assert_int_eq(put_job(s, 1), ERR_OK);
	ck_assert_int_eq(put_job(s, 2), ERR_OK);
	store_close(s);
	store_kit_sql(dir, "UPDATE chunk SET lines = replace(lines, 'true', 'TRUE') WHERE job = 1;"
			   "UPDATE spec SET spec = spec || ' ' WHERE job = 2;");
	s = open_on(NULL);
	ck_assert_int_eq(store_read(s, &chunks, &rows), ERR_CORRUPT);
	ck_assert_uint_eq(rows.n, 0);
	ck_assert_int_eq(store_read(s, &job, &rows), ERR_CORRUPT);
	chunks.job = 2;
	ck_assert_int_eq(store_read(s, &chunks, &rows), ERR_OK);
	store_rows_fini(&rows);
	ck_assert_int_eq(store_failed(s), ERR_OK);
	store_close(s);
}
END_TEST

START_TEST(a_broken_database_ends_the_store)
{
	struct store *s = open_on(NULL);
	const struct store_options o = {.kind = STORE_SQLITE, .dir = dir};
	char path[256];
	int fd;

	for (uint64_t id = 1; id <= 50; id++)
		ck_assert_int_eq(put_job(s, id), ERR_OK);
	store_close(s);
	snprintf(path, sizeof(path), "%s/store.db", dir);
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	for (int page = 1; page < 12; page++)
		ck_assert_int_eq(pwrite(fd, "\377\377\377\377garbage garbage", 19, page * 4096),
				 19);
	close(fd);
	s = NULL;
	if (store_open(&o, &s) == ERR_OK) {
		ck_assert_int_eq(put_job(s, 51), ERR_CORRUPT);
		ck_assert_int_eq(store_failed(s), ERR_CORRUPT);
		store_close(s);
	} else {
		ck_assert_ptr_null(s);
	}
}
END_TEST

/* ---- versions, views, lock ---- */

START_TEST(an_older_version_is_migrated_and_a_newer_one_refused)
{
	const struct store_options o = {.kind = STORE_SQLITE, .dir = dir};
	struct store *s = open_on(NULL);
	char row[64], version[64];

	ck_assert_int_eq(put_job(s, 1), ERR_OK);
	store_close(s);
	store_kit_sql_row(dir, "PRAGMA user_version", version, sizeof(version));
	store_kit_sql(dir,
		      "DROP VIEW jobs; DROP VIEW results; DROP TABLE named; DROP TABLE validator;"
		      " PRAGMA user_version = 1;");
	s = open_on(NULL);
	ck_assert(has_job(s, 1));
	store_close(s);
	store_kit_sql_row(dir, "PRAGMA user_version", row, sizeof(row));
	ck_assert_str_eq(row, version);
	store_kit_sql_row(dir, "SELECT count(*) FROM results", row, sizeof(row));
	ck_assert_str_eq(row, "20");
	store_kit_sql(dir, "PRAGMA user_version = 99;");
	ck_assert_int_eq(store_open(&o, &s), ERR_UNSUPPORTED);
}
END_TEST

START_TEST(the_views_show_jobs_and_single_results)
{
	struct store *s = open_on(NULL);
	struct store_batch *b = store_batch_new();
	char row[256];

	store_kit_job(b, 7);
	store_batch_add(b, STORE_CHUNK_ADD)->chunk = (struct store_chunk){
		.job = 7,
		.first_seq = 1,
		.n = 2,
		.n_ok = 1,
		.n_failed = 1,
		.lines = slice_of("{\"seq\":1,\"url\":\"http://a/,\",\"ok\":true,\"status\":200}\n"
				  "{\"seq\":2,\"url\":\"http://b/\",\"ok\":false,"
				  "\"error\":{\"kind\":\"dns.failed\"}}\n")};
	ck_assert_int_eq(store_kit_apply(s, b), ERR_OK);
	store_kit_sql_row(dir, "SELECT job, state, ok, failed, spec FROM jobs", row, sizeof(row));
	ck_assert_str_eq(row, "j7|queued|1|1|{\"run\":\"http://a/\"}");
	store_kit_sql_row(dir, "SELECT job, seq, url, status FROM results WHERE seq = 1", row,
			  sizeof(row));
	ck_assert_str_eq(row, "j7|1|http://a/,|200");
	store_kit_sql_row(dir, "SELECT seq, ok, error FROM results WHERE seq = 2", row,
			  sizeof(row));
	ck_assert_str_eq(row, "2|0|dns.failed");
	store_close(s);
}
END_TEST

START_TEST(a_second_daemon_is_told_who_has_the_directory)
{
	int fd = -1, other = -1, status = 0;
	pid_t holder = 0, pid;

	ck_assert_int_eq(lockfile_take(dir, &fd, &holder), ERR_OK);
	pid = fork();
	if (pid == 0) {
		enum err e = lockfile_take(dir, &other, &holder);
		_exit(e == ERR_BUSY && holder == getppid() ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(fd);
	ck_assert_int_eq(lockfile_take(dir, &fd, &holder), ERR_OK);
	close(fd);
	ck_assert_int_eq(lockfile_take("/dev/null/none", &fd, &holder), ERR_IO);
}
END_TEST

/* ---- bodies ---- */

static struct store_body body_of(struct store *s, const char *text, bool with_row)
{
	struct store_body row = {.job = 1, .seq = 1};
	struct bodyfile *f = NULL;
	struct store_batch *b;

	ck_assert_int_eq(bodyfile_new(store_bodies(s), &f), ERR_OK);
	ck_assert_int_eq(bodyfile_append(f, text, strlen(text)), ERR_OK);
	ck_assert_int_eq(bodyfile_finish(f, &row.size, row.sha256), ERR_OK);
	row.id = bodyfile_id(f);
	bodyfile_free(f);
	if (with_row) {
		b = store_batch_new();
		store_batch_add(b, STORE_BODY_PUT)->body = row;
		ck_assert_int_eq(store_kit_apply(s, b), ERR_OK);
	}
	return row;
}

static enum err body_opens(struct store *s, const struct store_body *b)
{
	struct bodyread *r = NULL;
	enum err e = bodyread_open(store_bodies(s), b->id, b->size, b->sha256, &r);

	bodyread_close(r);
	return e;
}

/* A process that dies in the middle of a body. */
static void leave_unfinished(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct store *s = open_on(NULL);
		struct bodyfile *f = NULL;
		ck_assert_int_eq(bodyfile_new(store_bodies(s), &f), ERR_OK);
		ck_assert_int_eq(bodyfile_append(f, "x", 1), ERR_OK);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

START_TEST(bodies_without_a_row_are_swept_and_the_others_stay)
{
	struct store *s = open_on(NULL);
	struct store_body kept, orphan, later;
	char path[300];
	struct stat st;

	ck_assert_int_eq(put_job(s, 1), ERR_OK);
	kept = body_of(s, "kept", true);
	orphan = body_of(s, "orphan", false);
	ck_assert_int_eq(body_opens(s, &orphan), ERR_OK);
	store_close(s);
	leave_unfinished();
	snprintf(path, sizeof(path), "%s/bodies/tmp/%llu", dir, (unsigned long long)orphan.id + 1);
	ck_assert_int_eq(stat(path, &st), 0);
	s = open_on(NULL);
	ck_assert_int_ne(stat(path, &st), 0);
	ck_assert_int_eq(body_opens(s, &kept), ERR_OK);
	ck_assert_int_eq(body_opens(s, &orphan), ERR_CORRUPT);
	later = body_of(s, "later", true);
	ck_assert_int_eq(body_opens(s, &later), ERR_OK);
	ck_assert_int_eq(body_opens(s, &kept), ERR_OK);
	store_close(s);
}
END_TEST

START_TEST(a_damaged_body_is_never_delivered)
{
	struct store *s = open_on(NULL);
	struct store_body b;
	char path[300];
	int fd;

	ck_assert_int_eq(put_job(s, 1), ERR_OK);
	b = body_of(s, "a body of some length", true);
	ck_assert_int_eq(body_opens(s, &b), ERR_OK);
	snprintf(path, sizeof(path), "%s/bodies/%02x/%llu", dir, (unsigned)(b.id % 256),
		 (unsigned long long)b.id);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "B", 1, 2), 1);
	ck_assert_int_eq(body_opens(s, &b), ERR_CORRUPT);
	ck_assert_int_eq(pwrite(fd, "b", 1, 2), 1);
	ck_assert_int_eq(body_opens(s, &b), ERR_OK);
	ck_assert_int_eq(ftruncate(fd, 5), 0);
	ck_assert_int_eq(body_opens(s, &b), ERR_CORRUPT);
	close(fd);
	store_close(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_faults");
	TCase *t = tcase_create("disk");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, after_a_failed_sync_nothing_is_acknowledged, 0, 2);
	tcase_add_loop_test(t, after_a_failed_or_short_write_nothing_is_acknowledged, 0, 2);
	tcase_add_test(t, a_full_disk_is_told_and_work_goes_on_when_there_is_room);
	tcase_add_test(t, below_the_low_water_mark_new_work_is_refused_and_the_old_finishes);
	tcase_add_test(t, the_ballast_is_given_up_for_a_full_disk_and_taken_again);
	tcase_add_test(t, the_log_is_moved_when_it_has_grown_and_shrinks_with_the_results);
	tcase_add_test(t, a_changed_text_is_found_by_its_checksum);
	tcase_add_test(t, a_broken_database_ends_the_store);
	tcase_add_test(t, an_older_version_is_migrated_and_a_newer_one_refused);
	tcase_add_test(t, the_views_show_jobs_and_single_results);
	tcase_add_test(t, a_second_daemon_is_told_who_has_the_directory);
	tcase_add_test(t, bodies_without_a_row_are_swept_and_the_others_stay);
	tcase_add_test(t, a_damaged_body_is_never_delivered);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
