/*
 * diskspace -- see diskspace.h.
 */
#include "edge/diskspace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define MIB ((uint64_t)1 << 20)

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static enum err look(const char *dir, uint64_t *ret_total, uint64_t *ret_free)
{
	struct statvfs v;

	if (statvfs(dir, &v) != 0)
		return ERR_IO;
	*ret_total = (uint64_t)v.f_blocks * v.f_frsize;
	*ret_free = (uint64_t)v.f_bavail * v.f_frsize;
	return ERR_OK;
}

static uint64_t free_now(const struct diskspace *d)
{
	uint64_t total, n_free;

	if (d->free_bytes != NULL)
		return d->free_bytes(d->free_ctx);
	return look(d->dir, &total, &n_free) == ERR_OK ? n_free : 0;
}

enum err diskspace_init(struct diskspace *d, const struct diskspace_options *o)
{
	uint64_t n_free;
	struct stat st;

	*d = (struct diskspace){.free_ctx = o->free_ctx, .free_bytes = o->free_bytes};
	if (look(o->dir, &d->total_bytes, &n_free) != ERR_OK)
		return ERR_IO;
	d->low_water_bytes = o->low_water_bytes != 0 ? least(o->low_water_bytes, d->total_bytes / 4)
						     : least(64 * MIB, d->total_bytes / 8);
	d->ballast_bytes =
		least(o->ballast_bytes != 0 ? o->ballast_bytes : 8 * MIB, d->total_bytes / 16);
	d->dir = strdup(o->dir);
	if (d->dir == NULL || asprintf(&d->ballast_path, "%s/ballast", o->dir) < 0) {
		free(d->dir);
		*d = (struct diskspace){0};
		return ERR_NOMEM;
	}
	d->has_ballast = stat(d->ballast_path, &st) == 0 && st.st_blocks > 0 &&
			 (uint64_t)st.st_blocks * 512 >= d->ballast_bytes / 2;
	diskspace_restore(d);
	return ERR_OK;
}

void diskspace_fini(struct diskspace *d)
{
	free(d->dir);
	free(d->ballast_path);
	*d = (struct diskspace){0};
}

bool diskspace_look(struct diskspace *d, uint64_t spare_bytes)
{
	uint64_t n = free_now(d) + spare_bytes;
	uint64_t mark =
		d->is_low ? d->low_water_bytes + d->low_water_bytes / 4 : d->low_water_bytes;

	d->is_low = n < mark;
	return d->is_low;
}

bool diskspace_release(struct diskspace *d)
{
	if (!d->has_ballast)
		return false;
	d->has_ballast = false;
	return unlink(d->ballast_path) == 0;
}

void diskspace_restore(struct diskspace *d)
{
	int fd, rc;

	if (d->has_ballast || d->ballast_bytes == 0 ||
	    free_now(d) < d->low_water_bytes + d->low_water_bytes / 4 + 2 * d->ballast_bytes)
		return;
	fd = open(d->ballast_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	do {
		rc = posix_fallocate(fd, 0, (off_t)d->ballast_bytes);
	} while (rc == EINTR);
	close(fd);
	if (rc == 0)
		d->has_ballast = true;
	else
		unlink(d->ballast_path);
}
