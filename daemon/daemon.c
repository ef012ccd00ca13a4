/*
 * daemon -- wiring: spawns the actors in the order in which they need each other, and what they may
 * ask of the whole. See daemon.h.
 */
#include "daemon.h"

#include "actor/control.h"
#include "actor/doorbell.h"
#include "actor/host.h"
#include "actor/jobs.h"
#include "actor/limiter.h"
#include "actor/named.h"
#include "actor/session.h"
#include "actor/store.h"
#include "base/check.h"
#include "edge/ctlsock.h"
#include "edge/exchange.h"
#include "model/config.h"
#include "run/sync.h"
#include "warden.h"

#include <stdlib.h>

#define RETIRED_MAX    64
#define CONTROL_CAP    64
#define KEEPER_CAP     1024
#define PRUNE_EVERY_NS (10 * NS_PER_S)

struct daemon {
	struct house house; /* first: act_user */
	struct doorbell ring, stop, reload;
	struct warden_desk desk;
	struct job_peers peers;
	act_sem *programs; /* that run at once */
	/* Configurations that calls in flight may still point into. */
	struct config *retired[RETIRED_MAX];
	uint32_t n_retired;
};

static struct daemon *daemon_of(struct house *h)
{
	return (struct daemon *)h;
}

/* ---- what actors ask of the house ---- */

static void op_fatal(struct house *h, const char *why)
{
	struct daemon *d = daemon_of(h);
	log_error(h->log, "fatal", kv_s("why", why));
	warden_end(h, &d->desk, 1);
}

static void op_drain(struct house *h)
{
	doorbell_ring(&daemon_of(h)->stop);
}

static void free_retired(struct daemon *d)
{
	for (uint32_t i = 0; i < d->n_retired; i++)
		config_unref(d->retired[i]);
	d->n_retired = 0;
}

/* The old one may be in use by calls in flight: it goes when a reload finds none. */
static void retire(struct daemon *d, struct config *old)
{
	struct xstats s;
	exchange_stats(d->house.world->exchange, &s);
	if (s.calls == 0)
		free_retired(d);
	if (d->n_retired < RETIRED_MAX)
		d->retired[d->n_retired++] = old;
}

/* Those who keep a copy; the others look for themselves. Lost words are told: it is then the next
 * reload that counts. */
static void tell_settings(struct house *h, act_self *self)
{
	struct store_settings s = {.default_keep_ns = h->config->jobs_keep * NS_PER_MS,
				   .max_bytes = (uint64_t)h->config->store_max_bytes};
	bool told = act_send(self, h->memory, STORE_SETTINGS, &s, sizeof(s)) == ACT_OK;
	if (h->store != 0)
		told &= act_send(self, h->store, STORE_SETTINGS, &s, sizeof(s)) == ACT_OK;
	told &= act_send(self, h->jobs, JOBS_SETTINGS, NULL, 0) == ACT_OK;
	if (!told)
		log_warn(h->log, "settings not heard by all", kv_s("try", "reload again"));
}

static enum err reload(struct house *h, act_self *self, struct bytes *why)
{
	struct daemon *d = daemon_of(h);
	const struct config_source *source = h->world->config_source;
	struct config *next;
	if (source == NULL)
		return ERR_UNSUPPORTED;
	if (d->n_retired == RETIRED_MAX) {
		bytes_add_str(why, "too many reloads while requests are in flight");
		return ERR_BUSY;
	}
	enum err e = source->load(source->ctx, &next, why);
	if (e != ERR_OK) {
		log_error(h->log, "reload refused", kv_t("why", bytes_slice(why)));
		return e;
	}
	struct rules *rules = rules_ref(next->rules);
	if (act_send(self, h->limiter, LIMIT_RELOAD, &rules, sizeof(rules)) != ACT_OK) {
		rules_unref(rules);
		config_unref(next);
		bytes_add_str(why, "the limiter has no room for the word");
		return ERR_BUSY;
	}
	config_restart_needed(h->config, next, why);
	retire(d, h->config);
	h->config = next;
	h->world->log->level = (enum log_level)next->log_level;
	tell_settings(h, self);
	log_info(h->log, "reloaded", kv_t("needs_restart", bytes_slice(why)));
	return ERR_OK;
}

/* Whoever asked for it: the service manager shows how it went. */
static enum err op_reload(struct house *h, act_self *self, struct bytes *why)
{
	const struct notify *n = h->world->notify;
	enum err e = reload(h, self, why);
	if (n->status != NULL)
		n->status(n->ctx, e == ERR_OK ? "serving" : bytes_cstr(why));
	return e;
}

static const struct rules *rules_now(void *ctx)
{
	return ((struct house *)ctx)->config->rules;
}

static const struct net_policy *policy_now(void *ctx)
{
	return ((struct house *)ctx)->config->network;
}

static const struct config *config_now(void *ctx)
{
	return ((struct house *)ctx)->config;
}

static void store_fatal(void *ctx, const char *why)
{
	op_fatal(ctx, why);
}

/* ---- sockets ---- */

static void on_requests(void *ctx)
{
	doorbell_ring(&((struct daemon *)ctx)->ring);
}

static void on_gone(void *ctx, ctlsock_conn_id conn)
{
	(void)conn; /* control finds out which */
	doorbell_ring(&((struct daemon *)ctx)->ring);
}

static void nobody_gone(void *ctx, ctlsock_conn_id conn)
{
	(void)ctx, (void)conn;
}

static bool may_see(void *ctx, const struct peer *peer, uint32_t owner_uid)
{
	const struct house *h = ctx;
	return owner_uid == EVENTS_FOR_ALL || peer->uid == owner_uid || peer->uid == 0 ||
	       peer->uid == h->world->own_uid || config_is_admin(h->config, peer->uid);
}

static enum err make_sockets(struct daemon *d)
{
	const struct world *w = d->house.world;
	struct ctlsock_owner control = {
		.ctx = d,
		.on_requests = on_requests,
		.on_gone = on_gone,
		.too_large =
			SLICE_LIT("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,"
				  "\"message\":\"a request has at most 4 MiB\",\"data\":{"
				  "\"kind\":\"request.too_large\"}}}"),
	};
	enum err e = ctlsock_new(CTLSOCK_REP, w->control, w->clock, &ctlsock_limits_control,
				 &control, &d->house.control_sock);
	if (e != ERR_OK || w->events == NULL)
		return e;
	struct ctlsock_owner events = {.ctx = d, .on_gone = nobody_gone, .may_see = may_see};
	return ctlsock_new(CTLSOCK_PUB, w->events, w->clock, &ctlsock_limits_events, &events,
			   &d->house.events.ctlsock);
}

/* ---- actors ---- */

static act_id spawn_store(struct daemon *d, act_self *root, struct store *store)
{
	struct house *h = &d->house;
	struct store_actor_opts opts = {
		.store = store,
		.clock = h->clock,
		.log = h->log,
		.fault = h->world->fault,
		.writer_class = HOUSE_WORK_WRITE,
		.reader_class = HOUSE_WORK_READ,
		.prune_every_ns = PRUNE_EVERY_NS,
		.default_keep_ns = h->config->jobs_keep * NS_PER_MS,
		.max_bytes = (uint64_t)h->config->store_max_bytes,
		.fatal_ctx = h,
		.fatal = store_fatal,
	};
	return store_actor_spawn(root, &opts);
}

/* Where the numbers of body files go on. */
static enum err spawn_below(struct daemon *d, act_self *root)
{
	struct house *h = &d->house;
	const struct world *w = h->world;
	if (w->durable != NULL && (h->store = spawn_store(d, root, w->durable)) == 0)
		return ERR_NOMEM;
	if ((h->memory = spawn_store(d, root, w->volatile_)) == 0)
		return ERR_NOMEM;
	struct limiter_opts limits = {.rules = h->config->rules,
				      .store = h->store,
				      .clock = h->clock,
				      .boot_id = w->machine_boot,
				      .log = h->log,
				      .seed = w->hash_seed,
				      .connections = (uint32_t)h->config->http_connections};
	if ((h->limiter = limiter_spawn(root, &limits)) == 0)
		return ERR_NOMEM;
	struct named_opts named = {
		.store = h->store, .clock = h->clock, .log = h->log, .seed = w->hash_seed};
	if ((h->named = named_spawn(root, &named)) == 0)
		return ERR_NOMEM;
	struct host_opts hosts = {.exchange = w->exchange,
				  .bodies = w->durable != NULL ? store_bodies(w->durable) : NULL,
				  .body_class = HOUSE_WORK_FILE,
				  .boot = w->machine_boot,
				  .log = h->log,
				  .seed = w->hash_seed};
	h->hosts = hosts_new(&hosts);
	return h->hosts != NULL ? ERR_OK : ERR_NOMEM;
}

static enum err spawn_above(struct daemon *d, act_self *root)
{
	struct house *h = &d->house;
	struct act_opts opts = {.cap = KEEPER_CAP};
	d->programs =
		act_sem_new(h->shard, ACT_SEM_OWNED, (uint32_t)h->config->exec_concurrency, 0);
	if (d->programs == NULL)
		return ERR_NOMEM;
	if ((h->sessions = act_spawn(root, &session_class, NULL, &opts)) == 0)
		return ERR_NOMEM;
	d->peers = (struct job_peers){
		.durable = h->store,
		.memory = h->memory,
		.limiter = h->limiter,
		.named = h->named,
		.sessions = h->sessions,
		.hosts = h->hosts,
		.bodies = h->world->durable != NULL ? store_bodies(h->world->durable) : NULL,
		.uploads = h->world->uploads,
		.fault = h->world->fault,
		.body_class = HOUSE_WORK_FILE,
		.events = &h->events,
		.clock = h->clock,
		.log = h->log,
		.ctx = h,
		.rules = rules_now,
		.policy = policy_now,
		.runner = h->world->runner,
		.programs = d->programs,
		.config = config_now,
		.own_uid = h->world->own_uid,
		.new_id = h->world->new_id,
		.seed = h->world->hash_seed};
	if ((h->jobs = jobs_spawn(root, &d->peers)) == 0)
		return ERR_NOMEM;
	struct control_args control = {.ctlsock = h->control_sock, .bell = &d->ring};
	opts.cap = CONTROL_CAP;
	if ((h->control = act_spawn(root, &control_class, &control, &opts)) == 0)
		return ERR_NOMEM;
	act_id warden = act_spawn(root, &warden_class, &d->desk, &opts);
	if (warden == 0 || !doorbell_init(&d->ring, h->shard, h->control, CONTROL_RING) ||
	    !doorbell_init(&d->stop, h->shard, warden, WARDEN_STOP) ||
	    !doorbell_init(&d->reload, h->shard, warden, WARDEN_RELOAD))
		return ERR_NOMEM;
	return ERR_OK;
}

/* ---- life ---- */

static enum err make_shard(struct daemon *d)
{
	const struct world *w = d->house.world;
	struct act_shard_opts opts = {
		.clock = w->clock,
		.loop = w->loop,
		.log = d->house.log,
		.user = &d->house,
		.offload = w->offload,
		.seed = w->rng_seed,
		.permute_seed = w->permute_seed,
	};
	d->house.shard = act_shard_new(&opts);
	return d->house.shard != NULL ? ERR_OK : ERR_NOMEM;
}

static void fill_house(struct daemon *d, const struct world *w)
{
	static const struct house_ops ops = {
		.reload = op_reload, .drain = op_drain, .fatal = op_fatal};
	w->log->level = (enum log_level)w->config->log_level;
	d->desk = (struct warden_desk){
		.stop = &d->stop, .reload = &d->reload, .drain_ns = DAEMON_DRAIN_NS};
	d->house = (struct house){.ops = &ops,
				  .world = w,
				  .clock = w->clock,
				  .log = w->log,
				  .config = config_ref(w->config),
				  .started_ns = clock_mono_ns(w->clock),
				  .events = {.boot_id = w->boot_id}};
}

enum err daemon_new(const struct world *w, struct daemon **ret, struct bytes *why)
{
	struct daemon *d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	fill_house(d, w);
	enum err e = make_shard(d);
	if (e == ERR_OK)
		e = make_sockets(d);
	if (e == ERR_OK)
		e = spawn_below(d, act_shard_root(d->house.shard));
	if (e == ERR_OK)
		e = spawn_above(d, act_shard_root(d->house.shard));
	if (e != ERR_OK) {
		bytes_printf(why, "the daemon cannot be built: %s", err_text(e));
		daemon_free(d);
		return e;
	}
	*ret = d;
	return ERR_OK;
}

int daemon_run(struct daemon *d)
{
	act_shard_run(d->house.shard, false);
	return d->desk.status;
}

void daemon_stop(struct daemon *d, const char *why)
{
	log_info(d->house.log, "stop asked for", kv_s("by", why));
	doorbell_ring(&d->stop);
}

void daemon_reload(struct daemon *d)
{
	doorbell_ring(&d->reload);
}

void daemon_free(struct daemon *d)
{
	if (d == NULL)
		return;
	struct house *h = &d->house;
	if (h->shard != NULL) {
		doorbell_fini(&d->ring);
		doorbell_fini(&d->stop);
		doorbell_fini(&d->reload);
		act_shard_free(h->shard);
		act_sem_free(d->programs);
	}
	ctlsock_free(h->control_sock);
	ctlsock_free(h->events.ctlsock);
	hosts_free(h->hosts);
	free_retired(d);
	config_unref(h->config);
	free(d);
}

act_shard *daemon_shard(struct daemon *d)
{
	return d->house.shard;
}

bool daemon_is_ready(const struct daemon *d)
{
	return d->desk.phase == WARDEN_READY;
}

bool daemon_has_stopped(const struct daemon *d, int *ret_status)
{
	if (d->desk.phase != WARDEN_OVER)
		return false;
	*ret_status = d->desk.status;
	return true;
}
