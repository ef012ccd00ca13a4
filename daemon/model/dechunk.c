#include "model/dechunk.h"

#include <string.h>

enum step {
	STEP_SIZE,    /* hex digits */
	STEP_SIZE_LF, /* blanks, extensions, to the end of the line */
	STEP_DATA,
	STEP_DATA_CR, /* the line end after data */
	STEP_DATA_LF,
	STEP_TRAILER,
	STEP_END,
};

#define MAX_DIGITS	   16
#define MAX_EXTENSION_LINE 16384

void dechunk_init(struct dechunk *d, size_t max_trailer_bytes)
{
	*d = (struct dechunk){.max_trailer = max_trailer_bytes};
	bytes_init(&d->trailer, max_trailer_bytes + 1);
}

void dechunk_fini(struct dechunk *d)
{
	bytes_fini(&d->trailer);
}

static enum dechunk_state bad(struct dechunk *d, enum kind kind, const char *why)
{
	d->kind = kind;
	d->why = why;
	return DECHUNK_BAD;
}

static enum dechunk_state malformed(struct dechunk *d, const char *why)
{
	return bad(d, KIND_PROTOCOL_MALFORMED, why);
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum dechunk_state size_done(struct dechunk *d)
{
	d->digits = 0;
	d->line = 0;
	d->step = d->left == 0 ? STEP_TRAILER : STEP_DATA;
	return DECHUNK_MORE;
}

static enum dechunk_state on_size(struct dechunk *d, char c)
{
	int v = hex(c);
	if (v >= 0) {
		if (++d->digits > MAX_DIGITS || d->left >> 59 != 0)
			return malformed(d, "a chunk size of the answer is too long");
		d->left = d->left << 4 | (uint64_t)v;
		return DECHUNK_MORE;
	}
	if (d->digits == 0)
		return malformed(d, "a chunk of the answer has no size");
	if ((c == 'x' || c == 'X') && d->left == 0)
		return malformed(d, "a chunk size of the answer is not hexadecimal");
	if (c == '\n')
		return size_done(d);
	d->ambiguous |= c != '\r' && c != ';' && c != ' ' && c != '\t';
	d->step = STEP_SIZE_LF;
	return DECHUNK_MORE;
}

static enum dechunk_state on_size_line(struct dechunk *d, char c)
{
	if (c == '\n')
		return size_done(d);
	if (++d->line > MAX_EXTENSION_LINE)
		return bad(d, KIND_HEADERS_TOO_LARGE,
			   "a chunk extension of the answer is too long");
	return DECHUNK_MORE;
}

static enum dechunk_state on_data_end(struct dechunk *d, char c)
{
	if (c == '\r' && d->step == STEP_DATA_CR) {
		d->step = STEP_DATA_LF;
		return DECHUNK_MORE;
	}
	if (c != '\n')
		return malformed(d, "a chunk of the answer is longer than its size");
	d->step = STEP_SIZE;
	d->left = 0;
	return DECHUNK_MORE;
}

static enum dechunk_state trailer_line_done(struct dechunk *d)
{
	struct slice line = {d->trailer.p + d->trailer_line, d->trailer.n - d->trailer_line - 1};
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0) {
		d->step = STEP_END;
		return DECHUNK_END;
	}
	d->trailer_line = d->trailer.n;
	return DECHUNK_MORE;
}

static enum dechunk_state on_trailer(struct dechunk *d, char c)
{
	if (d->trailer.n >= d->max_trailer)
		return bad(d, KIND_HEADERS_TOO_LARGE, "the trailer of the answer is too large");
	bool after_return = d->trailer.n > 0 && d->trailer.p[d->trailer.n - 1] == '\r';
	if (c == '\0' || (after_return && c != '\n'))
		return malformed(d, "a control byte stands in the trailer of the answer");
	if (bytes_add_byte(&d->trailer, c) != ERR_OK)
		return bad(d, KIND_LOCAL_RESOURCE, "memory ran out");
	return c == '\n' ? trailer_line_done(d) : DECHUNK_MORE;
}

static enum dechunk_state on_byte(struct dechunk *d, char c)
{
	switch ((enum step)d->step) {
	case STEP_SIZE:
		return on_size(d, c);
	case STEP_SIZE_LF:
		return on_size_line(d, c);
	case STEP_DATA_CR:
	case STEP_DATA_LF:
		return on_data_end(d, c);
	case STEP_TRAILER:
		return on_trailer(d, c);
	case STEP_DATA:
	case STEP_END:
		break;
	}
	return DECHUNK_END;
}

enum dechunk_state dechunk_feed(struct dechunk *d, const char *p, size_t n, size_t *ret_used,
				struct slice *ret_data)
{
	size_t i = 0;
	enum dechunk_state s = d->kind != KIND_NONE ? DECHUNK_BAD : DECHUNK_MORE;
	while (s == DECHUNK_MORE && i < n && d->step != STEP_DATA)
		s = on_byte(d, p[i++]);
	if (s == DECHUNK_MORE && i < n) {
		size_t take = n - i < d->left ? n - i : (size_t)d->left;
		*ret_data = (struct slice){p + i, take};
		d->left -= take;
		i += take;
		if (d->left == 0)
			d->step = STEP_DATA_CR;
		s = DECHUNK_DATA;
	}
	*ret_used = i;
	return s;
}

size_t dechunk_trailers(const struct dechunk *d, struct head_field *ret, size_t max)
{
	size_t n = 0;
	const char *p = d->trailer.p, *end = p + d->trailer.n;
	while (p < end && n < max) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			break;
		bool odd;
		size_t len = (size_t)(nl - p);
		if (len > 0 && memchr(p, '\0', len) == NULL &&
		    head_split_field((struct slice){p, len}, &ret[n], &odd) && !odd)
			n++;
		p = nl + 1;
	}
	return n;
}
