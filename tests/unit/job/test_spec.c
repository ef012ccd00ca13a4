/*
 * spec -- what a job file may say, what is refused and in which words, and what the tree holds.
 */
#include "job/spec.h"
#include "proto/result.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ' stands for " so that the tables can be read. */
static char *quoted(const char *text)
{
	char *t = strdup(text);
	for (char *p = t; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return t;
}

static struct job_spec *parse_with(const char *text, const struct spec_options *o,
				   struct spec_error *e)
{
	struct job_spec *s = NULL;
	char *t = quoted(text);
	job_spec_parse(slice_of(t), o, &s, e);
	free(t);
	return s;
}

static struct job_spec *must_parse_with(const char *text, const struct spec_options *o)
{
	struct spec_error e;
	struct job_spec *s = parse_with(text, o, &e);
	if (s == NULL)
		ck_abort_msg("%s\n%u:%u %s: %s", text, e.line, e.column, e.path, e.sentence);
	return s;
}

static struct job_spec *must_parse(const char *text)
{
	return must_parse_with(text, &(struct spec_options){.from_config = false});
}

static const struct bad {
	const char *text;
	enum kind kind;
	unsigned line, column;
	const char *path, *sentence;
} bad[] = {
#define BAD(text, kind, line, column, path, sentence)                                              \
	{text, KIND_##kind, line, column, path, sentence},
#include "bad_jobs.inc"
#undef BAD
};

START_TEST(bad_job_is_refused_with_its_place_and_sentence)
{
	const struct bad *b = &bad[_i];
	struct spec_error e;
	struct spec_options o = {.from_config = false};
	struct job_spec *s = parse_with(b->text, &o, &e);
	ck_assert_msg(s == NULL, "taken: %s", b->text);
	ck_assert_str_eq(kind_name(e.kind), kind_name(b->kind));
	ck_assert_str_eq(e.sentence, b->sentence);
	ck_assert_str_eq(e.path, b->path);
	ck_assert_uint_eq(e.line, b->line);
	ck_assert_uint_eq(e.column, b->column);
}
END_TEST

static const struct good {
	const char *text;
	uint32_t n_tasks;
} good[] = {
#define GOOD(text, n) {text, n},
#include "good_jobs.inc"
#undef GOOD
};

struct walk_check {
	uint32_t next;
	const struct node *seen[64];
};

static bool check_node(void *ctx, const struct node *n)
{
	struct walk_check *wc = ctx;
	ck_assert_uint_eq(n->serial, wc->next);
	wc->seen[wc->next++] = n;
	if (n->parent != NULL)
		ck_assert_ptr_eq(wc->seen[n->parent->serial], n->parent);
	if (n->verb == VERB_FETCH)
		ck_assert_ptr_nonnull(n->retry);
	return true;
}

START_TEST(good_job_is_taken_and_its_tasks_are_walked_in_order)
{
	struct job_spec *s = must_parse(good[_i].text);
	struct walk_check wc = {.next = 0};
	ck_assert_uint_eq(s->n_nodes, good[_i].n_tasks);
	node_walk(s->root, check_node, &wc);
	ck_assert_uint_eq(wc.next, s->n_nodes);
	job_spec_unref(s);
}
END_TEST

/* Every beginning of a good text is refused, and never crashes. */
START_TEST(half_a_job_is_no_job)
{
	char *t = quoted(good[_i].text);
	struct spec_options o = {.from_config = false};
	size_t end = strlen(t);
	while (end > 0 && t[end - 1] != '}')
		end--;
	for (size_t n = 0; n + 1 < end; n += 7) {
		struct job_spec *s = NULL;
		struct spec_error e;
		char *part = malloc(n + 1);
		memcpy(part, t, n);
		enum err err = job_spec_parse((struct slice){part, n}, &o, &s, &e);
		ck_assert_int_eq(err, ERR_INVALID);
		ck_assert_ptr_null(s);
		free(part);
	}
	free(t);
}
END_TEST

START_TEST(defaults_are_those_of_the_contract)
{
	struct job_spec *s = must_parse("{'run':'http://h/'}");
	const struct fetch_spec *f = s->root->u.fetch.fixed;
	ck_assert(s->durable);
	ck_assert_int_eq(s->priority, 5);
	ck_assert(!s->has_deadline);
	ck_assert(s->results.body_inline && !s->results.ordered);
	ck_assert_int_eq(s->limits.burst, 1);
	ck_assert_ptr_nonnull(f);
	ck_assert(slice_is(f->method, "GET"));
	ck_assert(statuses_has(&f->expect, 200) && statuses_has(&f->expect, 299));
	ck_assert(!statuses_has(&f->expect, 300));
	ck_assert(f->follow && f->decode && f->tls_verify && !f->has_proxy);
	ck_assert_int_eq(f->max_redirects, 10);
	ck_assert_int_eq(f->timeout_ms, 0);
	ck_assert_int_eq(f->connect_timeout_ms, 10000);
	ck_assert_int_eq(f->first_byte_timeout_ms, 30000);
	ck_assert_int_eq(f->read_timeout_ms, 30000);
	ck_assert_int_eq(f->max_body_bytes, 64 << 20);
	ck_assert_int_eq(s->root->retry->attempts, 3);
	ck_assert_int_eq(s->root->retry->backoff_ms, 500);
	ck_assert_int_eq(s->root->retry->max_ms, 30000);
	ck_assert(!s->root->retry->has_on);
	job_spec_unref(s);
}
END_TEST

START_TEST(fetch_begins_with_the_defaults_of_the_job)
{
	struct job_spec *s = must_parse(
		"{'defaults':{'fetch':{'timeout':'5s','headers':{'A':'1','B':'2'},'max_body':'1k'},"
		"'retry':{'attempts':7,'on':['status']}},'run':{'group':['http://a/"
		"',{'fetch':{'url':"
		"'http://b/"
		"','timeout':'6s','headers':{'b':null,'C':'3'}},'retry':{'max':'9s'}}]}}");
	const struct node *plain = s->root->child[0], *own = s->root->child[1];
	ck_assert_int_eq(plain->u.fetch.fixed->timeout_ms, 5000);
	ck_assert_uint_eq(plain->u.fetch.fixed->n_header, 2);
	ck_assert_int_eq(plain->retry->attempts, 7);
	ck_assert(plain->retry->has_on && !plain->retry->on_is_here);
	const struct fetch_spec *f = own->u.fetch.fixed;
	ck_assert_int_eq(f->timeout_ms, 6000);
	ck_assert_int_eq(f->max_body_bytes, 1024);
	ck_assert_uint_eq(f->n_header, 3);
	ck_assert(slice_is(f->header[0].name, "b") && f->header[0].value.p == NULL);
	ck_assert(slice_is(f->header[1].name, "C") && slice_is(f->header[1].value, "3"));
	ck_assert(slice_is(f->header[2].name, "A") && slice_is(f->header[2].value, "1"));
	ck_assert_int_eq(own->retry->attempts, 7);
	ck_assert_int_eq(own->retry->max_ms, 9000);
	job_spec_unref(s);
}
END_TEST

START_TEST(select_of_pointers_alone_is_not_all)
{
	struct job_spec *s =
		must_parse("{'results':{'select':['/a','ok','status']},'run':'http://h/'}");
	ck_assert_uint_eq(s->results.select, RESULTS_SELECT_SAID | RESULT_STATUS);
	ck_assert_uint_eq(s->results.n_pointer, 1);
	job_spec_unref(s);
	s = must_parse("{'results':{'select':['/a']},'run':'http://h/'}");
	ck_assert_uint_ne(s->results.select, 0);
	job_spec_unref(s);
	s = must_parse("{'results':{},'run':'http://h/'}");
	ck_assert_uint_eq(s->results.select, 0);
	job_spec_unref(s);
}
END_TEST

START_TEST(retry_said_on_the_task_itself_is_marked)
{
	struct job_spec *s = must_parse(
		"{'run':{'fetch':'http://h/','retry':{'attempts':2,'on':['read',500,'502-504']}}}");
	const struct retry_spec *r = s->root->retry;
	ck_assert(r->has_on && r->on_is_here);
	ck_assert(kindset_has(r->on_kinds, KIND_READ_TIMEOUT));
	ck_assert(kindset_has(r->on_kinds, KIND_READ_CLOSED));
	ck_assert(!kindset_has(r->on_kinds, KIND_DNS_TIMEOUT));
	ck_assert(statuses_has(&r->on_statuses, 503) && !statuses_has(&r->on_statuses, 501));
	job_spec_unref(s);
}
END_TEST

START_TEST(hot_shape_of_a_feed_is_known_as_such)
{
	struct job_spec *s = must_parse("{'run':{'each':{'in':{'feed':true},'as':'item','mode':"
					"'gather','concurrency':64,'do':{'fetch':'${item}'}}}}");
	ck_assert(s->has_feed);
	ck_assert(s->root->u.each.is_fetch_item);
	ck_assert_int_eq(s->root->u.each.concurrency, 64);
	ck_assert_int_eq(s->root->u.each.in.kind, SOURCE_FEED);
	job_spec_unref(s);
	s = must_parse("{'run':{'each':{'in':['a'],'as':'x','do':{'each':{'in':['b'],'do':"
		       "{'fetch':'${x}'}}}}}}");
	ck_assert(!s->root->u.each.run->u.each.is_fetch_item);
	job_spec_unref(s);
	s = must_parse("{'run':{'each':{'in':['a'],'do':{'fetch':'${item/url}'}}}}");
	ck_assert(!s->root->u.each.is_fetch_item);
	job_spec_unref(s);
}
END_TEST

START_TEST(catch_without_kinds_takes_all_but_cancellation)
{
	struct job_spec *s =
		must_parse("{'run':{'group':[],'catch':[{'kinds':['dns'],'do':{'sleep':0}},"
			   "{'do':{'sleep':0}}]}}");
	ck_assert_uint_eq(s->root->n_catch, 2);
	ck_assert(kindset_has(s->root->catch[0].kinds, KIND_DNS_FAILED));
	ck_assert(!kindset_has(s->root->catch[0].kinds, KIND_DEADLINE));
	ck_assert(kindset_has(s->root->catch[1].kinds, KIND_DEADLINE));
	ck_assert(kindset_has(s->root->catch[1].kinds, KIND_GROUP));
	ck_assert(!kindset_has(s->root->catch[1].kinds, KIND_CANCELLED));
	job_spec_unref(s);
}
END_TEST

static bool add_piece(void *ctx, const struct node *n)
{
	char piece[NODE_PIECE_MAX];
	node_piece(n, piece);
	bytes_printf(ctx, "%s ", piece);
	return true;
}

START_TEST(pieces_of_paths_are_those_of_the_contract)
{
	struct job_spec *s = must_parse(
		"{'run':{'each':{'in':{'lines':'http://h/'},'do':{'fetch':'http://h/'}},'finally':"
		"{'sleep':0},'catch':[{'do':{'sleep':0}},{'do':{'sleep':0}}],'with':[{'lock':'l'},"
		"{'enter':{'sleep':0},'exit':{'group':[{'sleep':0}]}}]}}");
	struct bytes out = BYTES_LIMIT(0);
	node_walk(s->root, add_piece, &out);
	ck_assert_str_eq(bytes_cstr(&out), "0 .f .c0 .c1 .w1 .x1 .0 .s  ");
	bytes_fini(&out);
	job_spec_unref(s);
}
END_TEST

START_TEST(only_what_is_read_is_marked_as_read)
{
	struct job_spec *s = must_parse(
		"{'run':{'sequence':[{'sleep':0,'id':'a'},{'sleep':0,'id':'b'},"
		"{'sleep':0,'id':'c'},{'emit':{'x':'${a}'},'when':{'of':'c','kind':'fail'"
		"}}]}}");
	ck_assert(job_spec_by_id(s, slice_of("a"))->is_read);
	ck_assert(!job_spec_by_id(s, slice_of("b"))->is_read);
	ck_assert(job_spec_by_id(s, slice_of("c"))->is_read);
	ck_assert_ptr_null(job_spec_by_id(s, slice_of("d")));
	job_spec_unref(s);
}
END_TEST

START_TEST(ranges_count_like_those_of_python)
{
	static const struct {
		int64_t from, to, step;
		uint64_t n;
	} row[] = {{0, 10, 1, 10},  {0, 10, 3, 4},
		   {10, 0, -1, 10}, {10, 0, -3, 4},
		   {0, 0, 1, 0},    {0, 10, -1, 0},
		   {5, 6, 100, 1},  {INT64_MIN, INT64_MAX, 1, UINT64_MAX}};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		const struct spec_range r = {row[i].from, row[i].to, row[i].step};
		ck_assert_uint_eq(spec_range_count(&r), row[i].n);
	}
}
END_TEST

/* ---- bounds ---- */

static struct bytes nested(unsigned depth)
{
	struct bytes b = BYTES_LIMIT(0);
	bytes_add_str(&b, "{\"run\":");
	for (unsigned i = 0; i + 1 < depth; i++)
		bytes_add_str(&b, i % 2 == 0 ? "{\"group\":[" : "{\"finally\":");
	bytes_add_str(&b, "\"http://h/\"");
	for (unsigned i = depth - 1; i > 0; i--)
		bytes_add_str(&b, (i - 1) % 2 == 0 ? "]}" : ",\"sleep\":\"1s\"}");
	bytes_add_byte(&b, '}');
	return b;
}

START_TEST(tasks_nest_so_deep_and_no_deeper)
{
	struct spec_options o = {.from_config = false};
	for (unsigned depth = SPEC_MAX_DEPTH; depth <= SPEC_MAX_DEPTH + 1; depth++) {
		struct bytes b = nested(depth);
		struct job_spec *s = NULL;
		struct spec_error e;
		enum err err = job_spec_parse(bytes_slice(&b), &o, &s, &e);
		if (depth == SPEC_MAX_DEPTH)
			ck_assert_msg(err == ERR_OK, "%s", e.sentence);
		else
			ck_assert_str_eq(e.sentence, "tasks nest deeper than 32");
		job_spec_unref(s);
		bytes_fini(&b);
	}
}
END_TEST

START_TEST(too_many_tasks_are_refused)
{
	struct bytes b = BYTES_LIMIT(0);
	struct job_spec *s = NULL;
	struct spec_error e;
	struct spec_options o = {.from_config = false};
	bytes_add_str(&b, "{\"run\":{\"gather\":[\"http://h/\"");
	for (int i = 0; i < SPEC_MAX_NODES; i++)
		bytes_add_str(&b, ",\"http://h/\"");
	bytes_add_str(&b, "]}}");
	ck_assert_int_eq(job_spec_parse(bytes_slice(&b), &o, &s, &e), ERR_INVALID);
	ck_assert_str_eq(e.path, "/run/gather/9999");
	ck_assert_str_eq(e.sentence, "more than 10000 tasks; for many of a kind there is each");
	bytes_fini(&b);
}
END_TEST

START_TEST(tree_larger_than_its_bound_is_too_large)
{
	struct spec_error e;
	struct spec_options o = {.max_bytes = 2048};
	ck_assert_ptr_null(parse_with(good[2].text, &o, &e));
	ck_assert_int_eq(e.kind, KIND_REQUEST_TOO_LARGE);
}
END_TEST

START_TEST(file_and_schedule_are_for_the_configuration)
{
	const char *text = "{'schedule':{'every':'15m'},'run':{'each':{'in':{'file':'/etc/hosts'},"
			   "'do':{'emit':'${item}'}}}}";
	struct job_spec *s = must_parse_with(text, &(struct spec_options){.from_config = true});
	ck_assert_ptr_nonnull(s->schedule);
	ck_assert(slice_is(s->root->u.each.in.path, "/etc/hosts"));
	job_spec_unref(s);
}
END_TEST

START_TEST(references_keep_the_tree_alive)
{
	struct job_spec *s = must_parse("{'name':'n','run':'http://h/'}");
	job_spec_ref(s);
	job_spec_unref(s);
	ck_assert(slice_is(s->name, "n"));
	job_spec_unref(s);
	job_spec_unref(NULL);
}
END_TEST

START_TEST(error_reads_as_one_sentence)
{
	struct spec_error e;
	struct spec_options o = {.from_config = false};
	struct bytes out = BYTES_LIMIT(0);
	parse_with("{'run':\n {'group':[{'ftech':'x'}]}}", &o, &e);
	spec_error_add(&out, &e);
	ck_assert_str_eq(bytes_cstr(&out), "line 2, column 13, at /run/group/0: unknown member "
					   "\"ftech\"; did you mean \"fetch\"?");
	bytes_fini(&out);
}
END_TEST

static Suite *spec_suite(void)
{
	Suite *s = suite_create("spec");
	TCase *tc = tcase_create("tables");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, bad_job_is_refused_with_its_place_and_sentence, 0,
			    (int)(sizeof(bad) / sizeof(bad[0])));
	tcase_add_loop_test(tc, good_job_is_taken_and_its_tasks_are_walked_in_order, 0,
			    (int)(sizeof(good) / sizeof(good[0])));
	tcase_add_loop_test(tc, half_a_job_is_no_job, 0, (int)(sizeof(good) / sizeof(good[0])));
	suite_add_tcase(s, tc);
	tc = tcase_create("tree");
	tcase_add_test(tc, defaults_are_those_of_the_contract);
	tcase_add_test(tc, fetch_begins_with_the_defaults_of_the_job);
	tcase_add_test(tc, select_of_pointers_alone_is_not_all);
	tcase_add_test(tc, retry_said_on_the_task_itself_is_marked);
	tcase_add_test(tc, hot_shape_of_a_feed_is_known_as_such);
	tcase_add_test(tc, catch_without_kinds_takes_all_but_cancellation);
	tcase_add_test(tc, pieces_of_paths_are_those_of_the_contract);
	tcase_add_test(tc, only_what_is_read_is_marked_as_read);
	tcase_add_test(tc, ranges_count_like_those_of_python);
	tcase_add_test(tc, tasks_nest_so_deep_and_no_deeper);
	tcase_add_test(tc, too_many_tasks_are_refused);
	tcase_add_test(tc, tree_larger_than_its_bound_is_too_large);
	tcase_add_test(tc, file_and_schedule_are_for_the_configuration);
	tcase_add_test(tc, references_keep_the_tree_alive);
	tcase_add_test(tc, error_reads_as_one_sentence);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(spec_suite());
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
