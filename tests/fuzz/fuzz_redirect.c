/* Location from strangers: what is followed is a URL in normal form that parses as itself. */
#include "base/check.h"
#include "model/redirect.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct url at = {0}, again = {0};
	struct redirect_step step;
	CHECK(url_parse(SLICE_LIT("https://a.example:8443/b/c?d"), &at, NULL) == ERR_OK);
	struct redirect_facts f = {.status = 302,
				   .method = SLICE_LIT("POST"),
				   .location = {(const char *)data, n},
				   .at = &at,
				   .max_hops = 10};
	if (redirect_next(&f, &step) == REDIRECT_FOLLOW) {
		struct slice target = url_target(&step.to);
		CHECK(url_parse(url_text(&step.to), &again, NULL) == ERR_OK);
		CHECK(slice_eq(url_text(&step.to), url_text(&again)));
		CHECK(target.n > 0 && target.p[0] == '/');
		for (size_t i = 0; i < target.n; i++)
			CHECK(target.p[i] > ' ' && target.p[i] < 0x7f && target.p[i] != '#');
		url_fini(&step.to);
		url_fini(&again);
	}
	url_fini(&at);
	return 0;
}
