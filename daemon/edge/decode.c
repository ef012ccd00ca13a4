#include "edge/decode.h"

#include "base/check.h"

#include <brotli/decode.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define MAX_CODINGS	2
#define MIDDLE_BYTES	16384
#define ZSTD_WINDOW_LOG 23

struct stage;

struct coding {
	const char *name;
	enum err (*open)(struct stage *s);
	enum err (*step)(struct stage *s, struct slice *in, char *out, size_t cap, size_t *made);
	void (*close)(struct stage *s);
};

struct stage {
	const struct coding *coding;
	bool open, begun, ended;
	union {
		z_stream z;
		BrotliDecoderState *br;
		ZSTD_DStream *zstd;
	} u;
	unsigned char first[2]; /* of deflate: is it wrapped? */
	uint8_t n_first;
	uint8_t slack; /* of raw deflate: bytes that may follow, a checksum that belongs to a
			  wrapper */
};

struct decode {
	struct stage stage[MAX_CODINGS]; /* [0] is fed from the wire */
	size_t n;
	char *middle; /* between two stages */
	size_t mid_at, mid_n;
};

/* ---- zlib ---- */

/* Either wrapper: what is called gzip is at times deflate, and curl takes it. */
static enum err open_gzip(struct stage *s)
{
	return inflateInit2(&s->u.z, 15 + 32) == Z_OK ? ERR_OK : ERR_NOMEM;
}

static enum err open_deflate(struct stage *s)
{
	(void)s; /* when its first two bytes are seen */
	return ERR_OK;
}

static void close_zlib(struct stage *s)
{
	inflateEnd(&s->u.z);
}

static enum err inflate_some(struct stage *s, struct slice *in, char *out, size_t cap, size_t *made)
{
	z_stream *z = &s->u.z;
	z->next_in = (Bytef *)(uintptr_t)in->p;
	z->avail_in = (uInt)in->n;
	z->next_out = (Bytef *)out;
	z->avail_out = (uInt)cap;
	int r = inflate(z, Z_NO_FLUSH);
	in->p += in->n - z->avail_in;
	in->n = z->avail_in;
	*made += cap - z->avail_out;
	if (r == Z_STREAM_END)
		s->ended = true;
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return r == Z_MEM_ERROR ? ERR_NOMEM : ERR_CORRUPT;
	return ERR_OK;
}

/* A further member begins with its magic number; anything else behind the first is none of it. */
static enum err step_gzip(struct stage *s, struct slice *in, char *out, size_t cap, size_t *made)
{
	while (*made < cap) {
		if (s->ended && in->n > 0 && (unsigned char)in->p[0] != 0x1f)
			return ERR_CORRUPT;
		if (s->ended && in->n == 0)
			return ERR_OK;
		if (s->ended && inflateReset(&s->u.z) != Z_OK)
			return ERR_CORRUPT;
		s->ended = false;
		size_t before = in->n, had = *made;
		enum err e = inflate_some(s, in, out + *made, cap - *made, made);
		if (e != ERR_OK || (in->n == before && *made == had))
			return e;
		if (in->n == 0 && !s->ended)
			return ERR_OK;
	}
	return ERR_OK;
}

static enum err begin_deflate(struct stage *s, struct slice *in)
{
	while (s->n_first < 2 && in->n > 0) {
		s->first[s->n_first++] = (unsigned char)in->p[0];
		in->p++;
		in->n--;
	}
	if (s->n_first < 2)
		return ERR_AGAIN;
	bool wrapped = (s->first[0] & 15) == Z_DEFLATED &&
		       ((unsigned)s->first[0] << 8 | s->first[1]) % 31 == 0;
	if (inflateInit2(&s->u.z, wrapped ? 15 : -15) != Z_OK)
		return ERR_NOMEM;
	s->open = true;
	s->slack = wrapped ? 0 : 4;
	return ERR_OK;
}

static enum err step_deflate(struct stage *s, struct slice *in, char *out, size_t cap, size_t *made)
{
	if (!s->open) {
		enum err e = begin_deflate(s, in);
		if (e != ERR_OK)
			return e == ERR_AGAIN ? ERR_OK : e;
		struct slice first = {(const char *)s->first, 2};
		e = inflate_some(s, &first, out, cap, made);
		if (e != ERR_OK)
			return e;
	}
	if (!s->ended) {
		enum err e = inflate_some(s, in, out + *made, cap - *made, made);
		if (e != ERR_OK || !s->ended)
			return e;
	}
	size_t skip = in->n < s->slack ? in->n : s->slack;
	in->p += skip;
	in->n -= skip;
	s->slack -= (uint8_t)skip;
	return in->n > 0 ? ERR_CORRUPT : ERR_OK;
}

/* ---- brotli ---- */

static enum err open_br(struct stage *s)
{
	s->u.br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	return s->u.br != NULL ? ERR_OK : ERR_NOMEM;
}

static void close_br(struct stage *s)
{
	BrotliDecoderDestroyInstance(s->u.br);
}

static enum err step_br(struct stage *s, struct slice *in, char *out, size_t cap, size_t *made)
{
	const uint8_t *next_in = (const uint8_t *)in->p;
	uint8_t *next_out = (uint8_t *)out;
	size_t avail_in = in->n, avail_out = cap;
	if (s->ended)
		return in->n > 0 ? ERR_CORRUPT : ERR_OK;
	BrotliDecoderResult r = BrotliDecoderDecompressStream(s->u.br, &avail_in, &next_in,
							      &avail_out, &next_out, NULL);
	in->p += in->n - avail_in;
	in->n = avail_in;
	*made = cap - avail_out;
	s->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
	return r == BROTLI_DECODER_RESULT_ERROR ? ERR_CORRUPT : ERR_OK;
}

/* ---- zstd ---- */

static enum err open_zstd(struct stage *s)
{
	s->u.zstd = ZSTD_createDStream();
	if (s->u.zstd == NULL)
		return ERR_NOMEM;
	ZSTD_DCtx_setParameter(s->u.zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	return ERR_OK;
}

static void close_zstd(struct stage *s)
{
	ZSTD_freeDStream(s->u.zstd);
}

/* Further frames, skippable ones too, begin with their magic number (RFC 8878 section 3.1). */
static bool begins_frame(char c)
{
	return (unsigned char)c == 0x28 || ((unsigned char)c & 0xf0) == 0x50;
}

static enum err step_zstd(struct stage *s, struct slice *in, char *out, size_t cap, size_t *made)
{
	if (s->ended && in->n > 0 && !begins_frame(in->p[0]))
		return ERR_CORRUPT;
	if (s->ended && in->n == 0)
		return ERR_OK; /* asking for more would begin another frame */
	while (*made < cap) {
		ZSTD_inBuffer from = {in->p, in->n, 0};
		ZSTD_outBuffer to = {out, cap, *made};
		size_t r = ZSTD_decompressStream(s->u.zstd, &to, &from);
		if (ZSTD_isError(r))
			return ERR_CORRUPT;
		bool moved = from.pos > 0 || to.pos > *made;
		in->p += from.pos;
		in->n -= from.pos;
		*made = to.pos;
		s->ended = r == 0;
		if (!moved || s->ended)
			break;
	}
	return ERR_OK;
}

static const struct coding codings_known[] = {
	{"gzip", open_gzip, step_gzip, close_zlib},
	{"x-gzip", open_gzip, step_gzip, close_zlib},
	{"deflate", open_deflate, step_deflate, close_zlib},
	{"br", open_br, step_br, close_br},
	{"zstd", open_zstd, step_zstd, close_zstd},
};

/* ---- the chain ---- */

static const struct coding *coding_named(struct slice name)
{
	for (size_t i = 0; i < sizeof(codings_known) / sizeof(*codings_known); i++)
		if (slice_eq_nocase(name, slice_of(codings_known[i].name)))
			return &codings_known[i];
	return NULL;
}

static struct slice last_item(struct slice *list)
{
	size_t end = list->n;
	while (end > 0 && (list->p[end - 1] == ' ' || list->p[end - 1] == '\t'))
		end--;
	size_t at = end;
	while (at > 0 && list->p[at - 1] != ',')
		at--;
	list->n = at > 0 ? at - 1 : 0;
	while (at < end && (list->p[at] == ' ' || list->p[at] == '\t'))
		at++;
	return (struct slice){list->p + at, end - at};
}

static enum err add_stage(struct decode *d, struct slice name)
{
	const struct coding *c = coding_named(name);
	if (c == NULL || d->n == MAX_CODINGS)
		return ERR_UNSUPPORTED;
	struct stage *s = &d->stage[d->n];
	s->coding = c;
	enum err e = c->open(s);
	if (e != ERR_OK)
		return e;
	s->open = c->open != open_deflate;
	d->n++;
	return ERR_OK;
}

static enum err add_stages(struct decode *d, struct slice list)
{
	enum err e = ERR_OK;
	while (list.n > 0 && e == ERR_OK) {
		struct slice name = last_item(&list); /* applied last, undone first */
		if (name.n == 0 || slice_eq_nocase(name, SLICE_LIT("identity")) ||
		    slice_eq_nocase(name, SLICE_LIT("none")))
			continue;
		e = add_stage(d, name);
	}
	if (e == ERR_OK && d->n > 1) {
		d->middle = malloc(MIDDLE_BYTES);
		e = d->middle != NULL ? ERR_OK : ERR_NOMEM;
	}
	return e;
}

enum err decode_new(struct slice list, struct decode **ret)
{
	struct decode *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	enum err e = add_stages(d, list);
	if (e != ERR_OK || d->n == 0) {
		decode_free(d);
		d = NULL;
	}
	if (e == ERR_OK)
		*ret = d;
	return e;
}

void decode_free(struct decode *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->n; i++)
		if (d->stage[i].open)
			d->stage[i].coding->close(&d->stage[i]);
	free(d->middle);
	free(d);
}

static enum err stage_step(struct stage *s, struct slice *in, char *out, size_t cap, size_t *made)
{
	s->begun |= in->n > 0;
	*made = 0;
	return s->begun ? s->coding->step(s, in, out, cap, made) : ERR_OK;
}

/* The first stage fills the middle whenever it is empty; the second empties it. */
static enum err step_two(struct decode *d, struct slice *in, char *out, size_t cap, size_t *made)
{
	enum err e = ERR_OK;
	*made = 0;
	while (e == ERR_OK && *made < cap) {
		size_t got = 0;
		if (d->mid_n == 0) {
			size_t before = in->n;
			e = stage_step(&d->stage[0], in, d->middle, MIDDLE_BYTES, &d->mid_n);
			d->mid_at = 0;
			if (e != ERR_OK || (d->mid_n == 0 && in->n == before && in->n > 0))
				break;
		}
		struct slice mid = {d->middle + d->mid_at, d->mid_n};
		bool nothing = mid.n == 0;
		e = stage_step(&d->stage[1], &mid, out + *made, cap - *made, &got);
		*made += got;
		d->mid_at += d->mid_n - mid.n;
		bool stuck = mid.n == d->mid_n && got == 0;
		d->mid_n = mid.n;
		if (nothing ? in->n == 0 : stuck)
			break;
	}
	return e;
}

enum err decode_step(struct decode *d, struct slice in, size_t *ret_used, char *out, size_t cap,
		     size_t *ret_made)
{
	struct slice rest = in;
	CHECK(cap > 0);
	enum err e = d->n == 1 ? stage_step(&d->stage[0], &rest, out, cap, ret_made)
			       : step_two(d, &rest, out, cap, ret_made);
	*ret_used = in.n - rest.n;
	return e;
}

enum err decode_finish(const struct decode *d)
{
	for (size_t i = 0; i < d->n; i++)
		if (d->stage[i].begun && !d->stage[i].ended)
			return ERR_CORRUPT;
	return ERR_OK;
}
