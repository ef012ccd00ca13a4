#include "model/config.h"
#include "model/config_fields.h"
#include "model/special.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bytes why;

static bool uid_of(void *ctx, const char *name, int64_t *ret)
{
	(void)ctx;
	*ret = 1001;
	return strcmp(name, "ada") == 0;
}

static const struct config_env env = {.uid_of = uid_of};

/* Up to two files; NULL if refused, and why says it. */
static struct config *read_two(const char *first, const char *second)
{
	struct config_file file[2] = {{"a.json", slice_of(first)}, {"b.json", slice_of(second)}};
	struct config *c = NULL;
	bytes_fini(&why);
	why = (struct bytes){0};
	uint32_t n = first == NULL ? 0 : second == NULL ? 1 : 2;
	return config_read(file, n, &env, &c, &why) == ERR_OK ? c : NULL;
}

static bool allows(const struct config *c, const char *address)
{
	struct net_addr a;
	ck_assert_int_eq(net_addr_parse(slice_of(address), &a), ERR_OK);
	return net_policy_allows(c->network, &a);
}

START_TEST(nothing_gives_the_defaults)
{
	struct config *c = read_two(NULL, NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(c->jobs_active, 256);
	ck_assert_int_eq(c->jobs_keep, 86400000);
	ck_assert_int_eq(c->store_max_bytes, 10LL << 30);
	ck_assert_int_eq(c->log_level, LOG_LEVEL_INFO);
	ck_assert_ptr_nonnull(strstr(c->http_user_agent, "muster/"));
	ck_assert_uint_eq(rules_count(c->rules), 0);
	ck_assert(allows(c, "127.0.0.1"));
	config_unref(c);
}
END_TEST

START_TEST(later_files_replace_values_and_lengthen_lists)
{
	struct config *c =
		read_two("{\"jobs\":{\"active\":10,\"keep\":\"1h\"},\"admins\":[\"ada\"],"
			 "\"limits\":[{\"key\":\"a\",\"rate\":\"3/s\"}],"
			 "\"network\":{\"deny\":[\"special\"],\"unix_sockets\":[\"/run/a/*\"]}}",
			 "{\"jobs\":{\"active\":20},\"admins\":[7],\"log\":{\"level\":\"debug\"},"
			 "\"limits\":[{\"key\":\"b\",\"concurrency\":2}],"
			 "\"network\":{\"allow\":[\"10.1.0.0/16\"]},\"shards\":1}");
	ck_assert_msg(c != NULL, "%s", bytes_cstr(&why));
	ck_assert_int_eq(c->jobs_active, 20);
	ck_assert_int_eq(c->jobs_keep, 3600000);
	ck_assert_int_eq(c->log_level, LOG_LEVEL_DEBUG);
	ck_assert(config_is_admin(c, 1001) && config_is_admin(c, 7) && !config_is_admin(c, 8));
	ck_assert_uint_eq(rules_count(c->rules), 2);
	ck_assert(allows(c, "10.1.2.3") && !allows(c, "10.2.2.3") && allows(c, "8.8.8.8"));
	ck_assert(config_unix_socket_allowed(c, SLICE_LIT("/run/a/x.sock")));
	ck_assert(!config_unix_socket_allowed(c, SLICE_LIT("/run/b/x.sock")));
	ck_assert(!config_unix_socket_allowed(c, SLICE_LIT("/run/a/../b/x.sock")));
	config_unref(c);
}
END_TEST

static const struct {
	const char *first, *second, *says[3];
} bad_rows[] = {
	{"{\"limit\":[]}", NULL, {"a.json", "column 2", "limits"}},
	{"{\n\"jobs\":{\n  \"activ\":1}}", NULL, {"a.json: line 3, column 3", "active", ""}},
	{"{}", "{\"jobs\":{\"active\":0}}", {"b.json", "active", "line 1"}},
	{"{}", "{\"jobs\":{\"keep\":\"5\"}}", {"b.json", "keep", ""}},
	{"{\"log\":{\"level\":\"loud\"}}", NULL, {"level", "debug", ""}},
	{"{\"limits\":[{\"key\":\"k\",\n\"rate\":\"x\"}]}", NULL, {"line 2", "rate", "/limits/0"}},
	{"{\"limits\":[{\"key\":\"k\"}]}",
	 "{\"limits\":[{\"key\":\"k\"}]}",
	 {"together", "specific", ""}},
	{"{\"network\":{\"deny\":[\"10.0.0.0/40\"]}}", NULL, {"/network/deny/0", "CIDR", ""}},
	{"{\"network\":{\"deny\":\"special\"}}", NULL, {"list", "", ""}},
	{"{\"admins\":[\"eve\"]}", NULL, {"eve", "/admins/0", ""}},
	{"{\"exec\":{\"programs\":[\"jq\"]}}", NULL, {"full path", "", ""}},
	{"{\"metrics\":{\"x\":1}}", NULL, {"unknown", "x", ""}},
	{"{\"shards\":2}", NULL, {"/shards", "one event loop", ""}},
	{"{\"http\":{\"proxy\":\"https://x:1\"}}", NULL, {"http.proxy", "socks5://", ""}},
	{"{\"http\":{\"user_agent\":\"a\\nb\"}}", NULL, {"http.user_agent", "", ""}},
	{"{\"shards\":1,}", NULL, {"a.json: line 1, column", "", ""}},
	{"{\"shards\":1,\"shards\":1}", NULL, {"a.json", "shards", ""}},
	{"[]", NULL, {"a.json", "", ""}},
};

START_TEST(a_mistake_is_told_with_file_line_and_column)
{
	struct config *c = read_two(bad_rows[_i].first, bad_rows[_i].second);
	ck_assert_ptr_null(c);
	for (int i = 0; i < 3; i++)
		ck_assert_msg(strstr(bytes_cstr(&why), bad_rows[_i].says[i]) != NULL,
			      "\"%s\" is not in: %s", bad_rows[_i].says[i], bytes_cstr(&why));
}
END_TEST

START_TEST(what_needs_a_restart_is_named)
{
	struct config *a = read_two("{\"http\":{\"connections\":10}}", NULL);
	struct config *b = read_two("{\"jobs\":{\"active\":3}}", NULL);
	struct bytes names = {0};
	config_restart_needed(a, a, &names);
	ck_assert_uint_eq(names.n, 0);
	config_restart_needed(a, b, &names);
	ck_assert_str_eq(bytes_cstr(&names), "http.connections");
	bytes_fini(&names);
	config_unref(a);
	config_unref(b);
}
END_TEST

START_TEST(a_dump_is_json_without_secrets)
{
	struct config *c = read_two("{\"http\":{\"proxy\":\"http://u:secret@p:1\"}}", NULL);
	struct bytes out = {0};
	config_dump(c, &out);
	json_t *v = json_loads(bytes_cstr(&out), 0, NULL);
	ck_assert_msg(v != NULL, "%s", bytes_cstr(&out));
	ck_assert_ptr_null(strstr(bytes_cstr(&out), "secret"));
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(v, "jobs"), "keep")),
			 "1d");
	json_decref(v);
	bytes_fini(&out);
	config_unref(c);
}
END_TEST

/* ---- the document and the shipped file say what the tables say ---- */

static void read_text(const char *path, struct bytes *out)
{
	char piece[4096];
	FILE *f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s: run from the top of the source tree", path);
	for (size_t n; (n = fread(piece, 1, sizeof(piece), f)) > 0;)
		bytes_add(out, piece, n);
	fclose(f);
}

static void check_line(struct bytes *text, struct bytes *line)
{
	ck_assert_msg(strstr(bytes_cstr(text), bytes_cstr(line)) != NULL,
		      "docs/configuration.md lacks: %s", bytes_cstr(line));
	bytes_clear(line);
}

START_TEST(the_document_names_every_setting)
{
	struct bytes text = {0}, line = {0};
	read_text("docs/configuration.md", &text);
	for (size_t i = 0; i < config_n_rows; i++) {
		const struct config_row *r = &config_rows[i];
		bool is_agent = strcmp(r->field.name, "user_agent") == 0;
		bytes_printf(&line, "| `%s.%s` | `%s` | %s | %s |", r->section, r->field.name,
			     is_agent		   ? "muster/VERSION"
			     : *r->initial == '\0' ? "\"\""
						   : r->initial,
			     r->reload == CONFIG_LIVE ? "reload" : "start", r->field.doc);
		check_line(&text, &line);
	}
	const struct field_table *t = rules_fields();
	for (size_t i = 0; i < t->n; i++) {
		bytes_printf(&line, "| `%s` | %s |", t->field[i].name, t->field[i].doc);
		check_line(&text, &line);
	}
	const struct field_table *match = t->field[0].table;
	for (size_t i = 0; i < match->n; i++) {
		bytes_printf(&line, "| `%s` | %s |", match->field[i].name, match->field[i].doc);
		check_line(&text, &line);
	}
	bytes_fini(&text);
	bytes_fini(&line);
}
END_TEST

START_TEST(the_shipped_configuration_is_valid_and_denies_special)
{
	struct bytes text = {0};
	read_text("config/musterd.json", &text);
	struct config *c = read_two(bytes_cstr(&text), NULL);
	ck_assert_msg(c != NULL, "%s", bytes_cstr(&why));
	ck_assert(!allows(c, "127.0.0.1") && !allows(c, "169.254.169.254"));
	ck_assert(allows(c, "8.8.8.8"));
	config_unref(c);
	bytes_fini(&text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");
	tcase_add_test(t, nothing_gives_the_defaults);
	tcase_add_test(t, later_files_replace_values_and_lengthen_lists);
	tcase_add_loop_test(t, a_mistake_is_told_with_file_line_and_column, 0,
			    (int)(sizeof(bad_rows) / sizeof(bad_rows[0])));
	tcase_add_test(t, what_needs_a_restart_is_named);
	tcase_add_test(t, a_dump_is_json_without_secrets);
	tcase_add_test(t, the_document_names_every_setting);
	tcase_add_test(t, the_shipped_configuration_is_valid_and_denies_special);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	bytes_fini(&why);
	return failed != 0;
}
