/*
 * control_named -- the methods event.* and queue.*: programs say and ask what tasks of jobs do, of
 * the same objects. What they put and set is committed before they are answered.
 */
#include "actor/call.h"
#include "actor/control_methods.h"
#include "actor/control_state.h"
#include "actor/named.h"
#include "actor/opid.h"
#include "actor/store.h"
#include "run/scope.h"

#include <stdlib.h>
#include <string.h>

struct named_params {
	const char *name, *op_id;
	const json_t *value;
	int64_t wait_ms;
};

#define P_NAME(member)                                                                             \
	F_STRING(member, struct named_params, name, 1, NAMED_NAME_MAX, FIELD_REQUIRED, "its name")
#define P_OP_ID                                                                                    \
	F_STRING("op_id", struct named_params, op_id, 1, OPID_NAME_MAX, FIELD_OPTIONAL,            \
		 "the same id within ten minutes gets the same answer")
#define P_WAIT                                                                                     \
	F_INT("wait_ms", struct named_params, wait_ms, 0, CONTROL_WAIT_MAX_MS, FIELD_OPTIONAL,     \
	      "how long the answer may wait")

static const struct field event_fields[] = {P_NAME("event"), P_OP_ID};
static const struct field event_wait_fields[] = {P_NAME("event"), P_WAIT};
static const struct field queue_fields[] = {P_NAME("queue"), P_OP_ID};
static const struct field queue_wait_fields[] = {P_NAME("queue"), P_WAIT};
static const struct field put_fields[] = {
	P_NAME("queue"), P_OP_ID, P_WAIT,
	F_JSON("value", struct named_params, value, FIELD_REQUIRED, "what is put in")};
static const struct field_table event_table = FIELD_TABLE("params", event_fields);
static const struct field_table event_wait_table = FIELD_TABLE("params", event_wait_fields);
static const struct field_table queue_table = FIELD_TABLE("params", queue_fields);
static const struct field_table queue_wait_table = FIELD_TABLE("params", queue_wait_fields);
static const struct field_table put_table = FIELD_TABLE("params", put_fields);

/* What a method is made of. */
struct named_plan {
	enum named_op ask;
	enum named_op then; /* told once it is committed; NAMED_OPS: nothing is */
	const char *row;    /* of the store; NULL: the value */
	bool is_wait;	    /* {"granted":…} */
	bool shows;	    /* what the answer says is the result */
};

struct named_call {
	const struct named_plan *plan; /* first: given at the start */
	struct named_ask *ask;
	enum named_kind kind;
	int64_t wait_ms;
	act_co co;
	int rc;
	act_msg *m, *applied;
	act_scope *scope;
	bool timed_out, is_stored;
	uint64_t n;
};

static struct store_batch *row_of(const struct call *call, const struct named_call *f)
{
	char key[NAMED_KEY_MAX];
	struct store_batch *b = store_batch_new();
	struct store_op *op = b != NULL ? store_batch_add(b, STORE_NAMED_PUT) : NULL;
	const struct named_ask *kept = call->own;
	struct slice data = f->plan->row != NULL ? slice_of(f->plan->row) : kept->value;
	if (op == NULL) {
		store_batch_free(b);
		return NULL;
	}
	b->is_urgent = true;
	op->named.n = f->n;
	if (store_batch_copy(b, named_key(key, f->kind, call->uid, kept->name), &op->named.name) ==
		    ERR_OK &&
	    store_batch_copy(b, data, &op->named.data) == ERR_OK)
		return b;
	store_batch_free(b);
	return NULL;
}

static int store_row(act_self *self, struct call *call, struct named_call *f)
{
	struct store_batch *b = row_of(call, f);
	if (b == NULL)
		return ACT_ENOMEM;
	return act_ask_buf_patient(self, house_of(self)->store, STORE_APPLY, b, sizeof(*b),
				   store_batch_drop, &f->applied);
}

/* The word or the item is there; or it never will be. */
static void tell(act_self *self, struct call *call, const struct named_call *f)
{
	const struct named_ask *kept = call->own;
	enum named_op not = f->kind == NAMED_EVENT ? NAMED_UNWORD : NAMED_UNROOM;
	struct slice none = {NULL, 0};
	struct named_ask *ask =
		named_ask_new(f->is_stored ? f->plan->then : not, f->kind, kept->name,
			      kept->session, f->plan->row == NULL ? kept->value : none);
	if (ask == NULL)
		return;
	ask->uid = call->uid;
	ask->n = f->n;
	ask->size = kept->size;
	ask->is_volatile = house_of(self)->store == 0;
	named_tell(self, house_of(self)->named, ask);
}

static void answer(act_self *self, struct call *call, const struct named_call *f,
		   const struct named_answer *r)
{
	struct bytes text = BYTES_LIMIT(0);
	if (f->plan->shows)
		bytes_add_slice(&text, r->value);
	else
		bytes_add_str(&text, f->plan->is_wait ? "{\"granted\":true}" : "true");
	call_ok(self, call, &text);
}

/* True: it has been answered. */
static bool is_refused(act_self *self, struct call *call, const struct named_call *f)
{
	if (f->rc != ACT_OK && f->timed_out && f->plan->is_wait)
		call_ok_text(self, call, "{\"granted\":false}");
	else if (f->rc != ACT_OK && f->rc != ACT_ECANCELED)
		call_fail(self, call, f->rc == ACT_ENOMEM ? KIND_MEMORY : KIND_BUSY,
			  "the daemon could not see to it: %s", act_rc_text(f->rc));
	if (f->rc != ACT_OK)
		return true;
	const struct named_answer *r = act_data(f->m);
	if (r->kind == KIND_NONE)
		return false;
	call_fail(self, call, r->kind, "%s", r->message);
	act_drop(self, f->m);
	return true;
}

static enum err applied(const struct named_call *f)
{
	if (f->rc != ACT_OK)
		return ERR_NOMEM;
	return ((const struct store_batch *)act_data(f->applied))->result;
}

static void end_row(act_self *self, struct call *call, struct named_call *f)
{
	enum err e = applied(f);
	f->is_stored = e == ERR_OK;
	if (f->rc == ACT_OK)
		act_drop(self, f->applied);
	tell(self, call, f);
	if (e != ERR_OK)
		call_fail(self, call, e == ERR_FULL ? KIND_STORE_FULL : KIND_MEMORY,
			  "it could not be stored: %s", err_text(e));
}

static int named_step(act_self *self, void *frame)
{
	struct named_call *f = frame;
	struct call *call = act_arg(self);
	CO_BEGIN(&f->co);
	f->scope = act_scope_open(self, f->wait_ms < 0 ? ACT_FOREVER : f->wait_ms * NS_PER_MS);
	CO_AWAIT(&f->co, f->rc,
		 act_ask_buf_patient(self, house_of(self)->named, NAMED_ASK, f->ask,
				     sizeof(*f->ask), named_ask_free, &f->m));
	if (f->scope != NULL)
		act_scope_close(self, f->scope, ACT_OK, &f->timed_out);
	if (is_refused(self, call, f))
		return ACT_OK;
	f->n = ((const struct named_answer *)act_data(f->m))->n;
	f->is_stored = true;
	if (f->plan->then != NAMED_OPS && house_of(self)->store != 0) {
		f->scope = act_scope_shield(self, 60 * NS_PER_S);
		CO_AWAIT(&f->co, f->rc, store_row(self, call, f));
		if (f->scope != NULL)
			act_scope_close(self, f->scope, ACT_OK, NULL);
		end_row(self, call, f);
	} else if (f->plan->then != NAMED_OPS) {
		tell(self, call, f);
	}
	if (f->is_stored)
		answer(self, call, f, act_data(f->m));
	act_drop(self, f->m);
	CO_END(&f->co);
}

static struct named_ask *ask_new(const struct call *call, const struct named_plan *plan,
				 enum named_kind kind, const char *name, const char *value)
{
	struct slice text = {value, value != NULL ? strlen(value) : 0};
	struct named_ask *ask =
		named_ask_new(plan->ask, kind, slice_of(name), SLICE_LIT("program"), text);
	if (ask == NULL)
		return NULL;
	ask->uid = call->uid;
	ask->size = text.n;
	return ask;
}

static void run(act_self *self, struct call *call, const struct named_plan *plan,
		enum named_kind kind, const struct named_params *p)
{
	char *value =
		p->value != NULL ? json_dumps(p->value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	struct named_call f = {.plan = plan, .kind = kind, .wait_ms = p->wait_ms};
	f.ask = ask_new(call, plan, kind, p->name, value);
	call->own = ask_new(call, plan, kind, p->name, value);
	call->own_free = named_ask_free;
	free(value);
	if (f.ask == NULL || call->own == NULL) {
		named_ask_free(f.ask);
		call_fail(self, call, KIND_MEMORY, "out of memory");
		return;
	}
	call_spawn(self, call, named_step, sizeof(f), &f, sizeof(f));
}

static void run_with(act_self *self, struct call *call, const struct named_plan *plan,
		     enum named_kind kind, const struct field_table *table, int64_t wait_ms)
{
	struct named_params p = {.wait_ms = wait_ms};
	if (call_params(self, call, table, &p))
		run(self, call, plan, kind, &p);
}

void control_event_set(act_self *self, struct call *call)
{
	static const struct named_plan plan = {.ask = NAMED_WORD, .then = NAMED_SET, .row = "set"};
	run_with(self, call, &plan, NAMED_EVENT, &event_table, -1);
}

void control_event_clear(act_self *self, struct call *call)
{
	static const struct named_plan plan = {
		.ask = NAMED_WORD, .then = NAMED_CLEAR, .row = "clear"};
	run_with(self, call, &plan, NAMED_EVENT, &event_table, -1);
}

void control_event_wait(act_self *self, struct call *call)
{
	static const struct named_plan plan = {
		.ask = NAMED_WAIT, .then = NAMED_OPS, .is_wait = true};
	run_with(self, call, &plan, NAMED_EVENT, &event_wait_table, 0);
}

void control_event_get(act_self *self, struct call *call)
{
	static const struct named_plan plan = {.ask = NAMED_LOOK, .then = NAMED_OPS, .shows = true};
	run_with(self, call, &plan, NAMED_EVENT, &event_table, -1);
}

void control_queue_put(act_self *self, struct call *call)
{
	static const struct named_plan plan = {
		.ask = NAMED_ROOM, .then = NAMED_PUT, .is_wait = true};
	run_with(self, call, &plan, NAMED_QUEUE, &put_table, CONTROL_WAIT_MAX_MS);
}

void control_queue_close(act_self *self, struct call *call)
{
	static const struct named_plan plan = {.ask = NAMED_CLOSE, .then = NAMED_OPS};
	run_with(self, call, &plan, NAMED_QUEUE, &queue_table, -1);
}

void control_queue_join(act_self *self, struct call *call)
{
	static const struct named_plan plan = {
		.ask = NAMED_JOIN, .then = NAMED_OPS, .is_wait = true};
	run_with(self, call, &plan, NAMED_QUEUE, &queue_wait_table, 0);
}

void control_queue_get(act_self *self, struct call *call)
{
	static const struct named_plan plan = {.ask = NAMED_LOOK, .then = NAMED_OPS, .shows = true};
	run_with(self, call, &plan, NAMED_QUEUE, &queue_table, -1);
}
