#include "edge/evhttp_conn_parts.h"

#include "base/check.h"
#include "model/reuse.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * The address that evhttp is pointed at: a listener whose queue is full of one connection of our
 * own, so that the kernel neither completes nor refuses another. No byte can ever reach it.
 */
static bool open_dead_end(struct conn_env *env)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	env->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	env->filler = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (env->listener < 0 || env->filler < 0 ||
	    bind(env->listener, (void *)&a, sizeof(a)) != 0 || listen(env->listener, 0) != 0 ||
	    getsockname(env->listener, (void *)&a, &n) != 0)
		return false;
	env->port = ntohs(a.sin_port);
	return connect(env->filler, (void *)&a, sizeof(a)) == 0 || errno == EINPROGRESS;
}

enum err conn_env_new(struct event_base *base, conn_idle_closed idle_closed, void *ctx,
		      struct conn_env **ret)
{
	struct conn_env *env = calloc(1, sizeof(*env));
	if (env == NULL)
		return ERR_NOMEM;
	*env = (struct conn_env){
		.base = base, .idle_closed = idle_closed, .ctx = ctx, .listener = -1, .filler = -1};
	if (!open_dead_end(env)) {
		conn_env_free(env);
		return ERR_IO;
	}
	*ret = env;
	return ERR_OK;
}

void conn_env_free(struct conn_env *env)
{
	if (env == NULL)
		return;
	if (env->filler >= 0)
		close(env->filler);
	if (env->listener >= 0)
		close(env->listener);
	free(env);
}

static void on_closed(struct evhttp_connection *evcon, void *arg)
{
	(void)evcon;
	struct conn *c = arg;
	c->dead = true;
	if (!c->closing && c->call == NULL)
		c->env->idle_closed(c->env->ctx, c);
}

static struct bufferevent *new_bev(struct conn_env *env, SSL *ssl)
{
	if (ssl == NULL)
		return bufferevent_socket_new(env->base, -1, BEV_OPT_CLOSE_ON_FREE);
	/* Without a descriptor of its own, or the bufferevent would take that one now. */
	BIO *none = BIO_new_socket(-1, BIO_NOCLOSE);
	if (none == NULL)
		return NULL;
	SSL_set_bio(ssl, none, none);
	return bufferevent_openssl_socket_new(env->base, -1, ssl, BUFFEREVENT_SSL_OPEN,
					      BEV_OPT_CLOSE_ON_FREE);
}

static void drop_channel(const struct channel *ch)
{
	SSL_free(ch->ssl);
	close(ch->fd);
}

enum err conn_open(struct conn_env *env, const struct channel *ch, struct conn **ret)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct bufferevent *bev = c != NULL ? new_bev(env, ch->ssl) : NULL;
	if (bev == NULL) {
		free(c);
		drop_channel(ch);
		return ERR_NOMEM;
	}
	c->evcon = evhttp_connection_base_bufferevent_new(env->base, NULL, bev, "127.0.0.1",
							  env->port);
	if (c->evcon == NULL) {
		bufferevent_free(bev);
		close(ch->fd);
		free(c);
		return ERR_NOMEM;
	}
	c->env = env;
	c->ch = *ch;
	c->bev = bev;
	list_init(&c->place.link);
	head_init(&c->head, (struct head_limits){65536, 256, 10}, false);
	evhttp_connection_set_closecb(c->evcon, on_closed, c);
	evbuffer_add_cb(bufferevent_get_input(bev), conn_on_input, c);
	evbuffer_add_cb(bufferevent_get_output(bev), conn_on_output, c);
	*ret = c;
	return ERR_OK;
}

void conn_close(struct conn *c)
{
	if (c == NULL)
		return;
	c->closing = true;
	list_remove(&c->place.link);
	evbuffer_remove_cb(bufferevent_get_input(c->bev), conn_on_input, c);
	evbuffer_remove_cb(bufferevent_get_output(c->bev), conn_on_output, c);
	if (c->ch.ssl != NULL)
		tls_keep_session(c->ch.ssl);
	evhttp_connection_free(c->evcon); /* and its request, bufferevent, SSL, descriptor */
	if (!c->handed_over)
		close(c->ch.fd);
	if (c->stalled != NULL)
		evbuffer_free(c->stalled);
	head_fini(&c->head);
	if (c->dechunks)
		dechunk_fini(&c->dechunk);
	free(c);
}

static void on_engine_error(enum evhttp_request_error e, void *arg)
{
	struct conn *c = arg;
	c->sys_errno = errno;
	c->engine_error = e;
}

static void on_engine_done(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;
	bool ok = req != NULL && evhttp_request_get_response_code(req) != 0;
	c->engine = ok ? ENGINE_DONE : ENGINE_FAILED;
	c->req = NULL;
	if (c->call != NULL)
		c->hooks->wake(c->call);
}

static void ready_for_call(struct conn *c, const struct conn_request *r)
{
	if (c->dechunks)
		dechunk_fini(&c->dechunk);
	c->dechunks = false;
	c->head.limits = r->limits;
	head_reset(&c->head, r->to_head);
	c->rx = RX_HEAD;
	c->tx = TX_HEAD;
	c->engine = ENGINE_RUNS;
	c->streams = r->streams;
	c->heard = c->spoke = c->paused = false;
	c->payload = 0;
	c->sys_errno = 0;
	c->failure = (struct conn_failure){KIND_NONE, NULL, NULL};
	c->out = r->head;
	c->place.uses++;
}

enum err conn_send(struct conn *c, const struct conn_request *r, const struct conn_hooks *hooks,
		   void *call)
{
	CHECK(c->call == NULL && !c->dead);
	c->req = evhttp_request_new(on_engine_done, c);
	if (c->req == NULL)
		return ERR_NOMEM;
	evhttp_request_set_error_cb(c->req, on_engine_error);
	evhttp_request_set_chunked_cb(c->req, conn_on_chunk);
	c->hooks = hooks;
	c->call = call;
	ready_for_call(c, r);
	return conn_begin(c);
}

void conn_turn(struct conn *c, bool has_room)
{
	if (c->rx == RX_BROKEN || c->engine == ENGINE_FAILED)
		return;
	conn_out_turn(c);
	if (has_room)
		conn_pump(c);
}

/* ---- outcome ---- */

enum cut { CUT_UNSENT, CUT_SENDING, CUT_UNANSWERED, CUT_HEAD, CUT_BODY };

static enum cut where_cut(const struct conn *c)
{
	if (c->rx != RX_HEAD)
		return CUT_BODY;
	if (!c->spoke)
		return CUT_UNSENT;
	if (c->tx == TX_CUT)
		return CUT_SENDING;
	return head_begun(&c->head) ? CUT_HEAD : CUT_UNANSWERED;
}

static void explain(struct conn *c)
{
	static const struct {
		enum kind kind;
		const char *phase, *closed, *reset;
	} said[] = {
#define CUT(what) "the server closed the connection " what, "the server reset the connection " what
		[CUT_UNSENT] = {KIND_SEND_FAILED, "send", CUT("before the request was sent")},
		[CUT_SENDING] = {KIND_SEND_FAILED, "send", CUT("while the body was being sent")},
		[CUT_UNANSWERED] = {KIND_READ_CLOSED, "first_byte", CUT("without an answer")},
		[CUT_HEAD] = {KIND_READ_CLOSED, "head", CUT("within the head of its answer")},
		[CUT_BODY] = {KIND_READ_CLOSED, "body", CUT("before the body was complete")},
#undef CUT
	};
	enum cut cut = where_cut(c);
	bool reset = c->sys_errno == ECONNRESET || c->sys_errno == EPIPE;
	c->failure = (struct conn_failure){said[cut].kind, said[cut].phase,
					   reset ? said[cut].reset : said[cut].closed};
}

static bool body_is_complete(const struct conn *c)
{
	return c->head.framing != FRAMING_CHUNKED || c->rx == RX_OVER;
}

enum conn_state conn_state(const struct conn *c, struct conn_failure *ret)
{
	struct conn *self = (struct conn *)c;
	bool waits = c->stalled != NULL && evbuffer_get_length(c->stalled) > 0;
	if (c->rx != RX_BROKEN) {
		if (waits || c->engine == ENGINE_RUNS)
			return CONN_BUSY;
		if (c->engine == ENGINE_DONE && c->rx != RX_HEAD && body_is_complete(c))
			return CONN_COMPLETE;
	}
	if (c->failure.kind == KIND_NONE)
		explain(self);
	*ret = c->failure;
	return CONN_FAILED;
}

bool conn_failed_unheard(const struct conn *c)
{
	return c->engine == ENGINE_FAILED && !c->heard && c->rx == RX_HEAD;
}

bool conn_release(struct conn *c)
{
	bool complete = c->engine == ENGINE_DONE && c->head.framing != FRAMING_CLOSE;
	struct reuse_facts facts = {
		.head_allows = c->head.reusable,
		.body_complete = complete,
		.request_sent = c->tx == TX_OVER,
		.leftover = c->dirty || evbuffer_get_length(bufferevent_get_input(c->bev)) > 0,
		.ambiguous = c->head.ambiguous || (c->dechunks && c->dechunk.ambiguous),
		.closed = c->dead,
	};
	c->call = NULL;
	c->hooks = NULL;
	c->rx = RX_IDLE;
	c->tx = TX_NONE;
	return reuse_allowed(&facts);
}

bool conn_is_quiet(struct conn *c)
{
	char byte;
	if (c->dead || c->dirty || evbuffer_get_length(bufferevent_get_input(c->bev)) > 0)
		return false;
	ssize_t n = recv(c->ch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	/* before its first call TLS has its session tickets to say */
	if (n > 0 && !c->handed_over && c->ch.ssl != NULL)
		return true;
	return n < 0 && errno == EAGAIN;
}

const struct channel *conn_channel(const struct conn *c)
{
	return &c->ch;
}

size_t conn_trailers(const struct conn *c, struct head_field *ret, size_t max)
{
	return c->dechunks && c->rx == RX_OVER ? dechunk_trailers(&c->dechunk, ret, max) : 0;
}

struct conn_place *conn_place(struct conn *c)
{
	return &c->place;
}

struct conn *conn_of_place(struct conn_place *p)
{
	return (struct conn *)(void *)p; /* its first member */
}
