/*
 * resume -- when the beginning of a body may be gone on with, and what a server's answer to that
 * means (RFC 9110 sections 8.8, 13.1.5, 14).
 *
 * Two versions of a body are never joined: a range is asked for only under a strong validator, and
 * an answer that does not fit to the byte is not taken. (curl -C joins whatever comes.)
 *
 * Pure. Threads: none of its own.
 */
#pragma once

#include "base/bytes.h"
#include "model/head.h"

/* What is held of a body, and what its server called that version. */
struct resume_held {
	uint64_t size; /* bytes held; 0: nothing */
	int64_t total; /* of the whole; -1: not known */
	struct slice etag, last_modified;
};

/*
 * Whether a body that begins with this answer to a GET without Range could be gone on with, should
 * it be cut: 200, no content coding, no "Accept-Ranges: none", and a strong entity tag or a date
 * that is strong by 8.8.2.2. Sets total, etag, last_modified (slices of the fields).
 */
bool resume_may(int status, const struct head_field *fields, size_t n, struct resume_held *ret);

/* The value of If-Range. */
struct slice resume_validator(const struct resume_held *held);

enum resume_step {
	RESUME_GOES_ON, /* 206: exactly what is missing, or its beginning */
	RESUME_ANEW,	/* 200: the whole, from its first byte */
	RESUME_WHOLE,	/* 416: what is held is all there is */
	RESUME_MISFIT,	/* a range that does not fit: ask once more, for the whole */
	RESUME_LATER,	/* any other status: what is held stays for the next try */
};

/*
 * *ret_last: with GOES_ON the last byte that is coming; *ret_total: of the whole, or -1.
 */
enum resume_step resume_judge(const struct resume_held *held, int status,
			      const struct head_field *fields, size_t n, uint64_t *ret_last,
			      int64_t *ret_total);

/*
 * "bytes 0-99/1000", "bytes 0-99/" followed by an asterisk, "bytes " asterisk "/1000". INVALID for
 * all else. Without a range *ret_first is above *ret_last; *ret_total -1: not said.
 */
enum err resume_content_range(struct slice text, uint64_t *ret_first, uint64_t *ret_last,
			      int64_t *ret_total);
