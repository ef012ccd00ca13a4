/*
 * spec, at run time -- fetches, durations and values rendered against their surroundings, and
 * items that are fetches themselves.
 */
#include "job/spec.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static json_t *quoted_json(const char *text)
{
	char *t = strdup(text);
	for (char *p = t; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	json_t *v = json_loads(t, JSON_DECODE_ANY, NULL);
	ck_assert_ptr_nonnull(v);
	free(t);
	return v;
}

static struct job_spec *must_parse(const char *text, const char *vars)
{
	json_t *tree = quoted_json(text);
	json_t *v = vars != NULL ? quoted_json(vars) : NULL;
	char *t = json_dumps(tree, 0);
	struct job_spec *s = NULL;
	struct spec_error e;
	const struct spec_options o = {.vars = v};
	if (job_spec_parse(slice_of(t), &o, &s, &e) != ERR_OK)
		ck_abort_msg("%s\n%s: %s", text, e.path, e.sentence);
	free(t);
	json_decref(tree);
	json_decref(v);
	return s;
}

/* The surroundings: an object of names. */
static enum err lookup(void *ctx, struct slice name, struct interp_value *ret)
{
	const json_t *v = json_object_getn(ctx, name.p, name.n);
	if (v == NULL)
		return ERR_NOT_FOUND;
	*ret = (struct interp_value){.json = v};
	return ERR_OK;
}

static struct fetch_spec *must_render(const struct fetch_tmpl *t, const char *names)
{
	json_t *v = quoted_json(names);
	const struct interp_env env = {.lookup = lookup, .ctx = v};
	struct fetch_spec *f = NULL;
	struct fetch_error e = {.kind = KIND_NONE};
	if (fetch_spec_render(t, &env, &f, &e) != ERR_OK)
		ck_abort_msg("%s", e.text);
	json_decref(v);
	return f;
}

static const struct fetch_tmpl *fetch_of(const struct job_spec *s)
{
	const struct node *n = s->root;
	while (n->verb != VERB_FETCH)
		n = n->verb == VERB_EACH ? n->u.each.run : n->child[n->n_child - 1];
	return &n->u.fetch;
}

#define EACH(do) "{'run':{'each':{'in':{'feed':true},'do':" do "}}}"

START_TEST(reference_after_the_authority_is_percent_encoded)
{
	struct job_spec *s =
		must_parse(EACH("{'fetch':'http://${item/h}/a/${item/p}?q=${item/p}'}"), NULL);
	struct fetch_spec *f = must_render(fetch_of(s), "{'item':{'h':'h.x','p':'a b/ü?'}}");
	ck_assert(slice_is(f->url, "http://h.x/a/a%20b%2F%C3%BC%3F?q=a%20b%2F%C3%BC%3F"));
	fetch_spec_free(f);
	job_spec_unref(s);
}
END_TEST

START_TEST(reference_that_is_the_whole_url_stays_as_it_is)
{
	struct job_spec *s = must_parse(EACH("{'fetch':'${item/u}'}"), NULL);
	ck_assert_ptr_null(fetch_of(s)->fixed);
	struct fetch_spec *f = must_render(fetch_of(s), "{'item':{'u':'http://h/a?b=c/d'}}");
	ck_assert(slice_is(f->url, "http://h/a?b=c/d"));
	fetch_spec_free(f);
	job_spec_unref(s);
}
END_TEST

START_TEST(members_keep_the_type_of_a_lone_reference)
{
	struct job_spec *s =
		must_parse(EACH("{'fetch':{'url':'http://h/','timeout':'${item/"
				"t}','max_redirects':'${item/n}',"
				"'follow':'${item/f}','json':{'x':'${item/v}','y':'<${item/"
				"v}>'},'headers':{'A':"
				"'${item/t}'},'expect':'${item/e}','tag':'${item/n}'}}"),
			   NULL);
	struct fetch_spec *f =
		must_render(fetch_of(s),
			    "{'item':{'t':'7s','n':3,'f':false,'v':[1,null],'e':[404,'200-201']}}");
	ck_assert_int_eq(f->timeout_ms, 7000);
	ck_assert_int_eq(f->max_redirects, 3);
	ck_assert(!f->follow);
	ck_assert(slice_is(f->body, "{\"x\":[1,null],\"y\":\"<[1,null]>\"}"));
	ck_assert(slice_is(f->method, "POST"));
	ck_assert(slice_is(f->content_type, "application/json"));
	ck_assert(slice_is(f->header[0].value, "7s"));
	ck_assert(statuses_has(&f->expect, 404) && !statuses_has(&f->expect, 202));
	ck_assert(slice_is(f->tag, "3"));
	fetch_spec_free(f);
	job_spec_unref(s);
}
END_TEST

START_TEST(whole_item_may_be_a_fetch_object)
{
	struct job_spec *s =
		must_parse("{'defaults':{'fetch':{'timeout':'9s'}},'run':{'each':{'in':"
			   "{'feed':true},'do':{'fetch':'${item}'}}}}",
			   NULL);
	ck_assert(fetch_of(s)->is_item_only);
	struct fetch_spec *f =
		must_render(fetch_of(s), "{'item':{'url':'http://h/','method':'PUT','tag':'a'}}");
	ck_assert(slice_is(f->url, "http://h/") && slice_is(f->method, "PUT"));
	ck_assert(slice_is(f->tag, "\"a\""));
	ck_assert_int_eq(f->timeout_ms, 9000);
	fetch_spec_free(f);
	job_spec_unref(s);
}
END_TEST

static void render_fails(const struct job_spec *s, const char *names, enum kind kind,
			 const char *text)
{
	json_t *v = quoted_json(names);
	const struct interp_env env = {.lookup = lookup, .ctx = v};
	struct fetch_spec *f = NULL;
	struct fetch_error e;
	ck_assert_int_eq(fetch_spec_render(fetch_of(s), &env, &f, &e), ERR_INVALID);
	ck_assert_ptr_null(f);
	ck_assert_int_eq(e.kind, kind);
	ck_assert_str_eq(e.text, text);
	json_decref(v);
}

START_TEST(what_a_run_brings_is_checked_like_what_was_written)
{
	struct job_spec *s = must_parse(EACH("{'fetch':{'url':'http://h/','timeout':'${item/t}',"
					     "'headers':{'A':'${item/a}'}}}"),
					NULL);
	render_fails(
		s, "{'item':{'t':5,'a':'x'}}", KIND_REQUEST_INVALID,
		"timeout must be a duration such as \"250ms\", \"5s\", \"2m\", \"1h\", \"1d\"");
	render_fails(s, "{'item':{'t':'5s','a':'x\\r\\nB: y'}}", KIND_REQUEST_INVALID,
		     "header A must not hold CR, LF, NUL or other controls");
	render_fails(s, "{'item':{'t':'5s'}}", KIND_REQUEST_INVALID,
		     "${item/a}: the value has no such member");
	render_fails(s, "{}", KIND_REQUEST_INVALID,
		     "${item/t}: there is no value of that name here");
	job_spec_unref(s);
}
END_TEST

START_TEST(variables_are_replaced_while_parsing)
{
	struct job_spec *s = must_parse(
		"{'name':'${who}','deadline':'${d}','priority':'${p}','defaults':{'retry':{'"
		"attempts':"
		"'${p}'}},'results':{'select':['${sel}']},'run':{'sequence':[{'sleep':'${d}','"
		"timeout'"
		":'${d}'},{'emit':['${p}','${who}!','$${who}']},{'fetch':{'url':'http://h/${who}',"
		"'max_redirects':'${p}'}}]}}",
		"{'who':'a b','d':'5s','p':7,'sel':'status'}");
	ck_assert(slice_is(s->name, "a b"));
	ck_assert_int_eq(s->deadline_ms, 5000);
	ck_assert_int_eq(s->priority, 7);
	ck_assert_int_eq(s->retry_defaults.attempts, 7);
	ck_assert_uint_ne(s->results.select, 0);
	const struct node *sleep = s->root->child[0], *emit = s->root->child[1];
	ck_assert_int_eq(sleep->u.sleep.ms, 5000);
	ck_assert_ptr_null(sleep->u.sleep.t);
	ck_assert_int_eq(sleep->timeout.ms, 5000);
	ck_assert(!emit->u.emit.has_refs);
	json_t *want = quoted_json("[7,'a b!','${who}']");
	ck_assert(json_equal(emit->u.emit.json, want));
	json_decref(want);
	const struct fetch_spec *f = s->root->child[2]->u.fetch.fixed;
	ck_assert_ptr_nonnull(f);
	ck_assert(slice_is(f->url, "http://h/a%20b"));
	ck_assert_int_eq(f->max_redirects, 7);
	job_spec_unref(s);
}
END_TEST

/* All that --var can give is text. */
START_TEST(text_of_a_number_will_do_where_a_number_must_stand)
{
	struct job_spec *s = must_parse(
		"{'priority':'${n}','durable':'${no}','defaults':{'fetch':{'max_redirects':'${m2}'}"
		","
		"'retry':{'attempts':'${n}'}},'run':{'sequence':[{'each':{'in':{'range':['"
		"0',"
		"'${n}','${m}']},'concurrency':'${n}','do':{'emit':1}},'retry':{'attempts':'${n}'}}"
		","
		"{'gather':[{'sleep':0},{'sleep':0}],'min_ok':'${one}'},{'fetch':{'url':'http://h/"
		"',"
		"'max_redirects':'${n}','follow':'${no}','body':'${n}','method':'${n}'}}]}}",
		"{'n':'7','m':'-1','m2':'3','no':'false','one':'1'}");
	ck_assert_int_eq(s->fetch_defaults.max_redirects, 3);
	ck_assert_int_eq(s->retry_defaults.attempts, 7);
	const struct node *each = s->root->child[0];
	ck_assert_int_eq(s->priority, 7);
	ck_assert(!s->durable);
	ck_assert_int_eq(each->u.each.concurrency, 7);
	ck_assert_int_eq(each->u.each.in.range.to, 7);
	ck_assert_int_eq(each->u.each.in.range.step, -1);
	ck_assert_int_eq(each->retry->attempts, 7);
	ck_assert_int_eq(s->root->child[1]->u.gather.min_ok, 1);
	const struct fetch_spec *f = s->root->child[2]->u.fetch.fixed;
	ck_assert_int_eq(f->max_redirects, 7);
	ck_assert(!f->follow);
	ck_assert(slice_is(f->body, "7") && slice_is(f->method, "7"));
	job_spec_unref(s);
}
END_TEST

START_TEST(variables_and_items_mix)
{
	struct job_spec *s =
		must_parse(EACH("{'sequence':[{'emit':['${v}','${item}']},{'sleep':'${item}${v}'},"
				"{'fetch':'http://h/${v}/${item}'}]}"),
			   "{'v':'s'}");
	const struct node *seq = s->root->u.each.run;
	json_t *names = quoted_json("{'item':4}"), *made, *want = quoted_json("['s',4]");
	const struct interp_env env = {.lookup = lookup, .ctx = names};
	struct interp_error e;
	int64_t ms;
	ck_assert_int_eq(spec_value_render(&seq->child[0]->u.emit, &env, &made, &e), ERR_OK);
	ck_assert(json_equal(made, want));
	ck_assert_int_eq(spec_dur_render(&seq->child[1]->u.sleep, &env, &ms, &e), ERR_OK);
	ck_assert_int_eq(ms, 4000);
	struct fetch_spec *f = must_render(&seq->child[2]->u.fetch, "{'item':4}");
	ck_assert(slice_is(f->url, "http://h/s/4"));
	fetch_spec_free(f);
	json_decref(made);
	json_decref(want);
	json_decref(names);
	job_spec_unref(s);
}
END_TEST

START_TEST(duration_that_turns_out_to_be_none_is_told)
{
	struct job_spec *s = must_parse(EACH("{'sleep':'${item}'}"), NULL);
	json_t *names = quoted_json("{'item':4}");
	const struct interp_env env = {.lookup = lookup, .ctx = names};
	struct interp_error e;
	int64_t ms = -1;
	const struct spec_dur *d = &s->root->u.each.run->u.sleep;
	ck_assert_int_eq(spec_dur_render(d, &env, &ms, &e), ERR_INVALID);
	ck_assert_int_eq(ms, -1);
	ck_assert_str_eq(e.sentence, "${item} is not a duration such as \"250ms\", \"5s\", \"2m\", "
				     "\"1h\", \"1d\"");
	json_decref(names);
	job_spec_unref(s);
}
END_TEST

static void vars_fail(const char *text, const char *vars, const char *sentence)
{
	json_t *tree = quoted_json(text), *v = quoted_json(vars);
	char *t = json_dumps(tree, 0);
	struct job_spec *s = NULL;
	struct spec_error e;
	const struct spec_options o = {.vars = v};
	ck_assert_int_eq(job_spec_parse(slice_of(t), &o, &s, &e), ERR_INVALID);
	ck_assert_str_eq(e.sentence, sentence);
	free(t);
	json_decref(tree);
	json_decref(v);
}

START_TEST(variables_that_cannot_be_are_refused)
{
	vars_fail("{'run':'http://h/'}", "{'a b':1}", "\"a b\" cannot be a variable's name");
	vars_fail("{'run':'http://h/'}", "[1]", "variables must be an object of at most 1000");
	vars_fail("{'run':{'fetch':'http://h/','id':'v'}}", "{'v':1}",
		  "\"v\" is the name of a variable of this job");
	vars_fail("{'priority':'${p}','run':'http://h/'}", "{'p':'five'}",
		  "priority must be a whole number");
	vars_fail("{'run':{'emit':'${who}'}}", "{'whom':1}",
		  "nothing is called ${who} here; did you mean ${whom}?");
	vars_fail(
		"{'run':'${u}'}", "{'u':'ftp://h/'}",
		"\"ftp://h/\" is no URL that can be fetched: its scheme is neither http nor https");
}
END_TEST

/* ---- items that are fetches ---- */

static const struct item_row {
	const char *raw;
	const char *url; /* NULL: it is an error */
	enum kind kind;
	const char *text;
} item_row[] = {
	{"\"http://h/\"", "http://h/", KIND_NONE, NULL},
	{"\"no url at all\"", "no url at all", KIND_NONE, NULL},
	{"\"http:\\/\\/h\\/\"", "http://h/", KIND_NONE, NULL},
	{"{\"url\":\"http://h/\",\"tag\":{\"a\":1}}", "http://h/", KIND_NONE, NULL},
	{"\"\"", NULL, KIND_URL_INVALID, "an empty text is no URL"},
	{"7", NULL, KIND_REQUEST_INVALID, "fetch must be a URL or an object"},
	{"null", NULL, KIND_REQUEST_INVALID, "fetch must be a URL or an object"},
	{"{}", NULL, KIND_REQUEST_INVALID, "fetch needs a member \"url\""},
	{"{\"ulr\":\"x\"}", NULL, KIND_REQUEST_INVALID,
	 "unknown member \"ulr\"; did you mean \"url\"?"},
	{"{\"url\":\"http://h/\",\"headers\":{\"A\":\"b\\nc\"}}", NULL, KIND_REQUEST_INVALID,
	 "header A must not hold CR, LF, NUL or other controls"},
	{"{\"url\":\"http://h/\"", NULL, KIND_REQUEST_INVALID,
	 "the text ends where ',' or '}' is expected"},
	{"", NULL, KIND_REQUEST_INVALID, "the text ends where a value is expected"},
};

START_TEST(item_is_a_url_or_a_fetch_object)
{
	const struct item_row *row = &item_row[_i];
	struct fetch_spec defaults, *f = NULL;
	struct fetch_error e;
	fetch_spec_init(&defaults);
	defaults.timeout_ms = 4321;
	enum err err = fetch_spec_from_item(slice_of(row->raw), &defaults, &f, &e);
	if (row->url == NULL) {
		ck_assert_int_eq(err, ERR_INVALID);
		ck_assert_ptr_null(f);
		ck_assert_int_eq(e.kind, row->kind);
		ck_assert_str_eq(e.text, row->text);
		return;
	}
	ck_assert_int_eq(err, ERR_OK);
	ck_assert(slice_is(f->url, row->url));
	ck_assert_int_eq(f->timeout_ms, 4321);
	fetch_spec_free(f);
}
END_TEST

START_TEST(references_in_a_fed_item_are_plain_text)
{
	struct fetch_spec defaults, *f = NULL;
	struct fetch_error e;
	fetch_spec_init(&defaults);
	struct slice raw = SLICE_LIT("{\"url\":\"http://h/${item}\",\"tag\":\"${x}\"}");
	ck_assert_int_eq(fetch_spec_from_item(raw, &defaults, &f, &e), ERR_OK);
	ck_assert(slice_is(f->url, "http://h/${item}"));
	ck_assert(slice_is(f->tag, "\"${x}\""));
	fetch_spec_free(f);
}
END_TEST

START_TEST(bodies_come_out_as_the_bytes_to_send)
{
	struct fetch_spec defaults, *f = NULL;
	struct fetch_error e;
	fetch_spec_init(&defaults);
	static const struct {
		const char *raw, *body, *type;
		size_t n;
	} row[] = {
		{"{\"url\":\"u\",\"body\":\"a b\"}", "a b", NULL, 3},
		{"{\"url\":\"u\",\"json\":{\"a\":[1,\"x\"]}}", "{\"a\":[1,\"x\"]}",
		 "application/json", 13},
		{"{\"url\":\"u\",\"form\":{\"a b\":\"c&d\",\"n\":7,\"l\":[\"x\",\"y\"]}}",
		 "a+b=c%26d&n=7&l=x&l=y", "application/x-www-form-urlencoded", 21},
		{"{\"url\":\"u\",\"body_base64\":\"AAEC/w==\"}", "\0\1\2\377", NULL, 4},
		{"{\"url\":\"u\",\"body_base64\":\"\"}", "", NULL, 0},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		enum err err = fetch_spec_from_item(slice_of(row[i].raw), &defaults, &f, &e);
		ck_assert_msg(err == ERR_OK, "%s: %s", row[i].raw, e.text);
		ck_assert_int_eq(f->body_kind, FETCH_BODY_BYTES);
		ck_assert(slice_is(f->method, "POST"));
		ck_assert(slice_eq(f->body, (struct slice){row[i].body, row[i].n}));
		ck_assert(slice_eq(f->content_type, slice_of(row[i].type)));
		fetch_spec_free(f);
	}
}
END_TEST

static Suite *render_suite(void)
{
	Suite *s = suite_create("spec_render");
	TCase *tc = tcase_create("render");
	tcase_add_test(tc, reference_after_the_authority_is_percent_encoded);
	tcase_add_test(tc, reference_that_is_the_whole_url_stays_as_it_is);
	tcase_add_test(tc, members_keep_the_type_of_a_lone_reference);
	tcase_add_test(tc, whole_item_may_be_a_fetch_object);
	tcase_add_test(tc, what_a_run_brings_is_checked_like_what_was_written);
	tcase_add_test(tc, variables_are_replaced_while_parsing);
	tcase_add_test(tc, text_of_a_number_will_do_where_a_number_must_stand);
	tcase_add_test(tc, variables_and_items_mix);
	tcase_add_test(tc, duration_that_turns_out_to_be_none_is_told);
	tcase_add_test(tc, variables_that_cannot_be_are_refused);
	tcase_add_loop_test(tc, item_is_a_url_or_a_fetch_object, 0,
			    (int)(sizeof(item_row) / sizeof(item_row[0])));
	tcase_add_test(tc, references_in_a_fed_item_are_plain_text);
	tcase_add_test(tc, bodies_come_out_as_the_bytes_to_send);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(render_suite());
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
