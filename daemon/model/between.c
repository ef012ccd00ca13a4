#include "model/between.h"

#include <string.h>

#define CDATA_OPEN  "<![CDATA["
#define CDATA_CLOSE "]]>"

void between_init(struct between *b, struct slice open, struct slice close)
{
	*b = (struct between){.open = open, .close = close};
}

void between_fini(struct between *b)
{
	bytes_fini(&b->buf);
	bytes_fini(&b->item);
}

enum err between_feed(struct between *b, struct slice bytes)
{
	bytes_drop(&b->buf, b->at);
	b->scanned = b->scanned > b->at ? b->scanned - b->at : 0;
	b->at = 0;
	return bytes_add_slice(&b->buf, bytes);
}

static void add_utf8(struct bytes *out, uint32_t c)
{
	char u[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n; i-- > 1; c >>= 6)
		u[i] = (char)(0x80 | (c & 0x3f));
	u[0] = (char)(lead[n] | c);
	bytes_add(out, u, n);
}

/* "38" or "x26" of &#38; and &#x26;. */
static bool read_char_ref(struct slice digits, uint32_t *ret)
{
	bool is_hex = digits.n > 0 && (digits.p[0] == 'x' || digits.p[0] == 'X');
	uint32_t v = 0;
	if (digits.n - is_hex == 0 || digits.n - is_hex > 7)
		return false;
	for (size_t i = is_hex; i < digits.n; i++) {
		char c = digits.p[i];
		int d = c >= '0' && c <= '9'		 ? c - '0'
			: is_hex && c >= 'a' && c <= 'f' ? c - 'a' + 10
			: is_hex && c >= 'A' && c <= 'F' ? c - 'A' + 10
							 : -1;
		if (d < 0)
			return false;
		v = v * (is_hex ? 16 : 10) + (uint32_t)d;
	}
	*ret = v;
	return v != 0 && v <= 0x10ffff && (v < 0xd800 || v > 0xdfff);
}

/* The entity at the beginning of s, which is '&': appends what it means; its length, 0: none. */
static size_t add_entity(struct bytes *out, struct slice s)
{
	static const struct {
		const char *name;
		char c;
	} entity[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
	const char *semicolon = memchr(s.p, ';', s.n < 12 ? s.n : 12);
	uint32_t c;
	if (semicolon == NULL)
		return 0;
	struct slice name = {s.p + 1, (size_t)(semicolon - s.p) - 1};
	if (name.n > 1 && name.p[0] == '#') {
		if (!read_char_ref((struct slice){name.p + 1, name.n - 1}, &c))
			return 0;
		add_utf8(out, c);
		return name.n + 2;
	}
	for (size_t i = 0; i < sizeof(entity) / sizeof(entity[0]); i++)
		if (slice_is(name, entity[i].name)) {
			bytes_add_byte(out, entity[i].c);
			return name.n + 2;
		}
	return 0;
}

static void decode(struct bytes *out, struct slice s)
{
	for (size_t i = 0; i < s.n;) {
		const char *amp = memchr(s.p + i, '&', s.n - i);
		size_t n = amp != NULL ? (size_t)(amp - s.p) - i : s.n - i;
		bytes_add(out, s.p + i, n);
		i += n;
		if (i == s.n)
			break;
		n = add_entity(out, (struct slice){s.p + i, s.n - i});
		if (n == 0)
			bytes_add_byte(out, s.p[i++]);
		i += n;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
	while (s.n > 0 && is_blank(s.p[0]))
		s = (struct slice){s.p + 1, s.n - 1};
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static void make_item(struct between *b, struct slice raw)
{
	size_t n_open = sizeof(CDATA_OPEN) - 1, n_close = sizeof(CDATA_CLOSE) - 1;
	raw = trim(raw);
	bytes_clear(&b->item);
	if (raw.n >= n_open + n_close && memcmp(raw.p, CDATA_OPEN, n_open) == 0 &&
	    memcmp(raw.p + raw.n - n_close, CDATA_CLOSE, n_close) == 0)
		bytes_add_slice(&b->item,
				trim((struct slice){raw.p + n_open, raw.n - n_open - n_close}));
	else
		decode(&b->item, raw);
}

/* Keeps only what may be the beginning of the mark. */
static void keep_tail(struct between *b, struct slice mark)
{
	size_t left = b->buf.n - b->at;
	if (left >= mark.n)
		b->at = b->buf.n - (mark.n - 1);
	b->scanned = b->at;
}

static bool seek_open(struct between *b)
{
	const char *p = NULL;
	if (b->buf.n > b->at)
		p = memmem(b->buf.p + b->at, b->buf.n - b->at, b->open.p, b->open.n);
	if (p == NULL) {
		keep_tail(b, b->open);
		return false;
	}
	b->at = (size_t)(p - b->buf.p) + b->open.n;
	b->scanned = b->at;
	b->inside = true;
	return true;
}

/* The closing mark is not there yet: an item that has grown too long is given up. */
static enum err wait_for_close(struct between *b)
{
	size_t n = b->buf.n - b->at;
	if (n > BETWEEN_MAX_ITEM + b->close.n) {
		b->inside = false;
		keep_tail(b, b->open);
		return ERR_TOO_LARGE;
	}
	if (n >= b->close.n)
		b->scanned = b->buf.n - (b->close.n - 1);
	return ERR_AGAIN;
}

enum err between_next(struct between *b, struct slice *ret_item)
{
	for (;;) {
		if (!b->inside && !seek_open(b))
			return ERR_AGAIN;
		const char *p = NULL;
		if (b->buf.n > b->scanned)
			p = memmem(b->buf.p + b->scanned, b->buf.n - b->scanned, b->close.p,
				   b->close.n);
		if (p == NULL)
			return wait_for_close(b);
		struct slice raw = {b->buf.p + b->at, (size_t)(p - b->buf.p) - b->at};
		b->at += raw.n + b->close.n;
		b->inside = false;
		if (raw.n > BETWEEN_MAX_ITEM)
			return ERR_TOO_LARGE;
		make_item(b, raw);
		if (b->item.err != ERR_OK)
			return ERR_NOMEM;
		if (b->item.n == 0)
			continue;
		*ret_item = bytes_slice(&b->item);
		return ERR_OK;
	}
}
