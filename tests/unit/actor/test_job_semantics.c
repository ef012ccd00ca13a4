/* Promises of the verbs and modifiers: what a tree of tasks becomes, row by row. */
#include "tests/unit/actor/job_world.h"

#define H "http://a.example"

struct row {
	const char *name, *text, *state;
	int ok, failed, handled, cancelled, not_started;
	int lines;
};

static const struct row rows[] = {
	{"group of successes", "{\"run\":{\"group\":[\"" H "/ok1\",\"" H "/ok2\"]}}", "succeeded",
	 2, 0, 0, 0, 0, 2},
	{"first failure cancels the siblings",
	 "{\"run\":{\"group\":[\"" H "/status/404\",\"" H "/hang\",\"" H "/hang2\"]}}", "failed", 0,
	 1, 0, 2, 0, 3},
	{"gather goes on", "{\"run\":{\"gather\":[\"" H "/status/404\",\"" H "/slow/300\"]}}",
	 "succeeded", 1, 1, 0, 0, 0, 2},
	{"gather below min_ok",
	 "{\"run\":{\"gather\":[\"" H "/status/404\",\"" H "/ok\"],\"min_ok\":2}}", "failed", 1, 1,
	 0, 0, 0, 2},
	{"sequence stops",
	 "{\"run\":{\"sequence\":[\"" H "/ok\",\"" H "/status/404\",\"" H "/ok2\"]}}", "failed", 1,
	 1, 0, 0, 1, 2},
	{"fallback handles", "{\"run\":{\"fallback\":[\"" H "/status/404\",\"" H "/ok\"]}}",
	 "succeeded", 1, 0, 1, 0, 0, 2},
	{"fallback exhausted",
	 "{\"run\":{\"fallback\":[\"" H "/status/404\",\"" H "/status/410\"]}}", "failed", 0, 2, 0,
	 0, 0, 2},
	{"any: the first success wins",
	 "{\"run\":{\"any\":[\"" H "/hang\",\"" H "/ok\"],\"stagger\":\"50ms\"}}", "succeeded", 1,
	 0, 0, 1, 0, 2},
	{"any: a failure starts the next",
	 "{\"run\":{\"any\":[\"" H "/status/404\",\"" H "/ok\"]}}", "succeeded", 1, 0, 1, 0, 0, 2},
	{"any: all fail", "{\"run\":{\"any\":[\"" H "/status/404\",\"" H "/status/410\"]}}",
	 "failed", 0, 2, 0, 0, 0, 2},
	{"retry of a 503", "{\"run\":{\"fetch\":\"" H "/flaky/2\"}}", "succeeded", 1, 0, 0, 0, 0,
	 1},
	{"retry exhausted", "{\"run\":{\"fetch\":\"" H "/flaky/9\"}}", "failed", 0, 1, 0, 0, 0, 1},
	{"redirects are followed", "{\"run\":\"" H "/to/to/ok\"}", "succeeded", 1, 0, 0, 0, 0, 1},
	{"a deadline expires the job", "{\"deadline\":\"1s\",\"run\":\"" H "/hang\"}", "expired", 0,
	 1, 0, 0, 0, 1},
	{"a timeout fails its task",
	 "{\"run\":{\"gather\":[{\"fetch\":\"" H "/hang\",\"timeout\":\"1s\"},\"" H "/ok\"]}}",
	 "succeeded", 1, 1, 0, 0, 0, 2},
	{"catch takes its kind",
	 "{\"run\":{\"fetch\":\"" H "/status/404\",\"catch\":[{\"kinds\":[\"status\"],\"do\":\"" H
	 "/ok\"}]}}",
	 "succeeded", 1, 0, 1, 0, 0, 2},
	{"catch leaves another kind",
	 "{\"run\":{\"fetch\":\"" H "/status/404\",\"catch\":[{\"kinds\":[\"dns\"],\"do\":\"" H
	 "/ok\"}]}}",
	 "failed", 0, 1, 0, 0, 0, 1},
	{"catch sees the task's own timeout",
	 "{\"run\":{\"fetch\":\"" H
	 "/hang\",\"timeout\":\"1s\",\"catch\":[{\"kinds\":[\"deadline\"],\"do\":\"" H "/ok\"}]}}",
	 "succeeded", 1, 0, 1, 0, 0, 2},
	{"finally runs after a failure",
	 "{\"run\":{\"fetch\":\"" H "/status/404\",\"finally\":\"" H "/ok\"}}", "failed", 1, 1, 0,
	 0, 0, 2},
	{"finally runs when time is up",
	 "{\"deadline\":\"1s\",\"run\":{\"fetch\":\"" H "/hang\",\"finally\":\"" H "/ok\"}}",
	 "expired", 1, 1, 0, 0, 0, 2},
	{"a failing finally fails what had succeeded",
	 "{\"run\":{\"fetch\":\"" H "/ok\",\"finally\":\"" H "/status/404\"}}", "failed", 1, 1, 0,
	 0, 0, 2},
	{"when skips",
	 "{\"run\":{\"sequence\":[{\"id\":\"a\",\"fetch\":\"" H
	 "/ok\"},{\"when\":{\"of\":\"a\",\"status\":404},\"fetch\":\"" H "/ok2\"}]}}",
	 "succeeded", 1, 0, 0, 0, 0, 1},
	{"when holds",
	 "{\"run\":{\"sequence\":[{\"id\":\"a\",\"fetch\":\"" H
	 "/ok\"},{\"when\":{\"of\":\"a\",\"status\":200},\"fetch\":\"" H "/ok2\"}]}}",
	 "succeeded", 2, 0, 0, 0, 0, 2},
	{"values go on",
	 "{\"run\":{\"sequence\":[{\"id\":\"a\",\"fetch\":\"" H
	 "/json\"},{\"emit\":\"${a/json/a/b/1}\"}]}}",
	 "succeeded", 2, 0, 0, 0, 0, 2},
	{"fail fails", "{\"run\":{\"sequence\":[{\"fail\":\"no\"},\"" H "/ok\"]}}", "failed", 0, 1,
	 0, 0, 1, 1},
	{"sleep sleeps", "{\"run\":{\"sequence\":[{\"sleep\":\"5s\"},\"" H "/ok\"]}}", "succeeded",
	 1, 0, 0, 0, 0, 1},
	{"each over a list",
	 "{\"run\":{\"each\":{\"in\":[1,2,3],\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}",
	 "succeeded", 3, 0, 0, 0, 0, 3},
	{"each over a range",
	 "{\"run\":{\"each\":{\"in\":{\"range\":[0,1000]},\"as\":\"n\",\"do\":{\"fetch\":\"" H
	 "/ok${n}\"}}}}",
	 "succeeded", 1000, 0, 0, 0, 0, 1000},
	{"each in group mode",
	 "{\"run\":{\"each\":{\"in\":[\"s"
	 "404\",\"hang\",\"hang2\"],\"as\":\"n\",\"mode\":\"group\","
	 "\"do\":{\"fetch\":\"" H "/${n}\"}}}}",
	 "failed", 0, 1, 0, 2, 0, 3},
	{"each below min_ok",
	 "{\"run\":{\"each\":{\"in\":[\"s404\",\"ok\"],\"as\":\"n\",\"min_ok\":2,"
	 "\"do\":{\"fetch\":\"" H "/${n}\"}}}}",
	 "failed", 1, 1, 0, 0, 0, 2},
	{"each where drops items",
	 "{\"run\":{\"each\":{\"in\":[{\"u\":\"a\"},{\"u\":\"b\"}],\"as\":\"n\",\"where\":{\"/"
	 "u\":\"b\"},"
	 "\"do\":{\"fetch\":\"" H "/ok${n/u}\"}}}}",
	 "succeeded", 1, 0, 0, 0, 0, 1},
	{"each of nothing",
	 "{\"run\":{\"each\":{\"in\":[],\"as\":\"n\",\"do\":{\"fetch\":\"" H "/${n}\"}}}}",
	 "succeeded", 0, 0, 0, 0, 0, 0},
	{"each of several leaves",
	 "{\"run\":{\"each\":{\"in\":[1,2],\"as\":\"n\",\"do\":{\"fallback\":[\"" H
	 "/status/404?${n}\",\"" H "/ok${n}\"]}}}}",
	 "succeeded", 2, 0, 2, 0, 0, 4},
	{"results.where counts and drops",
	 "{\"results\":{\"where\":{\"status\":404}},\"run\":{\"gather\":[\"" H "/ok\",\"" H
	 "/status/404\"]}}",
	 "succeeded", 1, 1, 0, 0, 0, 1},
	{"retry of a group",
	 "{\"run\":{\"retry\":{\"attempts\":2,\"backoff\":\"10ms\"},\"group\":[\"" H
	 "/status/404\"]}}",
	 "failed", 0, 1, 1, 0, 0, 2},
	{"each over the JSON of a fetch",
	 "{\"run\":{\"each\":{\"in\":{\"json\":\"" H
	 "/json\",\"items\":\"/a/b\"},\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}",
	 "succeeded", 3, 0, 0, 0, 0, 3},
	{"each over lines",
	 "{\"run\":{\"each\":{\"in\":{\"lines\":{\"emit\":\"ok1\\n\\nok2\\r\\n\"}},\"as\":\"n\","
	 "\"do\":"
	 "{\"fetch\":\"" H "/${n}\"}}}}",
	 "succeeded", 3, 0, 0, 0, 0, 3},
	{"each over the lines of a body",
	 "{\"run\":{\"each\":{\"in\":{\"lines\":\"" H "/ok\"},\"as\":\"n\",\"do\":{\"fetch\":\"" H
	 "/ok${n}\"}}}}",
	 "succeeded", 2, 0, 0, 0, 0, 2},
	{"each over texts between marks",
	 "{\"run\":{\"each\":{\"in\":{\"between\":[\"<l>\",\"</l>\"],\"of\":{\"emit\":"
	 "\"<l>ok1</l><l>ok&#50;</l>\"}},\"as\":\"n\",\"do\":{\"fetch\":\"" H "/${n}\"}}}}",
	 "succeeded", 3, 0, 0, 0, 0, 3},
	{"each over a list that a task emits",
	 "{\"run\":{\"each\":{\"in\":{\"json\":{\"emit\":{\"a\":[1,2]}},\"items\":\"/a\"},"
	 "\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}",
	 "succeeded", 3, 0, 0, 0, 0, 3},
	{"a source that is skipped gives no items",
	 "{\"run\":{\"sequence\":[{\"id\":\"a\",\"emit\":1},{\"each\":{\"in\":{\"lines\":{"
	 "\"when\":{\"of\":\"a\",\"status\":404},\"fetch\":\"" H "/ok\"}},\"do\":\"" H "/ok\"}}]}}",
	 "succeeded", 1, 0, 0, 0, 0, 1},
	{"the value of a handler is cut too",
	 "{\"run\":{\"each\":{\"in\":{\"json\":{\"fetch\":\"" H "/s404\",\"catch\":[{\"do\":\"" H
	 "/json\"}]},\"items\":\"/a/b\"},\"do\":\"" H "/ok\"}}}",
	 "succeeded", 3, 0, 1, 0, 0, 4},
	{"what cannot be cut further fails after the items before",
	 "{\"run\":{\"each\":{\"in\":{\"json\":{\"emit\":\"[1,2,\"}},\"as\":\"n\",\"do\":{"
	 "\"fetch\":\"" H "/ok${n}\"}}}}",
	 "failed", 3, 0, 0, 0, 0, 3},
	{"each over pages",
	 "{\"run\":{\"each\":{\"in\":{\"pages\":{\"first\":\"" H "/page/"
	 "2\",\"next\":\"/next\",\"items\":\"/items\"}},"
	 "\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}",
	 "succeeded", 9, 0, 0, 0, 0, 9},
	{"pages without a list fail their each",
	 "{\"run\":{\"each\":{\"in\":{\"pages\":{\"first\":\"" H "/page/"
	 "2\",\"next\":\"link\",\"items\":\"/none\"}},"
	 "\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}",
	 "failed", 1, 0, 0, 0, 0, 1},
	{"each over pages within an each",
	 "{\"run\":{\"each\":{\"in\":[1,2],\"as\":\"n\",\"do\":{\"each\":{\"in\":{\"pages\":{"
	 "\"first\":\"" H "/page/${n}\",\"next\":\"/next\",\"items\":\"/items\"}},"
	 "\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}}}",
	 "succeeded", 15, 0, 0, 0, 0, 15},
	{"each over what a task emits",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"sequence\":[{\"emit\":\"a\"},{\"each\":{\"in\":["
	 "1,2,3],\"do\":{\"emit\":\"${item}\"}}},{\"emit\":\"b\"}]}},\"as\":\"n\",\"do\":{"
	 "\"fetch\":\"" H "/ok${n}\"}}}}",
	 "succeeded", 10, 0, 0, 0, 0, 10},
	{"a generator that fails fails its each after the items",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"sequence\":[{\"emit\":1},{\"emit\":2},{\"fail\":"
	 "\"no more\"},{\"emit\":3}]}},\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}",
	 "failed", 4, 1, 0, 0, 1, 5},
	{"a failing item cancels the generator, whose finally runs",
	 "{\"run\":{\"each\":{\"mode\":\"group\",\"in\":{\"emits\":{\"sequence\":[{\"emit\":1},{"
	 "\"sleep\":\"1h\"},{\"emit\":2}],\"finally\":\"" H "/ok?f\"}},\"do\":{\"fetch\":\"" H
	 "/s404?${item}\"}}}}",
	 "failed", 2, 1, 0, 0, 1, 3},
	{"a generator within a generator",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"each\":{\"in\":{\"emits\":{\"group\":[{\"emit\":"
	 "1},"
	 "{\"emit\":2}]}},\"do\":{\"gather\":[{\"emit\":\"${item}a\"},{\"emit\":\"${item}b\"}]}}}},"
	 "\"do\":{\"fetch\":\"" H "/ok${item}\"}}}}",
	 "succeeded", 10, 0, 0, 0, 0, 10},
	{"what another source within a generator emits is no item",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"each\":{\"in\":{\"json\":{\"emit\":[1,2]}},"
	 "\"do\":{"
	 "\"emit\":\"${item}\"}}}},\"do\":{\"fetch\":\"" H "/ok${item}\"}}}}",
	 "succeeded", 5, 0, 0, 0, 0, 5},
	{"a generator that emits nothing",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"sleep\":\"1ms\"}},\"do\":\"" H "/ok\"}}}",
	 "succeeded", 0, 0, 0, 0, 0, 0},
	{"emitted items pass where",
	 "{\"run\":{\"each\":{\"in\":{\"emits\":{\"each\":{\"in\":{\"range\":[0,100]},\"do\":{"
	 "\"emit\":{\"n\":\"${item}\"}}}}},\"where\":{\"/n\":{\"gt\":97}},\"do\":{\"fetch\":\"" H
	 "/ok${item/n}\"}}}}",
	 "succeeded", 102, 0, 0, 0, 0, 102},
	{"a source that fails fails its each",
	 "{\"run\":{\"each\":{\"in\":{\"json\":\"" H
	 "/s404\",\"items\":\"\"},\"as\":\"n\",\"do\":{\"fetch\":\"" H "/ok${n}\"}}}}",
	 "failed", 0, 1, 0, 0, 0, 1},
	{"with enters and leaves",
	 "{\"run\":{\"with\":[{\"enter\":{\"emit\":\"tok\"},\"as\":\"s\",\"exit\":\"" H
	 "/ok?${s}\"}],\"fetch\":\"" H "/s404?${s}\"}}",
	 "failed", 2, 1, 0, 0, 0, 3},
	{"what was not entered is not left",
	 "{\"run\":{\"with\":[{\"enter\":\"" H "/ok1\",\"exit\":\"" H "/ok2\"},{\"enter\":\"" H
	 "/s404\",\"exit\":\"" H "/ok3\"}],\"fetch\":\"" H "/ok4\"}}",
	 "failed", 2, 1, 0, 0, 1, 3},
	{"an exit runs in a scope that is cancelled",
	 "{\"run\":{\"group\":[{\"with\":[{\"enter\":{\"emit\":1},\"exit\":\"" H
	 "/ok2\"}],\"fetch\":\"" H "/hang\"},\"" H "/s404\"]}}",
	 "failed", 2, 1, 0, 1, 0, 4},
	{"an exit that fails fails what had succeeded",
	 "{\"run\":{\"with\":[{\"enter\":{\"emit\":1},\"exit\":\"" H "/s404\"}],\"fetch\":\"" H
	 "/ok\"}}",
	 "failed", 2, 1, 0, 0, 0, 3},
	{"each attempt enters anew",
	 "{\"run\":{\"retry\":{\"attempts\":2,\"backoff\":\"10ms\"},\"with\":[{\"enter\":{\"emit\":"
	 "1},"
	 "\"exit\":{\"emit\":2}}],\"sequence\":[\"" H "/s404\"]}}",
	 "failed", 4, 1, 1, 0, 0, 6},
	{"a condition may name an item",
	 "{\"run\":{\"sequence\":[{\"id\":\"a\",\"fetch\":\"" H
	 "/json\"},{\"each\":{\"in\":[2,3],\"as\":\"n\",\"do\":{\"when\":{\"of\":\"a\",\"/a/b/1\":"
	 "\"${n}\"},\"fetch\":\"" H "/ok${n}\"}}}]}}",
	 "succeeded", 2, 0, 0, 0, 0, 2},
	{"429 with Retry-After is waited for and refunded",
	 "{\"run\":{\"fetch\":\"" H "/later\",\"retry\":{\"attempts\":2}}}", "succeeded", 1, 0, 0,
	 0, 0, 1},
	{"mirrors are one leaf",
	 "{\"run\":{\"fetch\":{\"url\":\"" H "/flaky/2\",\"mirrors\":[\"http://b.example\"]},"
	 "\"retry\":{\"attempts\":2,\"backoff\":\"10ms\"}}}",
	 "succeeded", 1, 0, 0, 0, 0, 1},
	{"attempt timeout is retried",
	 "{\"run\":{\"fetch\":{\"url\":\"" H "/hang\",\"timeout\":\"1s\"},"
	 "\"retry\":{\"attempts\":2,\"backoff\":\"10ms\"}}}",
	 "failed", 0, 1, 0, 0, 0, 1},
};

START_TEST(a_tree_becomes_what_its_row_says)
{
	const struct row *r = &rows[_i];
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, r->text);
	json_t *all = all_results(&jw, job);
	char *text = json_dumps(all, 0);
	ck_assert_msg((int)json_array_size(all) == r->lines, "%s: %s", r->name, text);
	free(text);
	json_decref(all);
	ended_as(&jw, job, r->state, r->ok, r->failed, r->handled, r->cancelled, r->not_started);
	ck_assert_uint_eq(jw.n_now, 0);
	job_world_close(&jw);
}
END_TEST

START_TEST(selected_members_of_the_body_stand_in_the_line)
{
	struct job_world jw;
	job_world_open(&jw);
	uint64_t job = submit(&jw, "{\"results\":{\"select\":[\"status\",\"/a/b/1\",\"/none\"]},"
				   "\"run\":\"" H "/json\"}");
	json_t *all = all_results(&jw, job);
	const json_t *line = json_array_get(all, 0);
	ck_assert_int_eq(json_integer_value(json_object_get(line, "/a/b/1")), 2);
	ck_assert_int_eq(json_integer_value(json_object_get(line, "status")), 200);
	ck_assert_ptr_null(json_object_get(line, "/none"));
	ck_assert_ptr_null(json_object_get(line, "url"));
	json_decref(all);
	job_world_close(&jw);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("semantics");
	TCase *t = tcase_create("rows");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, a_tree_becomes_what_its_row_says, 0,
			    (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(t, selected_members_of_the_body_stand_in_the_line);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
