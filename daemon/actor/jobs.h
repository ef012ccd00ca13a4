/*
 * jobs -- the keeper: parent of all job actors. It gives ids, has submissions committed before they
 * are acknowledged, admits queued jobs by priority and age while fewer than jobs.active run, and
 * passes calls on to the actor of a job, spawning one for as long as somebody asks about a job
 * that is queued or has ended.
 *
 * Asks (from control's tasks), each answered by a struct job_reply (job.h):
 *   JOBS_SUBMIT  struct jobs_submit, owned
 *   JOBS_CALL    struct job_call, owned
 *   JOBS_LIST    struct jobs_list, inline
 * Mail: JOBS_SESSION_LOST (word[0] = session): its attached jobs are cancelled. JOBS_DRAIN: admits
 * nothing, launches nothing new. From its children: JOBS_STATE, and their
 * end. From the store: STORE_APPLIED, STORE_ROWS.
 */
#pragma once

#include "actor/job.h"
#include "base/clock.h"
#include "base/log.h"

enum jobs_msg {
	JOBS_SUBMIT = 0x4b00,
	JOBS_CALL,
	JOBS_LIST,
	JOBS_SESSION_LOST,
	JOBS_DRAIN,
	JOBS_SETTINGS, /* from the daemon: the configuration is another one */
	JOBS_STATE,    /* from a job: struct jobs_state, inline */
};

struct bodydir;
struct config;
struct events;
struct hosts;
struct net_policy;
struct uploads;
struct fault;
struct rules;
struct runner;

/* Whom jobs work with; one struct for all of them, which outlives the keeper. */
struct job_peers {
	act_id durable, memory; /* actor/store.h; durable 0: all jobs are volatile */
	act_id limiter, named, sessions;
	struct hosts *hosts;
	struct bodydir *bodies;	 /* NULL: bodies stay in their lines */
	struct uploads *uploads; /* NULL: no place for them */
	struct fault *fault;	 /* NULL: none */
	uint8_t body_class;	 /* offload class that reads them */
	struct events *events;	 /* NULL: nobody is told */
	const struct clock *clock;
	const struct log *log;
	void *ctx;
	/* What the configuration says now; borrowed until the next await. May be NULL. */
	const struct rules *(*rules)(void *ctx);
	const struct net_policy *(*policy)(void *ctx);
	struct runner *runner;			   /* edge/runner.h; NULL: no program can run */
	struct act_sem *programs;		   /* how many at once */
	const struct config *(*config)(void *ctx); /* NULL: its defaults */
	uint32_t own_uid;			   /* the daemon's */
	void (*new_id)(char ret[33]); /* nobody can guess it; NULL: of the shard's rng */
	uint64_t seed;
};

/* What a job tells its keeper. */
struct jobs_state {
	uint64_t number;
	bool is_volatile, is_ended, is_idle; /* idle: nobody asked for a while, it may go */
	bool is_again; /* it had ended and is queued once more; what follows is told with it */
	uint32_t uid;
	uint8_t priority;
	uint32_t n_calls; /* it has had: if the keeper has sent more, it may not go after all */
};

/* Reads the open jobs of the store and goes on with them. 0: no memory. */
act_id jobs_spawn(act_self *parent, const struct job_peers *peers);

struct jobs_submit {
	struct job_spec *spec; /* a reference: parsed and valid */
	struct bytes text;     /* the job as JSON, as stored */
	struct bytes vars;     /* JSON object of variables; may be empty */
	struct bytes head;     /* as in job_call */
	uint32_t uid;
	bool is_volatile;
	bool is_attached;
	uint64_t session; /* of an attached job */
	/* Committed with the job as STORE_OPID_PUT, the answer being `"result":RESULT}`; if it is
	 * there already, the reply is that answer. Empty: none. */
	struct bytes op_id;
};

struct jobs_list {
	uint32_t uid;
	bool is_admin; /* sees all */
	uint64_t after;
	uint32_t max;
};

struct jobs_submit *jobs_submit_new(void);
void jobs_submit_free(void *submit);
