#include "job/done.h"

#include <stdlib.h>
#include <string.h>

/* Of nested eaches each item has a path of its own: more are not kept for the next commit. */
#define KEPT_PATHS 4

struct done_path {
	struct slice path; /* malloc'd */
	struct done_mark *mark;
	uint32_t n, cap;
	bool is_sorted;
};

void done_fini(struct done_list *d)
{
	for (uint32_t i = 0; i < d->n_path; i++) {
		free((void *)(uintptr_t)d->path[i].path.p);
		free(d->path[i].mark);
	}
	free(d->path);
	*d = (struct done_list){0};
}

static struct done_path *path_of(struct done_list *d, struct slice path)
{
	for (uint32_t i = 0; i < d->n_path; i++)
		if (slice_eq(d->path[i].path, path))
			return &d->path[i];
	if (d->n_path == d->cap_path) {
		uint32_t cap = d->cap_path ? 2 * d->cap_path : 2;
		struct done_path *p = realloc(d->path, cap * sizeof(*p));
		if (p == NULL)
			return NULL;
		d->path = p;
		d->cap_path = cap;
	}
	char *copy = malloc(path.n + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, path.p, path.n);
	struct done_path *p = &d->path[d->n_path++];
	*p = (struct done_path){.path = {copy, path.n}, .is_sorted = true};
	return p;
}

enum err done_add(struct done_list *d, struct slice path, const struct done_mark *mark)
{
	struct done_path *p = path_of(d, path);
	if (p == NULL)
		return ERR_NOMEM;
	if (p->n == p->cap) {
		uint32_t cap = p->cap ? 2 * p->cap : 64;
		struct done_mark *m = realloc(p->mark, cap * sizeof(*m));
		if (m == NULL)
			return ERR_NOMEM;
		p->mark = m;
		p->cap = cap;
	}
	if (p->n > 0 && p->mark[p->n - 1].index > mark->index)
		p->is_sorted = false;
	p->mark[p->n++] = *mark;
	d->n++;
	return ERR_OK;
}

static int by_index(const void *a, const void *b)
{
	const struct done_mark *x = a, *y = b;
	return x->index < y->index ? -1 : x->index > y->index;
}

static bool is_plain(const struct done_mark *m)
{
	return m->kind == KIND_NONE && m->n_handled == 0 && m->n_failed == 0;
}

static void write_special(const struct done_mark *m, struct bytes *out)
{
	bytes_add_u64(out, m->index);
	if (m->kind == KIND_CANCELLED)
		bytes_add_byte(out, '~');
	else if (m->kind != KIND_NONE)
		bytes_printf(out, "!%s", kind_name(m->kind));
	else
		bytes_add_byte(out, '+');
	if (m->n_handled > 0)
		bytes_printf(out, ":h%u", m->n_handled);
	if (m->n_failed > 0)
		bytes_printf(out, ":f%u", m->n_failed);
}

static void write_path(struct done_path *p, struct bytes *out)
{
	if (!p->is_sorted)
		qsort(p->mark, p->n, sizeof(*p->mark), by_index);
	bytes_add_slice(out, p->path);
	for (uint32_t i = 0; i < p->n;) {
		uint32_t last = i;
		bytes_add_byte(out, i == 0 ? ' ' : ',');
		if (!is_plain(&p->mark[i])) {
			write_special(&p->mark[i++], out);
			continue;
		}
		while (last + 1 < p->n && is_plain(&p->mark[last + 1]) &&
		       p->mark[last + 1].index == p->mark[last].index + 1)
			last++;
		bytes_add_u64(out, p->mark[i].index);
		if (last > i) {
			bytes_add_byte(out, '-');
			bytes_add_u64(out, p->mark[last].index);
		}
		i = last + 1;
	}
}

enum err done_write(struct done_list *d, struct bytes *out)
{
	for (uint32_t i = 0; i < d->n_path; i++) {
		if (d->path[i].n == 0)
			continue;
		if (i > 0)
			bytes_add_byte(out, ' ');
		write_path(&d->path[i], out);
		d->path[i].n = 0;
		d->path[i].is_sorted = true;
	}
	d->n = 0;
	if (d->n_path > KEPT_PATHS)
		done_fini(d);
	return out->err;
}

static struct slice until(struct slice *s, char stop)
{
	const char *at = memchr(s->p, stop, s->n);
	struct slice got = {s->p, at != NULL ? (size_t)(at - s->p) : s->n};
	size_t used = got.n + (at != NULL);
	*s = (struct slice){s->p + used, s->n - used};
	return got;
}

static bool number(struct slice *s, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;
	for (; i < s->n && i < 19 && s->p[i] >= '0' && s->p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(s->p[i] - '0');
	*s = (struct slice){s->p + i, s->n - i};
	*ret = v;
	return i > 0;
}

/* `:h2:f1` */
static bool read_counts(struct slice s, struct done_mark *m)
{
	while (s.n > 0) {
		struct slice part = until(&s, ':');
		uint64_t v;
		char what = part.n > 0 ? part.p[0] : 0;
		struct slice digits = {part.p + 1, part.n - (part.n > 0)};
		if ((what != 'h' && what != 'f') || !number(&digits, &v) || digits.n > 0)
			return false;
		*(what == 'h' ? &m->n_handled : &m->n_failed) = (uint32_t)v;
	}
	return true;
}

static bool read_special(struct slice s, struct done_mark *m)
{
	char how = s.p[0];
	struct slice rest = {s.p + 1, s.n - 1};
	struct slice kind = until(&rest, ':');
	if (how == '!')
		m->kind = kind_from_name(kind);
	else if (how == '~')
		m->kind = KIND_CANCELLED;
	bool is_known = how == '!' ? m->kind != KIND_NONE : (how == '~' || how == '+') && !kind.n;
	return is_known && read_counts(rest, m);
}

static enum err read_range(struct slice s, struct slice path, done_visit visit, void *ctx)
{
	struct done_mark m = {0};
	uint64_t from, last;
	if (!number(&s, &from))
		return ERR_INVALID;
	last = from;
	if (s.n > 0 && s.p[0] == '-') {
		s = (struct slice){s.p + 1, s.n - 1};
		if (!number(&s, &last) || s.n > 0 || last < from)
			return ERR_INVALID;
	} else if (s.n > 0 && !read_special(s, &m)) {
		return ERR_INVALID;
	}
	m.index = from;
	return visit(ctx, path, from, last + 1, &m);
}

enum err done_read(struct slice text, done_visit visit, void *ctx)
{
	enum err e = ERR_OK;
	while (e == ERR_OK && text.n > 0) {
		struct slice path = until(&text, ' ');
		struct slice ranges = until(&text, ' ');
		if (path.n == 0 || ranges.n == 0)
			return ERR_INVALID;
		while (e == ERR_OK && ranges.n > 0)
			e = read_range(until(&ranges, ','), path, visit, ctx);
	}
	return e;
}

/* ---- added up ---- */

void done_tally_add(struct done_tally *t, uint64_t n, const struct done_mark *how)
{
	if (how->kind == KIND_NONE)
		t->n_ok += n;
	else if (how->kind == KIND_CANCELLED)
		t->n_cancelled += n;
	else
		t->count[how->kind] += n;
	t->n_handled += n * how->n_handled;
	t->n_failed += n * how->n_failed;
}

static void take(uint64_t *from, uint64_t n)
{
	*from -= n < *from ? n : *from;
}

void done_tally_take(struct done_tally *t, const struct done_mark *how)
{
	if (how->kind == KIND_NONE)
		take(&t->n_ok, 1);
	else if (how->kind == KIND_CANCELLED)
		take(&t->n_cancelled, 1);
	else
		take(&t->count[how->kind], 1);
	take(&t->n_handled, how->n_handled);
	take(&t->n_failed, how->n_failed);
}

uint64_t done_tally_failed(const struct done_tally *t)
{
	uint64_t n = 0;
	for (int k = 0; k < KIND_COUNT; k++)
		n += t->count[k];
	return n;
}

void done_tally_write(const struct done_tally *t, struct bytes *out)
{
	bytes_printf(out, "ok=%llu", (unsigned long long)t->n_ok);
	bytes_printf(out, ",-=%llu", (unsigned long long)t->n_cancelled);
	bytes_printf(out, ",h=%llu", (unsigned long long)t->n_handled);
	bytes_printf(out, ",f=%llu", (unsigned long long)t->n_failed);
	for (int k = 0; k < KIND_COUNT; k++)
		if (t->count[k] > 0)
			bytes_printf(out, ",%s=%llu", kind_name((enum kind)k),
				     (unsigned long long)t->count[k]);
}

static uint64_t *tally_place(struct done_tally *t, struct slice name)
{
	static const struct {
		const char *name;
		size_t at;
	} place[] = {
		{"ok", offsetof(struct done_tally, n_ok)},
		{"-", offsetof(struct done_tally, n_cancelled)},
		{"h", offsetof(struct done_tally, n_handled)},
		{"f", offsetof(struct done_tally, n_failed)},
	};
	for (size_t i = 0; i < sizeof(place) / sizeof(place[0]); i++)
		if (slice_is(name, place[i].name))
			return (uint64_t *)(void *)((char *)t + place[i].at);
	enum kind k = kind_from_name(name);
	return k != KIND_NONE ? &t->count[k] : NULL;
}

enum err done_tally_read(struct done_tally *t, struct slice text)
{
	while (text.n > 0) {
		struct slice value = until(&text, ',');
		uint64_t *place = tally_place(t, until(&value, '='));
		if (place == NULL || !number(&value, place) || value.n > 0)
			return ERR_INVALID;
	}
	return ERR_OK;
}
