/*
 * spec_schema -- proto/job.schema.json is what the tables say, takes every good job, and never
 * refuses what the parser takes. A small validator of the words the schema uses stands in for a
 * library.
 */
#include "job/spec.h"
#include "job/spec_schema.h"

#include <check.h>
#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *root;

static bool valid(const json_t *s, json_t *v);

static bool type_is(const char *type, const json_t *v)
{
	static const struct {
		const char *name;
		json_type type;
	} row[] = {{"object", JSON_OBJECT},
		   {"array", JSON_ARRAY},
		   {"string", JSON_STRING},
		   {"integer", JSON_INTEGER}};
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(v);
	if (strcmp(type, "number") == 0)
		return json_is_number(v);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		if (strcmp(type, row[i].name) == 0)
			return json_typeof(v) == row[i].type;
	ck_abort_msg("type %s", type);
}

static bool w_type(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	if (json_is_string(w))
		return type_is(json_string_value(w), v);
	for (size_t i = 0; i < json_array_size(w); i++)
		if (type_is(json_string_value(json_array_get(w, i)), v))
			return true;
	return false;
}

static bool w_enum(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	for (size_t i = 0; i < json_array_size(w); i++)
		if (json_equal(json_array_get(w, i), v))
			return true;
	return false;
}

static bool w_const(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return json_equal(w, v);
}

static bool matches(const char *pattern, const char *text)
{
	regex_t re;
	ck_assert_int_eq(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool is = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return is;
}

static bool w_pattern(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return !json_is_string(v) || matches(json_string_value(w), json_string_value(v));
}

static bool w_min_length(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return !json_is_string(v) || (json_int_t)json_string_length(v) >= json_integer_value(w);
}

static bool w_max_length(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return !json_is_string(v) || (json_int_t)json_string_length(v) <= json_integer_value(w);
}

static bool w_minimum(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return !json_is_number(v) || json_number_value(v) >= json_number_value(w);
}

static bool w_maximum(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return !json_is_number(v) || json_number_value(v) <= json_number_value(w);
}

static bool w_min_items(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return !json_is_array(v) || (json_int_t)json_array_size(v) >= json_integer_value(w);
}

static bool w_max_items(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return !json_is_array(v) || (json_int_t)json_array_size(v) <= json_integer_value(w);
}

static bool w_items(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	for (size_t i = 0; i < json_array_size(v); i++)
		if (!valid(w, json_array_get(v, i)))
			return false;
	return true;
}

static bool w_required(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	for (size_t i = 0; json_is_object(v) && i < json_array_size(w); i++)
		if (json_object_get(v, json_string_value(json_array_get(w, i))) == NULL)
			return false;
	return true;
}

static size_t count_valid(const json_t *w, json_t *v)
{
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(w); i++)
		n += valid(json_array_get(w, i), v);
	return n;
}

static bool w_any_of(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return count_valid(w, v) > 0;
}

static bool w_one_of(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return count_valid(w, v) == 1;
}

static bool w_all_of(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	return count_valid(w, v) == json_array_size(w);
}

static bool w_ref(const json_t *w, const json_t *s, json_t *v)
{
	(void)s;
	const char *name = strrchr(json_string_value(w), '/') + 1;
	const json_t *def = json_object_get(json_object_get(root, "$defs"), name);
	ck_assert_msg(def != NULL, "no definition of %s", name);
	return valid(def, v);
}

/* properties, patternProperties and additionalProperties together, at the last of them. */
static bool w_properties(const json_t *w, const json_t *s, json_t *v)
{
	const json_t *other = json_object_get(s, "additionalProperties");
	const json_t *patterns = json_object_get(s, "patternProperties");
	const char *name;
	json_t *member;
	if (!json_is_object(v))
		return true;
	json_object_foreach(v, name, member)
	{
		const json_t *p = json_object_get(w, name);
		if (p == NULL && patterns != NULL && (name[0] == '/' || name[0] == 0))
			continue;
		if (p == NULL && json_is_false(other))
			return false;
		if (p != NULL && !valid(p, member))
			return false;
	}
	return true;
}

static bool w_additional(const json_t *w, const json_t *s, json_t *v)
{
	const char *name;
	json_t *member;
	if (json_object_get(s, "properties") != NULL || !json_is_object(v))
		return true;
	json_object_foreach(v, name, member)
	{
		if (!valid(w, member))
			return false;
	}
	return true;
}

static const struct word {
	const char *name;
	bool (*holds)(const json_t *w, const json_t *s, json_t *v); /* NULL: says nothing */
} word[] = {
	{"type", w_type},
	{"enum", w_enum},
	{"const", w_const},
	{"pattern", w_pattern},
	{"minLength", w_min_length},
	{"maxLength", w_max_length},
	{"minimum", w_minimum},
	{"maximum", w_maximum},
	{"minItems", w_min_items},
	{"maxItems", w_max_items},
	{"items", w_items},
	{"required", w_required},
	{"anyOf", w_any_of},
	{"oneOf", w_one_of},
	{"allOf", w_all_of},
	{"$ref", w_ref},
	{"properties", w_properties},
	{"additionalProperties", w_additional},
	{"patternProperties", NULL},
	{"description", NULL},
	{"title", NULL},
	{"$schema", NULL},
	{"$defs", NULL},
};

static bool valid(const json_t *s, json_t *v)
{
	const char *name;
	json_t *w;
	json_object_foreach((json_t *)(uintptr_t)s, name, w)
	{
		size_t i = 0;
		while (i < sizeof(word) / sizeof(word[0]) && strcmp(word[i].name, name) != 0)
			i++;
		ck_assert_msg(i < sizeof(word) / sizeof(word[0]), "word %s", name);
		if (word[i].holds != NULL && !word[i].holds(w, s, v))
			return false;
	}
	return true;
}

/* ---- the jobs ---- */

static const struct row {
	const char *text, *sentence;
} row[] = {
#define GOOD(text, n) {text, NULL},
#include "good_jobs.inc"
#undef GOOD
#define BAD(text, kind, line, column, path, sentence) {text, sentence},
#include "bad_jobs.inc"
#undef BAD
};

#define N_ROWS (sizeof(row) / sizeof(row[0]))

static json_t *tree_of(const char *text)
{
	char *t = strdup(text);
	for (char *p = t; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	json_t *v = json_loads(t, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	free(t);
	return v;
}

static void load(void)
{
	struct bytes out = BYTES_LIMIT(0);
	ck_assert_int_eq(job_schema_add(&out), ERR_OK);
	root = json_loadb(out.p, out.n, 0, NULL);
	ck_assert_ptr_nonnull(root);
	bytes_fini(&out);
}

static void unload(void)
{
	json_decref(root);
}

START_TEST(schema_takes_every_good_job)
{
	for (size_t i = 0; i < N_ROWS && row[i].sentence == NULL; i++) {
		json_t *v = tree_of(row[i].text);
		ck_assert_msg(v != NULL && valid(root, v), "%s", row[i].text);
		json_decref(v);
	}
}
END_TEST

/* The mistakes an editor should show: by the words of the parser's sentence. */
START_TEST(schema_refuses_what_is_misspelt_missing_or_of_the_wrong_type)
{
	static const char *const begins[] = {
		"unknown member", "a task needs a verb", "a task has one verb", "a task must be",
		"a job needs",	  "each needs",		 "put needs",		"take needs",
		"pages needs",	  "exec needs",		 "fetch needs"};
	size_t n = 0;
	for (size_t i = 0; i < N_ROWS; i++) {
		bool is_one = false;
		for (size_t k = 0; k < sizeof(begins) / sizeof(begins[0]); k++)
			is_one = is_one ||
				 (row[i].sentence != NULL &&
				  strncmp(row[i].sentence, begins[k], strlen(begins[k])) == 0);
		json_t *v = is_one ? tree_of(row[i].text) : NULL;
		/* The tables of a condition's tests and of parts are only the reader's. */
		bool is_deep = strstr(row[i].text, "'le'") != NULL ||
			       strstr(row[i].text, "filname") != NULL;
		if (v != NULL && !is_deep) {
			ck_assert_msg(!valid(root, v), "%s", row[i].text);
			n++;
		}
		json_decref(v);
	}
	ck_assert_uint_ge(n, 60);
}
END_TEST

START_TEST(schema_file_is_what_the_tables_say)
{
	struct bytes out = BYTES_LIMIT(0);
	static char text[1 << 20];
	FILE *f = fopen("proto/job.schema.json", "r");
	ck_assert_msg(f != NULL, "to be run from the top of the source");
	size_t n = fread(text, 1, sizeof(text), f);
	fclose(f);
	ck_assert_int_eq(job_schema_add(&out), ERR_OK);
	ck_assert_msg(slice_eq(bytes_slice(&out), (struct slice){text, n}), "run: make schema");
	bytes_fini(&out);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("schema");
	TCase *tc = tcase_create("schema");
	tcase_add_checked_fixture(tc, load, unload);
	tcase_add_test(tc, schema_takes_every_good_job);
	tcase_add_test(tc, schema_refuses_what_is_misspelt_missing_or_of_the_wrong_type);
	tcase_add_test(tc, schema_file_is_what_the_tables_say);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
