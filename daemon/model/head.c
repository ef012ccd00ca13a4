#include "model/head.h"

#include "base/check.h"
#include "model/head_fields.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void head_init(struct head *h, struct head_limits limits, bool to_head)
{
	*h = (struct head){.limits = limits, .to_head = to_head, .keep_alive_ms = -1};
	bytes_init(&h->raw, limits.bytes + 1);
}

void head_fini(struct head *h)
{
	bytes_fini(&h->raw);
	free(h->fields);
	h->fields = NULL;
	h->cap_fields = h->n_fields = 0;
}

void head_drop_texts(struct head *h)
{
	head_fini(h);
	bytes_init(&h->raw, h->limits.bytes + 1);
	h->reason = (struct slice){NULL, 0};
}

static void next_block(struct head *h)
{
	bytes_clear(&h->raw);
	h->line = 0;
	h->n_fields = 0;
	h->status = 0;
	h->framing = FRAMING_NONE;
	h->length = 0;
	h->reusable = false;
	h->keep_alive_ms = -1;
}

void head_reset(struct head *h, bool to_head)
{
	next_block(h);
	h->to_head = to_head;
	h->ambiguous = false;
	h->used = h->used_fields = 0;
	h->n_interim = 0;
	h->interim_continue = false;
	h->kind = KIND_NONE;
	h->why = NULL;
}

bool head_saw_continue(const struct head *h)
{
	return h->interim_continue;
}

bool head_begun(const struct head *h)
{
	return h->used != 0 || h->raw.n != 0;
}

static enum head_state bad(struct head *h, enum kind kind, const char *why)
{
	h->kind = kind;
	h->why = why;
	return HEAD_BAD;
}

static enum head_state malformed(struct head *h, const char *why)
{
	return bad(h, KIND_PROTOCOL_MALFORMED, why);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The version: "HTTP/1.0", "HTTP/1.1"; curl's tolerance for "HTTP/2" on a plain connection. */
static const char *read_version(struct head *h, const char *p, const char *end)
{
	if (end - p < 6 || strncasecmp(p, "HTTP/", 5) != 0)
		return NULL;
	p += 5;
	char major = *p++;
	char minor = '\0';
	if (p < end && *p == '.') {
		if (++p == end)
			return NULL;
		minor = *p++;
	}
	if (major == '2' && (minor == '0' || minor == '\0')) {
		h->minor = 1;
		h->ambiguous = true;
		return p;
	}
	if (major != '1' || (minor != '0' && minor != '1'))
		return NULL;
	h->minor = minor - '0';
	return p;
}

/* Bare CRs are blanks (RFC 9112 section 2.2). */
static void blank_returns(struct head *h, const char *from, const char *end)
{
	char *p = h->raw.p + (from - h->raw.p);
	char *cr;
	while (p < end && (cr = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		*cr = ' ';
		h->ambiguous = true;
		p = cr + 1;
	}
}

/* RFC 9112 section 4. Blanks may be doubled and the reason may be missing, as curl has it. */
static enum head_state read_status_line(struct head *h, const char *p, const char *end)
{
	blank_returns(h, p, end);
	const char *q = read_version(h, p, end);
	if (q == NULL || q == end || *q != ' ')
		return malformed(h, "the answer does not begin with an HTTP/1 status line");
	while (q < end && *q == ' ')
		q++;
	if (end - q < 3 || !is_digit(q[0]) || !is_digit(q[1]) || !is_digit(q[2]) || q[0] == '0' ||
	    (end - q > 3 && is_digit(q[3])))
		return malformed(h, "the status code of the answer is not three digits");
	h->status = (q[0] - '0') * 100 + (q[1] - '0') * 10 + (q[2] - '0');
	q += 3;
	while (q < end && *q == ' ')
		q++;
	while (end > q && end[-1] == ' ')
		end--;
	h->reason = (struct slice){q, (size_t)(end - q)};
	return HEAD_MORE;
}

bool head_is_tchar(unsigned char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trim(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	while (end > p && is_blank(end[-1]))
		end--;
	return (struct slice){p, (size_t)(end - p)};
}

bool head_split_field(struct slice line, struct head_field *ret, bool *ret_odd)
{
	const char *colon = memchr(line.p, ':', line.n);
	if (colon == NULL)
		return false;
	struct slice name = {line.p, (size_t)(colon - line.p)};
	bool odd = name.n == 0;
	while (name.n > 0 && is_blank(name.p[name.n - 1])) {
		name.n--;
		odd = true;
	}
	for (size_t i = 0; i < name.n && !odd; i++)
		odd = !head_is_tchar((unsigned char)name.p[i]);
	*ret = (struct head_field){name, trim(colon + 1, line.p + line.n)};
	*ret_odd = odd;
	return true;
}

/* Before the colon, and where the end of the body is said, a bare CR is read in too many ways. */
static enum head_state field_returns(struct head *h, struct slice line)
{
	const char *end = line.p + line.n;
	const char *cr = memchr(line.p, '\r', line.n), *colon = memchr(line.p, ':', line.n);
	if (cr == NULL || colon == NULL)
		return HEAD_MORE;
	if (cr < colon)
		return malformed(h, "a carriage return stands in a field name of the answer");
	if (fields_frame_the_body(trim(line.p, colon)))
		return malformed(h, "a carriage return stands in a length field of the answer");
	blank_returns(h, cr, end);
	return HEAD_MORE;
}

static enum head_state add_field(struct head *h, struct slice line)
{
	enum head_state s = field_returns(h, line);
	if (s != HEAD_MORE)
		return s;
	if (h->used_fields + h->n_fields >= h->limits.fields)
		return bad(h, KIND_HEADERS_TOO_LARGE, "the answer has too many header fields");
	if (h->n_fields == h->cap_fields) {
		size_t cap = h->cap_fields == 0 ? 8 : h->cap_fields * 2;
		struct head_field *f = realloc(h->fields, cap * sizeof(*f));
		if (f == NULL)
			return bad(h, KIND_LOCAL_RESOURCE, "memory ran out");
		h->fields = f;
		h->cap_fields = cap;
	}
	struct head_field *f = &h->fields[h->n_fields];
	bool odd;
	if (!head_split_field(line, f, &odd))
		return malformed(h, "a header line of the answer has no colon");
	if (odd) {
		h->ambiguous = true;
		if (fields_frame_the_body(f->name))
			return malformed(h, "blanks stand before the colon of a length field");
	}
	h->n_fields++;
	return HEAD_MORE;
}

static bool is_fold(const char *p, const char *end)
{
	return p < end && (*p == ' ' || *p == '\t');
}

/* Where a line ends that goes on in the next one. */
static char *cut_before_fold(const char *line, char *end)
{
	if (end > line && end[-1] == '\r')
		end--;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return end;
}

/* Folded lines become one, with one blank for each fold (RFC 9112 section 5.2), as curl has it. */
static enum head_state join_lines(struct head *h, char *fields)
{
	const char *end = h->raw.p + h->raw.n, *from = fields;
	char *to = fields, *line = fields;
	while (from < end) {
		const char *nl = memchr(from, '\n', (size_t)(end - from));
		size_t n = (size_t)(nl - from);
		memmove(to, from, n);
		to += n;
		from = nl + 1;
		if (!is_fold(from, end)) {
			*to++ = '\n';
			line = to;
			continue;
		}
		const char *colon = memchr(line, ':', (size_t)(to - line));
		if (colon != NULL && fields_frame_the_body(trim(line, colon)))
			return malformed(h, "a length field of the answer is folded");
		to = cut_before_fold(line, to);
		*to++ = ' ';
		while (is_fold(from, end))
			from++;
	}
	h->raw.n = (size_t)(to - h->raw.p);
	return HEAD_MORE;
}

static enum head_state unfold(struct head *h)
{
	char *p = h->raw.p;
	char *first = memchr(p, '\n', h->raw.n);
	CHECK(first != NULL);
	if (memchr(p, '\0', h->raw.n) != NULL)
		return malformed(h, "a NUL byte stands in the head of the answer");
	if (is_fold(first + 1, p + h->raw.n))
		return malformed(h, "the first header line of the answer is a continuation");
	return join_lines(h, first + 1);
}

static const char *before_line_end(const char *line, const char *nl)
{
	while (nl > line && nl[-1] == '\r')
		nl--;
	return nl;
}

/* The block is complete: h->raw ends with an empty line. */
static enum head_state read_block(struct head *h)
{
	enum head_state s = unfold(h);
	if (s != HEAD_MORE)
		return s;
	const char *p = h->raw.p, *end = p + h->raw.n;
	const char *nl = memchr(p, '\n', (size_t)(end - p));
	const char *stop = before_line_end(p, nl);
	s = read_status_line(h, p, stop);
	while (s == HEAD_MORE) {
		p = nl + 1;
		nl = memchr(p, '\n', (size_t)(end - p));
		CHECK(nl != NULL);
		stop = before_line_end(p, nl);
		if (stop == p)
			break;
		s = add_field(h, (struct slice){p, (size_t)(stop - p)});
	}
	return s;
}

static enum head_state finish_block(struct head *h)
{
	size_t came = h->raw.n;
	enum head_state s = read_block(h);
	if (s != HEAD_MORE)
		return s;
	if (h->status == 101)
		return malformed(h, "the server switched to a protocol nobody asked for");
	if (h->status >= 200)
		return fields_verdict(h) ? HEAD_DONE : HEAD_BAD;
	if (++h->n_interim > h->limits.interim)
		return bad(h, KIND_HEADERS_TOO_LARGE, "the server sent too many 1xx answers");
	h->interim_continue |= h->status == 100;
	h->used += came;
	h->used_fields += h->n_fields;
	next_block(h);
	return HEAD_MORE;
}

/* The first five bytes decide early, so that a stranger's protocol is not waited for. */
static bool begins_well(const struct head *h)
{
	size_t n = h->raw.n < 5 ? h->raw.n : 5;
	return strncasecmp(h->raw.p, "HTTP/", n) == 0;
}

/* Takes one line, or what there is of it. */
static enum head_state take(struct head *h, const char *p, size_t n, size_t *ret_used)
{
	const char *nl = memchr(p, '\n', n);
	size_t want = nl != NULL ? (size_t)(nl - p) + 1 : n;
	*ret_used = 0;
	if (h->used + h->raw.n + want > h->limits.bytes)
		return bad(h, KIND_HEADERS_TOO_LARGE, "the head of the answer is too large");
	if (bytes_add(&h->raw, p, want) != ERR_OK)
		return bad(h, KIND_LOCAL_RESOURCE, "memory ran out");
	*ret_used = want;
	if (h->line == 0 && !begins_well(h))
		return malformed(h, "the answer does not begin with an HTTP/1 status line");
	if (nl == NULL)
		return HEAD_MORE;
	const char *line = h->raw.p + h->line, *end = h->raw.p + h->raw.n - 1;
	bool empty = before_line_end(line, end) == line;
	h->ambiguous |= empty && end - line > 1;
	bool first = h->line == 0;
	h->line = h->raw.n;
	return empty && !first ? finish_block(h) : HEAD_MORE;
}

enum head_state head_feed(struct head *h, const char *p, size_t n, size_t *ret_used)
{
	size_t used = 0;
	enum head_state s = HEAD_MORE;
	while (s == HEAD_MORE && used < n) {
		size_t took;
		s = take(h, p + used, n - used, &took);
		used += took;
	}
	*ret_used = used;
	return s;
}

const struct head_field *head_find(const struct head *h, const char *name)
{
	struct slice want = slice_of(name);
	for (size_t i = 0; i < h->n_fields; i++)
		if (slice_eq_nocase(h->fields[i].name, want))
			return &h->fields[i];
	return NULL;
}

bool head_has_token(const struct head *h, const char *name, const char *token)
{
	struct slice want = slice_of(name), tok = slice_of(token), item;
	for (size_t i = 0; i < h->n_fields; i++) {
		if (!slice_eq_nocase(h->fields[i].name, want))
			continue;
		struct slice rest = h->fields[i].value;
		while (fields_next_item(&rest, &item))
			if (slice_eq_nocase(item, tok))
				return true;
	}
	return false;
}
