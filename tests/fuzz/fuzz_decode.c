/* Coded bodies from strangers: the first byte picks the codings, the rest is the body. */
#include "base/check.h"
#include "edge/decode.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const codings[] = {"gzip",	  "deflate",	  "br",
					      "zstd",	  "gzip, gzip",	  "br, gzip",
					      "zstd, br", "deflate, zstd"};
	struct decode *d = NULL;
	char out[1000];
	size_t at = 1, total = 0;
	bool more = false;
	if (n == 0)
		return 0;
	CHECK(decode_new(slice_of(codings[data[0] & 7]), &d) == ERR_OK && d != NULL);
	size_t piece = (data[0] >> 3) + 1u;
	while ((at < n || more) && total < 1 << 20) {
		size_t used, made, offer = n - at < piece ? n - at : piece;
		if (decode_step(d, (struct slice){(const char *)data + at, offer}, &used, out,
				sizeof(out), &made) != ERR_OK)
			break;
		CHECK(used <= offer && made <= sizeof(out));
		CHECK(used > 0 || made > 0 || more);
		at += used;
		total += made;
		more = made == sizeof(out);
	}
	decode_finish(d);
	decode_free(d);
	return 0;
}
