/* Promises of proto/result and proto/final: the lines as documented, byte for byte. */
#include "proto/final.h"
#include "proto/jsontree.h"
#include "proto/result.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

#define LIT(s) SLICE_LIT(s)

static void check_line(const struct result_record *r, const char *want)
{
	struct bytes b = {.limit = 0};
	struct jsonscan_error e;
	ck_assert_int_eq(result_add(&b, r), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), want);
	ck_assert_uint_le(b.n, result_bound(r));
	ck_assert_int_eq(jsonscan_check(bytes_slice(&b), NULL, &e), ERR_OK);
	bytes_fini(&b);
}

START_TEST(a_full_record_has_its_keys_in_order)
{
	const struct result_header header[] = {{LIT("Content-Type"), LIT("text/html")},
					       {LIT("X-Latin"), LIT("caf\xe9")}};
	const struct result_attempt history[] = {{KIND_STATUS, 503, 10, 20},
						 {KIND_READ_TIMEOUT, 0, 0, 30}};
	const struct result_record r = {
		.job = LIT("j7"),
		.seq = 4,
		.supersedes = 2,
		.task = LIT("0.3"),
		.tag = LIT("{\"n\":1}"),
		.url = LIT("http://u:p@h/?a"),
		.ok = false,
		.status = 200,
		.reason = LIT("OK"),
		.final_url = LIT("http://h/x"),
		.header = header,
		.n_header = 2,
		.size = 5,
		.body = LIT("a\"b\n\x01"),
		.value = LIT("[1]"),
		.kind = KIND_STATUS,
		.message = LIT("it is 200"),
		.phase = LIT("response"),
		.history = history,
		.n_history = 2,
		.attempts = 2,
		.at_wall_ns = 1795352400123000000,
		.timing = {1, 2, 3, -1, 5, 6},
	};
	check_line(&r,
		   "{\"job\":\"j7\",\"seq\":4,\"supersedes\":2,\"task\":\"0.3\",\"tag\":{\"n\":1},"
		   "\"url\":\"http://u:***@h/?a\",\"ok\":false,\"status\":200,\"reason\":\"OK\","
		   "\"final_url\":\"http://h/x\",\"headers\":[[\"Content-Type\",\"text/html\"],"
		   "[\"X-Latin\",\"caf\xc3\xa9\"]],\"size\":5,\"body\":\"a\\\"b\\n\\u0001\","
		   "\"value\":[1],\"error\":{\"kind\":\"status\",\"message\":\"it is 200\","
		   "\"phase\":\"response\"},\"history\":[{\"kind\":\"status\",\"status\":503,"
		   "\"waited_ms\":10,\"took_ms\":20},{\"kind\":\"read.timeout\",\"waited_ms\":0,"
		   "\"took_ms\":30}],\"attempts\":2,\"at\":\"2026-11-22T13:00:00.123Z\","
		   "\"timing\":{\"wait_ms\":1,\"dns_ms\":2,\"connect_ms\":3,\"first_byte_ms\":5,"
		   "\"total_ms\":6}}");
}
END_TEST

START_TEST(what_is_not_there_is_absent)
{
	const struct result_record r = {.job = LIT("v1"),
					.seq = 1,
					.task = LIT("0"),
					.ok = true,
					.size = -1,
					.timing = RESULT_NO_TIMING};
	check_line(&r, "{\"job\":\"v1\",\"seq\":1,\"task\":\"0\",\"ok\":true}");
}
END_TEST

START_TEST(a_selection_leaves_the_rest_out)
{
	struct result_record r = {.job = LIT("j1"),
				  .seq = 1,
				  .task = LIT("0"),
				  .ok = true,
				  .url = LIT("http://h/"),
				  .status = 200,
				  .reason = LIT("OK"),
				  .size = 1,
				  .body = LIT("x"),
				  .attempts = 1,
				  .timing = {1, 1, 1, 1, 1, 1}};
	r.select = result_key_from_name(LIT("url")) | result_key_from_name(LIT("status"));
	check_line(&r, "{\"job\":\"j1\",\"seq\":1,\"task\":\"0\",\"url\":\"http://h/\",\"ok\":true,"
		       "\"status\":200}");
	ck_assert_uint_eq(result_key_from_name(LIT("nonsense")), 0);
}
END_TEST

START_TEST(bodies_are_text_or_base64)
{
	static const struct {
		struct slice body;
		const char *want;
	} row[] = {
		{{"", 0}, "\"body\":\"\""},
		{{"\xc3\xa9", 2}, "\"body\":\"\xc3\xa9\""},
		{{"a\0b", 3}, "\"body_base64\":\"YQBi\""},
		{{"\xff", 1}, "\"body_base64\":\"/w==\""},
		{{"\xff\xfe", 2}, "\"body_base64\":\"//4=\""},
		{{"\xff\xfe\xfd\xfc", 4}, "\"body_base64\":\"//79/A==\""},
		{{"\x7f\t\r\b\f", 5}, "\"body\":\"\x7f\\t\\r\\b\\f\""},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes b = {.limit = 0};
		result_add_body(&b, row[i].body);
		ck_assert_str_eq(bytes_cstr(&b), row[i].want);
		bytes_fini(&b);
	}
}
END_TEST

START_TEST(passwords_in_urls_are_masked)
{
	static const struct {
		const char *url, *want;
	} row[] = {
		{"http://me:pw@h/p", "\"http://me:***@h/p\""},
		{"http://me:p@w:x@h/p", "\"http://me:***@h/p\""},
		{"http://me@h/", "\"http://me@h/\""},
		{"http://h/?q=a:b@c", "\"http://h/?q=a:b@c\""},
		{"http://h/a:b@c", "\"http://h/a:b@c\""},
		{"nonsense", "\"nonsense\""},
		{"", "\"\""},
		{"//:x@", "\"//:***@\""},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes b = {.limit = 0};
		result_add_url(&b, slice_of(row[i].url));
		ck_assert_str_eq(bytes_cstr(&b), row[i].want);
		bytes_fini(&b);
	}
}
END_TEST

START_TEST(every_byte_survives_a_string_as_latin_1_or_utf_8)
{
	for (int c = 0; c < 256; c++) {
		char text[12] = "0123456789";
		text[5] = (char)c;
		struct bytes b = {.limit = 0};
		json_t *tree = NULL;
		struct jsonscan_error e;
		result_add_string(&b, (struct slice){text, 10});
		ck_assert_int_eq(jsontree_parse(bytes_slice(&b), NULL, &tree, &e), ERR_OK);
		ck_assert_uint_eq(json_string_length(tree), c < 128 ? 10 : 11);
		json_decref(tree);
		bytes_fini(&b);
	}
}
END_TEST

START_TEST(instants_agree_with_the_c_library)
{
	for (int64_t s = -5000000000; s < 8000000000; s += 86399 * 7 + 12345) {
		struct bytes b = {.limit = 0};
		time_t t = (time_t)s;
		struct tm tm;
		char want[64];
		strftime(want, sizeof(want), "\"%Y-%m-%dT%H:%M:%S.007Z\"", gmtime_r(&t, &tm));
		result_add_instant(&b, s * 1000000000 + 7000000);
		ck_assert_str_eq(bytes_cstr(&b), want);
		bytes_fini(&b);
	}
}
END_TEST

START_TEST(a_limit_fails_instead_of_cutting)
{
	const struct result_record r = {.job = LIT("j1"),
					.seq = 1,
					.task = LIT("0"),
					.size = -1,
					.timing = RESULT_NO_TIMING};
	struct bytes b = BYTES_LIMIT(20);
	ck_assert_int_eq(result_add(&b, &r), ERR_TOO_LARGE);
	bytes_fini(&b);
}
END_TEST

START_TEST(the_final_record_is_as_documented)
{
	const struct final_scope scope[] = {{LIT("a"), LIT("0.1"), "succeeded", 12}};
	struct final_record f = {.job = LIT("j7"),
				 .name = LIT("nightly"),
				 .state = "failed",
				 .tasks = {9, 7, 1, 1, 0, 0},
				 .error = LIT("{\"kind\":\"status\"}"),
				 .scope = scope,
				 .n_scope = 1,
				 .elapsed_ms = 99};
	struct bytes b = {.limit = 0};
	ck_assert_int_eq(final_add(&b, &f), ERR_OK);
	ck_assert_str_eq(
		bytes_cstr(&b),
		"{\"job\":\"j7\",\"name\":\"nightly\",\"state\":\"failed\",\"tasks\":{\"total\":9,"
		"\"ok\":7,\"failed\":1,\"handled\":1,\"cancelled\":0,\"not_started\":0},"
		"\"error\":{\"kind\":\"status\"},\"scopes\":[{\"id\":\"a\",\"task\":\"0.1\","
		"\"state\":\"succeeded\",\"elapsed_ms\":12}],\"elapsed_ms\":99}");
	bytes_fini(&b);
}
END_TEST

START_TEST(a_group_lists_at_most_64_leaves_16_deep_and_counts_all)
{
	struct final_error leaf[200];
	for (size_t i = 0; i < 200; i++)
		leaf[i] = (struct final_error){.kind = KIND_STATUS, .task = LIT("0.1")};
	struct final_error deep[40];
	for (size_t i = 0; i < 40; i++)
		deep[i] = (struct final_error){.kind = KIND_GROUP,
					       .n_failed = 200,
					       .n_total = 200,
					       .child = i == 0 ? leaf : &deep[i - 1],
					       .n_child = i == 0 ? 200 : 1};
	struct bytes b = {.limit = 0};
	json_t *tree = NULL;
	struct jsonscan_error e;
	ck_assert_int_eq(final_add_error(&b, &deep[0]), ERR_OK);
	ck_assert_int_eq(jsontree_parse(bytes_slice(&b), NULL, &tree, &e), ERR_OK);
	ck_assert_uint_eq(json_array_size(json_object_get(tree, "errors")), 64);
	ck_assert_int_eq(
		json_integer_value(json_object_get(json_object_get(tree, "counts"), "status")),
		200);
	ck_assert_str_eq(json_string_value(json_object_get(tree, "message")),
			 "200 of 200 tasks failed");
	json_decref(tree);
	bytes_clear(&b);
	ck_assert_int_eq(final_add_error(&b, &deep[39]), ERR_OK);
	ck_assert_int_eq(jsontree_parse(bytes_slice(&b), NULL, &tree, &e), ERR_OK);
	int depth = 0;
	for (const json_t *at = tree; at != NULL;
	     at = json_array_get(json_object_get(at, "errors"), 0))
		depth++;
	ck_assert_int_eq(depth, 16);
	json_decref(tree);
	bytes_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("result");
	TCase *t = tcase_create("all");
	tcase_add_test(t, a_full_record_has_its_keys_in_order);
	tcase_add_test(t, what_is_not_there_is_absent);
	tcase_add_test(t, a_selection_leaves_the_rest_out);
	tcase_add_test(t, bodies_are_text_or_base64);
	tcase_add_test(t, passwords_in_urls_are_masked);
	tcase_add_test(t, every_byte_survives_a_string_as_latin_1_or_utf_8);
	tcase_add_test(t, instants_agree_with_the_c_library);
	tcase_add_test(t, a_limit_fails_instead_of_cutting);
	tcase_add_test(t, the_final_record_is_as_documented);
	tcase_add_test(t, a_group_lists_at_most_64_leaves_16_deep_and_counts_all);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
