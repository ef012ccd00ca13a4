/*
 * bodyfile -- see bodyfile.h.
 */
#include "edge/bodyfile_state.h"

#include "base/check.h"
#include "edge/bodyfresh.h"
#include "edge/failure.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TMP	   "tmp"
#define READ_SIZE  (128u << 10)
#define FLUSH_SIZE (8u << 20)

struct bodyread {
	int fd;
	uint64_t size;
};

enum err bodyfile_io_err(int no)
{
	return no == ENOSPC || no == EDQUOT ? ERR_FULL : no == ENOMEM ? ERR_NOMEM : ERR_IO;
}

static void tmp_name(const struct bodyfile *f, char name[BODY_NAME])
{
	if (f->kept_job != 0)
		bodykept_name(f->kept_job, f->id, name);
	else
		snprintf(name, BODY_NAME, TMP "/%llu", (unsigned long long)f->id);
}

static void final_name(uint64_t id, char name[BODY_NAME])
{
	snprintf(name, BODY_NAME, "%02x/%llu", (unsigned)(id % BODY_FANOUT),
		 (unsigned long long)id);
}

/* ---- the directory ---- */

static enum err dir_make(int at, const char *name)
{
	return mkdirat(at, name, 0700) == 0 || errno == EEXIST ? ERR_OK : bodyfile_io_err(errno);
}

static enum err dir_sync(struct bodydir *d, const char *name)
{
	int fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);
	int no = errno;

	if (fd >= 0)
		close(fd);
	if (rc == 0)
		return ERR_OK;
	return failure_set(d->failure, ERR_IO, "bodies: sync of a directory failed", strerror(no));
}

static enum err tree_make(struct bodydir *d)
{
	enum err e = dir_make(d->fd, TMP);

	if (e == ERR_OK)
		e = dir_make(d->fd, BODY_KEPT);
	for (unsigned i = 0; e == ERR_OK && i < BODY_FANOUT; i++) {
		char name[BODY_NAME];
		snprintf(name, sizeof(name), "%02x", i);
		e = dir_make(d->fd, name);
	}
	return e == ERR_OK && d->is_durable ? dir_sync(d, ".") : e;
}

static bool knows_none(void *ctx, uint64_t id)
{
	(void)ctx;
	(void)id;
	return false;
}

enum err bodydir_open(const struct bodydir_options *o, struct bodydir **ret_dir)
{
	struct bodydir *d = calloc(1, sizeof(*d));
	int at = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum err e = d == NULL ? ERR_NOMEM : at < 0 ? ERR_IO : dir_make(at, o->name);
	uint64_t n;

	if (e != ERR_OK)
		goto out;
	bodyfresh_init(&d->fresh);
	d->is_durable = o->is_durable;
	d->failure = o->failure;
	d->fault = o->fault;
	d->fd = openat(at, o->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0) {
		e = ERR_IO;
		goto out;
	}
	e = tree_make(d);
	if (e == ERR_OK && !d->is_durable)
		e = bodydir_sweep(d, knows_none, NULL, &n);
	if (e == ERR_OK && !d->is_durable)
		e = bodykept_sweep(d, knows_none, NULL, &n);
	if (e != ERR_OK) {
		bodydir_close(d);
		d = NULL;
		goto out;
	}
	*ret_dir = d;
	d = NULL;
out:
	if (at >= 0)
		close(at);
	free(d);
	return e;
}

void bodydir_close(struct bodydir *d)
{
	if (d == NULL)
		return;
	close(d->fd);
	bodyfresh_fini(&d->fresh);
	free(d);
}

uint64_t bodydir_next_id(struct bodydir *d)
{
	return atomic_fetch_add(&d->last_id, 1) + 1;
}

void bodydir_start_after(struct bodydir *d, uint64_t id)
{
	if (atomic_load(&d->last_id) < id)
		atomic_store(&d->last_id, id);
}

enum err bodydir_sync(struct bodydir *d)
{
	if (!d->is_durable)
		return ERR_OK;
	for (unsigned i = 0; i < BODY_FANOUT; i++) {
		char name[BODY_NAME];
		if (atomic_exchange(&d->dirty[i], 0) == 0)
			continue;
		snprintf(name, sizeof(name), "%02x", i);
		if (dir_sync(d, name) != ERR_OK)
			return ERR_IO;
	}
	return ERR_OK;
}

enum err bodydir_remove(struct bodydir *d, uint64_t id)
{
	char name[BODY_NAME];

	final_name(id, name);
	return unlinkat(d->fd, name, 0) == 0 || errno == ENOENT ? ERR_OK : bodyfile_io_err(errno);
}

/* One directory of the tree; is_known NULL: nothing in it is. */
static enum err dir_sweep(struct bodydir *d, const char *name,
			  bool (*is_known)(void *ctx, uint64_t id), void *ctx, uint64_t *n)
{
	int fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	while ((ent = readdir(dir)) != NULL) {
		uint64_t id;
		if (ent->d_name[0] == '.')
			continue;
		id = strtoull(ent->d_name, NULL, 10);
		bodydir_start_after(d, id);
		if (is_known != NULL && is_known(ctx, id))
			continue;
		if (unlinkat(fd, ent->d_name, 0) == 0)
			++*n;
	}
	closedir(dir);
	return ERR_OK;
}

enum err bodydir_sweep(struct bodydir *d, bool (*is_known)(void *ctx, uint64_t id), void *ctx,
		       uint64_t *ret_n)
{
	enum err e;
	uint64_t n = 0;

	e = dir_sweep(d, TMP, NULL, NULL, &n);
	for (unsigned i = 0; e == ERR_OK && i < BODY_FANOUT; i++) {
		char name[BODY_NAME];
		snprintf(name, sizeof(name), "%02x", i);
		e = dir_sweep(d, name, is_known, ctx, &n);
	}
	if (e == ERR_OK)
		*ret_n = n;
	return e;
}

/* ---- writing ---- */

enum err bodyfile_make(struct bodydir *d, uint64_t id, uint64_t kept_job, int flags,
		       struct bodyfile **ret_file)
{
	struct bodyfile *f = calloc(1, sizeof(*f));
	char name[BODY_NAME];
	enum err e = ERR_NOMEM;

	if (f == NULL)
		return ERR_NOMEM;
	f->dir = d;
	f->fd = -1;
	f->id = id;
	f->kept_job = kept_job;
	f->md = EVP_MD_CTX_new();
	if (f->md == NULL || EVP_DigestInit_ex(f->md, EVP_sha256(), NULL) != 1)
		goto fail;
	tmp_name(f, name);
	f->fd = openat(d->fd, name, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd < 0) {
		e = bodyfile_io_err(errno);
		goto fail;
	}
	*ret_file = f;
	return ERR_OK;
fail:
	EVP_MD_CTX_free(f->md);
	free(f);
	return e;
}

enum err bodyfile_new(struct bodydir *d, struct bodyfile **ret_file)
{
	return bodyfile_make(d, bodydir_next_id(d), 0, O_WRONLY | O_CREAT | O_EXCL, ret_file);
}

void bodyfile_park(struct bodyfile *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

/* Goes on where it was parked. */
static enum err unpark(struct bodyfile *f)
{
	char name[BODY_NAME];

	if (f->fd >= 0)
		return ERR_OK;
	tmp_name(f, name);
	f->fd = openat(f->dir->fd, name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	return f->fd >= 0 ? ERR_OK : bodyfile_io_err(errno);
}

uint64_t bodyfile_id(const struct bodyfile *f)
{
	return f->id;
}

uint64_t bodyfile_size(const struct bodyfile *f)
{
	return f->size;
}

/* So that the sync in the end has little left to wait for. What fails here fails there again. */
static void begin_flush(struct bodyfile *f)
{
	if (!f->dir->is_durable || f->size - f->flushed < FLUSH_SIZE)
		return;
	(void)sync_file_range(f->fd, (off_t)f->flushed, (off_t)(f->size - f->flushed),
			      SYNC_FILE_RANGE_WRITE);
	f->flushed = f->size;
}

enum err bodyfile_append(struct bodyfile *f, const void *p, size_t n)
{
	const char *at = p;

	CHECK(!f->is_finished);
	if (unpark(f) != ERR_OK)
		return ERR_IO;
	if (EVP_DigestUpdate(f->md, p, n) != 1)
		return ERR_NOMEM;
	f->size += n;
	while (n > 0) {
		ssize_t w = write(f->fd, at, n);
		if (w < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (w < 0)
			return bodyfile_io_err(errno);
		at += w;
		n -= (size_t)w;
	}
	begin_flush(f);
	FAULT(f->dir->fault, mid_body_file);
	return ERR_OK;
}

static enum err file_sync(struct bodyfile *f)
{
	int rc;

	if (!f->dir->is_durable)
		return ERR_OK;
	do {
		rc = fdatasync(f->fd);
	} while (rc != 0 && errno == EINTR);
	if (rc == 0)
		return ERR_OK;
	return failure_set(f->dir->failure, ERR_IO, "bodies: sync of a file failed",
			   strerror(errno));
}

enum err bodyfile_finish(struct bodyfile *f, uint64_t *ret_size, uint8_t ret_sha256[BODY_SHA256])
{
	char tmp[BODY_NAME], name[BODY_NAME];
	uint8_t sha256[BODY_SHA256];
	enum err e;

	CHECK(!f->is_finished);
	if (EVP_DigestFinal_ex(f->md, sha256, NULL) != 1)
		return ERR_NOMEM;
	e = unpark(f);
	if (e == ERR_OK)
		e = file_sync(f);
	if (e != ERR_OK)
		return e;
	tmp_name(f, tmp);
	final_name(f->id, name);
	if (renameat(f->dir->fd, tmp, f->dir->fd, name) != 0)
		return bodyfile_io_err(errno);
	f->is_finished = true;
	if (f->kept_job != 0)
		bodykept_forget_about(f);
	bodyfresh_add(&f->dir->fresh, f->id, f->fd);
	atomic_store(&f->dir->dirty[f->id % BODY_FANOUT], 1);
	FAULT(f->dir->fault, after_body_file_before_row);
	*ret_size = f->size;
	memcpy(ret_sha256, sha256, BODY_SHA256);
	return ERR_OK;
}

void bodyfile_leave(struct bodyfile *f)
{
	if (f == NULL)
		return;
	bodyfile_park(f);
	EVP_MD_CTX_free(f->md);
	free(f);
}

void bodyfile_free(struct bodyfile *f)
{
	char name[BODY_NAME];

	if (f == NULL)
		return;
	tmp_name(f, name);
	if (!f->is_finished) {
		unlinkat(f->dir->fd, name, 0);
		if (f->kept_job != 0)
			bodykept_forget_about(f);
	}
	bodyfile_leave(f);
}

/* ---- reading ---- */

static enum err hash_file(int fd, EVP_MD_CTX *md, char *buf, uint64_t *ret_size)
{
	uint64_t size = 0;

	for (;;) {
		ssize_t n = pread(fd, buf, READ_SIZE, (off_t)size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EIO ? ERR_CORRUPT : bodyfile_io_err(errno);
		if (n == 0)
			break;
		if (EVP_DigestUpdate(md, buf, (size_t)n) != 1)
			return ERR_NOMEM;
		size += (uint64_t)n;
	}
	*ret_size = size;
	return ERR_OK;
}

static enum err verify(int fd, uint64_t size, const uint8_t sha256[BODY_SHA256])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	char *buf = malloc(READ_SIZE);
	uint8_t found[BODY_SHA256];
	uint64_t found_size = 0;
	enum err e = ERR_NOMEM;

	if (md == NULL || buf == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		goto out;
	e = hash_file(fd, md, buf, &found_size);
	if (e != ERR_OK)
		goto out;
	e = ERR_NOMEM;
	if (EVP_DigestFinal_ex(md, found, NULL) != 1)
		goto out;
	e = found_size == size && memcmp(found, sha256, BODY_SHA256) == 0 ? ERR_OK : ERR_CORRUPT;
out:
	free(buf);
	EVP_MD_CTX_free(md);
	return e;
}

enum err bodyread_file(struct bodydir *d, uint64_t id, int *ret_fd)
{
	char name[BODY_NAME];

	final_name(id, name);
	int fd = openat(d->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? ERR_CORRUPT : bodyfile_io_err(errno);
	*ret_fd = fd;
	return ERR_OK;
}

enum err bodyread_open(struct bodydir *d, uint64_t id, uint64_t size,
		       const uint8_t sha256[BODY_SHA256], struct bodyread **ret_read)
{
	struct bodyread *r;
	int fd;
	enum err e = bodyread_file(d, id, &fd);

	if (e != ERR_OK)
		return e;
	e = bodyfresh_has(&d->fresh, id, fd, size) ? ERR_OK : verify(fd, size, sha256);
	r = e == ERR_OK ? malloc(sizeof(*r)) : NULL;
	if (r == NULL) {
		close(fd);
		return e == ERR_OK ? ERR_NOMEM : e;
	}
	*r = (struct bodyread){.fd = fd, .size = size};
	*ret_read = r;
	return ERR_OK;
}

enum err bodyread_at(struct bodyread *r, uint64_t offset, void *p, size_t n, size_t *ret_n)
{
	size_t got = 0;

	if (offset >= r->size)
		n = 0;
	else if (n > r->size - offset)
		n = (size_t)(r->size - offset);
	while (got < n) {
		ssize_t k = pread(r->fd, (char *)p + got, n - got, (off_t)(offset + got));
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return bodyfile_io_err(errno);
		if (k == 0)
			return ERR_CORRUPT;
		got += (size_t)k;
	}
	*ret_n = got;
	return ERR_OK;
}

void bodyread_close(struct bodyread *r)
{
	if (r == NULL)
		return;
	close(r->fd);
	free(r);
}
