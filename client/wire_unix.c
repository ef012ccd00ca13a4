/*
 * wire_unix -- SP in the REQ role over a Unix stream socket, by plain non-blocking reads and
 * writes. It keeps one buffer each way; a reply is handed out in place.
 */
#include "client/wire.h"
#include "proto/sp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES (256u << 10)
#define FILES_MAX  8 /* received with replies not yet handed out; more are closed */

/* An open file came with the bytes up to `end` of the stream: its frame holds the last of them. */
struct received {
	int fd;
	uint64_t end;
};

struct wire_unix {
	struct wire wire;
	int fd;
	struct bytes in, out;
	uint64_t dropped; /* bytes of the stream before in */
	size_t taken;	  /* bytes of in that have been handed out */
	size_t sent;	  /* bytes of out that are written */
	bool is_closed;
	struct received file[FILES_MAX]; /* oldest first */
	unsigned n_files;
	int shown_file; /* of the reply handed out last; -1: none, or taken */
};

static struct wire_unix *of(struct wire *w)
{
	return (struct wire_unix *)(void *)w;
}

static enum err flush(struct wire_unix *u)
{
	while (u->sent < u->out.n) {
		ssize_t n = send(u->fd, u->out.p + u->sent, u->out.n - u->sent, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? ERR_OK : ERR_CLOSED;
		u->sent += (size_t)n;
	}
	bytes_clear(&u->out);
	u->sent = 0;
	return ERR_OK;
}

static enum err wire_unix_send(struct wire *w, uint32_t id, struct slice body)
{
	struct wire_unix *u = of(w);
	if (u->is_closed)
		return ERR_CLOSED;
	if (u->sent > READ_BYTES) {
		bytes_drop(&u->out, u->sent);
		u->sent = 0;
	}
	enum err e = sp_add_request(&u->out, id, body);
	if (e != ERR_OK) {
		u->out.err = ERR_OK; /* a request that did not fit leaves no trace */
		return e;
	}
	return flush(u);
}

static int wire_unix_fd(const struct wire *w)
{
	return ((const struct wire_unix *)(const void *)w)->fd;
}

static short wire_unix_events(const struct wire *w)
{
	const struct wire_unix *u = (const struct wire_unix *)(const void *)w;
	return (short)(POLLIN | (u->sent < u->out.n ? POLLOUT : 0));
}

static void keep_file(struct wire_unix *u, int fd)
{
	if (u->n_files == FILES_MAX) {
		close(fd);
		return;
	}
	u->file[u->n_files++] = (struct received){fd, u->dropped + u->in.n};
}

/* Reads to the end of u->in; as recv. */
static ssize_t receive(struct wire_unix *u)
{
	union {
		char room[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec v = {.iov_base = u->in.p + u->in.n, .iov_len = READ_BYTES};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control.room,
			   .msg_controllen = sizeof(control.room)};
	ssize_t n = recvmsg(u->fd, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n;
	u->in.n += (size_t)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= c->cmsg_len; at += sizeof(int)) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			keep_file(u, fd);
		}
	}
	return n;
}

static enum err fill(struct wire_unix *u)
{
	if (u->taken != 0) {
		bytes_drop(&u->in, u->taken);
		u->dropped += u->taken;
		u->taken = 0;
	}
	for (int i = 0; i < 8; i++) {
		enum err e = bytes_reserve(&u->in, READ_BYTES);
		if (e != ERR_OK)
			return e;
		ssize_t n = receive(u);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? ERR_OK : ERR_CLOSED;
		if (n == 0)
			return ERR_CLOSED;
		if ((size_t)n < READ_BYTES)
			break;
	}
	return ERR_OK;
}

static enum err wire_unix_turn(struct wire *w)
{
	struct wire_unix *u = of(w);
	if (u->is_closed)
		return ERR_CLOSED;
	enum err e = flush(u);
	enum err in = fill(u);
	if (in != ERR_OK)
		e = in;
	u->is_closed = e != ERR_OK;
	return e;
}

static int wire_unix_take_file(struct wire *w)
{
	struct wire_unix *u = of(w);
	int fd = u->shown_file;
	u->shown_file = -1;
	return fd;
}

/* Of the frame that ends at u->taken; one nobody took goes. */
static void show_file(struct wire_unix *u)
{
	int fd = wire_unix_take_file(&u->wire);
	if (fd >= 0)
		close(fd);
	if (u->n_files == 0 || u->file[0].end > u->dropped + u->taken)
		return;
	u->shown_file = u->file[0].fd;
	u->n_files--;
	memmove(u->file, u->file + 1, u->n_files * sizeof(u->file[0]));
}

static bool wire_unix_next(struct wire *w, uint32_t *ret_id, struct slice *ret_body)
{
	struct wire_unix *u = of(w);
	struct sp_frame f;
	struct sp_request r;
	size_t need;
	enum err e = sp_frame_parse(u->in.p + u->taken, u->in.n - u->taken, SP_REPLY_MAX_BYTES, &f,
				    &need);
	if (e != ERR_OK) {
		u->is_closed |= e != ERR_AGAIN;
		return false;
	}
	u->taken += f.n_total;
	show_file(u);
	if (sp_request_parse(f.payload, &r) != ERR_OK) {
		u->is_closed = true;
		return false;
	}
	*ret_id = r.id & ~SP_ID_BIT;
	*ret_body = r.body;
	return true;
}

static void wire_unix_close(struct wire *w)
{
	struct wire_unix *u = of(w);
	close(u->fd);
	if (u->shown_file >= 0)
		close(u->shown_file);
	for (unsigned i = 0; i < u->n_files; i++)
		close(u->file[i].fd);
	bytes_fini(&u->in);
	bytes_fini(&u->out);
	free(u);
}

static const struct wire_ops wire_unix_ops = {
	.send = wire_unix_send,
	.fd = wire_unix_fd,
	.events = wire_unix_events,
	.turn = wire_unix_turn,
	.next = wire_unix_next,
	.take_file = wire_unix_take_file,
	.close = wire_unix_close,
};

static enum err fail_errno(struct bytes *why)
{
	int no = errno;
	bytes_add_str(why, no == EAGAIN ? "it does not accept connections in time" : strerror(no));
	return no == ENOENT ? ERR_NOT_FOUND : no == EACCES ? ERR_DENIED : ERR_CLOSED;
}

/* A connected, still blocking socket. */
static enum err dial(const char *path, int timeout_ms, int *ret_fd, struct bytes *why)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (path[0] != '/' || strlen(path) >= sizeof(sa.sun_path)) {
		bytes_add_str(why, path[0] != '/' ? "the path must be absolute"
						  : "the path is too long for a socket");
		return ERR_INVALID;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_errno(why);
	struct timeval tv = {.tv_sec = timeout_ms / 1000, .tv_usec = (timeout_ms % 1000) * 1000};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0) {
		enum err e = fail_errno(why);
		close(fd);
		return e;
	}
	*ret_fd = fd;
	return ERR_OK;
}

static enum err shake(int fd, struct bytes *why)
{
	uint8_t hello[SP_HELLO_BYTES];
	size_t got = 0;
	sp_hello_put(hello, SP_REQ);
	if (send(fd, hello, sizeof(hello), MSG_NOSIGNAL) != (ssize_t)sizeof(hello))
		return fail_errno(why);
	while (got < sizeof(hello)) {
		ssize_t n = recv(fd, hello + got, sizeof(hello) - got, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			bytes_add_str(why, n == 0 ? "it closed the connection"
						  : "it accepts connections but says nothing");
			return ERR_TIMEOUT;
		}
		got += (size_t)n;
	}
	if (sp_hello_check(hello, SP_REP) != ERR_OK) {
		bytes_add_str(why, "what listens there is not a muster daemon");
		return ERR_INVALID;
	}
	return ERR_OK;
}

enum err wire_unix_open(const char *path, int timeout_ms, struct wire **ret, struct bytes *why)
{
	int fd = -1;
	enum err e = dial(path, timeout_ms, &fd, why);
	if (e != ERR_OK)
		return e;
	e = shake(fd, why);
	struct wire_unix *u = e == ERR_OK ? calloc(1, sizeof(*u)) : NULL;
	if (u == NULL || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
		close(fd);
		free(u);
		return e != ERR_OK ? e : ERR_NOMEM;
	}
	u->wire.ops = &wire_unix_ops;
	u->fd = fd;
	u->shown_file = -1;
	bytes_init(&u->in, 2 * (size_t)SP_REPLY_MAX_BYTES);
	bytes_init(&u->out, 4 * (size_t)SP_REQUEST_MAX_BYTES);
	*ret = &u->wire;
	return ERR_OK;
}
