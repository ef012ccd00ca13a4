/*
 * result -- the one line of JSON that records a finished leaf, and the final record of a job.
 *
 * Keys in the documented order, absent rather than null. Written straight into bytes: no tree is
 * built. Text that is not UTF-8 is read as Latin-1, control characters are escaped, so that a
 * line is always one valid line. Slices with p == NULL are absent. Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"
#include "proto/errors.h"

#include <stdint.h>

struct result_header {
	struct slice name, value;
};

struct result_attempt {
	enum kind kind; /* KIND_NONE: none */
	int status;	/* 0: no response */
	int64_t waited_ms, took_ms;
};

/* Milliseconds; below 0 is absent. */
struct result_timing {
	int64_t wait_ms, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms;
};

#define RESULT_NO_TIMING                                                                           \
	{                                                                                          \
		-1, -1, -1, -1, -1, -1                                                             \
	}

/* Bits of result_record.select, in the order of the line. */
enum result_key {
	RESULT_TAG = 1 << 0,
	RESULT_URL = 1 << 1,
	RESULT_STATUS = 1 << 2,
	RESULT_REASON = 1 << 3,
	RESULT_FINAL_URL = 1 << 4,
	RESULT_HEADERS = 1 << 5,
	RESULT_SIZE = 1 << 6,
	RESULT_BODY = 1 << 7,
	RESULT_VALUE = 1 << 8,
	RESULT_ERROR = 1 << 9,
	RESULT_HISTORY = 1 << 10,
	RESULT_ATTEMPTS = 1 << 11,
	RESULT_AT = 1 << 12,
	RESULT_TIMING = 1 << 13,
	RESULT_ALL = (1 << 14) - 1,
};

struct result_record {
	struct slice job; /* "j7" */
	uint64_t seq;
	uint64_t supersedes; /* 0: absent */
	struct slice task;   /* "0.3" */
	struct slice tag;    /* raw JSON, already checked */
	struct slice url;    /* as given; its password is masked here */
	bool ok;
	int status; /* 0: no response */
	struct slice reason;
	struct slice final_url; /* masked here too */
	const struct result_header *header;
	size_t n_header;
	bool has_headers;   /* writes "headers" even if there are none */
	int64_t size;	    /* decoded bytes; below 0 is absent */
	struct slice body;  /* inline; p == NULL: absent */
	struct slice file;  /* name of a body stored beside the record */
	struct slice value; /* raw JSON, already checked */
	enum kind kind;	    /* KIND_NONE: no error */
	struct slice message, phase;
	struct slice error; /* raw JSON of the whole error (a group) instead of kind and message */
	const struct result_attempt *history;
	size_t n_history;   /* written when attempts > 1 */
	uint32_t attempts;  /* 0: absent */
	int64_t at_wall_ns; /* 0: absent */
	struct result_timing timing;
	uint32_t select; /* of enum result_key; 0 = RESULT_ALL. job, seq, task, ok always */
};

/* Upper bound of bytes a record takes, for reserving room. */
size_t result_bound(const struct result_record *r);
/* Appends the line without a newline. Errors: those of bytes. */
enum err result_add(struct bytes *out, const struct result_record *r);

/* The names of result_key: 0 if there is none of that name. "body" also covers file and base64. */
uint32_t result_key_from_name(struct slice name);

/* The parts, for other writers of JSON: each appends one value. */
/* A string in quotes; what is not UTF-8 is read as Latin-1 as a whole. */
enum err result_add_string(struct bytes *out, struct slice s);
/* A string in quotes with user:password@ as user:***@. */
enum err result_add_url(struct bytes *out, struct slice url);
/* `"body":"..."` or `"body_base64":"..."`, with the key. */
enum err result_add_body(struct bytes *out, struct slice body);
enum err result_add_base64(struct bytes *out, struct slice data);
/* "2026-11-22T13:00:00.123Z" in quotes. */
enum err result_add_instant(struct bytes *out, int64_t wall_ns);
