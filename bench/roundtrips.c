/*
 * roundtrips -- request round trips per second over nng's protocol on a Unix socket.
 *
 * usage: roundtrips client PATH CONNECTIONS OUTSTANDING SECONDS   prints round trips per second
 *        roundtrips epoll PATH     a server that frames and echoes, nothing else: the limit
 *        roundtrips nng PATH       libnng's own REP server, 64 contexts
 *
 * The client asks daemon.ping; the two servers answer any body with a body of the same size.
 */
#include "base/bytes.h"
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES 9
#define CONNS_MAX  256
#define BUF_BYTES  65536

static const char hello_req[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
static const char hello_rep[8] = {0, 'S', 'P', 0, 0, 0x31, 0, 0};
static const char ping[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"daemon.ping\"}";

struct conn {
	int fd;
	bool is_greeted;
	size_t n;
	char buf[BUF_BYTES];
};

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put_u64(char *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		p[i] = (char)(v & 0xff);
}

static uint64_t get_u64(const char *p)
{
	uint64_t v = 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	CHECK(strlen(path) < sizeof(a.sun_path));
	memcpy(a.sun_path, path, strlen(path) + 1);
	return a;
}

/* False: the peer has gone. */
static bool write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t put = send(fd, p, n, MSG_NOSIGNAL);
		if (put <= 0)
			return false;
		p += put;
		n -= (size_t)put;
	}
	return true;
}

/* Appends `count` requests to b. */
static void add_requests(struct bytes *b, uint32_t *next_id, int count, const char *body)
{
	size_t n = strlen(body);
	for (int i = 0; i < count; i++) {
		char head[HEAD_BYTES + 4] = {1};
		uint32_t id = (*next_id)++ | 0x80000000u;
		put_u64(head + 1, n + 4);
		for (int k = 0; k < 4; k++)
			head[HEAD_BYTES + k] = (char)(id >> (24 - 8 * k) & 0xff);
		bytes_add(b, head, sizeof(head));
		bytes_add(b, body, n);
	}
}

/* Reads what is there; the number of whole frames taken off, -1 at the end of the connection. */
static int take_frames(struct conn *c)
{
	ssize_t got = read(c->fd, c->buf + c->n, sizeof(c->buf) - c->n);
	if (got <= 0)
		return -1;
	c->n += (size_t)got;
	size_t at = 0;
	int frames = 0;
	while (c->n - at >= HEAD_BYTES) {
		uint64_t len = get_u64(c->buf + at + 1);
		CHECK(len < sizeof(c->buf));
		if (c->n - at < HEAD_BYTES + len)
			break;
		at += HEAD_BYTES + len;
		frames++;
	}
	memmove(c->buf, c->buf + at, c->n - at);
	c->n -= at;
	return frames;
}

static struct conn *dial(const char *path)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct sockaddr_un a = address_of(path);
	char hello[8];
	CHECK(c != NULL);
	c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(c->fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		perror(path);
		exit(1);
	}
	CHECK(write_all(c->fd, hello_req, sizeof(hello_req)));
	CHECK(read(c->fd, hello, sizeof(hello)) == sizeof(hello));
	return c;
}

static int client(const char *path, int conns, int outstanding, double seconds)
{
	int ep = epoll_create1(0);
	uint32_t next_id = 1;
	uint64_t done = 0;
	struct bytes b = BYTES_LIMIT(1 << 20);
	for (int i = 0; i < conns; i++) {
		struct conn *c = dial(path);
		struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
		epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
		bytes_clear(&b);
		add_requests(&b, &next_id, outstanding / conns, ping);
		CHECK(write_all(c->fd, b.p, b.n));
	}
	double began = now_s(), end = began + seconds;
	while (now_s() < end) {
		struct epoll_event ev[64];
		int n = epoll_wait(ep, ev, 64, 1000);
		for (int i = 0; i < n; i++) {
			struct conn *c = ev[i].data.ptr;
			int frames = take_frames(c);
			CHECK(frames >= 0);
			done += (uint64_t)frames;
			bytes_clear(&b);
			add_requests(&b, &next_id, frames, ping);
			CHECK(write_all(c->fd, b.p, b.n));
		}
	}
	printf("%.0f\n", (double)done / (now_s() - began));
	return 0;
}

/* Echoes every whole frame of c. */
static bool echo(struct conn *c)
{
	ssize_t got = read(c->fd, c->buf + c->n, sizeof(c->buf) - c->n);
	if (got <= 0)
		return false;
	c->n += (size_t)got;
	size_t at = 0;
	if (!c->is_greeted) {
		if (c->n < sizeof(hello_req))
			return true;
		if (!write_all(c->fd, hello_rep, sizeof(hello_rep)))
			return false;
		c->is_greeted = true;
		at = sizeof(hello_req);
	}
	size_t first = at;
	while (c->n - at >= HEAD_BYTES) {
		uint64_t len = get_u64(c->buf + at + 1);
		CHECK(len < sizeof(c->buf));
		if (c->n - at < HEAD_BYTES + len)
			break;
		at += HEAD_BYTES + len;
	}
	if (!write_all(c->fd, c->buf + first, at - first))
		return false;
	memmove(c->buf, c->buf + at, c->n - at);
	c->n -= at;
	return true;
}

static int serve_epoll(const char *path)
{
	struct sockaddr_un a = address_of(path);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), ep = epoll_create1(0);
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	CHECK(bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(listener, 64) == 0);
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev);
	for (;;) {
		struct epoll_event got[64];
		int n = epoll_wait(ep, got, 64, -1);
		for (int i = 0; i < n; i++) {
			struct conn *c = got[i].data.ptr;
			if (c == NULL) {
				c = calloc(1, sizeof(*c));
				CHECK(c != NULL);
				c->fd = accept(listener, NULL, NULL);
				ev.data.ptr = c;
				epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &ev);
			} else if (!echo(c)) {
				close(c->fd);
				free(c);
			}
		}
	}
}

struct work {
	nng_aio *aio;
	nng_ctx ctx;
	bool is_sending;
};

static void on_aio(void *arg)
{
	struct work *w = arg;
	if (nng_aio_result(w->aio) != 0)
		return;
	if (w->is_sending) {
		w->is_sending = false;
		nng_ctx_recv(w->ctx, w->aio);
		return;
	}
	w->is_sending = true;
	nng_ctx_send(w->ctx, w->aio); /* the message it has just received */
}

static int serve_nng(const char *path)
{
	static struct work work[64];
	nng_socket s;
	char address[200];
	snprintf(address, sizeof(address), "ipc://%s", path);
	CHECK(nng_rep0_open(&s) == 0);
	for (int i = 0; i < 64; i++) {
		CHECK(nng_aio_alloc(&work[i].aio, on_aio, &work[i]) == 0);
		CHECK(nng_ctx_open(&work[i].ctx, s) == 0);
		nng_ctx_recv(work[i].ctx, work[i].aio);
	}
	CHECK(nng_listen(s, address, NULL, 0) == 0);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "client") == 0)
		return client(argv[2], atoi(argv[3]), atoi(argv[4]), atof(argv[5]));
	if (argc == 3 && strcmp(argv[1], "epoll") == 0)
		return serve_epoll(argv[2]);
	if (argc == 3 && strcmp(argv[1], "nng") == 0)
		return serve_nng(argv[2]);
	fprintf(stderr, "usage: see the head of bench/roundtrips.c\n");
	return 2;
}
