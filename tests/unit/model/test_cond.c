/*
 * cond, glob, pointer, statuses, kindset -- what a condition asks, and what it answers.
 */
#include "model/cond.h"
#include "model/glob.h"
#include "model/kindset.h"
#include "model/pointer.h"
#include "model/statuses.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static json_t *json_of(const char *text)
{
	char *t = strdup(text);
	for (char *p = t; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	json_t *v = json_loads(t, JSON_DECODE_ANY, NULL);
	ck_assert_msg(v != NULL, "%s", text);
	free(t);
	return v;
}

static const struct cond_header header[] = {
	{{"Content-Type", 12}, {"application/JSON; charset=utf-8", 31}},
	{{"X-A", 3}, {"1", 1}},
	{{"x-a", 3}, {"two", 3}},
};

/* A result 404 with the kind status and a JSON body. */
static const char doc[] = "{'n':5,'f':2.5,'s':'abc','l':[1,{'x':null}],'o':{'a':1},'a/b':1,'m~n':2,"
			  "'':3,'t':true,'big':9007199254740993}";

static const struct {
	const char *cond;
	bool holds;
} row[] = {
	{"{}", true},
	{"{'status':404}", true},
	{"{'status':'400-499'}", true},
	{"{'status':[200,'300-399']}", false},
	{"{'status':'200,404'}", true},
	{"{'kind':'status'}", true},
	{"{'kind':['read','status']}", true},
	{"{'kind':'read'}", false},
	{"{'header':{'content-type':'*json*'}}", true},
	{"{'header':{'content-type':'json'}}", false},
	{"{'header':{'X-A':'two'}}", true},
	{"{'header':{'x-a':['nine','t?o']}}", true},
	{"{'header':{'x-b':'*'}}", false},
	{"{'header':{'x-a':'1','content-type':'text/*'}}", false},
	{"{'/n':5}", true},
	{"{'/n':5.0}", true},
	{"{'/n':6}", false},
	{"{'/n':'5'}", false},
	{"{'/n':{'gt':4,'lt':6}}", true},
	{"{'/n':{'gt':5}}", false},
	{"{'/n':{'lt':5}}", false},
	{"{'/f':{'gt':2,'lt':3}}", true},
	{"{'/n':{'gt':'4'}}", false},
	{"{'/s':{'gt':'abb','lt':'abd'}}", true},
	{"{'/s':{'gt':'ab'}}", true},
	{"{'/s':{'match':'a*c'}}", true},
	{"{'/s':{'match':'A*'}}", false},
	{"{'/n':{'match':'*'}}", false},
	{"{'/s':{}}", true},
	{"{'/none':{}}", false},
	{"{'/none':null}", false},
	{"{'/l/1/x':null}", true},
	{"{'/l/0':1}", true},
	{"{'/l/01':1}", false},
	{"{'/l/-':1}", false},
	{"{'/l/2':1}", false},
	{"{'/l':[1,{'x':null}]}", true},
	{"{'/o/a':1}", true},
	{"{'/a~1b':1}", true},
	{"{'/m~0n':2}", true},
	{"{'/':3}", true},
	{"{'/t':true}", true},
	{"{'/t':1}", false},
	{"{'/big':9007199254740993}", true},
	{"{'/big':9007199254740992}", false},
	{"{'/s/x':1}", false},
	{"{'not':{'status':404}}", false},
	{"{'not':{'/none':1}}", true},
	{"{'any':[{'status':200},{'/n':5}]}", true},
	{"{'any':[{'status':200},{'/n':6}]}", false},
	{"{'status':404,'kind':'read'}", false},
	{"{'not':{'any':[{'status':200},{'not':{'/n':5}}]}}", true},
};

static const struct cond *must_parse(struct arena *a, const json_t *v, enum cond_use use)
{
	const struct cond *c = NULL;
	struct fields_error e;
	struct fields_read rd = {.error = &e};
	if (cond_parse(a, v, use, &rd, NULL, &c) != ERR_OK)
		ck_abort_msg("%s: %s", e.pointer, e.text);
	return c;
}

START_TEST(condition_on_a_result)
{
	struct arena a;
	arena_init(&a, 0);
	json_t *v = json_of(row[_i].cond), *body = json_of(doc);
	const struct cond *c = must_parse(&a, v, COND_RESULT);
	const struct cond_input in = {
		.has_result = true,
		.status = 404,
		.kind = KIND_STATUS,
		.headers = header,
		.n_headers = 3,
		.doc = body,
	};
	ck_assert_msg(cond_holds(c, &in, NULL, NULL) == row[_i].holds, "%s", row[_i].cond);
	json_decref(v);
	json_decref(body);
	arena_fini(&a);
}
END_TEST

START_TEST(without_a_result_nothing_of_it_holds)
{
	static const char *const text[] = {"{'status':200}", "{'kind':'status'}",
					   "{'header':{'a':'*'}}", "{'/a':1}"};
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		struct arena a;
		arena_init(&a, 0);
		json_t *v = json_of(text[i]);
		const struct cond *c = must_parse(&a, v, COND_RESULT);
		ck_assert(!cond_holds(c, NULL, NULL, NULL));
		json_decref(v);
		arena_fini(&a);
	}
}
END_TEST

START_TEST(success_has_no_kind)
{
	struct arena a;
	arena_init(&a, 0);
	json_t *v = json_of("{'kind':'status'}");
	const struct cond_input in = {.has_result = true, .status = 200};
	ck_assert(!cond_holds(must_parse(&a, v, COND_RESULT), &in, NULL, NULL));
	json_decref(v);
	arena_fini(&a);
}
END_TEST

/*
 * Knows "a", with status 200, and "z", with 500, and nobody else; each bears its name in a header,
 * in memory that the next answer takes.
 */
static bool of_a(void *ctx, struct slice id, struct cond_input *ret)
{
	static struct cond_header name;
	++*(int *)ctx;
	if (!slice_is(id, "a") && !slice_is(id, "z"))
		return false;
	name = (struct cond_header){SLICE_LIT("name"), id};
	*ret = (struct cond_input){.has_result = true,
				   .status = slice_is(id, "a") ? 200 : 500,
				   .headers = &name,
				   .n_headers = 1};
	return true;
}

START_TEST(of_asks_the_task_it_names)
{
	static const struct {
		const char *text;
		bool holds;
	} when[] = {
		{"{'of':'a','status':200}", true},
		{"{'of':'a','status':404}", false},
		{"{'of':'b','status':200}", false},
		{"{'not':{'of':'b','status':200}}", true},
		{"{'any':[{'of':'b','status':200},{'of':'a','status':'200'}]}", true},
		{"{'of':'b','any':[{'of':'a','status':200}]}", false},
		{"{'of':'a','any':[{'status':200}]}", true},
		{"{'of':'a','any':[{'of':'z','status':500}],'header':{'name':'a'}}", true},
		{"{'of':'a','not':{'of':'z','status':200},'header':{'name':'z'}}", false},
	};
	for (size_t i = 0; i < sizeof(when) / sizeof(when[0]); i++) {
		struct arena a;
		int n_asked = 0;
		arena_init(&a, 0);
		json_t *v = json_of(when[i].text);
		const struct cond *c = must_parse(&a, v, COND_WHEN);
		ck_assert_msg(cond_holds(c, NULL, of_a, &n_asked) == when[i].holds, "%s",
			      when[i].text);
		ck_assert_int_gt(n_asked, 0);
		json_decref(v);
		arena_fini(&a);
	}
}
END_TEST

START_TEST(only_pointers_need_the_document)
{
	static const struct {
		const char *text;
		bool needs;
	} r[] = {{"{'status':200}", false},
		 {"{'/a':1}", true},
		 {"{'not':{'/a':1}}", true},
		 {"{'any':[{'status':200},{'/a':1}]}", true},
		 {"{'any':[{'status':200}]}", false}};
	for (size_t i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
		struct arena a;
		arena_init(&a, 0);
		json_t *v = json_of(r[i].text);
		ck_assert(cond_needs_doc(must_parse(&a, v, COND_RESULT)) == r[i].needs);
		json_decref(v);
		arena_fini(&a);
	}
}
END_TEST

static enum err lookup(void *ctx, struct slice name, struct interp_value *ret)
{
	*ret = (struct interp_value){.json = json_object_getn(ctx, name.p, name.n)};
	return ret->json != NULL ? ERR_OK : ERR_NOT_FOUND;
}

START_TEST(references_are_replaced_before_comparing)
{
	static const struct {
		const char *text;
		bool holds;
	} r[] = {{"{'/n':'${five}'}", true},
		 {"{'/n':'${v}'}", false},
		 {"{'/n':{'gt':'${v}','lt':6}}", true},
		 {"{'/s':'a${bc}'}", true},
		 {"{'/s':{'match':'${bc}*'}}", false},
		 {"{'/s':{'match':'*${bc}'}}", true},
		 {"{'/n':'${none}'}", false},
		 {"{'not':{'/n':'${none}'}}", true},
		 {"{'/s':'$${bc}'}", false}};
	json_t *names = json_of("{'five':5,'bc':'bc'}"), *vars = json_of("{'v':4}");
	const struct interp_env env = {.lookup = lookup, .ctx = names};
	const struct interp_env last = {.lookup = lookup, .ctx = vars};
	json_t *body = json_of(doc);
	const struct cond_input in = {.doc = body};
	for (size_t i = 0; i < sizeof(r) / sizeof(r[0]); i++) {
		struct arena a;
		const struct cond *c = NULL;
		struct fields_error e;
		struct fields_read rd = {.error = &e};
		arena_init(&a, 0);
		json_t *v = json_of(r[i].text);
		ck_assert_int_eq(cond_parse_refs(&a, v, COND_ITEM, &rd, NULL, &last, &c), ERR_OK);
		ck_assert_msg(cond_holds_in(c, &in, NULL, NULL, &env) == r[i].holds, "%s",
			      r[i].text);
		json_decref(v);
		arena_fini(&a);
	}
	json_decref(names);
	json_decref(vars);
	json_decref(body);
}
END_TEST

static void parse_fails(const char *text, const char *why)
{
	struct arena a;
	const struct cond *c;
	struct fields_error e;
	struct fields_read rd = {.error = &e};
	arena_init(&a, 0);
	json_t *v = json_loads(text, 0, NULL);
	ck_assert_int_eq(cond_parse(&a, v, COND_RESULT, &rd, NULL, &c), ERR_INVALID);
	ck_assert_str_eq(e.text, why);
	json_decref(v);
	arena_fini(&a);
}

START_TEST(conditions_are_bounded)
{
	struct bytes b = BYTES_LIMIT(0);
	for (int i = 0; i < COND_MAX_DEPTH + 1; i++)
		bytes_add_str(&b, "{\"not\":");
	bytes_add_str(&b, "{}");
	for (int i = 0; i < COND_MAX_DEPTH + 1; i++)
		bytes_add_str(&b, "}");
	parse_fails(bytes_cstr(&b), "conditions nest deeper than 16");
	bytes_clear(&b);
	bytes_add_str(&b, "{\"/0\":1");
	for (int i = 1; i <= COND_MAX_TESTS; i++)
		bytes_printf(&b, ",\"/%d\":1", i);
	bytes_add_str(&b, "}");
	parse_fails(bytes_cstr(&b), "more than 256 tests in one condition");
	bytes_clear(&b);
	bytes_printf(&b, "{\"/a\":{\"match\":\"%0*d\"}}", GLOB_MAX + 1, 0);
	parse_fails(bytes_cstr(&b), "a pattern must be at most 256 bytes long");
	bytes_fini(&b);
}
END_TEST

/* ---- globs ---- */

static const struct {
	const char *pattern, *text;
	bool matches;
} glob[] = {
	{"", "", true},		 {"", "a", false},	  {"*", "", true},
	{"*", "abc", true},	 {"a", "a", true},	  {"a", "A", false},
	{"?", "a", true},	 {"?", "", false},	  {"a*", "a", true},
	{"a*c", "abbc", true},	 {"a*c", "abbcd", false}, {"*b*", "abc", true},
	{"**", "x", true},	 {"a?c", "abc", true},	  {"a?c", "ac", false},
	{"\\*", "*", true},	 {"\\*", "a", false},	  {"\\?x", "?x", true},
	{"a\\", "a\\", true},	 {"*aab", "aaaab", true}, {"*ab*ab", "abab", true},
	{"*ab*ab", "ab", false},
};

START_TEST(glob_matches_the_whole_text)
{
	ck_assert_msg(glob_match(slice_of(glob[_i].pattern), slice_of(glob[_i].text), false) ==
			      glob[_i].matches,
		      "%s %s", glob[_i].pattern, glob[_i].text);
}
END_TEST

/* Exponential matchers do not come back from this one. */
START_TEST(glob_of_many_stars_is_bounded)
{
	struct bytes p = BYTES_LIMIT(0), t = BYTES_LIMIT(0);
	for (int i = 0; i < 100; i++)
		bytes_add_str(&p, "a*");
	bytes_add_byte(&p, 'b');
	for (int i = 0; i < GLOB_MAX_TEXT; i++)
		bytes_add_byte(&t, 'a');
	ck_assert(!glob_match(bytes_slice(&p), bytes_slice(&t), false));
	bytes_fini(&p);
	bytes_fini(&t);
}
END_TEST

START_TEST(glob_ignores_case_if_told)
{
	ck_assert(glob_match(slice_of("A*Z"), slice_of("abcz"), true));
	ck_assert(!glob_match(slice_of("A*Z"), slice_of("abcz"), false));
}
END_TEST

/* ---- sets ---- */

START_TEST(statuses_are_codes_and_ranges)
{
	struct statuses s = {.n = 0};
	ck_assert_int_eq(statuses_add_text(&s, slice_of("200-299, 404")), ERR_OK);
	ck_assert(statuses_has(&s, 200) && statuses_has(&s, 299) && statuses_has(&s, 404));
	ck_assert(!statuses_has(&s, 199) && !statuses_has(&s, 300) && !statuses_has(&s, 0));
	static const char *const bad[] = {"",	     "x",    "20",   "2000",	 "099",
					  "300-200", "200-", "-200", "200,,201", "200-201-202"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_int_eq(statuses_add_text(&s, slice_of(bad[i])), ERR_INVALID);
	struct statuses full = {.n = 0};
	for (int i = 0; i < STATUSES_MAX; i++)
		ck_assert_int_eq(statuses_add_text(&full, slice_of("200")), ERR_OK);
	ck_assert_int_eq(statuses_add_text(&full, slice_of("200")), ERR_TOO_LARGE);
}
END_TEST

START_TEST(kinds_match_by_prefix_up_to_a_dot)
{
	struct kindset s = {0};
	ck_assert(kindset_empty(s));
	ck_assert_int_eq(kindset_add(&s, slice_of("connect")), ERR_OK);
	ck_assert(kindset_has(s, KIND_CONNECT_REFUSED) && kindset_has(s, KIND_CONNECT_TIMEOUT));
	ck_assert(!kindset_has(s, KIND_READ_TIMEOUT) && !kindset_has(s, KIND_NONE));
	ck_assert_int_eq(kindset_add(&s, slice_of("conn")), ERR_INVALID);
	ck_assert_int_eq(kindset_add(&s, slice_of("")), ERR_INVALID);
	ck_assert_int_eq(kindset_add(&s, slice_of("status")), ERR_OK);
	ck_assert(kindset_has(s, KIND_STATUS));
}
END_TEST

START_TEST(pointers_are_checked_before_they_are_used)
{
	ck_assert(pointer_valid(slice_of("")) && pointer_valid(slice_of("/a~0~1/0")));
	ck_assert(!pointer_valid(slice_of("a")) && !pointer_valid(slice_of("/~")));
	ck_assert(!pointer_valid(slice_of("/~2")));
	json_t *v = json_of(doc);
	ck_assert_ptr_eq(pointer_get(v, slice_of("")), v);
	ck_assert_ptr_null(pointer_get(v, slice_of("x")));
	ck_assert_ptr_null(pointer_get(v, slice_of("/l/99999999999999999999")));
	json_decref(v);
}
END_TEST

static Suite *cond_suite(void)
{
	Suite *s = suite_create("cond");
	TCase *tc = tcase_create("cond");
	tcase_add_loop_test(tc, condition_on_a_result, 0, (int)(sizeof(row) / sizeof(row[0])));
	tcase_add_test(tc, without_a_result_nothing_of_it_holds);
	tcase_add_test(tc, success_has_no_kind);
	tcase_add_test(tc, of_asks_the_task_it_names);
	tcase_add_test(tc, only_pointers_need_the_document);
	tcase_add_test(tc, references_are_replaced_before_comparing);
	tcase_add_test(tc, conditions_are_bounded);
	tcase_add_loop_test(tc, glob_matches_the_whole_text, 0,
			    (int)(sizeof(glob) / sizeof(glob[0])));
	tcase_add_test(tc, glob_of_many_stars_is_bounded);
	tcase_add_test(tc, glob_ignores_case_if_told);
	tcase_add_test(tc, statuses_are_codes_and_ranges);
	tcase_add_test(tc, kinds_match_by_prefix_up_to_a_dot);
	tcase_add_test(tc, pointers_are_checked_before_they_are_used);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(cond_suite());
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
