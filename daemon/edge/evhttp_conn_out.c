#include "edge/evhttp_conn_parts.h"

#include "base/check.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_HIGH 65536 /* a streamed body is pulled up to here */
#define OUT_LOW	 32768
#define PULL_MAX 16384

/* All that evhttp writes for a request made as conn_begin makes it. */
#define ENGINE_HEAD_BYTES (sizeof("GET / HTTP/1.1\r\n\r\n") - 1)

static void empty_output(struct conn *c, struct evbuffer *buf)
{
	evbuffer_unfreeze(buf, 1);
	evbuffer_drain(buf, evbuffer_get_length(buf));
	if (c->ch.ssl == NULL) /* socket bufferevents keep it frozen, TLS ones do not */
		evbuffer_freeze(buf, 1);
}

/* evhttp has put its head into the output. */
static void replace_head(struct conn *c, struct evbuffer *buf)
{
	c->editing = true;
	empty_output(c, buf);
	if (c->rewrite == REWRITE_REPLACE) {
		evbuffer_add(buf, c->out.p, c->out.n);
		/* Our timers are better than evhttp's, and its cost one heap operation a step. */
		bufferevent_set_timeouts(c->bev, NULL, NULL);
	}
	c->rewrite = REWRITE_NOT;
	c->editing = false;
}

static void head_is_out(struct conn *c)
{
	c->tx = c->streams ? TX_HOLD : TX_OVER;
	c->hooks->sent(c->call, true);
}

static void refill(struct conn *c);

static void on_drained(struct conn *c, size_t left)
{
	c->spoke = true;
	switch (c->tx) {
	case TX_HEAD:
		if (left == 0)
			head_is_out(c);
		break;
	case TX_STREAM:
		c->hooks->sent(c->call, false);
		if (left < OUT_LOW)
			refill(c);
		break;
	case TX_LAST:
		c->hooks->sent(c->call, false);
		if (left == 0)
			c->tx = TX_OVER;
		break;
	default:
		break;
	}
}

void conn_on_output(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;
	if (c->editing)
		return;
	size_t n = evbuffer_get_length(buf);
	if (c->rewrite != REWRITE_NOT) {
		if (n >= ENGINE_HEAD_BYTES)
			replace_head(c, buf);
		return;
	}
	if (info->n_deleted > 0 && c->call != NULL)
		on_drained(c, n);
}

/*
 * The first request: evhttp starts to connect to the dead end, and gets our connected descriptor
 * instead. A socket bufferevent finds it connected when it is writable; a TLS one is told.
 */
static enum err hand_over(struct conn *c)
{
	c->rewrite = REWRITE_REPLACE;
	if (evhttp_make_request(c->evcon, c->req, EVHTTP_REQ_GET, "/") != 0) {
		c->engine = ENGINE_FAILED;
		c->req = NULL;
	}
	int dead_end = bufferevent_getfd(c->bev);
	if (c->engine != ENGINE_RUNS || dead_end < 0) {
		conn_break(c, KIND_LOCAL_RESOURCE, "connect", "no loopback socket could be made");
		return ERR_OK;
	}
	bufferevent_setfd(c->bev, c->ch.fd);
	c->handed_over = true;
	close(dead_end);
	if (c->ch.ssl != NULL)
		bufferevent_trigger_event(c->bev, BEV_EVENT_CONNECTED, 0);
	return ERR_OK;
}

static size_t write_now(struct conn *c)
{
	ssize_t n;
	if (c->ch.ssl == NULL) {
		n = send(c->ch.fd, c->out.p, c->out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		ERR_clear_error();
		n = SSL_write(c->ch.ssl, c->out.p, (int)c->out.n);
		ERR_clear_error();
	}
	return n > 0 ? (size_t)n : 0;
}

/*
 * A later request: evhttp thinks it wrote, we write. The kernel nearly always takes a head at
 * once; then the loop never learns that anything was to be written.
 */
static enum err send_again(struct conn *c)
{
	c->rewrite = REWRITE_SWALLOW;
	if (evhttp_make_request(c->evcon, c->req, EVHTTP_REQ_GET, "/") != 0) {
		c->req = NULL;
		c->engine = ENGINE_FAILED;
		c->hooks->wake(c->call);
		return ERR_OK;
	}
	CHECK(c->rewrite == REWRITE_NOT);
	size_t n = write_now(c);
	if (n > 0)
		c->spoke = true;
	if (n == c->out.n) {
		head_is_out(c);
		bufferevent_trigger(c->bev, EV_WRITE, 0);
	} else {
		c->editing = true;
		evbuffer_add(bufferevent_get_output(c->bev), c->out.p + n, c->out.n - n);
		c->editing = false;
	}
	return ERR_OK;
}

enum err conn_begin(struct conn *c)
{
	return c->handed_over ? send_again(c) : hand_over(c);
}

/* ---- a streamed body ---- */

static void refill(struct conn *c)
{
	char buf[PULL_MAX];
	struct evbuffer *out = bufferevent_get_output(c->bev);
	while (c->tx == TX_STREAM && evbuffer_get_length(out) < OUT_HIGH) {
		size_t n = 0;
		enum err e = c->hooks->pull(c->call, buf, sizeof(buf), &n);
		CHECK(n <= sizeof(buf));
		if (e == ERR_OK) {
			c->editing = true;
			int r = evbuffer_add(out, buf, n);
			c->editing = false;
			e = r == 0 ? ERR_OK : ERR_NOMEM;
		}
		if (e == ERR_AGAIN)
			c->tx = TX_STARVED;
		else if (e == ERR_END)
			c->tx = evbuffer_get_length(out) > 0 ? TX_LAST : TX_OVER;
		else if (e != ERR_OK)
			conn_break(c, KIND_LOCAL_RESOURCE, "send",
				   "the source of the request body failed");
		if (e != ERR_OK)
			return;
	}
}

void conn_cut(struct conn *c)
{
	c->tx = TX_CUT;
	c->dirty = true;
	c->editing = true;
	empty_output(c, bufferevent_get_output(c->bev));
	c->editing = false;
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	c->evhttp_read(bev, c->evcon);
}

/* A peer that answers and closes while we still send: what it said must be read first. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;
	bool sends = c->tx == TX_STREAM || c->tx == TX_STARVED || c->tx == TX_LAST;
	bool failed = (what & BEV_EVENT_WRITING) && (what & (BEV_EVENT_ERROR | BEV_EVENT_EOF));
	if (c->call == NULL || !sends || !failed) {
		c->evhttp_event(bev, what, c->evcon);
		return;
	}
	c->sys_errno = errno;
	conn_cut(c);
	bufferevent_disable(bev, EV_WRITE);
	if (!c->paused)
		bufferevent_enable(bev, EV_READ);
}

/*
 * evhttp reads by now and must not hear of writing any more: its write callback is for the head
 * alone and aborts in any other state.
 */
static void begin_stream(struct conn *c)
{
	bufferevent_data_cb rd, wr;
	bufferevent_event_cb ev;
	void *arg;
	bufferevent_getcb(c->bev, &rd, &wr, &ev, &arg);
	bool reads = rd != NULL;
	/* What is in the input is read by a deferred call that insists on its own argument. */
	bool deferred = c->rx == RX_BODY && evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;
	if (!reads || deferred) {
		c->hooks->wake(c->call);
		return;
	}
	c->evhttp_read = rd;
	c->evhttp_event = ev;
	bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	c->tx = TX_STREAM;
	bufferevent_enable(c->bev, EV_WRITE);
	refill(c);
}

void conn_stream(struct conn *c)
{
	if (c->tx == TX_HOLD) {
		c->tx = TX_BEGIN;
		c->hooks->wake(c->call);
	} else if (c->tx == TX_STARVED) {
		c->tx = TX_STREAM;
		refill(c);
	}
}

/* The answer came while the head, or a small body behind it, is stuck in the output. */
static void unstick(struct conn *c)
{
	conn_cut(c);
	bufferevent_trigger(c->bev, EV_WRITE, BEV_TRIG_DEFER_CALLBACKS);
}

void conn_out_turn(struct conn *c)
{
	bool answered = c->rx == RX_BODY || c->rx == RX_OVER;
	if (c->engine != ENGINE_RUNS)
		return;
	if (answered && c->tx == TX_HEAD)
		unstick(c);
	else if (answered && (c->tx == TX_HOLD || c->tx == TX_BEGIN))
		c->tx = TX_CUT;
	else if (answered && c->head.status >= 300 &&
		 (c->tx == TX_STREAM || c->tx == TX_STARVED || c->tx == TX_LAST))
		conn_cut(c);
	else if (c->tx == TX_BEGIN)
		begin_stream(c);
}
