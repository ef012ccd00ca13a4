/*
 * simclient -- a client of the daemon in a simulation: submits one job over byte pipes in the real
 * protocol, feeds it, reads its results, pauses, resumes or cancels it in the middle, asks for its
 * final record. It checks every line it gets: an unbroken sequence, a task's line no more often
 * than a retry explains, in order where that was asked for.
 */
#pragma once

#include "edge/pipepair.h"
#include "tests/sim/jobtree.h"

#define SIMCLIENT_LINES 2048

enum simclient_phase { SIM_SUBMIT, SIM_FEED, SIM_RESULTS, SIM_ORDER, SIM_GET, SIM_DONE };
enum simclient_order { SIM_PAUSE, SIM_RESUME, SIM_CANCEL, SIM_ORDERS };

struct simclient {
	/* set before the first turn */
	const struct jobtree_job *job;
	struct rng *rng;
	int64_t order_at_ns[SIM_ORDERS]; /* when it gives them; 0: never */
	uint32_t repeats;		 /* how often one task may tell its end */
	/* heard of everything that comes in; for the trace */
	void (*heard)(void *ctx, struct slice bytes);
	void *ctx;
	/* what came of it */
	enum simclient_phase phase;
	bool was_cancelled; /* it asked for it; the daemon may have died of an answer */
	uint32_t n_ok, n_failed, n_cancelled;
	struct bytes final;
	/* its own */
	enum simclient_order order;
	struct pipe_end *end;
	bool is_waiting; /* for the answer to `id` */
	uint32_t id;
	struct bytes in;
	uint64_t next, fed, turn;
	bool fed_all;
	uint64_t task_hash[SIMCLIENT_LINES];
};

/* What it finds to do now; dials if it has to. */
void simclient_turn(struct simclient *c, struct transport *to, int64_t now_ns);
/* The connection is gone. */
void simclient_hang_up(struct simclient *c);
void simclient_fini(struct simclient *c);
/* A number in an object; aborts if it is not there. */
uint64_t simclient_number(struct slice object, const char *name);
