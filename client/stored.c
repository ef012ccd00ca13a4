/*
 * stored -- see stored.h. While the file is copied the daemon reads it through against its hash:
 * the piece asked for at once, of nothing at its end, is answered when that is done.
 */
#include "client/stored.h"

#include "client/say.h"
#include "proto/base64.h"
#include "proto/jsonscan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP_BYTES	 (16u << 20) /* between two looks at the signals */
#define READ_BYTES	 (256u << 10)
#define CHECK_TIMEOUT_MS 600000 /* reading a large file through takes its time */

struct stored {
	struct session *s;
	struct slice job, seq;
	struct stored_failure *why;
	struct bytes params, piece;
	uint64_t size, offset; /* offset: of the next piece */
	int fd;		       /* -1: it comes in pieces */
	uint32_t check_id;     /* outstanding; 0: none */
	unsigned generation;   /* of the connection it was sent on */
};

void stored_fail(struct stored_failure *why, const char *kind, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(why->kind, sizeof(why->kind), "%s", kind);
	bytes_clear(&why->message);
	bytes_add_str(&why->message, text);
}

static void put_params(struct stored *st, uint64_t offset, unsigned length, const char *more)
{
	bytes_clear(&st->params);
	bytes_printf(&st->params, "{\"job\":\"%.*s\",\"seq\":%.*s,\"offset\":%llu,\"length\":%u%s}",
		     (int)st->job.n, st->job.p, (int)st->seq.n, st->seq.p,
		     (unsigned long long)offset, length, more);
}

static enum status refused(struct stored *st, const struct muster_reply *r)
{
	stored_fail(st->why, r->kind, "result %.*s: %s", (int)st->seq.n, st->seq.p, r->message);
	return STATUS_FAILED;
}

static enum status take_piece(struct stored *st, struct slice result)
{
	struct slice raw, text;
	bytes_clear(&st->piece);
	if (jsonscan_member(result, "base64", &raw) && jsonscan_plain(raw, &text) == ERR_OK &&
	    base64_decode(text, &st->piece) == ERR_OK) {
		st->offset += st->piece.n;
		return STATUS_OK;
	}
	say("job.body: the answer makes no sense");
	return STATUS_NO_DAEMON;
}

/* Asks for the piece at st->offset, or for the file itself. */
static enum status ask_piece(struct stored *st, const char *more)
{
	struct muster_reply r;
	enum status status;
	struct slice raw;
	bool is_file = false;
	put_params(st, st->offset, STORED_PIECE_BYTES, more);
	enum muster_status ms =
		session_call(st->s, "job.body", bytes_cstr(&st->params), &r, &status);
	if (ms != MUSTER_OK)
		return ms == MUSTER_REFUSED ? refused(st, &r) : status;
	struct slice result = {r.result, r.n_result};
	if (jsonscan_member(result, "size", &raw))
		jsonscan_u64(raw, &st->size);
	if (!jsonscan_member(result, "file", &raw) || jsonscan_bool(raw, &is_file) != ERR_OK ||
	    !is_file)
		return take_piece(st, result);
	st->fd = muster_take_file(st->s->m);
	return st->fd >= 0 ? STATUS_OK : ask_piece(st, ""); /* it was lost on its way */
}

static void begin_check(struct stored *st)
{
	put_params(st, st->size, 1, "");
	st->generation = st->s->generation;
	if (muster_send(st->s->m, "job.body", st->params.p, st->params.n, &st->check_id) !=
	    MUSTER_OK)
		st->check_id = 0;
}

/* Waits for what begin_check asked; asks again if the connection was lost. */
static enum status end_check(struct stored *st)
{
	struct muster_reply r;
	enum status status = STATUS_OK;
	enum muster_status ms = MUSTER_LOST;
	if (st->check_id != 0 && st->generation == st->s->generation)
		ms = muster_await(st->s->m, st->check_id, CHECK_TIMEOUT_MS, &r);
	if (ms != MUSTER_OK && ms != MUSTER_REFUSED) {
		put_params(st, st->size, 1, "");
		ms = session_call(st->s, "job.body", bytes_cstr(&st->params), &r, &status);
	}
	return ms == MUSTER_REFUSED ? refused(st, &r) : status;
}

/* ---- from the file ---- */

static bool has_signal(const struct stored *st)
{
	struct pollfd p = {.fd = st->s->signals->fd, .events = POLLIN};
	if (poll(&p, 1, 0) <= 0)
		return false;
	stored_fail(st->why, "", "interrupted"); /* left for the loop to take */
	return true;
}

bool stored_write_all(int fd, struct slice piece)
{
	while (piece.n != 0) {
		ssize_t n = write(fd, piece.p, piece.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		piece = (struct slice){piece.p + n, piece.n - (size_t)n};
	}
	return true;
}

/* One step of bytes: within the kernel where the file systems can. As write(2). */
static ssize_t copy_step(struct stored *st, int to, uint64_t left)
{
	size_t n = left < STEP_BYTES ? (size_t)left : STEP_BYTES;
	ssize_t moved = copy_file_range(st->fd, NULL, to, NULL, n, 0);
	if (moved < 0 && errno != ENOSPC && errno != EDQUOT && errno != EFBIG && errno != EINTR)
		moved = sendfile(to, st->fd, NULL, n);
	return moved;
}

static enum status copy_file(struct stored *st, int to, const char *path)
{
	uint64_t left = st->size;
	while (left > 0) {
		ssize_t n = copy_step(st, to, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			stored_fail(st->why, "local.resource", "cannot write %s: %s", path,
				    strerror(errno));
			return STATUS_FAILED;
		}
		if (n == 0) {
			stored_fail(st->why, "store.corrupt",
				    "the stored body ends %llu bytes before its size",
				    (unsigned long long)left);
			return STATUS_FAILED;
		}
		left -= (uint64_t)n;
		if (has_signal(st))
			return STATUS_FAILED;
	}
	return STATUS_OK;
}

static enum status read_file(struct stored *st, stored_take take, void *ctx)
{
	char *buf = malloc(READ_BYTES);
	enum status status = end_check(st);
	ssize_t n = 0;
	if (buf == NULL)
		status = STATUS_NO_DAEMON;
	while (status == STATUS_OK && (n = read(st->fd, buf, READ_BYTES)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			stored_fail(st->why, "store.corrupt", "the stored body cannot be read: %s",
				    strerror(errno));
			status = STATUS_FAILED;
		} else if (!take(ctx, (struct slice){buf, (size_t)n})) {
			break;
		}
	}
	free(buf);
	return status;
}

/* ---- in pieces ---- */

/* The first piece is there. */
static enum status read_pieces(struct stored *st, stored_take take, void *ctx)
{
	enum status status = STATUS_OK;
	while (status == STATUS_OK && st->piece.n != 0 && take(ctx, bytes_slice(&st->piece)))
		status = ask_piece(st, "");
	return status;
}

struct target {
	int fd, error;
	const struct stored *st;
};

static bool write_piece(void *ctx, struct slice piece)
{
	struct target *t = ctx;
	if (!stored_write_all(t->fd, piece))
		t->error = errno;
	return t->error == 0 && !has_signal(t->st);
}

static enum status copy_pieces(struct stored *st, int to, const char *path)
{
	struct target t = {.fd = to, .st = st};
	enum status status = read_pieces(st, write_piece, &t);
	if (status != STATUS_OK)
		return status;
	if (t.error != 0)
		stored_fail(st->why, "local.resource", "cannot write %s: %s", path,
			    strerror(t.error));
	return st->offset == st->size && t.error == 0 ? STATUS_OK : STATUS_FAILED;
}

/* ---- both ---- */

static enum status begin(struct stored *st)
{
	st->fd = -1;
	enum status status = ask_piece(st, ",\"file\":true");
	if (status == STATUS_OK && st->fd >= 0)
		begin_check(st);
	return status;
}

static void end(struct stored *st)
{
	if (st->fd >= 0)
		close(st->fd);
	bytes_fini(&st->params);
	bytes_fini(&st->piece);
}

enum status stored_read(struct session *s, struct slice job, struct slice seq, stored_take take,
			void *ctx, struct stored_failure *why)
{
	struct stored st = {.s = s, .job = job, .seq = seq, .why = why};
	enum status status = begin(&st);
	if (status == STATUS_OK)
		status = st.fd >= 0 ? read_file(&st, take, ctx) : read_pieces(&st, take, ctx);
	end(&st);
	return status;
}

static enum status cannot(struct stored *st, const char *path)
{
	stored_fail(st->why, "local.resource", "cannot write %s: %s", path, strerror(errno));
	return STATUS_FAILED;
}

static mode_t usual_mode(void)
{
	mode_t mask = umask(0);
	umask(mask);
	return 0666 & ~mask;
}

/* False: it has to be copied, for any reason. */
static bool link_file(const struct stored *st, const char *part)
{
	struct stat is;
	char from[32];
	if (fstat(st->fd, &is) != 0 || is.st_uid != geteuid() || is.st_gid != getegid())
		return false;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", st->fd);
	unlink(part);
	return linkat(AT_FDCWD, from, AT_FDCWD, part, AT_SYMLINK_FOLLOW) == 0 &&
	       fchmod(st->fd, usual_mode()) == 0;
}

static enum status copy(struct stored *st, const struct stored_target *to)
{
	int fd = open(to->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return cannot(st, to->path);
	enum status status =
		st->fd >= 0 ? copy_file(st, fd, to->path) : copy_pieces(st, fd, to->path);
	if (close(fd) != 0 && status == STATUS_OK)
		status = cannot(st, to->path);
	return status;
}

enum status stored_write(struct session *s, struct slice job, struct slice seq,
			 const struct stored_target *to, struct stored_failure *why)
{
	struct stored st = {.s = s, .job = job, .seq = seq, .why = why};
	enum status status = begin(&st);
	bool is_linked =
		status == STATUS_OK && st.fd >= 0 && to->may_link && link_file(&st, to->part);
	if (status == STATUS_OK && !is_linked)
		status = copy(&st, to);
	if (status == STATUS_OK && st.fd >= 0)
		status = end_check(&st);
	if (status != STATUS_OK)
		unlink(to->part);
	end(&st);
	return status;
}
