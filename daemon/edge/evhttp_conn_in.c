#include "edge/evhttp_conn_parts.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#define ENGINE_READ_BYTES 4096 /* what evhttp's buffers read at a time, at most */
#define AHEAD_TURNS	  4    /* reads of ours in one turn of the loop */

/* What evhttp is told instead of the head that came. */
static void give_head(struct conn *c, struct evbuffer *buf)
{
	char text[96];
	int n;
	switch (c->head.framing) {
	case FRAMING_NONE:
		n = snprintf(text, sizeof(text), "HTTP/1.1 204 N\r\n\r\n");
		break;
	case FRAMING_LENGTH:
		n = snprintf(text, sizeof(text), "HTTP/1.1 200 O\r\nContent-Length: %llu\r\n\r\n",
			     (unsigned long long)c->head.length);
		break;
	default:
		n = snprintf(text, sizeof(text), "HTTP/1.1 200 O\r\n\r\n");
		break;
	}
	evbuffer_prepend(buf, text, (size_t)n);
}

void conn_break(struct conn *c, enum kind kind, const char *phase, const char *why)
{
	if (c->rx == RX_BROKEN)
		return;
	c->rx = RX_BROKEN;
	c->failure = (struct conn_failure){kind, phase, why};
	c->hooks->wake(c->call);
}

static void on_final_head(struct conn *c, struct evbuffer *buf)
{
	bool is_slow =
		c->head.framing == FRAMING_LENGTH && evbuffer_get_length(buf) < c->head.length;
	c->rx = RX_BODY;
	if (c->head.framing == FRAMING_CHUNKED) {
		dechunk_init(&c->dechunk, c->head.limits.bytes);
		c->dechunks = true;
	}
	give_head(c, buf);
	c->hooks->head(c->call, &c->head);
	if (is_slow)
		head_drop_texts(&c->head); /* others want the memory */
	/* An answer before the request is out: see conn_out_turn. */
	if (c->tx != TX_OVER)
		c->hooks->wake(c->call);
}

static void take_head(struct conn *c, struct evbuffer *buf)
{
	struct evbuffer_iovec v;
	enum head_state s = HEAD_MORE;
	while (s == HEAD_MORE && evbuffer_peek(buf, -1, NULL, &v, 1) >= 1 && v.iov_len > 0) {
		size_t used;
		bool waited = !head_saw_continue(&c->head);
		s = head_feed(&c->head, v.iov_base, v.iov_len, &used);
		evbuffer_drain(buf, used);
		if (waited && head_saw_continue(&c->head))
			c->hooks->may_continue(c->call);
	}
	if (s == HEAD_DONE)
		on_final_head(c, buf);
	else if (s == HEAD_BAD)
		conn_break(c, c->head.kind, "head", c->head.why);
}

void conn_on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;
	if (c->editing || info->n_added == 0)
		return;
	if (c->call == NULL || c->engine != ENGINE_RUNS) {
		c->dirty = true;
		return;
	}
	c->heard = true;
	c->hooks->received(c->call, info->n_added);
	c->editing = true;
	if (c->rx == RX_BODY && c->head.n_fields > 0)
		head_drop_texts(&c->head); /* it takes its time, too */
	if (c->rx == RX_HEAD)
		take_head(c, buf);
	if (c->rx == RX_BROKEN)
		evbuffer_drain(buf, evbuffer_get_length(buf));
	c->editing = false;
}

enum pumped { PUMPED_ALL, PUMPED_STALLED, PUMPED_END, PUMPED_BROKEN };

/* Finds payload at the front, undoing the chunked coding; *ret_skip bytes before it are none. */
static enum pumped find_payload(struct conn *c, const char *p, size_t n, size_t *ret_skip)
{
	struct slice data;
	*ret_skip = 0;
	if (!c->dechunks) {
		c->payload = n;
		return PUMPED_ALL;
	}
	switch (dechunk_feed(&c->dechunk, p, n, ret_skip, &data)) {
	case DECHUNK_MORE:
		return PUMPED_ALL;
	case DECHUNK_DATA:
		*ret_skip -= data.n;
		c->payload = data.n;
		return PUMPED_ALL;
	case DECHUNK_END:
		return PUMPED_END;
	case DECHUNK_BAD:
		break;
	}
	conn_break(c, c->dechunk.kind, "body", c->dechunk.why);
	return PUMPED_BROKEN;
}

static enum pumped feed(struct conn *c, const char *p, size_t n, size_t *ret_used)
{
	size_t at = 0;
	enum pumped r = PUMPED_ALL;
	while (c->rx == RX_BODY && at < n && r == PUMPED_ALL) {
		size_t used = 0;
		if (c->payload == 0) {
			r = find_payload(c, p + at, n - at, &used);
			at += used;
			continue;
		}
		size_t offer = n - at < c->payload ? n - at : (size_t)c->payload;
		bool more = c->hooks->body(c->call, p + at, offer, &used);
		CHECK(used <= offer);
		at += used;
		c->payload -= used;
		r = more ? PUMPED_ALL : PUMPED_STALLED;
	}
	*ret_used = at;
	return c->rx == RX_BROKEN ? PUMPED_BROKEN : r;
}

static enum pumped pump(struct conn *c, struct evbuffer *buf)
{
	struct evbuffer_iovec v;
	enum pumped r = PUMPED_ALL;
	while (c->rx == RX_BODY && r == PUMPED_ALL && evbuffer_peek(buf, -1, NULL, &v, 1) >= 1 &&
	       v.iov_len > 0) {
		size_t used;
		r = feed(c, v.iov_base, v.iov_len, &used);
		evbuffer_drain(buf, used);
	}
	return c->rx == RX_BROKEN ? PUMPED_BROKEN : r;
}

static void keep_for_later(struct conn *c, struct evbuffer *buf)
{
	if (!c->paused && c->engine == ENGINE_RUNS)
		bufferevent_disable(c->bev, EV_READ);
	c->paused = true;
	if (c->stalled == NULL)
		c->stalled = evbuffer_new();
	if (c->stalled == NULL || evbuffer_add_buffer(c->stalled, buf) != 0)
		conn_break(c, KIND_LOCAL_RESOURCE, "body", "memory ran out");
}

static void body_over(struct conn *c, struct evbuffer *rest)
{
	c->rx = RX_OVER;
	if (evbuffer_get_length(rest) > 0)
		c->dirty = true;
	evbuffer_drain(rest, evbuffer_get_length(rest));
	if (c->req != NULL)
		c->req->ntoread = 0; /* evhttp: nothing is left to read */
}

static void settle(struct conn *c, enum pumped r, struct evbuffer *rest)
{
	if (r == PUMPED_STALLED)
		keep_for_later(c, rest);
	else if (r == PUMPED_END)
		body_over(c, rest);
}

/* True if there may be more. Past its Content-Length nothing is read: that is another's. */
static bool read_once(struct conn *c, struct evhttp_request *req)
{
	size_t used, cap = CONN_AHEAD_BYTES;
	if (req->ntoread >= 0 && (uint64_t)req->ntoread < cap)
		cap = (size_t)req->ntoread;
	ssize_t n = cap > 0 ? recv(c->ch.fd, c->env->ahead, cap, MSG_DONTWAIT) : 0;
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		conn_break(c, KIND_READ_CLOSED, "body",
			   "the server reset the connection before the body was complete");
	if (n <= 0)
		return false; /* an end is seen by evhttp too */
	if (req->ntoread > 0)
		req->ntoread -= n;
	c->hooks->received(c->call, (size_t)n);
	enum pumped r = feed(c, c->env->ahead, (size_t)n, &used);
	struct evbuffer *buf = evhttp_request_get_input_buffer(req);
	if (used < (size_t)n && evbuffer_add(buf, c->env->ahead + used, (size_t)n - used) != 0)
		conn_break(c, KIND_LOCAL_RESOURCE, "body", "memory ran out");
	settle(c, r, buf);
	return r == PUMPED_ALL && (size_t)n == cap;
}

/*
 * evhttp's buffers read 4 KiB at a time, with three system calls each. Once a body shows that it
 * is longer, we read on where they stopped.
 */
static void read_ahead(struct conn *c, struct evhttp_request *req)
{
	for (int i = 0; i < AHEAD_TURNS && c->rx == RX_BODY && !c->paused; i++)
		if (!read_once(c, req))
			return;
}

void conn_on_chunk(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;
	struct evbuffer *buf = evhttp_request_get_input_buffer(req);
	bool is_long = evbuffer_get_length(buf) >= ENGINE_READ_BYTES;
	if (c->stalled != NULL && evbuffer_get_length(c->stalled) > 0) {
		keep_for_later(c, buf);
		return;
	}
	enum pumped r = pump(c, buf);
	settle(c, r, buf);
	bool is_all = r == PUMPED_ALL && evbuffer_get_length(bufferevent_get_input(c->bev)) == 0;
	if (is_long && is_all && c->ch.ssl == NULL && c->engine == ENGINE_RUNS)
		read_ahead(c, req);
}

/* Outside evhttp's callbacks: the consumer may have room again. */
void conn_pump(struct conn *c)
{
	if (!c->paused)
		return;
	switch (pump(c, c->stalled)) {
	case PUMPED_STALLED:
	case PUMPED_BROKEN:
		return;
	case PUMPED_END:
		body_over(c, c->stalled);
		if (c->engine == ENGINE_RUNS)
			bufferevent_trigger(c->bev, EV_READ, 0);
		break;
	case PUMPED_ALL:
		if (c->engine == ENGINE_RUNS)
			bufferevent_enable(c->bev, EV_READ);
		break;
	}
	c->paused = false;
}
