/*
 * log -- one line per event: `LEVEL event key=value key="quoted value"`.
 *
 * Values are escaped (control bytes, quotes, bytes above 0x7e as \xNN), so that a stranger's text
 * can never start a line. The sink gets whole lines without a newline.
 * Threads: log_emit from any thread if the sink allows it; the given ones do (one write(2) a line).
 */
#pragma once

#include "base/bytes.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log {
	enum log_level level; /* lines above it are not made */
	void *ctx;
	void (*sink)(void *ctx, enum log_level level, const char *line, size_t n);
};

struct log_kv {
	const char *key; /* NULL ends the list */
	struct slice text;
	int64_t number;
	bool is_number;
};

static inline struct log_kv kv_s(const char *key, const char *text)
{
	return (struct log_kv){.key = key, .text = slice_of(text)};
}

static inline struct log_kv kv_t(const char *key, struct slice text)
{
	return (struct log_kv){.key = key, .text = text};
}

static inline struct log_kv kv_i(const char *key, int64_t number)
{
	return (struct log_kv){.key = key, .number = number, .is_number = true};
}

/* A NULL log is silence. Values above 1024 bytes are cut. */
void log_emit(const struct log *l, enum log_level level, const char *event,
	      const struct log_kv *kv);

#define LOG_AT(l, level, event, ...)                                                               \
	log_emit((l), (level), (event), (const struct log_kv[]){__VA_ARGS__, {.key = NULL}})
#define log_error(l, event, ...) LOG_AT(l, LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(l, event, ...)	 LOG_AT(l, LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(l, event, ...)	 LOG_AT(l, LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(l, event, ...) LOG_AT(l, LOG_LEVEL_DEBUG, event, __VA_ARGS__)

/* Sink: stderr, with "<N>" priorities when ctx is not NULL (journald reads them). */
void log_to_stderr(void *ctx, enum log_level level, const char *line, size_t n);
