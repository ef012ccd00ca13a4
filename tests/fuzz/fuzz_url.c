/* URLs and references from strangers: what is accepted is in normal form, and stays what it is. */
#include "base/check.h"
#include "model/url.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_normal(const struct url *u)
{
	struct url again;
	for (uint32_t i = 0; i < u->n; i++)
		CHECK(u->text[i] > ' ' && u->text[i] < 0x7f);
	CHECK(url_parse(url_text(u), &again, NULL) == ERR_OK);
	CHECK(slice_eq(url_text(u), url_text(&again)));
	CHECK(url_domain(u).n <= url_host(u).n);
	url_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = {(const char *)data, n};
	struct bytes masked = BYTES_LIMIT(1 << 20);
	struct url base, u, mirror;
	const char *why = NULL;
	if (url_parse(in, &u, &why) == ERR_OK) {
		check_normal(&u);
		url_fini(&u);
	} else {
		CHECK(why != NULL);
	}
	CHECK(url_parse(SLICE_LIT("https://u:p@a.example/b/c;d?e"), &base, NULL) == ERR_OK);
	if (url_resolve(&base, in, &u, NULL) == ERR_OK) {
		check_normal(&u);
		if (url_rebase(&u, &base, &mirror) == ERR_OK)
			url_fini(&mirror);
		url_fini(&u);
	}
	url_fini(&base);
	CHECK(url_mask(in, &masked) == ERR_OK);
	bytes_fini(&masked);
	return 0;
}
