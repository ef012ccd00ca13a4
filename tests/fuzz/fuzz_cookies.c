/* Set-Cookie from strangers: what is sent back is text that may stand in a field. */
#include "base/check.h"
#include "model/cookies.h"
#include "model/digest.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The same bytes as a challenge: what answers it may stand in a field too. */
static void answer_challenge(struct slice field)
{
	struct digest d = {.hash = DIGEST_NONE};
	struct bytes out = {.n = 0};
	const struct digest_facts f = {.user = SLICE_LIT("u"),
				       .pass = SLICE_LIT("p"),
				       .method = SLICE_LIT("GET"),
				       .target = SLICE_LIT("/"),
				       .cnonce = SLICE_LIT("c")};
	if (digest_take(&d, field)) {
		enum err e = digest_answer(&d, &f, &out);
		CHECK(e == ERR_OK ? out.n > 0 : d.is_int && e == ERR_UNSUPPORTED);
		digest_take_next(&d, field);
	}
	bytes_fini(&out);
	digest_fini(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice field = {(const char *)data, n};
	struct cookies *c = cookies_new();
	struct url u = {0};
	struct bytes out = {.n = 0};
	CHECK(c != NULL && url_parse(SLICE_LIT("https://a.b.example/c/d"), &u, NULL) == ERR_OK);
	if (cookies_take(c, &u, field, 1000) == ERR_OK)
		CHECK(cookies_count(c) <= 1);
	if (cookies_load(c, field, 1000) == ERR_OK)
		CHECK(cookies_is_line(field));
	CHECK(cookies_add(c, &u, 1000, &out) == ERR_OK);
	for (size_t i = 0; i < out.n; i++)
		CHECK(out.p[i] != '\r' && out.p[i] != '\n' && out.p[i] != '\0' && out.p[i] != ';');
	bytes_clear(&out);
	CHECK(cookies_save(c, 1000, &out) == ERR_OK);
	answer_challenge(field);
	bytes_fini(&out);
	url_fini(&u);
	cookies_free(c);
	return 0;
}
