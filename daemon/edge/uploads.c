#include "edge/uploads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PLACE	 "uploads"
#define DIR_NAME 32
/* A mark before the name, so that no name means something to the file system. */
#define PART	  "p."
#define WHOLE	  "u."
#define FILE_NAME (UPLOAD_NAME_MAX + 3)

struct uploads {
	int fd; /* of DIR/uploads */
	uint64_t max_bytes;
	atomic_uint_fast64_t n_bytes;
	atomic_uint_fast32_t n_files, n_jobs;
};

static enum err io_err(int no)
{
	return no == ENOSPC || no == EDQUOT ? ERR_FULL : no == ENOMEM ? ERR_NOMEM : ERR_IO;
}

static void dir_name(const struct upload_of *of, char name[DIR_NAME])
{
	snprintf(name, DIR_NAME, "%c%llu", of->is_volatile ? 'v' : 'j',
		 (unsigned long long)of->job);
}

static bool file_name(const char *mark, struct slice name, char out[FILE_NAME])
{
	if (name.n == 0 || name.n > UPLOAD_NAME_MAX || memchr(name.p, '/', name.n) != NULL ||
	    memchr(name.p, '\0', name.n) != NULL)
		return false;
	memcpy(out, mark, 2);
	memcpy(out + 2, name.p, name.n);
	out[name.n + 2] = '\0';
	return true;
}

enum err uploads_open(const char *dir, uint64_t max_bytes, struct uploads **ret)
{
	struct uploads *u = calloc(1, sizeof(*u));
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = u == NULL ? ERR_NOMEM : at < 0 ? io_err(errno) : ERR_OK;
	if (e == ERR_OK && mkdirat(at, PLACE, 0700) != 0 && errno != EEXIST)
		e = io_err(errno);
	if (e == ERR_OK) {
		u->max_bytes = max_bytes;
		u->fd = openat(at, PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		e = u->fd < 0 ? io_err(errno) : ERR_OK;
	}
	if (at >= 0)
		close(at);
	if (e != ERR_OK)
		free(u);
	else
		*ret = u;
	return e;
}

void uploads_close(struct uploads *u)
{
	if (u == NULL)
		return;
	close(u->fd);
	free(u);
}

bool uploads_is_empty(const struct uploads *u)
{
	return atomic_load(&u->n_jobs) == 0;
}

/* ---- one job's directory ---- */

static int open_dir(const struct uploads *u, const char *name)
{
	return openat(u->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Of every file in it. Takes fd. */
static enum err each_file(int fd, void (*visit)(struct uploads *u, int at, const char *name),
			  struct uploads *u)
{
	DIR *dir = fdopendir(fd);
	if (dir == NULL) {
		close(fd);
		return ERR_IO;
	}
	for (const struct dirent *d; (d = readdir(dir)) != NULL;)
		if (d->d_name[0] != '.')
			visit(u, fd, d->d_name);
	closedir(dir);
	return ERR_OK;
}

static void count_file(struct uploads *u, int at, const char *name)
{
	struct stat st;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	atomic_fetch_add(&u->n_files, 1);
	atomic_fetch_add(&u->n_bytes, (uint64_t)st.st_size);
}

static void remove_file(struct uploads *u, int at, const char *name)
{
	struct stat st;
	bool is_there = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!is_there || unlinkat(at, name, 0) != 0)
		return;
	atomic_fetch_sub(&u->n_files, 1);
	atomic_fetch_sub(&u->n_bytes, (uint64_t)st.st_size);
}

static void forget(struct uploads *u, const char *name)
{
	int fd = open_dir(u, name);
	if (fd < 0)
		return;
	each_file(fd, remove_file, u);
	if (unlinkat(u->fd, name, AT_REMOVEDIR) == 0)
		atomic_fetch_sub(&u->n_jobs, 1);
}

void uploads_forget(struct uploads *u, const struct upload_of *of)
{
	char name[DIR_NAME];
	dir_name(of, name);
	forget(u, name);
}

enum err uploads_sweep(struct uploads *u, bool (*is_open)(void *ctx, const struct upload_of *of),
		       void *ctx)
{
	int fd = openat(u->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
		struct upload_of of = {.is_volatile = d->d_name[0] == 'v'};
		int job = d->d_name[0] != '.' ? open_dir(u, d->d_name) : -1;
		if (job < 0)
			continue;
		of.job = strtoull(d->d_name + 1, NULL, 10);
		atomic_fetch_add(&u->n_jobs, 1);
		each_file(job, count_file, u);
		if (!is_open(ctx, &of))
			forget(u, d->d_name);
	}
	closedir(dir);
	return ERR_OK;
}

/* ---- writing ---- */

static bool has_room(struct uploads *u, size_t n)
{
	struct statvfs vfs;
	if (u->max_bytes > 0 && atomic_load(&u->n_bytes) + n > u->max_bytes)
		return false;
	return fstatvfs(u->fd, &vfs) != 0 ||
	       (uint64_t)vfs.f_bavail * vfs.f_frsize > UPLOADS_KEEP_FREE + n;
}

static enum err write_all(int fd, struct slice data, uint64_t offset)
{
	for (size_t done = 0; done < data.n;) {
		ssize_t n = pwrite(fd, data.p + done, data.n - done, (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return io_err(errno);
		done += (size_t)n;
	}
	return ERR_OK;
}

static enum err add_piece(struct uploads *u, int fd, const struct upload_piece *p,
			  uint64_t *ret_next)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return ERR_IO;
	uint64_t size = (uint64_t)st.st_size;
	*ret_next = size;
	if (p->offset > size)
		return ERR_CONFLICT;
	size_t known = size - p->offset < p->data.n ? (size_t)(size - p->offset) : p->data.n;
	struct slice fresh = {p->data.n > known ? p->data.p + known : NULL, p->data.n - known};
	if (fresh.n > 0 && !has_room(u, fresh.n))
		return ERR_FULL;
	enum err e = write_all(fd, fresh, size);
	if (e != ERR_OK)
		return e;
	atomic_fetch_add(&u->n_bytes, fresh.n);
	*ret_next = size + fresh.n;
	return ERR_OK;
}

static enum err finish(int dir, int fd, const char *part, const char *whole)
{
	if (fdatasync(fd) != 0 || renameat(dir, part, dir, whole) != 0 || fsync(dir) != 0)
		return io_err(errno);
	return ERR_OK;
}

static int make_dir(struct uploads *u, const struct upload_of *of)
{
	char name[DIR_NAME];
	dir_name(of, name);
	if (mkdirat(u->fd, name, 0700) == 0) {
		atomic_fetch_add(&u->n_jobs, 1);
		fsync(u->fd);
	}
	return open_dir(u, name);
}

static int open_part(struct uploads *u, int dir, const char *name, enum err *e)
{
	int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (atomic_load(&u->n_files) >= UPLOADS_MAX_FILES) {
		*e = ERR_FULL;
		return -1;
	}
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		atomic_fetch_add(&u->n_files, 1);
	else
		*e = io_err(errno);
	return fd;
}

enum err uploads_write(struct uploads *u, const struct upload_piece *p, uint64_t *ret_next)
{
	char part[FILE_NAME], whole[FILE_NAME];
	struct stat st;
	enum err e = ERR_IO;
	if (!file_name(PART, p->name, part) || !file_name(WHOLE, p->name, whole))
		return ERR_INVALID;
	int dir = make_dir(u, &p->of);
	if (dir < 0)
		return io_err(errno);
	if (fstatat(dir, whole, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		*ret_next = (uint64_t)st.st_size;
		close(dir);
		return ERR_OK;
	}
	int fd = open_part(u, dir, part, &e);
	if (fd >= 0) {
		e = add_piece(u, fd, p, ret_next);
		bool is_end = p->is_end && *ret_next == p->offset + p->data.n;
		if (e == ERR_OK && is_end)
			e = finish(dir, fd, part, whole);
		close(fd);
	}
	close(dir);
	return e;
}

/* ---- reading ---- */

struct segment {
	bool is_file;
	size_t at, n;  /* in mem: the text, or the name */
	uint64_t size; /* of what is read */
};

struct uploadread {
	struct uploads *u;
	struct upload_of of;
	struct bytes mem, segments; /* of struct segment */
	size_t n;
	bool has_no_memory;
	enum err opened;
	uint64_t size;
	size_t missing; /* index of a segment */
	/* where it is */
	size_t next;
	uint64_t offset; /* in it */
	int fd;		 /* of it; -1: not open */
};

struct uploadread *uploadread_new(struct uploads *u, const struct upload_of *of)
{
	struct uploadread *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->u = u;
	r->of = *of;
	r->fd = -1;
	r->opened = ERR_STOPPED;
	return r;
}

void uploadread_free(void *read)
{
	struct uploadread *r = read;
	if (r == NULL)
		return;
	if (r->fd >= 0)
		close(r->fd);
	bytes_fini(&r->mem);
	bytes_fini(&r->segments);
	free(r);
}

static struct segment *segment(const struct uploadread *r, size_t i)
{
	return (struct segment *)(void *)r->segments.p + i;
}

static enum err add(struct uploadread *r, bool is_file, struct slice s)
{
	struct segment g = {.is_file = is_file, .at = r->mem.n, .n = s.n, .size = s.n};
	if (bytes_add_slice(&r->mem, s) == ERR_OK &&
	    bytes_add(&r->segments, &g, sizeof(g)) == ERR_OK) {
		r->n++;
		return ERR_OK;
	}
	r->has_no_memory = true;
	return ERR_NOMEM;
}

enum err uploadread_add_text(struct uploadread *r, struct slice text)
{
	return add(r, false, text);
}

enum err uploadread_add_file(struct uploadread *r, struct slice name)
{
	return add(r, true, name);
}

static int open_file(const struct uploadread *r, const struct segment *g)
{
	char dir[DIR_NAME], name[FILE_NAME];
	struct slice s = {r->mem.p + g->at, g->n};
	dir_name(&r->of, dir);
	if (r->u == NULL || !file_name(WHOLE, s, name))
		return -1;
	int at = open_dir(r->u, dir);
	int fd = at >= 0 ? openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (at >= 0)
		close(at);
	return fd;
}

static enum err find_all(struct uploadread *r)
{
	if (r->has_no_memory)
		return ERR_NOMEM;
	r->size = 0;
	for (size_t i = 0; i < r->n; i++) {
		struct segment *g = segment(r, i);
		struct stat st = {.st_size = 0};
		int fd = g->is_file ? open_file(r, g) : -1;
		bool ok = !g->is_file || (fd >= 0 && fstat(fd, &st) == 0);
		if (fd >= 0)
			close(fd);
		r->missing = i;
		if (!ok)
			return ERR_NOT_FOUND;
		if (g->is_file)
			g->size = (uint64_t)st.st_size;
		r->size += g->size;
	}
	return ERR_OK;
}

enum err uploadread_open(struct uploadread *r)
{
	r->opened = find_all(r);
	return r->opened;
}

enum err uploadread_opened(const struct uploadread *r)
{
	return r->opened;
}

struct slice uploadread_missing(const struct uploadread *r)
{
	const struct segment *g = segment(r, r->missing);
	return (struct slice){r->mem.p + g->at, g->n};
}

uint64_t uploadread_size(const struct uploadread *r)
{
	return r->size;
}

static enum err read_file(struct uploadread *r, const struct segment *g, char *buf, size_t n)
{
	if (r->fd < 0)
		r->fd = open_file(r, g);
	if (r->fd < 0)
		return ERR_NOT_FOUND;
	for (size_t got = 0; got < n;) {
		ssize_t k = pread(r->fd, buf + got, n - got, (off_t)(r->offset + got));
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return ERR_IO;
		if (k == 0)
			return ERR_CORRUPT;
		got += (size_t)k;
	}
	return ERR_OK;
}

static void next_segment(struct uploadread *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	r->offset = 0;
	r->next++;
}

enum err uploadread_next(struct uploadread *r, char *buf, size_t cap, size_t *ret_n)
{
	size_t n = 0;
	while (n < cap && r->next < r->n) {
		const struct segment *g = segment(r, r->next);
		uint64_t left = g->size - r->offset;
		size_t take = left < cap - n ? (size_t)left : cap - n;
		enum err e = ERR_OK;
		if (g->is_file)
			e = read_file(r, g, buf + n, take);
		else if (take > 0)
			memcpy(buf + n, r->mem.p + g->at + r->offset, take);
		if (e != ERR_OK)
			return e;
		n += take;
		r->offset += take;
		if (r->offset == g->size)
			next_segment(r);
	}
	*ret_n = n;
	return ERR_OK;
}
