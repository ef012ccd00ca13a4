/* Promises of named objects to the tasks of jobs: who gets what, when, and what a kill leaves. */
#include "tests/unit/actor/job_world.h"

#define H "http://a.example"

static struct job_world jw;

static void open_world(void)
{
	job_world_open(&jw);
}

static void close_world(void)
{
	job_world_close(&jw);
}

static void order(uint64_t job, enum job_call_kind kind)
{
	struct asked *a = ask_job(&jw, call_of(job, kind));
	await_answer(&jw, a, 1000 * MS);
	ck_assert_msg(a->kind == KIND_NONE, "%s", bytes_cstr(&a->body));
	asked_free(a);
}

/* The only line of a job that gives one: its error's kind, "" if none. */
static void fails_with(uint64_t job, const char *kind, const char *text)
{
	json_t *all = all_results(&jw, job);
	char *lines = json_dumps(all, 0);
	const json_t *error = json_object_get(json_array_get(all, 0), "error");
	ck_assert_msg(strcmp(text_at(error, "kind"), kind) == 0, "%s", lines);
	ck_assert_msg(strstr(text_at(error, "message"), text) != NULL, "%s", lines);
	free(lines);
	json_decref(all);
}

static void submit_volatile(const char *text)
{
	struct asked *a = submit_start(&jw, text, false);
	await_answer(&jw, a, 1000 * MS);
	ck_assert_msg(a->kind == KIND_NONE, "%s", bytes_cstr(&a->body));
	asked_free(a);
}

static bool was_seen(const char *path)
{
	return strstr(bytes_cstr(&jw.seen), path) != NULL;
}

/* ---- locks ---- */

#define LOCKED(path) "{\"run\":{\"with\":[{\"lock\":\"L\"}],\"fetch\":\"" H path "\"}}"

START_TEST(a_lock_lets_one_in_in_the_order_of_asking)
{
	uint64_t job[3];
	job[0] = submit(&jw, LOCKED("/slow/50?0"));
	job[1] = submit(&jw, LOCKED("/slow/50?1"));
	job[2] = submit(&jw, LOCKED("/slow/50?2"));
	for (int i = 0; i < 3; i++)
		ended_as(&jw, job[i], "succeeded", 1, 0, 0, 0, 0);
	ck_assert_uint_eq(jw.most_now, 1);
	ck_assert_str_eq(bytes_cstr(&jw.seen), "/slow/50?0\n/slow/50?1\n/slow/50?2\n");
}
END_TEST

START_TEST(a_failed_task_gives_its_lock_back)
{
	uint64_t a = submit(&jw, LOCKED("/status/404?0")), b = submit(&jw, LOCKED("/ok"));
	ended_as(&jw, a, "failed", 0, 1, 0, 0, 0);
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
}
END_TEST

START_TEST(who_gives_up_waiting_has_taken_nothing)
{
	uint64_t a = submit(&jw, LOCKED("/slow/500"));
	uint64_t b = submit(&jw, "{\"run\":{\"with\":[{\"lock\":\"L\"}],\"timeout\":\"100ms\","
				 "\"fetch\":\"" H "/never\"}}");
	uint64_t c = submit(&jw, LOCKED("/ok"));
	fails_with(b, "deadline", "");
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, c, "succeeded", 1, 0, 0, 0, 0);
	ck_assert(!was_seen("/never"));
}
END_TEST

START_TEST(a_cancelled_holder_gives_its_lock_back)
{
	uint64_t a = submit(&jw, LOCKED("/hang")), b = submit(&jw, LOCKED("/ok"));
	world_run_for(&jw.w, 50 * MS);
	ck_assert(!was_seen("/ok"));
	order(a, JOB_CALL_CANCEL);
	ended_as(&jw, a, "cancelled", 0, 0, 0, 1, 0);
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
}
END_TEST

START_TEST(a_cancelled_waiter_is_no_longer_in_line)
{
	uint64_t a = submit(&jw, LOCKED("/slow/300")), b = submit(&jw, LOCKED("/never"));
	uint64_t c = submit(&jw, LOCKED("/ok"));
	world_run_for(&jw.w, 50 * MS);
	order(b, JOB_CALL_CANCEL);
	ended_as(&jw, b, "cancelled", 0, 0, 0, 0, 1);
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, c, "succeeded", 1, 0, 0, 0, 0);
	ck_assert(!was_seen("/never"));
}
END_TEST

START_TEST(a_task_does_not_wait_for_itself)
{
	uint64_t a = submit(&jw, "{\"run\":{\"with\":[{\"lock\":\"L\"}],\"group\":[{\"sequence\":[{"
				 "\"with\":[{\"lock\":\"L\"}],\"fetch\":\"" H "/never\"}]}]}}");
	fails_with(a, "request.invalid", "held by this task itself, as j1 0.w0");
	uint64_t b = submit(&jw, LOCKED("/ok"));
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
}
END_TEST

START_TEST(back_off_holds_no_lock)
{
	uint64_t a = submit(&jw, "{\"run\":{\"with\":[{\"lock\":\"L\"}],\"fetch\":\"" H
				 "/flaky/1\",\"retry\":{\"attempts\":2,\"backoff\":\"20s\"}}}");
	uint64_t b = submit(&jw, LOCKED("/ok"));
	world_run_for(&jw.w, 200 * MS);
	ck_assert(was_seen("/ok"));
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
}
END_TEST

START_TEST(every_attempt_of_a_scope_takes_its_lock_afresh)
{
	uint64_t a = submit(&jw, "{\"run\":{\"with\":[{\"lock\":\"L\"}],\"sequence\":[{\"fetch\":"
				 "\"" H "/flaky/1\",\"retry\":{\"attempts\":1}}],"
				 "\"retry\":{\"attempts\":2,\"backoff\":\"20s\"}}}");
	uint64_t b = submit(&jw, LOCKED("/ok"));
	world_run_for(&jw.w, 200 * MS);
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, a, "succeeded", 1, 0, 1, 0, 0);
}
END_TEST

START_TEST(names_may_be_known_only_at_run_time)
{
	uint64_t a =
		submit(&jw, "{\"run\":{\"each\":{\"in\":[\"x\",\"y\",\"x\"],\"do\":{\"with\":[{"
			    "\"lock\":\"of ${item}\"}],\"fetch\":\"" H "/slow/50\"}}}}");
	ended_as(&jw, a, "succeeded", 3, 0, 0, 0, 0);
	ck_assert_uint_eq(jw.most_now, 2);
	uint64_t b = submit(&jw, "{\"run\":{\"each\":{\"in\":[\"\"],\"do\":{\"with\":[{\"lock\":"
				 "\"${item}\"}],\"fetch\":\"" H "/never\"}}}}");
	fails_with(b, "request.invalid", "a name has 1 to 200 bytes");
}
END_TEST

START_TEST(a_paused_job_takes_no_lock)
{
	uint64_t a = submit(&jw, LOCKED("/slow/200")), b = submit(&jw, LOCKED("/paused"));
	uint64_t c;
	world_run_for(&jw.w, 50 * MS);
	order(b, JOB_CALL_PAUSE);
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
	c = submit(&jw, LOCKED("/ok"));
	ended_as(&jw, c, "succeeded", 1, 0, 0, 0, 0);
	ck_assert(!was_seen("/paused"));
	order(b, JOB_CALL_RESUME);
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
}
END_TEST

/* ---- semaphores ---- */

START_TEST(a_semaphore_lets_its_capacity_in)
{
	uint64_t a = submit(&jw, "{\"run\":{\"each\":{\"in\":{\"range\":[0,6]},\"do\":{\"with\":[{"
				 "\"semaphore\":\"S\",\"capacity\":2}],\"fetch\":\"" H
				 "/slow/50?${item}\"}}}}");
	ended_as(&jw, a, "succeeded", 6, 0, 0, 0, 0);
	ck_assert_uint_eq(jw.most_now, 2);
}
END_TEST

START_TEST(two_capacities_of_one_semaphore_are_a_conflict)
{
	uint64_t a = submit(&jw, "{\"run\":{\"with\":[{\"semaphore\":\"S\",\"capacity\":2}],"
				 "\"fetch\":\"" H "/slow/300\"}}");
	uint64_t b = submit(&jw, "{\"run\":{\"with\":[{\"semaphore\":\"S\",\"capacity\":3}],"
				 "\"fetch\":\"" H "/never\"}}");
	fails_with(b, "conflict", "a capacity of 2, not 3");
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
}
END_TEST

START_TEST(more_units_than_are_left_wait_at_the_head_of_the_line)
{
	static const char big[] = "{\"run\":{\"with\":[{\"semaphore\":\"S\",\"capacity\":3,"
				  "\"units\":3}],\"fetch\":\"" H "/ok?big\"}}";
	static const char small[] = "{\"run\":{\"with\":[{\"semaphore\":\"S\",\"capacity\":3}],"
				    "\"fetch\":\"" H "/slow/100\"}}";
	uint64_t a = submit(&jw, small), b = submit(&jw, big), c = submit(&jw, small);
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, c, "succeeded", 1, 0, 0, 0, 0);
	ck_assert_uint_eq(jw.most_now, 1);
}
END_TEST

/* ---- over a kill ---- */

/* Whether requests of one job stand between those of another's critical section. */
static void sections_are_whole(int ms)
{
	char last = 0, line[64];
	int turns = 0;
	const char *p = bytes_cstr(&jw.seen);
	for (; sscanf(p, "%63s", line) == 1; p = strchr(p, '\n') + 1) {
		if (line[1] == 'x')
			continue;
		turns += line[1] != last;
		last = line[1];
	}
	ck_assert_msg(turns <= 2, "killed at %d:\n%s", ms, bytes_cstr(&jw.seen));
}

/* The second job is in first; at the new start the first one asks before it. */
START_TEST(a_kill_does_not_let_two_in)
{
#define SECTION(x)                                                                                 \
	"{\"with\":[{\"lock\":\"L\"}],\"sequence\":[\"" H "/" x "1\",\"" H "/" x "2\",\"" H "/" x  \
	"3\"]}"
	uint64_t a = submit(&jw, "{\"run\":{\"sequence\":[\"" H "/x\"," SECTION("a") "]}}");
	uint64_t b = submit(&jw, "{\"run\":" SECTION("b") "}");
	world_run_for(&jw.w, _i % 60 * MS);
	jw.shard.permute_seed = (uint64_t)_i;
	job_world_kill(&jw);
	ended_as(&jw, a, "succeeded", 4, 0, 0, 0, 0);
	ended_as(&jw, b, "succeeded", 3, 0, 0, 0, 0);
	ck_assert_uint_le(jw.most_now, 2);
	sections_are_whole(_i);
}
END_TEST

START_TEST(a_lock_lost_with_its_volatile_holder_is_told_once)
{
	submit_volatile("{\"durable\":false,\"run\":{\"with\":[{\"lock\":\"L\"}],\"fetch\":\"" H
			"/hang\"}}");
	world_run_for(&jw.w, 100 * MS);
	ck_assert(was_seen("/hang"));
	job_world_kill(&jw);
	uint64_t a = submit(&jw, LOCKED("/never"));
	fails_with(a, "owner_died", "v1 0.w0, which was lost with the daemon");
	job_world_kill(&jw);
	uint64_t b = submit(&jw, LOCKED("/ok"));
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
	ck_assert(!was_seen("/never"));
}
END_TEST

START_TEST(a_lock_its_volatile_holder_gave_back_is_not_lost)
{
	submit_volatile("{\"durable\":false,\"run\":{\"with\":[{\"lock\":\"L\"}],\"fetch\":\"" H
			"/ok\"}}");
	world_run_for(&jw.w, 100 * MS);
	job_world_kill(&jw);
	uint64_t b = submit(&jw, LOCKED("/ok2"));
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
}
END_TEST

static void add_locks(TCase *t)
{
	tcase_add_test(t, a_lock_lets_one_in_in_the_order_of_asking);
	tcase_add_test(t, a_failed_task_gives_its_lock_back);
	tcase_add_test(t, who_gives_up_waiting_has_taken_nothing);
	tcase_add_test(t, a_cancelled_holder_gives_its_lock_back);
	tcase_add_test(t, a_cancelled_waiter_is_no_longer_in_line);
	tcase_add_test(t, a_task_does_not_wait_for_itself);
	tcase_add_test(t, back_off_holds_no_lock);
	tcase_add_test(t, every_attempt_of_a_scope_takes_its_lock_afresh);
	tcase_add_test(t, names_may_be_known_only_at_run_time);
	tcase_add_test(t, a_paused_job_takes_no_lock);
	tcase_add_test(t, a_semaphore_lets_its_capacity_in);
	tcase_add_test(t, two_capacities_of_one_semaphore_are_a_conflict);
	tcase_add_test(t, more_units_than_are_left_wait_at_the_head_of_the_line);
	tcase_add_loop_test(t, a_kill_does_not_let_two_in, 0, 120);
	tcase_add_test(t, a_lock_lost_with_its_volatile_holder_is_told_once);
	tcase_add_test(t, a_lock_its_volatile_holder_gave_back_is_not_lost);
}

int main(void)
{
	Suite *s = suite_create("named");
	TCase *t = tcase_create("locks");
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, open_world, close_world);
	add_locks(t);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
