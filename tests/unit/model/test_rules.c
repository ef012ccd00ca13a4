#include "model/rules.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct fields_error error;

static bool uid_of(void *ctx, const char *name, int64_t *ret)
{
	(void)ctx;
	*ret = 1001;
	return strcmp(name, "ada") == 0;
}

static struct rules *read_rules(const char *text)
{
	json_t *list = json_loads(text, JSON_DECODE_ANY, NULL);
	struct rules *r = NULL;
	ck_assert_ptr_nonnull(list);
	memset(&error, 0, sizeof(error));
	if (rules_read(list, uid_of, NULL, &r, &error) != ERR_OK)
		r = NULL;
	json_decref(list);
	return r;
}

static struct rules_query query(const char *host)
{
	return (struct rules_query){.host = slice_of(host),
				    .path = SLICE_LIT("/"),
				    .method = SLICE_LIT("GET"),
				    .port = 443,
				    .uid = 7};
}

/* Keys hit, joined by blanks. */
static const char *keys(const struct rules *r, const struct rules_query *q)
{
	static char out[RULES_KEY_MAX * RULES_HITS_MAX];
	static struct rules_hit hit[RULES_HITS_MAX];
	out[0] = '\0';
	uint32_t n = rules_match(r, q, hit);
	for (uint32_t i = 0; i < n; i++) {
		strcat(out, i > 0 ? " " : "");
		strcat(out, hit[i].key);
	}
	return out;
}

START_TEST(every_matching_rule_applies)
{
	struct rules *r = read_rules("[{\"key\":\"all\"},{\"match\":{\"host\":\"*.nih.gov\"},"
				     "\"key\":\"nih\"},{\"match\":{\"port\":80},\"key\":\"p80\"}]");
	ck_assert_ptr_nonnull(r);
	struct rules_query q = query("eutils.nih.gov");
	ck_assert_str_eq(keys(r, &q), "nih all");
	q = query("nih.gov");
	ck_assert_str_eq(keys(r, &q), "nih all");
	q = query("notnih.gov");
	ck_assert_str_eq(keys(r, &q), "all");
	q.port = 80;
	ck_assert_str_eq(keys(r, &q), "p80 all");
	rules_unref(r);
}
END_TEST

START_TEST(of_one_key_the_most_specific_rule_counts)
{
	struct rules *r =
		read_rules("[{\"key\":\"k\",\"concurrency\":1},"
			   "{\"match\":{\"host\":\"*.x.org\"},\"key\":\"k\",\"concurrency\":2},"
			   "{\"match\":{\"host\":\"*.b.x.org\"},\"key\":\"k\",\"concurrency\":3},"
			   "{\"match\":{\"host\":\"a.x.org\"},\"key\":\"k\",\"concurrency\":4},"
			   "{\"match\":{\"host\":\"a.x.org\",\"path\":\"/p/*\"},\"key\":\"k\","
			   "\"concurrency\":5},"
			   "{\"match\":{\"host\":\"a.x.org\",\"method\":\"PUT\"},\"key\":\"k\","
			   "\"concurrency\":6},"
			   "{\"match\":{\"host\":\"a.x.org\",\"user\":\"ada\"},\"key\":\"k\","
			   "\"concurrency\":7}]");
	ck_assert_ptr_nonnull(r);
	struct rules_hit hit[RULES_HITS_MAX];
	static const struct {
		const char *host, *path, *method;
		uint32_t uid, concurrency;
	} rows[] = {
		{"z.org", "/", "GET", 1, 1},	     {"c.x.org", "/", "GET", 1, 2},
		{"c.b.x.org", "/", "GET", 1, 3},     {"a.x.org", "/", "GET", 1, 4},
		{"a.x.org", "/p/q", "PUT", 1001, 5}, {"a.x.org", "/", "PUT", 1001, 6},
		{"a.x.org", "/", "GET", 1001, 7},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rules_query q = query(rows[i].host);
		q.path = slice_of(rows[i].path);
		q.method = slice_of(rows[i].method);
		q.uid = rows[i].uid;
		ck_assert_uint_eq(rules_match(r, &q, hit), 1);
		ck_assert_uint_eq(hit[0].rule->limits.concurrency, rows[i].concurrency);
	}
	rules_unref(r);
}
END_TEST

START_TEST(templates_name_keys_and_hide_secrets)
{
	struct rules *r = read_rules("[{\"key\":\"h-${host}\"},{\"key\":\"d-${domain}\"},"
				     "{\"key\":\"u-${user}\"},"
				     "{\"key\":\"a-${header:Authorization}\"}]");
	ck_assert_ptr_nonnull(r);
	ck_assert_uint_eq(rules_headers(r), 1);
	ck_assert(slice_is(rules_header(r, 0), "authorization"));
	struct rules_query q = query("a.x.org");
	q.domain = SLICE_LIT("x.org");
	ck_assert_str_eq(keys(r, &q), "h-a.x.org d-x.org u-7 a-none");
	q.header[0] = SLICE_LIT("Bearer secret");
	ck_assert_ptr_null(strstr(keys(r, &q), "secret"));
	ck_assert_str_eq(strstr(keys(r, &q), "a-"), "a-bffde20413347b7a"); /* stable for ever */
	rules_unref(r);
}
END_TEST

START_TEST(a_long_key_ends_in_its_hash)
{
	struct rules *r = read_rules("[{\"key\":\"${host}${host}${host}\"}]");
	struct rules_hit hit[RULES_HITS_MAX];
	char host[201];
	memset(host, 'a', 200);
	host[200] = '\0';
	struct rules_query q = query(host);
	ck_assert_uint_eq(rules_match(r, &q, hit), 1);
	ck_assert_uint_eq(hit[0].key_n, RULES_KEY_MAX - 1);
	char first[RULES_KEY_MAX];
	memcpy(first, hit[0].key, sizeof(first));
	host[199] = 'b';
	ck_assert_uint_eq(rules_match(r, &q, hit), 1);
	ck_assert_str_ne(first, hit[0].key);
	rules_unref(r);
}
END_TEST

START_TEST(header_rules_need_the_header)
{
	struct rules *r = read_rules("[{\"match\":{\"header\":{\"X-Team\":\"red*\"}},"
				     "\"key\":\"red\"}]");
	ck_assert_ptr_nonnull(r);
	struct rules_query q = query("a");
	ck_assert_str_eq(keys(r, &q), "");
	q.header[0] = SLICE_LIT("redder");
	ck_assert_str_eq(keys(r, &q), "red");
	q.header[0] = SLICE_LIT("blue");
	ck_assert_str_eq(keys(r, &q), "");
	rules_unref(r);
}
END_TEST

static const struct {
	const char *text, *says;
} bad_rows[] = {
	{"{}", "list"},
	{"[{\"key\":7}]", "string"},
	{"[{\"key\":\"k\",\"rat\":\"3/s\"}]", "rate"},
	{"[{\"key\":\"k\",\"rate\":\"3\"}]", "rate"},
	{"[{\"key\":\"k\",\"rate\":\"0/s\"}]", "rate"},
	{"[{\"key\":\"k\",\"burst\":0}]", "burst"},
	{"[{\"key\":\"k\",\"quota\":\"5/d\"}]", "quota"},
	{"[{\"key\":\"k\",\"quota\":[\"5\"]}]", "quota"},
	{"[{\"key\":\"k\",\"circuit\":{\"failures\":5}}]", "open"},
	{"[{\"key\":\"${hots}\"}]", "hots"},
	{"[{\"key\":\"${host\"}]", "closed"},
	{"[{\"key\":\"a b\"}]", "blanks"},
	{"[{\"key\":\"origin:x\"}]", "own"},
	{"[{\"key\":\"k\",\"match\":{\"host\":\"a b\"}}]", "host"},
	{"[{\"key\":\"k\",\"match\":{\"user\":\"eve\"}}]", "eve"},
	{"[{\"key\":\"k\",\"match\":{\"port\":70000}}]", "port"},
	{"[{\"key\":\"k\"},{\"key\":\"k\"}]", "specific"},
	{"[{\"key\":\"k\",\"match\":{\"path\":\"/a*\"}},"
	 "{\"key\":\"k\",\"match\":{\"path\":\"/*b\"}}]",
	 "specific"},
};

START_TEST(a_bad_rule_is_refused_with_what_is_wrong)
{
	ck_assert_ptr_null(read_rules(bad_rows[_i].text));
	ck_assert_msg(strstr(error.text, bad_rows[_i].says) != NULL, "%s: %s", bad_rows[_i].text,
		      error.text);
}
END_TEST

static const char *const fine_rows[] = {
	"[]",
	"[{}]",
	"[{\"match\":{\"host\":\"a.org\",\"path\":\"/a b/*\"}},{\"match\":{\"host\":\"a.org\"}}]",
	"[{\"key\":\"k\",\"match\":{\"host\":\"a.org\"}},{\"key\":\"k\",\"match\":{\"host\":"
	"\"b.org\"}}]",
	"[{\"key\":\"k\",\"match\":{\"host\":\"*.a.org\"}},{\"key\":\"k\",\"match\":{\"host\":"
	"\"*.b.org\"}}]",
	"[{\"key\":\"k\",\"match\":{\"method\":\"GET\"}},{\"key\":\"k\",\"match\":{\"method\":"
	"\"PUT\"}}]",
	"[{\"key\":\"k\",\"match\":{\"port\":80}},{\"key\":\"k\",\"match\":{\"port\":81}}]",
	"[{\"key\":\"k\",\"match\":{\"host\":\"::1\"},\"retry_budget\":0.2,\"bandwidth\":\"2M\"}]",
};

START_TEST(rules_that_cannot_meet_may_share_a_key)
{
	struct rules *r = read_rules(fine_rows[_i]);
	ck_assert_msg(r != NULL, "%s", error.text);
	rules_unref(r);
}
END_TEST

START_TEST(what_varies_within_a_host_is_not_constant)
{
	struct rules *r = read_rules("[{\"key\":\"k\"},{\"match\":{\"host\":\"a\"},\"key\":"
				     "\"${user}\"},{\"match\":{\"host\":\"b\",\"path\":\"/x\"},"
				     "\"key\":\"p\"},{\"match\":{\"port\":80,\"method\":\"PUT\"},"
				     "\"key\":\"m\"}]");
	ck_assert(!rules_constant_for(r, SLICE_LIT("a"), 443));
	ck_assert(!rules_constant_for(r, SLICE_LIT("b"), 443));
	ck_assert(rules_constant_for(r, SLICE_LIT("c"), 443));
	ck_assert(!rules_constant_for(r, SLICE_LIT("c"), 80));
	rules_unref(r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rules");
	TCase *t = tcase_create("rules");
#define ROWS(x) (int)(sizeof(x) / sizeof((x)[0]))
	tcase_add_test(t, every_matching_rule_applies);
	tcase_add_test(t, of_one_key_the_most_specific_rule_counts);
	tcase_add_test(t, templates_name_keys_and_hide_secrets);
	tcase_add_test(t, a_long_key_ends_in_its_hash);
	tcase_add_test(t, header_rules_need_the_header);
	tcase_add_loop_test(t, a_bad_rule_is_refused_with_what_is_wrong, 0, ROWS(bad_rows));
	tcase_add_loop_test(t, rules_that_cannot_meet_may_share_a_key, 0, ROWS(fine_rows));
	tcase_add_test(t, what_varies_within_a_host_is_not_constant);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
