/* Promises of proto/jsonscan and proto/jsontree. */
#include "proto/jsonscan.h"
#include "proto/jsontree.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static enum err check(const char *text, struct jsonscan_error *e)
{
	*e = (struct jsonscan_error){.offset = 0};
	return jsonscan_check(slice_of(text), NULL, e);
}

START_TEST(what_is_json_passes)
{
	static const char *const good[] = {
		"{}",
		"[]",
		" [ ] ",
		"null",
		"true",
		"false",
		"0",
		"-0",
		"-1.5e+10",
		"1E5",
		"\"\"",
		"\"a\\u00e9\\ud83d\\ude00\\n\"",
		"[1,[2,{\"a\":[]}]]",
		"{\"a\":1,\"b\":{\"a\":2}}",
		"\t{\"x\" : [1 , 2 ] }\r\n",
		"\"\\u0000\"",
		"[{\"a\":1},{\"a\":1}]",
		"\"\xe2\x82\xac\"",
	};
	struct jsonscan_error e;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(check(good[i], &e) == ERR_OK, "%s: %s", good[i], e.text);
}
END_TEST

START_TEST(what_is_not_json_is_refused_at_its_place)
{
	static const struct {
		const char *text;
		size_t offset;
	} row[] = {
		{"", 0},
		{" ", 1},
		{"{", 1},
		{"[1,]", 3},
		{"[1 2]", 3},
		{"{\"a\"}", 4},
		{"{\"a\":}", 5},
		{"{,}", 1},
		{"{\"a\":1,}", 7},
		{"01", 0},
		{"-", 0},
		{"1.", 2},
		{"1e", 2},
		{".5", 0},
		{"+1", 0},
		{"nul", 0},
		{"truex", 4},
		{"[] []", 3},
		{"\"\x01\"", 1},
		{"\"\xff\"", 1},
		{"\"\\x\"", 1},
		{"\"\\ud800\"", 1},
		{"\"\\udc00\\ud800\"", 1},
		{"\"\\u12g4\"", 1},
		{"\"abc", 4},
		{"\"\\", 2},
		{"{\"\\u0000\":1}", 2},
		{"{\"a\":1,\"a\":2}", 7},
		{"{\"a\":1,\"\\u0061\":2}", 7},
		{"'a'", 0},
		{"{a:1}", 1},
		{"\xef\xbb\xbf{}", 0},
		{"[1}", 2},
		{"NaN", 0},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct jsonscan_error e;
		ck_assert_msg(check(row[i].text, &e) == ERR_INVALID, "%s", row[i].text);
		ck_assert_msg(e.offset == row[i].offset, "%s: at %zu: %s", row[i].text, e.offset,
			      e.text);
		ck_assert_str_ne(e.text, "");
	}
}
END_TEST

START_TEST(errors_have_line_and_column_in_characters)
{
	struct jsonscan_error e;
	ck_assert_int_eq(check("{\n  \"\xc3\xa9\": x\n}", &e), ERR_INVALID);
	ck_assert_uint_eq(e.line, 2);
	ck_assert_uint_eq(e.column, 8);
}
END_TEST

START_TEST(depth_and_number_of_values_are_bounded)
{
	char text[300];
	struct jsonscan_error e;
	for (size_t depth = 60; depth < 70; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		text[2 * depth] = '\0';
		ck_assert_int_eq(check(text, &e), depth <= 64 ? ERR_OK : ERR_TOO_LARGE);
	}
	struct bytes b = {.limit = 0};
	bytes_add_str(&b, "[0");
	for (int i = 0; i < 65534; i++)
		bytes_add_str(&b, ",0");
	bytes_add_str(&b, "]");
	ck_assert_int_eq(jsonscan_check(bytes_slice(&b), NULL, &e), ERR_OK);
	b.n--;
	bytes_add_str(&b, ",0]");
	ck_assert_int_eq(jsonscan_check(bytes_slice(&b), NULL, &e), ERR_TOO_LARGE);
	struct jsonscan_limits more = {.values = 100000};
	ck_assert_int_eq(jsonscan_check(bytes_slice(&b), &more, &e), ERR_OK);
	bytes_fini(&b);
}
END_TEST

static void fill_object(struct bytes *b, int n, int twin)
{
	bytes_clear(b);
	bytes_add_byte(b, '{');
	for (int i = 0; i < n; i++)
		bytes_printf(b, "%s\"name%d\":%d", i == 0 ? "" : ",", i, i);
	if (twin >= 0)
		bytes_printf(b, ",\"name\\u003%d\":0", twin);
	bytes_add_byte(b, '}');
}

START_TEST(duplicates_are_found_in_small_and_large_objects)
{
	struct bytes b = {.limit = 0};
	struct jsonscan_error e;
	for (int n = 3; n < 30; n++) {
		fill_object(&b, n, -1);
		ck_assert_int_eq(jsonscan_check(bytes_slice(&b), NULL, &e), ERR_OK);
		fill_object(&b, n, n % 3);
		ck_assert_int_eq(jsonscan_check(bytes_slice(&b), NULL, &e), ERR_INVALID);
		ck_assert_ptr_nonnull(strstr(e.text, "duplicate"));
	}
	fill_object(&b, 60000, -1);
	ck_assert_int_eq(jsonscan_check(bytes_slice(&b), NULL, &e), ERR_OK);
	fill_object(&b, 60000, 7);
	ck_assert_int_eq(jsonscan_check(bytes_slice(&b), NULL, &e), ERR_INVALID);
	bytes_fini(&b);
}
END_TEST

START_TEST(items_come_as_raw_slices)
{
	static const char text[] = " [ \"a,]\\\"\" , {\"x\":[1,\"]\"]},[], 12 ,null ] ";
	static const char *const want[] = {"\"a,]\\\"\"", "{\"x\":[1,\"]\"]}", "[]", "12", "null"};
	struct jsonscan_iter it;
	struct slice item;
	size_t n = 0;
	ck_assert_int_eq(jsonscan_items(slice_of(text), &it), ERR_OK);
	while (jsonscan_next_item(&it, &item)) {
		ck_assert_uint_lt(n, 5);
		ck_assert_msg(slice_is(item, want[n]), "%.*s", (int)item.n, item.p);
		n++;
	}
	ck_assert_uint_eq(n, 5);
	ck_assert_int_eq(jsonscan_items(slice_of(" []"), &it), ERR_OK);
	ck_assert(!jsonscan_next_item(&it, &item));
	ck_assert_int_eq(jsonscan_items(slice_of("{}"), &it), ERR_INVALID);
}
END_TEST

START_TEST(members_are_found_whatever_their_escapes)
{
	struct slice v;
	const char *text = "{\"a\":{\"b\":1},\"\\u0062\" : \"x\\ty\" ,\"c\":[1]}";
	ck_assert(jsonscan_member(slice_of(text), "b", &v));
	struct bytes b = {.limit = 0};
	ck_assert_int_eq(jsonscan_string(v, &b), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), "x\ty");
	bytes_fini(&b);
	ck_assert(jsonscan_member(slice_of(text), "c", &v) && slice_is(v, "[1]"));
	ck_assert(!jsonscan_member(slice_of(text), "d", &v));
	ck_assert(!jsonscan_member(slice_of("[]"), "d", &v));
}
END_TEST

START_TEST(scalars_are_read_from_raw_text)
{
	uint64_t n = 0;
	bool yes = false;
	struct slice s;
	ck_assert_int_eq(jsonscan_u64(slice_of("18446744073709551615"), &n), ERR_OK);
	ck_assert(n == UINT64_MAX);
	ck_assert_int_eq(jsonscan_u64(slice_of("18446744073709551616"), &n), ERR_INVALID);
	ck_assert_int_eq(jsonscan_u64(slice_of("-1"), &n), ERR_INVALID);
	ck_assert_int_eq(jsonscan_u64(slice_of(""), &n), ERR_INVALID);
	ck_assert_int_eq(jsonscan_bool(slice_of("true"), &yes), ERR_OK);
	ck_assert(yes);
	ck_assert_int_eq(jsonscan_bool(slice_of("1"), &yes), ERR_INVALID);
	ck_assert_int_eq(jsonscan_plain(slice_of("\"http://x/\""), &s), ERR_OK);
	ck_assert(slice_is(s, "http://x/"));
	ck_assert_int_eq(jsonscan_plain(slice_of("\"a\\n\""), &s), ERR_UNSUPPORTED);
	ck_assert_int_eq(jsonscan_plain(slice_of("1"), &s), ERR_INVALID);
	struct bytes b = {.limit = 0};
	ck_assert_int_eq(jsonscan_string(slice_of("\"\\ud83d\\ude00\\/\\u20ac\""), &b), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), "\xf0\x9f\x98\x80/\xe2\x82\xac");
	bytes_fini(&b);
}
END_TEST

START_TEST(a_pointer_leads_to_line_and_column)
{
	const char *text = "{\n  \"run\": {\n    \"group\": [\n      {\"ulr\": 1},\n"
			   "      {\"a/b~\": 2}\n    ]\n  }\n}";
	struct jsonscan_place p = jsonscan_locate(slice_of(text), slice_of("/run/group/0"), "ulr");
	ck_assert_uint_eq(p.line, 4);
	ck_assert_uint_eq(p.column, 8);
	p = jsonscan_locate(slice_of(text), slice_of("/run/group/1/a~1b~0"), NULL);
	ck_assert_uint_eq(p.line, 5);
	ck_assert_uint_eq(p.column, 16);
	p = jsonscan_locate(slice_of(text), slice_of("/run/group/7/x"), NULL);
	ck_assert_uint_eq(p.line, 3);
	p = jsonscan_locate(slice_of(text), slice_of(""), "nowhere");
	ck_assert_uint_eq(p.line, 1);
	ck_assert_uint_eq(p.column, 1);
}
END_TEST

START_TEST(slicing_stays_inside_whatever_the_text)
{
	/* Every cut of a text, unchecked and in memory of its own, so that ASan sees a byte too
	 * far. */
	static const char text[] =
		"[{\"a\\u0041\":\"x\\\\\",\"b\":[1,2,{}]},\"\\ud83d\\ude00\",[[]]]";
	for (size_t n = 0; n <= sizeof(text) - 1; n++) {
		char *copy = malloc(n + 1);
		memcpy(copy, text, n);
		struct jsonscan_iter it;
		struct slice item, name, value, s = {copy, n};
		if (jsonscan_items(s, &it) == ERR_OK)
			while (jsonscan_next_item(&it, &item)) {
				struct jsonscan_iter in;
				struct bytes b = {.limit = 0};
				ck_assert(item.p + item.n <= copy + n);
				jsonscan_string(item, &b);
				bytes_fini(&b);
				if (jsonscan_members(item, &in) == ERR_OK)
					while (jsonscan_next_member(&in, &name, &value))
						ck_assert(value.p + value.n <= copy + n);
			}
		jsonscan_locate(s, slice_of("/0/b/2"), "q");
		free(copy);
	}
}
END_TEST

START_TEST(a_tree_is_built_of_checked_text_only)
{
	json_t *tree = NULL;
	struct jsonscan_error e;
	ck_assert_int_eq(jsontree_parse(slice_of("{\"a\":[1,\"x\\u0000y\"]}"), NULL, &tree, &e),
			 ERR_OK);
	struct bytes b = {.limit = 0};
	ck_assert_int_eq(jsontree_add(&b, tree), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), "{\"a\":[1,\"x\\u0000y\"]}");
	bytes_fini(&b);
	json_decref(tree);
	ck_assert_int_eq(jsontree_parse(slice_of("[1,\n 99999999999999999999]"), NULL, &tree, &e),
			 ERR_INVALID);
	ck_assert_uint_eq(e.line, 2);
	ck_assert_int_eq(jsontree_parse(slice_of("{\"a\":1,\"a\":2}"), NULL, &tree, &e),
			 ERR_INVALID);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jsonscan");
	TCase *t = tcase_create("all");
	tcase_add_test(t, what_is_json_passes);
	tcase_add_test(t, what_is_not_json_is_refused_at_its_place);
	tcase_add_test(t, errors_have_line_and_column_in_characters);
	tcase_add_test(t, depth_and_number_of_values_are_bounded);
	tcase_add_test(t, duplicates_are_found_in_small_and_large_objects);
	tcase_add_test(t, items_come_as_raw_slices);
	tcase_add_test(t, members_are_found_whatever_their_escapes);
	tcase_add_test(t, scalars_are_read_from_raw_text);
	tcase_add_test(t, a_pointer_leads_to_line_and_column);
	tcase_add_test(t, slicing_stays_inside_whatever_the_text);
	tcase_add_test(t, a_tree_is_built_of_checked_text_only);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
