/* Dates of HTTP and of cookies, and Retry-After: whatever comes out is within its bounds. */
#include "base/check.h"
#include "model/cookies.h"
#include "model/cookies_parse.h"
#include "model/httpdate.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define NOW_S	 INT64_C(1790000000)
#define YEAR_0_S INT64_C(-62167219200)
#define FAR_S	 INT64_C(253402300800) /* the year 10000 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = {(const char *)data, n};
	int64_t s, ms = retryafter_parse(text, NOW_S * 1000000000);
	CHECK(ms >= -1 && ms <= RETRYAFTER_MAX_MS);
	if (httpdate_parse(text, NOW_S, &s) == ERR_OK)
		CHECK(s >= YEAR_0_S && s < FAR_S);
	if (cookies_date(text, &s) == ERR_OK)
		CHECK(s >= YEAR_0_S && s < FAR_S);
	return 0;
}
