/*
 * bodyfile -- bodies too large for a row, each in a file of its own: DIR/bodies/XX/ID.
 *
 * Written as a stream to DIR/bodies/tmp, hashed on the way, synced, renamed into place; its row
 * (STORE_BODY_PUT) comes only after that, and the store syncs the directory first. A file without a
 * row is an orphan and swept when the store opens. A failed sync is sticky for the whole store.
 *
 * Threads    bodydir: any. A bodyfile or bodyread: one owner at a time, any thread. All of it but
 *            bodydir_next_id and bodyfile_id blocks for the disk: run it as an offload.
 */
#pragma once

#include "base/bytes.h"
#include "base/fault.h"

struct bodydir;
struct bodyfile;
struct bodyread;
struct failure;

#define BODY_SHA256 32

struct bodydir_options {
	const char *dir;	 /* the state directory; DIR/bodies is made */
	const char *name;	 /* "bodies" */
	bool is_durable;	 /* false: no syncs, all files go when it opens */
	struct failure *failure; /* outlives it; gets the first failed sync */
	struct fault *fault;
};

/* IO, NOMEM. */
enum err bodydir_open(const struct bodydir_options *o, struct bodydir **ret_dir);
void bodydir_close(struct bodydir *d);
/* Ids given from now on are above id. */
void bodydir_start_after(struct bodydir *d, uint64_t id);
/* Makes all files finished so far findable after a crash. IO (sticky). */
enum err bodydir_sync(struct bodydir *d);
/* A missing file is no error. */
enum err bodydir_remove(struct bodydir *d, uint64_t id);
/* Removes every file whose id is_known does not know, and all unfinished ones. *ret_n: how many. */
enum err bodydir_sweep(struct bodydir *d, bool (*is_known)(void *ctx, uint64_t id), void *ctx,
		       uint64_t *ret_n);

/* A new file with a new id. IO, FULL, NOMEM. */
enum err bodyfile_new(struct bodydir *d, struct bodyfile **ret_file);
uint64_t bodyfile_id(const struct bodyfile *f);
/* Bytes appended so far. Does not block. */
uint64_t bodyfile_size(const struct bodyfile *f);
/* Closes its descriptor until the next append or finish. Does not block. */
void bodyfile_park(struct bodyfile *f);
/* IO, FULL: the file is of no use any more. */
enum err bodyfile_append(struct bodyfile *f, const void *p, size_t n);
/* Once, after the last append: synced and in place. IO (sticky if the sync failed), FULL. */
enum err bodyfile_finish(struct bodyfile *f, uint64_t *ret_size, uint8_t ret_sha256[BODY_SHA256]);
/* Unfinished: the file goes too. NULL is ignored. */
void bodyfile_free(struct bodyfile *f);
/* As free, but an unfinished file stays where it is. */
void bodyfile_leave(struct bodyfile *f);

/* Opens a body after reading it through once, if this process has not just written it: CORRUPT if
 * it is missing or size or hash differ. */
enum err bodyread_open(struct bodydir *d, uint64_t id, uint64_t size,
		       const uint8_t sha256[BODY_SHA256], struct bodyread **ret_read);
/* Opens it as it is, neither read nor checked; the caller's to close. CORRUPT (it is missing), IO.
 */
enum err bodyread_file(struct bodydir *d, uint64_t id, int *ret_fd);
/* Up to n bytes from offset; *ret_n 0 at the end. CORRUPT (shorter than it was), IO. */
enum err bodyread_at(struct bodyread *r, uint64_t offset, void *p, size_t n, size_t *ret_n);
void bodyread_close(struct bodyread *r);
