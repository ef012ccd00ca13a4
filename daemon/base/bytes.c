#include "base/bytes.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct slice slice_of(const char *cstr)
{
	return (struct slice){cstr, cstr != NULL ? strlen(cstr) : 0};
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_is(struct slice a, const char *cstr)
{
	return slice_eq(a, slice_of(cstr));
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

void bytes_init(struct bytes *b, size_t limit)
{
	*b = (struct bytes){.limit = limit};
}

void bytes_fini(struct bytes *b)
{
	free(b->p);
	*b = (struct bytes){.limit = b->limit};
}

void bytes_clear(struct bytes *b)
{
	b->n = 0;
	b->err = ERR_OK;
}

static enum err bytes_fail(struct bytes *b, enum err e)
{
	if (b->err == ERR_OK)
		b->err = e;
	return e;
}

enum err bytes_reserve(struct bytes *b, size_t n)
{
	size_t limit = b->limit != 0 ? b->limit : SIZE_MAX / 4;
	if (b->n > limit || n > limit - b->n)
		return bytes_fail(b, ERR_TOO_LARGE);
	size_t need = b->n + n;
	if (need < b->cap)
		return ERR_OK;
	size_t cap = b->cap < 64 ? 64 : b->cap;
	while (cap <= need)
		cap += cap / 2;
	char *p = realloc(b->p, cap);
	if (p == NULL)
		return bytes_fail(b, ERR_NOMEM);
	b->p = p;
	b->cap = cap;
	return ERR_OK;
}

enum err bytes_add(struct bytes *b, const void *p, size_t n)
{
	if (b->err != ERR_OK)
		return b->err;
	if (n == 0)
		return ERR_OK;
	enum err e = bytes_reserve(b, n);
	if (e != ERR_OK)
		return e;
	memcpy(b->p + b->n, p, n);
	b->n += n;
	return ERR_OK;
}

enum err bytes_add_slice(struct bytes *b, struct slice s)
{
	return bytes_add(b, s.p, s.n);
}

enum err bytes_add_str(struct bytes *b, const char *cstr)
{
	return bytes_add(b, cstr, strlen(cstr));
}

enum err bytes_add_byte(struct bytes *b, char c)
{
	return bytes_add(b, &c, 1);
}

enum err bytes_add_u64(struct bytes *b, uint64_t v)
{
	char digits[20];
	size_t i = sizeof(digits);
	do {
		digits[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	return bytes_add(b, digits + i, sizeof(digits) - i);
}

enum err bytes_add_i64(struct bytes *b, int64_t v)
{
	if (v >= 0)
		return bytes_add_u64(b, (uint64_t)v);
	enum err e = bytes_add_byte(b, '-');
	return e != ERR_OK ? e : bytes_add_u64(b, (uint64_t) - (v + 1) + 1);
}

enum err bytes_printf(struct bytes *b, const char *fmt, ...)
{
	if (b->err != ERR_OK)
		return b->err;
	va_list ap;
	va_start(ap, fmt);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	CHECK(n >= 0);
	enum err e = bytes_reserve(b, (size_t)n + 1);
	if (e == ERR_OK) {
		vsnprintf(b->p + b->n, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
	return e;
}

void bytes_drop(struct bytes *b, size_t n)
{
	CHECK(n <= b->n);
	if (n == 0)
		return;
	b->n -= n;
	memmove(b->p, b->p + n, b->n);
}

const char *bytes_cstr(struct bytes *b)
{
	if (b->n == b->cap) {
		char *p = realloc(b->p, b->cap + 1);
		if (p == NULL)
			return "";
		b->p = p;
		b->cap++;
	}
	b->p[b->n] = '\0';
	return b->p;
}

struct slice bytes_slice(const struct bytes *b)
{
	return (struct slice){b->p, b->n};
}

char *bytes_steal(struct bytes *b, size_t *ret_n)
{
	const char *s = bytes_cstr(b);
	if (b->p == NULL || s != b->p)
		return NULL;
	char *p = b->p;
	if (ret_n != NULL)
		*ret_n = b->n;
	*b = (struct bytes){.limit = b->limit};
	return p;
}
