#include "base/log.h"

#include <unistd.h>

#define LOG_VALUE_MAX 1024
#define LOG_LINE_MAX  16384

static bool needs_quotes(struct slice s)
{
	if (s.n == 0)
		return true;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c > 0x7e)
			return true;
	}
	return false;
}

static void add_quoted(struct bytes *b, struct slice s)
{
	static const char hex[] = "0123456789abcdef";
	bytes_add_byte(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\') {
			bytes_add(b, (char[]){'\\', (char)c}, 2);
		} else if (c < ' ' || c > 0x7e) {
			bytes_add(b, (char[]){'\\', 'x', hex[c >> 4], hex[c & 15]}, 4);
		} else {
			bytes_add_byte(b, (char)c);
		}
	}
	bytes_add_byte(b, '"');
}

static void add_value(struct bytes *b, const struct log_kv *kv)
{
	if (kv->is_number) {
		bytes_add_i64(b, kv->number);
		return;
	}
	struct slice s = kv->text;
	if (s.n > LOG_VALUE_MAX)
		s.n = LOG_VALUE_MAX;
	if (needs_quotes(s))
		add_quoted(b, s);
	else
		bytes_add_slice(b, s);
}

void log_emit(const struct log *l, enum log_level level, const char *event, const struct log_kv *kv)
{
	static const char *const name[] = {"error", "warn", "info", "debug"};
	if (l == NULL || level > l->level)
		return;
	struct bytes b = BYTES_LIMIT(LOG_LINE_MAX);
	bytes_add_str(&b, name[level]);
	bytes_add_byte(&b, ' ');
	bytes_add_str(&b, event);
	for (; kv->key != NULL; kv++) {
		bytes_add_byte(&b, ' ');
		bytes_add_str(&b, kv->key);
		bytes_add_byte(&b, '=');
		add_value(&b, kv);
	}
	l->sink(l->ctx, level, b.p, b.n);
	bytes_fini(&b);
}

void log_to_stderr(void *ctx, enum log_level level, const char *line, size_t n)
{
	static const char *const priority[] = {"<3>", "<4>", "<6>", "<7>"};
	struct bytes b = BYTES_LIMIT(LOG_LINE_MAX + 8);
	if (ctx != NULL)
		bytes_add_str(&b, priority[level]);
	bytes_add(&b, line, n);
	bytes_add_byte(&b, '\n');
	for (size_t at = 0; at < b.n;) {
		ssize_t put = write(STDERR_FILENO, b.p + at, b.n - at);
		if (put <= 0)
			break; /* nowhere to complain to */
		at += (size_t)put;
	}
	bytes_fini(&b);
}
