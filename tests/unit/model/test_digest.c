/* Digest authentication: the examples of RFC 7616 and 2617, and challenges as servers write them.
 */
#include "model/digest.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct digest_facts facts(const char *pass, const char *cnonce)
{
	return (struct digest_facts){.user = SLICE_LIT("Mufasa"),
				     .pass = slice_of(pass),
				     .method = SLICE_LIT("GET"),
				     .target = SLICE_LIT("/dir/index.html"),
				     .cnonce = slice_of(cnonce)};
}

#define RFC7616(algorithm)                                                                         \
	"Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=" algorithm     \
	", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                               \
	"opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
#define RFC2617                                                                                    \
	"Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "                             \
	"nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "                                           \
	"opaque=\"5ccc069c403ebaf9f0171e9517f40e41\""
#define CNONCE "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

static const struct {
	const char *challenge, *pass, *cnonce, *response;
} vectors[] = {
	{RFC7616("MD5"), "Circle of Life", CNONCE, "8ca523f5e9506fed4657c9700eebdbec"},
	{RFC7616("SHA-256"), "Circle of Life", CNONCE,
	 "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	{RFC2617, "Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1"},
};

static bool has(const struct bytes *b, const char *text)
{
	return memmem(b->p, b->n, text, strlen(text)) != NULL;
}

START_TEST(the_examples_of_the_standards_come_out_right)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes out = {.n = 0};
	struct digest_facts f = facts(vectors[_i].pass, vectors[_i].cnonce);
	ck_assert(digest_take(&d, slice_of(vectors[_i].challenge)));
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	ck_assert_msg(has(&out, vectors[_i].response), "%s", bytes_cstr(&out));
	ck_assert(has(&out, "nc=00000001, qop=auth, "));
	ck_assert(has(&out, "username=\"Mufasa\"") && has(&out, "uri=\"/dir/index.html\""));
	bytes_fini(&out);
	digest_fini(&d);
}
END_TEST

START_TEST(each_use_of_a_nonce_is_counted)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes out = {.n = 0};
	struct digest_facts f = facts("x", "c");
	ck_assert(digest_take(&d, SLICE_LIT("Digest nonce=n, realm=\"r\", qop=\"auth\"")));
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	bytes_clear(&out);
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	ck_assert(has(&out, "nc=00000002"));
	bytes_fini(&out);
	digest_fini(&d);
}
END_TEST

static const struct {
	const char *field;
	enum digest_hash hash;
	bool is_sess, has_qop, is_stale;
} fields[] = {
	{"Digest nonce=\"n\", realm=\"r\"", DIGEST_MD5, false, false, false},
	{"digest NONCE=\"n\",Realm=\"r\",QOP=auth,algorithm=\"md5-SESS\",stale=TRUE", DIGEST_MD5,
	 true, true, true},
	{"Basic realm=\"a, Digest b\", Digest nonce=\"n\", algorithm=SHA-256, realm=r",
	 DIGEST_SHA256, false, false, false},
	{"Digest nonce=\"m\", algorithm=MD5, Digest nonce=\"n\", algorithm=SHA-256", DIGEST_SHA256,
	 false, false, false},
	{"Digest nonce=\"n\", algorithm=SHA-256, Digest nonce=\"m\", algorithm=MD5", DIGEST_SHA256,
	 false, false, false},
	{"Negotiate abcd==, Digest nonce=\"n\"", DIGEST_MD5, false, false, false},
	{"Digest nonce=\"n\", algorithm=SHA-512-256", DIGEST_SHA512_256, false, false, false},
	{"Digest nonce=\"n\", qop=\"auth-int\"", DIGEST_MD5, false, true, false},
	{"Digest nonce=\"n\", qop=\"auth-conf\"", DIGEST_NONE, false, false, false},
	{"Digest nonce=\"n\", algorithm=SHA-3", DIGEST_NONE, false, false, false},
	{"Digest realm=\"no nonce\"", DIGEST_NONE, false, false, false},
	{"Digest nonce=\"open", DIGEST_NONE, false, false, false},
	{"Basic realm=\"r\"", DIGEST_NONE, false, false, false},
	{"=,=,\"", DIGEST_NONE, false, false, false},
	{"", DIGEST_NONE, false, false, false},
};

START_TEST(the_best_challenge_that_can_be_answered_is_taken)
{
	struct digest d = {.hash = DIGEST_NONE};
	ck_assert_int_eq(digest_take(&d, slice_of(fields[_i].field)),
			 fields[_i].hash != DIGEST_NONE);
	ck_assert_msg(d.hash == fields[_i].hash && d.is_sess == fields[_i].is_sess &&
			      d.has_qop == fields[_i].has_qop && d.is_stale == fields[_i].is_stale,
		      "%s", fields[_i].field);
	ck_assert(d.hash == DIGEST_NONE || slice_is(bytes_slice(&d.nonce), "n"));
	digest_fini(&d);
}
END_TEST

START_TEST(a_user_may_be_hashed_and_hashes_may_be_long)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes out = {.n = 0};
	/* RFC 7616 3.9.2; the hashes as SHA-512/256 really is (its erratum 4897) */
	struct digest_facts f = {.user = SLICE_LIT("J\xc3\xa4s\xc3\xb8n Doe"),
				 .pass = SLICE_LIT("Secret, or not?"),
				 .method = SLICE_LIT("GET"),
				 .target = SLICE_LIT("/doe.json"),
				 .cnonce = SLICE_LIT("NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm")};
	ck_assert(digest_take(
		&d,
		SLICE_LIT("Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, "
			  "nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", "
			  "opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", "
			  "charset=UTF-8, userhash=true")));
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	ck_assert(has(&out, "username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ec"
			    "e9b0b\""));
	ck_assert(has(&out, "response=\"7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843"
			    "d840c\""));
	ck_assert(has(&out, "userhash=true"));
	bytes_fini(&out);
	digest_fini(&d);
}
END_TEST

START_TEST(a_body_is_protected_only_where_nothing_else_is_offered)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes out = {.n = 0};
	struct digest_facts f = facts("x", "c");
	f.body = SLICE_LIT("hello");
	ck_assert(digest_take(&d, SLICE_LIT("Digest nonce=\"n\", realm=\"r\", qop=auth-int")));
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_UNSUPPORTED);
	f.has_body = true;
	d.n_used = 0;
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	/* by hand, with md5sum */
	ck_assert_msg(has(&out, "response=\"4377401d5ac544c571d01092aad85c9e\"") &&
			      has(&out, "qop=auth-int, "),
		      "%s", bytes_cstr(&out));
	digest_fini(&d);
	ck_assert(digest_take(&d, SLICE_LIT("Digest nonce=n, realm=r, qop=\"auth-int, auth\"")));
	ck_assert(!d.is_int);
	bytes_fini(&out);
	digest_fini(&d);
}
END_TEST

START_TEST(what_cannot_be_answered_is_named)
{
	struct digest d = {.hash = DIGEST_NONE};
	ck_assert(!digest_take(&d, SLICE_LIT("Digest nonce=n, algorithm=\"SHA-3\x01\"")));
	ck_assert_str_eq(d.unknown, "the algorithm SHA-3?, which is not known");
	ck_assert(!digest_take(&d, SLICE_LIT("Digest nonce=n, qop=auth-conf")));
	ck_assert_str_eq(d.unknown, "the quality of protection auth-conf, which is not known");
	digest_fini(&d);
}
END_TEST

START_TEST(the_next_nonce_is_counted_anew)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes out = {.n = 0};
	struct digest_facts f = facts("x", "c");
	ck_assert(digest_take(&d, SLICE_LIT("Digest nonce=n, realm=r, qop=auth")));
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	digest_take_next(&d, SLICE_LIT("rspauth=\"x, nextnonce=y\", qop=auth, nextnonce=\"m\""));
	bytes_clear(&out);
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	ck_assert(has(&out, "nonce=\"m\"") && has(&out, "nc=00000001"));
	digest_take_next(&d, SLICE_LIT("nextnonce=\"\""));
	digest_take_next(&d, SLICE_LIT("=,=,\""));
	digest_take_next(&d, SLICE_LIT("nextnonce=\"open"));
	ck_assert(slice_is(bytes_slice(&d.nonce), "m"));
	bytes_fini(&out);
	digest_fini(&d);
}
END_TEST

START_TEST(quotes_in_names_are_escaped_and_hashed_as_they_are)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes out = {.n = 0};
	struct digest_facts f = facts("x", "c");
	f.user = SLICE_LIT("a\"b\\c");
	ck_assert(digest_take(&d, SLICE_LIT("Digest nonce=\"n\", realm=\"r\\\"s\"")));
	ck_assert(slice_is(bytes_slice(&d.realm), "r\"s"));
	ck_assert_int_eq(digest_answer(&d, &f, &out), ERR_OK);
	ck_assert(has(&out, "username=\"a\\\"b\\\\c\", realm=\"r\\\"s\""));
	ck_assert(!has(&out, "qop") && !has(&out, "cnonce") && !has(&out, "opaque"));
	bytes_fini(&out);
	digest_fini(&d);
}
END_TEST

START_TEST(absurdly_long_texts_are_no_challenge)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes field = {.n = 0};
	bytes_add_str(&field, "Digest realm=r, nonce=\"");
	for (int i = 0; i < 5000; i++)
		bytes_add_byte(&field, 'n');
	bytes_add_byte(&field, '"');
	ck_assert(!digest_take(&d, bytes_slice(&field)));
	bytes_fini(&field);
	digest_fini(&d);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("digest");
	TCase *tc = tcase_create("digest");
	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, the_examples_of_the_standards_come_out_right, 0,
			    (int)(sizeof(vectors) / sizeof(vectors[0])));
	tcase_add_test(tc, each_use_of_a_nonce_is_counted);
	tcase_add_loop_test(tc, the_best_challenge_that_can_be_answered_is_taken, 0,
			    (int)(sizeof(fields) / sizeof(fields[0])));
	tcase_add_test(tc, quotes_in_names_are_escaped_and_hashed_as_they_are);
	tcase_add_test(tc, absurdly_long_texts_are_no_challenge);
	tcase_add_test(tc, a_user_may_be_hashed_and_hashes_may_be_long);
	tcase_add_test(tc, a_body_is_protected_only_where_nothing_else_is_offered);
	tcase_add_test(tc, what_cannot_be_answered_is_named);
	tcase_add_test(tc, the_next_nonce_is_counted_anew);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
