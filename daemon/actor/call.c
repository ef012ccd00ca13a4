/*
 * call -- see call.h. Also the checks that come before every method: who may, from where, when.
 */
#include "actor/call.h"

#include "actor/control_state.h"
#include "actor/opid.h"
#include "actor/rpc.h"
#include "base/check.h"
#include "model/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MESSAGE_MAX  512
#define ANSWER_BYTES 160 /* most answers fit */

struct call *call_new(struct packet *p)
{
	struct control *ct = p->control;
	struct call *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return NULL;
	const struct ctlsock_request *rq = p->rq;
	c->refs = 1;
	c->control = ct;
	c->packet = p;
	c->client = p->client;
	c->uid = rq->peer.uid;
	c->via_gateway = rq->n_hops > 0;
	c->is_admin = c->uid == 0 || c->uid == ct->house->world->own_uid ||
		      config_is_admin(ct->house->config, c->uid);
	list_push_back(&p->client->calls, &c->link);
	p->n_left++;
	ct->n_calls++;
	return c;
}

/* Gives the answer of a call that is done, or what nobody has said. */
static void answer(act_self *self, struct call *call, struct slice tail, bool is_result)
{
	if (call->is_done)
		return; /* answered `closed` meanwhile: the daemon is stopping */
	call->is_done = true;
	if (call->opid != NULL && opid_end(self, call, tail, is_result))
		return;
	if (call->id.n == 0)
		return;
	struct bytes text = {.n = 0};
	rpc_add_head(&text, call->id);
	bytes_add_slice(&text, tail);
	if (text.err == ERR_OK)
		packet_answer(call->packet, bytes_slice(&text));
	bytes_fini(&text);
}

/* Whoever had it ended without a word: no memory for its task, or a mistake. */
static void answer_for(struct call *call)
{
	struct bytes text = {.n = 0};
	struct rpc_error e = {.code = RPC_INTERNAL,
			      .kind = KIND_INTERNAL,
			      .message = "the request was dropped inside the daemon"};
	rpc_add_head(&text, call->id);
	rpc_add_error_tail(&text, &e);
	packet_answer(call->packet, bytes_slice(&text));
	bytes_fini(&text);
}

void call_free(void *p)
{
	struct call *call = p;
	struct control *ct = call->control;
	if (--call->refs > 0)
		return;
	list_remove(&call->link);
	if (call->is_parked) {
		call->client->n_parked--;
		ct->n_parked--;
	}
	if (call->opid != NULL)
		opid_abandon(call);
	if (!call->is_done && call->id.n > 0)
		answer_for(call);
	if (call->own != NULL)
		call->own_free(call->own);
	if (call->tree != NULL)
		json_decref(call->tree);
	ct->n_calls--;
	packet_release(call->packet);
	free(call);
}

void call_head(const struct call *call, struct bytes *out)
{
	bytes_reserve(out, ANSWER_BYTES);
	rpc_add_head(out, call->id);
	bytes_add(out, "\"result\":", sizeof("\"result\":") - 1);
}

void call_ok_body(act_self *self, struct call *call, struct bytes *body)
{
	bytes_add_byte(body, '}');
	if (call->is_done) {
		bytes_fini(body);
		return;
	}
	if (body->err != ERR_OK) {
		bytes_fini(body);
		call_fail(self, call, KIND_MEMORY, "no memory for the answer");
		return;
	}
	size_t head = rpc_head_bytes(call->id);
	CHECK(body->n >= head);
	struct slice tail = {body->p + head, body->n - head};
	if (call->opid != NULL || call->packet->is_batch || call->id.n == 0) {
		answer(self, call, tail, true);
		bytes_fini(body);
		return;
	}
	call->is_done = true;
	bytes_fini(&call->packet->out);
	call->packet->out = *body; /* as it is: no copy of what may be long */
	*body = (struct bytes){.n = 0};
}

void call_ok(act_self *self, struct call *call, struct bytes *result)
{
	struct bytes body = {.n = 0};
	enum err failed = result->err;
	call_head(call, &body);
	bytes_add_slice(&body, bytes_slice(result));
	bytes_fini(result);
	if (failed != ERR_OK)
		body.err = failed;
	call_ok_body(self, call, &body);
}

void call_ok_text(act_self *self, struct call *call, const char *result)
{
	struct bytes b = {.n = 0};
	bytes_add_str(&b, result);
	call_ok(self, call, &b);
}

void call_fail_with(act_self *self, struct call *call, const struct rpc_error *e)
{
	struct bytes tail = {.n = 0};
	rpc_add_error_tail(&tail, e);
	call->control->n_refused++;
	answer(self, call, bytes_slice(&tail), false);
	bytes_fini(&tail);
}

void call_fail(act_self *self, struct call *call, enum kind kind, const char *fmt, ...)
{
	char message[MESSAGE_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	struct rpc_error e = {.code = rpc_code_of(kind), .kind = kind, .message = message};
	call_fail_with(self, call, &e);
}

/* ---- parameters ---- */

bool call_params(act_self *self, struct call *call, const struct field_table *t, void *out)
{
	struct slice text = call->params.n > 0 ? call->params : SLICE_LIT("{}");
	json_error_t why = {.text = ""};
	struct fields_error wrong;
	call->tree = json_loadb(text.p, text.n, JSON_ALLOW_NUL, &why);
	if (call->tree == NULL) {
		/* They passed the scan with the request: all but numbers out of range is memory. */
		bool is_range = json_error_code(&why) == json_error_numeric_overflow;
		call_fail(self, call, is_range ? KIND_REQUEST_INVALID : KIND_MEMORY, "params: %s",
			  is_range ? why.text : "memory ran out");
		return false;
	}
	enum err e = fields_read_object(t, call->tree, out, NULL, &wrong);
	if (e == ERR_OK)
		return true;
	struct rpc_error error = {.code = RPC_INVALID_PARAMS,
				  .kind = e == ERR_NOMEM ? KIND_MEMORY : KIND_REQUEST_INVALID,
				  .message = wrong.text,
				  .path = wrong.pointer};
	call_fail_with(self, call, &error);
	return false;
}

bool call_no_params(act_self *self, struct call *call)
{
	static const struct field_table none = {.name = "params", .n = 0};
	char nothing;
	if (call->params.n == 0)
		return true;
	return call_params(self, call, &none, &nothing);
}

/* ---- running ---- */

void call_spawn(act_self *self, struct call *call, act_step step, size_t frame_size,
		const void *frame_init, size_t frame_init_size)
{
	struct control *ct = call->control;
	if ((call->method->flags & CONTROL_MAY_WAIT) != 0 && !call->is_parked) {
		if (call->client->n_parked >= CONTROL_PARKED_PER_CONN ||
		    ct->n_parked >= CONTROL_PARKED_MAX) {
			call_fail(self, call, KIND_BUSY, "too many requests are waiting already");
			return;
		}
		call->is_parked = true;
		call->client->n_parked++;
		ct->n_parked++;
	}
	struct act_task_opts opts = {.name = call->method->name,
				     .arg = call,
				     .arg_dtor = call_free,
				     .frame_init = frame_init,
				     .frame_init_size = frame_init_size};
	call->task = UINT64_MAX; /* arg_dtor runs also if it cannot be spawned */
	act_id id = act_spawn_task(self, step, frame_size, &opts);
	if (id != 0)
		call->task = id;
}

/* What stands against it; NULL: nothing. */
static const char *refusal(const struct call *call, enum kind *ret_kind)
{
	unsigned flags = call->method->flags;
	*ret_kind = KIND_DENIED;
	if ((flags & CONTROL_ADMIN_ONLY) != 0 && !call->is_admin)
		return "only root, the daemon's own user and its admins may do that";
	if ((flags & CONTROL_NOT_VIA_GATEWAY) != 0 && call->via_gateway)
		return "not through a gateway: no attached jobs, no leases";
	*ret_kind = KIND_REQUEST_INVALID;
	if ((flags & CONTROL_MAY_WAIT) != 0 && call->packet->is_batch)
		return "a method that may wait cannot be in a batch";
	*ret_kind = KIND_CLOSED;
	if ((flags & CONTROL_NEW_WORK) != 0 && call->control->is_draining)
		return "the daemon is draining and takes nothing new";
	return NULL;
}

void call_begin(act_self *self, struct call *call)
{
	call->refs++; /* it may be answered and freed before the handler returns */
	call->method->handler(self, call);
	if (call->task == 0)
		call_free(call);
	call_free(call);
}

void call_run(act_self *self, struct call *call)
{
	enum kind kind;
	if (call->method == NULL) {
		struct rpc_error e = {.code = RPC_NO_METHOD,
				      .kind = KIND_NOT_FOUND,
				      .message = "there is no such method"};
		call_fail_with(self, call, &e);
		call_free(call);
		return;
	}
	const char *why = refusal(call, &kind);
	if (why != NULL) {
		call_fail(self, call, kind, "%s: %s", call->method->name, why);
		call_free(call);
		return;
	}
	if ((call->method->flags & CONTROL_MUTATING) != 0 && opid_begin(self, call) == OPID_HELD)
		return;
	call_begin(self, call);
}
