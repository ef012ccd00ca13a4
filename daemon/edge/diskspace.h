/*
 * diskspace -- how full the disk of a directory is, and a reserve for when it is full.
 *
 * Below the low-water mark new work is refused while there is still room to finish the old. A
 * ballast file of allocated bytes is given up when a write fails for lack of space, so that
 * finishing and deleting, which need to write too, still work; it is taken again when there is
 * room.
 *
 * Threads: one at a time. Blocks for the disk.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct diskspace {
	char *ballast_path;
	char *dir;
	uint64_t low_water_bytes, ballast_bytes, total_bytes;
	bool has_ballast;
	bool is_low; /* as diskspace_look saw it */
	void *free_ctx;
	uint64_t (*free_bytes)(void *ctx);
};

struct diskspace_options {
	const char *dir;
	/* Never more than a quarter and a sixteenth of the disk, so that a small one is of use. 0:
	 * the smaller of 64 MiB and an eighth of the disk; of 8 MiB and a sixteenth. */
	uint64_t low_water_bytes, ballast_bytes;
	void *free_ctx;
	uint64_t (*free_bytes)(void *ctx); /* NULL: statvfs */
};

/* Takes the ballast if there is room. NOMEM, IO. */
enum err diskspace_init(struct diskspace *d, const struct diskspace_options *o);
/* Leaves the ballast file where it is. */
void diskspace_fini(struct diskspace *d);
/* Looks at the disk; spare_bytes: what the owner can reuse inside its own files. Sets and returns
 * is_low. Below the mark it becomes true, a quarter above it false again. */
bool diskspace_look(struct diskspace *d, uint64_t spare_bytes);
/* Gives the ballast up; false if there was none. */
bool diskspace_release(struct diskspace *d);
/* Takes the ballast again if it was given up and there is room for it above the mark. */
void diskspace_restore(struct diskspace *d);
