/*
 * bodykept -- see bodykept.h.
 */
#include "edge/bodyfile_state.h"

#include "base/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ABOUT	    ".about"
#define ABOUT_BYTES (64u << 10)
#define READ_SIZE   (128u << 10)

void bodykept_name(uint64_t job, uint64_t id, char name[BODY_NAME])
{
	snprintf(name, BODY_NAME, BODY_KEPT "/%llu-%llu", (unsigned long long)job,
		 (unsigned long long)id);
}

static void about_name(uint64_t job, uint64_t id, char name[BODY_NAME])
{
	bodykept_name(job, id, name);
	memcpy(name + strlen(name), ABOUT, sizeof(ABOUT));
}

void bodykept_forget_about(const struct bodyfile *f)
{
	char name[BODY_NAME];

	about_name(f->kept_job, f->id, name);
	unlinkat(f->dir->fd, name, 0);
}

void bodykept_remove(struct bodydir *d, uint64_t job, uint64_t id)
{
	char name[BODY_NAME];

	bodykept_name(job, id, name);
	unlinkat(d->fd, name, 0);
	about_name(job, id, name);
	unlinkat(d->fd, name, 0);
}

/* ---- writing ---- */

static bool is_line(struct slice s)
{
	return s.n == 0 || memchr(s.p, '\n', s.n) == NULL;
}

/* Whole or not at all: what is cut short is not read again, its last line is missing. */
static enum err write_about(struct bodydir *d, const struct bodyabout *a, uint64_t id)
{
	struct bytes text = BYTES_LIMIT(ABOUT_BYTES);
	char name[BODY_NAME];

	CHECK(is_line(a->path) && is_line(a->url) && is_line(a->etag) && is_line(a->last_modified));
	bytes_printf(&text, "%llu\n%lld\n%.*s\n%.*s\n%.*s\n%.*s\nend\n",
		     (unsigned long long)a->boot, (long long)a->total, (int)a->path.n, a->path.p,
		     (int)a->url.n, a->url.p, (int)a->etag.n, a->etag.p, (int)a->last_modified.n,
		     a->last_modified.p);
	about_name(a->job, id, name);
	int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && text.err == ERR_OK && write(fd, text.p, text.n) == (ssize_t)text.n;
	enum err e = ok ? ERR_OK : bodyfile_io_err(errno);

	if (fd >= 0)
		close(fd);
	if (!ok)
		unlinkat(d->fd, name, 0);
	bytes_fini(&text);
	return e;
}

enum err bodykept_new(struct bodydir *d, const struct bodyabout *about, struct bodyfile **ret_file)
{
	uint64_t id = bodydir_next_id(d);
	enum err e = write_about(d, about, id);

	CHECK(about->job != 0);
	if (e == ERR_OK)
		e = bodyfile_make(d, id, about->job, O_WRONLY | O_CREAT | O_EXCL, ret_file);
	if (e != ERR_OK)
		bodykept_remove(d, about->job, id);
	return e;
}

/* ---- going on ---- */

static enum err read_through(struct bodyfile *f, uint64_t size)
{
	char *buf = malloc(READ_SIZE);
	ssize_t n = 1;

	if (buf == NULL)
		return ERR_NOMEM;
	while (n > 0) {
		n = pread(f->fd, buf, READ_SIZE, (off_t)f->size);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0 && EVP_DigestUpdate(f->md, buf, (size_t)n) != 1)
			n = -1;
		else if (n > 0)
			f->size += (uint64_t)n;
	}
	free(buf);
	return n < 0 ? ERR_IO : f->size == size ? ERR_OK : ERR_CORRUPT;
}

enum err bodykept_reopen(struct bodydir *d, uint64_t job, uint64_t id, uint64_t size,
			 struct bodyfile **ret_file)
{
	struct bodyfile *f;
	enum err e = bodyfile_make(d, id, job, O_RDWR | O_APPEND, &f);

	if (e != ERR_OK) {
		bodykept_remove(d, job, id);
		return e;
	}
	e = read_through(f, size);
	if (e == ERR_OK)
		*ret_file = f;
	else
		bodyfile_free(f);
	return e;
}

/* ---- at start ---- */

/* "7-31.about" or "7-31". */
static bool parse_name(const char *name, uint64_t *ret_job, uint64_t *ret_id, bool *ret_about)
{
	char *end;

	*ret_job = strtoull(name, &end, 10);
	if (end == name || *end != '-')
		return false;
	*ret_id = strtoull(end + 1, &end, 10);
	*ret_about = strcmp(end, ABOUT) == 0;
	return *end == '\0' || *ret_about;
}

static struct slice next_line(char **at)
{
	char *begin = *at, *end = strchr(begin, '\n');

	if (end == NULL)
		return (struct slice){"", 0};
	*end = '\0';
	*at = end + 1;
	return (struct slice){begin, (size_t)(end - begin)};
}

static bool parse_about(char *text, struct bodyabout *a)
{
	a->boot = strtoull(next_line(&text).p, NULL, 10);
	a->total = strtoll(next_line(&text).p, NULL, 10);
	a->path = next_line(&text);
	a->url = next_line(&text);
	a->etag = next_line(&text);
	a->last_modified = next_line(&text);
	return slice_is(next_line(&text), "end");
}

struct loading {
	struct bodydir *dir;
	uint64_t boot;
	bodykept_found found;
	void *ctx;
	char *text;
};

static bool read_about(struct loading *l, const char *name, struct bodyabout *a)
{
	int fd = openat(l->dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd >= 0 ? read(fd, l->text, ABOUT_BYTES) : -1;

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	l->text[n] = '\0';
	return parse_about(l->text, a) && a->boot == l->boot;
}

static void load_one(struct loading *l, uint64_t job, uint64_t id)
{
	struct bodyabout about = {.job = job};
	char name[BODY_NAME];
	struct stat st;

	bodydir_start_after(l->dir, id);
	about_name(job, id, name);
	bool ok = read_about(l, name, &about);
	bodykept_name(job, id, name);
	if (ok && fstatat(l->dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0)
		l->found(l->ctx, id, (uint64_t)st.st_size, &about);
	else
		bodykept_remove(l->dir, job, id);
}

static enum err each_name(struct bodydir *d, void (*visit)(void *ctx, uint64_t job, uint64_t id),
			  void *ctx)
{
	int fd = openat(d->fd, BODY_KEPT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *ent;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	while ((ent = readdir(dir)) != NULL) {
		uint64_t job, id;
		bool is_about;
		if (ent->d_name[0] != '.' && parse_name(ent->d_name, &job, &id, &is_about))
			visit(ctx, job, id);
	}
	closedir(dir);
	return ERR_OK;
}

struct names {
	uint64_t (*at)[2];
	size_t n, cap;
};

static void add_name(void *ctx, uint64_t job, uint64_t id)
{
	struct names *all = ctx;

	for (size_t i = 0; i < all->n; i++)
		if (all->at[i][0] == job && all->at[i][1] == id)
			return; /* its text, or its body, was there before */
	if (all->n == all->cap) {
		size_t cap = all->cap == 0 ? 64 : all->cap * 2;
		void *grown = realloc(all->at, cap * sizeof(*all->at));
		if (grown == NULL)
			return; /* the next start finds it */
		all->at = grown;
		all->cap = cap;
	}
	all->at[all->n][0] = job;
	all->at[all->n++][1] = id;
}

enum err bodykept_load(struct bodydir *d, uint64_t boot, bodykept_found found, void *ctx)
{
	struct loading l = {.dir = d, .boot = boot, .found = found, .ctx = ctx};
	struct names all = {0};
	enum err e = each_name(d, add_name, &all);

	l.text = malloc(ABOUT_BYTES + 1);
	for (size_t i = 0; l.text != NULL && i < all.n; i++)
		load_one(&l, all.at[i][0], all.at[i][1]);
	if (l.text == NULL)
		e = ERR_NOMEM;
	free(all.at);
	free(l.text);
	return e;
}

enum err bodykept_sweep(struct bodydir *d, bool (*is_open)(void *ctx, uint64_t job), void *ctx,
			uint64_t *ret_n)
{
	struct names all = {0};
	enum err e = each_name(d, add_name, &all);

	for (size_t i = 0; i < all.n; i++) {
		if (is_open(ctx, all.at[i][0]))
			continue;
		bodykept_remove(d, all.at[i][0], all.at[i][1]);
		++*ret_n;
	}
	free(all.at);
	return e;
}
