/*
 * shard -- a thread's share of the runtime: its actors, run queue, timers and ways in and out.
 *
 *	static int live(const struct clock *clock, const struct act_loop *loop)
 *	{
 *		struct act_shard_opts opts = {.clock = clock, .loop = loop};
 *		act_shard *shard = act_shard_new(&opts);
 *		if (shard == NULL)
 *			return 1;
 *		act_spawn(act_shard_root(shard), &counter, NULL, NULL);
 *		act_shard_run(shard, true); // until nobody is left
 *		act_shard_free(shard);
 *		return 0;
 *	}
 *
 * Threads    act_shard_new, _run, _turn, _free and everything "local": the owning thread (or before
 *            it starts). act_post, act_shard_wake, act_shard_ask_stop: any thread.
 * A shard never blocks but in loop->poll, and polls every turn, also under load.
 * Callbacks of the loop are not actor code: they use act_post_local, act_deliver_local and
 * act_op_complete.
 */
#pragma once

#include "base/clock.h"
#include "base/log.h"
#include "run/loop.h"
#include "run/offload.h"

/* The ways between shards: made first, freed last. */
typedef struct act_mesh act_mesh;
enum { ACT_SHARDS_MAX = 64 };
/* n shards, numbers 0 to n - 1; NULL: no memory. */
act_mesh *act_mesh_new(unsigned n);
void act_mesh_free(act_mesh *mesh);

struct act_shard_opts {
	const struct clock *clock;		/* mono_ns; required */
	const struct act_loop *loop;		/* required */
	const struct log *log;			/* NULL: silent */
	void *user;				/* act_user */
	act_mesh *mesh;				/* NULL: alone */
	uint8_t no;				/* number in the mesh */
	const struct act_offload_pool *offload; /* NULL: act_offload is ECLOSED */
	uint64_t seed;				/* act_rng */
	/* != 0: the run ring is permuted between turns, reproducibly. For simulation. */
	uint64_t permute_seed;
	uint32_t max_actors;	 /* 0 = 4 Mi; at most 16 Mi - 1 */
	uint64_t max_cells;	 /* messages in all; 0 = 16 Mi */
	int64_t default_wait_ns; /* of an ask without a deadline; 0 = 30 s, < 0 = none */
	int64_t slow_turn_ns;	 /* log a behaviour's turn above; 0 = 100 ms, < 0 = never */
	uint32_t turn_messages;	 /* 0 = 1024 */
	int64_t turn_ns;	 /* 0 = 50 us */
};

/* NULL: no memory. */
act_shard *act_shard_new(const struct act_shard_opts *opts);
/* Kills what lives (defers and fini run), drops all mail; checks the conservation of messages. */
void act_shard_free(act_shard *sh);
/* Actor-code context for set-up by the owning thread, between turns: spawns and sends of nobody
 * (act_whoami is 0). Never for awaits, defers or timers. */
act_self *act_shard_root(act_shard *sh);

/* Turns until act_shard_ask_stop, or until no actor lives when until_empty. */
void act_shard_run(act_shard *sh, bool until_empty);
void act_shard_ask_stop(act_shard *sh);
/* One turn: takes what came in, runs, flushes, expires timers, polls without waiting. Returns true
 * if something is left to run at once. */
bool act_shard_turn(act_shard *sh);
/* Nothing to run, nothing to take in (timers may be pending). */
bool act_shard_idle(const act_shard *sh);
/* When the next timer is due, at the earliest; INT64_MAX: none. May be early, never late. */
int64_t act_shard_next_timer_ns(const act_shard *sh);
int64_t act_shard_now_ns(const act_shard *sh);
void act_shard_wake(act_shard *sh);
uint64_t act_shard_live(const act_shard *sh);

/* From callbacks on the owning thread that are not actor code. EFULL, EDEAD, ENOMEM as act_send;
 * local ids only. */
int act_post_local(act_shard *sh, act_id to, uint32_t type, const void *p, size_t len);
int act_post_local_buf(act_shard *sh, act_id to, uint32_t type, void *owned, size_t len,
		       act_cleanup dtor);
act_msg *act_prepare_local(act_shard *sh, uint32_t type, const void *p, size_t len);
void act_deliver_local(act_shard *sh, act_id to, act_msg *m);
void act_unprepare_local(act_shard *sh, act_msg *m);
void act_cancel_local(act_shard *sh, act_id id, int why);

/*
 * From any thread, to an actor of sh. Copies p, or moves the buffer. ENOMEM is the only error told;
 * a full or dead receiver drops the message and counts it.
 */
int act_post(act_shard *sh, act_id to, uint32_t type, const void *p, size_t len);
int act_post_buf(act_shard *sh, act_id to, uint32_t type, void *owned, size_t len,
		 act_cleanup dtor);

/* What a watchdog on another thread reads: the actor now in its behaviour (0: none) and the number
 * of the activation; the same number twice with an actor means it has not returned in between. */
struct act_watch {
	act_id id;
	uint64_t activation;
};
struct act_watch act_shard_watch(const act_shard *sh);
/* The class of the actor seen ("task" for tasks); "": it has gone since. */
const char *act_shard_watch_class(const act_shard *sh, struct act_watch seen);
