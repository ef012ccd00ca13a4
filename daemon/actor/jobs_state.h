/*
 * jobs_state -- private to jobs*.c: the keeper's state. jobs.c routes, jobs_submit.c takes new
 * jobs, jobs_admit.c decides which queued one runs next, jobs_load.c reads what the store has at
 * start, jobs_list.c lists.
 */
#pragma once

#include "actor/jobs.h"
#include "base/list.h"
#include "base/table.h"

#define JOBS_ACTIVE_DEFAULT 256
#define JOBS_QUEUED_DEFAULT 1000000
#define JOBS_PRIORITIES	    10		    /* 1 to 9 */
#define JOBS_AGEING_NS	    (60 * NS_PER_S) /* waiting so long is worth one step of priority */

struct store_batch;
struct store_reading;

struct entry {
	struct link queue; /* of its priority, while it is queued */
	uint64_t number;
	bool is_volatile, is_attached, is_active, is_started;
	uint8_t priority;
	uint32_t uid;
	int64_t queued_ns;
	act_id actor;	  /* 0: none now */
	uint32_t n_calls; /* passed to that actor */
};

struct submission {
	struct link link;
	struct jobs_submit *submit;
	uint64_t token, number;
	struct store_batch *batch; /* at the store; NULL: waits for numbers */
	const char *state;	   /* that its answer names, now and under its op_id */
};

enum load_stage { LOAD_COUNTER, LOAD_OPEN, LOAD_QUEUED, LOAD_DONE };

struct keeper {
	const struct job_peers *peers;
	struct table jobs; /* "j7" -> struct entry */
	struct link queue[JOBS_PRIORITIES];
	struct link submissions;
	struct link early; /* calls that came before it was ready */
	uint32_t n_active, max_active;
	uint32_t n_queued, max_queued;
	uint32_t n_submissions;
	uint64_t next_number;
	bool is_ready; /* what the store has is known */
	bool is_draining;
	struct {
		enum load_stage stage;
		uint64_t after;
		uint8_t priority;
	} load;
};

struct entry *keeper_find(struct keeper *k, uint64_t number, bool is_volatile);
/* A new one; NULL: no memory. */
struct entry *keeper_add(struct keeper *k, uint64_t number, bool is_volatile);
void keeper_forget(struct keeper *k, struct entry *e);
/* Spawns its actor if it has none. False: no memory. */
bool keeper_wake(act_self *self, struct keeper *k, struct entry *e, struct job_spec *spec);
/* Passes a call on; answers it itself if it cannot. */
void keeper_pass(act_self *self, struct keeper *k, struct entry *e, struct job_call *c);

/* All that the store has is known: what waited for it goes on. */
void keeper_is_ready(act_self *self, struct keeper *k);

/* jobs_submit.c */
void keeper_submit(act_self *self, struct keeper *k, struct jobs_submit *s, uint64_t token);
void keeper_submit_ready(act_self *self, struct keeper *k);
void keeper_submit_stored(act_self *self, struct keeper *k, struct store_batch *b);
void keeper_submit_fini(struct keeper *k);

/* jobs_admit.c */
/* How many may run and wait, by the configuration. */
void keeper_settings(struct keeper *k);
/* Whether one more would have no place, running or queued. */
bool keeper_is_full(const struct keeper *k);
void keeper_unqueue(struct keeper *k, struct entry *e);
void keeper_enqueue(act_self *self, struct keeper *k, struct entry *e);
/* How it stands in the queue, for `explain`. */
void keeper_explain(act_self *self, const struct keeper *k, const struct entry *e,
		    struct job_call *c);
/* Starts queued jobs while there is room. */
void keeper_admit(act_self *self, struct keeper *k);
bool keeper_start(act_self *self, struct keeper *k, struct entry *e);

/* jobs_load.c */
bool keeper_load(act_self *self, struct keeper *k);
void keeper_loaded(act_self *self, struct keeper *k, const struct store_reading *r);

/* jobs_list.c */
void keeper_list(act_self *self, struct keeper *k, const struct jobs_list *l, uint64_t token);
