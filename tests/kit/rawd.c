#include "tests/kit/rawd.h"

#include "base/check.h"
#include "tests/kit/rawd_cert.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_CONNECTIONS 4096

struct peer {
	struct rawd *r;
	struct bufferevent *bev; /* NULL: closed */
	struct bytes got;	 /* all it was sent */
	size_t head_from;	 /* where the next head begins in got */
	struct rawd_reply *now;	 /* being sent */
	size_t at;		 /* of now->bytes */
	size_t body_until;	 /* got.n at which now may begin */
	struct event *step;
	bool plain; /* CONNECT is awaited */
};

struct rawd {
	struct event_base *base;
	struct evconnlistener *listener;
	SSL_CTX *tls;
	uint16_t port;
	struct peer *peer[MAX_CONNECTIONS];
	size_t n_peer, n_requests;
	struct rawd_reply **reply;
	size_t n_reply, next_reply;
	bool resumed, stopped, tunnels;
};

static void peer_close(struct peer *p, bool reset)
{
	if (p->bev == NULL)
		return;
	int fd = bufferevent_getfd(p->bev);
	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
			   sizeof(struct linger));
	else if (p->r->tls != NULL && !p->plain)
		SSL_shutdown(bufferevent_openssl_get_ssl(p->bev));
	bufferevent_free(p->bev);
	p->bev = NULL;
	p->now = NULL;
	event_del(p->step);
}

static void on_request(struct peer *p);

static void after_reply(struct peer *p)
{
	enum rawd_then then = p->now->then;
	p->now = NULL;
	if (then == RAWD_CLOSE || then == RAWD_RESET)
		peer_close(p, then == RAWD_RESET);
	else if (then == RAWD_HALF_CLOSE)
		shutdown(bufferevent_getfd(p->bev), SHUT_WR);
	else
		on_request(p);
}

/* One piece, when the one before is with the kernel. */
static void step(struct peer *p)
{
	struct rawd_reply *reply = p->now;
	if (p->bev == NULL || reply == NULL || p->got.n < p->body_until)
		return;
	if (evbuffer_get_length(bufferevent_get_output(p->bev)) > 0)
		return; /* on_written calls again */
	size_t left = reply->bytes.n - p->at;
	size_t n = reply->piece != 0 && reply->piece < left ? reply->piece : left;
	if (left == 0 && reply->repeat > 0) {
		reply->repeat--;
		p->at = 0;
		event_active(p->step, EV_TIMEOUT, 0);
		return;
	}
	if (left == 0) {
		after_reply(p);
		return;
	}
	bufferevent_write(p->bev, reply->bytes.p + p->at, n);
	p->at += n;
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	step(arg);
}

static void on_written(struct bufferevent *bev, void *arg)
{
	(void)bev;
	struct peer *p = arg;
	/* A turn between pieces, so that each arrives alone. */
	struct timeval soon = {0, 0};
	if (p->now != NULL)
		evtimer_add(p->step, &soon);
}

static void on_request(struct peer *p)
{
	struct rawd *r = p->r;
	if (p->now != NULL || p->bev == NULL || p->head_from >= p->got.n)
		return;
	struct slice rest = {p->got.p + p->head_from, p->got.n - p->head_from};
	const char *end = memmem(rest.p, rest.n, "\r\n\r\n", 4);
	if (end == NULL)
		return;
	r->n_requests++;
	size_t head_n = (size_t)(end - rest.p) + 4;
	if (r->next_reply == r->n_reply) {
		p->head_from += head_n;
		return;
	}
	p->now = r->reply[r->next_reply++];
	p->at = 0;
	p->body_until = p->head_from + head_n + p->now->body_first;
	p->head_from = p->now->keep_rest ? SIZE_MAX / 2 : p->body_until;
	step(p);
}

static void on_bytes(struct bufferevent *bev, void *arg);
static void on_peer_event(struct bufferevent *bev, short what, void *arg);

static void listen_to(struct peer *p)
{
	bufferevent_setcb(p->bev, on_bytes, on_written, on_peer_event, p);
	bufferevent_enable(p->bev, (short)(p->r->stopped ? EV_WRITE : EV_READ | EV_WRITE));
}

static struct bufferevent *tls_over(struct rawd *r, int fd)
{
	return bufferevent_openssl_socket_new(r->base, fd, SSL_new(r->tls),
					      BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

/* The way is open: the same connection, another protocol. */
static void on_connect(struct peer *p)
{
	static const char yes[] = "HTTP/1.1 200 Connection established\r\n\r\n";
	int fd = bufferevent_getfd(p->bev);
	CHECK(fd >= 0 && write(fd, yes, sizeof(yes) - 1) == (ssize_t)sizeof(yes) - 1);
	bufferevent_setfd(p->bev, -1);
	bufferevent_free(p->bev);
	p->plain = false;
	p->head_from = p->got.n;
	p->bev = tls_over(p->r, fd);
	CHECK(p->bev != NULL);
	listen_to(p);
}

static void on_bytes(struct bufferevent *bev, void *arg)
{
	struct peer *p = arg;
	char buf[16384];
	size_t n;
	while ((n = bufferevent_read(bev, buf, sizeof(buf))) > 0)
		bytes_add(&p->got, buf, n);
	if (p->plain) {
		if (memmem(p->got.p, p->got.n, "\r\n\r\n", 4) != NULL)
			on_connect(p);
		return;
	}
	if (p->now != NULL)
		step(p);
	else if (p->head_from < p->got.n)
		on_request(p);
}

static void on_peer_event(struct bufferevent *bev, short what, void *arg)
{
	struct peer *p = arg;
	if (what & BEV_EVENT_CONNECTED) {
		p->r->resumed = SSL_session_reused(bufferevent_openssl_get_ssl(bev));
		return;
	}
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		peer_close(p, false);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n,
		      void *arg)
{
	(void)l;
	(void)n;
	struct rawd *r = arg;
	int on = 1;
	CHECK(r->n_peer < MAX_CONNECTIONS);
	struct peer *p = calloc(1, sizeof(*p));
	CHECK(p != NULL);
	p->r = r;
	if (sa->sa_family == AF_INET)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	p->plain = r->tunnels;
	p->bev = r->tls == NULL || r->tunnels
			 ? bufferevent_socket_new(r->base, fd, BEV_OPT_CLOSE_ON_FREE)
			 : tls_over(r, fd);
	p->step = event_new(r->base, -1, 0, on_step, p);
	CHECK(p->bev != NULL && p->step != NULL);
	r->peer[r->n_peer++] = p;
	listen_to(p);
}

static struct rawd *listen_on(struct event_base *base, struct sockaddr *sa, socklen_t n)
{
	struct rawd *r = calloc(1, sizeof(*r));
	CHECK(r != NULL);
	r->base = base;
	r->listener = evconnlistener_new_bind(
		base, on_accept, r, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 512, sa, (int)n);
	CHECK(r->listener != NULL);
	return r;
}

struct rawd *rawd_new(struct event_base *base, const struct rawd_cert *cert)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	struct rawd *r = listen_on(base, (void *)&a, sizeof(a));
	CHECK(getsockname(evconnlistener_get_fd(r->listener), (void *)&a, &n) == 0);
	r->port = ntohs(a.sin_port);
	if (cert != NULL)
		r->tls = rawd_cert_context(cert);
	return r;
}

struct rawd *rawd_new_unix(struct event_base *base, const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	unlink(path);
	return listen_on(base, (void *)&a, sizeof(a));
}

struct rawd *rawd_new_tunnel(struct event_base *base, const struct rawd_cert *cert)
{
	struct rawd *r = rawd_new(base, cert);
	r->tunnels = true;
	return r;
}

void rawd_free(struct rawd *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_peer; i++) {
		peer_close(r->peer[i], true);
		event_free(r->peer[i]->step);
		bytes_fini(&r->peer[i]->got);
		free(r->peer[i]);
	}
	for (size_t i = 0; i < r->n_reply; i++) {
		free((void *)(uintptr_t)r->reply[i]->bytes.p);
		free(r->reply[i]);
	}
	free(r->reply);
	evconnlistener_free(r->listener);
	SSL_CTX_free(r->tls);
	free(r);
}

uint16_t rawd_port(const struct rawd *r)
{
	return r->port;
}

void rawd_add(struct rawd *r, const struct rawd_reply *reply)
{
	struct rawd_reply *mine = malloc(sizeof(*mine));
	char *copy = malloc(reply->bytes.n + 1);
	r->reply = realloc(r->reply, (r->n_reply + 1) * sizeof(*r->reply));
	CHECK(r->reply != NULL && mine != NULL && copy != NULL);
	*mine = *reply;
	if (reply->bytes.n > 0)
		memcpy(copy, reply->bytes.p, reply->bytes.n);
	mine->bytes.p = copy;
	r->reply[r->n_reply++] = mine;
}

void rawd_say(struct rawd *r, const char *bytes, size_t piece, enum rawd_then then)
{
	rawd_add(r, &(struct rawd_reply){.bytes = slice_of(bytes), .piece = piece, .then = then});
}

void rawd_push(struct rawd *r, size_t i, struct slice bytes)
{
	CHECK(i < r->n_peer && r->peer[i]->bev != NULL);
	struct bufferevent *bev = r->peer[i]->bev;
	ssize_t n = 0;
	if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		n = r->tls == NULL
			    ? write(bufferevent_getfd(bev), bytes.p, bytes.n)
			    : SSL_write(bufferevent_openssl_get_ssl(bev), bytes.p, (int)bytes.n);
	n = n < 0 ? 0 : n;
	bufferevent_write(bev, bytes.p + n, bytes.n - (size_t)n);
}

void rawd_close_connection(struct rawd *r, size_t i)
{
	CHECK(i < r->n_peer);
	peer_close(r->peer[i], false);
}

size_t rawd_connections(const struct rawd *r)
{
	return r->n_peer;
}

size_t rawd_open(const struct rawd *r)
{
	size_t n = 0;
	for (size_t i = 0; i < r->n_peer; i++)
		n += r->peer[i]->bev != NULL;
	return n;
}

size_t rawd_requests(const struct rawd *r)
{
	return r->n_requests;
}

struct slice rawd_received(const struct rawd *r, size_t i)
{
	CHECK(i < r->n_peer);
	return bytes_slice(&r->peer[i]->got);
}

bool rawd_resumed(const struct rawd *r)
{
	return r->resumed;
}

void rawd_stop_reading(struct rawd *r, bool stop)
{
	r->stopped = stop;
	for (size_t i = 0; i < r->n_peer; i++) {
		if (r->peer[i]->bev == NULL)
			continue;
		if (stop)
			bufferevent_disable(r->peer[i]->bev, EV_READ);
		else
			bufferevent_enable(r->peer[i]->bev, EV_READ);
	}
}
