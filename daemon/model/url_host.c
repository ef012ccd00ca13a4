#include "model/url_host.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>

static enum err refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return ERR_INVALID;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t url_percent_decode(struct slice in, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '%') {
			out[n++] = in.p[i];
			continue;
		}
		if (in.n - i < 3)
			return SIZE_MAX;
		int high = hex_value(in.p[i + 1]), low = hex_value(in.p[i + 2]);
		if (high < 0 || low < 0)
			return SIZE_MAX;
		out[n++] = (char)(high * 16 + low);
		i += 2;
	}
	return n;
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/* Labels of 1 to 63 bytes (RFC 1035 2.3.4). */
static bool has_good_labels(const char *s, size_t n)
{
	size_t label = 0;
	for (size_t i = 0; i < n; i++) {
		if (s[i] != '.') {
			if (++label > 63)
				return false;
		} else {
			if (label == 0)
				return false;
			label = 0;
		}
	}
	return label != 0;
}

/* One number of an IPv4 address in C notation; base by prefix. False if it is none. */
static bool v4_number(struct slice s, uint64_t *ret)
{
	uint64_t base = 10, v = 0;
	size_t i = 0;
	if (s.n == 0)
		return false;
	if (s.n >= 2 && s.p[0] == '0' && s.p[1] == 'x') {
		base = 16;
		i = 2;
	} else if (s.n >= 2 && s.p[0] == '0') {
		base = 8;
		i = 1;
	}
	for (; i < s.n; i++) {
		int d = hex_value(s.p[i]);
		if (d < 0 || (uint64_t)d >= base)
			return false;
		v = v * base + (uint64_t)d;
		if (v > UINT32_MAX)
			return false;
	}
	*ret = v;
	return true;
}

/* Whether a name ends in a number, so that it has to be an IPv4 address (URL standard 3.5). */
static bool ends_in_number(const char *s, size_t n)
{
	size_t at = n;
	while (at > 0 && s[at - 1] != '.')
		at--;
	struct slice last = {s + at, n - at};
	bool is_hex = last.n >= 2 && last.p[0] == '0' && last.p[1] == 'x';
	for (size_t i = is_hex ? 2 : 0; i < last.n; i++) {
		int d = hex_value(last.p[i]);
		if (d < 0 || (d > 9 && !is_hex))
			return false;
	}
	return last.n > 0;
}

/* 1 to 4 numbers, the last of which fills what is left (inet_aton). */
static bool v4_parse(const char *s, size_t n, unsigned char addr[4])
{
	uint64_t part[4], address = 0;
	size_t n_part = 0, at = 0;
	for (size_t i = 0; i <= n; i++) {
		if (i < n && s[i] != '.')
			continue;
		if (n_part == 4 || !v4_number((struct slice){s + at, i - at}, &part[n_part]))
			return false;
		n_part++;
		at = i + 1;
	}
	for (size_t i = 0; i + 1 < n_part; i++) {
		if (part[i] > 255)
			return false;
		address |= part[i] << (24 - 8 * i);
	}
	if (part[n_part - 1] >= (uint64_t)1 << (8 * (5 - n_part)))
		return false;
	address |= part[n_part - 1];
	for (int i = 0; i < 4; i++)
		addr[i] = (unsigned char)(address >> (24 - 8 * i));
	return true;
}

static enum err normal_v6(struct slice in, struct url_host_out *ret, const char **ret_why)
{
	char text[INET6_ADDRSTRLEN + 1];
	if (in.n < 4 || in.p[in.n - 1] != ']' || in.n - 2 >= sizeof(text))
		return refuse(ret_why, "the address in brackets is not an IPv6 address");
	if (memchr(in.p, '%', in.n) != NULL)
		return refuse(ret_why, "addresses with a zone cannot be fetched");
	memcpy(text, in.p + 1, in.n - 2);
	text[in.n - 2] = '\0';
	if (inet_pton(AF_INET6, text, ret->addr) != 1 ||
	    inet_ntop(AF_INET6, ret->addr, ret->text, sizeof(ret->text)) == NULL)
		return refuse(ret_why, "the address in brackets is not an IPv6 address");
	ret->n = (uint32_t)strlen(ret->text);
	ret->kind = URL_HOST_V6;
	return ERR_OK;
}

/* IDNA 2008 with the UTS 46 mapping, as curl and browsers do. */
static enum err to_ascii(char *s, size_t cap, size_t *n, const char **ret_why)
{
	uint8_t *out = NULL;
	s[*n] = '\0';
	int rc = idn2_lookup_u8((const uint8_t *)s, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc == IDN2_MALLOC)
		return ERR_NOMEM;
	size_t len = rc == IDN2_OK ? strlen((const char *)out) : cap;
	if (len >= cap) {
		idn2_free(out);
		return refuse(ret_why, "the host is not a valid internationalised name");
	}
	memcpy(s, out, len);
	*n = len;
	idn2_free(out);
	return ERR_OK;
}

static enum err finish_name(struct url_host_out *ret, size_t n, const char **ret_why)
{
	if (n > 0 && ret->text[n - 1] == '.')
		n--;
	if (n == 0)
		return refuse(ret_why, "there is no host");
	for (size_t i = 0; i < n; i++) {
		if (!is_name_byte(ret->text[i]))
			return refuse(ret_why, "the host holds a character that no name may have");
	}
	if (n > URL_HOST_MAX || !has_good_labels(ret->text, n))
		return refuse(ret_why, "the host has an empty or too long label");
	ret->kind = URL_HOST_NAME;
	if (ends_in_number(ret->text, n)) {
		if (!v4_parse(ret->text, n, ret->addr))
			return refuse(ret_why, "the host ends in a number but is no IPv4 address");
		inet_ntop(AF_INET, ret->addr, ret->text, sizeof(ret->text));
		n = strlen(ret->text);
		ret->kind = URL_HOST_V4;
	}
	ret->text[n] = '\0';
	ret->n = (uint32_t)n;
	return ERR_OK;
}

/* Anything but a plain lower-case name: escapes, capitals, other scripts. */
static enum err slow_name(struct slice in, struct url_host_out *ret, const char **ret_why)
{
	char raw[1024];
	if (in.n >= sizeof(raw))
		return refuse(ret_why, "the host is too long");
	size_t n = url_percent_decode(in, raw);
	if (n == SIZE_MAX)
		return refuse(ret_why, "the host holds a broken percent escape");
	bool is_ascii = true;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)raw[i];
		if (c <= ' ' || c == 0x7f)
			return refuse(ret_why, "the host holds a character that no name may have");
		is_ascii = is_ascii && c < 0x80;
		if (c >= 'A' && c <= 'Z')
			raw[i] = (char)(c | 0x20);
	}
	if (!is_ascii) {
		enum err e = to_ascii(raw, sizeof(raw), &n, ret_why);
		if (e != ERR_OK)
			return e;
	}
	if (n >= sizeof(ret->text))
		return refuse(ret_why, "the host is too long");
	memcpy(ret->text, raw, n);
	return finish_name(ret, n, ret_why);
}

enum err url_host_normal(struct slice in, struct url_host_out *ret, const char **ret_why)
{
	if (in.n == 0)
		return refuse(ret_why, "there is no host");
	if (in.p[0] == '[')
		return normal_v6(in, ret, ret_why);
	if (in.n >= sizeof(ret->text))
		return slow_name(in, ret, ret_why);
	for (size_t i = 0; i < in.n; i++) {
		if (!is_name_byte(in.p[i]))
			return slow_name(in, ret, ret_why);
	}
	memcpy(ret->text, in.p, in.n);
	return finish_name(ret, in.n, ret_why);
}

enum err url_normal_host(struct slice host, struct bytes *out)
{
	struct url_host_out h;
	const char *why;
	enum err e = url_host_normal(host, &h, &why);
	return e != ERR_OK ? e : bytes_add(out, h.text, h.n);
}
