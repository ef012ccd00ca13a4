/*
 * bodies -- see bodies.h. A file is complete under its name or not there at all.
 */
#include "client/bodies.h"

#include "client/say.h"
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

static bool give(bodies_take take, void *ctx, const struct bytes *b)
{
	return take(ctx, bytes_slice(b));
}

/* Decodes one reply of job.body into piece. */
static enum err read_piece(const struct muster_reply *r, struct bytes *piece)
{
	struct slice result = {r->result, r->n_result}, raw, text;
	if (!jsonscan_member(result, "base64", &raw) && !jsonscan_member(result, "data", &raw) &&
	    !jsonscan_member(result, "body_base64", &raw))
		raw = result;
	if (jsonscan_plain(raw, &text) != ERR_OK)
		return ERR_INVALID;
	return base64_decode(text, piece);
}

static enum status read_stored(struct session *s, const struct body *b, bodies_take take, void *ctx)
{
	struct bytes params = {.limit = 0}, piece = {.limit = 0};
	enum status status = STATUS_OK;
	uint64_t offset = 0;
	do {
		struct muster_reply r;
		bytes_clear(&params);
		bytes_clear(&piece);
		bytes_printf(&params,
			     "{\"job\":\"%.*s\",\"seq\":%.*s,\"offset\":%llu,\"length\":%u}",
			     (int)b->job.n, b->job.p, (int)b->seq.n, b->seq.p,
			     (unsigned long long)offset, BODIES_PIECE_BYTES);
		enum muster_status ms =
			session_call(s, "job.body", bytes_cstr(&params), &r, &status);
		if (ms == MUSTER_REFUSED) {
			status = ask_failed(s->m, "job.body", ms, &r);
		} else if (ms == MUSTER_OK && read_piece(&r, &piece) != ERR_OK) {
			say("job.body: the answer makes no sense");
			status = STATUS_NO_DAEMON;
		}
		offset += piece.n;
	} while (status == STATUS_OK && piece.n != 0 && give(take, ctx, &piece));
	bytes_fini(&params);
	bytes_fini(&piece);
	return status;
}

enum status bodies_read(struct session *s, const struct body *b, bodies_take take, void *ctx)
{
	struct bytes text = {.limit = 0};
	struct slice plain;
	enum err e = ERR_OK;
	if (b->is_stored)
		return read_stored(s, b, take, ctx);
	if (!b->is_base64)
		e = jsonscan_string(b->raw, &text);
	else if (jsonscan_plain(b->raw, &plain) != ERR_OK)
		e = ERR_INVALID;
	else
		e = base64_decode(plain, &text);
	if (e == ERR_OK)
		give(take, ctx, &text);
	else
		say("the body of result %.*s cannot be read: %s", (int)b->seq.n, b->seq.p,
		    err_text(e));
	bytes_fini(&text);
	return e == ERR_OK ? STATUS_OK : STATUS_FAILED;
}

struct target {
	int fd;
	int error; /* errno of the first failure */
};

static bool write_piece(void *ctx, struct slice piece)
{
	struct target *t = ctx;
	while (piece.n != 0) {
		ssize_t n = write(t->fd, piece.p, piece.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			t->error = errno;
			return false;
		}
		piece = (struct slice){piece.p + n, piece.n - (size_t)n};
	}
	return true;
}

static enum status fill_file(struct session *s, const struct body *b, const char *part,
			     const char *path)
{
	struct target t = {.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)};
	if (t.fd < 0) {
		say("cannot write %s: %s", part, strerror(errno));
		return STATUS_FAILED;
	}
	enum status status = bodies_read(s, b, write_piece, &t);
	if (close(t.fd) != 0 && t.error == 0)
		t.error = errno;
	if (status == STATUS_OK && t.error == 0 && rename(part, path) != 0)
		t.error = errno;
	if (t.error != 0) {
		say("cannot write %s: %s", path, strerror(t.error));
		status = STATUS_FAILED;
	}
	if (status != STATUS_OK)
		unlink(part);
	return status;
}

enum status bodies_write(const struct bodies *where, struct session *s, const struct body *b,
			 struct bytes *ret_path)
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
	enum status status = fill_file(s, b, bytes_cstr(&part), bytes_cstr(ret_path));
	bytes_fini(&part);
	return status;
}
