/* Promises of a job: submitted, fed, fetched, its results followed to the end. */
#include "tests/unit/actor/job_world.h"

#define EACH(more)                                                                                 \
	"{\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":\"item\"," more                         \
	"\"do\":{\"fetch\":\"${item}\"}}}}"

START_TEST(one_fetch_gives_one_line_and_success)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":\"http://a.example/ok\"}");
	json_t *all = all_results(&jw, job);
	ck_assert_int_eq((int)json_array_size(all), 1);
	json_t *line = json_array_get(all, 0);
	ck_assert_str_eq(text_at(line, "job"), "j1");
	ck_assert_str_eq(text_at(line, "task"), "0");
	ck_assert_str_eq(text_at(line, "body"), "hello");
	ck_assert(json_is_true(json_object_get(line, "ok")));
	json_decref(all);
	ended_as(&jw, job, "succeeded", 1, 0, 0, 0, 0);
	job_world_close(&jw);
}
END_TEST

START_TEST(fed_items_are_fetched_and_followed_to_the_end)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, EACH("\"concurrency\":3,"));
	ck_assert_uint_eq(
		feed(&jw, job, 0, "[\"http://a.example/ok1\",\"http://a.example/ok2\"]", false), 2);
	ck_assert_uint_eq(feed(&jw, job, 2, "[\"http://a.example/status/404\",\"nonsense\"]", true),
			  4);
	json_t *all = all_results(&jw, job);
	ck_assert_int_eq((int)json_array_size(all), 4);
	json_decref(all);
	ended_as(&jw, job, "succeeded", 2, 2, 0, 0, 0);
	job_world_close(&jw);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		one_fetch_gives_one_line_and_success,
		fed_items_are_fetched_and_followed_to_the_end,
	};
	return run_tests("job", tests, sizeof(tests) / sizeof(*tests));
}
