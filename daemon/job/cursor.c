#include "job/cursor.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void cursor_init(struct cursor *c)
{
	*c = (struct cursor){0};
}

void cursor_fini(struct cursor *c)
{
	free(c->gap);
	*c = (struct cursor){0};
}

static enum err reserve_gaps(struct cursor *c, uint64_t more)
{
	uint64_t need = c->n_gap + more;
	uint64_t cap = c->cap_gap ? c->cap_gap : 16;
	if (need <= c->cap_gap)
		return ERR_OK;
	if (need > UINT32_MAX / 2)
		return ERR_TOO_LARGE;
	while (cap < need)
		cap *= 2;
	uint64_t *gap = realloc(c->gap, (size_t)cap * sizeof(*gap));
	if (gap == NULL)
		return ERR_NOMEM;
	c->gap = gap;
	c->cap_gap = (uint32_t)cap;
	return ERR_OK;
}

/* The place of the first gap >= index. */
static uint32_t gap_at_or_after(const struct cursor *c, uint64_t index)
{
	uint32_t lo = 0, hi = c->n_gap;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (c->gap[mid] < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void remove_gaps(struct cursor *c, struct cursor_range r)
{
	uint32_t from = gap_at_or_after(c, r.from);
	uint32_t to = gap_at_or_after(c, r.to);
	if (from == to)
		return;
	memmove(c->gap + from, c->gap + to, (c->n_gap - to) * sizeof(*c->gap));
	c->n_gap -= to - from;
}

enum err cursor_launch(struct cursor *c, uint64_t *ret_index)
{
	enum err e = reserve_gaps(c, 1);
	if (e != ERR_OK)
		return e;
	c->gap[c->n_gap++] = c->next;
	*ret_index = c->next++;
	return ERR_OK;
}

enum err cursor_done(struct cursor *c, struct cursor_range r)
{
	CHECK(r.from <= r.to);
	if (r.from > c->next) {
		enum err e = reserve_gaps(c, r.from - c->next);
		if (e != ERR_OK)
			return e;
		for (; c->next < r.from; c->next++)
			c->gap[c->n_gap++] = c->next;
	}
	remove_gaps(c, r);
	if (r.to > c->next)
		c->next = r.to;
	return ERR_OK;
}

enum err cursor_reopen(struct cursor *c, const uint64_t *index, size_t n)
{
	enum err e = reserve_gaps(c, n);
	if (e != ERR_OK)
		return e;
	/* From the end: what is there moves up at most once. */
	for (size_t to = c->n_gap + n, from = c->n_gap; n > 0;) {
		bool is_gap = from > 0 && c->gap[from - 1] > index[n - 1];
		c->gap[--to] = is_gap ? c->gap[--from] : index[--n];
		c->n_gap += !is_gap;
	}
	return ERR_OK;
}

bool cursor_is_done(const struct cursor *c, uint64_t index)
{
	uint32_t at = gap_at_or_after(c, index);
	return index < c->next && (at == c->n_gap || c->gap[at] != index);
}

uint64_t cursor_watermark(const struct cursor *c)
{
	return c->n_gap > 0 ? c->gap[0] : c->next;
}

void cursor_write(const struct cursor *c, struct bytes *out)
{
	bytes_add_u64(out, c->next);
	for (uint32_t i = 0; i < c->n_gap;) {
		uint32_t last = i;
		while (last + 1 < c->n_gap && c->gap[last + 1] == c->gap[last] + 1)
			last++;
		bytes_add_byte(out, i == 0 ? ';' : ',');
		bytes_add_u64(out, c->gap[i]);
		if (last > i) {
			bytes_add_byte(out, '-');
			bytes_add_u64(out, c->gap[last]);
		}
		i = last + 1;
	}
}

static bool read_number(struct slice *s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;
	for (; i < s->n && s->p[i] >= '0' && s->p[i] <= '9'; i++) {
		if (v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(s->p[i] - '0');
	}
	if (i == 0)
		return false;
	*s = (struct slice){s->p + i, s->n - i};
	*ret = v;
	return true;
}

static bool skip(struct slice *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = (struct slice){s->p + 1, s->n - 1};
	return true;
}

static enum err read_gap(struct cursor *c, struct slice *s)
{
	uint64_t from, last, floor = c->n_gap > 0 ? c->gap[c->n_gap - 1] + 1 : 0;
	if (!read_number(s, &from))
		return ERR_INVALID;
	last = from;
	if (skip(s, '-') && !read_number(s, &last))
		return ERR_INVALID;
	if (from < floor || last < from || last >= c->next)
		return ERR_INVALID;
	enum err e = reserve_gaps(c, last - from + 1);
	for (uint64_t i = from; e == ERR_OK && i <= last; i++)
		c->gap[c->n_gap++] = i;
	return e;
}

enum err cursor_read(struct cursor *c, struct slice text)
{
	struct cursor got = {0};
	enum err e = read_number(&text, &got.next) ? ERR_OK : ERR_INVALID;
	char before = ';';
	while (e == ERR_OK && text.n > 0) {
		e = skip(&text, before) ? read_gap(&got, &text) : ERR_INVALID;
		before = ',';
	}
	if (e != ERR_OK) {
		cursor_fini(&got);
		return e;
	}
	cursor_fini(c);
	*c = got;
	return ERR_OK;
}
