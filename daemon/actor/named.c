#include "actor/named_state.h"

#include "actor/store.h"
#include "base/check.h"
#include "edge/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAILBOX 60000

static const struct {
	void (*init)(struct named_obj *o);
	void (*fini)(struct named_obj *o);
	bool (*is_idle)(const struct named_obj *o);
	void (*pump)(struct named *a, struct named_obj *o);
	void (*lost)(struct named *a, struct named_obj *o, act_id owner);
	void (*forget)(struct named *a, struct named_obj *o);
} kinds[NAMED_KINDS] = {
	[NAMED_LOCK] = {gate_init, gate_fini, gate_is_idle, gate_pump, gate_lost, NULL},
	[NAMED_SEMAPHORE] = {gate_init, gate_fini, gate_is_idle, gate_pump, gate_lost, NULL},
	[NAMED_EVENT] = {event_init, NULL, event_is_idle, NULL, event_lost, NULL},
	[NAMED_QUEUE] = {queue_init, queue_fini, queue_is_idle, queue_pump, queue_lost,
			 queue_forget},
};

/* ---- objects ---- */

struct slice named_name_of(const struct named_obj *o)
{
	const char *colon = memchr(o->key.p, ':', o->key.n);
	size_t skip = o->key.p[1] == '/' || colon == NULL ? 1 : (size_t)(colon - o->key.p) + 1;
	return (struct slice){o->key.p + skip, o->key.n - skip};
}

struct named_obj *named_find(struct named *a, struct slice key)
{
	return table_get(&a->objects, key);
}

/* How many objects the user has made. */
static uint32_t count_of(struct named *a, uint32_t uid, int by)
{
	struct slice key = {(const char *)&uid, sizeof(uid)};
	uintptr_t n = (uintptr_t)table_get(&a->users, key) + (uintptr_t)by;
	if (by != 0 && n == 0)
		table_remove(&a->users, key);
	else if (by != 0 && table_put(&a->users, key, (void *)n, NULL) != ERR_OK)
		return NAMED_OBJECTS_PER_UID;
	return (uint32_t)n;
}

static void free_obj(struct named_obj *o)
{
	if (kinds[o->kind].fini != NULL)
		kinds[o->kind].fini(o);
	free(o);
}

struct named_obj *named_make(struct named *a, enum named_kind kind, uint32_t uid, struct slice key,
			     enum kind *ret_why)
{
	*ret_why = KIND_BUSY;
	if (table_count(&a->objects) >= NAMED_OBJECTS_MAX ||
	    count_of(a, uid, 0) >= NAMED_OBJECTS_PER_UID)
		return NULL;
	*ret_why = KIND_MEMORY;
	struct named_obj *o = calloc(1, sizeof(*o) + key.n);
	if (o == NULL)
		return NULL;
	o->kind = kind;
	o->uid = uid;
	memcpy(o->text, key.p, key.n);
	o->key = (struct slice){o->text, key.n};
	list_init(&o->line);
	kinds[kind].init(o);
	if (table_put(&a->objects, o->key, o, NULL) != ERR_OK) {
		free_obj(o);
		return NULL;
	}
	count_of(a, uid, 1);
	return o;
}

void named_reap(struct named *a, struct named_obj *o)
{
	if (!list_empty(&o->line) || !kinds[o->kind].is_idle(o))
		return;
	if (kinds[o->kind].forget != NULL)
		kinds[o->kind].forget(a, o);
	table_remove(&a->objects, o->key);
	count_of(a, o->uid, -1);
	free_obj(o);
}

/* ---- who waits ---- */

static struct slice token_key(const uint64_t *token)
{
	return (struct slice){(const char *)token, sizeof(*token)};
}

bool named_park(struct named *a, struct named_obj *o, struct link *line, struct named_ask *ask,
		uint64_t token)
{
	struct named_waiter *w = calloc(1, sizeof(*w));
	if (w == NULL || table_put(&a->waiters, token_key(&token), w, NULL) != ERR_OK) {
		free(w);
		named_ask_free(ask);
		named_refuse(a, token, KIND_MEMORY, "no memory to wait");
		return false;
	}
	*w = (struct named_waiter){.obj = o, .ask = ask, .token = token, .since_ns = a->now_ns};
	list_push_back(line, &w->link);
	return true;
}

struct named_ask *named_unpark(struct named *a, struct named_waiter *w)
{
	struct named_ask *ask = w->ask;
	list_remove(&w->link);
	table_remove(&a->waiters, token_key(&w->token));
	free(w);
	return ask;
}

struct named_waiter *named_head(const struct link *line)
{
	struct link *l = list_first(line);
	return l != NULL ? LIST_ENTRY(l, struct named_waiter, link) : NULL;
}

void named_grant(struct named *a, uint64_t token, uint64_t n)
{
	struct named_answer *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		act_reply_error(a->self, token, ACT_ENOMEM);
		return;
	}
	r->n = n;
	act_reply_buf(a->self, token, NAMED_ANSWER, r, sizeof(*r), free);
}

void named_refuse(struct named *a, uint64_t token, enum kind kind, const char *fmt, ...)
{
	struct named_answer *r = calloc(1, sizeof(*r));
	va_list ap;
	if (r == NULL) {
		act_reply_error(a->self, token, ACT_ENOMEM);
		return;
	}
	r->kind = kind;
	va_start(ap, fmt);
	vsnprintf(r->message, sizeof(r->message), fmt, ap);
	va_end(ap);
	act_reply_buf(a->self, token, NAMED_ANSWER, r, sizeof(*r), free);
}

/* ---- owners ---- */

static struct slice owner_key(const act_id *id)
{
	return (struct slice){(const char *)id, sizeof(*id)};
}

static struct named_owner *owner_of(struct named *a, act_id id)
{
	struct named_owner *w = table_get(&a->owners, owner_key(&id));
	if (w != NULL)
		return w;
	w = calloc(1, sizeof(*w));
	if (w == NULL || table_put(&a->owners, owner_key(&id), w, NULL) != ERR_OK) {
		free(w);
		return NULL;
	}
	w->id = id;
	if (act_monitor(a->self, id, id) != ACT_OK)
		log_warn(a->log, "named: an owner is not watched", kv_s("why", "out of memory"));
	return w;
}

void named_owns(struct named *a, act_id owner, int by)
{
	struct named_owner *w = owner != 0 ? owner_of(a, owner) : NULL;
	if (w != NULL)
		w->n += (uint32_t)by;
}

static void on_down(struct named *a, act_id id)
{
	struct named_owner *w = table_remove(&a->owners, owner_key(&id));
	if (w == NULL)
		return;
	if (w->n > 0)
		TABLE_EACH (it, &a->objects) {
			struct named_obj *o = it->value;
			kinds[o->kind].lost(a, o, id);
		}
	free(w);
	TABLE_EACH (it, &a->objects)
		named_reap(a, it->value);
}

/* ---- messages ---- */

static const named_on on[NAMED_OPS] = {
	[NAMED_ACQUIRE] = named_on_acquire, [NAMED_WAIT] = named_on_wait,
	[NAMED_WORD] = named_on_word,	    [NAMED_ROOM] = named_on_room,
	[NAMED_TAKE] = named_on_take,	    [NAMED_CLOSE] = named_on_close,
	[NAMED_JOIN] = named_on_join,	    [NAMED_LOOK] = named_on_look,
	[NAMED_RELEASE] = named_on_release, [NAMED_SET] = named_on_said,
	[NAMED_CLEAR] = named_on_said,	    [NAMED_UNWORD] = named_on_said,
	[NAMED_PUT] = named_on_put,	    [NAMED_UNROOM] = named_on_unroom,
	[NAMED_ACK] = named_on_settle,	    [NAMED_NACK] = named_on_settle,
	[NAMED_BACK] = named_on_settle,
};

static bool is_asked(enum named_op op)
{
	return op <= NAMED_LOOK;
}

static void on_ask(struct named *a, struct named_ask *ask, uint64_t token)
{
	if (is_asked(ask->op) && !named_is_name(ask->name)) {
		named_ask_free(ask);
		named_refuse(a, token, KIND_REQUEST_INVALID,
			     "a name has 1 to %d bytes and no control characters", NAMED_NAME_MAX);
		return;
	}
	if (a->is_loading)
		named_park(a, NULL, &a->early, ask, token);
	else
		on[ask->op](a, ask, token);
}

/* What came while the store was read, in order. */
static void run_early(struct named *a)
{
	struct named_waiter *w;
	while (!a->is_loading && (w = named_head(&a->early)) != NULL) {
		uint64_t token = w->token;
		struct named_ask *ask = named_unpark(a, w);
		on[ask->op](a, ask, token);
	}
}

static void on_gone(struct named *a, uint64_t token)
{
	struct named_waiter *w = table_get(&a->waiters, token_key(&token));
	if (w == NULL) {
		gate_gave_up(a, token);
		return;
	}
	struct named_obj *o = w->obj;
	named_ask_free(named_unpark(a, w));
	if (o == NULL)
		return;
	if (kinds[o->kind].pump != NULL)
		kinds[o->kind].pump(a, o);
	named_reap(a, o);
}

static void take_ask(struct named *a, act_msg *m)
{
	struct named_ask *ask = act_data(m);
	m->buf.dtor = NULL;
	m->buf.ptr = NULL;
	on_ask(a, ask, m->token);
}

static int on_msg(act_self *self, void *state, act_msg *m)
{
	struct named *a = *(struct named **)state;
	a->self = self;
	a->now_ns = act_now_ns(self);
	if (m->type == NAMED_ASK)
		take_ask(a, m);
	else if (m->type == NAMED_EXPLAIN)
		named_on_explain(a, m);
	else if (m->type == STORE_APPLIED)
		named_committed(a, m);
	else if (m->type == STORE_ROWS)
		named_loaded(a, m);
	run_early(a);
	named_flush(a);
	return ACT_OK;
}

static int on_signal(act_self *self, void *state, const struct act_sig *sig)
{
	struct named *a = *(struct named **)state;
	a->self = self;
	a->now_ns = act_now_ns(self);
	if (sig->kind == ACT_SIG_CANCEL)
		return ACT_EXIT;
	if (sig->kind == ACT_SIG_ASK_GONE)
		on_gone(a, sig->ref);
	else if (sig->kind == ACT_SIG_DOWN)
		on_down(a, sig->from);
	named_flush(a);
	return ACT_OK;
}

/* ---- life ---- */

static int init(act_self *self, void *state, const void *arg)
{
	const struct named_opts *o = arg;
	struct named *a = calloc(1, sizeof(*a));
	if (a == NULL)
		return ACT_ENOMEM;
	*(struct named **)state = a;
	*a = (struct named){.self = self,
			    .clock = o->clock,
			    .log = o->log,
			    .store = o->store,
			    .next_n = 1,
			    .commit = 1};
	table_init(&a->objects, o->seed);
	table_init(&a->waiters, o->seed);
	table_init(&a->owners, o->seed);
	table_init(&a->users, o->seed);
	list_init(&a->early);
	list_init(&a->writing);
	list_init(&a->after);
	if (a->store != 0)
		named_load(a);
	return ACT_OK;
}

static void fini(act_self *self, void *state, int why)
{
	struct named *a = *(struct named **)state;
	(void)self, (void)why;
	if (a == NULL)
		return;
	TABLE_EACH (it, &a->waiters) {
		struct named_waiter *w = it->value;
		named_ask_free(w->ask);
		free(w);
	}
	for (struct link *l; (l = list_pop_front(&a->after)) != NULL;)
		free(LIST_ENTRY(l, struct named_after, link));
	TABLE_EACH (it, &a->objects)
		free_obj(it->value);
	TABLE_EACH (it, &a->owners)
		free(it->value);
	table_fini(&a->waiters);
	table_fini(&a->objects);
	table_fini(&a->owners);
	table_fini(&a->users);
	store_batch_free(a->batch);
	bytes_fini(&a->last_name);
	bytes_fini(&a->last_session);
	free(a);
}

static void dump(struct bytes *out, const void *state)
{
	const struct named *a = *(struct named *const *)state;
	bytes_printf(out, "\"objects\":%u,\"waiting\":%u,\"owners\":%u",
		     (unsigned)table_count(&a->objects), (unsigned)table_count(&a->waiters),
		     (unsigned)table_count(&a->owners));
}

static const act_class named_class = {
	.name = "named",
	.state_size = sizeof(struct named *),
	.flags = ACT_CLASS_WANTS_ASK_GONE,
	.init = init,
	.on_msg = on_msg,
	.on_signal = on_signal,
	.fini = fini,
	.dump = dump,
};

act_id named_spawn(act_self *parent, const struct named_opts *opts)
{
	struct act_opts o = {.name = "named", .cap = MAILBOX};
	return act_spawn(parent, &named_class, opts, &o);
}

void named_tell(act_self *self, act_id named, struct named_ask *ask)
{
	act_msg *m = ask != NULL ? act_prepare(self, NAMED_ASK, NULL, 0) : NULL;
	if (m == NULL) {
		named_ask_free(ask);
		return;
	}
	m->flags |= ACT_MSG_OWNED;
	m->buf.ptr = ask;
	m->buf.len = sizeof(*ask);
	m->buf.dtor = named_ask_free;
	act_deliver(self, named, m);
}
