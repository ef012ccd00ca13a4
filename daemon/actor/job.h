/*
 * job -- the actor of one job: routes between its tree of tasks, the store and those who ask.
 *
 * One actor per admitted job (at most jobs.active of them), and short-lived ones for queued and
 * ended jobs that somebody asks about; the parent is the keeper (actor/jobs), which alone spawns
 * them and passes calls on. Everything a job hears is a struct job_call, answered by exactly one
 * struct job_reply to its token, and what is listed under "from inside".
 *
 * Calls by JOB_MSG_CALL (owned buffer, job_call_free). Who sends: the keeper, for control.
 *   START     the job is admitted: run it, or go on with it after a restart
 *   FEED      items for its `each … {"feed":true}`; answered after commit, parked while too much
 *             is unconsumed
 *   UPLOAD    a piece of what a request will send; text is its name; answered when it is written
 *   RESULTS   lines after a cursor; parked until there are some, or the end, or wait_ms
 *   CANCEL PAUSE RESUME RETRY   a user's word; answered after commit
 *   WAIT      parked until the job has ended, or wait_ms
 *   SHOW      the final record, or how far it is
 *   EXPLAIN   what a task waits for; path empty: the whole job
 *   COOKIES   what is in the jar
 *   FORGET    of an ended job
 *   BODY      a piece of the body of a result
 *   ATTACH_LOST  its session is gone for good: cancel if attached
 *   DRAIN     launch nothing more; attempts under way end
 * From inside: JOB_MSG_STIR of its own tasks (something followers wait for may have changed),
 * STORE_APPLIED and STORE_ROWS of the store, signals.
 */
#pragma once

#include "proto/errors.h"
#include "run/actor.h"

enum job_msg {
	JOB_MSG_CALL = 0x4a00,
	JOB_MSG_STIR,
};

enum job_call_kind {
	JOB_CALL_START,
	JOB_CALL_FEED,
	JOB_CALL_UPLOAD,
	JOB_CALL_RESULTS,
	JOB_CALL_CANCEL,
	JOB_CALL_PAUSE,
	JOB_CALL_RESUME,
	JOB_CALL_RETRY,
	JOB_CALL_WAIT,
	JOB_CALL_SHOW,
	JOB_CALL_EXPLAIN,
	JOB_CALL_COOKIES,
	JOB_CALL_FORGET,
	JOB_CALL_BODY,
	JOB_CALL_ATTACH_LOST,
	JOB_CALL_DRAIN,
	JOB_CALLS
};

#define JOB_WAIT_MAX_MS	      25000
#define JOB_RESULTS_BYTES     (256u << 10) /* max_bytes of a reply, default and most */
#define JOB_RESULTS_LINGER_MS 20	   /* after the first line a reply waits for more */

struct job_feed_call {
	uint64_t offset;
	struct bytes items; /* a JSON array, checked by jsonscan */
	bool end;
};

struct job_upload_call {
	uint64_t offset;
	struct bytes data; /* base64 */
	bool end;
};

struct job_results_call {
	uint64_t after;
	uint32_t max;	    /* 0 = no bound but bytes */
	uint32_t max_bytes; /* 0 = JOB_RESULTS_BYTES */
	uint32_t wait_ms;
	uint64_t ack; /* 0: none */
};

struct job_body_call {
	uint64_t seq, offset;
	uint32_t length;
	bool wants_file; /* rather its open file than a piece of it, where it has one */
};

/* Made by job_call_new, freed by its receiver. */
struct job_call {
	enum job_call_kind kind;
	uint64_t token;	  /* whom to answer; 0: nobody. The keeper fills it from the message */
	uint64_t job;	  /* number of the job */
	bool is_volatile; /* "v7" rather than "j7" */
	uint32_t uid;	  /* who asks */
	bool is_admin;
	/* Replies begin with these bytes (the envelope of the protocol), so nothing is copied. */
	struct bytes head;
	struct bytes text; /* CANCEL: why; EXPLAIN: path; UPLOAD: name */
	uint32_t wait_ms;  /* WAIT */
	/* EXPLAIN of a queued job: filled in by the keeper. */
	struct {
		bool is_queued;
		uint32_t ahead, running;
		int64_t since_ns;
	} queue;
	union {
		struct job_feed_call feed;
		struct job_upload_call upload;
		struct job_results_call results;
		struct job_body_call body;
	};
};

/*
 * Answer to every call: message JOB_MSG_CALL of the reply, an owned struct job_reply. kind
 * KIND_NONE: `body` is head, then the JSON of `result`; the caller closes its envelope. Else
 * `message` says why, and body is empty.
 */
struct job_reply {
	enum kind kind;
	int fd; /* BODY: an open file that goes with the answer; -1: none */
	struct bytes message;
	struct bytes body;
};

struct job_call *job_call_new(enum job_call_kind kind); /* NULL: no memory */
void job_call_free(void *call);
void job_reply_free(void *reply);
/* Answers and frees the call. body: appended to head; NULL = "true". */
void job_call_done(act_self *self, struct job_call *call, struct bytes *body);
/* The same with an open file, taken over. */
void job_call_done_file(act_self *self, struct job_call *call, struct bytes *body, int fd);
void job_call_refuse(act_self *self, struct job_call *call, enum kind kind, const char *message);
/* NOT_FOUND, naming the job. */
void job_call_unknown(act_self *self, struct job_call *call);

/* The reply alone; NULL: no memory. head is taken over. */
struct job_reply *job_reply_new(struct bytes *head, const struct bytes *body);
struct job_reply *job_reply_refusal(enum kind kind, const char *message);
/* Takes the reply; NULL answers with ENOMEM. */
void job_reply_send(act_self *self, uint64_t token, uint32_t type, struct job_reply *r);

/* "j7", "v7". */
bool job_id_parse(struct slice text, uint64_t *ret_id, bool *ret_is_volatile);
void job_id_add(struct bytes *out, uint64_t id, bool is_volatile);

/* ---- life: the keeper alone ---- */

struct job_peers;
struct job_spec;

struct job_args {
	const struct job_peers *peers; /* outlives the actor */
	act_id keeper;
	uint64_t number;
	bool is_volatile;
	/* Of a job submitted just now; else NULL, and it reads itself from the store. */
	struct job_spec *spec; /* a reference is taken */
	uint32_t uid;
	bool is_attached;
};

/* 0: no memory. */
act_id job_spawn(act_self *self, const struct job_args *args);
