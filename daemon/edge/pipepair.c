/*
 * pipepair -- see pipepair.h. A connection lives until both sides have let go of it.
 */
#include "edge/pipepair.h"

#include "base/check.h"
#include "base/list.h"
#include "base/rng.h"

#include <stdlib.h>

#define PIPE_BYTES_DEFAULT (64u << 10)
#define PIECE_MAX	   (64u << 10)

struct pipes;

struct transport_conn {
	struct pipes *p;
	struct link link;
	struct peer peer;
	void *who;
	struct bytes up, down; /* to the server, to the client */
	bool is_open, is_paused, wants_write, has_room;
	bool server_left, client_left, in_event;
};

/* The same object seen from the other side. */
struct pipe_end {
	struct transport_conn c;
};

struct pipes {
	struct transport t;
	const struct clock *clock;
	struct rng rng;
	bool in_pieces, is_listening, wants_flush;
	size_t pipe_bytes;
	int64_t tick_ns;
	const struct transport_events *ev;
	void *ctx;
	struct link conns;
};

static struct pipes *pipes_of(const struct transport *t)
{
	return LIST_ENTRY(t, struct pipes, t);
}

static void conn_drop(struct transport_conn *c)
{
	if (!c->server_left || !c->client_left || c->in_event)
		return;
	list_remove(&c->link);
	bytes_fini(&c->up);
	bytes_fini(&c->down);
	free(LIST_ENTRY(c, struct pipe_end, c));
}

/* ---- the table ---- */

static enum err pp_listen(struct transport *t, const struct transport_events *ev, void *ctx)
{
	struct pipes *p = pipes_of(t);
	p->ev = ev;
	p->ctx = ctx;
	p->is_listening = true;
	return ERR_OK;
}

static const char *pp_failure_text(const struct transport *t)
{
	(void)t;
	return "";
}

static void pp_unlisten(struct transport *t)
{
	pipes_of(t)->is_listening = false;
}

static enum err pp_write(struct transport_conn *c, const struct iovec *v, int n, size_t *ret_taken)
{
	size_t taken = 0;
	if (c->client_left)
		return ERR_CLOSED;
	for (int i = 0; i < n; i++) {
		size_t room = c->p->pipe_bytes - c->down.n;
		size_t part = v[i].iov_len < room ? v[i].iov_len : room;
		if (bytes_add(&c->down, v[i].iov_base, part) != ERR_OK)
			break;
		taken += part;
		if (part < v[i].iov_len)
			break;
	}
	c->has_room = c->down.n < c->p->pipe_bytes;
	*ret_taken = taken;
	return ERR_OK;
}

static void pp_want_write(struct transport_conn *c, bool on)
{
	c->wants_write = on;
}

static void pp_pause(struct transport_conn *c, bool on)
{
	c->is_paused = on;
}

static void pp_close(struct transport_conn *c)
{
	c->server_left = true;
	conn_drop(c);
}

static void pp_flush_soon(struct transport *t)
{
	pipes_of(t)->wants_flush = true;
}

static void pp_tick_after(struct transport *t, int64_t delay_ns)
{
	struct pipes *p = pipes_of(t);
	p->tick_ns = delay_ns < 0 ? INT64_MAX : clock_mono_ns(p->clock) + delay_ns;
}

/* Clients still hold their ends: they free them by pipe_end_close. */
static void pp_free(struct transport *t)
{
	struct pipes *p = pipes_of(t);
	LIST_EACH_SAFE (it, &p->conns) {
		struct transport_conn *c = LIST_ENTRY(it, struct transport_conn, link);
		list_remove(&c->link);
		c->server_left = true;
		c->p = NULL;
		conn_drop(c);
	}
	free(p);
}

enum err pipepair_new(const struct pipepair_options *o, struct transport **ret_t)
{
	static const struct transport_ops ops = {
		.listen = pp_listen,
		.failure_text = pp_failure_text,
		.unlisten = pp_unlisten,
		.write = pp_write,
		.want_write = pp_want_write,
		.pause = pp_pause,
		.close = pp_close,
		.flush_soon = pp_flush_soon,
		.tick_after = pp_tick_after,
		.free = pp_free,
	};
	struct pipes *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	p->t.ops = &ops;
	p->clock = o->clock;
	p->in_pieces = o->seed != 0;
	rng_seed(&p->rng, o->seed);
	p->pipe_bytes = o->pipe_bytes != 0 ? o->pipe_bytes : PIPE_BYTES_DEFAULT;
	p->tick_ns = INT64_MAX;
	list_init(&p->conns);
	*ret_t = &p->t;
	return ERR_OK;
}

/* ---- events ---- */

static bool give_open(struct transport_conn *c)
{
	if (c->is_open)
		return false;
	c->is_open = true;
	c->who = c->p->ev->on_open(c->p->ctx, c, &c->peer);
	if (c->who == NULL)
		c->server_left = true;
	return true;
}

static bool give_bytes(struct transport_conn *c)
{
	if (c->server_left || c->is_paused || c->up.n == 0)
		return false;
	size_t n = c->up.n < PIECE_MAX ? c->up.n : PIECE_MAX;
	if (c->p->in_pieces)
		n = (size_t)rng_below(&c->p->rng, n) + 1;
	struct bytes piece = {.n = 0};
	if (bytes_add(&piece, c->up.p, n) != ERR_OK)
		return false;
	bytes_drop(&c->up, n);
	c->p->ev->on_bytes(c->who, piece.p, piece.n);
	bytes_fini(&piece);
	return true;
}

static bool give_writable(struct transport_conn *c)
{
	if (c->server_left || c->client_left || !c->wants_write || !c->has_room)
		return false;
	c->p->ev->on_writable(c->who);
	return true;
}

static bool give_close(struct transport_conn *c)
{
	if (c->server_left || !c->client_left || (c->up.n > 0 && !c->is_paused))
		return false;
	c->server_left = true;
	c->p->ev->on_close(c->who);
	return true;
}

static bool poll_conn(struct transport_conn *c)
{
	c->in_event = true;
	bool did = give_open(c);
	did = give_bytes(c) || did;
	did = give_writable(c) || did;
	did = give_close(c) || did;
	c->in_event = false;
	conn_drop(c);
	return did;
}

bool pipepair_poll(struct transport *t)
{
	struct pipes *p = pipes_of(t);
	bool did = false;
	if (p->ev == NULL)
		return false;
	if (p->wants_flush) {
		p->wants_flush = false;
		p->ev->on_flush(p->ctx);
		did = true;
	}
	LIST_EACH_SAFE (it, &p->conns)
		did = poll_conn(LIST_ENTRY(it, struct transport_conn, link)) || did;
	if (p->tick_ns <= clock_mono_ns(p->clock)) {
		p->tick_ns = INT64_MAX;
		p->ev->on_tick(p->ctx);
		did = true;
	}
	return did;
}

int64_t pipepair_tick_ns(const struct transport *t)
{
	return pipes_of(t)->tick_ns;
}

/* ---- the client's side ---- */

struct pipe_end *pipepair_dial(struct transport *t, const struct peer *peer)
{
	struct pipes *p = pipes_of(t);
	if (!p->is_listening)
		return NULL;
	struct pipe_end *e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->c.p = p;
	e->c.peer = *peer;
	e->c.has_room = true;
	list_push_back(&p->conns, &e->c.link);
	return e;
}

enum err pipe_end_send(struct pipe_end *e, const void *p, size_t n)
{
	return e->c.server_left ? ERR_CLOSED : bytes_add(&e->c.up, p, n);
}

enum err pipe_end_receive(struct pipe_end *e, struct bytes *out)
{
	enum err r = bytes_add(out, e->c.down.p, e->c.down.n);
	if (r != ERR_OK)
		return r;
	e->c.down.n = 0;
	e->c.has_room = true;
	return ERR_OK;
}

bool pipe_end_is_open(const struct pipe_end *e)
{
	return !e->c.server_left;
}

void pipe_end_close(struct pipe_end *e)
{
	if (e == NULL)
		return;
	e->c.client_left = true;
	conn_drop(&e->c);
}
