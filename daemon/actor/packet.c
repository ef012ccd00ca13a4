/*
 * packet -- one message of a peer from its bytes to its answer: scanned (by a worker if it is
 * long), cut into one call or a batch, answered when the last of them is done.
 */
#include "actor/control_state.h"
#include "actor/rpc.h"
#include "base/check.h"
#include "run/offload.h"

#include <stdlib.h>
#include <unistd.h>

/* A worker's look at a long message. */
struct scan {
	struct packet *packet;
	struct jsonscan_limits limits;
	enum err result;
	struct jsonscan_error error;
};

static void packet_free(struct packet *p)
{
	struct control *ct = p->control;
	client_release(ct, p->client);
	bytes_fini(&p->out);
	if (p->fd >= 0)
		close(p->fd);
	free(p->rq);
	free(p);
	ct->n_packets--;
	control_release(ct);
}

static void packet_send(struct packet *p)
{
	if (p->is_batch && p->out.n > 0)
		bytes_add_byte(&p->out, ']');
	if (p->out.err != ERR_OK)
		bytes_clear(&p->out); /* an empty reply says as much as memory allows */
	if (p->control->ctlsock == NULL)
		return;
	ctlsock_reply_file(p->control->ctlsock, &p->rq->token, &p->out, p->fd);
	p->fd = -1;
}

void packet_release(struct packet *p)
{
	CHECK(p->n_left > 0);
	if (--p->n_left > 0)
		return;
	packet_send(p);
	packet_free(p);
}

void packet_answer(struct packet *p, struct slice text)
{
	if (text.n == 0)
		return;
	if (p->is_batch)
		bytes_add_byte(&p->out, p->out.n == 0 ? '[' : ',');
	bytes_add_slice(&p->out, text);
}

static void answer_error(struct packet *p, struct slice id, const struct rpc_error *e)
{
	struct bytes text = {.n = 0};
	rpc_add_head(&text, id);
	rpc_add_error_tail(&text, e);
	packet_answer(p, bytes_slice(&text));
	bytes_fini(&text);
}

static void answer_invalid(struct packet *p, struct slice id, const char *why)
{
	struct rpc_error e = {
		.code = RPC_INVALID_REQUEST, .kind = KIND_REQUEST_INVALID, .message = why};
	answer_error(p, id, &e);
}

static void begin_call(act_self *self, struct packet *p, struct slice object)
{
	struct rpc_request rq;
	const char *why;
	if (rpc_request_parse(object, &rq, &why) != ERR_OK) {
		answer_invalid(p, rq.id, why);
		return;
	}
	struct call *call = call_new(p);
	if (call == NULL) {
		struct rpc_error e = {
			.code = RPC_REFUSED, .kind = KIND_MEMORY, .message = "out of memory"};
		answer_error(p, rq.id, &e);
		return;
	}
	call->id = rq.id;
	call->params = rq.params;
	call->method = control_method_find(rq.method.p, rq.method.n);
	call_run(self, call);
}

static void begin_batch(act_self *self, struct packet *p, struct slice array)
{
	struct jsonscan_iter it;
	struct slice item;
	uint32_t n = 0;
	p->is_batch = true;
	CHECK(jsonscan_items(array, &it) == ERR_OK);
	while (jsonscan_next_item(&it, &item)) {
		if (++n > RPC_BATCH_MAX) {
			answer_invalid(p, (struct slice){NULL, 0}, "a batch has at most 256 calls");
			break;
		}
		begin_call(self, p, item);
	}
	if (n == 0) {
		p->is_batch = false;
		answer_invalid(p, (struct slice){NULL, 0}, "an empty batch");
	}
}

static struct slice trimmed(const struct ctlsock_request *rq)
{
	struct slice s = {rq->body, rq->n};
	while (s.n > 0 && (*s.p == ' ' || *s.p == '\t' || *s.p == '\n' || *s.p == '\r')) {
		s.p++;
		s.n--;
	}
	return s;
}

static void packet_scanned(act_self *self, struct packet *p, enum err e,
			   const struct jsonscan_error *error)
{
	struct slice text = trimmed(p->rq);
	if (e == ERR_NOMEM) {
		struct rpc_error oom = {
			.code = RPC_REFUSED, .kind = KIND_MEMORY, .message = "out of memory"};
		answer_error(p, (struct slice){NULL, 0}, &oom);
	} else if (e != ERR_OK) {
		struct rpc_error wrong = rpc_scan_error(error);
		if (e == ERR_TOO_LARGE)
			wrong.kind = KIND_REQUEST_TOO_LARGE;
		answer_error(p, (struct slice){NULL, 0}, &wrong);
	} else if (text.p[0] == '[') {
		begin_batch(self, p, text);
	} else {
		begin_call(self, p, text);
	}
	packet_release(p);
}

/* ---- long ones ---- */

static int scan_run(void *arg)
{
	struct scan *s = arg;
	struct slice text = {s->packet->rq->body, s->packet->rq->n};
	s->result = jsonscan_check(text, &s->limits, &s->error);
	return ACT_OK;
}

/* Control has ended: nobody is left to answer. */
static void scan_drop(void *arg)
{
	struct scan *s = arg;
	packet_release(s->packet);
	free(s);
}

void packet_scan_done(act_self *self, void *arg)
{
	struct scan *s = arg;
	struct packet *p = s->packet;
	packet_scanned(self, p, s->result, &s->error);
	free(s);
}

static bool scan_elsewhere(act_self *self, struct packet *p)
{
	struct scan *s = malloc(sizeof(*s));
	if (s == NULL)
		return false;
	*s = (struct scan){.packet = p};
	s->limits.seed[0] = p->control->seed[0];
	s->limits.seed[1] = p->control->seed[1];
	struct act_work w = {.fn = scan_run, .arg = s, .dtor = scan_drop, .cls = HOUSE_WORK_PARSE};
	if (act_offload_signal(self, &w, 0) == ACT_OK)
		return true;
	free(s);
	return false;
}

void packet_begin(act_self *self, struct control *ct, struct ctlsock_request *rq)
{
	struct packet *p = calloc(1, sizeof(*p));
	struct client *client = p != NULL ? client_of(ct, rq->token.conn) : NULL;
	if (client == NULL) {
		struct bytes none = {.n = 0};
		ctlsock_reply(ct->ctlsock, &rq->token, &none);
		free(rq);
		free(p);
		return;
	}
	client->n_packets++;
	*p = (struct packet){.control = ct, .client = client, .rq = rq, .n_left = 1, .fd = -1};
	ct->n_packets++;
	ct->n_requests++;
	if (rq->n > CONTROL_INLINE_BYTES && scan_elsewhere(self, p))
		return;
	struct jsonscan_limits limits = {.seed = {ct->seed[0], ct->seed[1]}};
	struct jsonscan_error error;
	enum err e = jsonscan_check((struct slice){rq->body, rq->n}, &limits, &error);
	packet_scanned(self, p, e, &error);
}
