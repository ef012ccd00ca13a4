/*
 * bodies -- see bodies.h. A file is complete under its name or not there at all.
 */
#include "client/bodies.h"

#include "proto/base64.h"
#include "proto/jsonscan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err make_directory(const char *path)
{
	struct bytes part = {.limit = 0};
	enum err e = ERR_OK;
	for (const char *p = path; e == ERR_OK; p++) {
		if ((*p == '/' && p != path) || *p == '\0') {
			bytes_clear(&part);
			bytes_add(&part, path, (size_t)(p - path));
			if (mkdir(bytes_cstr(&part), 0777) != 0 && errno != EEXIST)
				e = ERR_IO;
		}
		if (*p == '\0')
			break;
	}
	int no = errno;
	bytes_fini(&part);
	errno = no;
	return e;
}

enum err bodies_open(struct bodies *b, const char *path, bool is_one_url)
{
	struct stat st;
	size_t n = path != NULL ? strlen(path) : 0;
	*b = (struct bodies){.path = path};
	if (path == NULL)
		return ERR_OK;
	bool is_directory = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	b->is_file = is_one_url && !is_directory && n != 0 && path[n - 1] != '/';
	if (b->is_file || is_directory)
		return ERR_OK;
	if (make_directory(path) != ERR_OK)
		return ERR_IO;
	if (stat(path, &st) != 0)
		return ERR_IO;
	errno = ENOTDIR;
	return S_ISDIR(st.st_mode) ? ERR_OK : ERR_IO;
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

/* What stands behind the last slash of the path. */
static struct slice last_segment(struct slice url)
{
	const char *p = url.n >= 3 ? memmem(url.p, url.n, "//", 2) : NULL;
	const char *end = url.p + url.n, *stop = p != NULL ? p + 2 : url.p, *slash = NULL;
	for (; stop < end && *stop != '?' && *stop != '#'; stop++)
		if (*stop == '/')
			slash = stop;
	if (slash == NULL || slash + 1 == stop)
		return SLICE_LIT("index");
	return (struct slice){slash + 1, (size_t)(stop - slash) - 1};
}

void bodies_add_name(struct bytes *out, struct slice task, struct slice url)
{
	size_t start = out->n;
	if (task.n > 2 && task.p[0] == '0' && task.p[1] == '.')
		task = (struct slice){task.p + 2, task.n - 2};
	struct slice parts[] = {task, SLICE_LIT("-"), last_segment(url)};
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < parts[i].n && out->n - start < BODIES_NAME_MAX; k++)
			bytes_add_byte(out, is_name_byte(parts[i].p[k]) ? parts[i].p[k] : '_');
}

enum status bodies_read(struct session *s, const struct body *b, stored_take take, void *ctx,
			struct stored_failure *why)
{
	struct bytes text = {.limit = 0};
	struct slice plain;
	enum err e = ERR_OK;
	if (b->is_stored)
		return stored_read(s, b->job, b->seq, take, ctx, why);
	if (!b->is_base64)
		e = jsonscan_string(b->raw, &text);
	else if (jsonscan_plain(b->raw, &plain) != ERR_OK)
		e = ERR_INVALID;
	else
		e = base64_decode(plain, &text);
	if (e == ERR_OK)
		take(ctx, bytes_slice(&text));
	else
		stored_fail(why, "local.resource", "the body of result %.*s cannot be read: %s",
			    (int)b->seq.n, b->seq.p, err_text(e));
	bytes_fini(&text);
	return e == ERR_OK ? STATUS_OK : STATUS_FAILED;
}

/* ---- into files ---- */

struct target {
	int fd, error;
};

static bool write_piece(void *ctx, struct slice piece)
{
	struct target *t = ctx;
	t->error = stored_write_all(t->fd, piece) ? 0 : errno;
	return t->error == 0;
}

static enum status cannot(struct stored_failure *why, const char *path, int no)
{
	stored_fail(why, "local.resource", "cannot write %s: %s", path, strerror(no));
	return STATUS_FAILED;
}

static enum status write_inline(struct session *s, const struct body *b, const char *part,
				const char *path, struct stored_failure *why)
{
	struct target t = {.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
	if (t.fd < 0)
		return cannot(why, path, errno);
	enum status status = bodies_read(s, b, write_piece, &t, why);
	if (close(t.fd) != 0 && t.error == 0)
		t.error = errno;
	if (status == STATUS_OK && t.error != 0)
		status = cannot(why, path, t.error);
	if (status != STATUS_OK)
		unlink(part);
	return status;
}

static enum status write_file(struct session *s, const struct body *b,
			      const struct stored_target *to, struct stored_failure *why)
{
	enum status status = b->is_stored ? stored_write(s, b->job, b->seq, to, why)
					  : write_inline(s, b, to->part, to->path, why);
	if (status == STATUS_OK && rename(to->part, to->path) != 0) {
		status = cannot(why, to->path, errno);
		unlink(to->part);
	}
	return status;
}

enum status bodies_write(const struct bodies *where, struct session *s, const struct body *b,
			 struct bytes *ret_path, struct stored_failure *why)
{
	struct bytes part = {.limit = 0};
	bytes_add_str(ret_path, where->path);
	if (!where->is_file) {
		if (where->path[strlen(where->path) - 1] != '/')
			bytes_add_byte(ret_path, '/');
		bodies_add_name(ret_path, b->task, b->url);
	}
	bytes_add_slice(&part, bytes_slice(ret_path));
	bytes_add_str(&part, ".part");
	const struct stored_target to = {.part = bytes_cstr(&part),
					 .path = bytes_cstr(ret_path),
					 .may_link = where->may_link};
	enum status status = write_file(s, b, &to, why);
	bytes_fini(&part);
	return status;
}
