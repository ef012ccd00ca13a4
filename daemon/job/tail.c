#include "job/tail.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct tail_chunk {
	struct link link;
	uint64_t first;
	uint32_t n;
	size_t n_bytes;
	/* Where reading stopped: followers read on from there. */
	uint64_t hint_seq;
	size_t hint_at;
	char text[];
};

void tail_init(struct tail *t)
{
	*t = (struct tail){.next = 1, .cold_next = 1, .cold_first = 1};
	list_init(&t->chunks);
}

static struct tail_chunk *chunk_of(struct link *l)
{
	return LIST_ENTRY(l, struct tail_chunk, link);
}

void tail_fini(struct tail *t)
{
	struct link *l;
	while ((l = list_pop_front(&t->chunks)) != NULL)
		free(chunk_of(l));
}

void tail_resume(struct tail *t, uint64_t last, uint64_t acked, uint64_t n_bytes)
{
	t->next = t->cold_next = last + 1;
	t->acked = acked;
	t->cold_first = acked + 1;
	t->cold_bytes = acked < last ? n_bytes : 0;
}

static void to_cold(struct tail *t, uint64_t first, uint32_t n, size_t n_bytes)
{
	if (first + n - 1 > t->acked)
		t->cold_bytes += n_bytes;
	t->cold_next = first + n;
}

static void drop_oldest(struct tail *t)
{
	struct tail_chunk *c = chunk_of(list_pop_front(&t->chunks));
	t->n_bytes -= c->n_bytes;
	to_cold(t, c->first, c->n, c->n_bytes);
	free(c);
}

void tail_push(struct tail *t, uint32_t n, struct slice lines)
{
	struct tail_chunk *c = malloc(sizeof(*c) + lines.n);
	uint64_t first = t->next;
	t->next += n;
	if (c == NULL) {
		while (!list_empty(&t->chunks))
			drop_oldest(t);
		to_cold(t, first, n, lines.n);
		return;
	}
	*c = (struct tail_chunk){.first = first, .n = n, .n_bytes = lines.n, .hint_seq = first};
	memcpy(c->text, lines.p, lines.n);
	list_push_back(&t->chunks, &c->link);
	t->n_bytes += lines.n;
	while (t->n_bytes > TAIL_BYTES && t->chunks.next != t->chunks.prev)
		drop_oldest(t);
}

void tail_ack(struct tail *t, uint64_t seq)
{
	if (seq >= t->next)
		seq = t->next - 1;
	if (seq <= t->acked)
		return;
	t->acked = seq;
	if (seq + 1 >= t->cold_next) {
		t->cold_bytes = 0;
	} else if (seq >= t->cold_first) { /* by share: sizes of single lines are not kept */
		uint64_t all = t->cold_next - t->cold_first, rest = t->cold_next - seq - 1;
		t->cold_bytes = (uint64_t)((double)t->cold_bytes * (double)rest / (double)all);
	}
	t->cold_first = seq + 1;
	for (struct link *l; (l = list_first(&t->chunks)) != NULL;) {
		struct tail_chunk *c = chunk_of(l);
		if (c->first + c->n - 1 > seq)
			break;
		drop_oldest(t);
	}
}

uint64_t tail_unacked(const struct tail *t)
{
	uint64_t n = t->cold_bytes + t->n_bytes;
	const struct tail_chunk *c;
	if (list_empty(&t->chunks))
		return n;
	c = chunk_of(t->chunks.next);
	if (c->first <= t->acked)
		n -= c->n_bytes / c->n * (t->acked - c->first + 1);
	return n;
}

/* The end of the line that begins at `at`, its newline included. */
static size_t line_end(struct slice text, size_t at)
{
	const char *nl = memchr(text.p + at, '\n', text.n - at);
	CHECK(nl != NULL);
	return (size_t)(nl - text.p) + 1;
}

static bool takes(struct tail_cut *cut, size_t line)
{
	bool fits = cut->n == 0 ||
		    ((cut->max == 0 || cut->n < cut->max) && cut->bytes + line <= cut->max_bytes);
	cut->is_full = !fits;
	if (!fits)
		return false;
	cut->n++;
	cut->bytes += line;
	return true;
}

/* Measures on from the line `seq` at `at`; returns where it stopped. */
static size_t measure_from(struct slice text, size_t at, struct tail_cut *cut)
{
	while (at < text.n) {
		size_t end = line_end(text, at);
		if (!takes(cut, end - at))
			break;
		at = end;
	}
	return at;
}

static size_t skip_lines(struct slice text, size_t at, uint64_t n)
{
	while (n-- > 0)
		at = line_end(text, at);
	return at;
}

void tail_measure_text(struct slice lines, uint64_t first, struct tail_cut *cut)
{
	uint64_t from = cut->after + 1 + cut->n;
	if (cut->is_full)
		return; /* it ended before this chunk */
	CHECK(from >= first);
	measure_from(lines, skip_lines(lines, 0, from - first), cut);
}

enum err tail_write_text(struct slice lines, uint64_t first, const struct tail_cut *cut,
			 bool *is_first, struct bytes *out)
{
	uint64_t seq = first, last = cut->after + cut->n;
	size_t at = 0;
	if (cut->after + 1 > first) {
		seq = cut->after + 1;
		at = skip_lines(lines, 0, seq - first);
	}
	for (; seq <= last && at < lines.n; seq++) {
		size_t end = line_end(lines, at);
		if (!*is_first)
			bytes_add(out, ",\n", 2);
		*is_first = false;
		bytes_add(out, lines.p + at, end - at - 1);
		at = end;
	}
	return out->err;
}

/* Byte at which line seq begins; remembers it. */
static size_t seek(struct tail_chunk *c, uint64_t seq)
{
	struct slice text = {c->text, c->n_bytes};
	if (seq < c->hint_seq) {
		c->hint_seq = c->first;
		c->hint_at = 0;
	}
	c->hint_at = skip_lines(text, c->hint_at, seq - c->hint_seq);
	c->hint_seq = seq;
	return c->hint_at;
}

bool tail_measure(const struct tail *t, struct tail_cut *cut)
{
	cut->n = 0;
	cut->bytes = 0;
	cut->is_full = false;
	if (cut->after + 1 < t->cold_next)
		return false;
	LIST_EACH (l, &t->chunks) {
		struct tail_chunk *c = chunk_of(l);
		uint64_t from = cut->after + 1 + cut->n;
		if (c->first + c->n <= from)
			continue;
		measure_from((struct slice){c->text, c->n_bytes}, seek(c, from), cut);
		if (cut->is_full)
			break;
	}
	return true;
}

enum err tail_write(const struct tail *t, const struct tail_cut *cut, struct bytes *out)
{
	uint64_t seq = cut->after + 1, last = cut->after + cut->n;
	bool is_first = true;
	LIST_EACH (l, &t->chunks) {
		struct tail_chunk *c = chunk_of(l);
		if (c->first + c->n <= seq || seq > last)
			continue;
		size_t at = seek(c, seq);
		for (; seq <= last && at < c->n_bytes; seq++) {
			size_t end = line_end((struct slice){c->text, c->n_bytes}, at);
			if (!is_first)
				bytes_add(out, ",\n", 2);
			is_first = false;
			bytes_add(out, c->text + at, end - at - 1);
			at = end;
		}
		if (at < c->n_bytes) {
			c->hint_seq = seq;
			c->hint_at = at;
		}
	}
	return out->err;
}
