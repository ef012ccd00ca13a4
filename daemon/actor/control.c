/*
 * control -- the actor itself: takes requests while there are any, knows the connections, cancels
 * what the lost ones had asked; see control.h.
 */
#include "actor/control.h"

#include "actor/control_state.h"
#include "actor/opid.h"
#include "actor/session.h"
#include "base/check.h"
#include "base/rng.h"

#include <stdlib.h>

#define RETRY_NS (10 * NS_PER_MS)

static struct slice key_of(const ctlsock_conn_id *id)
{
	return (struct slice){(const char *)id, sizeof(*id)};
}

struct client *client_of(struct control *ct, ctlsock_conn_id id)
{
	struct client *c = table_get(&ct->clients, key_of(&id));
	if (c != NULL)
		return c;
	c = calloc(1, sizeof(*c));
	if (c == NULL || table_put(&ct->clients, key_of(&id), c, NULL) != ERR_OK) {
		free(c);
		return NULL;
	}
	c->id = id;
	list_init(&c->calls);
	return c;
}

static void client_free_if_done(struct control *ct, struct client *c)
{
	if (!c->is_gone || c->n_packets > 0)
		return;
	table_remove(&ct->clients, key_of(&c->id));
	free(c);
}

void client_release(struct control *ct, struct client *c)
{
	CHECK(c->n_packets > 0);
	c->n_packets--;
	client_free_if_done(ct, c);
}

/* What changes something goes on, so that whoever asks again on another connection gets its answer;
 * what only waits is given up. */
static void cancel_calls(act_self *self, struct client *c)
{
	LIST_EACH_SAFE (it, &c->calls) {
		struct call *call = LIST_ENTRY(it, struct call, link);
		if (call->task != 0 && call->task != UINT64_MAX &&
		    (call->method->flags & CONTROL_MUTATING) == 0)
			act_cancel(self, call->task, 0);
	}
}

static void client_gone(act_self *self, struct control *ct, struct client *c)
{
	c->is_gone = true;
	session_connection_lost(self, ct->house->sessions, c->id);
	cancel_calls(self, c);
	client_free_if_done(ct, c);
}

static void look_for_lost(act_self *self, struct control *ct)
{
	TABLE_EACH (it, &ct->clients) {
		struct client *c = it->value;
		if (!c->is_gone && !ctlsock_is_open(ct->ctlsock, c->id))
			client_gone(self, ct, c);
	}
}

static void take_requests(act_self *self, struct control *ct)
{
	struct ctlsock_request *rq;
	while (act_budget(self) && (rq = ctlsock_take(ct->ctlsock)) != NULL)
		packet_begin(self, ct, rq);
	struct ctlsock_stats s;
	ctlsock_stats(ct->ctlsock, &s);
	if (s.n_waiting > 0)
		act_more(self);
}

static void look(act_self *self, struct control *ct)
{
	if (!doorbell_answered(ct->bell))
		act_timer_set(self, &ct->retry, RETRY_NS);
	look_for_lost(self, ct);
	take_requests(self, ct);
}

/* The daemon leaves: nobody is kept waiting. What changes something is answered by its commit. */
static void close_all(act_self *self, struct control *ct)
{
	TABLE_EACH (it, &ct->clients) {
		struct client *c = it->value;
		LIST_EACH (l, &c->calls) {
			struct call *call = LIST_ENTRY(l, struct call, link);
			if (call->task == 0 || call->task == UINT64_MAX || call->is_done ||
			    (call->method->flags & CONTROL_MUTATING) != 0)
				continue;
			call_fail(self, call, KIND_CLOSED, "the daemon is stopping");
			act_cancel(self, call->task, 0);
		}
	}
}

void control_release(struct control *ct)
{
	if (!ct->is_over || ct->n_packets > 0)
		return;
	opid_fini(ct);
	TABLE_EACH (it, &ct->clients)
		free(it->value);
	table_fini(&ct->clients);
	free(ct);
}

struct control_ref {
	struct control *ct;
};

static int control_init(act_self *self, void *state, const void *arg)
{
	struct control_ref *ref = state;
	const struct control_args *args = arg;
	struct control *ct = calloc(1, sizeof(*ct));
	if (ct == NULL)
		return ACT_ENOMEM;
	ref->ct = ct;
	ct->house = house_of(self);
	ct->ctlsock = args->ctlsock;
	ct->bell = args->bell;
	table_init(&ct->clients, ct->house->world->hash_seed);
	table_init(&ct->opids, ct->house->world->hash_seed);
	list_init(&ct->opid_age);
	ct->seed[0] = rng_u64(act_rng(self));
	ct->seed[1] = rng_u64(act_rng(self));
	return ACT_OK;
}

static int control_on_msg(act_self *self, void *state, act_msg *m)
{
	struct control *ct = ((struct control_ref *)state)->ct;
	switch (m->type) {
	case CONTROL_RING:
		look(self, ct);
		break;
	case CONTROL_DRAIN:
		ct->is_draining = true;
		break;
	case CONTROL_CLOSE:
		ct->is_draining = true;
		close_all(self, ct);
		break;
	default:
		break;
	}
	return ACT_OK;
}

static int control_on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct control *ct = ((struct control_ref *)state)->ct;
	switch (sig->kind) {
	case ACT_SIG_WORK:
		packet_scan_done(self, sig->ptr);
		return ACT_OK;
	case ACT_SIG_MORE:
	case ACT_SIG_TIMER:
		look(self, ct);
		return ACT_OK;
	case ACT_SIG_CANCEL:
		return ACT_EXIT;
	default:
		return ACT_OK;
	}
}

static void control_fini(act_self *self, void *state, int why)
{
	struct control *ct = ((struct control_ref *)state)->ct;
	(void)why;
	if (ct == NULL)
		return;
	act_timer_clear(self, &ct->retry);
	ct->is_over = true;
	ct->ctlsock = NULL;
	control_release(ct);
}

static void control_dump(struct bytes *out, const void *state)
{
	const struct control *ct = ((const struct control_ref *)state)->ct;
	bytes_printf(out,
		     "\"connections\":%u,\"calls\":%u,\"parked\":%u,\"requests\":%llu,"
		     "\"refused\":%llu,\"op_ids\":%u",
		     table_count(&ct->clients), ct->n_calls, ct->n_parked,
		     (unsigned long long)ct->n_requests, (unsigned long long)ct->n_refused,
		     table_count(&ct->opids));
}

const act_class control_class = {
	.name = "control",
	.state_size = sizeof(struct control_ref),
	.init = control_init,
	.on_msg = control_on_msg,
	.on_signal = control_on_signal,
	.fini = control_fini,
	.dump = control_dump,
};
