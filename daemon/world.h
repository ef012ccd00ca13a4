/*
 * world -- everything the daemon takes from outside, in one struct, and the house it builds of it.
 *
 * daemon_new(const struct world *) touches nothing else: no clock, no chance, no socket, no file.
 * The real one is filled by edge/realworld, a simulated one by tests/sim, so that two daemons fit
 * one process and a run replays from its seed.
 *
 * An actor finds its house through act_user(self); it holds pointers and the ids of the actors that
 * live as long as the daemon, nothing else.
 */
#pragma once

#include "actor/events.h"
#include "base/clock.h"
#include "base/log.h"
#include "run/loop.h"
#include "run/shard.h"

struct bodydir;
struct config;
struct exchange;
struct fault;
struct hosts;
struct runner;
struct store;
struct transport;
struct uploads;

/* Tells whoever started the daemon how it is (sd_notify); all may be NULL. */
struct notify {
	void *ctx;
	void (*ready)(void *ctx, const char *status);
	void (*status)(void *ctx, const char *status);
	void (*reloading)(void *ctx);
	void (*stopping)(void *ctx);
	void (*watchdog)(void *ctx);
	int64_t watchdog_ns; /* how often it wants to hear; 0: never */
};

/* Reads the configuration anew, whole or not at all; *ret_message says what is wrong. */
struct config_source {
	void *ctx;
	enum err (*load)(void *ctx, struct config **ret_config, struct bytes *ret_message);
};

/* What stands behind the interfaces is opened by the maker of the world and outlives the daemon,
 * which closes none of it. */
struct world {
	const struct clock *clock;
	uint64_t rng_seed;
	uint64_t hash_seed;
	uint64_t machine_boot;	      /* the same as long as the machine has not been booted */
	uint64_t permute_seed;	      /* != 0: the run ring is permuted between turns */
	void (*new_id)(char ret[33]); /* 32 hex digits nobody can guess; NULL: made of rng_seed */
	char boot_id[33];	      /* hex, new at every start: names the sequence of events */
	const struct act_loop *loop;
	const struct act_offload_pool *offload;
	struct exchange *exchange;
	struct runner *runner;	 /* edge/runner.h; NULL: no program can run */
	struct store *durable;	 /* NULL: none; every job is volatile then */
	struct store *volatile_; /* never NULL */
	struct uploads *uploads; /* NULL: no place for them */
	struct transport *control;
	struct transport *events; /* NULL: no events */
	const struct notify *notify;
	struct log *log; /* the daemon sets its level */
	struct fault *fault;
	struct config *config;			   /* the daemon owns it from daemon_new on */
	const struct config_source *config_source; /* NULL: cannot be reloaded */
	uint32_t own_uid;
	uint32_t pid;
	const char *version;
	const char *libraries;	     /* their versions, for people; NULL: not told */
	const char *control_address; /* for people */
	const char *state_dir;	     /* for people; NULL: none */
	const char *config_path;     /* absolute; NULL: none was there when it started */
};

/* Classes of offloaded work: each has its own bound in the pool. */
enum house_work {
	HOUSE_WORK_WRITE, /* the store's writer: one at a time */
	HOUSE_WORK_READ,  /* the store's reader: one at a time */
	HOUSE_WORK_FILE,  /* body files */
	HOUSE_WORK_PARSE, /* long texts */
	HOUSE_WORKS
};

struct house;

/* What actors may ask of the daemon around them. */
struct house_ops {
	/* Whole or not at all; *why says what is wrong, or what needs a restart. */
	enum err (*reload)(struct house *h, act_self *self, struct bytes *why);
	/* As SIGTERM. */
	void (*drain)(struct house *h);
	/* Work would be lost or repeated: the process has to end, non-zero. */
	void (*fatal)(struct house *h, const char *why);
};

/* act_user(self) of every actor. Ids are 0 until the actor has been spawned. */
struct house {
	const struct house_ops *ops;
	const struct world *world;
	const struct clock *clock;
	const struct log *log;
	struct config *config; /* the one in force; replaced as a whole by a reload */
	act_shard *shard;
	struct ctlsock *control_sock;
	struct events events;
	int64_t started_ns; /* mono */
	bool is_draining;
	act_id store;	     /* actor/store.h: durable */
	act_id memory;	     /* actor/store.h: volatile */
	act_id limiter;	     /* actor/limiter.h */
	act_id named;	     /* actor/named.h */
	struct hosts *hosts; /* actor/host.h */
	act_id jobs;	     /* actor/jobs.h: the directory of jobs, admission */
	act_id sessions;     /* actor/session.h */
	act_id control;	     /* actor/control.h */
};

static inline struct house *house_of(const act_self *self)
{
	return act_user(self);
}
