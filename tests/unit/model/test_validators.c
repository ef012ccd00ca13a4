/* Validators: by user and URL, replaced, forgotten, bounded. */
#include "model/validators.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define URL SLICE_LIT("http://a.example/x")

static void put(struct validators *v, uint32_t uid, const char *etag, const char *date)
{
	struct validator what = {slice_of(etag), slice_of(date)};
	ck_assert_int_eq(validators_put(v, uid, URL, &what), ERR_OK);
}

START_TEST(each_user_has_his_own)
{
	struct validators *v = validators_new(1);
	struct validator got;
	put(v, 7, "\"v1\"", "");
	ck_assert(!validators_get(v, 8, URL, &got));
	ck_assert(!validators_get(v, 7, SLICE_LIT("http://a.example/y"), &got));
	ck_assert(validators_get(v, 7, URL, &got));
	ck_assert(slice_is(got.etag, "\"v1\"") && got.last_modified.n == 0);
	validators_free(v);
}
END_TEST

START_TEST(the_last_word_counts)
{
	struct validators *v = validators_new(1);
	struct validator got;
	put(v, 7, "\"v1\"", "then");
	put(v, 7, "", "now");
	ck_assert(validators_get(v, 7, URL, &got));
	ck_assert(got.etag.n == 0 && slice_is(got.last_modified, "now"));
	put(v, 7, "", "");
	ck_assert(!validators_get(v, 7, URL, &got));
	ck_assert_uint_eq(validators_count(v), 0);
	validators_free(v);
}
END_TEST

START_TEST(too_long_a_tag_is_none)
{
	struct validators *v = validators_new(1);
	struct validator got;
	char tag[VALIDATOR_BYTES + 2];
	for (size_t i = 0; i < sizeof(tag) - 1; i++)
		tag[i] = 'x';
	tag[sizeof(tag) - 1] = '\0';
	put(v, 7, tag, "");
	ck_assert(!validators_get(v, 7, URL, &got));
	validators_free(v);
}
END_TEST

START_TEST(the_one_told_longest_ago_makes_room)
{
	struct validators *v = validators_new(1);
	struct validator got, what = {SLICE_LIT("e"), {NULL, 0}};
	char text[64];
	put(v, 7, "first", "");
	for (int i = 0; i < VALIDATORS_MAX; i++) {
		int n = snprintf(text, sizeof(text), "http://a.example/%d", i);
		ck_assert_int_eq(validators_put(v, 7, (struct slice){text, (size_t)n}, &what),
				 ERR_OK);
	}
	ck_assert_uint_eq(validators_count(v), VALIDATORS_MAX);
	ck_assert(!validators_get(v, 7, URL, &got));
	ck_assert(validators_get(v, 7, SLICE_LIT("http://a.example/0"), &got));
	validators_free(v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("validators");
	TCase *tc = tcase_create("validators");
	suite_add_tcase(s, tc);
	tcase_add_test(tc, each_user_has_his_own);
	tcase_add_test(tc, the_last_word_counts);
	tcase_add_test(tc, too_long_a_tag_is_none);
	tcase_add_test(tc, the_one_told_longest_ago_makes_room);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
