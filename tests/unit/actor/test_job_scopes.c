/* Promises of scopes: who ends whom, which deadline counts, what cannot be caught, in what order
 * errors stand and how many of them; row by row. */
#include "model/pointer.h"
#include "tests/unit/actor/job_world.h"

#define H	"http://a.example"
#define HANG	"\"" H "/hang\""
#define GONE	"\"" H "/status/404\""
#define SLOW(n) "\"" H "/slow/" #n "\""

struct row {
	const char *name, *text;
	int cancel_ms; /* by hand; 0: not */
	const char *state;
	int ok, failed, handled, cancelled, not_started;
	int64_t least_ms, most_ms; /* how long it takes */
	const char *seen[3][2];	   /* pointer into the final record, and the text there */
};

static const struct row rows[] = {
	{"an inner timeout cannot outlast the outer one",
	 "{\"run\":{\"timeout\":\"50ms\",\"sequence\":[{\"timeout\":\"10s\",\"fetch\":" HANG "}]}}",
	 0,
	 "failed",
	 0,
	 1,
	 0,
	 0,
	 0,
	 50,
	 60,
	 {{"/error/kind", "deadline"}, {"/error/task", "0"}}},
	{"an inner timeout that is shorter counts",
	 "{\"run\":{\"timeout\":\"10s\",\"sequence\":[{\"timeout\":\"50ms\",\"fetch\":" HANG "}]}}",
	 0,
	 "failed",
	 0,
	 1,
	 0,
	 0,
	 0,
	 50,
	 60,
	 {{"/error/kind", "deadline"}, {"/error/task", "0.0"}}},
	{"an outer timeout is not caught inside",
	 "{\"run\":{\"timeout\":\"50ms\",\"sequence\":[{\"timeout\":\"10s\",\"fetch\":" HANG
	 ",\"catch\":[{\"kinds\":[\"deadline\"],\"do\":{\"emit\":1}}]}]}}",
	 0,
	 "failed",
	 0,
	 1,
	 0,
	 0,
	 0,
	 50,
	 60,
	 {{"/error/kind", "deadline"}, {"/error/task", "0"}}},
	{"but caught where it stands",
	 "{\"run\":{\"timeout\":\"50ms\",\"catch\":[{\"kinds\":[\"deadline\"],\"do\":{\"emit\":1}}]"
	 ","
	 "\"sequence\":[{\"timeout\":\"10s\",\"fetch\":" HANG "}]}}",
	 0,
	 "succeeded",
	 1,
	 0,
	 1,
	 0,
	 0,
	 50,
	 70,
	 {{0}}},
	{"the deadline of the job is caught by nobody",
	 "{\"deadline\":\"50ms\",\"run\":{\"fetch\":" HANG
	 ",\"catch\":[{\"kinds\":[\"deadline\"],\"do\":{\"emit\":1}}]}}",
	 0,
	 "expired",
	 0,
	 1,
	 0,
	 0,
	 0,
	 50,
	 60,
	 {{0}}},
	{"a clean-up is cut after ten seconds",
	 "{\"run\":{\"fetch\":" GONE ",\"finally\":{\"fetch\":" HANG "}}}",
	 0,
	 "failed",
	 0,
	 2,
	 0,
	 0,
	 0,
	 10000,
	 10100,
	 {{"/error/errors/0/kind", "status"},
	  {"/error/errors/1/kind", "deadline"},
	  {"/error/errors/1/phase", "cleanup"}}},
	{"a clean-up that fails hides nothing",
	 "{\"run\":{\"sequence\":[" GONE "],\"finally\":{\"fail\":\"no\"}}}",
	 0,
	 "failed",
	 0,
	 2,
	 0,
	 0,
	 0,
	 10,
	 30,
	 {{"/error/errors/0/kind", "status"},
	  {"/error/errors/1/kind", "fail"},
	  {"/error/errors/1/phase", "cleanup"}}},
	{"a group ends after the clean-up of those it cancels",
	 "{\"run\":{\"group\":[" GONE ",{\"fetch\":" HANG
	 ",\"finally\":{\"fetch\":" SLOW(300) "}}]}}",
	 0,
	 "failed",
	 1,
	 1,
	 0,
	 1,
	 0,
	 300,
	 340,
	 {{"/error/errors/0/task", "0.0"}}},
	{"later errors are behind the first",
	 "{\"run\":{\"group\":[" GONE ",{\"sequence\":[" HANG
	 "],\"finally\":{\"fail\":\"late\"}}]}}",
	 0,
	 "failed",
	 0,
	 2,
	 0,
	 1,
	 0,
	 10,
	 40,
	 {{"/error/errors/0/kind", "status"}}},
	{"groups stay nested",
	 "{\"run\":{\"group\":[{\"gather\":[" GONE "],\"min_ok\":1}," SLOW(5) "]}}",
	 0,
	 "failed",
	 1,
	 1,
	 0,
	 0,
	 0,
	 10,
	 40,
	 {{"/error/errors/0/kind", "group"},
	  {"/error/errors/0/errors/0/kind", "status"},
	  {"/error/errors/0/errors/0/task", "0.0.0"}}},
	{"even one error of a group is wrapped",
	 "{\"run\":{\"group\":[" GONE "]}}",
	 0,
	 "failed",
	 0,
	 1,
	 0,
	 0,
	 0,
	 10,
	 30,
	 {{"/error/kind", "group"}, {"/error/message", "1 of 1 tasks failed"}}},
	{"a sleeping sibling ends at once",
	 "{\"run\":{\"group\":[" GONE ",{\"sleep\":\"1h\"}]}}",
	 0,
	 "failed",
	 0,
	 1,
	 0,
	 0,
	 0,
	 10,
	 30,
	 {{0}}},
	{"a sibling in its back-off ends at once",
	 "{\"run\":{\"group\":[{\"sequence\":[{\"sleep\":\"50ms\"}," GONE "]},{\"fetch\":\"" H
	 "/status/503\",\"retry\":{\"attempts\":9,\"backoff\":\"1h\",\"max\":"
	 "\"1h\"}}]}}",
	 0,
	 "failed",
	 0,
	 1,
	 0,
	 1,
	 0,
	 60,
	 90,
	 {{0}}},
	{"gather goes on beside a failure and a timeout",
	 "{\"run\":{\"gather\":[" GONE ",{\"timeout\":\"20ms\",\"fetch\":" HANG
	 "}," SLOW(100) "]}}",
	 0,
	 "succeeded",
	 1,
	 2,
	 0,
	 0,
	 0,
	 100,
	 130,
	 {{0}}},
	{"a winner takes all at once",
	 "{\"run\":{\"any\":[" SLOW(30) "," HANG "],\"stagger\":\"10ms\"}}",
	 0,
	 "succeeded",
	 1,
	 0,
	 0,
	 1,
	 0,
	 30,
	 60,
	 {{0}}},
	{"cancelled by hand: clean-up first, then the end",
	 "{\"run\":{\"fetch\":" HANG ",\"finally\":{\"fetch\":" SLOW(200) "}}}",
	 50,
	 "cancelled",
	 1,
	 0,
	 0,
	 1,
	 0,
	 250,
	 290,
	 {{0}}},
	{"cancelled by hand: caught by nobody",
	 "{\"run\":{\"fetch\":" HANG ",\"catch\":[{\"do\":{\"emit\":1}}]}}",
	 50,
	 "cancelled",
	 0,
	 0,
	 0,
	 1,
	 0,
	 50,
	 70,
	 {{0}}},
	{"cancelled by hand: a fallback does not go on",
	 "{\"run\":{\"fallback\":[" HANG ",\"" H "/ok\"]}}",
	 50,
	 "cancelled",
	 0,
	 0,
	 0,
	 1,
	 0,
	 50,
	 70,
	 {{0}}},
	{"an error and a cancel: both are told",
	 "{\"run\":{\"gather\":[" GONE "," HANG "]}}",
	 50,
	 "cancelled",
	 0,
	 1,
	 0,
	 1,
	 0,
	 50,
	 70,
	 {{0}}},
};

static void at(const json_t *record, const char *name, const char *const seen[2])
{
	const json_t *v = pointer_get(record, slice_of(seen[0]));
	char *text = json_dumps(record, 0);
	ck_assert_msg(v != NULL && strcmp(json_string_value(v), seen[1]) == 0,
		      "%s: %s is not %s: %s", name, seen[0], seen[1], text);
	free(text);
}

START_TEST(a_scope_ends_as_its_row_says)
{
	const struct row *r = &rows[_i];
	struct job_world jw;
	job_world_open(&jw);
	int64_t began = jw.w.fake.now_ns;
	uint64_t job = submit(&jw, r->text);
	if (r->cancel_ms > 0) {
		world_run_for(&jw.w, r->cancel_ms * MS);
		struct asked *a = ask_job(&jw, call_of(job, JOB_CALL_CANCEL));
		await_answer(&jw, a, 1000 * MS);
		asked_free(a);
	}
	json_t *rec = record(&jw, job);
	int64_t took = (jw.w.fake.now_ns - began) / MS;
	ck_assert_msg(took >= r->least_ms && took <= r->most_ms, "%s: %lld ms", r->name,
		      (long long)took);
	for (int i = 0; i < 3 && r->seen[i][0] != NULL; i++)
		at(rec, r->name, r->seen[i]);
	json_decref(rec);
	ended_as(&jw, job, r->state, r->ok, r->failed, r->handled, r->cancelled, r->not_started);
	world_run_for(&jw.w, 2000 * MS);
	ck_assert_uint_eq(jw.n_now, 0);
	job_world_close(&jw);
}
END_TEST

START_TEST(sixty_four_errors_are_listed_and_all_are_counted)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job =
		submit(&jw, "{\"run\":{\"each\":{\"in\":{\"range\":[0,100]},\"min_ok\":1,"
			    "\"concurrency\":50,\"do\":{\"gather\":[" GONE "],\"min_ok\":1}}}}");
	json_t *rec = record(&jw, job);
	const json_t *error = json_object_get(rec, "error");
	ck_assert_int_eq(json_integer_value(pointer_get(error, SLICE_LIT("/counts/status"))), 100);
	size_t listed = json_array_size(json_object_get(error, "errors"));
	ck_assert_uint_eq(listed, 64);
	ck_assert_str_eq(text_at(error, "message"), "100 of 100 tasks failed");
	json_decref(rec);
	ended_as(&jw, job, "failed", 0, 100, 0, 0, 0);
	job_world_close(&jw);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job_scopes");
	TCase *t = tcase_create("scopes");
	tcase_add_loop_test(t, a_scope_ends_as_its_row_says, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, sixty_four_errors_are_listed_and_all_are_counted);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
