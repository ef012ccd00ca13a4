/*
 * named_gate -- locks and semaphores: units, and who holds them. A lock is a semaphore of one,
 * which no task takes while a task above it has it, and which says so when its holder was lost.
 */
#include "actor/named_state.h"

#include "base/check.h"
#include "edge/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIED_SESSION "!"

void gate_init(struct named_obj *o)
{
	list_init(&o->gate.holds);
	o->gate.capacity = o->gate.free = 1;
}

static void free_hold(struct named_hold *h)
{
	list_remove(&h->link);
	list_remove(&h->writing);
	free(h);
}

void gate_fini(struct named_obj *o)
{
	for (struct link *l; (l = list_first(&o->gate.holds)) != NULL;)
		free_hold(LIST_ENTRY(l, struct named_hold, link));
	free(o->gate.died);
}

bool gate_is_idle(const struct named_obj *o)
{
	return list_empty(&o->gate.holds) && o->gate.died == NULL;
}

/* ---- rows ---- */

/* What the actor writes goes with the next commit; false: nothing is written. */
static bool put_row(struct named *a, struct named_obj *o, struct slice session, struct slice data)
{
	struct store_op *op = named_op_new(a, STORE_HOLD_PUT);
	if (op == NULL)
		return false;
	op->hold = (struct store_hold){.name = named_op_text(a, o->key),
				       .session = named_op_text(a, session),
				       .data = named_op_text(a, data)};
	return true;
}

static bool drop_row(struct named *a, struct named_obj *o, struct slice session)
{
	struct store_op *op = named_op_new(a, STORE_HOLD_DROP);
	if (op == NULL)
		return false;
	op->hold = (struct store_hold){.name = named_op_text(a, o->key),
				       .session = named_op_text(a, session)};
	return true;
}

/* ---- holding ---- */

static struct named_hold *hold_new(struct named *a, struct named_obj *o, struct slice session,
				   int64_t units)
{
	struct named_hold *h = calloc(1, sizeof(*h) + session.n);
	if (h == NULL)
		return NULL;
	memcpy(h->text, session.p, session.n);
	h->session = (struct slice){h->text, session.n};
	h->obj = o;
	h->units = units;
	h->since_ns = a->now_ns;
	list_init(&h->writing);
	list_push_back(&o->gate.holds, &h->link);
	o->gate.free -= units;
	return h;
}

static struct named_hold *hold_of(struct named_obj *o, struct slice session)
{
	LIST_EACH (l, &o->gate.holds) {
		struct named_hold *h = LIST_ENTRY(l, struct named_hold, link);
		if (slice_eq(h->session, session) && !h->is_leaving)
			return h;
	}
	return NULL;
}

static void say_held(struct named *a, uint64_t token)
{
	struct named_answer *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		act_reply_error(a->self, token, ACT_ENOMEM);
		return;
	}
	r->was_held = true;
	act_reply_buf(a->self, token, NAMED_ANSWER, r, sizeof(*r), free);
}

/* The lock of a job that does not outlive the daemon: a start has to find that it was held. */
static bool wants_row(const struct named *a, const struct named_obj *o, const struct named_ask *k)
{
	return a->store != 0 && k->is_volatile && o->kind == NAMED_LOCK;
}

static void grant(struct named *a, struct named_obj *o, struct named_ask *ask, uint64_t token)
{
	struct named_hold *h = hold_new(a, o, ask->session, ask->units);
	if (h == NULL) {
		named_refuse(a, token, KIND_MEMORY, "no memory to hold it");
		return;
	}
	h->owner = ask->owner;
	named_owns(a, h->owner, 1);
	if (!wants_row(a, o, ask) || !put_row(a, o, h->session, SLICE_LIT("1 1"))) {
		named_grant(a, token, 0);
		return;
	}
	h->is_written = true;
	h->token = token;
	h->commit = a->commit;
	list_push_back(&a->writing, &h->writing);
}

static void tell_died(struct named *a, struct named_obj *o, uint64_t token)
{
	struct slice name = named_name_of(o);
	named_refuse(a, token, KIND_OWNER_DIED,
		     "the lock \"%.*s\" was held by %s: what it protects may be half done; "
		     "the next to ask gets it",
		     (int)name.n, name.p, o->gate.died);
	free(o->gate.died);
	o->gate.died = NULL;
	drop_row(a, o, SLICE_LIT(DIED_SESSION));
}

void gate_pump(struct named *a, struct named_obj *o)
{
	struct named_waiter *w;
	while ((w = named_head(&o->line)) != NULL && o->gate.free >= w->ask->units) {
		uint64_t token = w->token;
		struct named_ask *ask = named_unpark(a, w);
		if (o->gate.died != NULL)
			tell_died(a, o, token);
		else
			grant(a, o, ask, token);
		named_ask_free(ask);
	}
}

static void free_units(struct named *a, struct named_hold *h)
{
	struct named_obj *o = h->obj;
	o->gate.free += h->units;
	free_hold(h);
	gate_pump(a, o);
	named_reap(a, o);
}

/* Units are free once no start can find them held. */
static void let_go(struct named *a, struct named_hold *h)
{
	named_owns(a, h->owner, -1);
	h->owner = 0;
	if (!h->is_written || !drop_row(a, h->obj, h->session)) {
		free_units(a, h);
		return;
	}
	h->is_leaving = true;
	h->token = 0;
	h->commit = a->commit;
	list_remove(&h->writing);
	list_push_back(&a->writing, &h->writing);
}

void gate_written(struct named *a, uint64_t commit)
{
	struct link *l;
	while ((l = list_first(&a->writing)) != NULL) {
		struct named_hold *h = LIST_ENTRY(l, struct named_hold, writing);
		if (h->commit > commit)
			return;
		list_remove(l);
		if (h->is_leaving) {
			free_units(a, h);
		} else {
			named_grant(a, h->token, 0);
			h->token = 0;
		}
	}
}

void gate_gave_up(struct named *a, uint64_t token)
{
	LIST_EACH (l, &a->writing) {
		struct named_hold *h = LIST_ENTRY(l, struct named_hold, writing);
		if (h->token != token || h->is_leaving)
			continue;
		let_go(a, h);
		return;
	}
}

/* ---- asks ---- */

/* Units that tasks above the asker hold. */
static int64_t held_above(const struct named_obj *o, struct slice session, struct slice *ret_who)
{
	int64_t n = 0;
	LIST_EACH (l, &o->gate.holds) {
		const struct named_hold *h = LIST_ENTRY(l, struct named_hold, link);
		if (h->is_leaving || !named_is_above(h->session, session))
			continue;
		n += h->units;
		*ret_who = h->session;
	}
	return n;
}

/* True: it has been refused. */
static bool is_refused(struct named *a, struct named_obj *o, const struct named_ask *k,
		       uint64_t token)
{
	struct slice name = k->name, who = {NULL, 0};
	if (k->capacity != o->gate.capacity) {
		named_refuse(a, token, KIND_CONFLICT,
			     "the semaphore \"%.*s\" is in use with a capacity of %" PRId64
			     ", not %" PRId64,
			     (int)name.n, name.p, o->gate.capacity, k->capacity);
		return true;
	}
	if (k->units < 1 || k->units > o->gate.capacity) {
		named_refuse(a, token, KIND_REQUEST_INVALID,
			     "units must be between 1 and the capacity of %" PRId64,
			     o->gate.capacity);
		return true;
	}
	if (held_above(o, k->session, &who) + k->units <= o->gate.capacity)
		return false;
	named_refuse(a, token, KIND_REQUEST_INVALID,
		     "the %s \"%.*s\" is held by this task itself, as %.*s: it would wait for ever",
		     named_kind_text(o->kind), (int)name.n, name.p, (int)who.n, who.p);
	return true;
}

/* What an earlier life of the task holds: it goes on holding it. */
static bool takes_back(struct named *a, struct named_obj *o, const struct named_ask *k,
		       uint64_t token)
{
	struct named_hold *h = hold_of(o, k->session);
	if (h == NULL || h->owner != 0 || h->is_written)
		return false;
	h->owner = k->owner;
	named_owns(a, h->owner, 1);
	say_held(a, token);
	return true;
}

void named_on_acquire(struct named *a, struct named_ask *ask, uint64_t token)
{
	char buf[NAMED_KEY_MAX];
	enum kind why;
	struct slice key = named_key(buf, ask->kind, ask->uid, ask->name);
	struct named_obj *o = named_find(a, key);
	bool is_new = o == NULL;
	if (is_new && (o = named_make(a, ask->kind, ask->uid, key, &why)) == NULL) {
		named_refuse(a, token, why, "too many named objects");
		named_ask_free(ask);
		return;
	}
	if (is_new)
		o->gate.capacity = o->gate.free = ask->capacity;
	if (takes_back(a, o, ask, token) || is_refused(a, o, ask, token))
		named_ask_free(ask);
	else if (named_park(a, o, &o->line, ask, token))
		gate_pump(a, o);
	named_reap(a, o);
}

void named_on_release(struct named *a, struct named_ask *ask, uint64_t token)
{
	char buf[NAMED_KEY_MAX];
	struct named_obj *o = named_find(a, named_key(buf, ask->kind, ask->uid, ask->name));
	struct named_hold *h = o != NULL ? hold_of(o, ask->session) : NULL;
	(void)token;
	if (h != NULL)
		let_go(a, h);
	named_ask_free(ask);
}

/* ---- the end of owners and lives ---- */

static void dies(struct named *a, struct named_obj *o, struct slice who, const char *how)
{
	char text[NAMED_SESSION_MAX + 80];
	int n = snprintf(text, sizeof(text), "%.*s, which %s", (int)who.n, who.p, how);
	if (o->kind != NAMED_LOCK)
		return;
	free(o->gate.died);
	o->gate.died = strdup(text);
	put_row(a, o, SLICE_LIT(DIED_SESSION), (struct slice){text, (size_t)n});
}

void gate_lost(struct named *a, struct named_obj *o, act_id owner)
{
	for (struct link *l = o->gate.holds.next, *next; l != &o->gate.holds; l = next) {
		struct named_hold *h = LIST_ENTRY(l, struct named_hold, link);
		next = l->next;
		if (h->owner != owner)
			continue;
		dies(a, o, h->session, "was lost");
		h->owner = 0;
		drop_row(a, o, h->session);
		o->gate.free += h->units;
		free_hold(h);
	}
	gate_pump(a, o);
}

void gate_load(struct named *a, struct slice key, struct slice session, struct slice data)
{
	char text[64] = "";
	long long units = 1, capacity = 1;
	enum kind why;
	enum named_kind kind = key.p[0] == 'l' ? NAMED_LOCK : NAMED_SEMAPHORE;
	struct named_obj *o = named_find(a, key);
	if (o == NULL && (o = named_make(a, kind, 0, key, &why)) == NULL)
		return;
	if (slice_is(session, DIED_SESSION)) {
		free(o->gate.died);
		o->gate.died = strndup(data.p, data.n);
		return;
	}
	if (session.n > 0 && session.p[0] == 'v') {
		dies(a, o, session, "was lost with the daemon");
		drop_row(a, o, session);
		return;
	}
	memcpy(text, data.p, data.n < sizeof(text) - 1 ? data.n : sizeof(text) - 1);
	if (sscanf(text, "%lld %lld", &units, &capacity) != 2)
		return;
	if (list_empty(&o->gate.holds))
		o->gate.capacity = o->gate.free = capacity;
	hold_new(a, o, session, units);
}
