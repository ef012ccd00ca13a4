/* Redirects, what goes along with them, and addresses that are not for everybody. */
#include "model/credentials.h"
#include "model/redirect.h"
#include "model/special.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

struct row {
	int status;
	const char *method, *at, *location;
	enum redirect_verdict verdict;
	const char *to;
	bool to_get, other_origin;
};

#define AT "https://a.example/x/y?q"

static const struct row rows[] = {
	{301, "GET", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{302, "GET", AT, "z", REDIRECT_FOLLOW, "https://a.example/x/z", false, false},
	{302, "POST", AT, "?r", REDIRECT_FOLLOW, "https://a.example/x/y?r", true, false},
	{301, "PUT", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{303, "POST", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", true, false},
	{303, "PUT", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", true, false},
	{303, "HEAD", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{307, "POST", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{308, "DELETE", AT, "//b.example/z", REDIRECT_FOLLOW, "https://b.example/z", false, true},
	{301, "GET", AT, "http://a.example/z", REDIRECT_FAILED, NULL, false, false},
	{301, "GET", AT, "//a.example/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{301, "GET", "http://a.example/", "https://a.example/z", REDIRECT_FOLLOW,
	 "https://a.example/z", false, true},
	{300, "POST", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{302, "HEAD", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{302, "DELETE", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{303, "DELETE", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", true, false},
	{308, "POST", AT, "/z", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{305, "GET", AT, "/z", REDIRECT_FINAL, NULL, false, false},
	{306, "GET", AT, "/z", REDIRECT_FINAL, NULL, false, false},
	{201, "POST", AT, "/z", REDIRECT_FINAL, NULL, false, false},
	{404, "GET", AT, "/z", REDIRECT_FINAL, NULL, false, false},
	{301, "GET", AT, "https://a.example:8443/z", REDIRECT_FOLLOW, "https://a.example:8443/z",
	 false, true},
	{301, "GET", AT, "https://A.EXAMPLE:443/z#f", REDIRECT_FOLLOW, "https://a.example/z", false,
	 false},
	{301, "GET", AT, " /z\t", REDIRECT_FOLLOW, "https://a.example/z", false, false},
	{301, "GET", AT, "", REDIRECT_FINAL, NULL, false, false},
	{304, "GET", AT, "/z", REDIRECT_FINAL, NULL, false, false},
	{200, "GET", AT, "/z", REDIRECT_FINAL, NULL, false, false},
	{301, "GET", AT, "file:///etc/passwd", REDIRECT_FAILED, NULL, false, false},
	{301, "GET", AT, "gopher://a/", REDIRECT_FAILED, NULL, false, false},
	{301, "GET", AT, "javascript:x", REDIRECT_FAILED, NULL, false, false},
	{301, "GET", AT, "http://", REDIRECT_FAILED, NULL, false, false},
	{301, "GET", AT, "http://a\rb/", REDIRECT_FAILED, NULL, false, false},
};

START_TEST(redirects_lead_where_curl_would_go)
{
	const struct row *r = &rows[_i];
	struct url at = {0};
	struct redirect_step step;
	ck_assert_int_eq(url_parse(slice_of(r->at), &at, NULL), ERR_OK);
	struct redirect_facts f = {.status = r->status,
				   .method = slice_of(r->method),
				   .location = slice_of(r->location),
				   .at = &at,
				   .hops = 1,
				   .max_hops = 2};
	ck_assert_msg(redirect_next(&f, &step) == r->verdict, "row %d", _i);
	if (r->verdict == REDIRECT_FOLLOW) {
		ck_assert_msg(slice_is(url_text(&step.to), r->to), "%s", step.to.text);
		ck_assert_int_eq(step.to_get, r->to_get);
		ck_assert_int_eq(step.other_origin, r->other_origin);
		url_fini(&step.to);
		f.hops = 2;
		ck_assert_int_eq(redirect_next(&f, &step), REDIRECT_FAILED);
		ck_assert_int_eq(step.kind, KIND_REDIRECT_TOO_MANY);
	} else if (r->verdict == REDIRECT_FAILED) {
		ck_assert(step.kind == KIND_REDIRECT_DENIED && step.why != NULL);
	}
	url_fini(&at);
}
END_TEST

START_TEST(from_https_to_http_only_when_asked)
{
	struct url at = {0};
	struct redirect_step step;
	ck_assert_int_eq(url_parse(SLICE_LIT(AT), &at, NULL), ERR_OK);
	struct redirect_facts f = {.status = 301,
				   .method = SLICE_LIT("GET"),
				   .location = SLICE_LIT("http://a.example/z"),
				   .at = &at,
				   .max_hops = 2,
				   .may_downgrade = true};
	ck_assert_int_eq(redirect_next(&f, &step), REDIRECT_FOLLOW);
	ck_assert(slice_is(url_text(&step.to), "http://a.example/z") && step.other_origin);
	url_fini(&step.to);
	url_fini(&at);
}
END_TEST

START_TEST(secrets_stay_with_their_origin)
{
	static const char *const secret[] = {"Authorization",	    "cookie",
					     "X-Api-Key",	    "X-Auth-Token",
					     "Proxy-Authorization", "X-Amz-Security-Token",
					     "PRIVATE-TOKEN",	    "X-Hub-Signature-256"};
	static const char *const open[] = {"Accept",	   "User-Agent",    "Content-Type",
					   "X-Request-Id", "If-None-Match", "Range"};
	struct url a = {0}, same = {0}, other = {0};
	ck_assert_int_eq(url_parse(SLICE_LIT("https://a.example/1"), &a, NULL), ERR_OK);
	ck_assert_int_eq(url_parse(SLICE_LIT("https://a.example:443/2"), &same, NULL), ERR_OK);
	ck_assert_int_eq(url_parse(SLICE_LIT("http://a.example/"), &other, NULL), ERR_OK);
	for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++) {
		ck_assert_msg(credentials_is_secret(slice_of(secret[i])), "%s", secret[i]);
		ck_assert(credentials_keeps_field(slice_of(secret[i]), &a, &same));
		ck_assert(!credentials_keeps_field(slice_of(secret[i]), &a, &other));
	}
	for (size_t i = 0; i < sizeof(open) / sizeof(*open); i++)
		ck_assert_msg(credentials_keeps_field(slice_of(open[i]), &a, &other), "%s",
			      open[i]);
	url_fini(&a);
	url_fini(&same);
	url_fini(&other);
}
END_TEST

/* ---- addresses ---- */

START_TEST(special_addresses_are_known)
{
	static const char *const special[] = {"0.0.0.0",
					      "0.1.2.3",
					      "10.0.0.1",
					      "100.64.0.1",
					      "100.127.255.255",
					      "127.0.0.1",
					      "127.255.255.255",
					      "169.254.169.254",
					      "172.16.0.1",
					      "172.31.255.255",
					      "192.0.0.1",
					      "192.0.2.1",
					      "192.88.99.1",
					      "192.168.1.1",
					      "198.18.0.1",
					      "198.19.255.255",
					      "198.51.100.7",
					      "203.0.113.9",
					      "224.0.0.1",
					      "239.255.255.255",
					      "240.0.0.1",
					      "255.255.255.255",
					      "::",
					      "::1",
					      "::127.0.0.1",
					      "::ffff:127.0.0.1",
					      "::ffff:8.8.8.8",
					      "::ffff:a9fe:a9fe",
					      "64:ff9b::1.2.3.4",
					      "64:ff9b:1::1",
					      "100::1",
					      "2001::1",
					      "2001:1ff::1",
					      "2001:db8::1",
					      "2002:7f00:1::",
					      "3fff::1",
					      "5f00::1",
					      "fc00::1",
					      "fdff::1",
					      "fe80::1",
					      "febf::1",
					      "fec0::1",
					      "ff02::1"};
	static const char *const global[] = {"1.1.1.1",	       "8.8.8.8",	  "9.255.255.255",
					     "11.0.0.1",       "100.63.255.255",  "100.128.0.1",
					     "172.15.0.1",     "172.32.0.1",	  "192.169.0.1",
					     "198.17.255.255", "198.20.0.1",	  "223.255.255.255",
					     "2001:200::1",    "2606:4700::1111", "2a00:1450::1"};
	struct net_addr a;
	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
		ck_assert_int_eq(net_addr_parse(slice_of(special[i]), &a), ERR_OK);
		ck_assert_msg(special_is(&a), "%s", special[i]);
	}
	for (size_t i = 0; i < sizeof(global) / sizeof(*global); i++) {
		ck_assert_int_eq(net_addr_parse(slice_of(global[i]), &a), ERR_OK);
		ck_assert_msg(!special_is(&a), "%s", global[i]);
	}
}
END_TEST

START_TEST(only_plain_literals_are_addresses)
{
	static const char *const not [] = {"",		 "127.1",    "0x7f000001", "2130706433",
					   "0177.0.0.1", "1.2.3.4.", "1.2.3.256",  "fe80::1%eth0",
					   "[::1]",	 "::1::",    "1.2.3.4 ",   "localhost"};
	struct net_addr a;
	for (size_t i = 0; i < sizeof(not ) / sizeof(*not ); i++)
		ck_assert_msg(net_addr_parse(slice_of(not [i]), &a) == ERR_INVALID, "%s", not [i]);
}
END_TEST

static bool allows(const char *allow, const char *deny, const char *addr)
{
	struct slice al = slice_of(allow), de = slice_of(deny), bad;
	struct net_policy *p = NULL;
	struct net_addr a;
	ck_assert_int_eq(net_policy_new(&al, al.n > 0, &de, de.n > 0, &p, &bad), ERR_OK);
	ck_assert_int_eq(net_addr_parse(slice_of(addr), &a), ERR_OK);
	bool ok = net_policy_allows(p, &a);
	net_policy_free(p);
	return ok;
}

START_TEST(allow_wins_over_deny)
{
	ck_assert(allows("", "", "127.0.0.1"));
	ck_assert(!allows("", "special", "127.0.0.1"));
	ck_assert(allows("", "special", "8.8.8.8"));
	ck_assert(allows("127.0.0.0/8", "special", "127.9.9.9"));
	ck_assert(!allows("127.0.0.1", "special", "127.0.0.2"));
	ck_assert(!allows("", "10.0.0.0/9", "10.127.0.1") &&
		  allows("", "10.0.0.0/9", "10.128.0.1"));
	ck_assert(allows("special", "0.0.0.0/0", "10.0.0.1"));
	ck_assert(!allows("special", "0.0.0.0/0", "8.8.8.8"));
	ck_assert(!allows("", "fd00::/8", "fd12::1") && allows("", "fd00::/8", "fc12::1"));
	/* One address in many coats. */
	ck_assert(!allows("", "10.0.0.0/8", "::ffff:10.1.2.3"));
	ck_assert(!allows("", "10.0.0.0/8", "64:ff9b::10.1.2.3"));
	ck_assert(!allows("", "10.0.0.0/8", "2002:0a01:0203::1"));
	ck_assert(allows("10.0.0.0/8", "special", "::ffff:10.1.2.3"));
}
END_TEST

START_TEST(entries_that_are_no_blocks_are_named)
{
	static const char *const bad[] = {"10.0.0.0/33", "10.0.0.0/",	"10.0/8",     "::/129",
					  "spezial",	 "10.0.0.0/-1", "10.0.0.0/8x"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct slice e[2] = {SLICE_LIT("special"), slice_of(bad[i])}, which;
		struct net_policy *p = NULL;
		ck_assert_int_eq(net_policy_new(NULL, 0, e, 2, &p, &which), ERR_INVALID);
		ck_assert(slice_is(which, bad[i]));
	}
}
END_TEST

int main(void)
{
	Suite *su = suite_create("redirect");
	TCase *tc = tcase_create("all");
	tcase_add_loop_test(tc, redirects_lead_where_curl_would_go, 0,
			    (int)(sizeof(rows) / sizeof(*rows)));
	tcase_add_test(tc, secrets_stay_with_their_origin);
	tcase_add_test(tc, from_https_to_http_only_when_asked);
	tcase_add_test(tc, special_addresses_are_known);
	tcase_add_test(tc, only_plain_literals_are_addresses);
	tcase_add_test(tc, allow_wins_over_deny);
	tcase_add_test(tc, entries_that_are_no_blocks_are_named);
	suite_add_tcase(su, tc);
	SRunner *sr = srunner_create(su);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
