/*
 * control_state -- the state of the actor control, shared by the files that make it up (control.c,
 * packet.c, call.c, opid.c); nobody else includes it.
 */
#pragma once

#include "actor/call.h"
#include "actor/doorbell.h"
#include "base/table.h"
#include "world.h"

/* One message of a peer: a call, or a batch of them. Answered when its last call is done. */
struct packet {
	struct control *control;
	struct client *client;
	struct ctlsock_request *rq;
	uint32_t n_left; /* calls not yet done, and one while it is being begun */
	bool is_batch;
	int fd; /* an open file that goes with the answer; -1: none */
	struct bytes out;
};

/* A connection that has asked something. */
struct client {
	ctlsock_conn_id id;
	struct link calls;
	uint32_t n_parked;
	uint32_t n_packets;
	bool is_gone;
};

/* Outlives the actor while packets are under way: their tasks end when they end. */
struct control {
	bool is_over; /* the actor has ended */
	uint32_t n_packets;
	struct house *house;
	struct ctlsock *ctlsock; /* NULL once the actor has ended */
	struct doorbell *bell;
	struct table clients; /* by ctlsock_conn_id */
	struct table opids;   /* by caller and op_id; opid.h */
	struct link opid_age; /* oldest first */
	size_t opid_bytes;
	uint32_t n_parked, n_calls;
	bool is_draining;
	uint64_t seed[2];	/* of jsonscan */
	struct act_timer retry; /* when the doorbell found no memory */
	uint64_t n_requests, n_refused;
};

/* packet.c: begins a request, which is taken over. */
void packet_begin(act_self *self, struct control *ct, struct ctlsock_request *rq);
/* Adds what one call says; text is appended and counted as done. n == 0: says nothing. */
void packet_answer(struct packet *p, struct slice text);
void packet_release(struct packet *p);
/* A worker has looked at a long one. */
void packet_scan_done(act_self *self, void *scan);

/* call.c */
struct call *call_new(struct packet *p);
/* Ends the call: answers `internal` if nobody has, and frees it. */
void call_free(void *call);
/* Runs the method, or answers why not; the call is taken over. */
void call_run(act_self *self, struct call *call);
/* Runs the method, all checks behind it; the call is taken over. */
void call_begin(act_self *self, struct call *call);

/* control.c: NULL: no memory. */
struct client *client_of(struct control *ct, ctlsock_conn_id id);
void client_release(struct control *ct, struct client *c);
/* Frees it if the actor has ended and no packet is left. */
void control_release(struct control *ct);
