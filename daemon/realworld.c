/*
 * realworld -- see realworld.h. Opened in the order in which things need each other, closed in
 * reverse.
 */
#include "realworld.h"

#include "base/fault.h"
#include "daemon.h"
#include "edge/configfiles.h"
#include "edge/exchange_evhttp.h"
#include "edge/lockfile.h"
#include "edge/loop_libevent.h"
#include "edge/machine.h"
#include "edge/notify.h"
#include "edge/runnerlink.h"
#include "edge/signals.h"
#include "edge/store.h"
#include "edge/unixsock.h"
#include "edge/uploads.h"
#include "edge/watchdog.h"
#include "edge/workers.h"
#include "model/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUNNER_PLACE 600
#define SOCKET_MODE  0660
#define STUCK_NS     (10 * NS_PER_S)

struct realworld {
	struct world world;
	struct log log; /* its level is set by the daemon */
	struct bytes config_path, state, control_path, events_path, address, libraries;
	struct configfiles files;
	struct config_source source;
	struct notify notify;
	struct fault fault;
	struct loop_libevent *loop;
	struct workers *workers;
	struct signals *signals;
	struct daemon *daemon;
	struct watchdog *watchdog;
	struct runnerspawn runner; /* until the loop's link has it */
	int lock_fd;
};

/* ---- what the world's tables call ---- */

static enum err load_config(void *ctx, struct config **ret, struct bytes *why)
{
	return configfiles_load(ctx, ret, why);
}

static void say_ready(void *ctx, const char *status)
{
	(void)ctx;
	notify_ready(status);
}

static void say_status(void *ctx, const char *status)
{
	(void)ctx;
	notify_status(status);
}

static void say_reloading(void *ctx)
{
	(void)ctx;
	notify_reloading();
}

static void say_stopping(void *ctx)
{
	(void)ctx;
	notify_stopping();
}

static void say_watchdog(void *ctx)
{
	(void)ctx;
	notify_watchdog();
}

static void on_stop(void *ctx, const char *name)
{
	daemon_stop(((struct realworld *)ctx)->daemon, name);
}

static void on_reload(void *ctx)
{
	daemon_reload(((struct realworld *)ctx)->daemon);
}

/* ---- paths ---- */

static enum err find_state(struct realworld *rw, const struct realworld_options *o,
			   struct bytes *why)
{
	enum err e = o->state != NULL ? machine_add_absolute(&rw->state, o->state)
				      : machine_state_dir(&rw->state);
	if (e != ERR_OK) {
		bytes_add_str(why, "no directory for the state: give one with --state");
		return e;
	}
	const char *dir = bytes_cstr(&rw->state);
	pid_t holder = 0;
	e = machine_make_dir(dir, why);
	if (e != ERR_OK && o->state == NULL)
		bytes_add_str(why,
			      "; that is the usual place for the state, --state DIR names another");
	if (e != ERR_OK)
		return e;
	e = lockfile_take(dir, &rw->lock_fd, &holder);
	if (e == ERR_BUSY)
		bytes_printf(why, "%s: another musterd (pid %ld) is using this state", dir,
			     (long)holder);
	else if (e != ERR_OK)
		bytes_printf(why, "%s: cannot lock the state: %s", dir, err_text(e));
	return e;
}

static const char *path_of(const char *address)
{
	if (strncmp(address, "ipc://", 6) == 0)
		return address + 6;
	return strncmp(address, "unix://", 7) == 0 ? address + 7 : address;
}

static enum err find_sockets(struct realworld *rw, const struct realworld_options *o,
			     struct bytes *why)
{
	enum err e = o->socket == NULL ? machine_socket_path(&rw->control_path)
		     : strstr(path_of(o->socket), "://") != NULL || path_of(o->socket)[0] == '\0'
			     ? bytes_add_str(&rw->control_path, o->socket)
			     : machine_add_absolute(&rw->control_path, path_of(o->socket));
	const char *path = bytes_cstr(&rw->control_path);
	const char *slash = strrchr(path, '/');
	if (e != ERR_OK || strstr(path, "://") != NULL || path[0] == '\0') {
		bytes_printf(why, "%s: the control socket is a path or ipc:///path", path);
		return ERR_INVALID;
	}
	struct bytes dir = {.n = 0};
	bytes_add(&dir, path, slash != NULL ? (size_t)(slash - path) : 0);
	if (o->socket == NULL && dir.n > 0)
		e = machine_make_dir(bytes_cstr(&dir), why);
	bytes_fini(&dir);
	bytes_add(&rw->events_path, path, slash != NULL ? (size_t)(slash - path) + 1 : 0);
	bytes_add_str(&rw->events_path, "events.sock");
	bytes_printf(&rw->address, "ipc://%s", path);
	return e;
}

/* ---- opening ---- */

static enum err open_stores(struct realworld *rw, struct bytes *why)
{
	const struct config *c = rw->world.config;
	struct store_options so = {.kind = STORE_SQLITE,
				   .dir = bytes_cstr(&rw->state),
				   .max_bytes = (uint64_t)c->store_max_bytes,
				   .low_water_bytes = (uint64_t)c->store_low_water,
				   .ballast_bytes = (uint64_t)c->store_ballast,
				   .log = &rw->log,
				   .fault = &rw->fault};
	enum err e = store_open(&so, &rw->world.durable);
	if (e != ERR_OK) {
		bytes_printf(why, "%s: the store cannot be opened: %s", so.dir, err_text(e));
		return e;
	}
	struct store_options mo = {.kind = STORE_MEMORY, .log = &rw->log};
	return store_open(&mo, &rw->world.volatile_);
}

/* A job that will go on after the restart. Volatile ones have gone with the last daemon. */
static bool goes_on(void *ctx, const struct upload_of *of)
{
	struct store_query q = {.kind = STORE_Q_JOB, .job = of->job};
	struct store_rows rows = {.n = 0};
	bool is_open = !of->is_volatile && store_read(ctx, &q, &rows) == ERR_OK && rows.n > 0 &&
		       !store_job_has_ended(rows.row[0].job.state);
	store_rows_fini(&rows);
	return is_open;
}

static enum err open_uploads(struct realworld *rw, struct bytes *why)
{
	uint64_t max = (uint64_t)rw->world.config->store_max_bytes;
	enum err e = uploads_open(bytes_cstr(&rw->state), max, &rw->world.uploads);
	if (e == ERR_OK)
		e = uploads_sweep(rw->world.uploads, goes_on, rw->world.durable);
	if (e != ERR_OK)
		bytes_printf(why, "%s/uploads: %s", bytes_cstr(&rw->state), err_text(e));
	return e;
}

/* ---- programs ---- */

/* The first child, before anything else is opened, so that it inherits nothing; only where programs
 * may run at all. What cannot be started now is tried again by the first task that needs it. */
static void start_runner(struct realworld *rw)
{
	char place[RUNNER_PLACE];
	if (rw->world.config->n_programs == 0)
		return;
	if (runnerspawn_place(place, sizeof(place)) != ERR_OK ||
	    runnerspawn_open(place, &rw->runner) != ERR_OK)
		log_warn(&rw->log, "runner not started", kv_s("why", strerror(errno)));
}

static enum err link_runner(struct realworld *rw, struct bytes *why)
{
	char place[RUNNER_PLACE];
	struct runnerlink_options lo = {.base = loop_libevent_base(rw->loop),
					.log = &rw->log,
					.place = place,
					.spawn = rw->runner};
	if (runnerspawn_place(place, sizeof(place)) != ERR_OK)
		return ERR_OK; /* exec says that there is none */
	enum err e = runnerlink_new(&lo, &rw->world.runner);
	if (e == ERR_OK)
		rw->runner.fd = -1;
	else
		bytes_add_str(why, "no memory for the runner's connection");
	return e;
}

static enum err open_loop(struct realworld *rw, struct bytes *why)
{
	struct workers_opts wo = {.n_threads = 6};
	wo.cls[HOUSE_WORK_WRITE].max_running = 1;
	wo.cls[HOUSE_WORK_READ].max_running = 1;
	wo.cls[HOUSE_WORK_FILE].max_running = 2;
	wo.cls[HOUSE_WORK_PARSE].max_running = 2;
	rw->loop = loop_libevent_new();
	rw->workers = workers_new(&wo);
	if (rw->loop == NULL || rw->workers == NULL) {
		bytes_add_str(why, "no event loop or no threads to be had");
		return ERR_NOMEM;
	}
	const struct config *c = rw->world.config;
	struct exchange_evhttp_options xo = {
		.base = loop_libevent_base(rw->loop),
		.clock = &machine_clock,
		.log = &rw->log,
		.seed = rw->world.hash_seed,
		.max_idle = (uint32_t)c->http_connections,
		.max_open = (uint32_t)c->http_connections,
		.idle_ms = c->http_idle_timeout,
	};
	enum err e = exchange_evhttp_new(&xo, &rw->world.exchange);
	if (e != ERR_OK)
		bytes_printf(why, "the HTTP engine cannot start: %s", err_text(e));
	return e;
}

static enum err open_sockets(struct realworld *rw, struct bytes *why)
{
	struct unixsock_options uo = {.base = loop_libevent_base(rw->loop),
				      .path = bytes_cstr(&rw->control_path),
				      .mode = SOCKET_MODE,
				      .listen_fd = notify_listen_fd(0),
				      .log = &rw->log};
	enum err e = unixsock_new(&uo, &rw->world.control);
	if (e == ERR_OK) {
		uo.path = bytes_cstr(&rw->events_path);
		uo.listen_fd = notify_listen_fd(1);
		e = unixsock_new(&uo, &rw->world.events);
	}
	if (e != ERR_OK)
		bytes_printf(why, "%s: a socket's path has at most 107 bytes",
			     bytes_cstr(&rw->control_path));
	return e;
}

static void fill_world(struct realworld *rw, const struct realworld_options *o)
{
	struct world *w = &rw->world;
	machine_libraries(&rw->libraries);
	if (o->config != NULL && machine_add_absolute(&rw->config_path, o->config) == ERR_OK)
		rw->files.path = bytes_cstr(&rw->config_path);
	w->config_path = configfiles_path(&rw->files);
	rw->source = (struct config_source){.ctx = &rw->files, .load = load_config};
	rw->notify = (struct notify){.ready = say_ready,
				     .status = say_status,
				     .reloading = say_reloading,
				     .stopping = say_stopping,
				     .watchdog = say_watchdog,
				     .watchdog_ns = notify_watchdog_ns()};
	w->clock = &machine_clock;
	w->rng_seed = machine_random();
	w->new_id = machine_new_id;
	w->hash_seed = machine_random();
	w->machine_boot = machine_boot();
	machine_new_id(w->boot_id);
	w->notify = &rw->notify;
	rw->log = *o->log;
	w->log = &rw->log;
	w->fault = &rw->fault;
	w->config_source = &rw->source;
	w->own_uid = machine_uid();
	w->pid = machine_pid();
	w->version = MUSTER_VERSION;
	w->libraries = bytes_cstr(&rw->libraries);
}

static enum err open_all(struct realworld *rw, const struct realworld_options *o, struct bytes *why)
{
	const char *point = getenv("MUSTERD_FAULT");
	if (point != NULL && fault_arm(&rw->fault, point) != ERR_OK) {
		bytes_printf(why, "MUSTERD_FAULT=%s: no such point", point);
		return ERR_INVALID;
	}
	enum err e = realworld_config(o, &rw->world.config, why);
	if (e == ERR_OK)
		start_runner(rw);
	if (e == ERR_OK)
		rw->log.level = (enum log_level)rw->world.config->log_level;
	if (e == ERR_OK)
		e = find_sockets(rw, o, why);
	if (e == ERR_OK)
		e = find_state(rw, o, why);
	if (e == ERR_OK)
		e = open_stores(rw, why);
	if (e == ERR_OK)
		e = open_uploads(rw, why);
	if (e == ERR_OK)
		e = open_loop(rw, why);
	if (e == ERR_OK)
		e = link_runner(rw, why);
	if (e == ERR_OK)
		e = open_sockets(rw, why);
	if (e != ERR_OK)
		return e;
	rw->world.loop = loop_libevent_loop(rw->loop);
	rw->world.offload = workers_pool(rw->workers);
	rw->world.control_address = bytes_cstr(&rw->address);
	rw->world.state_dir = bytes_cstr(&rw->state);
	return ERR_OK;
}

enum err realworld_config(const struct realworld_options *o, struct config **ret, struct bytes *why)
{
	struct configfiles files = {.path = o->config};
	return configfiles_load(&files, ret, why);
}

enum err realworld_open(const struct realworld_options *o, struct realworld **ret,
			struct bytes *why)
{
	struct realworld *rw = calloc(1, sizeof(*rw));
	if (rw == NULL)
		return ERR_NOMEM;
	rw->lock_fd = -1;
	rw->runner.fd = -1;
	fill_world(rw, o);
	enum err e = open_all(rw, o, why);
	if (e != ERR_OK) {
		realworld_close(rw);
		return e;
	}
	*ret = rw;
	return ERR_OK;
}

const struct world *realworld_world(const struct realworld *rw)
{
	return &rw->world;
}

enum err realworld_obey_signals(struct realworld *rw, struct daemon *d)
{
	struct signals_owner owner = {.ctx = rw, .on_stop = on_stop, .on_reload = on_reload};
	rw->daemon = d;
	return signals_new(loop_libevent_base(rw->loop), &owner, &rw->signals);
}

void realworld_watch(struct realworld *rw, struct daemon *d)
{
	act_shard *shard = daemon_shard(d);
	struct watchdog_opts o = {
		.shards = &shard, .n_shards = 1, .log = rw->world.log, .stuck_ns = STUCK_NS};
	rw->watchdog = watchdog_new(&o);
	if (rw->watchdog == NULL || !watchdog_start(rw->watchdog))
		log_warn(rw->world.log, "watchdog.none", kv_s("why", "no thread to be had"));
}

void realworld_unwatch(struct realworld *rw)
{
	watchdog_free(rw->watchdog);
	rw->watchdog = NULL;
}

void realworld_close(struct realworld *rw)
{
	if (rw == NULL)
		return;
	signals_free(rw->signals);
	workers_free(rw->workers);
	if (rw->world.events != NULL)
		rw->world.events->ops->free(rw->world.events);
	if (rw->world.control != NULL)
		rw->world.control->ops->free(rw->world.control);
	runnerlink_free(rw->world.runner);
	if (rw->runner.fd >= 0)
		close(rw->runner.fd);
	exchange_free(rw->world.exchange);
	loop_libevent_free(rw->loop);
	if (rw->world.volatile_ != NULL)
		store_close(rw->world.volatile_);
	if (rw->world.durable != NULL)
		store_close(rw->world.durable);
	uploads_close(rw->world.uploads);
	if (rw->lock_fd >= 0)
		close(rw->lock_fd);
	config_unref(rw->world.config);
	bytes_fini(&rw->config_path);
	bytes_fini(&rw->state);
	bytes_fini(&rw->control_path);
	bytes_fini(&rw->events_path);
	bytes_fini(&rw->address);
	bytes_fini(&rw->libraries);
	free(rw);
}
