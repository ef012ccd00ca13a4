/* Promises to those who watch and steer a job: pages of results, cancel, pause, order, feeding. */
#include "model/config.h"
#include "tests/unit/actor/job_world.h"

#define H "http://a.example"
#define FEED(more, c)                                                                              \
	"{" more "\"run\":{\"each\":{\"in\":{\"feed\":true},\"as\":\"item\",\"concurrency\":" c    \
	",\"do\":{\"fetch\":\"${item}\"}}}}"

/* ["H/p0","H/p1",…] with n items. */
static char *items(const char *path, int from, int n)
{
	struct bytes b = BYTES_LIMIT(0);
	bytes_add_byte(&b, '[');
	for (int i = from; i < from + n; i++)
		bytes_printf(&b, "%s\"" H "/%s%d\"", i > from ? "," : "", path, i);
	bytes_add_byte(&b, ']');
	return bytes_steal(&b, &(size_t){0});
}

static void feed_many(struct job_world *jw, uint64_t job, uint64_t offset, const char *path, int n,
		      bool end)
{
	char *text = items(path, (int)offset, n);
	ck_assert_uint_eq(feed(jw, job, offset, text, end), offset + (uint64_t)n);
	free(text);
}

static struct asked *order(struct job_world *jw, uint64_t job, enum job_call_kind kind)
{
	struct asked *a = ask_job(jw, call_of(job, kind));
	await_answer(jw, a, 1000 * MS);
	return a;
}

START_TEST(a_thousand_fed_items_give_a_thousand_lines_in_seq_order)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, FEED("", "64"));
	feed_many(&jw, job, 0, "ok", 600, false);
	feed_many(&jw, job, 600, "ok", 400, true);
	json_t *all = all_results(&jw, job);
	ck_assert_int_eq((int)json_array_size(all), 1000);
	json_decref(all);
	ck_assert_uint_eq(jw.n_requests, 1000);
	ended_as(&jw, job, "succeeded", 1000, 0, 0, 0, 0);
	job_world_close(&jw);
}
END_TEST

START_TEST(no_more_than_the_concurrency_is_under_way)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, FEED("", "3"));
	feed_many(&jw, job, 0, "ok", 50, true);
	json_decref(all_results(&jw, job));
	ck_assert_uint_eq(jw.most_now, 3);
	job_world_close(&jw);
}
END_TEST

START_TEST(feeding_again_at_an_old_offset_adds_nothing)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, FEED("", "4"));
	char *text = items("ok", 0, 10);
	ck_assert_uint_eq(feed(&jw, job, 0, text, false), 10);
	ck_assert_uint_eq(feed(&jw, job, 0, text, false), 10);
	free(text);
	text = items("ok", 5, 10);
	ck_assert_uint_eq(feed(&jw, job, 5, text, true), 15);
	free(text);
	struct asked *a = feed_start(&jw, job, 20, "[]", false);
	await_answer(&jw, a, 1000 * MS);
	ck_assert_int_eq(a->kind, KIND_REQUEST_INVALID);
	asked_free(a);
	json_t *all = all_results(&jw, job);
	ck_assert_int_eq((int)json_array_size(all), 15);
	json_decref(all);
	job_world_close(&jw);
}
END_TEST

START_TEST(cancel_closes_what_is_under_way_and_never_starts_the_rest)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, FEED("", "5"));
	feed_many(&jw, job, 0, "hang", 300, true);
	world_run_for(&jw.w, 100 * MS);
	ck_assert_uint_eq(jw.n_now, 5);
	json_t *r = json_of(order(&jw, job, JOB_CALL_CANCEL));
	json_decref(r);
	world_run_for(&jw.w, 20 * MS);
	ck_assert_uint_eq(jw.n_now, 0);
	ck_assert_uint_eq(jw.n_given_up, 5);
	r = record(&jw, job);
	ck_assert_str_eq(text_at(r, "state"), "cancelled");
	ck_assert_int_eq(task_count(r, "total"), 300);
	ck_assert_int_eq(task_count(r, "cancelled") + task_count(r, "not_started"), 300);
	json_decref(r);
	struct asked *a = order(&jw, job, JOB_CALL_CANCEL);
	ck_assert_int_eq(a->kind, KIND_CONFLICT);
	asked_free(a);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_paused_job_starts_nothing_until_resumed)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, FEED("", "2"));
	json_decref(json_of(order(&jw, job, JOB_CALL_PAUSE)));
	feed_many(&jw, job, 0, "ok", 10, true);
	world_run_for(&jw.w, 5000 * MS);
	ck_assert_uint_eq(jw.n_requests, 0);
	json_t *r = json_of(order(&jw, job, JOB_CALL_SHOW));
	ck_assert_str_eq(text_at(r, "state"), "paused");
	json_decref(r);
	json_decref(json_of(order(&jw, job, JOB_CALL_RESUME)));
	json_decref(all_results(&jw, job));
	ended_as(&jw, job, "succeeded", 10, 0, 0, 0, 0);
	job_world_close(&jw);
}
END_TEST

START_TEST(ordered_lines_come_in_input_order)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, FEED("\"results\":{\"ordered\":true},", "8"));
	ck_assert_uint_eq(feed(&jw, job, 0,
			       "[\"" H "/slow/500\",\"" H "/ok\",\"" H "/slow/200\",\"" H
			       "/status/404\",\"" H "/slow/300\",\"" H "/ok5\"]",
			       true),
			  6);
	json_t *all = all_results(&jw, job);
	ck_assert_int_eq((int)json_array_size(all), 6);
	for (size_t i = 0; i < 6; i++) {
		char task[16];
		snprintf(task, sizeof(task), "0.%zu", i);
		ck_assert_str_eq(text_at(json_array_get(all, i), "task"), task);
	}
	json_decref(all);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_page_keeps_to_max_and_to_max_bytes)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, FEED("", "64"));
	feed_many(&jw, job, 0, "ok", 100, true);
	json_decref(record(&jw, job));
	struct job_call *c = call_of(job, JOB_CALL_RESULTS);
	c->results.max = 7;
	struct asked *a = ask_job(&jw, c);
	await_answer(&jw, a, 1000 * MS);
	json_t *page = json_of(a);
	ck_assert_int_eq((int)json_array_size(json_object_get(page, "results")), 7);
	ck_assert(json_is_false(json_object_get(page, "done")));
	json_decref(page);
	c = call_of(job, JOB_CALL_RESULTS);
	c->results.max_bytes = 1000;
	c->results.after = 7;
	a = ask_job(&jw, c);
	await_answer(&jw, a, 1000 * MS);
	ck_assert_uint_lt(a->body.n, 1400);
	page = json_of(a);
	ck_assert_uint_ge(json_array_size(json_object_get(page, "results")), 1);
	json_decref(page);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_page_of_one_line_comes_whatever_its_size)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":\"" H "/ok\"}");
	json_decref(record(&jw, job));
	struct job_call *c = call_of(job, JOB_CALL_RESULTS);
	c->results.max_bytes = 1;
	struct asked *a = ask_job(&jw, c);
	await_answer(&jw, a, 1000 * MS);
	json_t *page = json_of(a);
	ck_assert_uint_eq(json_array_size(json_object_get(page, "results")), 1);
	ck_assert(json_is_true(json_object_get(page, "done")));
	json_decref(page);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_poll_is_answered_20_ms_after_its_first_line)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":{\"gather\":[\"" H "/slow/100\",\"" H "/hang\"]}}");
	struct job_call *c = call_of(job, JOB_CALL_RESULTS);
	c->results.wait_ms = 25000;
	int64_t start = jw.w.fake.now_ns;
	struct asked *a = ask_job(&jw, c);
	await_answer(&jw, a, 1000 * MS);
	ck_assert_int_ge(a->at_ns - start, 120 * MS - 10 * MS);
	ck_assert_int_le(a->at_ns - start, 140 * MS);
	asked_free(a);
	job_world_close(&jw);
}
END_TEST

START_TEST(a_wait_without_a_result_ends_when_its_time_is_over)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":\"" H "/hang\"}");
	struct job_call *c = call_of(job, JOB_CALL_RESULTS);
	c->results.wait_ms = 300;
	struct asked *a = ask_job(&jw, c);
	await_answer(&jw, a, 400 * MS);
	json_t *page = json_of(a);
	ck_assert_uint_eq(json_array_size(json_object_get(page, "results")), 0);
	ck_assert(json_is_false(json_object_get(page, "done")));
	json_decref(page);
	job_world_close(&jw);
}
END_TEST

START_TEST(an_attached_job_whose_command_is_gone_is_cancelled)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit_as(&jw, FEED("", "5"), true);
	feed_many(&jw, job, 0, "hang", 5, false);
	world_run_for(&jw.w, 50 * MS);
	json_decref(json_of(order(&jw, job, JOB_CALL_ATTACH_LOST)));
	ended_as(&jw, job, "cancelled", 0, 0, 0, 5, 0);
	job_world_close(&jw);
}
END_TEST

START_TEST(another_users_job_does_not_exist)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"run\":\"" H "/hang\"}");
	struct job_call *c = call_of(job, JOB_CALL_CANCEL);
	c->uid = 1001;
	struct asked *a = ask_job(&jw, c);
	await_answer(&jw, a, 1000 * MS);
	ck_assert_int_eq(a->kind, KIND_NOT_FOUND);
	asked_free(a);
	a = order(&jw, job + 5, JOB_CALL_SHOW);
	ck_assert_int_eq(a->kind, KIND_NOT_FOUND);
	asked_free(a);
	job_world_close(&jw);
}
END_TEST

START_TEST(an_unread_volatile_job_launches_nothing_beyond_its_bytes)
{
	struct job_world jw;
	job_world_open(&jw);
	struct asked *s = submit_start(&jw, FEED("\"durable\":false,", "64"), true);
	await_answer(&jw, s, 1000 * MS);
	ck_assert_int_eq(strncmp(bytes_cstr(&s->body), "{\"job\":\"v1\"", 11), 0);
	asked_free(s);
	for (int i = 0; i < 60; i++) {
		char *text = items("ok", i * 1000, 1000);
		struct job_call *c = call_of(1, JOB_CALL_FEED);
		c->is_volatile = true;
		c->feed.offset = (uint64_t)i * 1000;
		bytes_add_str(&c->feed.items, text);
		struct asked *a = ask_job(&jw, c);
		await_answer(&jw, a, 1000 * MS);
		asked_free(a);
		free(text);
	}
	world_run_for(&jw.w, 60000 * MS);
	ck_assert_uint_gt(jw.n_requests, 5000);
	ck_assert_uint_lt(jw.n_requests, 45000);
	job_world_close(&jw);
}
END_TEST

static const struct config *one_at_a_time(void *ctx)
{
	static const struct config c = {
		.jobs_active = 1, .jobs_queued = 100, .http_user_agent = ""};
	(void)ctx;
	return &c;
}

START_TEST(no_more_jobs_run_than_are_admitted_and_the_important_go_first)
{
	struct job_world jw = {.peers.config = one_at_a_time};
	struct store_options o = {.kind = STORE_MEMORY};
	ck_assert_int_eq(store_open(&o, &jw.durable), ERR_OK);
	ck_assert_int_eq(store_open(&o, &jw.memory), ERR_OK);
	table_init(&jw.flaky, 1);
	job_world_begin(&jw);
	uint64_t a = submit(&jw, "{\"run\":\"" H "/slow/500\"}");
	uint64_t b = submit(&jw, "{\"priority\":2,\"run\":\"" H "/ok-b\"}");
	uint64_t c = submit(&jw, "{\"priority\":8,\"run\":\"" H "/ok-c\"}");
	world_run_for(&jw.w, 100 * MS);
	ck_assert_uint_eq(jw.n_requests, 1);
	json_t *r = json_of(order(&jw, b, JOB_CALL_SHOW));
	ck_assert_str_eq(text_at(r, "state"), "queued");
	json_decref(r);
	ended_as(&jw, a, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, c, "succeeded", 1, 0, 0, 0, 0);
	ended_as(&jw, b, "succeeded", 1, 0, 0, 0, 0);
	ck_assert_str_eq(bytes_cstr(&jw.seen), "/slow/500\n/ok-c\n/ok-b\n");
	job_world_close(&jw);
}
END_TEST

/* A minute of waiting is worth one step: 3, after four minutes, goes before a new 6. */
START_TEST(who_has_waited_long_enough_goes_before_the_important)
{
	struct job_world jw = {.peers.config = one_at_a_time};
	struct store_options o = {.kind = STORE_MEMORY};
	ck_assert_int_eq(store_open(&o, &jw.durable), ERR_OK);
	ck_assert_int_eq(store_open(&o, &jw.memory), ERR_OK);
	table_init(&jw.flaky, 1);
	job_world_begin(&jw);
	uint64_t hangs = submit(&jw, "{\"run\":\"" H "/hang\"}");
	uint64_t old = submit(&jw, "{\"priority\":3,\"run\":\"" H "/ok-old\"}");
	world_run_for(&jw.w, 4 * 60 * 1000 * MS);
	submit(&jw, "{\"priority\":6,\"run\":\"" H "/ok-new\"}");
	submit(&jw, "{\"priority\":9,\"run\":\"" H "/ok-first\"}");
	json_decref(json_of(order(&jw, hangs, JOB_CALL_CANCEL)));
	world_run_for(&jw.w, 1000 * MS);
	ck_assert_str_eq(bytes_cstr(&jw.seen), "/hang\n/ok-first\n/ok-old\n/ok-new\n");
	ended_as(&jw, old, "succeeded", 1, 0, 0, 0, 0);
	job_world_close(&jw);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_thousand_fed_items_give_a_thousand_lines_in_seq_order,
		no_more_than_the_concurrency_is_under_way,
		feeding_again_at_an_old_offset_adds_nothing,
		cancel_closes_what_is_under_way_and_never_starts_the_rest,
		a_paused_job_starts_nothing_until_resumed,
		ordered_lines_come_in_input_order,
		a_page_keeps_to_max_and_to_max_bytes,
		a_page_of_one_line_comes_whatever_its_size,
		a_poll_is_answered_20_ms_after_its_first_line,
		a_wait_without_a_result_ends_when_its_time_is_over,
		an_attached_job_whose_command_is_gone_is_cancelled,
		another_users_job_does_not_exist,
		an_unread_volatile_job_launches_nothing_beyond_its_bytes,
		no_more_jobs_run_than_are_admitted_and_the_important_go_first,
		who_has_waited_long_enough_goes_before_the_important,
	};
	return run_tests("orders", tests, sizeof(tests) / sizeof(*tests));
}
