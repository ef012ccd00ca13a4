/*
 * named_event -- events: set until cleared, for all who wait.
 *
 * A word (set or clear) is numbered before it is committed and heard of after; whatever the order
 * in which they are heard, the one with the highest number counts, here as at the next start.
 */
#include "actor/named_state.h"

#include "edge/store.h"

#include <string.h>

void event_init(struct named_obj *o)
{
	o->event = (struct named_event){.is_set = false};
}

bool event_is_idle(const struct named_obj *o)
{
	return !o->event.is_set && o->event.n_words == 0 && o->event.stored == 0;
}

static void wake_all(struct named *a, struct named_obj *o)
{
	struct named_waiter *w;
	while ((w = named_head(&o->line)) != NULL) {
		uint64_t token = w->token;
		named_ask_free(named_unpark(a, w));
		named_grant(a, token, 0);
	}
}

static void drop_row(struct named *a, struct named_obj *o, uint64_t n)
{
	struct store_op *op = n != 0 ? named_op_new(a, STORE_NAMED_DROP) : NULL;
	if (op != NULL)
		op->named = (struct store_named){.name = named_op_text(a, o->key), .n = n};
}

static void hear(struct named *a, struct named_obj *o, uint64_t n, bool is_set)
{
	if (n < o->event.last)
		return;
	o->event.last = n;
	o->event.is_set = is_set;
	if (is_set)
		wake_all(a, o);
}

/* Of rows only the last counts; one that says cleared says no more than none. */
static void keep_row(struct named *a, struct named_obj *o, uint64_t n)
{
	struct named_event *e = &o->event;
	if (n < e->stored) {
		drop_row(a, o, n);
		return;
	}
	drop_row(a, o, e->stored);
	e->stored = n;
	if (!e->is_set && e->n_words == 0) {
		drop_row(a, o, e->stored);
		e->stored = 0;
	}
}

static struct named_obj *object_of(struct named *a, const struct named_ask *ask, enum kind *ret_why)
{
	char buf[NAMED_KEY_MAX];
	struct slice key = named_key(buf, NAMED_EVENT, ask->uid, ask->name);
	struct named_obj *o = named_find(a, key);
	return o != NULL ? o : named_make(a, NAMED_EVENT, ask->uid, key, ret_why);
}

void named_on_wait(struct named *a, struct named_ask *ask, uint64_t token)
{
	enum kind why;
	struct named_obj *o = object_of(a, ask, &why);
	if (o == NULL) {
		named_refuse(a, token, why, "too many named objects");
		named_ask_free(ask);
	} else if (o->event.is_set) {
		named_grant(a, token, 0);
		named_ask_free(ask);
	} else if (!named_park(a, o, &o->line, ask, token)) {
		named_reap(a, o);
	}
}

void named_on_word(struct named *a, struct named_ask *ask, uint64_t token)
{
	enum kind why;
	struct named_obj *o = object_of(a, ask, &why);
	if (o == NULL) {
		named_refuse(a, token, why, "too many named objects");
	} else {
		o->event.n_words++;
		named_owns(a, ask->owner, 1);
		named_grant(a, token, a->next_n++);
	}
	named_ask_free(ask);
}

void named_on_said(struct named *a, struct named_ask *ask, uint64_t token)
{
	char buf[NAMED_KEY_MAX];
	struct named_obj *o = named_find(a, named_key(buf, NAMED_EVENT, ask->uid, ask->name));
	(void)token;
	if (o != NULL) {
		if (o->event.n_words > 0)
			o->event.n_words--;
		named_owns(a, ask->owner, -1);
		if (ask->op != NAMED_UNWORD)
			hear(a, o, ask->n, ask->op == NAMED_SET);
		if (ask->op != NAMED_UNWORD && !ask->is_volatile)
			keep_row(a, o, ask->n);
		named_reap(a, o);
	}
	named_ask_free(ask);
}

/* Words of the owner will not be heard; a committed one counts from the next start. */
void event_lost(struct named *a, struct named_obj *o, act_id owner)
{
	(void)a, (void)o, (void)owner;
}

void event_load(struct named *a, struct slice key, uint64_t n, struct slice data)
{
	enum kind why;
	struct named_obj *o = named_find(a, key);
	if (o == NULL && (o = named_make(a, NAMED_EVENT, 0, key, &why)) == NULL)
		return;
	hear(a, o, n, slice_is(data, "set"));
	keep_row(a, o, n);
	named_reap(a, o);
}
