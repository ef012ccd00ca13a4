/*
 * uploads -- bytes a client brought for the requests of its job: DIR/uploads/JOB/NAME.
 *
 * A client writes one piece after the other; a file is complete once its end was written, synced
 * and renamed, and only then can it be read. All of a job's files go when the job ends; what a
 * crash left behind of jobs that are over goes when the daemon starts.
 *
 * Bounds     UPLOADS_MAX_FILES files; max_bytes of all of them; writing stops with FULL while the
 *            disk has less than UPLOADS_KEEP_FREE.
 * Threads    any; two writers of one file must not overlap. All of it but uploads_is_empty,
 *            uploadread_new, _add_text, _add_file and _size blocks for the disk: run it as an
 *            offload.
 */
#pragma once

#include "base/bytes.h"

struct uploads;
struct uploadread;

#define UPLOADS_MAX_FILES 100000
#define UPLOADS_KEEP_FREE (64ull << 20)
#define UPLOAD_NAME_MAX	  200

struct upload_of {
	uint64_t job;
	bool is_volatile;
};

struct upload_piece {
	struct upload_of of;
	struct slice name; /* a token (RFC 9110 5.6.2) of at most UPLOAD_NAME_MAX bytes */
	uint64_t offset;
	struct slice data;
	bool is_end;
};

/* dir: the state directory. max_bytes 0: no limit but the disk's. IO, NOMEM. */
enum err uploads_open(const char *dir, uint64_t max_bytes, struct uploads **ret);
/* NULL is allowed. */
void uploads_close(struct uploads *u);
/* Removes what belongs to no job that is_open knows, and counts the rest. To be called once, before
 * anything else. IO. */
enum err uploads_sweep(struct uploads *u, bool (*is_open)(void *ctx, const struct upload_of *of),
		       void *ctx);
/* There is nothing of any job. */
bool uploads_is_empty(const struct uploads *u);

/*
 * Writes what is not there yet and says where to go on: a piece sent twice is no error, and a
 * complete file stays as it is. CONFLICT: offset is beyond *ret_next; INVALID: no name; FULL; IO.
 */
enum err uploads_write(struct uploads *u, const struct upload_piece *p, uint64_t *ret_next);
/* Removes all files of a job. */
void uploads_forget(struct uploads *u, const struct upload_of *of);

/* Texts and files of one job, to be read as one. u NULL: there are no files. NULL: no memory. */
struct uploadread *uploadread_new(struct uploads *u, const struct upload_of *of);
void uploadread_free(void *r);
/* Copies. NOMEM; it sticks until open. */
enum err uploadread_add_text(struct uploadread *r, struct slice text);
enum err uploadread_add_file(struct uploadread *r, struct slice name);
/* Finds all files. NOT_FOUND: uploadread_missing has no complete file. NOMEM, IO. The result is
 * kept for uploadread_opened. */
enum err uploadread_open(struct uploadread *r);
enum err uploadread_opened(const struct uploadread *r);
struct slice uploadread_missing(const struct uploadread *r);
/* Of all of it, once it is open. */
uint64_t uploadread_size(const struct uploadread *r);
/* The next bytes, at most cap; *ret_n 0 at the end. IO, NOT_FOUND, CORRUPT (a file has shrunk). */
enum err uploadread_next(struct uploadread *r, char *buf, size_t cap, size_t *ret_n);
