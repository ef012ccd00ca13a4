/*
 * interp -- what ${…} becomes, and what it may not be.
 */
#include "model/interp.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static json_t *names(void)
{
	json_t *v = json_loads("{\"s\":\"a/b c\",\"n\":5,\"f\":1.5,\"t\":true,\"z\":null,"
			       "\"l\":[1,\"x\"],\"o\":{\"a\":{\"b\":\"deep\"},\"x~y\":1},"
			       "\"ref\":\"${n}\",\"u\":\"http://h/p?q\"}",
			       0, NULL);
	ck_assert_ptr_nonnull(v);
	return v;
}

static enum err lookup(void *ctx, struct slice name, struct interp_value *ret)
{
	if (slice_is(name, "plain")) {
		*ret = (struct interp_value){.text = SLICE_LIT("text \"as it is\"")};
		return ERR_OK;
	}
	const json_t *v = json_object_getn(ctx, name.p, name.n);
	if (v == NULL)
		return ERR_NOT_FOUND;
	*ret = (struct interp_value){.json = v};
	return ERR_OK;
}

static const struct {
	const char *text;
	enum tmpl_use use;
	enum tmpl_kind kind;
	const char *want;
} row[] = {
	{"", TMPL_TEXT, TMPL_LITERAL, ""},
	{"plain", TMPL_TEXT, TMPL_LITERAL, "plain"},
	{"$ $$ {} $x }", TMPL_TEXT, TMPL_LITERAL, "$ $$ {} $x }"},
	{"$${x}", TMPL_TEXT, TMPL_LITERAL, "${x}"},
	{"$$${x}", TMPL_TEXT, TMPL_LITERAL, "$${x}"},
	{"a$", TMPL_TEXT, TMPL_LITERAL, "a$"},
	{"${s}", TMPL_TEXT, TMPL_VALUE, "a/b c"},
	{"${n}", TMPL_TEXT, TMPL_VALUE, "5"},
	{"${l}", TMPL_TEXT, TMPL_VALUE, "[1,\"x\"]"},
	{"<${n}>", TMPL_TEXT, TMPL_MIXED, "<5>"},
	{"${n}${n}", TMPL_TEXT, TMPL_MIXED, "55"},
	{"${f} ${t} ${z}", TMPL_TEXT, TMPL_MIXED, "1.5 true null"},
	{"${l/1}.${l/0}", TMPL_TEXT, TMPL_MIXED, "x.1"},
	{"-${o/a/b}-${o/x~0y}", TMPL_TEXT, TMPL_MIXED, "-deep-1"},
	{"-${o/a}", TMPL_TEXT, TMPL_MIXED, "-{\"b\":\"deep\"}"},
	{"-${ref}", TMPL_TEXT, TMPL_MIXED, "-${n}"},
	{"<${plain}>", TMPL_TEXT, TMPL_MIXED, "<text \"as it is\">"},
	{"http://${s}/${s}", TMPL_URL, TMPL_MIXED, "http://a/b c/a%2Fb%20c"},
	{"http://h?${s}", TMPL_URL, TMPL_MIXED, "http://h?a%2Fb%20c"},
	{"http://h${s}", TMPL_URL, TMPL_MIXED, "http://ha/b c"},
	{"${u}/${s}", TMPL_URL, TMPL_MIXED, "http://h/p?q/a%2Fb%20c"},
	{"${u}", TMPL_URL, TMPL_VALUE, "http://h/p?q"},
	{"http://h/${n}${n}", TMPL_URL, TMPL_MIXED, "http://h/55"},
};

START_TEST(text_is_rendered)
{
	struct arena a;
	struct tmpl t;
	struct interp_error e;
	struct bytes out = BYTES_LIMIT(0);
	json_t *v = names();
	const struct interp_env env = {.lookup = lookup, .ctx = v};
	arena_init(&a, 0);
	ck_assert_int_eq(tmpl_parse(&a, slice_of(row[_i].text), row[_i].use, &t, &e), ERR_OK);
	ck_assert_int_eq(t.kind, row[_i].kind);
	ck_assert_int_eq(tmpl_render_text(&t, &env, &out, &e), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&out), row[_i].want);
	bytes_fini(&out);
	json_decref(v);
	arena_fini(&a);
}
END_TEST

START_TEST(text_that_is_no_template_is_refused)
{
	static const char *const bad[] = {"${",	    "a${b",    "${}",	  "${/a}",
					  "${1}",   "${a.b}",  "${ a}",	  "${a }",
					  "${a/~}", "${a/~2}", "${${a}}", "${-a}"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct arena a;
		struct tmpl t;
		struct interp_error e;
		arena_init(&a, 0);
		ck_assert_msg(tmpl_parse(&a, slice_of(bad[i]), TMPL_TEXT, &t, &e) == ERR_INVALID,
			      "%s", bad[i]);
		ck_assert_int_eq(e.err, ERR_INVALID);
		ck_assert_uint_gt(strlen(e.sentence), 0);
		arena_fini(&a);
	}
}
END_TEST

static void render_fails(const char *text, enum err want, const char *sentence)
{
	struct arena a;
	struct tmpl t;
	struct interp_error e;
	struct bytes out = BYTES_LIMIT(0);
	json_t *v = names(), *made = NULL;
	const struct interp_env env = {.lookup = lookup, .ctx = v};
	arena_init(&a, 0);
	ck_assert_int_eq(tmpl_parse(&a, slice_of(text), TMPL_TEXT, &t, &e), ERR_OK);
	ck_assert_int_eq(tmpl_render_text(&t, &env, &out, &e), want);
	ck_assert_str_eq(e.sentence, sentence);
	ck_assert_int_eq(tmpl_render_value(&t, &env, &made, &e), want);
	ck_assert_ptr_null(made);
	bytes_fini(&out);
	json_decref(v);
	arena_fini(&a);
}

START_TEST(reference_without_a_value_is_told_by_name)
{
	render_fails("a${none}", ERR_NOT_FOUND, "${none}: there is no value of that name here");
	render_fails("${o/none}", ERR_NOT_FOUND, "${o/none}: the value has no such member");
	render_fails("${plain/a}", ERR_NOT_FOUND, "${plain/a}: the value has no such member");
	render_fails("${l/7}", ERR_NOT_FOUND, "${l/7}: the value has no such member");
}
END_TEST

START_TEST(outer_surroundings_are_asked_last)
{
	struct arena a;
	struct tmpl t;
	struct interp_error e;
	struct bytes out = BYTES_LIMIT(0);
	json_t *inner = json_pack("{s:s}", "x", "in"),
	       *outer = json_pack("{s:s,s:s}", "x", "out", "y", "out");
	json_t *last = json_pack("{s:s,s:s}", "y", "last", "z", "last");
	const struct interp_env out_env = {.lookup = lookup, .ctx = outer};
	const struct interp_env env = {.lookup = lookup, .ctx = inner, .outer = &out_env};
	const struct interp_env last_env = {.lookup = lookup, .ctx = last};
	arena_init(&a, 0);
	ck_assert_int_eq(tmpl_parse(&a, slice_of("${x} ${y} ${z}"), TMPL_TEXT, &t, &e), ERR_OK);
	t.last = &last_env;
	ck_assert_int_eq(tmpl_render_text(&t, &env, &out, &e), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&out), "in out last");
	bytes_fini(&out);
	json_decref(inner);
	json_decref(outer);
	json_decref(last);
	arena_fini(&a);
}
END_TEST

START_TEST(tree_is_rendered_in_every_string_but_no_key)
{
	struct interp_error e;
	json_t *v = names(), *made;
	json_t *tree = json_loads("{\"${n}\":\"${n}\",\"a\":[\"${l}\",\"<${s}>\",\"$${n}\",7],"
				  "\"b\":{\"c\":\"${plain}\"}}",
				  0, NULL);
	json_t *want = json_loads("{\"${n}\":5,\"a\":[[1,\"x\"],\"<a/b c>\",\"${n}\",7],"
				  "\"b\":{\"c\":\"text \\\"as it is\\\"\"}}",
				  0, NULL);
	const struct interp_env env = {.lookup = lookup, .ctx = v};
	ck_assert(interp_json_has_mark(tree));
	ck_assert_int_eq(interp_render_json(tree, &env, NULL, &made, &e), ERR_OK);
	ck_assert(json_equal(made, want));
	json_decref(made);
	json_decref(want);
	json_decref(tree);
	json_decref(v);
}
END_TEST

/* A small text that would swell to gigabytes. */
START_TEST(what_references_bring_is_bounded)
{
	struct interp_error e = {.err = ERR_OK};
	struct bytes big = BYTES_LIMIT(0);
	for (int i = 0; i < INTERP_MAX_BYTES / 2; i++)
		bytes_add_byte(&big, 'x');
	json_t *v = json_pack("{s:s}", "big", bytes_cstr(&big)), *made = NULL;
	json_t *tree = json_array();
	const struct interp_env env = {.lookup = lookup, .ctx = v};
	json_array_append_new(tree, json_string("${big}"));
	ck_assert_int_eq(interp_render_json(tree, &env, NULL, &made, &e), ERR_OK);
	json_decref(made);
	for (int i = 0; i < 4; i++)
		json_array_append_new(tree, json_string("${big}"));
	ck_assert_int_eq(interp_render_json(tree, &env, NULL, &made, &e), ERR_TOO_LARGE);
	json_array_clear(tree);
	json_array_append_new(tree, json_string("${big}${big}${big}"));
	ck_assert_int_eq(interp_render_json(tree, &env, NULL, &made, &e), ERR_TOO_LARGE);
	json_decref(tree);
	json_decref(v);
	bytes_fini(&big);
}
END_TEST

START_TEST(references_in_one_string_are_bounded)
{
	struct arena a;
	struct tmpl t;
	struct interp_error e;
	struct bytes text = BYTES_LIMIT(0);
	arena_init(&a, 0);
	for (int i = 0; i < INTERP_MAX_REFS; i++)
		bytes_add_str(&text, "-${n}");
	ck_assert_int_eq(tmpl_parse(&a, bytes_slice(&text), TMPL_TEXT, &t, &e), ERR_OK);
	bytes_add_str(&text, "${n}");
	ck_assert_int_eq(tmpl_parse(&a, bytes_slice(&text), TMPL_TEXT, &t, &e), ERR_TOO_LARGE);
	bytes_fini(&text);
	arena_fini(&a);
}
END_TEST

static Suite *interp_suite(void)
{
	Suite *s = suite_create("interp");
	TCase *tc = tcase_create("interp");
	tcase_add_loop_test(tc, text_is_rendered, 0, (int)(sizeof(row) / sizeof(row[0])));
	tcase_add_test(tc, text_that_is_no_template_is_refused);
	tcase_add_test(tc, reference_without_a_value_is_told_by_name);
	tcase_add_test(tc, outer_surroundings_are_asked_last);
	tcase_add_test(tc, tree_is_rendered_in_every_string_but_no_key);
	tcase_add_test(tc, what_references_bring_is_bounded);
	tcase_add_test(tc, references_in_one_string_are_bounded);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(interp_suite());
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
