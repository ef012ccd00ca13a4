/*
 * docs/jobs.md -- every block of JSON in it is a whole job that is taken; every verb, modifier and
 * member of a fetch is spoken of.
 */
#include "job/fetch_read.h"
#include "job/spec_build.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static char page[1 << 17];

static void load(void)
{
	FILE *f = fopen("docs/jobs.md", "r");
	ck_assert_msg(f != NULL, "to be run from the top of the source");
	page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
	fclose(f);
}

START_TEST(every_block_of_json_is_a_job)
{
	static const char open[] = "\n```json\n";
	size_t n = 0;
	for (char *p = strstr(page, open); p != NULL; p = strstr(p, open)) {
		char *begin = p + sizeof(open) - 1, *end = strstr(begin, "\n```");
		struct job_spec *s = NULL;
		struct spec_error e;
		const struct spec_options o = {.from_config = false};
		ck_assert_ptr_nonnull(end);
		struct slice text = {begin, (size_t)(end - begin)};
		if (job_spec_parse(text, &o, &s, &e) != ERR_OK)
			ck_abort_msg("%.*s\n%u:%u %s: %s", (int)text.n, text.p, e.line, e.column,
				     e.path, e.sentence);
		job_spec_unref(s);
		p = end;
		n++;
	}
	ck_assert_uint_ge(n, 8);
}
END_TEST

static void all_named(const struct field_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		char quoted[64];
		snprintf(quoted, sizeof(quoted), "`%s`", t->field[i].name);
		const char *found = strstr(page, quoted);
		snprintf(quoted, sizeof(quoted), "\"%s\":", t->field[i].name);
		ck_assert_msg(found != NULL || strstr(page, quoted) != NULL, "%s of %s",
			      t->field[i].name, t->name);
	}
}

START_TEST(every_member_is_spoken_of)
{
	all_named(&spec_job_table);
	all_named(&spec_task_table);
	all_named(&fetch_table);
	all_named(&spec_each_table);
	all_named(&spec_source_table);
	all_named(&spec_pages_table);
	all_named(&spec_retry_table);
	all_named(&spec_catch_table);
	all_named(&spec_with_table);
	all_named(&spec_exec_table);
	all_named(&spec_limits_table);
	all_named(&spec_results_table);
	all_named(&spec_defaults_table);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("jobs_doc");
	TCase *tc = tcase_create("jobs_doc");
	tcase_add_checked_fixture(tc, load, NULL);
	tcase_add_test(tc, every_block_of_json_is_a_job);
	tcase_add_test(tc, every_member_is_spoken_of);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
