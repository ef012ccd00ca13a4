/*
 * result -- writes records. Plain text is copied in runs that are found eight bytes at a time; a
 * key and what stands before it is one literal.
 */
#include "proto/result.h"

#include "proto/utf8.h"

#include <string.h>

static const char hex_digit[] = "0123456789abcdef";

/* bytes_add for the many short pieces of a line: inline, so that a literal is a few moves. */
static inline void put(struct bytes *out, const void *p, size_t n)
{
	bool is_within = out->limit == 0 || out->n + n <= out->limit;
	if (__builtin_expect(out->err == ERR_OK && out->cap - out->n > n && is_within, 1)) {
		memcpy(out->p + out->n, p, n);
		out->n += n;
	} else {
		bytes_add(out, p, n);
	}
}

#define PUT_LIT(out, s) put((out), (s), sizeof(s) - 1)

static inline void put_i64(struct bytes *out, int64_t v)
{
	char digit = (char)('0' + v);
	if (v >= 0 && v < 10)
		put(out, &digit, 1);
	else
		bytes_add_i64(out, v);
}

static void add_escape(struct bytes *out, unsigned char c)
{
	static const char shorts[] = "btn\0fr";
	char text[6] = {'\\', 'u', '0', '0', hex_digit[c >> 4], hex_digit[c & 15]};
	if (c == '"' || c == '\\') {
		text[1] = (char)c;
		bytes_add(out, text, 2);
	} else if (c >= 8 && c <= 13 && shorts[c - 8] != '\0') {
		text[1] = shorts[c - 8];
		bytes_add(out, text, 2);
	} else {
		bytes_add(out, text, sizeof(text));
	}
}

/* The inside of a string; s is valid UTF-8. */
static void add_escaped(struct bytes *out, struct slice s)
{
	const char *p = s.p, *end = s.p + s.n;
	while (p < end) {
		const char *run = p;
		for (;;) {
			p = utf8_skip_plain(p, end);
			if (p == end || (unsigned char)*p < 0x80)
				break;
			p++;
		}
		bytes_add(out, run, (size_t)(p - run));
		if (p < end)
			add_escape(out, (unsigned char)*p++);
	}
}

static void add_text(struct bytes *out, struct slice s)
{
	if (utf8_skip_plain(s.p, s.p + s.n) == s.p + s.n) {
		put(out, s.p, s.n);
	} else if (utf8_valid(s)) {
		add_escaped(out, s);
	} else {
		struct bytes wide = {.limit = 0};
		utf8_add_latin1(&wide, s);
		if (wide.err != ERR_OK && out->err == ERR_OK)
			out->err = wide.err;
		add_escaped(out, bytes_slice(&wide));
		bytes_fini(&wide);
	}
}

enum err result_add_string(struct bytes *out, struct slice s)
{
	PUT_LIT(out, "\"");
	if (s.n > 0) /* else there may be no s.p */
		add_text(out, s);
	PUT_LIT(out, "\"");
	return out->err;
}

/* The password of SCHEME://USER:PASSWORD@HOST: between the first colon and the last at. */
static bool find_password(struct slice url, size_t *ret_from, size_t *ret_to)
{
	const char *end = url.p + url.n;
	const char *slashes = url.n >= 3 ? memmem(url.p, url.n, "//", 2) : NULL;
	if (slashes == NULL)
		return false;
	const char *user = slashes + 2, *stop = user, *at = NULL;
	for (; stop < end && *stop != '/' && *stop != '?' && *stop != '#'; stop++)
		if (*stop == '@')
			at = stop;
	if (at == NULL)
		return false;
	const char *colon = memchr(user, ':', (size_t)(at - user));
	if (colon == NULL)
		return false;
	*ret_from = (size_t)(colon + 1 - url.p);
	*ret_to = (size_t)(at - url.p);
	return true;
}

enum err result_add_url(struct bytes *out, struct slice url)
{
	size_t from, to;
	if (!find_password(url, &from, &to))
		return result_add_string(out, url);
	struct bytes masked = {.limit = 0};
	bytes_add(&masked, url.p, from);
	bytes_add_str(&masked, "***");
	bytes_add(&masked, url.p + to, url.n - to);
	if (masked.err != ERR_OK && out->err == ERR_OK)
		out->err = masked.err;
	enum err e = result_add_string(out, bytes_slice(&masked));
	bytes_fini(&masked);
	return e;
}

enum err result_add_base64(struct bytes *out, struct slice data)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	enum err e = bytes_reserve(out, (data.n + 2) / 3 * 4);
	if (out->err != ERR_OK || e != ERR_OK)
		return out->err;
	const unsigned char *b = (const unsigned char *)data.p;
	char *o = out->p + out->n;
	size_t i = 0;
	for (; i + 2 < data.n; i += 3) {
		uint32_t v = (uint32_t)b[i] << 16 | (uint32_t)b[i + 1] << 8 | b[i + 2];
		*o++ = digit[v >> 18];
		*o++ = digit[v >> 12 & 63];
		*o++ = digit[v >> 6 & 63];
		*o++ = digit[v & 63];
	}
	if (i < data.n) {
		uint32_t v = (uint32_t)b[i] << 16 | (i + 1 < data.n ? (uint32_t)b[i + 1] << 8 : 0);
		*o++ = digit[v >> 18];
		*o++ = digit[v >> 12 & 63];
		*o++ = i + 1 < data.n ? digit[v >> 6 & 63] : '=';
		*o++ = '=';
	}
	out->n = (size_t)(o - out->p);
	return ERR_OK;
}

enum err result_add_body(struct bytes *out, struct slice body)
{
	bool is_text = utf8_valid(body) && (body.n == 0 || memchr(body.p, '\0', body.n) == NULL);
	bytes_add_str(out, is_text ? "\"body\":\"" : "\"body_base64\":\"");
	if (is_text)
		add_escaped(out, body);
	else
		result_add_base64(out, body);
	return bytes_add_byte(out, '"');
}

static char *two_digits(char *p, unsigned v)
{
	p[0] = (char)('0' + v / 10);
	p[1] = (char)('0' + v % 10);
	return p + 2;
}

/*
 * Days since 1970 to a date of the Gregorian calendar: eras of 400 years that begin in March, so
 * that leap days come last (H. Hinnant, "chrono-compatible low-level date algorithms"). The C
 * library's way asks for the time zone under a lock.
 */
static char *put_date(char *p, int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	unsigned day_of_era = (unsigned)(z - era * 146097);
	unsigned year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	unsigned day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted = (5 * day_of_year + 2) / 153;
	unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
	unsigned year = (unsigned)((int64_t)year_of_era + era * 400 + (month <= 2 ? 1 : 0));
	p = two_digits(p, year / 100 % 100);
	p = two_digits(p, year % 100);
	*p++ = '-';
	p = two_digits(p, month);
	*p++ = '-';
	return two_digits(p, day_of_year - (153 * shifted + 2) / 5 + 1);
}

enum err result_add_instant(struct bytes *out, int64_t wall_ns)
{
	int64_t ms = wall_ns / 1000000, days = ms / 86400000;
	if (ms % 86400000 < 0)
		days--;
	unsigned rest = (unsigned)(ms - days * 86400000), seconds = rest / 1000;
	char text[32], *p = text;
	*p++ = '"';
	p = put_date(p, days);
	*p++ = 'T';
	p = two_digits(p, seconds / 3600);
	*p++ = ':';
	p = two_digits(p, seconds / 60 % 60);
	*p++ = ':';
	p = two_digits(p, seconds % 60);
	*p++ = '.';
	*p++ = (char)('0' + rest % 1000 / 100);
	p = two_digits(p, rest % 100);
	*p++ = 'Z';
	*p++ = '"';
	put(out, text, (size_t)(p - text));
	return out->err;
}

static const struct {
	const char *name;
	uint32_t key;
} key_row[] = {
	{"tag", RESULT_TAG},
	{"url", RESULT_URL},
	{"status", RESULT_STATUS},
	{"reason", RESULT_REASON},
	{"size", RESULT_SIZE},
	{"headers", RESULT_HEADERS},
	{"final_url", RESULT_FINAL_URL},
	{"body", RESULT_BODY},
	{"body_base64", RESULT_BODY},
	{"file", RESULT_BODY},
	{"value", RESULT_VALUE},
	{"error", RESULT_ERROR},
	{"history", RESULT_HISTORY},
	{"attempts", RESULT_ATTEMPTS},
	{"at", RESULT_AT},
	{"timing", RESULT_TIMING},
};

uint32_t result_key_from_name(struct slice name)
{
	for (size_t i = 0; i < sizeof(key_row) / sizeof(key_row[0]); i++)
		if (slice_is(name, key_row[i].name))
			return key_row[i].key;
	return 0;
}

/* A literal key, then a string. */
#define PUT_TEXT(out, key, s)                                                                      \
	do {                                                                                       \
		PUT_LIT((out), key);                                                               \
		result_add_string((out), (s));                                                     \
	} while (0)

static void add_headers(struct bytes *out, const struct result_record *r)
{
	PUT_LIT(out, ",\"headers\":[");
	for (size_t i = 0; i < r->n_header; i++) {
		if (i != 0)
			PUT_LIT(out, ",");
		PUT_LIT(out, "[");
		result_add_string(out, r->header[i].name);
		PUT_LIT(out, ",");
		result_add_string(out, r->header[i].value);
		PUT_LIT(out, "]");
	}
	PUT_LIT(out, "]");
}

static void add_error(struct bytes *out, const struct result_record *r)
{
	PUT_LIT(out, ",\"error\":");
	if (r->error.p != NULL) {
		bytes_add_slice(out, r->error);
		return;
	}
	PUT_TEXT(out, "{\"kind\":", slice_of(kind_name(r->kind)));
	if (r->message.p != NULL)
		PUT_TEXT(out, ",\"message\":", r->message);
	if (r->phase.p != NULL)
		PUT_TEXT(out, ",\"phase\":", r->phase);
	PUT_LIT(out, "}");
}

static void add_history(struct bytes *out, const struct result_record *r)
{
	PUT_LIT(out, ",\"history\":[");
	for (size_t i = 0; i < r->n_history; i++) {
		const struct result_attempt *a = &r->history[i];
		if (i != 0)
			PUT_LIT(out, ",");
		PUT_LIT(out, "{");
		if (a->kind != KIND_NONE) {
			PUT_TEXT(out, "\"kind\":", slice_of(kind_name(a->kind)));
			PUT_LIT(out, ",");
		}
		if (a->status != 0) {
			PUT_LIT(out, "\"status\":");
			put_i64(out, a->status);
			PUT_LIT(out, ",");
		}
		PUT_LIT(out, "\"waited_ms\":");
		put_i64(out, a->waited_ms);
		PUT_LIT(out, ",\"took_ms\":");
		put_i64(out, a->took_ms);
		PUT_LIT(out, "}");
	}
	PUT_LIT(out, "]");
}

static void add_timing(struct bytes *out, const struct result_timing *t)
{
	size_t before = out->n;
#define PUT_MS(key, ms)                                                                            \
	do {                                                                                       \
		if ((ms) >= 0) {                                                                   \
			PUT_LIT(out, key);                                                         \
			put_i64(out, (ms));                                                        \
			PUT_LIT(out, ",");                                                         \
		}                                                                                  \
	} while (0)
	PUT_LIT(out, ",\"timing\":{");
	size_t empty = out->n;
	PUT_MS("\"wait_ms\":", t->wait_ms);
	PUT_MS("\"dns_ms\":", t->dns_ms);
	PUT_MS("\"connect_ms\":", t->connect_ms);
	PUT_MS("\"tls_ms\":", t->tls_ms);
	PUT_MS("\"first_byte_ms\":", t->first_byte_ms);
	PUT_MS("\"total_ms\":", t->total_ms);
#undef PUT_MS
	if (out->n == empty)
		out->n = before; /* nothing is known */
	else
		out->p[out->n - 1] = '}'; /* over the last comma */
}

static void add_identity(struct bytes *out, const struct result_record *r, uint32_t select)
{
	PUT_TEXT(out, "{\"job\":", r->job);
	PUT_LIT(out, ",\"seq\":");
	bytes_add_u64(out, r->seq);
	if (r->supersedes != 0) {
		PUT_LIT(out, ",\"supersedes\":");
		bytes_add_u64(out, r->supersedes);
	}
	PUT_TEXT(out, ",\"task\":", r->task);
	if ((select & RESULT_TAG) != 0 && r->tag.p != NULL) {
		PUT_LIT(out, ",\"tag\":");
		bytes_add_slice(out, r->tag);
	}
	if ((select & RESULT_URL) != 0 && r->url.p != NULL) {
		PUT_LIT(out, ",\"url\":");
		result_add_url(out, r->url);
	}
	if (r->ok)
		PUT_LIT(out, ",\"ok\":true");
	else
		PUT_LIT(out, ",\"ok\":false");
}

static void add_response(struct bytes *out, const struct result_record *r, uint32_t select)
{
	if ((select & RESULT_STATUS) != 0 && r->status != 0) {
		PUT_LIT(out, ",\"status\":");
		put_i64(out, r->status);
	}
	if ((select & RESULT_REASON) != 0 && r->reason.p != NULL)
		PUT_TEXT(out, ",\"reason\":", r->reason);
	if ((select & RESULT_FINAL_URL) != 0 && r->final_url.p != NULL) {
		PUT_LIT(out, ",\"final_url\":");
		result_add_url(out, r->final_url);
	}
	if ((select & RESULT_HEADERS) != 0 && (r->has_headers || r->n_header != 0))
		add_headers(out, r);
	if ((select & RESULT_SIZE) != 0 && r->size >= 0) {
		PUT_LIT(out, ",\"size\":");
		put_i64(out, r->size);
	}
	if ((select & RESULT_BODY) != 0 && r->file.p != NULL) {
		PUT_TEXT(out, ",\"file\":", r->file);
	} else if ((select & RESULT_BODY) != 0 && r->body.p != NULL) {
		PUT_LIT(out, ",");
		result_add_body(out, r->body);
	}
}

static void add_course(struct bytes *out, const struct result_record *r, uint32_t select)
{
	if ((select & RESULT_HISTORY) != 0 && r->attempts > 1 && r->n_history != 0)
		add_history(out, r);
	if ((select & RESULT_ATTEMPTS) != 0 && r->attempts != 0) {
		PUT_LIT(out, ",\"attempts\":");
		bytes_add_u64(out, r->attempts);
	}
	if ((select & RESULT_AT) != 0 && r->at_wall_ns != 0) {
		PUT_LIT(out, ",\"at\":");
		result_add_instant(out, r->at_wall_ns);
	}
	if ((select & RESULT_TIMING) != 0)
		add_timing(out, &r->timing);
}

size_t result_bound(const struct result_record *r)
{
	/* A byte becomes at most six (\u00XX); digits, keys and the rest fit into the sum. */
	size_t text = r->job.n + r->task.n + r->url.n + r->reason.n + r->final_url.n + r->body.n +
		      r->file.n + r->message.n + r->phase.n;
	for (size_t i = 0; i < r->n_header; i++)
		text += r->header[i].name.n + r->header[i].value.n + 2;
	return 768 + 6 * text + r->tag.n + r->value.n + r->error.n + 128 * r->n_history;
}

enum err result_add(struct bytes *out, const struct result_record *r)
{
	uint32_t select = r->select != 0 ? r->select : RESULT_ALL;
	add_identity(out, r, select);
	add_response(out, r, select);
	if ((select & RESULT_VALUE) != 0 && r->value.p != NULL) {
		PUT_LIT(out, ",\"value\":");
		bytes_add_slice(out, r->value);
	}
	if ((select & RESULT_ERROR) != 0 && (r->kind != KIND_NONE || r->error.p != NULL))
		add_error(out, r);
	add_course(out, r, select);
	PUT_LIT(out, "}");
	return out->err;
}
