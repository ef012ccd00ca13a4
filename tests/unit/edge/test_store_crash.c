/*
 * kill -9 at any moment loses nothing that was acknowledged and leaves nothing half done. A child
 * writes and tells what was acknowledged over a pipe; it is killed; the parent opens what it left.
 */
#include "base/rng.h"
#include "edge/bodyfile.h"
#include "edge/store.h"
#include "tests/kit/store_kit.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINES 7

static struct store *open_dir(const char *dir, struct fault *fault)
{
	const struct store_options o = {.kind = STORE_SQLITE, .dir = dir, .fault = fault};
	struct store *s = NULL;
	enum err e = store_open(&o, &s);

	ck_assert_msg(e == ERR_OK, "open: %s", err_text(e));
	return s;
}

static uint64_t last_job(struct store *s)
{
	struct store_rows rows;
	uint64_t v;

	store_kit_read(s, (struct store_query){.kind = STORE_Q_COUNTER, .text = slice_of("job")},
		       &rows);
	v = rows.row[0].counter.value;
	store_rows_fini(&rows);
	return v;
}

static void add_body(struct store *s, struct store_batch *b, uint64_t job)
{
	struct store_op *op = store_batch_add(b, STORE_BODY_PUT);
	struct bodyfile *f = NULL;

	ck_assert_ptr_nonnull(op);
	op->body = (struct store_body){.job = job, .seq = 1};
	ck_assert_int_eq(bodyfile_new(store_bodies(s), &f), ERR_OK);
	ck_assert_int_eq(bodyfile_append(f, "body body", 9), ERR_OK);
	ck_assert_int_eq(bodyfile_append(f, " more", 5), ERR_OK);
	ck_assert_int_eq(bodyfile_finish(f, &op->body.size, op->body.sha256), ERR_OK);
	op->body.id = bodyfile_id(f);
	bodyfile_free(f);
}

/* One job in one transaction: its row, seven results, a fact, every third with a body. */
static enum err write_job(struct store *s, uint64_t id)
{
	struct store_batch *b = store_batch_new();

	ck_assert_ptr_nonnull(b);
	store_kit_job(b, id);
	store_kit_chunk(b, id, 1, LINES);
	store_batch_add(b, STORE_FACT_PUT)->fact =
		(struct store_fact){.job = id, .path = slice_of("0"), .kind = slice_of("outcome")};
	if (id % 3 == 0)
		add_body(s, b, id);
	return store_kit_apply(s, b);
}

static void forget_some(struct store *s, uint64_t id)
{
	struct store_batch *b = store_batch_new();

	store_batch_add(b, STORE_JOB_FORGET)->ref.job = id;
	ck_assert_int_eq(store_kit_apply(s, b), ERR_OK);
	b = store_batch_new();
	store_batch_add(b, STORE_PRUNE)->prune = (struct store_prune_op){.max_rows = 100};
	ck_assert_int_eq(store_kit_apply(s, b), ERR_OK);
}

/* The child: writes for ever, forgetting each job that ends in 5 once two more have come. */
static void write_for_ever(const char *dir, struct fault *fault, int pipe_fd)
{
	struct store *s = open_dir(dir, fault);

	for (uint64_t id = last_job(s) + 1;; id++) {
		if (write_job(s, id) != ERR_OK)
			_exit(3);
		if (write(pipe_fd, &id, sizeof(id)) != sizeof(id))
			_exit(4);
		if (id % 10 == 7)
			forget_some(s, id - 2);
		if (store_is_untidy(s) && store_tidy(s) != ERR_OK)
			_exit(5);
	}
}

static void assert_integrity(const char *dir)
{
	char row[256];

	store_kit_sql_row(dir, "PRAGMA integrity_check", row, sizeof(row));
	ck_assert_str_eq(row, "ok");
}

static void assert_whole(struct store *s, uint64_t id)
{
	struct store_rows rows;
	struct bodyread *r = NULL;

	store_kit_read(s, (struct store_query){.kind = STORE_Q_CHUNKS, .job = id}, &rows);
	ck_assert_msg(rows.n == 1 && rows.row[0].chunk.n == LINES, "results of job %d", (int)id);
	store_rows_fini(&rows);
	store_kit_read(s, (struct store_query){.kind = STORE_Q_FACTS, .job = id}, &rows);
	ck_assert_uint_eq(rows.n, 1);
	store_rows_fini(&rows);
	if (id % 3 != 0)
		return;
	store_kit_read(s, (struct store_query){.kind = STORE_Q_BODY, .job = id, .after = 1}, &rows);
	ck_assert_uint_eq(rows.n, 1);
	ck_assert_int_eq(bodyread_open(store_bodies(s), rows.row[0].body.id, rows.row[0].body.size,
				       rows.row[0].body.sha256, &r),
			 ERR_OK);
	bodyread_close(r);
	store_rows_fini(&rows);
}

/* Every job up to acked is there, whole; what is beyond was not acknowledged but is whole too. */
static void assert_kept(const char *dir, uint64_t acked, uint64_t since)
{
	struct store *s = open_dir(dir, NULL);
	uint64_t last = last_job(s);

	ck_assert_msg(last >= acked && last <= acked + 1, "acked %d, last %d", (int)acked,
		      (int)last);
	for (uint64_t id = since; id <= last; id++) {
		struct store_rows rows;
		store_kit_read(s, (struct store_query){.kind = STORE_Q_JOB, .job = id}, &rows);
		ck_assert_msg(rows.n == 1 || (id % 10 == 5 && id + 2 <= last), "job %d", (int)id);
		if (rows.n == 1)
			assert_whole(s, id);
		store_rows_fini(&rows);
	}
	store_close(s);
	assert_integrity(dir);
}

/* Runs a child until it has been killed: by the parent after so many acknowledgements and then some
 * microseconds, or (0) by itself. *acked grows to the last acknowledged job. True: by a signal. */
static bool run_child(const char *dir, struct fault *fault, unsigned n_acks, useconds_t then_us,
		      uint64_t *acked)
{
	int fd[2], status = 0;
	unsigned n = 0;
	uint64_t id;
	pid_t pid;

	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		close(fd[0]);
		write_for_ever(dir, fault, fd[1]);
		_exit(9);
	}
	close(fd[1]);
	while (read(fd[0], &id, sizeof(id)) == sizeof(id)) {
		*acked = id;
		if (++n == n_acks) {
			/* Not to wait for luck: the moment of the kill is what is random. */
			struct timespec t = {.tv_nsec = then_us * 1000L};
			ppoll(NULL, 0, &t, NULL);
			kill(pid, SIGKILL);
		}
	}
	close(fd[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status) || WIFEXITED(status), "status %d", status);
	if (WIFEXITED(status))
		ck_assert_msg(false, "the child ended with %d", WEXITSTATUS(status));
	return WTERMSIG(status) == SIGKILL;
}

START_TEST(kill_at_any_moment_loses_nothing_acknowledged)
{
	char *dir = store_kit_dir();
	uint64_t acked = 0, since = 1;
	struct rng r;

	rng_seed(&r, (uint64_t)_i + 77);
	for (int round = 0; round < 25; round++) {
		ck_assert(run_child(dir, NULL, 1 + (unsigned)rng_below(&r, 40),
				    (useconds_t)rng_below(&r, 3000), &acked));
		assert_kept(dir, acked, since);
		since = acked > 20 ? acked - 20 : 1;
	}
	assert_kept(dir, acked, 1);
	store_kit_remove(dir);
}
END_TEST

#ifdef FAULT_POINTS
START_TEST(kill_at_each_named_point_loses_nothing_acknowledged)
{
	static const char *const points[] = {
		"before_commit", "after_commit_before_ack",    "mid_recovery", "mid_migration",
		"mid_prune",	 "after_body_file_before_row", "mid_body_file"};
	char *dir = store_kit_dir();
	uint64_t acked = 0;

	for (unsigned count = 1; count <= 20; count += 1 + count / 3) {
		struct fault fault = {0};
		char text[64];
		bool is_once = strcmp(points[_i], "mid_recovery") == 0 ||
			       strcmp(points[_i], "mid_migration") == 0;
		snprintf(text, sizeof(text), "%s:%u", points[_i], is_once ? 1 : count);
		ck_assert_int_eq(fault_arm(&fault, text), ERR_OK);
		if (strcmp(points[_i], "mid_migration") == 0 && count > 1) {
			store_kit_remove(dir);
			dir = store_kit_dir();
			acked = 0;
		}
		ck_assert(run_child(dir, &fault, 0, 0, &acked));
		assert_kept(dir, acked, 1);
		{
			struct store *s = open_dir(dir, NULL);
			acked = last_job(s);
			store_close(s);
		}
	}
	store_kit_remove(dir);
}
END_TEST
#endif

/* ---- a torn tail ---- */

static void copy_file(const char *from_dir, const char *to_dir, const char *name, off_t size)
{
	char from[256], to[256], buf[65536];
	int in, out;
	ssize_t n;

	snprintf(from, sizeof(from), "%s/%s", from_dir, name);
	snprintf(to, sizeof(to), "%s/%s", to_dir, name);
	in = open(from, O_RDONLY);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		ck_assert_int_eq(write(out, buf, (size_t)n), n);
	if (size >= 0)
		ck_assert_int_eq(ftruncate(out, size), 0);
	close(in);
	close(out);
}

static off_t size_of(const char *dir, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(stat(path, &st), 0);
	return st.st_size;
}

/* Without bodies: their files stand beside the log and are not cut. */
static void write_without_bodies(const char *dir)
{
	struct store *s = open_dir(dir, NULL);

	for (uint64_t id = 1; id <= 60; id++) {
		struct store_batch *b = store_batch_new();
		store_kit_job(b, id);
		store_kit_chunk(b, id, 1, LINES);
		if (store_kit_apply(s, b) != ERR_OK)
			_exit(3);
	}
	kill(getpid(), SIGKILL);
}

START_TEST(a_torn_log_opens_and_lacks_only_its_tail)
{
	char *dir = store_kit_dir();
	uint64_t most = 0;
	int status = 0;
	struct rng r;
	pid_t pid = fork();
	off_t size;

	if (pid == 0)
		write_without_bodies(dir);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	size = size_of(dir, "store.db-wal");
	ck_assert_int_gt(size, 100000);
	rng_seed(&r, 5);
	for (int i = 0; i < 100; i++) {
		char *cut = store_kit_dir();
		off_t at = i == 0 ? size : (off_t)rng_below(&r, (uint64_t)size);
		struct store *s;
		uint64_t last;

		copy_file(dir, cut, "store.db", -1);
		copy_file(dir, cut, "store.db-wal", at);
		s = open_dir(cut, NULL);
		last = last_job(s);
		for (uint64_t id = 1; id <= last; id++) {
			struct store_rows rows;
			store_kit_read(s, (struct store_query){.kind = STORE_Q_CHUNKS, .job = id},
				       &rows);
			ck_assert_uint_eq(rows.n, 1);
			store_rows_fini(&rows);
		}
		store_close(s);
		assert_integrity(cut);
		store_kit_remove(cut);
		most = last > most ? last : most;
		if (i == 0)
			ck_assert_uint_eq(last, 60);
	}
	ck_assert_uint_eq(most, 60);
	store_kit_remove(dir);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("store_crash");
	TCase *t = tcase_create("kill");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, kill_at_any_moment_loses_nothing_acknowledged, 0, 2);
#ifdef FAULT_POINTS
	tcase_add_loop_test(t, kill_at_each_named_point_loses_nothing_acknowledged, 0, 7);
#endif
	tcase_add_test(t, a_torn_log_opens_and_lacks_only_its_tail);
	suite_add_tcase(s, t);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
