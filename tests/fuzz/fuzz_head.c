/*
 * Heads and chunks from strangers: no input crashes, reads out of bounds, or gets another verdict
 * when its bytes arrive one by one.
 */
#include "base/check.h"
#include "model/dechunk.h"
#include "model/head.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct outcome {
	enum head_state state;
	enum framing framing;
	enum dechunk_state end;
	uint64_t length;
	size_t used;
	struct bytes body;
	bool reusable;
};

static void unchunk(const char *p, size_t n, size_t piece, struct outcome *o)
{
	struct dechunk d;
	struct head_field trailer[8];
	size_t at = 0;
	dechunk_init(&d, 1000);
	while (at < n && o->end != DECHUNK_END && o->end != DECHUNK_BAD) {
		size_t used, offer = n - at < piece ? n - at : piece;
		struct slice got = {NULL, 0};
		o->end = dechunk_feed(&d, p + at, offer, &used, &got);
		CHECK(used <= offer && used > 0);
		if (o->end == DECHUNK_DATA)
			bytes_add_slice(&o->body, got);
		at += used;
	}
	if (o->end == DECHUNK_END)
		CHECK(dechunk_trailers(&d, trailer, 8) <= 8);
	if (o->end == DECHUNK_BAD)
		CHECK(d.why != NULL && d.kind != KIND_NONE);
	o->used += at;
	dechunk_fini(&d);
}

static void judge(const char *p, size_t n, size_t piece, struct outcome *o)
{
	struct head h;
	head_init(&h, (struct head_limits){4096, 32, 4}, false);
	*o = (struct outcome){.state = HEAD_MORE, .end = DECHUNK_MORE};
	while (o->state == HEAD_MORE && o->used < n) {
		size_t took, offer = n - o->used < piece ? n - o->used : piece;
		o->state = head_feed(&h, p + o->used, offer, &took);
		CHECK(took <= offer);
		o->used += took;
	}
	if (o->state == HEAD_DONE) {
		CHECK(h.status >= 200 && h.status <= 999 && h.n_fields <= 32);
		CHECK(!h.reusable || (!h.ambiguous && h.framing != FRAMING_CLOSE));
		for (size_t i = 0; i < h.n_fields; i++)
			CHECK(h.fields[i].name.p >= h.raw.p &&
			      h.fields[i].value.p + h.fields[i].value.n <= h.raw.p + h.raw.n);
		o->framing = h.framing;
		o->length = h.length;
		o->reusable = h.reusable;
		if (h.framing == FRAMING_CHUNKED)
			unchunk(p + o->used, n - o->used, piece, o);
	} else if (o->state == HEAD_BAD) {
		CHECK(h.why != NULL && h.kind != KIND_NONE);
	}
	head_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct outcome a, b;
	judge((const char *)data, n, n + 1, &a);
	judge((const char *)data, n, 1, &b);
	CHECK(a.state == b.state && a.framing == b.framing && a.length == b.length &&
	      a.reusable == b.reusable);
	CHECK(slice_eq(bytes_slice(&a.body), bytes_slice(&b.body)));
	if (a.state == HEAD_DONE && a.end != DECHUNK_DATA && b.end != DECHUNK_DATA)
		CHECK(a.end == b.end && a.used == b.used);
	bytes_fini(&a.body);
	bytes_fini(&b.body);
	return 0;
}
