/*
 * base64 -- four characters at a time, padding only at the end. What comes may be many megabytes:
 * the values are looked up, and whether one was wrong is asked once.
 */
#include "proto/base64.h"

#define WRONG 0x80

/* A row for every byte: its value, or WRONG. */
static const unsigned char value[256] = {
#define W4     WRONG, WRONG, WRONG, WRONG
#define W16    W4, W4, W4, W4
#define RUN(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
	W16,	 W16,	  W4,	   W4,	    WRONG, WRONG, WRONG, 62,
	WRONG,	 WRONG,	  WRONG,   63,				     /* '+', '/' */
	RUN(52), 60,	  61,	   WRONG,   WRONG, W4,		     /* digits */
	WRONG,	 RUN(0),  RUN(8),  RUN(16), 24,	   25,	  WRONG, W4, /* capitals */
	WRONG,	 RUN(26), RUN(34), RUN(42), 50,	   51,	  WRONG, W4, /* small letters */
	W16,	 W16,	  W16,	   W16,	    W16,   W16,	  W16,	 W16,
#undef W4
#undef W16
#undef RUN
};

/* The last one to three characters. */
static unsigned decode_tail(const unsigned char *in, size_t n, char *out)
{
	unsigned bad = 0;
	uint32_t bits = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned v = value[in[i]];
		bad |= v;
		bits = bits << 6 | (v & 63);
		if (i > 0)
			*out++ = (char)(bits >> (6 - 2 * i));
	}
	return bad & WRONG;
}

enum err base64_decode(struct slice text, struct bytes *out)
{
	size_t n = text.n;
	if (n % 4 != 0)
		return ERR_INVALID;
	while (n != 0 && text.n - n < 2 && text.p[n - 1] == '=')
		n--;
	size_t whole = n / 4, rest = n % 4, made = whole * 3 + (rest > 0 ? rest - 1 : 0);
	enum err e = bytes_reserve(out, made);
	if (e != ERR_OK || n == 0)
		return e;
	const unsigned char *in = (const unsigned char *)text.p;
	char *to = out->p + out->n;
	unsigned bad = 0;
	for (size_t i = 0; i < whole; i++, in += 4, to += 3) {
		unsigned a = value[in[0]], b = value[in[1]], c = value[in[2]], d = value[in[3]];
		bad |= a | b | c | d;
		to[0] = (char)(a << 2 | b >> 4);
		to[1] = (char)(b << 4 | c >> 2);
		to[2] = (char)(c << 6 | d);
	}
	bad |= decode_tail(in, rest, to);
	if ((bad & WRONG) != 0)
		return ERR_INVALID;
	out->n += made;
	return ERR_OK;
}
