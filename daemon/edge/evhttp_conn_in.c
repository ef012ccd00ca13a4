#include "edge/evhttp_conn_parts.h"

#include "base/check.h"

#include <stdio.h>

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
	c->rx = RX_BODY;
	if (c->head.framing == FRAMING_CHUNKED) {
		dechunk_init(&c->dechunk, c->head.limits.bytes);
		c->dechunks = true;
	}
	give_head(c, buf);
	c->hooks->head(c->call, &c->head);
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
	if (c->rx == RX_HEAD)
		take_head(c, buf);
	if (c->rx == RX_BROKEN)
		evbuffer_drain(buf, evbuffer_get_length(buf));
	c->editing = false;
}

enum pumped { PUMPED_ALL, PUMPED_STALLED, PUMPED_END, PUMPED_BROKEN };

/* Finds payload at the front of buf, undoing the chunked coding in place. */
static enum pumped find_payload(struct conn *c, struct evbuffer *buf, const char *p, size_t n)
{
	size_t used;
	struct slice data;
	if (!c->dechunks) {
		c->payload = n;
		return PUMPED_ALL;
	}
	switch (dechunk_feed(&c->dechunk, p, n, &used, &data)) {
	case DECHUNK_MORE:
		evbuffer_drain(buf, used);
		return PUMPED_ALL;
	case DECHUNK_DATA:
		evbuffer_drain(buf, used - data.n);
		c->payload = data.n;
		return PUMPED_ALL;
	case DECHUNK_END:
		evbuffer_drain(buf, used);
		return PUMPED_END;
	case DECHUNK_BAD:
		break;
	}
	conn_break(c, c->dechunk.kind, "body", c->dechunk.why);
	return PUMPED_BROKEN;
}

static enum pumped pump(struct conn *c, struct evbuffer *buf)
{
	struct evbuffer_iovec v;
	while (c->rx == RX_BODY && evbuffer_peek(buf, -1, NULL, &v, 1) >= 1 && v.iov_len > 0) {
		if (c->payload == 0) {
			enum pumped r = find_payload(c, buf, v.iov_base, v.iov_len);
			if (r != PUMPED_ALL)
				return r;
			continue;
		}
		size_t used = 0, offer = v.iov_len < c->payload ? v.iov_len : (size_t)c->payload;
		bool more = c->hooks->body(c->call, v.iov_base, offer, &used);
		CHECK(used <= offer);
		evbuffer_drain(buf, used);
		c->payload -= used;
		if (!more)
			return PUMPED_STALLED;
	}
	return c->rx == RX_BROKEN ? PUMPED_BROKEN : PUMPED_ALL;
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

void conn_on_chunk(struct evhttp_request *req, void *arg)
{
	struct conn *c = arg;
	struct evbuffer *buf = evhttp_request_get_input_buffer(req);
	if (c->stalled != NULL && evbuffer_get_length(c->stalled) > 0) {
		keep_for_later(c, buf);
		return;
	}
	switch (pump(c, buf)) {
	case PUMPED_STALLED:
		keep_for_later(c, buf);
		break;
	case PUMPED_END:
		body_over(c, buf);
		break;
	case PUMPED_ALL:
	case PUMPED_BROKEN:
		break;
	}
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
