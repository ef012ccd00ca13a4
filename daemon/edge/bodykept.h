/*
 * bodykept -- unfinished bodies that a later request, or a later life of the daemon, may go on
 * with: DIR/bodies/kept/JOB-ID, and beside each a text JOB-ID.about that says what it is the
 * beginning of.
 *
 * Nothing here is synced: a kept body outlives the daemon, not the machine, which is why the text
 * names the boot it was written in. When it is finished it becomes a body like the others.
 *
 * Threads    bodykept_load and bodykept_sweep: while nobody writes. The rest: as bodyfile.
 */
#pragma once

#include "edge/bodyfile.h"

/* Whose it is, and of what; the texts hold no line ends. */
struct bodyabout {
	uint64_t job;
	uint64_t boot; /* of the machine */
	int64_t total; /* bytes of the whole; -1: not known */
	struct slice path, url, etag, last_modified;
};

/* A new file that may be gone on with. IO, FULL, NOMEM. */
enum err bodykept_new(struct bodydir *d, const struct bodyabout *about, struct bodyfile **ret_file);
/*
 * Goes on with one that an earlier life left, after reading it through. CORRUPT: it has not that
 * size; IO, NOMEM. In any error it is gone.
 */
enum err bodykept_reopen(struct bodydir *d, uint64_t job, uint64_t id, uint64_t size,
			 struct bodyfile **ret_file);
/* Blocks for the disk. A missing one is no error. */
void bodykept_remove(struct bodydir *d, uint64_t job, uint64_t id);

typedef void (*bodykept_found)(void *ctx, uint64_t id, uint64_t size,
			       const struct bodyabout *about);
/* Tells of each that is there and was written in this boot; what is broken or older is removed. */
enum err bodykept_load(struct bodydir *d, uint64_t boot, bodykept_found found, void *ctx);
/* Removes those whose job is_open does not know. *ret_n: how many files. */
enum err bodykept_sweep(struct bodydir *d, bool (*is_open)(void *ctx, uint64_t job), void *ctx,
			uint64_t *ret_n);
