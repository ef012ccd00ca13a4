/*
 * ctlsock_conn -- greeting, frames, replies and time-outs of one connection; see ctlsock_conn.h.
 */
#include "edge/ctlsock_conn.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

#define TICK_NS		(NS_PER_S / 4)
#define LARGE_FRAME	(64u << 10)
#define DISCARD_MAX	(64u << 20)
#define WRITES_PER_CALL 16

static int64_t now_ns(const struct ctlsock *cs)
{
	return clock_mono_ns(cs->clock);
}

void ctlsock_watch(struct ctlsock *cs)
{
	if (cs->tick_set)
		return;
	cs->tick_set = true;
	cs->transport->ops->tick_after(cs->transport, TICK_NS);
}

static void mark_dirty(struct ctlconn *c)
{
	struct ctlsock *cs = c->cs;
	if (c->is_dirty)
		return;
	c->is_dirty = true;
	list_push_back(&cs->dirty, &c->dirty);
	if (!cs->flush_set) {
		cs->flush_set = true;
		cs->transport->ops->flush_soon(cs->transport);
	}
}

/* ---- life of a connection ---- */

void ctlconn_free(struct ctlconn *c)
{
	struct ctlsock *cs = c->cs;
	list_remove(&c->all);
	list_remove(&c->dirty);
	cs->slot[c->id & ((1u << CTLSOCK_SLOT_BITS) - 1)] = NULL;
	cs->stats.n_conns--;
	cs->stats.input_bytes -= c->in.n;
	cs->stats.output_bytes -= c->out.n_bytes;
	bytes_fini(&c->in);
	outqueue_fini(&c->out);
	free(c);
}

/* The connection is over: the owner hears of it once. */
void ctlconn_gone(struct ctlconn *c)
{
	struct ctlsock *cs = c->cs;
	ctlsock_conn_id id = c->id;
	ctlconn_free(c);
	if (cs->owner.on_gone != NULL)
		cs->owner.on_gone(cs->owner.ctx, id);
}

void ctlconn_end(struct ctlconn *c)
{
	c->cs->transport->ops->close(c->tc);
	ctlconn_gone(c);
}

void ctlconn_greet(struct ctlconn *c)
{
	struct bytes body = {.n = 0};
	uint8_t hello[SP_HELLO_BYTES];
	sp_hello_put(hello, c->cs->role == CTLSOCK_REP ? SP_REP : SP_PUB);
	size_t before = c->out.n_bytes;
	if (outqueue_push(&c->out, hello, sizeof(hello), &body) == ERR_OK && before == 0)
		c->moved_ns = now_ns(c->cs);
	c->cs->stats.output_bytes += c->out.n_bytes - before;
	mark_dirty(c);
}

/* ---- input ---- */

static bool is_full(const struct ctlconn *c)
{
	const struct ctlsock_limits *l = &c->cs->limits;
	if (c->state == CONN_DISCARDING)
		return false;
	return c->n_inflight >= l->max_inflight || c->out.n_bytes >= l->high_water ||
	       (c->in.n > LARGE_FRAME && c->cs->stats.input_bytes > l->input_total);
}

static void set_paused(struct ctlconn *c, bool on)
{
	if (c->is_paused == on)
		return;
	c->is_paused = on;
	c->cs->transport->ops->pause(c->tc, on);
}

/* False: no memory. The connection has to end then, so that the caller asks anew. */
static bool queue_request(struct ctlconn *c, const struct sp_request *rq)
{
	struct ctlsock *cs = c->cs;
	struct ctlsock_request *r = malloc(sizeof(*r) + rq->body.n + 1);
	if (r == NULL)
		return false;
	r->next = NULL;
	r->token.conn = c->id;
	r->token.n_words = (uint8_t)rq->words.n;
	memcpy(r->token.words, rq->words.p, rq->words.n);
	r->peer = c->peer;
	r->id = rq->id;
	r->n_hops = rq->n_hops;
	r->n = rq->body.n;
	if (r->n > 0)
		memcpy(r->body, rq->body.p, r->n);
	r->body[r->n] = '\0';
	bool was_empty = cs->first == NULL;
	*cs->last = r;
	cs->last = &r->next;
	c->n_inflight++;
	cs->stats.n_waiting++;
	cs->stats.n_requests++;
	if (was_empty)
		cs->owner.on_requests(cs->owner.ctx);
	return true;
}

/* One payload. False: the connection has to end. */
static bool take_payload(struct ctlconn *c, struct slice payload)
{
	struct sp_request rq;
	if (c->cs->role == CTLSOCK_PUB)
		return false; /* a subscriber has nothing to say */
	switch (sp_request_parse(payload, &rq)) {
	case ERR_OK:
		return queue_request(c, &rq);
	case ERR_TOO_LARGE:
		return true; /* too many hops: dropped, as nng does */
	default:
		return false;
	}
}

void ctlconn_reply(struct ctlconn *c, const void *words, size_t n_words, struct bytes *body, int fd)
{
	uint8_t head[SP_FRAME_HEAD_BYTES + CTLSOCK_WORDS_MAX];
	size_t before = c->out.n_bytes;
	sp_frame_put(head, n_words + body->n);
	memcpy(head + SP_FRAME_HEAD_BYTES, words, n_words);
	if (outqueue_push_file(&c->out, head, SP_FRAME_HEAD_BYTES + n_words, body, fd) != ERR_OK) {
		c->is_broken = true; /* an answer is lost: the caller must not wait for it */
		mark_dirty(c);
		return;
	}
	if (before == 0)
		c->moved_ns = now_ns(c->cs);
	c->cs->stats.output_bytes += c->out.n_bytes - before;
	mark_dirty(c);
}

/* A frame above the limit: its words are needed to answer; AGAIN until they are there. */
static enum err refuse_too_large(struct ctlconn *c, const char *p, size_t n, size_t *ret_used)
{
	struct sp_request rq;
	size_t limit = SP_FRAME_HEAD_BYTES + CTLSOCK_WORDS_MAX;
	struct slice seen = {p + SP_FRAME_HEAD_BYTES,
			     (n < limit ? n : limit) - SP_FRAME_HEAD_BYTES};
	enum err e = sp_request_parse(seen, &rq);
	if (e == ERR_CORRUPT && n < limit)
		return ERR_AGAIN;
	c->cs->stats.n_too_large++;
	if (e != ERR_OK || c->cs->role == CTLSOCK_PUB)
		return ERR_CORRUPT;
	struct bytes body = {.n = 0};
	if (bytes_add_slice(&body, c->cs->owner.too_large) == ERR_OK)
		ctlconn_reply(c, rq.words.p, rq.words.n, &body, -1);
	uint64_t length = 0;
	for (int i = 1; i < SP_FRAME_HEAD_BYTES; i++)
		length = length << 8 | (uint8_t)p[i];
	c->discard = length < DISCARD_MAX ? length + SP_FRAME_HEAD_BYTES : DISCARD_MAX;
	c->state = CONN_DISCARDING;
	c->since_ns = now_ns(c->cs);
	*ret_used = 0;
	return ERR_OK;
}

/* One step over the input. AGAIN: more is needed. Otherwise not OK: the connection has to end. */
static enum err step_greeting(struct ctlconn *c, const char *p, size_t n, size_t *ret_used)
{
	uint8_t hello[SP_HELLO_BYTES];
	if (n < sizeof(hello))
		return ERR_AGAIN;
	memcpy(hello, p, sizeof(hello));
	enum err e = sp_hello_check(hello, c->cs->role == CTLSOCK_REP ? SP_REQ : SP_SUB);
	if (e != ERR_OK)
		return e;
	c->state = CONN_OPEN;
	*ret_used = sizeof(hello);
	return ERR_OK;
}

static enum err step_open(struct ctlconn *c, const char *p, size_t n, size_t *ret_used)
{
	struct sp_frame f;
	size_t need;
	if (n == 0)
		return ERR_AGAIN;
	enum err e = sp_frame_parse(p, n, c->cs->limits.max_frame, &f, &need);
	if (e == ERR_TOO_LARGE)
		return refuse_too_large(c, p, n, ret_used);
	if (e != ERR_OK)
		return e;
	*ret_used = f.n_total;
	return take_payload(c, f.payload) ? ERR_OK : ERR_CORRUPT;
}

static enum err step_discarding(struct ctlconn *c, const char *p, size_t n, size_t *ret_used)
{
	(void)p;
	if (n == 0)
		return ERR_AGAIN;
	if (n > c->discard)
		n = (size_t)c->discard;
	c->discard -= n;
	*ret_used = n;
	if (c->discard > 0)
		return ERR_OK;
	return c->out.n_bytes == 0 ? ERR_END : ERR_AGAIN;
}

static enum err step(struct ctlconn *c, const char *p, size_t n, size_t *ret_used)
{
	static enum err (*const by_state[])(struct ctlconn *, const char *, size_t, size_t *) = {
		[CONN_GREETING] = step_greeting,
		[CONN_OPEN] = step_open,
		[CONN_DISCARDING] = step_discarding,
	};
	return by_state[c->state](c, p, n, ret_used);
}

/* Uses up what it can of p; *ret_used bytes are done with. AGAIN is told as OK. */
static enum err consume(struct ctlconn *c, const char *p, size_t n, size_t *ret_used)
{
	size_t at = 0;
	enum err e = ERR_OK;
	while (e == ERR_OK && !is_full(c)) {
		size_t used = 0;
		e = step(c, p + at, n - at, &used);
		at += used;
	}
	*ret_used = at;
	return e == ERR_AGAIN ? ERR_OK : e;
}

static void count_end(struct ctlconn *c, enum err e)
{
	if (e == ERR_CORRUPT || e == ERR_DENIED)
		c->cs->stats.n_malformed++;
}

/* What is left in `in` after something changed. False: the connection is gone. */
static bool use_input(struct ctlconn *c)
{
	size_t used = 0;
	enum err e = consume(c, c->in.p, c->in.n, &used);
	if (e != ERR_OK) {
		count_end(c, e);
		ctlconn_end(c);
		return false;
	}
	if (used > 0) {
		bytes_drop(&c->in, used);
		c->cs->stats.input_bytes -= used;
		c->since_ns = now_ns(c->cs);
	}
	if (c->in.n == 0 && c->in.cap > LARGE_FRAME)
		bytes_fini(&c->in);
	set_paused(c, is_full(c));
	return true;
}

/* Keeps what could not be used yet. False: no memory, or more than a frame can need. */
static bool keep_input(struct ctlconn *c, const char *p, size_t n)
{
	if (n == 0)
		return true;
	if (c->in.n == 0 && c->state == CONN_OPEN)
		c->since_ns = now_ns(c->cs);
	if (bytes_add(&c->in, p, n) != ERR_OK)
		return false;
	c->cs->stats.input_bytes += n;
	ctlsock_watch(c->cs);
	return true;
}

void ctlconn_bytes(struct ctlconn *c, const char *p, size_t n)
{
	size_t used = 0;
	enum err e = ERR_OK;
	if (c->in.n == 0)
		e = consume(c, p, n, &used);
	if (e == ERR_OK && !keep_input(c, p + used, n - used))
		e = ERR_NOMEM;
	if (e != ERR_OK) {
		count_end(c, e);
		ctlconn_end(c);
		return;
	}
	if (c->in.n > 0 && used == 0)
		use_input(c);
	else
		set_paused(c, is_full(c));
}

/* ---- output ---- */

static enum err write_pieces(struct ctlconn *c, const struct iovec *v, int n, int fd,
			     size_t *ret_taken)
{
	const struct transport_ops *ops = c->cs->transport->ops;
	return fd < 0 ? ops->write(c->tc, v, n, ret_taken)
		      : ops->write_file(c->tc, v, n, fd, ret_taken);
}

/* False: the connection is gone. */
static bool flush_conn(struct ctlconn *c)
{
	struct ctlsock *cs = c->cs;
	struct iovec v[OUTQUEUE_IOV];
	for (int i = 0; i < WRITES_PER_CALL && c->out.n_bytes > 0; i++) {
		size_t taken = 0, want = 0;
		int fd, n = outqueue_pieces(&c->out, v, &fd);
		for (int k = 0; k < n; k++)
			want += v[k].iov_len;
		if (write_pieces(c, v, n, fd, &taken) != ERR_OK) {
			ctlconn_end(c);
			return false;
		}
		outqueue_sent(&c->out, taken);
		cs->stats.output_bytes -= taken;
		if (taken > 0)
			c->moved_ns = now_ns(cs);
		if (taken < want)
			break;
	}
	bool wants = c->out.n_bytes > 0;
	if (wants != c->wants_write) {
		c->wants_write = wants;
		cs->transport->ops->want_write(c->tc, wants);
	}
	if (wants)
		ctlsock_watch(cs);
	if (c->is_broken || (c->state == CONN_DISCARDING && c->discard == 0 && !wants)) {
		ctlconn_end(c);
		return false;
	}
	return true;
}

void ctlconn_flush(struct ctlconn *c)
{
	if (flush_conn(c) && c->is_paused)
		use_input(c);
}

void ctlconn_event(struct ctlconn *c, struct outshare *event)
{
	struct ctlsock *cs = c->cs;
	uint8_t head[SP_FRAME_HEAD_BYTES];
	size_t before = c->out.n_bytes;
	while ((c->out.n_frames >= cs->limits.max_events ||
		c->out.n_bytes + event->n > cs->limits.high_water) &&
	       outqueue_drop_oldest(&c->out))
		cs->stats.n_dropped_events++;
	sp_frame_put(head, event->n);
	if (c->out.n_bytes == 0)
		c->moved_ns = now_ns(cs);
	if (outqueue_push_shared(&c->out, head, sizeof(head), event) != ERR_OK)
		cs->stats.n_dropped_events++;
	cs->stats.output_bytes += c->out.n_bytes;
	cs->stats.output_bytes -= before;
	mark_dirty(c);
}

/* ---- time ---- */

static bool is_late(const struct ctlconn *c, int64_t now)
{
	const struct ctlsock_limits *l = &c->cs->limits;
	switch (c->state) {
	case CONN_GREETING:
		return now - c->since_ns >= l->hello_ns;
	case CONN_OPEN:
		return c->in.n > 0 && !c->is_paused && now - c->since_ns >= l->frame_ns;
	case CONN_DISCARDING:
		return now - c->since_ns >= l->stall_ns;
	}
	return false;
}

static bool is_watched(const struct ctlconn *c)
{
	return c->state != CONN_OPEN || c->in.n > 0 || c->out.n_bytes > 0;
}

bool ctlconn_tick(struct ctlconn *c, int64_t now)
{
	struct ctlsock *cs = c->cs;
	if (is_late(c, now)) {
		cs->stats.n_late++;
		ctlconn_end(c);
		return false;
	}
	if (c->out.n_bytes > 0 && now - c->moved_ns >= cs->limits.stall_ns) {
		cs->stats.n_stalled++;
		ctlconn_end(c);
		return false;
	}
	if (c->is_paused && !is_full(c))
		return use_input(c);
	return c->is_paused || is_watched(c);
}
