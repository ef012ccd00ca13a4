/* A configuration from anywhere: read whole or refused with a reason; so are dates and quotas. */
#include "base/check.h"
#include "model/config.h"
#include "model/httpdate.h"
#include "model/quota.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice in = {(const char *)data, n};
	struct config_file file = {"f.json", in};
	struct bytes out = BYTES_LIMIT(1 << 22);
	struct config *c;
	struct quota q;
	if (config_read(&file, 1, NULL, &c, &out) == ERR_OK) {
		config_dump(c, &out);
		config_unref(c);
	} else {
		CHECK(out.n > 0);
	}
	bytes_fini(&out);
	int64_t ms = retryafter_parse(in, 1763816400000000000LL);
	CHECK(ms >= -1 && ms <= RETRYAFTER_MAX_MS);
	CHECK(quota_init(&q, (struct rate){5, 1000}, 0) == ERR_OK);
	quota_load(&q, in, 7, 100000);
	CHECK(quota_left(&q, 100000) <= 5);
	quota_fini(&q);
	return 0;
}
