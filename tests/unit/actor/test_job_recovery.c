/* Promises over kill -9: everything but the durable store is dropped, at every step of small jobs.
 */
#include "tests/unit/actor/job_world.h"

#define H "http://a.example"

struct row {
	const char *name, *text, *feed, *state;
	int ok, failed, handled, lines;
	int slots; /* most requests under way: so many may be asked again after a kill */
};

static const struct row rows[] = {
	{"one fetch", "{\"run\":\"" H "/ok\"}", NULL, "succeeded", 1, 0, 0, 1, 1},
	{"sequence", "{\"run\":{\"sequence\":[\"" H "/ok1\",\"" H "/ok2\",\"" H "/ok3\"]}}", NULL,
	 "succeeded", 3, 0, 0, 3, 1},
	{"gather", "{\"run\":{\"gather\":[\"" H "/ok1\",\"" H "/slow/30\",\"" H "/status/404\"]}}",
	 NULL, "succeeded", 2, 1, 0, 3, 3},
	{"fallback", "{\"run\":{\"fallback\":[\"" H "/status/404\",\"" H "/ok\"]}}", NULL,
	 "succeeded", 1, 0, 1, 2, 1},
	{"fed",
	 "{\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":\"item\",\"concurrency\":2,\"do\":{"
	 "\"fetch\":\"${item}\"}}}}",
	 "[\"" H "/ok1\",\"" H "/slow/25\",\"" H "/status/404\",\"" H "/ok2\",\"" H "/ok3\"]",
	 "succeeded", 4, 1, 0, 5, 2},
	{"fed and ordered",
	 "{\"results\":{\"ordered\":true},\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":"
	 "\"item\","
	 "\"concurrency\":3,\"do\":{\"fetch\":\"${item}\"}}}}",
	 "[\"" H "/slow/40\",\"" H "/ok1\",\"" H "/slow/20\",\"" H "/ok2\"]", "succeeded", 4, 0, 0,
	 4, 3},
	{"each of several leaves",
	 "{\"run\":{\"each\":{\"in\":[1,2,3],\"as\":\"n\",\"concurrency\":2,\"do\":{\"fallback\":["
	 "\"" H "/status/404?${n}\",\"" H "/ok${n}\"]}}}}",
	 NULL, "succeeded", 3, 0, 3, 6, 2},
	{"values after a restart",
	 "{\"run\":{\"sequence\":[{\"id\":\"a\",\"fetch\":\"" H
	 "/json\"},{\"emit\":\"${a/json/a/b/1}\"},\"" H "/ok\"]}}",
	 NULL, "succeeded", 3, 0, 0, 3, 1},
	{"a task with finally",
	 "{\"run\":{\"sequence\":[{\"fetch\":\"" H "/slow/20\",\"finally\":\"" H "/ok?f\"},\"" H
	 "/ok2\"]}}",
	 NULL, "succeeded", 3, 0, 0, 3, 1},
	{"retry of a sequence",
	 "{\"run\":{\"retry\":{\"attempts\":2,\"backoff\":\"30ms\"},\"sequence\":[{\"emit\":1},{"
	 "\"fetch\":\"" H "/status/404\",\"retry\":{\"attempts\":1}}]}}",
	 NULL, "failed", 2, 1, 1, 4, 1},
	{"with",
	 "{\"run\":{\"with\":[{\"enter\":{\"emit\":1},\"as\":\"s\",\"exit\":\"" H
	 "/slow/15?${s}\"}],\"fetch\":\"" H "/slow/20?${s}\"}}",
	 NULL, "succeeded", 3, 0, 0, 3, 1},
	{"each over the JSON of a fetch",
	 "{\"run\":{\"each\":{\"in\":{\"json\":\"" H
	 "/json\",\"items\":\"/a/b\"},\"as\":\"n\",\"do\":{\"fetch\":\"" H "/slow/20?${n}\"}}}}",
	 NULL, "succeeded", 3, 0, 0, 3, 2},
	{"each over pages",
	 "{\"run\":{\"each\":{\"in\":{\"pages\":{\"first\":\"" H "/page/"
	 "2\",\"next\":\"/next\",\"items\":\"/items\"}},\"as\":\"n\",\"concurrency\":2,\"do\":{"
	 "\"fetch\":\"" H "/slow/9?${n}\"}}}}",
	 NULL, "succeeded", 9, 0, 0, 9, 3},
	{"pages that end badly",
	 "{\"run\":{\"each\":{\"in\":{\"pages\":{\"first\":\"" H "/page/"
	 "1\",\"next\":\"/items\",\"items\":\"/items\"}},\"as\":\"n\",\"concurrency\":2,\"do\":{"
	 "\"fetch\":\"" H "/slow/9?${n}\"}}}}",
	 NULL, "failed", 3, 0, 0, 3, 3},
	{"pages within an each",
	 "{\"run\":{\"each\":{\"in\":[1,0],\"as\":\"n\",\"concurrency\":2,\"do\":{\"each\":{"
	 "\"in\":{\"pages\":{\"first\":\"" H
	 "/page/${n}\",\"next\":\"/next\",\"items\":\"/items\"}},\"concurrency\":2,\"do\":{"
	 "\"fetch\":\"" H "/slow/9?${item}\"}}}}}}",
	 NULL, "succeeded", 9, 0, 0, 9, 6},
	{"texts between marks",
	 "{\"run\":{\"each\":{\"in\":{\"between\":[\"l\",\"o\"],\"of\":\"" H
	 "/ok\"},\"concurrency\":2,\"do\":{\"fallback\":[\"" H "/slow/9?${item}\"]}}}}",
	 NULL, "succeeded", 2, 0, 0, 2, 2},
	{"a generator",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"sequence\":[{\"emit\":1},\"" H
	 "/slow/9?s\",{\"each\":{\"in\":[2,3,4],\"concurrency\":1,\"do\":{\"sequence\":[{"
	 "\"sleep\":\"7ms\"},{\"emit\":\"${item}\"}]}}}]}},\"concurrency\":1,\"do\":{\"fetch\":\"" H
	 "/slow/9?${item}\"}}}}",
	 NULL, "succeeded", 9, 0, 0, 9, 2},
	{"a generator that fails",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"sequence\":[{\"emit\":1},{\"emit\":2},{\"fail\":"
	 "\"x\"}]}},\"concurrency\":1,\"do\":{\"fetch\":\"" H "/slow/9?${item}\"}}}}",
	 NULL, "failed", 4, 1, 0, 5, 1},
	{"values of lists after a restart",
	 "{\"run\":{\"sequence\":[{\"id\":\"g\",\"gather\":[{\"emit\":1},\"" H
	 "/json\"]},{\"id\":\"e\",\"each\":{\"in\":[1,2],\"do\":{\"emit\":{\"n\":\"${item}\"}}}},"
	 "\"" H "/slow/20\",{\"emit\":\"${g/1/json/a} ${e/1/n}\"}]}}",
	 NULL, "succeeded", 6, 0, 0, 6, 2},
	{"any keeps its winner",
	 "{\"run\":{\"sequence\":[{\"id\":\"w\",\"any\":[{\"sequence\":[\"" H
	 "/status/404\"]},{\"sequence\":[{\"emit\":7}]}]},\"" H "/slow/30?${w}\"]}}",
	 NULL, "succeeded", 2, 0, 1, 3, 1},
};

/* Runs the job with a kill after `ms` (negative: none); returns the requests the servers saw. */
static uint32_t run_with_kill(const struct row *r, int ms)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, r->text);
	if (r->feed != NULL)
		feed(&jw, job, 0, r->feed, true);
	if (ms >= 0) {
		world_run_for(&jw.w, ms * MS);
		job_world_kill(&jw);
	}
	json_t *all = all_results(&jw, job);
	char *text = json_dumps(all, 0);
	ck_assert_msg((int)json_array_size(all) == r->lines, "%s, killed at %d: %s", r->name, ms,
		      text);
	free(text);
	json_decref(all);
	ended_as(&jw, job, r->state, r->ok, r->failed, r->handled, 0, 0);
	uint32_t n = jw.n_requests;
	job_world_close(&jw);
	return n;
}

START_TEST(a_kill_at_any_step_leaves_one_result_for_each_leaf)
{
	const struct row *r = &rows[_i];
	uint32_t without = run_with_kill(r, -1);
	for (int ms = 0; ms < 70; ms++) {
		uint32_t with = run_with_kill(r, ms);
		ck_assert_msg(with <= without + (uint32_t)r->slots,
			      "%s, killed at %d: %u > %u + %d", r->name, ms, with, without,
			      r->slots);
	}
}
END_TEST

START_TEST(ordered_lines_keep_their_order_over_a_kill)
{
	const struct row *r = &rows[5];
	for (int ms = 0; ms < 60; ms++) {
		struct job_world jw;
		job_world_open(&jw);
		uint64_t job = submit(&jw, r->text);
		feed(&jw, job, 0, r->feed, true);
		world_run_for(&jw.w, ms * MS);
		job_world_kill(&jw);
		json_t *all = all_results(&jw, job);
		for (size_t i = 0; i < 4; i++) {
			char task[16];
			snprintf(task, sizeof(task), "0.%zu", i);
			ck_assert_str_eq(text_at(json_array_get(all, i), "task"), task);
		}
		json_decref(all);
		job_world_close(&jw);
	}
}
END_TEST

START_TEST(a_cancelled_job_does_not_come_back)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":{\"gather\":[\"" H "/hang\",\"" H "/hang2\"]}}");
	world_run_for(&jw.w, 30 * MS);
	struct asked *a = ask_job(&jw, call_of(job, JOB_CALL_CANCEL));
	await_answer(&jw, a, 1000 * MS);
	asked_free(a);
	job_world_kill(&jw);
	uint32_t n = jw.n_requests;
	json_t *r = record(&jw, job);
	ck_assert_str_eq(text_at(r, "state"), "cancelled");
	json_decref(r);
	ck_assert_uint_eq(jw.n_requests, n);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_deadline_runs_on_over_a_kill)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"deadline\":\"2s\",\"run\":\"" H "/hang\"}");
	world_run_for(&jw.w, 1500 * MS);
	job_world_kill(&jw);
	world_run_for(&jw.w, 700 * MS);
	json_t *r = record(&jw, job);
	ck_assert_str_eq(text_at(r, "state"), "expired");
	json_decref(r);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_paused_job_stays_paused_over_a_kill)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job =
		submit(&jw, "{\"run\":{\"each\":{\"in\":[1,2],\"as\":\"n\",\"concurrency\":1,"
			    "\"do\":{\"fetch\":\"" H "/slow/100?${n}\"}}}}");
	struct asked *a = ask_job(&jw, call_of(job, JOB_CALL_PAUSE));
	await_answer(&jw, a, 1000 * MS);
	asked_free(a);
	job_world_kill(&jw);
	uint32_t n = jw.n_requests;
	world_run_for(&jw.w, 1000 * MS);
	ck_assert_uint_eq(jw.n_requests, n);
	a = ask_job(&jw, call_of(job, JOB_CALL_RESUME));
	await_answer(&jw, a, 1000 * MS);
	asked_free(a);
	json_t *r = record(&jw, job);
	ck_assert_str_eq(text_at(r, "state"), "succeeded");
	json_decref(r);
	job_world_close(&jw);
}
END_TEST

static uint32_t times_seen(const struct job_world *jw, const char *target)
{
	uint32_t n = 0;
	size_t len = strlen(target);
	for (size_t at = 0; at < jw->seen.n;) {
		const char *nl = memchr(jw->seen.p + at, '\n', jw->seen.n - at);
		size_t end = (size_t)(nl - jw->seen.p);
		n += end - at == len && memcmp(jw->seen.p + at, target, len) == 0;
		at = end + 1;
	}
	return n;
}

/* A sibling's failure, a timeout or a user cut a task that had been entered; the daemon died before
 * or while its `finally` ran. */
static const char *const cut[] = {
	"{\"run\":{\"group\":[{\"sequence\":[\"" H "/ok1\",{\"fetch\":\"" H
	"/hang\",\"finally\":\"" H "/slow/20?f\"}]},\"" H "/status/404?slow\"]}}",
	"{\"run\":{\"timeout\":\"30ms\",\"sequence\":[\"" H "/ok1\",{\"fetch\":\"" H
	"/hang\",\"finally\":\"" H "/slow/20?f\"}]}}",
	"{\"run\":{\"each\":{\"in\":[\"hang\",\"s404\"],\"mode\":\"group\",\"as\":\"n\","
	"\"do\":{\"fetch\":\"" H "/${n}\",\"finally\":\"" H "/slow/20?${n}\"}}}}",
};

static void run_cut(int which, int ms, bool by_user)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, cut[which]);
	world_run_for(&jw.w, ms * MS);
	if (by_user) {
		struct asked *a = ask_job(&jw, call_of(job, JOB_CALL_CANCEL));
		await_answer(&jw, a, 1000 * MS);
		asked_free(a);
		world_run_for(&jw.w, (ms % 5) * MS);
	}
	bool was_entered = times_seen(&jw, "/hang") > 0;
	job_world_kill(&jw);
	json_t *r = record(&jw, job);
	uint32_t n = times_seen(&jw, which == 2 ? "/slow/20?hang" : "/slow/20?f");
	char *text = json_dumps(r, 0);
	if (was_entered)
		ck_assert_msg(n >= 1 && n <= 2, "%d killed at %d: %u in %s; %s", which, ms, n,
			      bytes_cstr(&jw.seen), text);
	free(text);
	json_decref(r);
	job_world_close(&jw);
}

START_TEST(an_entered_finally_runs_after_a_kill)
{
	for (int ms = 1; ms < 70; ms++)
		run_cut(_i, ms, false);
	for (int ms = 15; ms < 40; ms++)
		run_cut(_i, ms, true);
}
END_TEST

START_TEST(a_back_off_goes_on_over_a_kill)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":{\"fetch\":\"" H
				   "/flaky/9\",\"retry\":{\"attempts\":2,\"backoff\":\"20s\"}}}");
	world_run_for(&jw.w, 300 * MS);
	ck_assert_uint_eq(jw.n_requests, 1);
	job_world_kill(&jw);
	world_run_for(&jw.w, 200 * MS);
	ck_assert_uint_eq(jw.n_requests, 1);
	json_t *all = all_results(&jw, job);
	ck_assert_uint_eq(jw.n_requests, 2);
	ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(all, 0), "attempts")),
			 2);
	json_decref(all);
	job_world_close(&jw);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("recovery");
	TCase *t = tcase_create("kills");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, a_kill_at_any_step_leaves_one_result_for_each_leaf, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, ordered_lines_keep_their_order_over_a_kill);
	tcase_add_test(t, a_cancelled_job_does_not_come_back);
	tcase_add_test(t, a_deadline_runs_on_over_a_kill);
	tcase_add_loop_test(t, an_entered_finally_runs_after_a_kill, 0,
			    (int)(sizeof(cut) / sizeof(cut[0])));
	tcase_add_test(t, a_back_off_goes_on_over_a_kill);
	tcase_add_test(t, a_paused_job_stays_paused_over_a_kill);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
