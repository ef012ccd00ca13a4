/* Promises to who says `retry` of an ended job: what failed runs again, what succeeded does not,
 * new lines name those they replace, also over kill -9 at any step. The servers of /down… answer
 * 404 until they are mended. */
#include "tests/unit/actor/job_world.h"

#define H "http://a.example"

struct row {
	const char *name, *text, *feed;
	int before[5]; /* ok failed handled cancelled not_started */
	const char *state_before;
	int after[5];
	const char *state_after;
	int lines;	   /* of both runs */
	int asked;	   /* requests of the second run */
	const char *seen;  /* one that the second run asks for */
	const char *again; /* task=seq of each line that replaces another */
};

static const struct row rows[] = {
	{"one fetch",
	 "{\"run\":\"" H "/down\"}",
	 NULL,
	 {0, 1, 0, 0, 0},
	 "failed",
	 {1, 0, 0, 0, 0},
	 "succeeded",
	 2,
	 1,
	 "/down",
	 "0=1"},
	{"gather",
	 "{\"run\":{\"gather\":[\"" H "/ok\",\"" H "/down\",\"" H "/status/404\"]}}",
	 NULL,
	 {1, 2, 0, 0, 0},
	 "succeeded",
	 {2, 1, 0, 0, 0},
	 "succeeded",
	 5,
	 2,
	 "/down",
	 "0.1 0.2"},
	{"a group: who failed, who was cancelled, who never began",
	 "{\"run\":{\"sequence\":[{\"group\":[\"" H "/ok\",\"" H "/down\",\"" H "/slow/50\"]},\"" H
	 "/ok?last\"]}}",
	 NULL,
	 {1, 1, 0, 1, 1},
	 "failed",
	 {4, 0, 0, 0, 0},
	 "succeeded",
	 6,
	 3,
	 "/slow/50",
	 "0.0.1 0.0.2"},
	{"what a later task needs of an earlier one is remembered",
	 "{\"run\":{\"sequence\":[{\"id\":\"a\",\"fetch\":\"" H "/json\"},{\"fetch\":\"" H
	 "/down?${a/json/a/b/1}\"}]}}",
	 NULL,
	 {1, 1, 0, 0, 0},
	 "failed",
	 {2, 0, 0, 0, 0},
	 "succeeded",
	 3,
	 1,
	 "/down?2",
	 "0.1=2"},
	{"a fallback that found another way stays",
	 "{\"run\":{\"gather\":[{\"fallback\":[\"" H "/status/404\",\"" H "/ok\"]},\"" H
	 "/down\"]}}",
	 NULL,
	 {1, 1, 1, 0, 0},
	 "succeeded",
	 {2, 0, 1, 0, 0},
	 "succeeded",
	 4,
	 1,
	 "/down",
	 "0.1"},
	{"a fallback that found none tries again from the first",
	 "{\"run\":{\"fallback\":[\"" H "/down\",\"" H "/status/404\"]}}",
	 NULL,
	 {0, 2, 0, 0, 0},
	 "failed",
	 {1, 0, 0, 0, 0},
	 "succeeded",
	 3,
	 1,
	 "/down",
	 "0.0"},
	{"the loser of an any stays cancelled",
	 "{\"run\":{\"gather\":[{\"any\":[\"" H "/slow/9000\",\"" H
	 "/ok\"],\"stagger\":\"5ms\"},\"" H "/down\"]}}",
	 NULL,
	 {1, 1, 0, 1, 0},
	 "succeeded",
	 {2, 0, 0, 1, 0},
	 "succeeded",
	 4,
	 1,
	 "/down",
	 "0.1"},
	{"an any without a winner begins anew",
	 "{\"run\":{\"any\":[\"" H "/down\",\"" H "/status/404\"]}}",
	 NULL,
	 {0, 2, 0, 0, 0},
	 "failed",
	 {1, 0, 0, 0, 0},
	 "succeeded",
	 3,
	 1,
	 "/down",
	 "0.0"},
	{"what was caught stays caught",
	 "{\"run\":{\"gather\":[{\"fetch\":\"" H
	 "/status/404\",\"catch\":[{\"kinds\":[\"status\"],\"do\":{\"emit\":1}}]},\"" H
	 "/down\"]}}",
	 NULL,
	 {1, 1, 1, 0, 0},
	 "succeeded",
	 {2, 0, 1, 0, 0},
	 "succeeded",
	 4,
	 1,
	 "/down",
	 "0.1"},
	{"cleaning up runs again with what it cleans up after",
	 "{\"run\":{\"sequence\":[\"" H "/ok\",\"" H "/down\"],\"finally\":\"" H "/ok?f\"}}",
	 NULL,
	 {2, 1, 0, 0, 0},
	 "failed",
	 {3, 0, 0, 0, 0},
	 "succeeded",
	 5,
	 2,
	 "/ok?f",
	 "0.1 0.f"},
	{"attempts begin anew",
	 "{\"run\":{\"retry\":{\"attempts\":2,\"backoff\":\"20ms\"},\"sequence\":[{\"emit\":1},{"
	 "\"fetch\":\"" H "/down\",\"retry\":{\"attempts\":1}}]}}",
	 NULL,
	 {2, 1, 1, 0, 0},
	 "failed",
	 {3, 0, 1, 0, 0},
	 "succeeded",
	 5,
	 1,
	 "/down",
	 "0.1"},
	{"items of a list",
	 "{\"run\":{\"each\":{\"in\":[\"ok1\",\"down\",\"ok2\",\"s404\"],\"as\":\"p\","
	 "\"concurrency\":2,\"do\":{\"fetch\":\"" H "/${p}\"}}}}",
	 NULL,
	 {2, 2, 0, 0, 0},
	 "succeeded",
	 {3, 1, 0, 0, 0},
	 "succeeded",
	 6,
	 2,
	 "/down",
	 "0.1 0.3"},
	{"fed items",
	 "{\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":\"item\",\"concurrency\":2,\"do\":{"
	 "\"fetch\":\"${item}\"}}}}",
	 "[\"" H "/ok1\",\"" H "/slow/25\",\"" H "/down\",\"" H "/ok2\",\"" H "/ok3\"]",
	 {4, 1, 0, 0, 0},
	 "succeeded",
	 {5, 0, 0, 0, 0},
	 "succeeded",
	 6,
	 1,
	 "/down",
	 "0.2"},
	{"fed items in order",
	 "{\"results\":{\"ordered\":true},\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":"
	 "\"item\",\"concurrency\":3,\"do\":{\"fetch\":\"${item}\"}}}}",
	 "[\"" H "/slow/40\",\"" H "/down\",\"" H "/slow/20\",\"" H "/status/404\"]",
	 {2, 2, 0, 0, 0},
	 "succeeded",
	 {3, 1, 0, 0, 0},
	 "succeeded",
	 6,
	 2,
	 "/down",
	 "0.1=2 0.3=4"},
	{"a fed group goes on where it was cut off",
	 "{\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":\"item\",\"concurrency\":1,\"mode\":"
	 "\"group\",\"do\":{\"sequence\":[\"${item}\",{\"sleep\":\"1ms\"}]}}}}",
	 "[\"" H "/ok1\",\"" H "/down\",\"" H "/ok2\",\"" H "/ok3\"]",
	 {1, 1, 0, 0, 2},
	 "failed",
	 {4, 0, 0, 0, 0},
	 "succeeded",
	 5,
	 3,
	 "/ok3",
	 "0.1.0"},
	{"items of several tasks: what succeeded in them is kept",
	 "{\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":\"n\",\"concurrency\":2,\"do\":{"
	 "\"sequence\":[\"" H "/ok?a${n}\",\"" H "/${n}\",\"" H "/ok?z${n}\"]}}}}",
	 "[\"ok1\",\"down\",\"ok2\"]",
	 {7, 1, 0, 0, 1},
	 "succeeded",
	 {9, 0, 0, 0, 0},
	 "succeeded",
	 10,
	 2,
	 "/ok?zdown",
	 "0.1.1"},
	{"an each in an each",
	 "{\"run\":{\"each\":{\"in\":[\"x\",\"y\"],\"as\":\"a\",\"do\":{\"each\":{\"in\":[\"ok\","
	 "\"down\"],\"as\":\"b\",\"do\":{\"fetch\":\"" H "/${b}?${a}\"}}}}}}",
	 NULL,
	 {2, 2, 0, 0, 0},
	 "succeeded",
	 {4, 0, 0, 0, 0},
	 "succeeded",
	 6,
	 2,
	 "/down?y",
	 "0.0.1 0.1.1"},
	{"items of a task: it is not asked again",
	 "{\"run\":{\"each\":{\"in\":{\"json\":\"" H
	 "/json\",\"items\":\"/a/b\"},\"as\":\"n\",\"do\":{\"fetch\":\"" H "/down?${n}\"}}}}",
	 NULL,
	 {1, 2, 0, 0, 0},
	 "succeeded",
	 {3, 0, 0, 0, 0},
	 "succeeded",
	 5,
	 2,
	 "/down?2",
	 "0.0 0.1"},
	{"what a generator gave is not asked for again",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"sequence\":[{\"emit\":\"ok1\"},\"" H
	 "/ok?g\",{\"emit\":\"down\"}]}},\"as\":\"p\",\"do\":{\"fetch\":\"" H "/${p}\"}}}}",
	 NULL,
	 {4, 1, 0, 0, 0},
	 "succeeded",
	 {5, 0, 0, 0, 0},
	 "succeeded",
	 6,
	 1,
	 "/down",
	 "0.1"},
	{"a deadline that passed is given anew",
	 "{\"deadline\":\"60ms\",\"run\":{\"sequence\":[\"" H "/ok\",\"" H "/hangs\",\"" H
	 "/ok?2\"]}}",
	 NULL,
	 {1, 1, 0, 0, 1},
	 "expired",
	 {3, 0, 0, 0, 0},
	 "succeeded",
	 4,
	 2,
	 "/hangs",
	 "0.1=2"},
};

static void mend(struct job_world *jw)
{
	jw->is_mended = true;
	jw->n_requests = 0;
	bytes_clear(&jw->seen);
}

static struct asked *retry(struct job_world *jw, uint64_t job)
{
	struct asked *a = ask_job(jw, call_of(job, JOB_CALL_RETRY));
	await_answer(jw, a, 1000 * MS);
	return a;
}

static uint64_t run_first(struct job_world *jw, const struct row *r)
{
	uint64_t job = submit(jw, r->text);
	if (r->feed != NULL)
		feed(jw, job, 0, r->feed, true);
	json_decref(all_results(jw, job));
	ended_as(jw, job, r->state_before, r->before[0], r->before[1], r->before[2], r->before[3],
		 r->before[4]);
	mend(jw);
	return job;
}

/* Each line that replaces another names it by its number, and that one is of the same task. */
static void check_lines(const struct row *r, int ms, const json_t *all)
{
	int n = 0, wanted = 1;
	size_t i;
	json_t *line;
	for (const char *p = r->again; *p != '\0'; p++)
		wanted += *p == ' ';
	json_array_foreach(all, i, line)
	{
		json_int_t old = json_integer_value(json_object_get(line, "supersedes"));
		char name[48], numbered[72];
		if (old == 0)
			continue;
		n++;
		ck_assert_msg(old <= (json_int_t)i, "%s", r->name);
		ck_assert_str_eq(text_at(line, "task"),
				 text_at(json_array_get(all, (size_t)old - 1), "task"));
		snprintf(name, sizeof(name), "%s", text_at(line, "task"));
		snprintf(numbered, sizeof(numbered), "%s=%lld", name, (long long)old);
		ck_assert_msg(strstr(r->again, name) != NULL, "%s: %s", r->name, name);
		ck_assert_msg(strchr(r->again, '=') == NULL || strstr(r->again, numbered) != NULL,
			      "%s: %s", r->name, numbered);
	}
	ck_assert_msg(n == wanted, "%s, killed at %d: %d lines replace others", r->name, ms, n);
}

/* The second run, with a kill after so long (negative: none) and one just before the order. */
static uint32_t run_again(const struct row *r, int ms)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = run_first(&jw, r);
	if (ms % 2 != 0)
		job_world_kill(&jw);
	struct asked *a = retry(&jw, job);
	ck_assert_msg(a->kind == KIND_NONE, "%s: %s", r->name, bytes_cstr(&a->body));
	asked_free(a);
	if (ms >= 0) {
		world_run_for(&jw.w, ms * MS);
		job_world_kill(&jw);
	}
	json_t *all = all_results(&jw, job);
	char *text = json_dumps(all, 0);
	ck_assert_msg((int)json_array_size(all) == r->lines, "%s, killed at %d: %s", r->name, ms,
		      text);
	check_lines(r, ms, all);
	free(text);
	json_decref(all);
	ended_as(&jw, job, r->state_after, r->after[0], r->after[1], r->after[2], r->after[3],
		 r->after[4]);
	ck_assert_msg(strstr(bytes_cstr(&jw.seen), r->seen) != NULL, "%s: %s", r->name,
		      bytes_cstr(&jw.seen));
	uint32_t n = jw.n_requests;
	job_world_close(&jw);
	return n;
}

START_TEST(what_failed_runs_again_and_nothing_else)
{
	const struct row *r = &rows[_i];
	uint32_t n = run_again(r, -1);
	ck_assert_msg((int)n == r->asked, "%s: %u requests", r->name, n);
}
END_TEST

START_TEST(a_kill_at_any_step_of_the_second_run_changes_nothing)
{
	for (int ms = 0; ms < 40; ms++)
		run_again(&rows[_i], ms);
}
END_TEST

START_TEST(it_can_be_said_as_often_as_something_failed)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":{\"each\":{\"in\":[\"ok\",\"s404\",\"down\"],"
				   "\"as\":\"p\",\"do\":{\"fetch\":\"" H "/${p}\"}}}}");
	json_decref(all_results(&jw, job));
	for (int i = 0; i < 3; i++) {
		asked_free(retry(&jw, job));
		json_decref(all_results(&jw, job));
		ended_as(&jw, job, "succeeded", 1, 2, 0, 0, 0);
	}
	mend(&jw);
	asked_free(retry(&jw, job));
	json_t *all = all_results(&jw, job);
	ck_assert_uint_eq(json_array_size(all), 3 + 3 * 2 + 2);
	json_decref(all);
	ended_as(&jw, job, "succeeded", 2, 1, 0, 0, 0);
	ck_assert_uint_eq(jw.n_requests, 2);
	job_world_close(&jw);
}
END_TEST

START_TEST(it_is_refused_where_there_is_nothing_to_run_again)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t well = submit(&jw, "{\"run\":\"" H "/ok\"}");
	json_decref(all_results(&jw, well));
	struct asked *a = retry(&jw, well);
	ck_assert_int_eq(a->kind, KIND_CONFLICT);
	ck_assert_str_eq(bytes_cstr(&a->body), "no task of it failed");
	asked_free(a);
	uint64_t runs = submit(&jw, "{\"run\":\"" H "/hang\"}");
	a = retry(&jw, runs);
	ck_assert_int_eq(a->kind, KIND_CONFLICT);
	asked_free(a);
	a = retry(&jw, 4711);
	ck_assert_int_eq(a->kind, KIND_NOT_FOUND);
	asked_free(a);
	uint64_t attached = submit_as(&jw, "{\"run\":\"" H "/down\"}", true);
	json_decref(all_results(&jw, attached));
	a = retry(&jw, attached);
	ck_assert_int_eq(a->kind, KIND_CONFLICT);
	asked_free(a);
	json_decref(results_after(&jw, attached, 1, 1));
	world_run_for(&jw.w, 100 * MS);
	a = retry(&jw, attached);
	ck_assert_int_eq(a->kind, KIND_NOT_FOUND);
	asked_free(a);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_cancelled_job_goes_on_with_what_it_had_not_done)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":\"u\","
				   "\"concurrency\":2,\"do\":{\"fetch\":\"${u}\"}}}}");
	feed(&jw, job, 0,
	     "[\"" H "/ok1\",\"" H "/hangs1\",\"" H "/ok2\",\"" H "/hangs2\",\"" H "/ok3\"]",
	     false);
	world_run_for(&jw.w, 100 * MS);
	struct asked *a = ask_job(&jw, call_of(job, JOB_CALL_CANCEL));
	await_answer(&jw, a, 1000 * MS);
	asked_free(a);
	ended_as(&jw, job, "cancelled", 2, 0, 0, 3, 0);
	mend(&jw);
	asked_free(retry(&jw, job));
	json_decref(all_results(&jw, job));
	ended_as(&jw, job, "succeeded", 5, 0, 0, 0, 0);
	ck_assert_uint_eq(jw.n_requests, 3);
	job_world_close(&jw);
}
END_TEST

START_TEST(volatile_jobs_can_be_told_too)
{
	struct job_world jw;
	job_world_open(&jw);
	struct asked *a = submit_start(
		&jw, "{\"durable\":false,\"run\":{\"gather\":[\"" H "/ok\",\"" H "/down\"]}}",
		false);
	uint64_t id = 0;
	await_answer(&jw, a, 1000 * MS);
	ck_assert_int_eq(sscanf(bytes_cstr(&a->body), "{\"job\":\"v%lu\"", &id), 1);
	asked_free(a);
	world_run_for(&jw.w, 200 * MS);
	mend(&jw);
	struct job_call *c = call_of(id, JOB_CALL_RETRY);
	c->is_volatile = true;
	a = ask_job(&jw, c);
	await_answer(&jw, a, 1000 * MS);
	ck_assert_msg(a->kind == KIND_NONE, "%s", bytes_cstr(&a->body));
	asked_free(a);
	world_run_for(&jw.w, 200 * MS);
	c = call_of(id, JOB_CALL_SHOW);
	c->is_volatile = true;
	a = ask_job(&jw, c);
	await_answer(&jw, a, 1000 * MS);
	json_t *r = json_of(a);
	ck_assert_int_eq(task_count(r, "ok"), 2);
	json_decref(r);
	job_world_close(&jw);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job_retry");
	TCase *t = tcase_create("retry");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, what_failed_runs_again_and_nothing_else, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_loop_test(t, a_kill_at_any_step_of_the_second_run_changes_nothing, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, it_can_be_said_as_often_as_something_failed);
	tcase_add_test(t, it_is_refused_where_there_is_nothing_to_run_again);
	tcase_add_test(t, a_cancelled_job_goes_on_with_what_it_had_not_done);
	tcase_add_test(t, volatile_jobs_can_be_told_too);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
