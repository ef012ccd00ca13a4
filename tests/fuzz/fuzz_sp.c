/*
 * fuzz_sp -- any bytes as a stream of frames: lengths are never believed beyond their bound, slices
 * stay inside, and what was parsed is what comes out again when it is written.
 */
#include "base/check.h"
#include "proto/sp.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(struct slice payload)
{
	struct sp_request r;
	struct bytes again = {.limit = 0};
	if (sp_request_parse(payload, &r) != ERR_OK)
		return;
	CHECK(r.words.p == payload.p && r.words.n + r.body.n == payload.n);
	CHECK(r.n_hops <= SP_HOPS_MAX && (r.id & SP_ID_BIT) != 0);
	CHECK(sp_add_reply(&again, r.words, r.body) == ERR_OK);
	CHECK(again.n == SP_FRAME_HEAD_BYTES + payload.n);
	CHECK(memcmp(again.p + SP_FRAME_HEAD_BYTES, payload.p, payload.n) == 0);
	bytes_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sp_frame f;
	size_t need = 0, at = 0;
	uint8_t *copy = malloc(size + 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	if (size >= SP_HELLO_BYTES)
		sp_hello_check(copy, SP_REQ);
	enum err e;
	while ((e = sp_frame_parse(copy + at, size - at, MAX_BYTES, &f, &need)) == ERR_OK) {
		CHECK(f.payload.n <= MAX_BYTES && f.n_total <= size - at);
		check_request(f.payload);
		at += f.n_total;
	}
	CHECK(e != ERR_AGAIN || (need > size - at && need <= MAX_BYTES + SP_FRAME_HEAD_BYTES));
	check_request((struct slice){(const char *)copy, size});
	free(copy);
	return 0;
}
