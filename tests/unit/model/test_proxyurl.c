/* model/proxyurl: what names a proxy. */
#include "model/proxyurl.h"

#include <check.h>
#include <stdlib.h>

static const struct {
	const char *text, *host;
	bool is_socks;
	int port;
	const char *user, *pass;
} good[] = {
	{"http://proxy.example:3128", "proxy.example", false, 3128, "", ""},
	{"http://proxy.example", "proxy.example", false, 80, "", ""},
	{"HTTP://Proxy.Example/", "proxy.example", false, 80, "", ""},
	{"proxy.example:8080", "proxy.example", false, 8080, "", ""},
	{"socks5://proxy.example", "proxy.example", true, 1080, "", ""},
	{"socks5://proxy.example:80", "proxy.example", true, 80, "", ""},
	{"socks5://proxy.example:443", "proxy.example", true, 443, "", ""},
	{"socks5h://[::1]:9050", "::1", true, 9050, "", ""},
	{"http://ada:secret@proxy.example:1", "proxy.example", false, 1, "ada", "secret"},
};

START_TEST(a_proxy_is_read_with_the_port_of_its_scheme)
{
	struct proxyurl p;
	const char *why;
	ck_assert_int_eq(proxyurl_parse(slice_of(good[_i].text), &p, &why), ERR_OK);
	ck_assert_msg(slice_is(url_host(&p.url), good[_i].host), "%s", good[_i].text);
	ck_assert_int_eq(p.is_socks, good[_i].is_socks);
	ck_assert_int_eq(p.port, good[_i].port);
	ck_assert(slice_is(url_user(&p.url), good[_i].user));
	ck_assert(slice_is(url_pass(&p.url), good[_i].pass));
	proxyurl_fini(&p);
}
END_TEST

static const char *const bad[] = {"https://proxy.example",
				  "socks4://proxy.example",
				  "http://",
				  "ftp://x",
				  "http://a b:1",
				  ""};

START_TEST(what_is_no_proxy_is_refused_with_a_sentence)
{
	struct proxyurl p;
	const char *why = NULL;
	ck_assert_int_eq(proxyurl_parse(slice_of(bad[_i]), &p, &why), ERR_INVALID);
	ck_assert_ptr_nonnull(why);
	ck_assert_int_gt((int)slice_of(why).n, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("proxyurl");
	TCase *t = tcase_create("proxyurl");
	tcase_add_loop_test(t, a_proxy_is_read_with_the_port_of_its_scheme, 0,
			    sizeof(good) / sizeof(good[0]));
	tcase_add_loop_test(t, what_is_no_proxy_is_refused_with_a_sentence, 0,
			    sizeof(bad) / sizeof(bad[0]));
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
