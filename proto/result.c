/*
 * result -- writes records. Plain text is copied in runs that are found eight bytes at a time; a
 * key and what stands before it is one literal.
 */
#include "proto/result.h"

#include "proto/utf8.h"

#include <string.h>
#include <time.h>

static const char hex_digit[] = "0123456789abcdef";

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

enum err result_add_string(struct bytes *out, struct slice s)
{
	bytes_add_byte(out, '"');
	if (utf8_valid(s)) {
		add_escaped(out, s);
	} else {
		struct bytes wide = {.limit = 0};
		utf8_add_latin1(&wide, s);
		if (wide.err != ERR_OK && out->err == ERR_OK)
			out->err = wide.err;
		add_escaped(out, bytes_slice(&wide));
		bytes_fini(&wide);
	}
	return bytes_add_byte(out, '"');
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

enum err result_add_instant(struct bytes *out, int64_t wall_ns)
{
	int64_t ms = wall_ns / 1000000;
	time_t s = (time_t)(ms / 1000);
	int milli = (int)(ms % 1000);
	struct tm tm;
	if (milli < 0) {
		milli += 1000;
		s--;
	}
	char text[64];
	gmtime_r(&s, &tm);
	size_t n = strftime(text, sizeof(text), "\"%Y-%m-%dT%H:%M:%S.", &tm);
	text[n++] = (char)('0' + milli / 100);
	text[n++] = (char)('0' + milli / 10 % 10);
	text[n++] = (char)('0' + milli % 10);
	text[n++] = 'Z';
	text[n++] = '"';
	return bytes_add(out, text, n);
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

#define ADD_LIT(out, s) bytes_add((out), (s), sizeof(s) - 1)

static void add_text(struct bytes *out, const char *key, struct slice s)
{
	bytes_add_str(out, key);
	result_add_string(out, s);
}

static void add_headers(struct bytes *out, const struct result_record *r)
{
	ADD_LIT(out, ",\"headers\":[");
	for (size_t i = 0; i < r->n_header; i++) {
		bytes_add_str(out, i == 0 ? "[" : ",[");
		result_add_string(out, r->header[i].name);
		bytes_add_byte(out, ',');
		result_add_string(out, r->header[i].value);
		bytes_add_byte(out, ']');
	}
	bytes_add_byte(out, ']');
}

static void add_error(struct bytes *out, const struct result_record *r)
{
	ADD_LIT(out, ",\"error\":");
	if (r->error.p != NULL) {
		bytes_add_slice(out, r->error);
		return;
	}
	add_text(out, "{\"kind\":", slice_of(kind_name(r->kind)));
	if (r->message.p != NULL)
		add_text(out, ",\"message\":", r->message);
	if (r->phase.p != NULL)
		add_text(out, ",\"phase\":", r->phase);
	bytes_add_byte(out, '}');
}

static void add_history(struct bytes *out, const struct result_record *r)
{
	ADD_LIT(out, ",\"history\":[");
	for (size_t i = 0; i < r->n_history; i++) {
		const struct result_attempt *a = &r->history[i];
		bytes_add_str(out, i == 0 ? "{" : ",{");
		if (a->kind != KIND_NONE) {
			add_text(out, "\"kind\":", slice_of(kind_name(a->kind)));
			bytes_add_byte(out, ',');
		}
		if (a->status != 0) {
			ADD_LIT(out, "\"status\":");
			bytes_add_i64(out, a->status);
			bytes_add_byte(out, ',');
		}
		ADD_LIT(out, "\"waited_ms\":");
		bytes_add_i64(out, a->waited_ms);
		ADD_LIT(out, ",\"took_ms\":");
		bytes_add_i64(out, a->took_ms);
		bytes_add_byte(out, '}');
	}
	bytes_add_byte(out, ']');
}

static void add_timing(struct bytes *out, const struct result_timing *t)
{
	const struct {
		const char *key;
		int64_t ms;
	} row[] = {
		{"\"wait_ms\":", t->wait_ms},
		{"\"dns_ms\":", t->dns_ms},
		{"\"connect_ms\":", t->connect_ms},
		{"\"tls_ms\":", t->tls_ms},
		{"\"first_byte_ms\":", t->first_byte_ms},
		{"\"total_ms\":", t->total_ms},
	};
	bool is_open = false;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		if (row[i].ms < 0)
			continue;
		bytes_add_str(out, is_open ? "," : ",\"timing\":{");
		bytes_add_str(out, row[i].key);
		bytes_add_i64(out, row[i].ms);
		is_open = true;
	}
	if (is_open)
		bytes_add_byte(out, '}');
}

static void add_identity(struct bytes *out, const struct result_record *r, uint32_t select)
{
	add_text(out, "{\"job\":", r->job);
	ADD_LIT(out, ",\"seq\":");
	bytes_add_u64(out, r->seq);
	if (r->supersedes != 0) {
		ADD_LIT(out, ",\"supersedes\":");
		bytes_add_u64(out, r->supersedes);
	}
	add_text(out, ",\"task\":", r->task);
	if ((select & RESULT_TAG) != 0 && r->tag.p != NULL) {
		ADD_LIT(out, ",\"tag\":");
		bytes_add_slice(out, r->tag);
	}
	if ((select & RESULT_URL) != 0 && r->url.p != NULL) {
		ADD_LIT(out, ",\"url\":");
		result_add_url(out, r->url);
	}
	bytes_add_str(out, r->ok ? ",\"ok\":true" : ",\"ok\":false");
}

static void add_response(struct bytes *out, const struct result_record *r, uint32_t select)
{
	if ((select & RESULT_STATUS) != 0 && r->status != 0) {
		ADD_LIT(out, ",\"status\":");
		bytes_add_i64(out, r->status);
	}
	if ((select & RESULT_REASON) != 0 && r->reason.p != NULL)
		add_text(out, ",\"reason\":", r->reason);
	if ((select & RESULT_FINAL_URL) != 0 && r->final_url.p != NULL) {
		ADD_LIT(out, ",\"final_url\":");
		result_add_url(out, r->final_url);
	}
	if ((select & RESULT_HEADERS) != 0 && (r->has_headers || r->n_header != 0))
		add_headers(out, r);
	if ((select & RESULT_SIZE) != 0 && r->size >= 0) {
		ADD_LIT(out, ",\"size\":");
		bytes_add_i64(out, r->size);
	}
	if ((select & RESULT_BODY) != 0 && r->file.p != NULL) {
		add_text(out, ",\"file\":", r->file);
	} else if ((select & RESULT_BODY) != 0 && r->body.p != NULL) {
		bytes_add_byte(out, ',');
		result_add_body(out, r->body);
	}
}

static void add_course(struct bytes *out, const struct result_record *r, uint32_t select)
{
	if ((select & RESULT_HISTORY) != 0 && r->attempts > 1 && r->n_history != 0)
		add_history(out, r);
	if ((select & RESULT_ATTEMPTS) != 0 && r->attempts != 0) {
		ADD_LIT(out, ",\"attempts\":");
		bytes_add_u64(out, r->attempts);
	}
	if ((select & RESULT_AT) != 0 && r->at_wall_ns != 0) {
		ADD_LIT(out, ",\"at\":");
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
		ADD_LIT(out, ",\"value\":");
		bytes_add_slice(out, r->value);
	}
	if ((select & RESULT_ERROR) != 0 && (r->kind != KIND_NONE || r->error.p != NULL))
		add_error(out, r);
	add_course(out, r, select);
	return bytes_add_byte(out, '}');
}
