#include "edge/evhttp_call.h"

#include "base/check.h"
#include "edge/reqhead.h"
#include "model/retry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INTERIM	 10
#define MAX_TRAILERS	 64
#define WHY_BYTES	 320
#define CONTINUE_WAIT_MS 1000
#define PACE_NS		 (5 * NS_PER_S)

_Static_assert(sizeof(struct head_field) == sizeof(struct xheader), "the same two slices");

static const struct xheader *as_headers(const struct head_field *f)
{
	return (const struct xheader *)(const void *)f;
}

/* ---- timers ---- */

void xcall_await(struct xcall *call, enum wait wait, int64_t ms)
{
	call->wait = wait;
	if (wait == WAIT_NOTHING || ms <= 0)
		tick_disarm(&call->tick);
	else
		tick_arm(call->x->ticks, &call->tick,
			 clock_mono_ns(call->x->clock) + ms * NS_PER_MS);
}

void xcall_on_tick(struct tick *t)
{
	struct xcall *call = LIST_ENTRY(t, struct xcall, tick);
	const struct xtimeouts *o = &call->timeouts;
	switch (call->wait) {
	case WAIT_CONNECT: {
		const char *phase = connector_phase(call->connector);
		xcall_fail(call,
			   strcmp(phase, "dns") == 0 ? KIND_DNS_TIMEOUT : KIND_CONNECT_TIMEOUT,
			   phase, "no connection within %lld ms", (long long)o->connect_ms);
		break;
	}
	case WAIT_SEND:
		xcall_fail(call, KIND_SEND_FAILED, "send",
			   "the server took nothing of the request for %lld ms",
			   (long long)o->send_idle_ms);
		break;
	case WAIT_CONTINUE:
		xcall_await(call, WAIT_SEND, o->send_idle_ms);
		conn_stream(call->conn);
		break;
	case WAIT_ANSWER:
		xcall_fail(call, KIND_READ_TIMEOUT, "first_byte", "no answer within %lld ms",
			   (long long)o->first_byte_ms);
		break;
	case WAIT_BODY:
		xcall_fail(call, KIND_READ_TIMEOUT, call->head_seen ? "body" : "head",
			   "the server fell silent for %lld ms", (long long)o->read_idle_ms);
		break;
	case WAIT_NOTHING:
		break;
	}
}

void xcall_fail(struct xcall *call, enum kind kind, const char *phase, const char *form, ...)
{
	va_list ap;
	if (call->failed || call->aborted)
		return;
	call->failed = true;
	call->kind = kind;
	call->phase = phase;
	va_start(ap, form);
	call->why = malloc(WHY_BYTES);
	if (call->why != NULL)
		vsnprintf(call->why, WHY_BYTES, form, ap);
	va_end(ap);
	engine_wake(call->x, call);
}

/* ---- hooks of the connection ---- */

static void on_sent(void *arg, bool all_of_head)
{
	struct xcall *call = arg;
	call->spoke = true;
	if (call->wait == WAIT_BODY || call->stalled)
		return; /* the answer is on its way already */
	if (!all_of_head) {
		if (call->wait != WAIT_ANSWER)
			xcall_await(call, WAIT_SEND, call->timeouts.send_idle_ms);
	} else if (!call->streams) {
		xcall_await(call, WAIT_ANSWER, call->timeouts.first_byte_ms);
	} else if (call->body.expect_continue) {
		xcall_await(call, WAIT_CONTINUE, CONTINUE_WAIT_MS);
	} else {
		xcall_await(call, WAIT_SEND, call->timeouts.send_idle_ms);
		conn_stream(call->conn);
	}
}

static void watch_pace(struct xcall *call, int64_t now)
{
	int64_t least = call->limits.min_rate_bytes, took = now - call->pace_ns;
	if (least <= 0 || (call->pace_ns != 0 && took < PACE_NS))
		return;
	double got = (double)(call->wire_bytes - call->pace_bytes);
	if (call->pace_ns != 0 && got * (double)NS_PER_S < (double)least * (double)took)
		xcall_fail(call, KIND_READ_TIMEOUT, "body", "slower than %lld bytes per second",
			   (long long)least);
	call->pace_ns = now;
	call->pace_bytes = call->wire_bytes;
}

static void on_received(void *arg, size_t n)
{
	struct xcall *call = arg;
	call->wire_bytes += n;
	int64_t now = clock_mono_ns(call->x->clock);
	if (call->first_ns == 0)
		call->first_ns = now;
	if (call->head_seen)
		watch_pace(call, now);
	if (call->stalled || call->wait == WAIT_CONTINUE)
		return;
	call->wait = WAIT_BODY;
	if (call->timeouts.read_idle_ms > 0)
		tick_arm(call->x->ticks, &call->tick,
			 now + call->timeouts.read_idle_ms * NS_PER_MS);
	else
		tick_disarm(&call->tick);
}

static void on_may_continue(void *arg)
{
	struct xcall *call = arg;
	if (call->wait != WAIT_CONTINUE)
		return;
	xcall_await(call, WAIT_SEND, call->timeouts.send_idle_ms);
	conn_stream(call->conn);
}

static bool peer_is_special(const struct xcall *call)
{
	const struct channel *ch = call->conn != NULL ? conn_channel(call->conn) : NULL;
	return ch != NULL && ch->has_peer && special_is(&ch->peer);
}

static void on_head(void *arg, const struct head *h)
{
	struct xcall *call = arg;
	if (call->failed || call->aborted)
		return;
	call->head_seen = true;
	if (call->wait == WAIT_CONTINUE)
		xcall_await(call, WAIT_BODY, call->timeouts.read_idle_ms);
	conn_place(call->conn)->said_idle_ms = h->keep_alive_ms;
	struct xhead head = {.status = h->status,
			     .minor = h->minor,
			     .reason = h->reason,
			     .headers = as_headers(h->fields),
			     .n_headers = h->n_fields,
			     .peer_is_special = peer_is_special(call)};
	call->ev.head(call->ctx, call->id, &head);
	if (!call->aborted)
		body_begin(call, h);
}

static void on_wake(void *arg)
{
	struct xcall *call = arg;
	engine_wake(call->x, call);
}

static const struct conn_hooks hooks = {
	.sent = on_sent,
	.received = on_received,
	.may_continue = on_may_continue,
	.head = on_head,
	.body = body_take,
	.pull = body_pull,
	.wake = on_wake,
};

/* ---- the request, copied ---- */

static struct slice keep(struct xcall *call, struct slice s)
{
	struct slice kept = {call->text.p + call->text.n, s.n};
	bytes_add_slice(&call->text, s);
	return kept;
}

static void put_key_origin(struct bytes *out, bool tls, struct slice host, uint16_t port)
{
	bytes_add_str(out, tls ? "https " : "http ");
	bytes_add_slice(out, host);
	bytes_add_byte(out, ' ');
	bytes_add_u64(out, port);
	bytes_add_byte(out, ' ');
}

/* Everything that makes a connection unfit for another request, in one text. */
static void put_key(struct bytes *out, const struct xreq *r, const struct tls_profile *profile)
{
	put_key_origin(out, r->tls, r->host, r->port);
	if (profile != NULL)
		bytes_add_u64(out, tls_profile_id(profile));
	if (r->unix_socket.n > 0) {
		bytes_add_str(out, " unix ");
		bytes_add_slice(out, r->unix_socket);
		return;
	}
	if (r->proxy.kind != XPROXY_NONE) {
		bytes_printf(out, " proxy %d %u %zu %zu ", r->proxy.kind, r->proxy.port,
			     r->proxy.user.n, r->proxy.pass.n);
		bytes_add_slice(out, r->proxy.host);
		bytes_add_byte(out, ' ');
		bytes_add_slice(out, r->proxy.user);
		bytes_add_slice(out, r->proxy.pass);
	}
	for (size_t i = 0; i < r->n_resolve; i++) {
		bytes_printf(out, " at %u ", r->resolve[i].port);
		bytes_add_slice(out, r->resolve[i].host);
		bytes_add_byte(out, ' ');
		bytes_add_slice(out, r->resolve[i].addr);
	}
}

static size_t copied_size(const struct xreq *r)
{
	size_t n = r->host.n + r->proxy.host.n + r->proxy.user.n + r->proxy.pass.n +
		   r->unix_socket.n + 64;
	for (size_t i = 0; i < r->n_resolve; i++)
		n += r->resolve[i].host.n + r->resolve[i].addr.n;
	return n;
}

static enum err copy_resolve(struct xcall *call, const struct xreq *r)
{
	if (r->n_resolve == 0)
		return ERR_OK;
	call->resolve = calloc(r->n_resolve, sizeof(*call->resolve));
	if (call->resolve == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < r->n_resolve; i++)
		call->resolve[i] = (struct xresolve){.host = keep(call, r->resolve[i].host),
						     .port = r->resolve[i].port,
						     .addr = keep(call, r->resolve[i].addr)};
	call->plan.resolve = call->resolve;
	call->plan.n_resolve = r->n_resolve;
	return ERR_OK;
}

/* Reserved in full before any slice is taken, so that none moves. */
static enum err copy_texts(struct xcall *call, const struct xreq *r)
{
	enum err e = reqhead_write(r, &call->text, &call->streams);
	size_t head_n = call->text.n;
	if (e == ERR_OK)
		e = bytes_reserve(&call->text, copied_size(r));
	if (e != ERR_OK)
		return e;
	call->head = (struct slice){call->text.p, head_n};
	struct connect_plan *p = &call->plan;
	p->host = keep(call, r->host);
	p->port = r->port;
	p->proxy = r->proxy;
	p->proxy.host = keep(call, r->proxy.host);
	p->proxy.user = keep(call, r->proxy.user);
	p->proxy.pass = keep(call, r->proxy.pass);
	p->unix_socket = keep(call, r->unix_socket);
	if (p->unix_socket.n > 0)
		p->proxy.kind = XPROXY_NONE;
	p->tunnel = r->tls;
	p->policy = r->policy;
	p->from_public = r->from_public;
	return copy_resolve(call, r);
}

static enum err find_key(struct xcall *call, const struct xreq *r)
{
	struct bytes key = BYTES_LIMIT(65536);
	put_key(&key, r, call->plan.profile);
	enum err e = key.err;
	if (e == ERR_OK)
		e = pool_use_key(call->x->pool, bytes_slice(&key), &call->key);
	bytes_fini(&key);
	if (e == ERR_OK)
		call->plan.session_key = pool_key_text(call->key);
	return e;
}

static struct xlimits with_defaults(struct xlimits l)
{
	l.header_bytes = l.header_bytes != 0 ? l.header_bytes : 65536;
	l.header_fields = l.header_fields != 0 ? l.header_fields : 256;
	l.decoded_per_wire = l.decoded_per_wire != 0 ? l.decoded_per_wire : 1000;
	return l;
}

enum err xcall_init(struct xcall *call, const struct xreq *r)
{
	const char *why = "memory ran out";
	enum err e = copy_texts(call, r);
	if (e != ERR_OK)
		return e;
	call->body = r->body;
	call->timeouts = r->timeouts;
	call->limits = with_defaults(r->limits);
	call->to_head = slice_is(r->method, "HEAD");
	call->idempotent = retry_is_repeatable(r->method);
	call->decodes = r->decode;
	call->fresh = r->fresh;
	call->credit = r->credit_bytes;
	call->send_before_ns = r->send_before_ns;
	call->dns_ns = call->connect_ns = call->tls_ns = -1;
	if (r->tls)
		e = tlsctx_profile(call->x->tlsctx, &r->tls_options, &call->plan.profile, &why);
	if (e == ERR_INVALID) {
		xcall_fail(call, KIND_TLS_FAILED, "tls", "%s", why);
		return ERR_OK;
	}
	return e == ERR_OK ? find_key(call, r) : e;
}

/* ---- its way ---- */

static void attach(struct xcall *call, struct conn *c)
{
	struct conn_request r = {
		.head = call->head,
		.to_head = call->to_head,
		.streams = call->streams,
		.limits = {call->limits.header_bytes, call->limits.header_fields, MAX_INTERIM}};
	call->conn = c;
	call->x->stats.busy++;
	if (call->send_before_ns != 0 && clock_mono_ns(call->x->clock) > call->send_before_ns) {
		call->lapsed = true;
		xcall_fail(call, KIND_LIMIT_WAIT, "connect", "the connection came too late");
		return;
	}
	xcall_await(call, WAIT_SEND, call->timeouts.send_idle_ms);
	if (conn_send(c, &r, &hooks, call) != ERR_OK)
		xcall_fail(call, KIND_LOCAL_RESOURCE, "send", "memory ran out");
}

static void on_channel(void *arg, const struct channel *ch, enum kind kind, const char *phase,
		       struct slice why)
{
	struct xcall *call = arg;
	struct engine *x = call->x;
	call->connector = NULL;
	x->stats.connecting--;
	if (ch == NULL) {
		xcall_fail(call, kind, phase, "%.*s", (int)why.n, why.p);
		return;
	}
	struct conn *c;
	x->stats.opened++;
	x->stats.tls_resumed += ch->ssl != NULL && SSL_session_reused(ch->ssl);
	call->dns_ns = ch->dns_ns;
	call->connect_ns = ch->connect_ns;
	call->tls_ns = ch->tls_ns;
	if (conn_open(x->conns, ch, &c) != ERR_OK) {
		xcall_fail(call, KIND_LOCAL_RESOURCE, "connect", "memory ran out");
		return;
	}
	conn_place(c)->born_ns = clock_mono_ns(x->clock);
	conn_place(c)->said_idle_ms = -1;
	attach(call, c);
}

static void make_room(struct engine *x)
{
	uint32_t n = x->stats.busy + x->stats.connecting + pool_idle(x->pool);
	if (x->max_open != 0 && n >= x->max_open)
		pool_close_one(x->pool);
}

static void connect_anew(struct xcall *call)
{
	make_room(call->x);
	if (connector_new(&call->x->connector, &call->plan, on_channel, call, &call->connector) !=
	    ERR_OK) {
		xcall_fail(call, KIND_LOCAL_RESOURCE, "connect", "memory ran out");
		return;
	}
	call->x->stats.connecting++;
	xcall_await(call, WAIT_CONNECT, call->timeouts.connect_ms);
	connector_start(call->connector);
}

/* A connection that was kept is vetted like a new one: the policy may be another by now. */
static bool may_use(const struct xcall *call, struct conn *c)
{
	const struct channel *ch = conn_channel(c);
	return !ch->has_peer ||
	       connector_vet(call->plan.policy, call->plan.from_public, &ch->peer) == KIND_NONE;
}

void xcall_start(struct xcall *call)
{
	struct engine *x = call->x;
	struct conn *c = NULL;
	if (call->failed)
		return;
	if (!call->fresh)
		c = pool_take(x->pool, call->key);
	if (c != NULL && !may_use(call, c)) {
		pool_put(x->pool, call->key, c);
		c = NULL;
	}
	if (c == NULL) {
		connect_anew(call);
		return;
	}
	call->reused = true;
	x->stats.reuses++;
	attach(call, c);
}

static void leave_conn(struct xcall *call, bool complete)
{
	struct engine *x = call->x;
	struct conn *c = call->conn;
	if (c == NULL)
		return;
	call->conn = NULL;
	x->stats.busy--;
	bool is_clean = call->lapsed || (complete && conn_release(c));
	if (is_clean && !x->keeps_none)
		pool_put(x->pool, call->key, c);
	else
		conn_close(c);
}

void xcall_drop(struct xcall *call)
{
	if (call->connector != NULL)
		call->x->stats.connecting--;
	connector_cancel(call->connector);
	call->connector = NULL;
	leave_conn(call, false);
	tick_disarm(&call->tick);
	list_remove(&call->turn);
	decode_free(call->decode);
	call->decode = NULL;
	if (call->key != NULL)
		pool_leave_key(call->x->pool, call->key);
	call->key = NULL;
	tls_profile_unref(call->plan.profile);
	call->plan.profile = NULL;
	free(call->resolve);
	call->resolve = NULL;
	free(call->why);
	call->why = NULL;
}

static int64_t to_ms(int64_t ns)
{
	return ns < 0 ? -1 : ns / NS_PER_MS;
}

static void end(struct xcall *call, bool ok)
{
	struct engine *x = call->x;
	struct head_field trailer[MAX_TRAILERS];
	int64_t now = clock_mono_ns(x->clock);
	size_t n = ok ? conn_trailers(call->conn, trailer, MAX_TRAILERS) : 0;
	struct xend e = {
		.ok = ok,
		.kind = call->kind,
		.phase = call->phase,
		.message = slice_of(ok			? ""
				    : call->why != NULL ? call->why
							: "memory ran out"),
		.timing = {.dns_ms = to_ms(call->dns_ns),
			   .connect_ms = to_ms(call->connect_ns),
			   .tls_ms = to_ms(call->tls_ns),
			   .first_byte_ms = call->first_ns == 0
						    ? -1
						    : to_ms(call->first_ns - call->submit_ns),
			   .total_ms = to_ms(now - call->submit_ns)},
		.request_sent = call->spoke,
		.lapsed = call->lapsed,
		.stale = call->stale,
		.reused = call->reused,
		.peer_is_special = peer_is_special(call),
		.wire_bytes = call->wire_bytes,
		.decoded_bytes = call->decoded_bytes,
		.trailers = as_headers(trailer),
		.n_trailers = n,
	};
	call->aborted = true; /* nothing more, whatever the consumer does in its last event */
	call->ev.end(call->ctx, call->id, &e);
	leave_conn(call, ok);
	engine_release(x, call);
}

/*
 * A connection that was kept and closes before it said a word was closing already (RFC 9112
 * section 9.3.1): what may be sent twice, or was not sent at all, may go over a new one. That is
 * another request at the server, so whoever counts them sends it.
 */
static bool is_stale(const struct xcall *call)
{
	return call->reused && conn_failed_unheard(call->conn) &&
	       (call->idempotent || !call->spoke);
}

static void check_conn(struct xcall *call)
{
	struct conn_failure f;
	switch (conn_state(call->conn, &f)) {
	case CONN_BUSY:
		return;
	case CONN_COMPLETE:
		if (call->stalled || call->decode_more)
			return;
		if (body_is_whole(call))
			end(call, true);
		else
			end(call, false);
		return;
	case CONN_FAILED:
		if (is_stale(call)) {
			call->stale = true;
			call->x->stats.stale++;
		}
		xcall_fail(call, f.kind, f.phase, "%s", f.why);
		end(call, false);
		return;
	}
}

void xcall_turn(struct xcall *call)
{
	if (call->aborted) {
		engine_release(call->x, call);
		return;
	}
	if (call->stalled && call->credit > 0 && !call->failed) {
		call->stalled = false;
		call->pace_ns = 0; /* we were slow, not the server */
		if (call->conn != NULL)
			xcall_await(call, WAIT_BODY, call->timeouts.read_idle_ms);
		body_flush(call);
	}
	if (call->conn != NULL && !call->failed && !call->aborted)
		conn_turn(call->conn, !call->stalled);
	if (call->aborted)
		engine_release(call->x, call);
	else if (call->failed)
		end(call, false);
	else if (call->conn != NULL)
		check_conn(call);
}
