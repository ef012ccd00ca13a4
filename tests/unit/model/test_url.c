#include "model/url.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct slice str(const char *s)
{
	return slice_of(s);
}

/* The normal form, or "!" and why not. */
static const char *normal(const char *in)
{
	static char out[70000];
	struct url u;
	const char *why = "?";
	if (url_parse(str(in), &u, &why) != ERR_OK) {
		snprintf(out, sizeof(out), "!%s", why);
		return out;
	}
	snprintf(out, sizeof(out), "%s", u.text);
	ck_assert_uint_eq(u.n, strlen(u.text));
	url_fini(&u);
	return out;
}

struct row {
	const char *in, *out;
};

static const struct row normal_rows[] = {
	{"http://example.org", "http://example.org/"},
	{"HTTP://EXAMPLE.org:80/a", "http://example.org/a"},
	{"https://example.org:443", "https://example.org/"},
	{"https://example.org:80/", "https://example.org:80/"},
	{"http://example.org:/x", "http://example.org/x"},
	{"http://example.org./x", "http://example.org/x"},
	{"http://example.org?q=1", "http://example.org/?q=1"},
	{"http://example.org/a#frag", "http://example.org/a"},
	{"http://example.org#frag", "http://example.org/"},
	{"http://user:pa%40ss@h/p", "http://h/p"},
	{"http://m\xc3\xbcnchen.de/\xc3\xbc", "http://xn--mnchen-3ya.de/%C3%BC"},
	{"http://M\xc3\x9cNCHEN.de/", "http://xn--mnchen-3ya.de/"},
	{"http://fa\xc3\x9f.de/", "http://xn--fa-hia.de/"},
	{"http://ex%61mple.org/", "http://example.org/"},
	{"http://a_b.example/", "http://a_b.example/"},
	{"http://127.1/", "http://127.0.0.1/"},
	{"http://2130706433/", "http://127.0.0.1/"},
	{"http://0x7f000001/", "http://127.0.0.1/"},
	{"http://0X7F.0x1/", "http://127.0.0.1/"},
	{"http://0177.0.0.01/", "http://127.0.0.1/"},
	{"http://127.0.0.1./", "http://127.0.0.1/"},
	{"http://1.2.3.0x/x", "http://1.2.3.0/x"},
	{"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.1/", "http://127.0.0.1/"},
	{"http://127\xe3\x80\x82"
	 "0.0.1/",
	 "http://127.0.0.1/"},
	{"http://[::1]:8080/x", "http://[::1]:8080/x"},
	{"http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"},
	{"http://[::FFFF:A9FE:A9FE]/", "http://[::ffff:169.254.169.254]/"},
	{"http://h/a/./b/../c", "http://h/a/c"},
	{"http://h/../../a", "http://h/a"},
	{"http://h/a/%2e%2E/b", "http://h/b"},
	{"http://h/a/..", "http://h/"},
	{"http://h/a/.", "http://h/a/"},
	{"http://h/a/.b/..c", "http://h/a/.b/..c"},
	{"http://h//a//../b", "http://h//a/b"},
	{"http://h/a|b\"c?x={y}^", "http://h/a%7Cb%22c?x=%7By%7D%5E"},
	{"http://h/%zz%2", "http://h/%zz%2"},
	{"http://h/a\\b", "http://h/a%5Cb"},
	{"http://h?x=/../y", "http://h/?x=/../y"},
	{"http://h/a?b?c", "http://h/a?b?c"},
};

START_TEST(one_url_has_one_normal_form)
{
	const struct row *r = &normal_rows[_i];
	ck_assert_str_eq(normal(r->in), r->out);
	ck_assert_str_eq(normal(r->out), r->out);
}
END_TEST

static const char *const refused_rows[] = {
	"",
	"example.org",
	"//example.org/",
	"ftp://example.org/",
	"file:///etc/passwd",
	"http:/example.org",
	"http://",
	"http:///path",
	"http://?q",
	"http://:80/",
	"http://@/",
	"http://h:0/",
	"http://h:65536/",
	"http://h:8x/",
	"http://h:-1/",
	"http://h:80:80/",
	"http://::1/",
	"http://[::1/",
	"http://[::1]x/",
	"http://[::g]/",
	"http://[127.0.0.1]/",
	"http://[fe80::1%25eth0]/",
	"http://[fe80::1%eth0]/",
	"http://[]/",
	"http://h /",
	"http://h/a b",
	"http://h/a\r\nX: y",
	"http://h/\t",
	"http://h/\x7f",
	"http://a@b@c/",
	"http://good\\@evil/",
	"http://h\\x/",
	"http://a..b/",
	"http://.a/",
	"http://./",
	"http://a<b/",
	"http://a%00b/",
	"http://a%0ab/",
	"http://a%2fb/",
	"http://a%zz/",
	"http://256.1.1.1/",
	"http://1.2.3.4.5/",
	"http://0x100000000/",
	"http://08.1/",

	"http://u%0d:p@h/",
	"http://u:p%zz@h/",
	"http://a,b/",
	"http://*.org/",
	"http://\xff/",
	"http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org/",
};

START_TEST(what_cannot_be_fetched_is_refused_with_a_reason)
{
	const char *got = normal(refused_rows[_i]);
	ck_assert_msg(got[0] == '!' && got[1] != '?', "%s -> %s", refused_rows[_i], got);
}
END_TEST

START_TEST(nul_is_refused)
{
	struct url u;
	ck_assert_int_eq(url_parse((struct slice){"http://h/a\0b", 12}, &u, NULL), ERR_INVALID);
}
END_TEST

START_TEST(length_is_bounded)
{
	char *big = malloc(URL_MAX + 10);
	memset(big, 'a', URL_MAX + 10);
	memcpy(big, "http://h/", 9);
	struct url u;
	ck_assert_int_eq(url_parse((struct slice){big, URL_MAX + 1}, &u, NULL), ERR_INVALID);
	ck_assert_int_eq(url_parse((struct slice){big, URL_MAX - 100}, &u, NULL), ERR_OK);
	url_fini(&u);
	memset(big + 9, '"', URL_MAX - 200);
	ck_assert_int_eq(url_parse((struct slice){big, URL_MAX - 200}, &u, NULL), ERR_INVALID);
	free(big);
}
END_TEST

START_TEST(parts_are_where_they_say)
{
	struct url u;
	ck_assert_int_eq(
		url_parse(str("https://me:s%3Acret@Sub.Example.co.uk:8443/a/b.txt?x=1"), &u, NULL),
		ERR_OK);
	ck_assert(slice_is(url_origin(&u), "https://sub.example.co.uk:8443"));
	ck_assert(slice_is(url_authority(&u), "sub.example.co.uk:8443"));
	ck_assert(slice_is(url_host(&u), "sub.example.co.uk"));
	ck_assert(slice_is(url_target(&u), "/a/b.txt?x=1"));
	ck_assert(slice_is(url_path(&u), "/a/b.txt"));
	ck_assert(slice_is(url_user(&u), "me"));
	ck_assert(slice_is(url_pass(&u), "s:cret"));
	ck_assert(slice_is(url_domain(&u), "example.co.uk"));
	ck_assert(slice_is(url_last_segment(&u), "b.txt"));
	ck_assert(u.is_https && u.has_user && u.port == 8443);
	struct url copy;
	ck_assert_int_eq(url_copy(&u, &copy), ERR_OK);
	url_fini(&u);
	ck_assert(slice_is(url_pass(&copy), "s:cret"));
	url_fini(&copy);
	ck_assert_int_eq(url_parse(str("http://[::1]:81/"), &u, NULL), ERR_OK);
	ck_assert(slice_is(url_host(&u), "::1") && slice_is(url_authority(&u), "[::1]:81"));
	ck_assert(slice_is(url_domain(&u), "::1") && u.host_kind == URL_HOST_V6);
	ck_assert_int_eq(u.addr[15], 1);
	url_fini(&u);
}
END_TEST

struct resolve_row {
	const char *base, *ref, *out; /* out NULL: refused */
};

/* All of RFC 3986 5.4 (fragments are not sent), then what servers send. */
static const struct resolve_row resolve_rows[] = {
	{"http://a/b/c/d;p?q", "g", "http://a/b/c/g"},
	{"http://a/b/c/d;p?q", "./g", "http://a/b/c/g"},
	{"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/"},
	{"http://a/b/c/d;p?q", "/g", "http://a/g"},
	{"http://a/b/c/d;p?q", "//g", "http://g/"},
	{"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"},
	{"http://a/b/c/d;p?q", "g?y", "http://a/b/c/g?y"},
	{"http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q"},
	{"http://a/b/c/d;p?q", "g#s", "http://a/b/c/g"},
	{"http://a/b/c/d;p?q", ";x", "http://a/b/c/;x"},
	{"http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q"},
	{"http://a/b/c/d;p?q", ".", "http://a/b/c/"},
	{"http://a/b/c/d;p?q", "..", "http://a/b/"},
	{"http://a/b/c/d;p?q", "../../g", "http://a/g"},
	{"http://a/b/c/d;p?q", "../../../g", "http://a/g"},
	{"http://a/b/c/d;p?q", "g;x=1/../y", "http://a/b/c/y"},
	{"http://a/b/c/d;p?q", "g?y/../x", "http://a/b/c/g?y/../x"},
	{"http://a/b/c/d;p?q", "g?y#s", "http://a/b/c/g?y"},
	{"http://a/b/c/d;p?q", "g;x", "http://a/b/c/g;x"},
	{"http://a/b/c/d;p?q", "g;x?y#s", "http://a/b/c/g;x?y"},
	{"http://a/b/c/d;p?q", "./", "http://a/b/c/"},
	{"http://a/b/c/d;p?q", "../", "http://a/b/"},
	{"http://a/b/c/d;p?q", "../g", "http://a/b/g"},
	{"http://a/b/c/d;p?q", "../..", "http://a/"},
	{"http://a/b/c/d;p?q", "../../", "http://a/"},
	{"http://a/b/c/d;p?q", "../../../../g", "http://a/g"},
	{"http://a/b/c/d;p?q", "/./g", "http://a/g"},
	{"http://a/b/c/d;p?q", "/../g", "http://a/g"},
	{"http://a/b/c/d;p?q", "g.", "http://a/b/c/g."},
	{"http://a/b/c/d;p?q", ".g", "http://a/b/c/.g"},
	{"http://a/b/c/d;p?q", "g..", "http://a/b/c/g.."},
	{"http://a/b/c/d;p?q", "..g", "http://a/b/c/..g"},
	{"http://a/b/c/d;p?q", "./../g", "http://a/b/g"},
	{"http://a/b/c/d;p?q", "./g/.", "http://a/b/c/g/"},
	{"http://a/b/c/d;p?q", "g/./h", "http://a/b/c/g/h"},
	{"http://a/b/c/d;p?q", "g/../h", "http://a/b/c/h"},
	{"http://a/b/c/d;p?q", "g;x=1/./y", "http://a/b/c/g;x=1/y"},
	{"http://a/b/c/d;p?q", "g?y/./x", "http://a/b/c/g?y/./x"},
	{"http://a/b/c/d;p?q", "g#s/./x", "http://a/b/c/g"},
	{"http://a/b/c/d;p?q", "g#s/../x", "http://a/b/c/g"},
	{"http://a/b/c/d;p?q", "g:h", NULL},
	{"https://a:444/b", "//c/d", "https://c/d"},
	{"https://u:p@a/b", "/d", "https://a/d"},
	{"http://a/", "  /x y  ", "http://a/x%20y"},
	{"http://a/", "HTTPS://B/", "https://b/"},
	{"http://a/", "1:2", "http://a/1:2"},
	{"http://a/", "http:g", NULL},
	{"http://a/", "javascript:alert(1)", NULL},
	{"http://a/", "file:///etc/passwd", NULL},
	{"http://a/", "/x\r\nSet-Cookie: a", NULL},
	{"http://a/", "//", NULL},
	{"http://a/", "///b", NULL},
};

START_TEST(references_resolve_by_rfc_3986)
{
	const struct resolve_row *r = &resolve_rows[_i];
	struct url base, u;
	ck_assert_int_eq(url_parse(str(r->base), &base, NULL), ERR_OK);
	enum err e = url_resolve(&base, str(r->ref), &u, NULL);
	url_fini(&base);
	if (r->out == NULL) {
		ck_assert_int_eq(e, ERR_INVALID);
		return;
	}
	ck_assert_int_eq(e, ERR_OK);
	ck_assert_str_eq(u.text, r->out);
	ck_assert(!u.has_user);
	url_fini(&u);
}
END_TEST

START_TEST(a_mirror_keeps_path_and_query)
{
	struct url u, base, m;
	ck_assert_int_eq(url_parse(str("http://a/x/y?z=1"), &u, NULL), ERR_OK);
	ck_assert_int_eq(url_parse(str("https://u:p@b:444/pub/?drop"), &base, NULL), ERR_OK);
	ck_assert_int_eq(url_rebase(&u, &base, &m), ERR_OK);
	ck_assert_str_eq(m.text, "https://b:444/pub/x/y?z=1");
	ck_assert(slice_is(url_path(&m), "/pub/x/y"));
	ck_assert(slice_is(url_user(&m), "u") && slice_is(url_pass(&m), "p"));
	url_fini(&u);
	url_fini(&base);
	url_fini(&m);
}
END_TEST

static const struct row mask_rows[] = {
	{"http://u:p@h/x", "http://u:***@h/x"},
	{"http://token@h/x", "http://***@h/x"},
	{"http://u:p:q@h", "http://u:***@h"},
	{"http://a@b:c@h", "http://a@b:***@h"},
	{"http://h/x@y:z", "http://h/x@y:z"},
	{"u:p@h/x", "u:***@h/x"},
	{"ftp://u:p@h", "ftp://u:***@h"},
	{"http://u:@h", "http://u:***@h"},
	{"", ""},
};

START_TEST(a_masked_url_shows_no_password)
{
	struct bytes b = {0};
	ck_assert_int_eq(url_mask(str(mask_rows[_i].in), &b), ERR_OK);
	ck_assert_str_eq(bytes_cstr(&b), mask_rows[_i].out);
	bytes_fini(&b);
}
END_TEST

/* Random bytes around a valid core: never a crash, and what is accepted is stable. */
START_TEST(whatever_is_accepted_is_its_own_normal_form)
{
	static const char alphabet[] = "aZ09.-_~:/?#[]@!$&'()*+,;=%2eF\\\"<>{}|^` \xc3\xbc\x01";
	unsigned seed = 42;
	uint32_t n_ok = 0;
	for (int i = 0; i < 200000; i++) {
		char in[64] = "http://";
		int n = 7 + rand_r(&seed) % 30;
		for (int k = 7; k < n; k++)
			in[k] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		struct url u, again;
		if (url_parse((struct slice){in, (size_t)n}, &u, NULL) != ERR_OK)
			continue;
		n_ok++;
		for (uint32_t k = 0; k < u.n; k++)
			ck_assert(u.text[k] > ' ' && u.text[k] < 0x7f);
		ck_assert_int_eq(url_parse(url_text(&u), &again, NULL), ERR_OK);
		ck_assert_str_eq(u.text, again.text);
		url_fini(&again);
		url_fini(&u);
	}
	ck_assert_uint_gt(n_ok, 1000);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("url");
	TCase *t = tcase_create("url");
#define ROWS(x) (int)(sizeof(x) / sizeof((x)[0]))
	tcase_add_loop_test(t, one_url_has_one_normal_form, 0, ROWS(normal_rows));
	tcase_add_loop_test(t, what_cannot_be_fetched_is_refused_with_a_reason, 0,
			    ROWS(refused_rows));
	tcase_add_test(t, nul_is_refused);
	tcase_add_test(t, length_is_bounded);
	tcase_add_test(t, parts_are_where_they_say);
	tcase_add_loop_test(t, references_resolve_by_rfc_3986, 0, ROWS(resolve_rows));
	tcase_add_test(t, a_mirror_keeps_path_and_query);
	tcase_add_loop_test(t, a_masked_url_shows_no_password, 0, ROWS(mask_rows));
	tcase_add_test(t, whatever_is_accepted_is_its_own_normal_form);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
