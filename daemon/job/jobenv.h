/*
 * jobenv -- what all tasks of one running job share.
 *
 * Counted: the job actor and every runtime task hold a reference, so that it outlives them in
 * whatever order they are killed.
 * Threads: the job's shard.
 */
#pragma once

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "job/leaf.h"
#include "job/spec.h"
#include "run/sync.h"

struct feed;
struct recall;
struct results;
struct task;

/* Leaves that have ended, by how; what handled is was failed before. */
struct tally {
	uint64_t ok, failed, handled, cancelled, not_started;
};

struct jobenv {
	uint32_t refs;
	struct job_spec *spec;
	struct leaf_port port;
	act_shard *shard;
	const struct clock *clock;
	const struct log *log;
	uint64_t number;
	uint32_t uid; /* whose it is */
	char id[24];  /* "j7" */
	bool is_volatile;
	bool keeps_failed; /* what failed may be asked for again once the job has ended */
	bool is_again;	   /* it was */
	struct results *results;
	struct feed *feed;     /* NULL: no source is fed */
	struct recall *recall; /* what an earlier life left; never NULL */
	struct tally tally;
	struct link tasks;   /* all live ones, by .all */
	struct task **pool;  /* free ones by serial of their node */
	act_event *go;	     /* set while leaves may start: not paused, not draining */
	uint32_t n_open;     /* items started and not ended, over all eaches */
	uint32_t n_told;     /* of these: a single leaf that the tally counts already */
	uint32_t n_holding;  /* leaves that hold a slot */
	uint64_t n_expected; /* items known to come and not yet started */
	bool is_draining;
	struct bytes scopes; /* records of ended ones, with commas between */
	uint32_t n_scopes;
};

/* A task with an id has ended; kept for the final record, up to JOBENV_SCOPES. */
#define JOBENV_SCOPES 256
void jobenv_scope_ended(struct jobenv *env, const struct task *t, int64_t now_ns);
/* `[{"id":…},…]`, or nothing. */
void jobenv_scopes_write(const struct jobenv *env, struct bytes *out);

struct jobenv_opts {
	struct job_spec *spec; /* a reference is taken */
	struct leaf_port port;
	act_shard *shard;
	const struct clock *clock;
	const struct log *log;
	uint64_t number;
	uint32_t uid;
	bool is_volatile, is_attached;
};

/* NULL: no memory. */
struct jobenv *jobenv_new(const struct jobenv_opts *opts);
struct jobenv *jobenv_ref(struct jobenv *env);
void jobenv_unref(struct jobenv *env);
/* Gives back the tasks kept for reuse: the tree has ended. */
void jobenv_trim(struct jobenv *env);
static inline struct slice jobenv_id(const struct jobenv *env)
{
	return slice_of(env->id);
}
