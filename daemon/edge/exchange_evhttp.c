#include "edge/exchange_evhttp.h"

#include "base/check.h"
#include "edge/evhttp_call.h"

#include <dlfcn.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SPARE 256

static struct engine *engine_of(const struct exchange *x)
{
	return (struct engine *)(void *)(uintptr_t)x;
}

/* ---- handles: generation in the high half, slot + 1 in the low half ---- */

static struct xcall *call_of(const struct engine *x, xcall_id id)
{
	uint32_t slot = (uint32_t)id;
	if (slot == 0 || slot > x->n_slots)
		return NULL;
	struct xcall *call = x->slot[slot - 1];
	return call != NULL && call->id == id && !call->aborted ? call : NULL;
}

static enum err grow_slots(struct engine *x)
{
	uint32_t n = x->n_slots == 0 ? 64 : x->n_slots * 2;
	if (n > x->max_calls)
		n = x->max_calls;
	if (n == x->n_slots)
		return ERR_FULL;
	struct xcall **slot = realloc(x->slot, n * sizeof(*slot));
	if (slot == NULL)
		return ERR_NOMEM;
	memset(slot + x->n_slots, 0, (n - x->n_slots) * sizeof(*slot));
	x->slot = slot;
	x->free_slot = x->n_slots;
	x->n_slots = n;
	return ERR_OK;
}

/* Slots are looked for from where the last one was found or freed. */
static enum err take_slot(struct engine *x, struct xcall *call)
{
	while (x->free_slot < x->n_slots && x->slot[x->free_slot] != NULL)
		x->free_slot++;
	if (x->stats.calls == x->n_slots) {
		enum err e = grow_slots(x);
		if (e != ERR_OK)
			return e;
	} else if (x->free_slot == x->n_slots) {
		x->free_slot = 0;
		while (x->slot[x->free_slot] != NULL)
			x->free_slot++;
	}
	x->slot[x->free_slot] = call;
	call->id = (uint64_t)++x->generation << 32 | (x->free_slot + 1);
	x->stats.calls++;
	return ERR_OK;
}

static struct xcall *new_call(struct engine *x)
{
	struct xcall *call = x->spare;
	struct bytes text = BYTES_LIMIT(4 << 20);
	if (call != NULL) {
		x->spare = call->next_spare;
		x->n_spare--;
		text = call->text;
		bytes_clear(&text);
	} else {
		call = malloc(sizeof(*call));
		if (call == NULL)
			return NULL;
	}
	memset(call, 0, sizeof(*call));
	call->text = text;
	call->x = x;
	list_init(&call->turn);
	tick_init(&call->tick, xcall_on_tick);
	return call;
}

static void free_call(struct engine *x, struct xcall *call)
{
	if (x->n_spare < MAX_SPARE && call->text.cap <= 16384) {
		call->next_spare = x->spare;
		x->spare = call;
		x->n_spare++;
		return;
	}
	bytes_fini(&call->text);
	free(call);
}

void engine_release(struct engine *x, struct xcall *call)
{
	uint32_t slot = (uint32_t)call->id;
	xcall_drop(call);
	if (slot != 0) {
		x->slot[slot - 1] = NULL;
		if (slot - 1 < x->free_slot)
			x->free_slot = slot - 1;
		x->stats.calls--;
	}
	free_call(x, call);
}

/* ---- turns: what may not be done inside a callback of the library ---- */

void engine_wake(struct engine *x, struct xcall *call)
{
	if (!list_empty(&call->turn))
		return;
	if (list_empty(&x->turn))
		event_active(x->turn_event, EV_TIMEOUT, 0);
	list_push_back(&x->turn, &call->turn);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct engine *x = arg;
	struct link now;
	list_init(&now);
	while (!list_empty(&x->turn))
		list_push_back(&now, list_pop_front(&x->turn));
	while (!list_empty(&now))
		xcall_turn(LIST_ENTRY(list_pop_front(&now), struct xcall, turn));
	pool_sweep(x->pool);
}

static void on_idle_closed(void *ctx, struct conn *c)
{
	struct engine *x = ctx;
	pool_mark_closed(x->pool, c);
	event_active(x->turn_event, EV_TIMEOUT, 0);
}

/* ---- the interface ---- */

static enum err op_submit(struct exchange *ex, const struct xreq *r, const struct xevents *ev,
			  void *ctx, xcall_id *ret)
{
	struct engine *x = engine_of(ex);
	struct xcall *call = new_call(x);
	if (call == NULL)
		return ERR_NOMEM;
	call->ev = *ev;
	call->ctx = ctx;
	call->submit_ns = clock_mono_ns(x->clock);
	enum err e = xcall_init(call, r);
	if (e == ERR_OK)
		e = take_slot(x, call);
	if (e != ERR_OK) {
		engine_release(x, call);
		return e == ERR_TOO_LARGE ? ERR_INVALID : e;
	}
	*ret = call->id;
	xcall_start(call);
	return ERR_OK;
}

static void op_credit(struct exchange *ex, xcall_id id, size_t bytes)
{
	struct xcall *call = call_of(engine_of(ex), id);
	if (call == NULL)
		return;
	call->credit = bytes > SIZE_MAX - call->credit ? SIZE_MAX : call->credit + bytes;
	if (call->stalled)
		engine_wake(call->x, call);
}

static void op_body_ready(struct exchange *ex, xcall_id id)
{
	struct xcall *call = call_of(engine_of(ex), id);
	if (call == NULL || call->conn == NULL || call->failed)
		return;
	if (call->wait == WAIT_NOTHING && !call->stalled)
		xcall_await(call, WAIT_SEND, call->timeouts.send_idle_ms);
	if (call->wait != WAIT_CONTINUE)
		conn_stream(call->conn);
}

static void op_abort(struct exchange *ex, xcall_id id)
{
	struct xcall *call = call_of(engine_of(ex), id);
	if (call == NULL)
		return;
	call->aborted = true;
	engine_wake(call->x, call);
}

static void op_stats(const struct exchange *ex, struct xstats *ret)
{
	const struct engine *x = engine_of(ex);
	*ret = x->stats;
	ret->idle = pool_idle(x->pool);
	ret->dns_queries = resolver_queries(x->resolver);
}

static uint32_t op_in_use(const struct exchange *ex, bool tls, struct slice host, uint16_t port)
{
	struct bytes prefix = BYTES_LIMIT(1024);
	bytes_add_str(&prefix, tls ? "https " : "http ");
	bytes_add_slice(&prefix, host);
	bytes_printf(&prefix, " %u ", port);
	uint32_t n =
		prefix.err != ERR_OK ? 0 : pool_in_use(engine_of(ex)->pool, bytes_slice(&prefix));
	bytes_fini(&prefix);
	return n;
}

static void op_close_idle(struct exchange *ex)
{
	struct engine *x = engine_of(ex);
	x->keeps_none = true;
	pool_close_idle(x->pool);
}

static void op_free(struct exchange *ex)
{
	struct engine *x = engine_of(ex);
	for (uint32_t i = 0; i < x->n_slots; i++)
		if (x->slot[i] != NULL)
			engine_release(x, x->slot[i]);
	while (x->spare != NULL) {
		struct xcall *call = x->spare;
		x->spare = call->next_spare;
		bytes_fini(&call->text);
		free(call);
	}
	free(x->slot);
	pool_free(x->pool);
	conn_env_free(x->conns);
	resolver_free(x->resolver);
	tlsctx_free(x->tlsctx);
	ticks_free(x->ticks);
	if (x->turn_event != NULL)
		event_free(x->turn_event);
	free(x);
}

static const struct exchange_ops ops = {
	.submit = op_submit,
	.credit = op_credit,
	.body_ready = op_body_ready,
	.abort = op_abort,
	.stats = op_stats,
	.in_use = op_in_use,
	.close_idle = op_close_idle,
	.free = op_free,
};

/* An image without security updates runs another parser: it should be seen in the log. */
static void log_versions(const struct log *log)
{
	bool patched = dlsym(RTLD_DEFAULT, "evhttp_check_transfer_encoding_") != NULL;
	log_info(log, "exchange", kv_s("engine", "evhttp"), kv_s("libevent", event_get_version()),
		 kv_s("security_patch", patched ? "yes" : "no"),
		 kv_s("openssl", OpenSSL_version(OPENSSL_VERSION_STRING)));
}

static struct pool_limits pool_limits_of(const struct exchange_evhttp_options *o)
{
	return (struct pool_limits){
		.total = o->max_idle != 0 ? o->max_idle : 1024,
		.per_key = o->max_idle_per_key != 0 ? o->max_idle_per_key : 64,
		.idle_ms = o->idle_ms != 0 ? o->idle_ms : 60 * MS_PER_S,
		.age_ms = o->max_age_ms != 0 ? o->max_age_ms : 600 * MS_PER_S,
	};
}

static enum err open_parts(struct engine *x, const struct exchange_evhttp_options *o)
{
	enum err e = ticks_new(o->base, o->clock, &x->ticks);
	if (e == ERR_OK)
		e = resolver_new(o->base, o->clock, x->ticks, o->seed, o->dns_servers,
				 &x->resolver);
	if (e == ERR_OK)
		e = tlsctx_new(o->ca_file, &x->tlsctx);
	if (e == ERR_OK)
		e = pool_new(o->clock, x->ticks, o->seed, pool_limits_of(o), &x->pool);
	if (e == ERR_OK)
		e = conn_env_new(o->base, on_idle_closed, x, &x->conns);
	if (e == ERR_OK) {
		x->turn_event = event_new(o->base, -1, 0, on_turn, x);
		e = x->turn_event != NULL ? ERR_OK : ERR_NOMEM;
	}
	x->connector = (struct connector_env){o->base, o->clock, x->ticks, x->resolver};
	return e;
}

enum err exchange_evhttp_new(const struct exchange_evhttp_options *o, struct exchange **ret)
{
	struct engine *x = calloc(1, sizeof(*x));
	if (x == NULL)
		return ERR_NOMEM;
	x->x.ops = &ops;
	x->base = o->base;
	x->clock = o->clock;
	x->log = o->log;
	x->max_open = o->max_open;
	x->max_calls = o->max_calls != 0 ? o->max_calls : 65536;
	list_init(&x->turn);
	enum err e = open_parts(x, o);
	if (e != ERR_OK) {
		op_free(&x->x);
		return e == ERR_INVALID ? ERR_IO : e;
	}
	log_versions(x->log);
	*ret = &x->x;
	return ERR_OK;
}
