/*
 * jsonscan -- the checking pass: a recursive descent over the grammar of RFC 8259, its depth
 * bounded by the limits, strings taken eight bytes at a time. Slices are in jsonslice.c.
 */
#include "proto/jsonscan.h"

#include "proto/jsonnames.h"
#include "proto/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct scan {
	const char *start, *p, *end;
	uint32_t depth, max_depth;
	uint32_t n_values, max_values;
	struct jsonnames names;
	struct jsonscan_error *error;
};

static enum err scan_value(struct scan *s);

struct jsonscan_place jsonscan_place_at(struct slice text, size_t offset)
{
	struct jsonscan_place place = {.offset = offset, .line = 1, .column = 1};
	for (size_t i = 0; i < offset && i < text.n; i++) {
		if (text.p[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)text.p[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

__attribute__((format(printf, 4, 5))) static enum err fail_at(struct scan *s, enum err e,
							      const char *at, const char *fmt, ...)
{
	struct jsonscan_error *error = s->error;
	if (error == NULL)
		return e;
	struct slice text = {s->start, (size_t)(s->end - s->start)};
	struct jsonscan_place place = jsonscan_place_at(text, (size_t)(at - s->start));
	*error = (struct jsonscan_error){
		.offset = place.offset, .line = place.line, .column = place.column};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, ap);
	va_end(ap);
	return e;
}

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

static enum err fail_expected(struct scan *s, const char *what)
{
	if (s->p == s->end)
		return fail_at(s, ERR_INVALID, s->p, "the text ends where %s is expected", what);
	return fail_at(s, ERR_INVALID, s->p, "expected %s", what);
}

static bool get_hex4(const char *p, const char *end, uint32_t *ret)
{
	uint32_t v = 0;
	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		uint32_t digit;
		if (c >= '0' && c <= '9')
			digit = (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			digit = (uint32_t)((c | 0x20) - 'a' + 10);
		else
			return false;
		v = v << 4 | digit;
	}
	*ret = v;
	return true;
}

/* At the u of \uXXXX; a pair of surrogates is taken as one. */
static enum err scan_unicode_escape(struct scan *s, bool is_name)
{
	const char *at = s->p - 1;
	uint32_t high, low;
	if (!get_hex4(s->p + 1, s->end, &high))
		return fail_at(s, ERR_INVALID, at, "\\u needs four hexadecimal digits");
	s->p += 5;
	if (high == 0 && is_name)
		return fail_at(s, ERR_INVALID, at, "\\u0000 in a member name");
	if (high < 0xd800 || high > 0xdfff)
		return ERR_OK;
	bool is_pair = high <= 0xdbff && s->end - s->p >= 6 && s->p[0] == '\\' && s->p[1] == 'u' &&
		       get_hex4(s->p + 2, s->end, &low) && low >= 0xdc00 && low <= 0xdfff;
	if (!is_pair)
		return fail_at(s, ERR_INVALID, at, "half of a surrogate pair");
	s->p += 6;
	return ERR_OK;
}

static enum err scan_escape(struct scan *s, bool is_name)
{
	s->p++;
	if (s->p == s->end)
		return fail_at(s, ERR_INVALID, s->p, "the text ends inside a string");
	if (*s->p == 'u')
		return scan_unicode_escape(s, is_name);
	if (*s->p == '\0' || strchr("\"\\/bfnrt", *s->p) == NULL)
		return fail_at(s, ERR_INVALID, s->p - 1, "unknown escape in a string");
	s->p++;
	return ERR_OK;
}

/* At the opening quote; *ret_raw (may be NULL) gets what is between the quotes. */
static enum err scan_string(struct scan *s, bool is_name, struct slice *ret_raw)
{
	const char *open = ++s->p;
	for (;;) {
		s->p = utf8_skip_plain(s->p, s->end);
		if (s->p == s->end)
			return fail_at(s, ERR_INVALID, s->p, "the text ends inside a string");
		unsigned char c = (unsigned char)*s->p;
		if (c == '"')
			break;
		if (c == '\\') {
			enum err e = scan_escape(s, is_name);
			if (e != ERR_OK)
				return e;
		} else if (c < 0x20) {
			return fail_at(s, ERR_INVALID, s->p,
				       "control character 0x%02x inside a string", c);
		} else {
			size_t n = utf8_length(s->p, s->end);
			if (n == 0)
				return fail_at(s, ERR_INVALID, s->p, "not UTF-8");
			s->p += n;
		}
	}
	if (ret_raw != NULL)
		*ret_raw = (struct slice){open, (size_t)(s->p - open)};
	s->p++;
	return ERR_OK;
}

static bool take_digits(struct scan *s)
{
	const char *from = s->p;
	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

static enum err scan_number(struct scan *s)
{
	const char *at = s->p;
	if (*s->p == '-')
		s->p++;
	bool has_zero = s->p < s->end && *s->p == '0';
	const char *digits = s->p;
	if (!take_digits(s) || (has_zero && s->p - digits > 1))
		return fail_at(s, ERR_INVALID, at, "not a number as JSON writes it");
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!take_digits(s))
			return fail_expected(s, "a digit after the point");
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		if (!take_digits(s))
			return fail_expected(s, "a digit of the exponent");
	}
	return ERR_OK;
}

static enum err scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return fail_expected(s, "a value");
	s->p += n;
	return ERR_OK;
}

static enum err enter(struct scan *s)
{
	if (++s->depth > s->max_depth)
		return fail_at(s, ERR_TOO_LARGE, s->p, "nested more than %u deep", s->max_depth);
	s->p++;
	skip_space(s);
	return ERR_OK;
}

static void leave(struct scan *s)
{
	s->depth--;
	s->p++;
}

static enum err scan_array(struct scan *s)
{
	enum err e = enter(s);
	if (e != ERR_OK)
		return e;
	if (s->p < s->end && *s->p == ']') {
		leave(s);
		return ERR_OK;
	}
	for (;;) {
		if ((e = scan_value(s)) != ERR_OK)
			return e;
		skip_space(s);
		if (s->p == s->end || (*s->p != ',' && *s->p != ']'))
			return fail_expected(s, "',' or ']'");
		if (*s->p == ']')
			break;
		s->p++;
	}
	leave(s);
	return ERR_OK;
}

/* A name, the colon, and the value. */
static enum err scan_member(struct scan *s, struct jsonnames_object *names)
{
	struct slice name = {NULL, 0};
	const char *at = s->p;
	if (s->p == s->end || *s->p != '"')
		return fail_expected(s, "a member name in quotes");
	enum err e = scan_string(s, true, &name);
	if (e != ERR_OK)
		return e;
	e = jsonnames_add(&s->names, names, name);
	if (e == ERR_EXISTS)
		return fail_at(s, ERR_INVALID, at, "duplicate member \"%.*s\"",
			       (int)(name.n < 64 ? name.n : 64), name.p);
	if (e != ERR_OK)
		return fail_at(s, e, at, "%s", err_text(e));
	skip_space(s);
	if (s->p == s->end || *s->p != ':')
		return fail_expected(s, "':'");
	s->p++;
	return scan_value(s);
}

static enum err scan_object(struct scan *s)
{
	struct jsonnames_object names;
	enum err e = enter(s);
	if (e != ERR_OK)
		return e;
	if (s->p < s->end && *s->p == '}') {
		leave(s);
		return ERR_OK;
	}
	jsonnames_open(&s->names, &names);
	for (;;) {
		skip_space(s);
		if ((e = scan_member(s, &names)) != ERR_OK)
			return e;
		skip_space(s);
		if (s->p == s->end || (*s->p != ',' && *s->p != '}'))
			return fail_expected(s, "',' or '}'");
		if (*s->p == '}')
			break;
		s->p++;
	}
	leave(s);
	return ERR_OK;
}

static enum err scan_value(struct scan *s)
{
	skip_space(s);
	if (s->p == s->end)
		return fail_expected(s, "a value");
	if (++s->n_values > s->max_values)
		return fail_at(s, ERR_TOO_LARGE, s->p, "more than %u values", s->max_values);
	switch (*s->p) {
	case '{':
		return scan_object(s);
	case '[':
		return scan_array(s);
	case '"':
		return scan_string(s, false, NULL);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		if (*s->p == '-' || (*s->p >= '0' && *s->p <= '9'))
			return scan_number(s);
		return fail_expected(s, "a value");
	}
}

enum err jsonscan_check(struct slice text, const struct jsonscan_limits *limits,
			struct jsonscan_error *ret_error)
{
	static const struct jsonscan_limits usual = {.depth = 0};
	const struct jsonscan_limits *l = limits != NULL ? limits : &usual;
	struct scan s = {
		.start = text.p,
		.p = text.p,
		.end = text.p + text.n,
		.max_depth = l->depth != 0 && l->depth < JSONSCAN_DEPTH_MAX ? l->depth
									    : JSONSCAN_DEPTH_MAX,
		.max_values = l->values != 0 ? l->values : JSONSCAN_VALUES_MAX,
		.error = ret_error,
	};
	if (text.p == NULL)
		s.start = s.p = s.end = "";
	jsonnames_init(&s.names, l->seed);
	enum err e = scan_value(&s);
	if (e == ERR_OK) {
		skip_space(&s);
		if (s.p != s.end)
			e = fail_at(&s, ERR_INVALID, s.p, "text after the end of the value");
	}
	jsonnames_fini(&s.names);
	return e;
}
