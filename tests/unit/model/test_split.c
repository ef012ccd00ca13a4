/*
 * between, lines, link -- what is cut out of streams and headers, whatever the pieces they come in.
 */
#include "model/between.h"
#include "model/lines.h"
#include "model/link.h"

#include <check.h>
#include <string.h>

/* Items joined by "|", too large ones as "!", the text fed in pieces of n bytes. */
static void run_between(const char *text, size_t n, struct bytes *out)
{
	struct between b;
	struct slice item;
	enum err e;
	between_init(&b, slice_of("<loc>"), slice_of("</loc>"));
	for (size_t at = 0, end = strlen(text); at < end; at += n) {
		struct slice piece = {text + at, end - at < n ? end - at : n};
		ck_assert_int_eq(between_feed(&b, piece), ERR_OK);
		while ((e = between_next(&b, &item)) != ERR_AGAIN) {
			if (e == ERR_OK)
				bytes_add_slice(out, item);
			else
				bytes_add_byte(out, '!');
			bytes_add_byte(out, '|');
		}
	}
	between_fini(&b);
}

static const struct {
	const char *text, *want;
} between_row[] = {
	{"", ""},
	{"<loc>a</loc>", "a|"},
	{"x<loc>a</loc>y<loc>b</loc>z", "a|b|"},
	{"<loc> \n http://h/ \t</loc>", "http://h/|"},
	{"<loc>a?b=1&amp;c=2</loc>", "a?b=1&c=2|"},
	{"<loc>&lt;&gt;&quot;&apos;&#65;&#x42;&#xe9;&#x1F600;</loc>",
	 "<>\"'AB\xc3\xa9\xf0\x9f\x98\x80|"},
	{"<loc>a&b &nope; &#0; &#xd800; &#99999999; &</loc>",
	 "a&b &nope; &#0; &#xd800; &#99999999; &|"},
	{"<loc>&amp;amp;</loc>", "&amp;|"},
	{"<loc><![CDATA[a&amp;b]]></loc>", "a&amp;b|"},
	{"<loc></loc><loc> </loc><loc>x</loc>", "x|"},
	{"<loc>never ended", ""},
	{"<loc><loc>a</loc></loc>", "<loc>a|"},
	{"<lo<loc>a</lo</loc>", "a</lo|"},
	{"</loc><loc>a</loc>", "a|"},
};

START_TEST(items_are_the_same_in_whatever_pieces_they_come)
{
	for (size_t n = 1; n < 40; n += n < 8 ? 1 : 9) {
		struct bytes out = BYTES_LIMIT(0);
		run_between(between_row[_i].text, n, &out);
		ck_assert_str_eq(bytes_cstr(&out), between_row[_i].want);
		bytes_fini(&out);
	}
}
END_TEST

START_TEST(item_too_long_is_skipped_and_the_rest_goes_on)
{
	static char text[2 * BETWEEN_MAX_ITEM + 64];
	for (size_t n = 100; n <= sizeof(text); n += sizeof(text) - 100) {
		struct bytes out = BYTES_LIMIT(0);
		memset(text, 'x', sizeof(text) - 1);
		memcpy(text, "<loc>", 5);
		memcpy(text + sizeof(text) - 21, "</loc><loc>a</loc>  ", 20);
		run_between(text, n, &out);
		ck_assert_str_eq(bytes_cstr(&out), "!|a|");
		bytes_fini(&out);
	}
}
END_TEST

START_TEST(memory_stays_within_one_item_and_one_feed)
{
	struct between b;
	struct slice item;
	char noise[4096];
	memset(noise, '<', sizeof(noise));
	between_init(&b, slice_of("<loc>"), slice_of("</loc>"));
	for (int i = 0; i < 1000; i++) {
		between_feed(&b, (struct slice){noise, sizeof(noise)});
		ck_assert_int_eq(between_next(&b, &item), ERR_AGAIN);
	}
	ck_assert_uint_lt(b.buf.cap, 4 * sizeof(noise));
	between_fini(&b);
}
END_TEST

static void run_lines(const char *text, size_t n, struct bytes *out)
{
	struct lines l;
	struct slice line;
	enum err e = ERR_AGAIN;
	lines_init(&l);
	for (size_t at = 0, end = strlen(text); at <= end; at += n) {
		if (at + n > end)
			lines_end(&l);
		lines_feed(&l, (struct slice){text + at, end - at < n ? end - at : n});
		while ((e = lines_next(&l, &line)) != ERR_AGAIN && e != ERR_END) {
			bytes_add_slice(out, e == ERR_OK ? line : SLICE_LIT("!"));
			bytes_add_byte(out, '|');
		}
	}
	ck_assert_int_eq(e, ERR_END);
	lines_fini(&l);
}

static const struct {
	const char *text, *want;
} lines_row[] = {
	{"", ""},
	{"a", "a|"},
	{"a\n", "a|"},
	{"a\nb", "a|b|"},
	{"\n\na\n\n", "a|"},
	{"a\r\nb\r\n", "a|b|"},
	{"a\rb\n", "a\rb|"},
	{"\r\n", ""},
	{"a\n\r\nb\r", "a|b|"},
};

START_TEST(lines_are_the_same_in_whatever_pieces_they_come)
{
	for (size_t n = 1; n < 12; n++) {
		struct bytes out = BYTES_LIMIT(0);
		run_lines(lines_row[_i].text, n, &out);
		ck_assert_str_eq(bytes_cstr(&out), lines_row[_i].want);
		bytes_fini(&out);
	}
}
END_TEST

START_TEST(line_too_long_is_skipped_and_the_rest_goes_on)
{
	static char text[2 * LINES_MAX + 64];
	for (size_t n = 65536; n <= sizeof(text); n += sizeof(text) - 65536) {
		struct bytes out = BYTES_LIMIT(0);
		memset(text, 'x', sizeof(text) - 1);
		memcpy(text, "first\n", 6);
		memcpy(text + sizeof(text) - 7, "\nlast\n", 6);
		run_lines(text, n, &out);
		ck_assert_str_eq(bytes_cstr(&out), "first|!|last|");
		bytes_fini(&out);
	}
}
END_TEST

static const struct {
	const char *value, *next; /* NULL: there is none */
} link_row[] = {
	{"<http://h/2>; rel=\"next\"", "http://h/2"},
	{"<http://h/2>;rel=next", "http://h/2"},
	{"</a,b;c?d>; rel=\"next\"", "/a,b;c?d"},
	{"<1>; rel=\"prev\", <3>; rel=\"next\"", "3"},
	{"<1>; rel=\"prev next\"", "1"},
	{"<1>; rel=\"nextish\"", NULL},
	{"<1>; REL=\"NEXT\"", "1"},
	{"<1>; title=\"a, b; rel=next\"; rel=prev, <2>; rel=next", "2"},
	{"<1>; title=\"\\\"\"; rel=next", "1"},
	{"<1>; rel=prev; rel=next", NULL},
	{"<1>; rel=next; anchor=\"#x\", <2>; rel=next", "2"},
	{"<1>", NULL},
	{"", NULL},
	{",,, <2> ; rel = next", "2"},
	{"nonsense, <2>; rel=next", "2"},
	{"<1; rel=next", NULL},
	{"<>; rel=next", ""},
	{"<1>; rel=\"next", "1"},
	{"<1>; x, <2>; rel=next", "2"},
};

START_TEST(next_page_is_found_in_a_link_field)
{
	struct slice target;
	bool found = link_find(slice_of(link_row[_i].value), "next", &target);
	ck_assert_msg(found == (link_row[_i].next != NULL), "%s", link_row[_i].value);
	if (found)
		ck_assert(slice_is(target, link_row[_i].next));
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

static Suite *split_suite(void)
{
	Suite *s = suite_create("split");
	TCase *tc = tcase_create("split");
	tcase_add_loop_test(tc, items_are_the_same_in_whatever_pieces_they_come, 0,
			    ROWS(between_row));
	tcase_add_test(tc, item_too_long_is_skipped_and_the_rest_goes_on);
	tcase_add_test(tc, memory_stays_within_one_item_and_one_feed);
	tcase_add_loop_test(tc, lines_are_the_same_in_whatever_pieces_they_come, 0,
			    ROWS(lines_row));
	tcase_add_test(tc, line_too_long_is_skipped_and_the_rest_goes_on);
	tcase_add_loop_test(tc, next_page_is_found_in_a_link_field, 0, ROWS(link_row));
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	SRunner *sr = srunner_create(split_suite());
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
