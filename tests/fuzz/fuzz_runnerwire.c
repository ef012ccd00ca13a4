/*
 * Frames between the daemon and its runner: what is read lies within the input, and what was read
 * and is written again reads as the same.
 */
#include "base/check.h"
#include "proto/runnerwire.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_within(struct slice part, struct slice all)
{
	return part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n);
}

static struct runnerwire_frame frame_of(const struct bytes *b)
{
	struct runnerwire_frame f;
	size_t need;
	CHECK(runnerwire_parse(b->p, b->n, RUNNERWIRE_ENDED_MAX, &f, &need) == ERR_OK);
	CHECK(f.n_total == b->n);
	return f;
}

static void on_run(struct slice payload)
{
	struct runnerwire_texts texts, texts2;
	struct runnerwire_run run, again;
	struct bytes out = {.limit = 0};
	if (runnerwire_read_run(payload, &texts, &run) != ERR_OK)
		return;
	CHECK(is_within(run.input, payload));
	CHECK(runnerwire_add_run(&out, &run) == ERR_OK);
	CHECK(runnerwire_read_run(frame_of(&out).payload, &texts2, &again) == ERR_OK);
	CHECK(again.id == run.id && again.timeout_ms == run.timeout_ms &&
	      slice_eq(again.input, run.input));
	size_t i = 0;
	for (; run.argv[i] != NULL; i++)
		CHECK(strcmp(run.argv[i], again.argv[i]) == 0);
	CHECK(again.argv[i] == NULL);
	bytes_fini(&out);
}

static void on_ended(struct slice payload)
{
	struct runnerwire_ended ended, again;
	struct bytes out = {.limit = 0};
	if (runnerwire_read_ended(payload, &ended) != ERR_OK)
		return;
	CHECK(is_within(ended.out, payload) && is_within(ended.err_bytes, payload));
	CHECK(runnerwire_add_ended(&out, &ended) == ERR_OK);
	CHECK(runnerwire_read_ended(frame_of(&out).payload, &again) == ERR_OK);
	CHECK(again.id == ended.id && again.how == ended.how && slice_eq(again.out, ended.out) &&
	      slice_eq(again.err_bytes, ended.err_bytes));
	bytes_fini(&out);
}

static void on_frame(const struct runnerwire_frame *f)
{
	uint32_t version;
	uint64_t id;
	switch (f->kind) {
	case RUNNERWIRE_HELLO:
		runnerwire_read_hello(f->payload, &version);
		break;
	case RUNNERWIRE_RUN:
		on_run(f->payload);
		break;
	case RUNNERWIRE_CANCEL:
		runnerwire_read_cancel(f->payload, &id);
		break;
	case RUNNERWIRE_ENDED:
		on_ended(f->payload);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct runnerwire_frame f;
	struct slice rest = {(const char *)data, n};
	size_t need;
	while (runnerwire_parse(rest.p, rest.n, RUNNERWIRE_RUN_MAX, &f, &need) == ERR_OK) {
		CHECK(f.n_total <= rest.n && is_within(f.payload, rest));
		on_frame(&f);
		rest = (struct slice){rest.p + f.n_total, rest.n - f.n_total};
	}
	return 0;
}
