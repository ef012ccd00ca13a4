/*
 * control_daemon -- the methods daemon.*: who the daemon is, how it does, what it is told to do.
 */
#include "actor/call.h"
#include "actor/control_methods.h"
#include "actor/control_state.h"
#include "edge/exchange.h"
#include "model/config.h"
#include "proto/result.h"
#include "run/stats.h"

static void add_text(struct bytes *b, const char *name, const char *text)
{
	bytes_printf(b, "\"%s\":", name);
	result_add_string(b, slice_of(text != NULL ? text : ""));
	bytes_add_byte(b, ',');
}

static void add_number(struct bytes *b, const char *name, uint64_t n)
{
	bytes_printf(b, "\"%s\":%llu,", name, (unsigned long long)n);
}

/* The last comma becomes the brace. */
static void close_object(struct bytes *b)
{
	if (b->err == ERR_OK && b->n > 0 && b->p[b->n - 1] == ',')
		b->n--;
	bytes_add_byte(b, '}');
}

void control_daemon_ping(act_self *self, struct call *call)
{
	const struct house *h = house_of(self);
	if (!call_no_params(self, call))
		return;
	struct bytes b = {.n = 0};
	call_head(call, &b);
	bytes_add_str(&b, "{\"pong\":true,\"boot_id\":\"");
	bytes_add_str(&b, h->world->boot_id);
	bytes_add_str(&b, "\"}");
	call_ok_body(self, call, &b);
}

void control_daemon_version(act_self *self, struct call *call)
{
	const struct house *h = house_of(self);
	if (!call_no_params(self, call))
		return;
	struct bytes b = {.n = 0};
	bytes_add_byte(&b, '{');
	add_text(&b, "version", h->world->version);
	bytes_add_str(&b, "\"protocol\":1}");
	call_ok(self, call, &b);
}

void control_daemon_info(act_self *self, struct call *call)
{
	const struct house *h = house_of(self);
	const struct world *w = h->world;
	if (!call_no_params(self, call))
		return;
	struct bytes b = {.n = 0};
	bytes_add_byte(&b, '{');
	add_text(&b, "version", w->version);
	add_text(&b, "boot_id", w->boot_id);
	add_text(&b, "socket", w->control_address);
	if (w->config_path != NULL)
		add_text(&b, "config", w->config_path);
	if (call->is_admin) {
		add_text(&b, "state_dir", w->state_dir);
		add_text(&b, "libraries", w->libraries);
	}
	add_number(&b, "pid", w->pid);
	add_number(&b, "uid", w->own_uid);
	add_number(&b, "your_uid", call->uid);
	bytes_printf(&b, "\"admin\":%s,", call->is_admin ? "true" : "false");
	bytes_printf(&b, "\"durable\":%s,", h->store != 0 ? "true" : "false");
	bytes_printf(&b, "\"state\":\"%s\",", h->is_draining ? "draining" : "running");
	add_number(&b, "uptime_ms", (uint64_t)((act_now_ns(self) - h->started_ns) / NS_PER_MS));
	close_object(&b);
	call_ok(self, call, &b);
}

static void add_runtime(struct bytes *b, const act_shard *shard)
{
	act_stats s;
	act_stats_read(shard, &s);
	bytes_add_str(b, "\"runtime\":{");
#define X(name) add_number(b, #name, s.name);
	ACT_STATS_LIST(X)
#undef X
	add_number(b, "live", s.live);
	add_number(b, "queued", s.queued);
	add_number(b, "cells_in_use", act_stats_cells(shard));
	close_object(b);
}

static void add_sockets(struct bytes *b, const struct ctlsock *cs)
{
	struct ctlsock_stats s;
	ctlsock_stats(cs, &s);
	add_number(b, "connections", s.n_conns);
	add_number(b, "accepted", s.n_accepted);
	add_number(b, "refused", s.n_refused);
	add_number(b, "requests", s.n_requests);
	add_number(b, "replies", s.n_replies);
	add_number(b, "void_replies", s.n_void_replies);
	add_number(b, "malformed", s.n_malformed);
	add_number(b, "too_large", s.n_too_large);
	add_number(b, "late", s.n_late);
	add_number(b, "stalled", s.n_stalled);
	add_number(b, "events", s.n_events);
	add_number(b, "dropped_events", s.n_dropped_events);
	add_number(b, "input_bytes", s.input_bytes);
	add_number(b, "output_bytes", s.output_bytes);
	close_object(b);
}

static void add_exchange(struct bytes *b, const struct exchange *x)
{
	struct xstats s;
	exchange_stats(x, &s);
	bytes_add_str(b, "\"http\":{");
	add_number(b, "calls", s.calls);
	add_number(b, "busy", s.busy);
	add_number(b, "idle", s.idle);
	add_number(b, "connecting", s.connecting);
	add_number(b, "opened", s.opened);
	add_number(b, "reuses", s.reuses);
	add_number(b, "stale", s.stale);
	add_number(b, "tls_resumed", s.tls_resumed);
	add_number(b, "dns_queries", s.dns_queries);
	close_object(b);
}

void control_daemon_stats(act_self *self, struct call *call)
{
	const struct house *h = house_of(self);
	if (!call_no_params(self, call))
		return;
	struct bytes b = {.n = 0};
	bytes_add_byte(&b, '{');
	add_number(&b, "uptime_ms", (uint64_t)((act_now_ns(self) - h->started_ns) / NS_PER_MS));
	add_runtime(&b, h->shard);
	bytes_add_str(&b, ",\"control\":{");
	add_sockets(&b, h->control_sock);
	if (h->events.ctlsock != NULL) {
		bytes_add_str(&b, ",\"events\":{");
		add_sockets(&b, h->events.ctlsock);
	}
	bytes_add_byte(&b, ',');
	add_exchange(&b, h->world->exchange);
	bytes_add_byte(&b, '}');
	call_ok(self, call, &b);
}

void control_daemon_reload(act_self *self, struct call *call)
{
	struct house *h = house_of(self);
	struct bytes why = {.n = 0};
	if (!call_no_params(self, call))
		return;
	enum err e = h->ops->reload(h, self, &why);
	if (e != ERR_OK) {
		call_fail(self, call, e == ERR_INVALID ? KIND_REQUEST_INVALID : KIND_CONFLICT,
			  "the configuration stays as it was: %s", bytes_cstr(&why));
	} else {
		struct bytes b = {.n = 0};
		bytes_add_str(&b, "{\"reloaded\":true,\"needs_restart\":");
		result_add_string(&b, bytes_slice(&why));
		bytes_add_byte(&b, '}');
		call_ok(self, call, &b);
	}
	bytes_fini(&why);
}

void control_daemon_drain(act_self *self, struct call *call)
{
	struct house *h = house_of(self);
	if (!call_no_params(self, call))
		return;
	call_ok_text(self, call, "{\"draining\":true}");
	h->ops->drain(h);
}
