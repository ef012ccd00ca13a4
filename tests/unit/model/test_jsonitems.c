/* jsonitems: the items of a list inside a JSON stream, whatever the pieces it comes in. */
#include "model/jsonitems.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct row {
	const char *text, *list, *beside;
	const char *want; /* items, "|", then how it ended, then the value beside */
} row[] = {
	{"[]", "", NULL, "end"},
	{"[1,\"a,]\",{\"b\":[2]},null]", "", NULL, "1|\"a,]\"|{\"b\":[2]}|null|end"},
	{" [ 1 , 2 ] ", "", NULL, "1|2|end"},
	{"{\"a\":{\"b\":[1,2]},\"c\":[3]}", "/a/b", NULL, "1|2|end"},
	{"{\"c\":[3],\"a\":{\"x\":[9],\"b\":[1,2]}}", "/a/b", NULL, "1|2|end"},
	{"[[1],[2,3]]", "/1", NULL, "2|3|end"},
	{"{\"a/b\":[1],\"~\":[2]}", "/a~1b", NULL, "1|end"},
	{"{\"a/b\":[1],\"~\":[2]}", "/~0", NULL, "2|end"},
	{"{\"\\u0061\":[1]}", "/a", NULL, "1|end"},
	{"{\"\":[1]}", "/", NULL, "1|end"},
	{"{\"a\":[1],\"a\":[2]}", "/a", NULL, "1|end"},
	{"{\"n\":\"u\",\"i\":[1,2]}", "/i", "/n", "1|2|end\"u\""},
	{"{\"i\":[1,2],\"n\":{\"u\":[\"x\"]}}", "/i", "/n/u/0", "1|2|end\"x\""},
	{"{\"i\":[1,{\"n\":7}]}", "/i", "/i/1/n", "1|{\"n\":7}|end7"},
	{"{\"i\":[1],\"n\":null}", "/i", "/n", "1|endnull"},
	{"{\"i\":[1]}", "/i", "/n", "1|end"},
	{"{\"i\":{}}", "/i", NULL, "not found"},
	{"{\"i\":7}", "/i", NULL, "not found"},
	{"{\"j\":[7]}", "/i", NULL, "not found"},
	{"7", "", NULL, "not found"},
	{"", "", NULL, "invalid"},
	{"[1,2", "", NULL, "1|invalid"},
	{"[1 2]", "", NULL, "1|invalid"},
	{"[1]]", "", NULL, "1|invalid"},
	{"[1}", "", NULL, "1|invalid"},
	{"[1,tru]", "", NULL, "1|invalid"},
	{"[{\"a\":1,\"a\":2}]", "", NULL, "invalid"},
	{"{\"i\" [1]}", "/i", NULL, "invalid"},
	{"{i:[1]}", "/i", NULL, "invalid"},
	{"[\"a\\\"b\\\\\"]", "", NULL, "\"a\\\"b\\\\\"|end"},
	{"<html>", "", NULL, "invalid"},
};

static void run(const struct row *r, size_t n, struct bytes *out)
{
	struct jsonitems j;
	struct slice item, none = {NULL, 0}, text = slice_of(r->text);
	enum err e = ERR_AGAIN;
	ck_assert_int_eq(
		jsonitems_init(&j, slice_of(r->list), r->beside ? slice_of(r->beside) : none),
		ERR_OK);
	for (size_t at = 0; e == ERR_AGAIN; at += n) {
		if (at >= text.n)
			jsonitems_end(&j);
		else
			jsonitems_feed(
				&j, (struct slice){text.p + at, text.n - at < n ? text.n - at : n});
		while ((e = jsonitems_next(&j, &item)) == ERR_OK) {
			bytes_add_slice(out, item);
			bytes_add_byte(out, '|');
		}
	}
	bytes_add_str(out, e == ERR_END ? "end" : e == ERR_NOT_FOUND ? "not found" : err_text(e));
	bytes_add_slice(out, jsonitems_beside(&j));
	ck_assert(e == ERR_END || j.why[0] != 0);
	jsonitems_fini(&j);
}

START_TEST(items_are_the_same_in_whatever_pieces_the_json_comes)
{
	for (size_t n = 1; n < 40; n += n < 8 ? 1 : 9) {
		struct bytes out = BYTES_LIMIT(0);
		run(&row[_i], n, &out);
		ck_assert_msg(strcmp(bytes_cstr(&out), row[_i].want) == 0, "%s by %zu: %s",
			      row[_i].text, n, bytes_cstr(&out));
		bytes_fini(&out);
	}
}
END_TEST

START_TEST(memory_stays_within_one_item_and_one_feed)
{
	struct jsonitems j;
	struct slice item;
	ck_assert_int_eq(jsonitems_init(&j, slice_of("/i"), (struct slice){NULL, 0}), ERR_OK);
	jsonitems_feed(&j, slice_of("{\"i\":[0"));
	for (int i = 0; i < 100000; i++) {
		jsonitems_feed(&j, slice_of(",{\"u\":\"http://h/\"}"));
		while (jsonitems_next(&j, &item) == ERR_OK)
			;
		ck_assert_uint_lt(j.buf.n, 64);
	}
	jsonitems_fini(&j);
}
END_TEST

START_TEST(too_long_an_item_or_too_deep_a_text_is_told)
{
	static char text[JSONITEMS_MAX + 100];
	struct jsonitems j;
	struct slice item;
	memset(text, 'x', sizeof(text));
	memcpy(text, "[\"", 2);
	jsonitems_init(&j, slice_of(""), (struct slice){NULL, 0});
	jsonitems_feed(&j, (struct slice){text, sizeof(text)});
	ck_assert_int_eq(jsonitems_next(&j, &item), ERR_TOO_LARGE);
	jsonitems_fini(&j);
	memset(text, '[', 100);
	jsonitems_init(&j, slice_of("/i"), (struct slice){NULL, 0});
	jsonitems_feed(&j, (struct slice){text, 100});
	ck_assert_int_eq(jsonitems_next(&j, &item), ERR_TOO_LARGE);
	jsonitems_fini(&j);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jsonitems");
	TCase *t = tcase_create("streams");
	tcase_add_loop_test(t, items_are_the_same_in_whatever_pieces_the_json_comes, 0,
			    (int)(sizeof(row) / sizeof(row[0])));
	tcase_add_test(t, memory_stays_within_one_item_and_one_feed);
	tcase_add_test(t, too_long_an_item_or_too_deep_a_text_is_told);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
