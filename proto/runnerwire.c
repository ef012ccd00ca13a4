/*
 * runnerwire -- see runnerwire.h. A reader keeps what is left of its payload; once something was
 * missing nothing more comes out of it, and the caller looks once.
 */
#include "proto/runnerwire.h"

#include <string.h>

#define OUT_CUT 1
#define ERR_CUT 2

/* ---- writing ---- */

static void add_u32(struct bytes *out, uint32_t v)
{
	const uint8_t b[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			      (uint8_t)v};
	bytes_add(out, b, sizeof(b));
}

static void add_u64(struct bytes *out, uint64_t v)
{
	add_u32(out, (uint32_t)(v >> 32));
	add_u32(out, (uint32_t)v);
}

static void add_data(struct bytes *out, struct slice s)
{
	add_u32(out, (uint32_t)s.n);
	bytes_add_slice(out, s);
}

static enum err add_head(struct bytes *out, enum runnerwire_kind kind, size_t n_payload)
{
	if (bytes_reserve(out, RUNNERWIRE_HEAD + n_payload) != ERR_OK)
		return out->err;
	add_u32(out, (uint32_t)n_payload);
	return bytes_add_byte(out, (char)kind);
}

enum err runnerwire_add_hello(struct bytes *out)
{
	if (add_head(out, RUNNERWIRE_HELLO, 4) == ERR_OK)
		add_u32(out, RUNNERWIRE_VERSION);
	return out->err;
}

/* Counts a list and the bytes it takes. TOO_LARGE beyond the bounds. */
static enum err measure(const char *const *texts, uint32_t *ret_n, size_t *n_bytes)
{
	uint32_t n = 0;
	*n_bytes += 4;
	for (; texts[n] != NULL; n++) {
		*n_bytes += 5 + strlen(texts[n]);
		if (n == RUNNERWIRE_TEXTS_MAX || *n_bytes > RUNNERWIRE_RUN_MAX)
			return ERR_TOO_LARGE;
	}
	*ret_n = n;
	return ERR_OK;
}

static void add_texts(struct bytes *out, const char *const *texts, uint32_t n)
{
	add_u32(out, n);
	for (uint32_t i = 0; i < n; i++) {
		add_data(out, slice_of(texts[i]));
		bytes_add_byte(out, '\0');
	}
}

enum err runnerwire_add_run(struct bytes *out, const struct runnerwire_run *run)
{
	uint32_t n_argv = 0, n_env = 0;
	size_t n = 8 + 8 + 8 + 4 + 4;
	enum err e = measure(run->argv, &n_argv, &n);
	if (e == ERR_OK)
		e = measure(run->env, &n_env, &n);
	if (e != ERR_OK || run->input.n > RUNNERWIRE_RUN_MAX - n)
		return ERR_TOO_LARGE;
	if (add_head(out, RUNNERWIRE_RUN, n + run->input.n) != ERR_OK)
		return out->err;
	add_u64(out, run->id);
	add_u64(out, run->timeout_ms);
	add_u64(out, run->memory_bytes);
	add_u32(out, run->output_bytes);
	add_texts(out, run->argv, n_argv);
	add_texts(out, run->env, n_env);
	add_data(out, run->input);
	return out->err;
}

enum err runnerwire_add_cancel(struct bytes *out, uint64_t id)
{
	if (add_head(out, RUNNERWIRE_CANCEL, 8) == ERR_OK)
		add_u64(out, id);
	return out->err;
}

enum err runnerwire_add_ended(struct bytes *out, const struct runnerwire_ended *ended)
{
	size_t n = 8 + 1 + 4 + 1 + 4 + ended->out.n + 4 + ended->err_bytes.n;
	if (ended->out.n > RUNNERWIRE_OUTPUT_MAX || ended->err_bytes.n > RUNNERWIRE_OUTPUT_MAX)
		return ERR_TOO_LARGE;
	if (add_head(out, RUNNERWIRE_ENDED, n) != ERR_OK)
		return out->err;
	add_u64(out, ended->id);
	bytes_add_byte(out, (char)ended->how);
	add_u32(out, ended->number);
	bytes_add_byte(out,
		       (char)((ended->out_cut ? OUT_CUT : 0) | (ended->err_cut ? ERR_CUT : 0)));
	add_data(out, ended->out);
	add_data(out, ended->err_bytes);
	return out->err;
}

/* ---- reading ---- */

struct reader {
	const char *p, *end;
	bool failed;
};

static struct reader reader_of(struct slice payload)
{
	return (struct reader){payload.p, payload.p + payload.n, false};
}

static const char *take(struct reader *r, size_t n)
{
	static const char nothing[8];
	if (r->failed || (size_t)(r->end - r->p) < n) {
		r->failed = true;
		return n <= sizeof(nothing) ? nothing : NULL;
	}
	r->p += n;
	return r->p - n;
}

static uint32_t take_u8(struct reader *r)
{
	return (uint8_t)*take(r, 1);
}

static uint32_t take_u32(struct reader *r)
{
	const uint8_t *b = (const void *)take(r, 4);
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint64_t take_u64(struct reader *r)
{
	uint64_t high = take_u32(r);
	return high << 32 | take_u32(r);
}

static struct slice take_data(struct reader *r)
{
	size_t n = take_u32(r);
	const char *p = take(r, n);
	return r->failed ? (struct slice){NULL, 0} : (struct slice){p, n};
}

static enum err at_end(const struct reader *r)
{
	return r->failed || r->p != r->end ? ERR_CORRUPT : ERR_OK;
}

/* A list into at most RUNNERWIRE_TEXTS_MAX + 1 places, NULL at its end. */
static uint32_t take_texts(struct reader *r, const char **ret)
{
	uint32_t n = take_u32(r);
	if (n > RUNNERWIRE_TEXTS_MAX)
		r->failed = true;
	for (uint32_t i = 0; i < n && !r->failed; i++) {
		struct slice s = take_data(r);
		if (*take(r, 1) != '\0' || (s.n > 0 && memchr(s.p, '\0', s.n) != NULL))
			r->failed = true;
		ret[i] = s.p;
	}
	ret[r->failed ? 0 : n] = NULL;
	return r->failed ? 0 : n;
}

enum err runnerwire_parse(const void *in, size_t n, size_t max, struct runnerwire_frame *ret,
			  size_t *ret_need)
{
	struct reader r = reader_of((struct slice){in, n});
	size_t n_payload = take_u32(&r);
	uint32_t kind = take_u8(&r);
	*ret_need = RUNNERWIRE_HEAD;
	if (r.failed)
		return ERR_AGAIN;
	if (kind < RUNNERWIRE_HELLO || kind > RUNNERWIRE_ENDED)
		return ERR_CORRUPT;
	if (n_payload > max)
		return ERR_TOO_LARGE;
	*ret_need = RUNNERWIRE_HEAD + n_payload;
	if (n < *ret_need)
		return ERR_AGAIN;
	*ret = (struct runnerwire_frame){.kind = (enum runnerwire_kind)kind,
					 .payload = {r.p, n_payload},
					 .n_total = *ret_need};
	return ERR_OK;
}

enum err runnerwire_read_hello(struct slice payload, uint32_t *ret_version)
{
	struct reader r = reader_of(payload);
	uint32_t version = take_u32(&r);
	enum err e = at_end(&r);
	if (e == ERR_OK)
		*ret_version = version;
	return e;
}

enum err runnerwire_read_run(struct slice payload, struct runnerwire_texts *texts,
			     struct runnerwire_run *ret)
{
	struct reader r = reader_of(payload);
	struct runnerwire_run run = {
		.argv = texts->p,
		.env = texts->p + RUNNERWIRE_TEXTS_MAX + 1,
	};
	run.id = take_u64(&r);
	run.timeout_ms = take_u64(&r);
	run.memory_bytes = take_u64(&r);
	run.output_bytes = take_u32(&r);
	uint32_t n_argv = take_texts(&r, texts->p);
	take_texts(&r, texts->p + RUNNERWIRE_TEXTS_MAX + 1);
	run.input = take_data(&r);
	if (at_end(&r) != ERR_OK || n_argv == 0 || run.output_bytes > RUNNERWIRE_OUTPUT_MAX)
		return ERR_CORRUPT;
	*ret = run;
	return ERR_OK;
}

enum err runnerwire_read_cancel(struct slice payload, uint64_t *ret_id)
{
	struct reader r = reader_of(payload);
	uint64_t id = take_u64(&r);
	enum err e = at_end(&r);
	if (e == ERR_OK)
		*ret_id = id;
	return e;
}

enum err runnerwire_read_ended(struct slice payload, struct runnerwire_ended *ret)
{
	struct reader r = reader_of(payload);
	struct runnerwire_ended d = {.id = take_u64(&r)};
	uint32_t how = take_u8(&r);
	d.how = (enum runnerwire_how)how;
	d.number = take_u32(&r);
	uint32_t cut = take_u8(&r);
	d.out_cut = (cut & OUT_CUT) != 0;
	d.err_cut = (cut & ERR_CUT) != 0;
	d.out = take_data(&r);
	d.err_bytes = take_data(&r);
	if (at_end(&r) != ERR_OK || how < RUNNERWIRE_EXITED || how > RUNNERWIRE_NOT_STARTED ||
	    cut > (OUT_CUT | ERR_CUT) || d.out.n > RUNNERWIRE_OUTPUT_MAX ||
	    d.err_bytes.n > RUNNERWIRE_OUTPUT_MAX)
		return ERR_CORRUPT;
	*ret = d;
	return ERR_OK;
}
