/* Promises of proto/base64: what the writer makes is read back, and nothing else is taken. */
#include "proto/base64.h"
#include "proto/result.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(every_length_comes_back)
{
	char data[200];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 151 + 7);
	for (size_t n = 0; n <= sizeof(data); n++) {
		struct bytes text = {.limit = 0}, back = {.limit = 0};
		bytes_add_str(&back, "before");
		result_add_base64(&text, (struct slice){data, n});
		ck_assert_int_eq(base64_decode(bytes_slice(&text), &back), ERR_OK);
		ck_assert_uint_eq(back.n, n + 6);
		ck_assert(n == 0 || memcmp(back.p + 6, data, n) == 0);
		bytes_fini(&text);
		bytes_fini(&back);
	}
}
END_TEST

START_TEST(every_wrong_byte_is_refused_wherever_it_stands)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (unsigned c = 0; c < 256; c++) {
		bool is_digit = c != 0 && strchr(alphabet, (int)c) != NULL;
		for (size_t at = 0; at < 12; at++) {
			char text[13] = "QUJDREVGR0hJ";
			struct bytes out = {.limit = 0};
			text[at] = (char)c;
			bool is_padding = c == '=' && at == 11;
			enum err e = base64_decode((struct slice){text, 12}, &out);
			ck_assert_int_eq(e, is_digit || is_padding ? ERR_OK : ERR_INVALID);
			ck_assert_uint_eq(out.n, e != ERR_OK ? 0 : is_padding ? 8 : 9);
			bytes_fini(&out);
		}
	}
}
END_TEST

START_TEST(padding_stands_at_the_end_alone)
{
	static const char *const wrong[] = {"A",
					    "AA",
					    "AAA",
					    "=AAA",
					    "A===",
					    "====",
					    "AA=A",
					    "AA==AAAA",
					    "AAAA====",
					    "AA=="
					    "\n"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct bytes out = {.limit = 0};
		ck_assert_msg(base64_decode(slice_of(wrong[i]), &out) == ERR_INVALID, "%s",
			      wrong[i]);
		ck_assert_uint_eq(out.n, 0);
		bytes_fini(&out);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base64");
	TCase *t = tcase_create("base64");
	tcase_add_test(t, every_length_comes_back);
	tcase_add_test(t, every_wrong_byte_is_refused_wherever_it_stands);
	tcase_add_test(t, padding_stands_at_the_end_alone);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
