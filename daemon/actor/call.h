/*
 * call -- one JSON-RPC call on its way through the daemon: who asks, what, and how it is answered.
 *
 * A handler (control.h) gets a call and either answers it before it returns, or gives it to a task
 * with call_spawn, whose step answers it. Answered once; freed by whoever runs it. If the caller's
 * connection ends, the task is cancelled and an answer goes nowhere.
 * Threads: control's shard.
 */
#pragma once

#include "actor/control.h"
#include "base/bytes.h"
#include "base/list.h"
#include "edge/ctlsock.h"
#include "proto/errors.h"
#include "proto/fields.h"
#include "run/task.h"

struct client;
struct control;
struct opid;
struct packet;

struct call {
	uint32_t refs;
	struct control *control;
	struct packet *packet; /* the message it came in; holds the text */
	struct client *client; /* its connection */
	const struct control_method *method;
	struct link link;    /* of its client */
	struct link held;    /* of the opid it waits for */
	struct slice id;     /* raw; n == 0: a notification */
	struct slice params; /* raw object; n == 0: none */
	uint32_t uid;
	bool is_admin, via_gateway;
	bool is_done, is_parked;
	act_id task;	   /* 0: none */
	struct opid *opid; /* of a mutating call; see opid.h */
	void *own;	   /* freed with the call: what its task has not used yet */
	act_cleanup own_free;
	json_t *tree; /* of params, once read */
};

/* Answers with a result: its JSON text, taken over and left empty. */
void call_ok(act_self *self, struct call *call, struct bytes *result);
/* The same for a short constant text. */
void call_ok_text(act_self *self, struct call *call, const char *result);
/* Answers with a whole body but its last brace, made on top of call_head; taken over. */
void call_ok_body(act_self *self, struct call *call, struct bytes *body);
void call_fail(act_self *self, struct call *call, enum kind kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
struct rpc_error;
void call_fail_with(act_self *self, struct call *call, const struct rpc_error *e);
/* `{"jsonrpc":"2.0","id":1,"result":` */
void call_head(const struct call *call, struct bytes *out);

/* Reads params by a table; false: it has been answered with what is wrong. Strings in *out live as
 * long as the call. */
bool call_params(act_self *self, struct call *call, const struct field_table *t, void *out);
/* Takes no parameters at all; as call_params. */
bool call_no_params(act_self *self, struct call *call);

/* A task that owns the call from now on: act_arg is the call, the frame is zero. It is answered
 * `busy` if too much is parked already, `memory` if there is none. */
void call_spawn(act_self *self, struct call *call, act_step step, size_t frame_size,
		const void *frame_init, size_t frame_init_size);
