/* Promises of proto/errors, proto/units, proto/utf8 and proto/commands: rows of text. */
#include "proto/commands.h"
#include "proto/errors.h"
#include "proto/units.h"
#include "proto/utf8.h"

#include <check.h>
#include <stdio.h>

START_TEST(every_kind_is_found_by_its_name)
{
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT; k++) {
		const char *name = kind_name((enum kind)k);
		ck_assert_uint_eq(kind_from_name(slice_of(name)), k);
		ck_assert(kind_matches(slice_of(name), (enum kind)k));
		ck_assert_str_ne(kind_doc((enum kind)k), "");
	}
	ck_assert_str_eq(kind_name(KIND_READ_TIMEOUT), "read.timeout");
	ck_assert_str_eq(kind_name(KIND_NONE), "");
	ck_assert_str_eq(kind_name((enum kind)9999), "internal");
	ck_assert_uint_eq(kind_from_name(slice_of("read")), KIND_NONE);
	ck_assert_uint_eq(kind_from_name(slice_of("")), KIND_NONE);
}
END_TEST

START_TEST(a_list_entry_covers_by_prefix_up_to_a_dot)
{
	static const struct {
		const char *entry;
		size_t n;
		enum kind kind;
		bool covers;
	} row[] = {
		{"read", 4, KIND_READ_TIMEOUT, true},
		{"read.timeout", 12, KIND_READ_TIMEOUT, true},
		{"re", 2, KIND_READ_TIMEOUT, false},
		{"read.", 5, KIND_READ_TIMEOUT, false},
		{"timeout", 7, KIND_READ_TIMEOUT, false},
		{"", 0, KIND_STATUS, false},
		{"status", 6, KIND_STATUS, true},
		{"status\0x", 8, KIND_STATUS, false},
		{"status.x", 8, KIND_STATUS, false},
		{"request", 7, KIND_REQUEST_TOO_LARGE, true},
		{"", 0, KIND_NONE, false},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		ck_assert_msg(kind_matches((struct slice){row[i].entry, row[i].n}, row[i].kind) ==
				      row[i].covers,
			      "row %zu", i);
	ck_assert(kind_entry_valid(slice_of("connect")));
	ck_assert(!kind_entry_valid(slice_of("conect")));
}
END_TEST

START_TEST(durations_need_a_unit)
{
	static const struct {
		const char *text;
		enum err e;
		int64_t ms;
	} row[] = {
		{"250ms", ERR_OK, 250},
		{"5s", ERR_OK, 5000},
		{"2m", ERR_OK, 120000},
		{"1h", ERR_OK, 3600000},
		{"1d", ERR_OK, 86400000},
		{"0", ERR_OK, 0},
		{"0s", ERR_OK, 0},
		{"5", ERR_INVALID, 0},
		{"", ERR_INVALID, 0},
		{"s", ERR_INVALID, 0},
		{"-5s", ERR_INVALID, 0},
		{"1.5s", ERR_INVALID, 0},
		{"5 s", ERR_INVALID, 0},
		{"5S", ERR_INVALID, 0},
		{"1h30m", ERR_INVALID, 0},
		{"99999999999999999999s", ERR_TOO_LARGE, 0},
		{"36525d", ERR_OK, UNITS_MAX_MS},
		{"36526d", ERR_TOO_LARGE, 0},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int64_t ms = -1;
		ck_assert_msg(units_duration(slice_of(row[i].text), &ms) == row[i].e, "%s",
			      row[i].text);
		ck_assert_int_eq(ms, row[i].e == ERR_OK ? row[i].ms : -1);
	}
}
END_TEST

START_TEST(sizes_and_rates_are_read)
{
	int64_t n = -1;
	struct units_rate r;
	ck_assert_int_eq(units_size(slice_of("64k"), &n), ERR_OK);
	ck_assert_int_eq(n, 65536);
	ck_assert_int_eq(units_size(slice_of("512"), &n), ERR_OK);
	ck_assert_int_eq(n, 512);
	ck_assert_int_eq(units_size(slice_of("1G"), &n), ERR_OK);
	ck_assert_int_eq(n, 1 << 30);
	ck_assert_int_eq(units_size(slice_of("1T"), &n), ERR_INVALID);
	ck_assert_int_eq(units_size(slice_of("9999999999G"), &n), ERR_TOO_LARGE);
	ck_assert_int_eq(units_rate(slice_of("3/10s"), &r), ERR_OK);
	ck_assert(r.n == 3 && r.per_ms == 10000);
	ck_assert_int_eq(units_rate(slice_of("100/m"), &r), ERR_OK);
	ck_assert(r.n == 100 && r.per_ms == 60000);
	static const char *const bad[] = {"0/s", "5", "5/", "/s", "5/0s", "5/0", "5/w", "5s", ""};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(units_rate(slice_of(bad[i]), &r) == ERR_INVALID, "%s", bad[i]);
}
END_TEST

static void check_printed(struct bytes *b, const char *want)
{
	ck_assert_str_eq(bytes_cstr(b), want);
	bytes_clear(b);
}

START_TEST(units_print_back_what_they_read)
{
	struct bytes b = {.limit = 0};
	units_add_duration(&b, 90000);
	check_printed(&b, "90s");
	units_add_duration(&b, 0);
	check_printed(&b, "0");
	units_add_duration(&b, 86400000);
	check_printed(&b, "1d");
	units_add_size(&b, 65536);
	check_printed(&b, "64k");
	units_add_size(&b, 1000);
	check_printed(&b, "1000");
	units_add_rate(&b, (struct units_rate){3, 10000});
	check_printed(&b, "3/10s");
	units_add_rate(&b, (struct units_rate){5, 1000});
	check_printed(&b, "5/s");
	units_add_elapsed(&b, 3720000);
	check_printed(&b, "1h 2m");
	units_add_elapsed(&b, 1234);
	check_printed(&b, "1.2 s");
	units_add_elapsed(&b, 12);
	check_printed(&b, "12 ms");
	bytes_fini(&b);
}
END_TEST

START_TEST(utf8_is_strict)
{
	static const struct {
		const char *text;
		bool valid;
	} row[] = {
		{"", true},
		{"plain ascii of some length", true},
		{"\xc3\xa9", true},
		{"\xe2\x82\xac", true},
		{"\xf0\x9f\x98\x80", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"\xc0\x80", false},
		{"\xc1\xbf", false},
		{"\xe0\x9f\xbf", false},
		{"\xed\xa0\x80", false},
		{"\xf0\x8f\xbf\xbf", false},
		{"\xf4\x90\x80\x80", false},
		{"\xf5\x80\x80\x80", false},
		{"\x80", false},
		{"12345678\xff", false},
		{"1234567\xe2\x82", false},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		ck_assert_msg(utf8_valid(slice_of(row[i].text)) == row[i].valid, "row %zu", i);
	char out[4];
	ck_assert_uint_eq(utf8_put(out, 0x20ac), 3);
	ck_assert_mem_eq(out, "\xe2\x82\xac", 3);
	ck_assert_uint_eq(utf8_put(out, 0x1f600), 4);
	ck_assert_mem_eq(out, "\xf0\x9f\x98\x80", 4);
}
END_TEST

START_TEST(plain_runs_stop_at_every_special_byte_wherever_it_stands)
{
	static const char special[] = {'"', '\\', '\n', '\x1f', '\0', '\x80', '\xff'};
	for (size_t at = 0; at < 20; at++) {
		for (size_t s = 0; s < sizeof(special); s++) {
			char text[20];
			for (size_t i = 0; i < sizeof(text); i++)
				text[i] = (char)('a' + i);
			text[at] = special[s];
			ck_assert_ptr_eq(utf8_skip_plain(text, text + sizeof(text)), text + at);
		}
	}
}
END_TEST

START_TEST(every_option_row_is_sound)
{
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *o = &options[i];
		ck_assert_msg(o->commands != 0, "--%s belongs to no command", o->name);
		ck_assert_msg((o->type == OPTION_TYPE_FLAG) == (o->arg[0] == '\0'), "--%s",
			      o->name);
		for (unsigned j = 0; j < i; j++) {
			if ((options[j].commands & o->commands) == 0)
				continue;
			ck_assert_str_ne(options[j].name, o->name);
			ck_assert(o->letter == 0 || options[j].letter != o->letter);
		}
	}
}
END_TEST

START_TEST(option_values_are_checked_by_their_type)
{
	static const struct {
		enum option_id id;
		const char *text;
		bool ok;
	} row[] = {
		{OPTION_CONCURRENCY, "0", false},
		{OPTION_CONCURRENCY, "64", true},
		{OPTION_CONCURRENCY, "many", false},
		{OPTION_TIMEOUT, "5", false},
		{OPTION_TIMEOUT, "5s", true},
		{OPTION_RATE, "fast", false},
		{OPTION_RATE, "5/s", true},
		{OPTION_BACKOFF, "500ms", true},
		{OPTION_BACKOFF, "500ms:30s", true},
		{OPTION_BACKOFF, "30s:1s", false},
		{OPTION_EXPECT, "200-299,404", true},
		{OPTION_EXPECT, "99", false},
		{OPTION_EXPECT, "300-200", false},
		{OPTION_RETRY_ON, "read,429,connect.refused", true},
		{OPTION_RETRY_ON, "conect", false},
		{OPTION_BODY, "none", true},
		{OPTION_BODY, "inl", false},
		{OPTION_MAX_BODY, "1k", true},
		{OPTION_RETRY_ON, "", false},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct bytes wanted = {.limit = 0};
		enum err e = option_check(&options[row[i].id], slice_of(row[i].text), &wanted);
		ck_assert_msg((e == ERR_OK) == row[i].ok, "row %zu", i);
		ck_assert_msg((wanted.n == 0) == row[i].ok, "row %zu", i);
		bytes_fini(&wanted);
	}
}
END_TEST

START_TEST(help_names_every_option_and_shows_examples)
{
	struct bytes b = {.limit = 0};
	command_add_help(&b, COMMAND_FETCH);
	const char *text = bytes_cstr(&b);
	for (unsigned i = 0; i < OPTION_COUNT; i++) {
		char name[40];
		snprintf(name, sizeof(name), "--%s", options[i].name);
		if ((options[i].commands & 1u << COMMAND_FETCH) != 0)
			ck_assert_msg(strstr(text, name) != NULL, "%s", name);
	}
	ck_assert_ptr_nonnull(strstr(text, "muster fetch -i urls.txt"));
	bytes_clear(&b);
	commands_add_help(&b);
	for (unsigned i = 0; i < COMMAND_COUNT; i++)
		ck_assert_ptr_nonnull(strstr(bytes_cstr(&b), commands[i].name));
	bytes_fini(&b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("proto text");
	TCase *t = tcase_create("rows");
	tcase_add_test(t, every_kind_is_found_by_its_name);
	tcase_add_test(t, a_list_entry_covers_by_prefix_up_to_a_dot);
	tcase_add_test(t, durations_need_a_unit);
	tcase_add_test(t, sizes_and_rates_are_read);
	tcase_add_test(t, units_print_back_what_they_read);
	tcase_add_test(t, utf8_is_strict);
	tcase_add_test(t, plain_runs_stop_at_every_special_byte_wherever_it_stands);
	tcase_add_test(t, every_option_row_is_sound);
	tcase_add_test(t, option_values_are_checked_by_their_type);
	tcase_add_test(t, help_names_every_option_and_shows_examples);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failures = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failures != 0;
}
