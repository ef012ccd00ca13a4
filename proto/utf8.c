/*
 * utf8 -- see utf8.h. The table of well-formed sequences is that of RFC 3629 section 4.
 */
#include "proto/utf8.h"

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_length(const char *p, const char *end)
{
	const unsigned char *b = (const unsigned char *)p;
	size_t n = (size_t)(end - p);
	if (b[0] < 0x80)
		return 1;
	if (b[0] < 0xc2 || b[0] > 0xf4)
		return 0;
	if (b[0] < 0xe0)
		return n >= 2 && is_tail(b[1]) ? 2 : 0;
	if (b[0] < 0xf0) {
		if (n < 3 || !is_tail(b[1]) || !is_tail(b[2]))
			return 0;
		if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f))
			return 0;
		return 3;
	}
	if (n < 4 || !is_tail(b[1]) || !is_tail(b[2]) || !is_tail(b[3]))
		return 0;
	if ((b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
		return 0;
	return 4;
}

static const char *skip_ascii(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t w;
		memcpy(&w, p, sizeof(w));
		if ((w & UTF8_HIGHS) != 0)
			break;
		p += 8;
	}
	while (p < end && (unsigned char)*p < 0x80)
		p++;
	return p;
}

bool utf8_valid(struct slice s)
{
	const char *end = s.p + s.n;
	for (const char *p = s.p; p < end;) {
		p = skip_ascii(p, end);
		if (p == end)
			break;
		size_t n = utf8_length(p, end);
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

size_t utf8_put(char out[4], uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[5] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = n - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (c & 0x3f));
		c >>= 6;
	}
	out[0] = (char)(lead[n] | c);
	return n;
}

enum err utf8_add_latin1(struct bytes *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c[4];
		bytes_add(out, c, utf8_put(c, (unsigned char)s.p[i]));
	}
	return out->err;
}
