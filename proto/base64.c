/*
 * base64 -- four characters at a time, padding only at the end.
 */
#include "proto/base64.h"

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum err base64_decode(struct slice text, struct bytes *out)
{
	size_t before = out->n, n = text.n;
	if (n % 4 != 0)
		return ERR_INVALID;
	while (n != 0 && text.n - n < 2 && text.p[n - 1] == '=')
		n--;
	enum err e = bytes_reserve(out, text.n / 4 * 3);
	if (e != ERR_OK)
		return e;
	uint32_t bits = 0;
	for (size_t i = 0; i < n; i++) {
		int v = value_of(text.p[i]);
		if (v < 0) {
			out->n = before;
			return ERR_INVALID;
		}
		bits = bits << 6 | (uint32_t)v;
		if (i % 4 != 0)
			out->p[out->n++] = (char)(bits >> (6 - 2 * (i % 4)));
	}
	return ERR_OK;
}
