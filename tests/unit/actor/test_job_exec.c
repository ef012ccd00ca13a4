/* Promises of exec, with a runner that is a script: what it is asked to run, how each end of a
 * program is told, who waits, and that nothing is left behind. */
#include "edge/runner.h"
#include "model/config.h"
#include "run/sync.h"
#include "tests/unit/actor/job_world.h"

#define CALLS_MAX 16

struct scripted {
	struct runner runner; /* first */
	struct runner_call *call[CALLS_MAX];
	struct bytes asked[CALLS_MAX]; /* argv|env|stdin|timeout memory output */
	bool is_cancelled[CALLS_MAX], is_abandoned[CALLS_MAX], has_ended[CALLS_MAX];
	uint32_t n, now, most;
	enum err refuses;
};

static void add_list(struct bytes *out, const char *const *list)
{
	for (; *list != NULL; list++)
		bytes_printf(out, "%s,", *list);
	bytes_add_byte(out, '|');
}

static enum err start(struct runner *r, const struct runnerwire_run *run, struct runner_call *c)
{
	struct scripted *s = (struct scripted *)(void *)r;
	if (s->refuses != ERR_OK)
		return s->refuses;
	ck_assert_uint_lt(s->n, CALLS_MAX);
	struct bytes *out = &s->asked[s->n];
	add_list(out, run->argv);
	add_list(out, run->env);
	bytes_add_slice(out, run->input);
	bytes_printf(out, "|%llu %llu %u", (unsigned long long)run->timeout_ms,
		     (unsigned long long)run->memory_bytes, run->output_bytes);
	s->call[s->n++] = c;
	s->most = ++s->now > s->most ? s->now : s->most;
	return ERR_OK;
}

static uint32_t place_of(const struct scripted *s, const struct runner_call *c)
{
	for (uint32_t i = s->n; i-- > 0;)
		if (s->call[i] == c && !s->has_ended[i])
			return i;
	return CALLS_MAX;
}

static void cancel(struct runner *r, struct runner_call *c)
{
	struct scripted *s = (struct scripted *)(void *)r;
	if (place_of(s, c) < CALLS_MAX)
		s->is_cancelled[place_of(s, c)] = true;
}

static void gone(struct scripted *s, uint32_t i)
{
	s->has_ended[i] = true;
	s->call[i] = NULL;
	s->now--;
}

static void abandon(struct runner *r, struct runner_call *c)
{
	struct scripted *s = (struct scripted *)(void *)r;
	uint32_t i = place_of(s, c);
	if (i == CALLS_MAX)
		return;
	s->is_abandoned[i] = true;
	gone(s, i);
}

static uint32_t n_calls(const struct runner *r)
{
	return ((const struct scripted *)(const void *)r)->now;
}

static const struct runner_ops ops = {start, cancel, abandon, n_calls};

/* ---- the world ---- */

static const char *programs[] = {"/bin/ok", "/opt/tools/*"};

static const struct config *settings(void *ctx)
{
	static const struct config c = {.jobs_active = 16,
					.jobs_queued = 100,
					.http_user_agent = "",
					.exec_timeout = 60000,
					.exec_memory = 1 << 20,
					.exec_max_output = 4096,
					.programs = programs,
					.n_programs = 2};
	(void)ctx;
	return &c;
}

struct exec_world {
	struct job_world jw; /* first */
	struct scripted runner;
	uint32_t places;
};

static void equip(struct job_world *jw)
{
	struct exec_world *w = (struct exec_world *)(void *)jw;
	for (uint32_t i = 0; i < w->runner.n; i++)
		bytes_fini(&w->runner.asked[i]);
	w->runner = (struct scripted){.runner = {.ops = &ops}};
	jw->peers.runner = &w->runner.runner;
	jw->peers.programs = act_sem_new(jw->w.sh, ACT_SEM_OWNED, w->places, w->places);
	jw->peers.config = settings;
}

static void exec_open(struct exec_world *w, uint32_t places)
{
	struct store_options o = {.kind = STORE_MEMORY};
	*w = (struct exec_world){.places = places, .jw = {.equip = equip}};
	ck_assert_int_eq(store_open(&o, &w->jw.durable), ERR_OK);
	ck_assert_int_eq(store_open(&o, &w->jw.memory), ERR_OK);
	table_init(&w->jw.flaky, 1);
	job_world_begin(&w->jw);
}

static void scripted_fini(struct scripted *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		bytes_fini(&s->asked[i]);
}

static void exec_kill(struct exec_world *w)
{
	act_sem_free(w->jw.peers.programs);
	job_world_kill(&w->jw);
}

static void exec_close(struct exec_world *w)
{
	act_sem_free(w->jw.peers.programs);
	job_world_close(&w->jw);
	scripted_fini(&w->runner);
}

static void ends(struct exec_world *w, uint32_t i, const struct runnerwire_ended *how)
{
	struct runner_end e = {.ended = *how};
	struct runner_call *c = w->runner.call[i];
	ck_assert_ptr_nonnull(c);
	gone(&w->runner, i);
	c->on_end(c, &e);
	world_settle(&w->jw.w);
}

static void exits(struct exec_world *w, uint32_t i, uint32_t status, const char *out,
		  const char *err)
{
	struct runnerwire_ended how = {.how = RUNNERWIRE_EXITED,
				       .number = status,
				       .out = slice_of(out),
				       .err_bytes = slice_of(err)};
	ends(w, i, &how);
}

static json_t *only_line(struct exec_world *w, uint64_t job)
{
	json_t *all = all_results(&w->jw, job);
	ck_assert_uint_eq(json_array_size(all), 1);
	json_t *line = json_incref(json_array_get(all, 0));
	json_decref(all);
	return line;
}

static const char *error_of(const json_t *line, const char *key)
{
	return text_at(json_object_get(line, "error"), key);
}

/* ---- what it is asked ---- */

START_TEST(the_runner_is_asked_for_what_the_job_says_and_no_more)
{
	struct exec_world w;
	exec_open(&w, 4);
	uint64_t job = submit(&w.jw, "{\"run\":{\"each\":{\"in\":[{\"a\":\"x y\"}],\"as\":\"i\","
				     "\"do\":{\"exec\":{\"argv\":[\"/bin/ok\",\"-n\",\"${i/a};\"],"
				     "\"stdin\":\"in ${i/a}\",\"env\":{\"TOKEN\":\"t${i/a}\"},"
				     "\"timeout\":\"7s\"}}}}}");
	world_run_for(&w.jw.w, 10 * MS);
	ck_assert_str_eq(bytes_cstr(&w.runner.asked[0]),
			 "/bin/ok,-n,x y;,|PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
			 "/sbin:/bin,LANG=C.UTF-8,TOKEN=tx y,|in x y|7000 1048576 4096");
	exits(&w, 0, 0, "out", "");
	json_t *line = only_line(&w, job);
	ck_assert_str_eq(text_at(json_object_get(line, "value"), "stdout"), "out");
	json_decref(line);
	exec_close(&w);
}
END_TEST

static const struct {
	const char *run, *kind, *word;
} denied[] = {
	{"{\"exec\":{\"argv\":[\"/bin/other\"]}}", "policy.denied", "exec.programs"},
	{"{\"exec\":{\"argv\":[\"ok\"]}}", "policy.denied", "exec.programs"},
	{"{\"exec\":{\"argv\":[\"/opt/tools/../../bin/sh\"]}}", "policy.denied", "exec.programs"},
	{"{\"exec\":{\"argv\":[\"/bin/ok\"],\"env\":{\"LD_PRELOAD\":\"x\"}}}", "policy.denied",
	 "LD_PRELOAD"},
	{"{\"sequence\":[{\"id\":\"n\",\"emit\":\"a\\u0000b\"},{\"exec\":{\"argv\":[\"/bin/ok\","
	 "\"${n}\"]}}]}",
	 "request.invalid", "NUL"},
};

START_TEST(what_may_not_run_never_reaches_the_runner)
{
	struct exec_world w;
	char text[512];
	exec_open(&w, 4);
	snprintf(text, sizeof(text), "{\"run\":%s}", denied[_i].run);
	uint64_t job = submit(&w.jw, text);
	json_t *all = all_results(&w.jw, job);
	const json_t *line = json_array_get(all, json_array_size(all) - 1);
	ck_assert_str_eq(error_of(line, "kind"), denied[_i].kind);
	ck_assert_msg(strstr(error_of(line, "message"), denied[_i].word) != NULL, "%s",
		      error_of(line, "message"));
	ck_assert_uint_eq(w.runner.n, 0);
	json_decref(all);
	exec_close(&w);
}
END_TEST

/* ---- how it ends ---- */

static const struct {
	struct runnerwire_ended how;
	const char *kind, *word;
	int exit; /* -1: there is no value */
} ended[] = {
	{{.how = RUNNERWIRE_EXITED, .number = 3, .err_bytes = {"a\nno disk\n", 10}},
	 "offload.failed",
	 "status 3: no disk",
	 3},
	{{.how = RUNNERWIRE_SIGNALED, .number = 11}, "offload.failed", "signal 11 (SIGSEGV)", 139},
	{{.how = RUNNERWIRE_TIMED_OUT}, "attempt.timeout", "not done within 60000 ms", -2},
	{{.how = RUNNERWIRE_NOT_STARTED, .number = 2},
	 "offload.failed",
	 "cannot be started: No such file",
	 -1},
};

START_TEST(every_end_of_a_program_has_its_kind_and_its_words)
{
	struct exec_world w;
	exec_open(&w, 4);
	uint64_t job = submit(&w.jw, "{\"run\":{\"exec\":{\"argv\":[\"/bin/ok\"]}}}");
	world_run_for(&w.jw.w, 10 * MS);
	ends(&w, 0, &ended[_i].how);
	json_t *line = only_line(&w, job);
	ck_assert_str_eq(error_of(line, "kind"), ended[_i].kind);
	ck_assert_msg(strstr(error_of(line, "message"), ended[_i].word) != NULL, "%s",
		      error_of(line, "message"));
	const json_t *value = json_object_get(line, "value");
	if (ended[_i].exit >= 0)
		ck_assert_int_eq(json_integer_value(json_object_get(value, "exit")),
				 ended[_i].exit);
	else if (ended[_i].exit == -1)
		ck_assert_ptr_null(value);
	json_decref(line);
	ended_as(&w.jw, job, "failed", 0, 1, 0, 0, 0);
	exec_close(&w);
}
END_TEST

START_TEST(cut_output_is_whole_characters_and_says_so)
{
	struct exec_world w;
	exec_open(&w, 4);
	uint64_t job = submit(&w.jw, "{\"run\":{\"exec\":{\"argv\":[\"/opt/tools/x\"]}}}");
	world_run_for(&w.jw.w, 10 * MS);
	struct runnerwire_ended how = {.how = RUNNERWIRE_EXITED,
				       .out = {"ab\xc3", 3},
				       .err_bytes = {"\xa4yz", 3},
				       .out_cut = true,
				       .err_cut = true};
	ends(&w, 0, &how);
	json_t *line = only_line(&w, job), *value = json_object_get(line, "value");
	ck_assert_str_eq(text_at(value, "stdout"), "ab");
	ck_assert_str_eq(text_at(value, "stderr"), "yz");
	ck_assert_uint_eq(json_array_size(json_object_get(value, "truncated")), 2);
	json_decref(line);
	exec_close(&w);
}
END_TEST

START_TEST(a_lost_runner_fails_what_ran_and_is_tried_again_if_the_job_says_so)
{
	struct exec_world w;
	exec_open(&w, 4);
	uint64_t job = submit(&w.jw, "{\"run\":{\"retry\":{\"attempts\":2,\"backoff\":\"20ms\"},"
				     "\"exec\":{\"argv\":[\"/bin/ok\"]}}}");
	world_run_for(&w.jw.w, 10 * MS);
	struct runner_end lost = {.is_lost = true, .why = "the runner is gone"};
	struct runner_call *c = w.runner.call[0];
	gone(&w.runner, 0);
	c->on_end(c, &lost);
	world_run_for(&w.jw.w, 100 * MS);
	ck_assert_uint_eq(w.runner.n, 2);
	exits(&w, 1, 0, "", "");
	json_t *line = only_line(&w, job), *history = json_object_get(line, "history");
	ck_assert_int_eq(json_integer_value(json_object_get(line, "attempts")), 2);
	ck_assert_uint_eq(json_array_size(history), 2);
	ck_assert_str_eq(text_at(json_array_get(history, 0), "kind"), "offload.failed");
	json_decref(line);
	exec_close(&w);
}
END_TEST

START_TEST(what_the_runner_cannot_take_is_said)
{
	struct exec_world w;
	exec_open(&w, 4);
	w.runner.refuses = ERR_TOO_LARGE;
	uint64_t job = submit(&w.jw, "{\"run\":{\"exec\":{\"argv\":[\"/bin/ok\"]}}}");
	json_t *line = only_line(&w, job);
	ck_assert_str_eq(error_of(line, "kind"), "request.too_large");
	json_decref(line);
	exec_close(&w);
}
END_TEST

/* ---- cancel ---- */

START_TEST(a_cancelled_task_ends_only_after_its_program)
{
	struct exec_world w;
	exec_open(&w, 4);
	uint64_t job = submit(&w.jw, "{\"run\":{\"exec\":{\"argv\":[\"/bin/ok\"]}}}");
	world_run_for(&w.jw.w, 10 * MS);
	struct asked *a = ask_job(&w.jw, call_of(job, JOB_CALL_CANCEL));
	await_answer(&w.jw, a, 100 * MS);
	asked_free(a);
	world_run_for(&w.jw.w, 1000 * MS);
	ck_assert(w.runner.is_cancelled[0]);
	a = ask_job(&w.jw, call_of(job, JOB_CALL_SHOW));
	await_answer(&w.jw, a, 100 * MS);
	json_t *r = json_of(a);
	ck_assert_str_eq(text_at(r, "state"), "cancelling");
	json_decref(r);
	const struct runnerwire_ended how = {.how = RUNNERWIRE_CANCELLED};
	ends(&w, 0, &how);
	ended_as(&w.jw, job, "cancelled", 0, 0, 0, 1, 0);
	exec_close(&w);
}
END_TEST

START_TEST(a_program_that_does_not_end_is_left_to_the_runner_after_eight_seconds)
{
	struct exec_world w;
	exec_open(&w, 4);
	uint64_t job =
		submit(&w.jw, "{\"run\":{\"timeout\":\"1s\",\"exec\":{\"argv\":[\"/bin/ok\"]}}}");
	world_run_for(&w.jw.w, 2000 * MS);
	ck_assert(w.runner.is_cancelled[0] && !w.runner.is_abandoned[0]);
	world_run_for(&w.jw.w, 8000 * MS);
	ck_assert(w.runner.is_abandoned[0]);
	ended_as(&w.jw, job, "failed", 0, 1, 0, 0, 0);
	exec_close(&w);
}
END_TEST

/* ---- who waits ---- */

START_TEST(no_more_run_than_there_are_places_and_a_pause_gives_them_back)
{
	struct exec_world w;
	exec_open(&w, 2);
	uint64_t job =
		submit(&w.jw, "{\"run\":{\"each\":{\"in\":{\"range\":[0,5]},\"concurrency\":5,"
			      "\"do\":{\"exec\":{\"argv\":[\"/bin/ok\"]}}}}}");
	world_run_for(&w.jw.w, 10 * MS);
	ck_assert_uint_eq(w.runner.n, 2);
	struct asked *a = ask_job(&w.jw, call_of(job, JOB_CALL_PAUSE));
	await_answer(&w.jw, a, 100 * MS);
	asked_free(a);
	exits(&w, 0, 0, "", "");
	world_run_for(&w.jw.w, 100 * MS);
	ck_assert_uint_eq(w.runner.n, 2);
	uint64_t other = submit(&w.jw, "{\"run\":{\"exec\":{\"argv\":[\"/bin/ok\",\"other\"]}}}");
	world_run_for(&w.jw.w, 100 * MS);
	ck_assert_uint_eq(w.runner.n, 3);
	exits(&w, 2, 0, "", "");
	ended_as(&w.jw, other, "succeeded", 1, 0, 0, 0, 0);
	a = ask_job(&w.jw, call_of(job, JOB_CALL_RESUME));
	await_answer(&w.jw, a, 100 * MS);
	asked_free(a);
	for (uint32_t i = 1; i < 6; i++) {
		world_run_for(&w.jw.w, 20 * MS);
		if (i != 2)
			exits(&w, i, 0, "", "");
	}
	ended_as(&w.jw, job, "succeeded", 5, 0, 0, 0, 0);
	ck_assert_uint_eq(w.runner.most, 2);
	exec_close(&w);
}
END_TEST

START_TEST(the_rate_of_the_job_counts_programs_and_no_origin_does)
{
	struct exec_world w;
	exec_open(&w, 8);
	submit(&w.jw, "{\"limits\":{\"rate\":\"2/s\"},\"run\":{\"each\":{\"in\":{\"range\":[0,8]},"
		      "\"concurrency\":8,\"do\":{\"exec\":{\"argv\":[\"/bin/ok\"]}}}}}");
	world_run_for(&w.jw.w, 1900 * MS);
	ck_assert_uint_eq(w.runner.n, 4);
	submit(&w.jw, "{\"run\":{\"each\":{\"in\":{\"range\":[0,4]},\"concurrency\":8,\"do\":{"
		      "\"exec\":{\"argv\":[\"/bin/ok\"]}}}}}");
	world_run_for(&w.jw.w, 50 * MS);
	ck_assert_uint_eq(w.runner.n, 8);
	exec_close(&w);
}
END_TEST

START_TEST(after_a_kill_what_had_not_ended_runs_again_and_what_had_does_not)
{
	struct exec_world w;
	exec_open(&w, 8);
	uint64_t job =
		submit(&w.jw, "{\"run\":{\"gather\":[{\"exec\":{\"argv\":[\"/bin/ok\",\"a\"]}},"
			      "{\"exec\":{\"argv\":[\"/bin/ok\",\"b\"]}}]}}");
	world_run_for(&w.jw.w, 10 * MS);
	exits(&w, 0, 0, "first", "");
	world_run_for(&w.jw.w, 50 * MS);
	exec_kill(&w);
	world_run_for(&w.jw.w, 50 * MS);
	ck_assert_uint_eq(w.runner.n, 1);
	ck_assert_ptr_nonnull(strstr(bytes_cstr(&w.runner.asked[0]), ",b,|"));
	exits(&w, 0, 0, "", "");
	ended_as(&w.jw, job, "succeeded", 2, 0, 0, 0, 0);
	exec_close(&w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job_exec");
	TCase *t = tcase_create("exec");
	tcase_add_test(t, the_runner_is_asked_for_what_the_job_says_and_no_more);
	tcase_add_loop_test(t, what_may_not_run_never_reaches_the_runner, 0,
			    (int)(sizeof(denied) / sizeof(denied[0])));
	tcase_add_loop_test(t, every_end_of_a_program_has_its_kind_and_its_words, 0,
			    (int)(sizeof(ended) / sizeof(ended[0])));
	tcase_add_test(t, cut_output_is_whole_characters_and_says_so);
	tcase_add_test(t, a_lost_runner_fails_what_ran_and_is_tried_again_if_the_job_says_so);
	tcase_add_test(t, what_the_runner_cannot_take_is_said);
	tcase_add_test(t, a_cancelled_task_ends_only_after_its_program);
	tcase_add_test(t, a_program_that_does_not_end_is_left_to_the_runner_after_eight_seconds);
	tcase_add_test(t, no_more_run_than_there_are_places_and_a_pause_gives_them_back);
	tcase_add_test(t, the_rate_of_the_job_counts_programs_and_no_origin_does);
	tcase_add_test(t, after_a_kill_what_had_not_ended_runs_again_and_what_had_does_not);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
