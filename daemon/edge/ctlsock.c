/*
 * ctlsock -- SP's REP and PUB roles over a transport: the connections together, the queue of
 * requests, and what the owner calls; see ctlsock.h. One connection is ctlsock_conn.c.
 */
#include "edge/ctlsock_conn.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct ctlsock_limits ctlsock_limits_control = {
	.max_conns = 1024,
	.max_inflight = 64,
	.max_frame = SP_REQUEST_MAX_BYTES,
	.high_water = 1u << 20,
	.input_total = 64u << 20,
	.hello_ns = 10 * NS_PER_S,
	.frame_ns = 30 * NS_PER_S,
	.stall_ns = 5 * NS_PER_S,
};

const struct ctlsock_limits ctlsock_limits_events = {
	.max_conns = 256,
	.max_inflight = 1,
	.max_frame = 4096,
	.high_water = 1u << 20,
	.input_total = 1u << 20,
	.max_events = 4096,
	.hello_ns = 10 * NS_PER_S,
	.frame_ns = 10 * NS_PER_S,
	.stall_ns = 60 * NS_PER_S,
};

static struct ctlconn *conn_of_id(const struct ctlsock *cs, ctlsock_conn_id id)
{
	uint32_t i = (uint32_t)(id & ((1u << CTLSOCK_SLOT_BITS) - 1));
	if (i >= cs->limits.max_conns || cs->slot[i] == NULL || cs->slot[i]->id != id)
		return NULL;
	return cs->slot[i];
}

static uint32_t free_slot(struct ctlsock *cs)
{
	for (uint32_t i = 0; i < cs->limits.max_conns; i++) {
		uint32_t at = (cs->next_slot + i) % cs->limits.max_conns;
		if (cs->slot[at] == NULL) {
			cs->next_slot = at + 1;
			return at;
		}
	}
	return UINT32_MAX;
}

static void *on_open(void *ctx, struct transport_conn *tc, const struct peer *peer)
{
	struct ctlsock *cs = ctx;
	uint32_t slot = free_slot(cs);
	struct ctlconn *c = slot != UINT32_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (c == NULL) {
		cs->stats.n_refused++;
		return NULL;
	}
	c->cs = cs;
	c->tc = tc;
	c->peer = *peer;
	c->id = ++cs->serial << CTLSOCK_SLOT_BITS | slot;
	c->since_ns = clock_mono_ns(cs->clock);
	bytes_init(&c->in, cs->limits.max_frame + SP_FRAME_HEAD_BYTES + (128u << 10));
	outqueue_init(&c->out);
	list_init(&c->dirty);
	list_push_back(&cs->conns, &c->all);
	cs->slot[slot] = c;
	cs->stats.n_accepted++;
	cs->stats.n_conns++;
	ctlconn_greet(c);
	ctlsock_watch(cs);
	return c;
}

static void on_close(void *who)
{
	ctlconn_gone(who);
}

static void on_bytes(void *who, const char *p, size_t n)
{
	ctlconn_bytes(who, p, n);
}

static void on_writable(void *who)
{
	ctlconn_flush(who);
}

static void on_flush(void *ctx)
{
	struct ctlsock *cs = ctx;
	struct link *l;
	cs->flush_set = false;
	while ((l = list_pop_front(&cs->dirty)) != NULL) {
		struct ctlconn *c = LIST_ENTRY(l, struct ctlconn, dirty);
		c->is_dirty = false;
		ctlconn_flush(c);
	}
}

static void on_tick(void *ctx)
{
	struct ctlsock *cs = ctx;
	int64_t now = clock_mono_ns(cs->clock);
	bool again = false;
	cs->tick_set = false;
	LIST_EACH_SAFE (it, &cs->conns)
		again = ctlconn_tick(LIST_ENTRY(it, struct ctlconn, all), now) || again;
	if (again)
		ctlsock_watch(cs);
}

/* ---- for the owner ---- */

enum err ctlsock_new(enum ctlsock_role role, struct transport *transport, const struct clock *clock,
		     const struct ctlsock_limits *limits, const struct ctlsock_owner *owner,
		     struct ctlsock **ret_cs)
{
	CHECK(limits->max_conns < 1u << CTLSOCK_SLOT_BITS);
	struct ctlsock *cs = calloc(1, sizeof(*cs));
	if (cs == NULL)
		return ERR_NOMEM;
	cs->slot = calloc(limits->max_conns, sizeof(struct ctlconn *));
	if (cs->slot == NULL) {
		free(cs);
		return ERR_NOMEM;
	}
	cs->role = role;
	cs->transport = transport;
	cs->clock = clock;
	cs->limits = *limits;
	cs->owner = *owner;
	cs->last = &cs->first;
	list_init(&cs->conns);
	list_init(&cs->dirty);
	*ret_cs = cs;
	return ERR_OK;
}

void ctlsock_free(struct ctlsock *cs)
{
	if (cs == NULL)
		return;
	ctlsock_unlisten(cs);
	cs->transport->ops->tick_after(cs->transport, -1);
	LIST_EACH_SAFE (it, &cs->conns) {
		struct ctlconn *c = LIST_ENTRY(it, struct ctlconn, all);
		cs->transport->ops->close(c->tc);
		ctlconn_free(c);
	}
	for (struct ctlsock_request *r; (r = ctlsock_take(cs)) != NULL;)
		free(r);
	free(cs->slot);
	free(cs);
}

enum err ctlsock_listen(struct ctlsock *cs)
{
	static const struct transport_events ev = {
		.on_open = on_open,
		.on_bytes = on_bytes,
		.on_writable = on_writable,
		.on_close = on_close,
		.on_flush = on_flush,
		.on_tick = on_tick,
	};
	return cs->transport->ops->listen(cs->transport, &ev, cs);
}

void ctlsock_unlisten(struct ctlsock *cs)
{
	cs->transport->ops->unlisten(cs->transport);
}

struct ctlsock_request *ctlsock_take(struct ctlsock *cs)
{
	struct ctlsock_request *r = cs->first;
	if (r == NULL)
		return NULL;
	cs->first = r->next;
	if (cs->first == NULL)
		cs->last = &cs->first;
	r->next = NULL;
	cs->stats.n_waiting--;
	return r;
}

void ctlsock_reply(struct ctlsock *cs, const struct ctlsock_token *token, struct bytes *body)
{
	ctlsock_reply_file(cs, token, body, -1);
}

bool ctlsock_takes_files(const struct ctlsock *cs, const struct ctlsock_token *token)
{
	return cs->transport->ops->write_file != NULL && token->n_words == SP_WORD_BYTES;
}

void ctlsock_reply_file(struct ctlsock *cs, const struct ctlsock_token *token, struct bytes *body,
			int fd)
{
	struct ctlconn *c = conn_of_id(cs, token->conn);
	if (c == NULL || c->state == CONN_DISCARDING) {
		cs->stats.n_void_replies++;
		bytes_fini(body);
		if (fd >= 0)
			close(fd);
		return;
	}
	if (fd >= 0 && c->out.n_files >= CTLSOCK_FILES_MAX) {
		close(fd);
		fd = -1;
	}
	CHECK(c->n_inflight > 0);
	c->n_inflight--;
	cs->stats.n_replies++;
	ctlconn_reply(c, token->words, token->n_words, body, fd);
}

bool ctlsock_is_open(const struct ctlsock *cs, ctlsock_conn_id conn)
{
	return conn_of_id(cs, conn) != NULL;
}

static struct outshare *event_new(struct slice topic, struct slice json)
{
	struct outshare *s = malloc(sizeof(*s) + topic.n + 1 + json.n);
	if (s == NULL)
		return NULL;
	s->refs = 1;
	s->n = topic.n + 1 + json.n;
	memcpy(s->p, topic.p, topic.n);
	s->p[topic.n] = ' ';
	memcpy(s->p + topic.n + 1, json.p, json.n);
	return s;
}

void ctlsock_publish(struct ctlsock *cs, uint32_t owner_uid, struct slice topic, struct slice json)
{
	if (list_empty(&cs->conns))
		return;
	struct outshare *event = event_new(topic, json);
	if (event == NULL)
		return;
	cs->stats.n_events++;
	LIST_EACH (it, &cs->conns) {
		struct ctlconn *c = LIST_ENTRY(it, struct ctlconn, all);
		if (c->state != CONN_OPEN)
			continue;
		if (cs->owner.may_see == NULL ||
		    cs->owner.may_see(cs->owner.ctx, &c->peer, owner_uid))
			ctlconn_event(c, event);
	}
	outshare_drop(event);
}

bool ctlsock_has_subscribers(const struct ctlsock *cs)
{
	return !list_empty(&cs->conns);
}

bool ctlsock_is_drained(const struct ctlsock *cs)
{
	return cs->stats.output_bytes == 0;
}

void ctlsock_stats(const struct ctlsock *cs, struct ctlsock_stats *ret_stats)
{
	*ret_stats = cs->stats;
}
