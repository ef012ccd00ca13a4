/*
 * unixsock -- AF_UNIX connections on libevent; see unixsock.h. Taking the address is sockpath's
 * part.
 *
 * A connection may be closed from within its own event: it is then taken apart at once and freed
 * when the event returns.
 */
/* First: it uses the name LIST_ENTRY for a while. */
#include <event2/event_struct.h>

#include "edge/unixsock.h"

#include "base/check.h"
#include "base/list.h"
#include "edge/sockpath.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES	 (64u << 10)
#define ACCEPTS_PER_TURN 64
#define BACKLOG		 512

struct unixsock;

struct transport_conn {
	struct unixsock *u;
	struct link link;
	int fd;
	void *who;
	bool in_event, is_closed;
	struct event readable, writable, hangup;
};

struct unixsock {
	struct transport t;
	struct event_base *base;
	const struct log *log;
	struct sockpath path;
	unsigned mode;
	int given_fd, listen_fd, spare_fd;
	const struct transport_events *ev;
	void *ctx;
	struct link conns;
	struct event accepting, flush, tick;
	bool full_logged;
	char buffer[READ_BYTES];
};

static struct unixsock *unixsock_of(const struct transport *t)
{
	return LIST_ENTRY(t, struct unixsock, t);
}

/* ---- connections ---- */

static void conn_close(struct transport_conn *c)
{
	event_del(&c->readable);
	event_del(&c->writable);
	event_del(&c->hangup);
	close(c->fd);
	list_remove(&c->link);
	c->is_closed = true;
	if (!c->in_event)
		free(c);
}

/* After an event of c: frees it if it was closed meanwhile. */
static void event_done(struct transport_conn *c)
{
	c->in_event = false;
	if (c->is_closed)
		free(c);
}

static void peer_left(struct transport_conn *c)
{
	void *who = c->who;
	const struct transport_events *ev = c->u->ev;
	conn_close(c);
	ev->on_close(who);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct transport_conn *c = arg;
	(void)what;
	ssize_t n = recv(fd, c->u->buffer, READ_BYTES, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	c->in_event = true;
	if (n <= 0)
		peer_left(c);
	else
		c->u->ev->on_bytes(c->who, c->u->buffer, (size_t)n);
	event_done(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct transport_conn *c = arg;
	(void)fd, (void)what;
	c->in_event = true;
	c->u->ev->on_writable(c->who);
	event_done(c);
}

static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
	struct transport_conn *c = arg;
	(void)fd, (void)what;
	c->in_event = true;
	peer_left(c);
	event_done(c);
}

static bool peer_of(int fd, struct peer *ret)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0)
		return false;
	*ret = (struct peer){.uid = cred.uid, .gid = cred.gid, .pid = cred.pid};
	return true;
}

static void conn_open(struct unixsock *u, int fd)
{
	struct peer peer;
	struct transport_conn *c = calloc(1, sizeof(*c));
	if (c == NULL || !peer_of(fd, &peer)) {
		free(c);
		close(fd);
		return;
	}
	c->u = u;
	c->fd = fd;
	list_push_back(&u->conns, &c->link);
	event_assign(&c->readable, u->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_assign(&c->writable, u->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	event_assign(&c->hangup, u->base, fd, EV_CLOSED | EV_PERSIST, on_hangup, c);
	c->in_event = true;
	c->who = u->ev->on_open(u->ctx, c, &peer);
	if (c->who == NULL && !c->is_closed)
		conn_close(c);
	if (!c->is_closed)
		event_add(&c->readable, NULL);
	event_done(c);
}

/* No descriptor is left: the spare one lets the caller be told by a close. */
static void turn_away(struct unixsock *u)
{
	if (!u->full_logged)
		log_warn(u->log, "control connection refused", kv_s("why", "no file descriptors"));
	u->full_logged = true;
	close(u->spare_fd);
	int fd = accept4(u->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	u->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct unixsock *u = arg;
	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			u->full_logged = false;
			conn_open(u, fd);
		} else if (errno == EMFILE || errno == ENFILE) {
			turn_away(u);
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct unixsock *u = arg;
	(void)fd, (void)what;
	u->ev->on_flush(u->ctx);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct unixsock *u = arg;
	(void)fd, (void)what;
	u->ev->on_tick(u->ctx);
}

/* ---- the table ---- */

static enum err us_listen(struct transport *t, const struct transport_events *ev, void *ctx)
{
	struct unixsock *u = unixsock_of(t);
	CHECK(u->listen_fd < 0);
	int fd = u->given_fd;
	if (fd < 0) {
		enum err e = sockpath_listen(&u->path, u->mode, BACKLOG, &fd);
		if (e != ERR_OK)
			return e;
	} else {
		evutil_make_socket_nonblocking(fd);
	}
	u->listen_fd = fd;
	u->given_fd = -1;
	u->ev = ev;
	u->ctx = ctx;
	u->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	event_assign(&u->accepting, u->base, fd, EV_READ | EV_PERSIST, on_accept, u);
	event_add(&u->accepting, NULL);
	return ERR_OK;
}

static const char *us_failure_text(const struct transport *t)
{
	return unixsock_of(t)->path.failure;
}

static void us_unlisten(struct transport *t)
{
	struct unixsock *u = unixsock_of(t);
	if (u->listen_fd < 0)
		return;
	event_del(&u->accepting);
	sockpath_leave(&u->path); /* before the close: until then its inode cannot be another's */
	close(u->listen_fd);
	if (u->spare_fd >= 0)
		close(u->spare_fd);
	u->listen_fd = u->spare_fd = -1;
}

static enum err send_pieces(struct transport_conn *c, struct msghdr *m, const struct iovec *v,
			    int n, size_t *ret_taken)
{
	union {
		const struct iovec *from;
		struct iovec *to;
	} u = {.from = v}; /* sendmsg reads only */
	m->msg_iov = u.to;
	m->msg_iovlen = (size_t)n;
	ssize_t sent = sendmsg(c->fd, m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (sent < 0 && errno == ETOOMANYREFS)
		return ERR_BUSY;
	if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		return ERR_CLOSED;
	*ret_taken = sent < 0 ? 0 : (size_t)sent;
	return ERR_OK;
}

static enum err us_write(struct transport_conn *c, const struct iovec *v, int n, size_t *ret_taken)
{
	struct msghdr m = {.msg_iov = NULL};
	return send_pieces(c, &m, v, n, ret_taken);
}

/* Whoever reads the bytes without asking for the file never has it: the kernel closes it. */
static enum err us_write_file(struct transport_conn *c, const struct iovec *v, int n, int fd,
			      size_t *ret_taken)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = {0}};
	struct msghdr m = {.msg_control = control.room, .msg_controllen = sizeof(control.room)};
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &fd, sizeof(fd));
	enum err e = send_pieces(c, &m, v, n, ret_taken);
	/* Too many files are on their way to others: the bytes go without it. */
	return e == ERR_BUSY ? us_write(c, v, n, ret_taken) : e;
}

static void us_want_write(struct transport_conn *c, bool on)
{
	if (on)
		event_add(&c->writable, NULL);
	else
		event_del(&c->writable);
}

/* While it is not read, only the end of the other side is listened for. */
static void us_pause(struct transport_conn *c, bool on)
{
	if (on) {
		event_del(&c->readable);
		event_add(&c->hangup, NULL);
	} else {
		event_del(&c->hangup);
		event_add(&c->readable, NULL);
	}
}

static void us_flush_soon(struct transport *t)
{
	event_active(&unixsock_of(t)->flush, EV_TIMEOUT, 0);
}

static void us_tick_after(struct transport *t, int64_t delay_ns)
{
	struct unixsock *u = unixsock_of(t);
	if (delay_ns < 0) {
		event_del(&u->tick);
		return;
	}
	struct timeval tv = {.tv_sec = delay_ns / 1000000000,
			     .tv_usec = delay_ns % 1000000000 / 1000};
	event_add(&u->tick, &tv);
}

static void us_free(struct transport *t)
{
	struct unixsock *u = unixsock_of(t);
	us_unlisten(t);
	LIST_EACH_SAFE (it, &u->conns)
		conn_close(LIST_ENTRY(it, struct transport_conn, link));
	event_del(&u->flush);
	event_del(&u->tick);
	if (u->given_fd >= 0)
		close(u->given_fd);
	free(u);
}

enum err unixsock_new(const struct unixsock_options *o, struct transport **ret_t)
{
	static const struct transport_ops ops = {
		.listen = us_listen,
		.failure_text = us_failure_text,
		.unlisten = us_unlisten,
		.write = us_write,
		.write_file = us_write_file,
		.want_write = us_want_write,
		.pause = us_pause,
		.close = conn_close,
		.flush_soon = us_flush_soon,
		.tick_after = us_tick_after,
		.free = us_free,
	};
	struct unixsock *u = calloc(1, sizeof(*u));
	if (u == NULL)
		return ERR_NOMEM;
	enum err e = sockpath_init(&u->path, o->path);
	if (e != ERR_OK) {
		free(u);
		return e;
	}
	u->t.ops = &ops;
	u->base = o->base;
	u->log = o->log;
	u->mode = o->mode;
	u->given_fd = o->listen_fd;
	u->listen_fd = u->spare_fd = -1;
	list_init(&u->conns);
	event_assign(&u->flush, u->base, -1, 0, on_flush, u);
	evtimer_assign(&u->tick, u->base, on_tick, u);
	*ret_t = &u->t;
	return ERR_OK;
}
