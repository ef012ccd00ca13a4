/* Promises of proto/fields and its schema. */
#include "proto/fields.h"
#include "proto/jsonscan.h"
#include "proto/jsontree.h"

#include <check.h>

enum colour { RED, GREEN };

struct inner {
	int64_t n;
};

struct thing {
	const char *name;
	bool on;
	int64_t count, wait_ms, size;
	double share;
	struct units_rate rate;
	int colour;
	const json_t *any;
	struct inner inner;
	int64_t doubled;
};

static enum err read_doubled(struct fields_read *rd, const json_t *value,
			     const struct fields_at *at, void *out)
{
	if (!json_is_integer(value))
		return fields_fail(rd, at, NULL, "doubled must be a number");
	*(int64_t *)out = 2 * json_integer_value(value);
	return ERR_OK;
}

static const struct field_name colours[] = {{"red", RED}, {"green", GREEN}, {NULL, 0}};
static const struct field inner_field[] = {
	F_INT("n", struct inner, n, 1, 9, FIELD_REQUIRED, "a digit"),
};
static const struct field_table inner_table = FIELD_TABLE("inner", inner_field);
static const struct field thing_field[] = {
	F_STRING("name", struct thing, name, 1, 10, FIELD_REQUIRED, "its name"),
	F_BOOL("on", struct thing, on, FIELD_OPTIONAL, "whether"),
	F_INT("count", struct thing, count, 1, 100, FIELD_OPTIONAL, "how many"),
	F_NUMBER("share", struct thing, share, 0, 1, FIELD_OPTIONAL, "a part"),
	F_DURATION("wait", struct thing, wait_ms, 1, UNITS_DAY_MS, FIELD_OPTIONAL, "how long"),
	F_SIZE("size", struct thing, size, 0, 1 << 20, FIELD_OPTIONAL, "how large"),
	F_RATE("rate", struct thing, rate, FIELD_OPTIONAL, "how fast"),
	F_ENUM("colour", struct thing, colour, colours, FIELD_OPTIONAL, "which"),
	F_JSON("any", struct thing, any, FIELD_OPTIONAL, "anything"),
	F_OBJECT("inner", struct thing, inner, &inner_table, FIELD_OPTIONAL, "another"),
	F_CUSTOM("doubled", struct thing, doubled, read_doubled, "{\"type\":\"integer\"}",
		 FIELD_OPTIONAL, "twice"),
};
static const struct field_table thing_table = FIELD_TABLE("thing", thing_field);

static enum err read_text(const char *text, struct thing *t, uint64_t *seen, struct fields_error *e,
			  json_t **tree)
{
	struct jsonscan_error scan;
	ck_assert_int_eq(jsontree_parse(slice_of(text), NULL, tree, &scan), ERR_OK);
	return fields_read_object(&thing_table, *tree, t, seen, e);
}

START_TEST(every_type_reaches_its_place)
{
	struct thing t = {.count = 7};
	struct fields_error e;
	uint64_t seen = 0;
	json_t *tree = NULL;
	ck_assert_int_eq(read_text("{\"name\":\"x\",\"on\":true,\"share\":0.5,\"wait\":\"5s\","
				   "\"size\":\"64k\","
				   "\"rate\":\"3/10s\",\"colour\":\"green\",\"any\":null,"
				   "\"inner\":{\"n\":3},\"doubled\":21}",
				   &t, &seen, &e, &tree),
			 ERR_OK);
	ck_assert_str_eq(t.name, "x");
	ck_assert(t.on && t.share == 0.5 && t.wait_ms == 5000 && t.size == 65536);
	ck_assert(t.rate.n == 3 && t.rate.per_ms == 10000 && t.colour == GREEN);
	ck_assert(json_is_null(t.any) && t.inner.n == 3 && t.doubled == 42);
	ck_assert_int_eq(t.count, 7);
	ck_assert_uint_eq(seen, 0x7fb);
	json_decref(tree);
}
END_TEST

START_TEST(each_mistake_has_its_pointer_and_sentence)
{
	static const struct {
		const char *text, *pointer, *member, *says;
	} row[] = {
		{"{}", "", "", "thing needs a member \"name\""},
		{"[]", "", "", "thing must be an object"},
		{"{\"name\":\"x\",\"clour\":1}", "", "clour",
		 "unknown member \"clour\"; did you mean \"colour\"?"},
		{"{\"name\":\"x\",\"zzzz\":1}", "", "zzzz", "unknown member \"zzzz\""},
		{"{\"name\":1}", "/name", "", "name must be a string"},
		{"{\"name\":\"\"}", "/name", "", "name must be 1 to 10 bytes long"},
		{"{\"name\":\"a\\u0000b\"}", "/name", "", "name must not hold a NUL"},
		{"{\"name\":\"x\",\"count\":0}", "/count", "", "count must be 1 to 100"},
		{"{\"name\":\"x\",\"count\":1.5}", "/count", "", "count must be a whole number"},
		{"{\"name\":\"x\",\"on\":1}", "/on", "", "on must be true or false"},
		{"{\"name\":\"x\",\"on\":null}", "/on", "", "on must be true or false"},
		{"{\"name\":\"x\",\"share\":2}", "/share", "", "share must be 0 to 1"},
		{"{\"name\":\"x\",\"wait\":5}", "/wait", "",
		 "wait must be a duration such as \"250ms\", \"5s\", \"2m\", \"1h\", \"1d\""},
		{"{\"name\":\"x\",\"wait\":\"2d\"}", "/wait", "", "wait must be 1ms to 1d"},
		{"{\"name\":\"x\",\"wait\":0}", "/wait", "", "wait must be 1ms to 1d"},
		{"{\"name\":\"x\",\"size\":-1}", "/size", "",
		 "size must be a size such as 512, \"64k\", \"16M\", \"1G\""},
		{"{\"name\":\"x\",\"size\":\"2M\"}", "/size", "", "size must be 0 to 1M"},
		{"{\"name\":\"x\",\"rate\":\"0/s\"}", "/rate", "",
		 "rate must be a rate such as \"5/s\", \"3/10s\", \"100/m\""},
		{"{\"name\":\"x\",\"colour\":\"blue\"}", "/colour", "",
		 "colour must be \"red\" or \"green\""},
		{"{\"name\":\"x\",\"inner\":{\"n\":0}}", "/inner/n", "", "n must be 1 to 9"},
		{"{\"name\":\"x\",\"inner\":{\"n\":1,\"m\":1}}", "/inner", "m",
		 "unknown member \"m\""},
		{"{\"name\":\"x\",\"doubled\":\"y\"}", "/doubled", "", "doubled must be a number"},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct thing t = {.count = 0};
		struct fields_error e;
		json_t *tree = NULL;
		ck_assert_int_eq(read_text(row[i].text, &t, NULL, &e, &tree), ERR_INVALID);
		ck_assert_str_eq(e.pointer, row[i].pointer);
		ck_assert_str_eq(e.member, row[i].member);
		ck_assert_str_eq(e.text, row[i].says);
		json_decref(tree);
	}
}
END_TEST

START_TEST(an_error_is_told_with_line_column_and_path)
{
	const char *text = "{\n  \"name\": \"x\",\n  \"inner\": {\"n\": 1,\n    \"mm\": 2}}";
	struct thing t = {.count = 0};
	struct fields_error e;
	struct bytes b = {.limit = 0};
	json_t *tree = NULL;
	ck_assert_int_eq(read_text(text, &t, NULL, &e, &tree), ERR_INVALID);
	fields_error_add(&b, &e, slice_of(text));
	ck_assert_str_eq(bytes_cstr(&b), "line 4, column 5, at /inner: unknown member \"mm\"");
	bytes_fini(&b);
	json_decref(tree);
}
END_TEST

START_TEST(pointers_escape_and_long_ones_are_cut)
{
	struct fields_error e;
	struct fields_read rd = {.error = &e};
	struct fields_at top = {.member = "a/b~c"}, item = {.up = &top, .index = 12};
	ck_assert_int_eq(fields_fail(&rd, &item, "m", "no"), ERR_INVALID);
	ck_assert_str_eq(e.pointer, "/a~1b~0c/12");
	struct fields_at chain[300];
	for (size_t i = 0; i < 300; i++)
		chain[i] = (struct fields_at){.up = i == 0 ? NULL : &chain[i - 1],
					      .member = "segment"};
	fields_fail(&rd, &chain[299], NULL, "no");
	ck_assert_uint_lt(strlen(e.pointer), sizeof(e.pointer));
}
END_TEST

START_TEST(the_schema_is_json_and_names_every_field)
{
	struct bytes b = {.limit = 0};
	struct jsonscan_error e;
	json_t *tree = NULL;
	fields_add_schema(&b, &thing_table);
	ck_assert_msg(jsontree_parse(bytes_slice(&b), NULL, &tree, &e) == ERR_OK, "%s in %s",
		      e.text, bytes_cstr(&b));
	const json_t *properties = json_object_get(tree, "properties");
	for (size_t i = 0; i < thing_table.n; i++) {
		const json_t *p = json_object_get(properties, thing_table.field[i].name);
		ck_assert_ptr_nonnull(p);
		ck_assert_str_eq(json_string_value(json_object_get(p, "description")),
				 thing_table.field[i].doc);
	}
	ck_assert_uint_eq(json_array_size(json_object_get(tree, "required")), 1);
	json_decref(tree);
	bytes_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fields");
	TCase *t = tcase_create("all");
	tcase_add_test(t, every_type_reaches_its_place);
	tcase_add_test(t, each_mistake_has_its_pointer_and_sentence);
	tcase_add_test(t, an_error_is_told_with_line_column_and_path);
	tcase_add_test(t, pointers_escape_and_long_ones_are_cut);
	tcase_add_test(t, the_schema_is_json_and_names_every_field);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
