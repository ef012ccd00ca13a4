/*
 * opid -- see opid.h.
 *
 * An entry is running until its first call has an answer that may be given; calls that ask the same
 * meanwhile are held by it. Entries stand in a table by key and in a list by age.
 */
#include "actor/opid.h"

#include "actor/control_state.h"
#include "actor/rpc.h"
#include "actor/store.h"
#include "base/check.h"

#include <stdlib.h>
#include <string.h>

struct opid {
	struct control *control;
	struct link age;
	struct link held; /* calls */
	bool is_running, is_named;
	uint32_t uid;
	int64_t at_ns;
	struct bytes key, name;
	struct bytes tail; /* of the answer */
};

static size_t weight(const struct opid *o)
{
	return sizeof(*o) + o->key.n + o->name.n + o->tail.n;
}

static void forget(struct opid *o)
{
	struct control *ct = o->control;
	table_remove(&ct->opids, bytes_slice(&o->key));
	list_remove(&o->age);
	ct->opid_bytes -= weight(o);
	bytes_fini(&o->key);
	bytes_fini(&o->name);
	bytes_fini(&o->tail);
	free(o);
}

/* Drops what is too old, and the oldest above the bound. */
static void trim(struct control *ct, int64_t now_ns)
{
	LIST_EACH_SAFE (it, &ct->opid_age) {
		struct opid *o = LIST_ENTRY(it, struct opid, age);
		if (o->is_running)
			continue;
		if (ct->opid_bytes <= OPID_MAX_BYTES && now_ns - o->at_ns < OPID_KEEP_NS)
			return;
		forget(o);
	}
}

struct slice opid_name(const struct call *call)
{
	struct slice raw, name;
	if (call->params.n == 0 || !jsonscan_member(call->params, "op_id", &raw) ||
	    jsonscan_plain(raw, &name) != ERR_OK || name.n > OPID_NAME_MAX)
		return (struct slice){NULL, 0};
	return name;
}

static void make_key(const struct call *call, struct slice name, struct bytes *out)
{
	if (name.n > 0) {
		bytes_printf(out, "u%u:", call->uid);
		bytes_add_slice(out, name);
		return;
	}
	const struct ctlsock_request *rq = call->packet->rq;
	uint64_t text = siphash13(call->control->seed, rq->body, rq->n);
	bytes_printf(out, "c%llx:%x:%llx:", (unsigned long long)rq->token.conn, rq->id,
		     (unsigned long long)text);
	bytes_add_slice(out, call->id);
}

static struct opid *opid_new(struct call *call, struct slice name, struct bytes *key)
{
	struct control *ct = call->control;
	struct opid *o = calloc(1, sizeof(*o));
	if (o == NULL || key->err != ERR_OK ||
	    table_put(&ct->opids, bytes_slice(key), o, NULL) != ERR_OK) {
		free(o);
		return NULL;
	}
	o->control = ct;
	o->uid = call->uid;
	o->is_running = true;
	o->is_named = name.n > 0;
	bytes_add_slice(&o->name, name);
	o->key = *key;
	*key = (struct bytes){.n = 0};
	list_init(&o->held);
	list_push_back(&ct->opid_age, &o->age);
	ct->opid_bytes += weight(o);
	call->opid = o;
	return o;
}

static void give(struct packet *p, struct slice id, struct slice tail)
{
	struct bytes text = {.n = 0};
	if (id.n == 0)
		return;
	rpc_add_head(&text, id);
	bytes_add_slice(&text, tail);
	if (text.err == ERR_OK)
		packet_answer(p, bytes_slice(&text));
	bytes_fini(&text);
}

static void give_held(struct opid *o, struct slice tail)
{
	struct link *l;
	while ((l = list_pop_front(&o->held)) != NULL) {
		struct call *call = LIST_ENTRY(l, struct call, held);
		call->is_done = true;
		give(call->packet, call->id, tail);
		call_free(call);
	}
}

/* ---- what an earlier life answered ---- */

struct lookup {
	act_co co;
	int rc;
	act_msg *reply;
};

static const struct store_opid *found(act_self *self, act_msg *m)
{
	struct store_reading *r = act_data(m);
	if (r->result != ERR_OK || r->rows.n == 0)
		return NULL;
	const struct store_opid *row = &r->rows.row[0].opid;
	int64_t now = clock_wall_ns(house_of(self)->clock);
	return now - row->wall_at_ns < OPID_KEEP_NS ? row : NULL;
}

static void answered_before(struct call *call, struct slice tail)
{
	struct opid *o = call->opid;
	call->opid = NULL;
	call->is_done = true;
	give(call->packet, call->id, tail);
	give_held(o, tail);
	o->control->opid_bytes += tail.n;
	bytes_add_slice(&o->tail, tail);
	o->is_running = false;
}

static int ask_store(act_self *self, const struct call *call, act_msg **ret_m)
{
	struct store_query q = {.kind = STORE_Q_OPID, .uid = call->uid, .text = opid_name(call)};
	struct store_reading *r = store_reading_new(&q);
	if (r == NULL)
		return ACT_ENOMEM;
	return act_ask_buf(self, house_of(self)->store, STORE_READ, r, sizeof(*r),
			   store_reading_drop, ret_m);
}

static int lookup_step(act_self *self, void *frame)
{
	struct lookup *f = frame;
	struct call *call = act_arg(self);
	CO_BEGIN(&f->co);
	CO_AWAIT(&f->co, f->rc, ask_store(self, call, &f->reply));
	if (f->rc == ACT_ECANCELED)
		return f->rc;
	const struct store_opid *row = f->rc == ACT_OK ? found(self, f->reply) : NULL;
	if (row != NULL) {
		answered_before(call, row->answer);
	} else {
		call->task = 0;
		call->refs++; /* the task keeps its own until it ends */
		call_begin(self, call);
	}
	if (f->rc == ACT_OK)
		act_drop(self, f->reply);
	CO_END(&f->co);
}

/* Only for as long as an earlier life may have answered. */
static bool may_be_in_store(act_self *self, const struct opid *o)
{
	const struct house *h = house_of(self);
	return o->is_named && h->store != 0 && act_now_ns(self) - h->started_ns < OPID_KEEP_NS;
}

enum opid_verdict opid_begin(act_self *self, struct call *call)
{
	struct control *ct = call->control;
	struct slice name = opid_name(call);
	struct bytes key = {.n = 0};
	trim(ct, act_now_ns(self));
	make_key(call, name, &key);
	struct opid *o = table_get(&ct->opids, bytes_slice(&key));
	if (o == NULL) {
		o = opid_new(call, name, &key);
		bytes_fini(&key);
		if (o == NULL || !may_be_in_store(self, o))
			return OPID_RUN;
		call_spawn(self, call, lookup_step, sizeof(struct lookup), NULL, 0);
		return OPID_HELD;
	}
	bytes_fini(&key);
	if (o->is_running) {
		call->task = UINT64_MAX;
		list_push_back(&o->held, &call->held);
		return OPID_HELD;
	}
	call->is_done = true;
	give(call->packet, call->id, bytes_slice(&o->tail));
	call_free(call);
	return OPID_HELD;
}

/* ---- committing an answer before it is given ---- */

struct recording {
	struct opid *opid;
	struct packet *packet;
	struct bytes id;
	act_id store;
	int64_t wall_ns;
};

struct record_frame {
	act_co co;
	int rc;
	act_msg *reply;
};

/* Whether it was committed or the daemon ends now: what was done was done. */
static void recording_end(void *p)
{
	struct recording *r = p;
	struct slice tail = bytes_slice(&r->opid->tail);
	give(r->packet, bytes_slice(&r->id), tail);
	r->opid->is_running = false;
	give_held(r->opid, tail);
	packet_release(r->packet);
	bytes_fini(&r->id);
	free(r);
}

static int apply_record(act_self *self, const struct recording *r, act_msg **ret_m)
{
	struct store_batch *b = store_batch_new();
	struct store_op *op = b != NULL ? store_batch_add(b, STORE_OPID_PUT) : NULL;
	if (op == NULL) {
		store_batch_free(b);
		return ACT_ENOMEM;
	}
	op->opid.uid = r->opid->uid;
	op->opid.wall_at_ns = r->wall_ns;
	if (store_batch_copy(b, bytes_slice(&r->opid->name), &op->opid.op_id) != ERR_OK ||
	    store_batch_copy(b, bytes_slice(&r->opid->tail), &op->opid.answer) != ERR_OK) {
		store_batch_free(b);
		return ACT_ENOMEM;
	}
	b->is_urgent = true;
	return act_ask_buf(self, r->store, STORE_APPLY, b, sizeof(*b), store_batch_drop, ret_m);
}

static int record_step(act_self *self, void *frame)
{
	struct record_frame *f = frame;
	CO_BEGIN(&f->co);
	CO_AWAIT(&f->co, f->rc, apply_record(self, act_arg(self), &f->reply));
	if (f->rc == ACT_OK)
		act_drop(self, f->reply);
	CO_END(&f->co);
}

/* False: no memory, so it is given uncommitted. */
static bool record(act_self *self, struct call *call, struct opid *o)
{
	struct recording *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return false;
	const struct house *h = house_of(self);
	r->opid = o;
	r->packet = call->packet;
	r->packet->n_left++;
	r->store = h->store;
	r->wall_ns = clock_wall_ns(h->clock);
	bytes_add_slice(&r->id, call->id);
	struct act_task_opts opts = {.name = "op_id", .arg = r, .arg_dtor = recording_end};
	act_spawn_task(self, record_step, sizeof(struct record_frame), &opts);
	return true;
}

bool opid_end(act_self *self, struct call *call, struct slice tail, bool is_result)
{
	struct opid *o = call->opid;
	call->opid = NULL;
	if (!is_result || bytes_add_slice(&o->tail, tail) != ERR_OK) {
		give_held(o, tail);
		forget(o);
		return false;
	}
	o->control->opid_bytes += tail.n;
	o->at_ns = act_now_ns(self);
	if (o->is_named && house_of(self)->store != 0 &&
	    (call->method->flags & CONTROL_RECORDS_OPID) == 0 && record(self, call, o))
		return true;
	o->is_running = false;
	give_held(o, tail);
	return false;
}

void opid_abandon(struct call *call)
{
	struct opid *o = call->opid;
	struct link *l;
	call->opid = NULL;
	while ((l = list_pop_front(&o->held)) != NULL)
		call_free(LIST_ENTRY(l, struct call, held));
	forget(o);
}

void opid_fini(struct control *ct)
{
	LIST_EACH_SAFE (it, &ct->opid_age)
		forget(LIST_ENTRY(it, struct opid, age));
	table_fini(&ct->opids);
}
