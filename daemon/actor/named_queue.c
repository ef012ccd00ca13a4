/*
 * named_queue -- queues: items by number, who has taken which, who waits for one or for room.
 *
 * Room is given before an item is committed, so that a queue never holds more than its cap; an item
 * is there once its commit is told. What comes back goes to its old place, before all later ones.
 * An item that came back NAMED_TRIES times because its task failed goes to the queue NAME.dead.
 */
#include "actor/named_state.h"

#include "edge/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_BYTES (64u << 20) /* of all its items, taken ones included */
#define QUEUE_ITEMS 65536	/* the same in number */
#define NAMED_TRIES 5
#define DEAD	    ".dead"

void queue_init(struct named_obj *o)
{
	o->queue = (struct named_queue){.cap = NAMED_CAP};
	list_init(&o->queue.ready);
	list_init(&o->queue.held);
	list_init(&o->queue.putters);
	list_init(&o->queue.joiners);
}

static void free_item(struct named_item *i)
{
	list_remove(&i->link);
	free((void *)(uintptr_t)i->holder.p);
	free(i);
}

void queue_fini(struct named_obj *o)
{
	for (struct link *l; (l = list_first(&o->queue.ready)) != NULL;)
		free_item(LIST_ENTRY(l, struct named_item, link));
	for (struct link *l; (l = list_first(&o->queue.held)) != NULL;)
		free_item(LIST_ENTRY(l, struct named_item, link));
}

bool queue_is_idle(const struct named_obj *o)
{
	const struct named_queue *q = &o->queue;
	return q->n_ready + q->n_held + q->n_room == 0 && list_empty(&q->putters) &&
	       list_empty(&q->joiners) && q->is_closed == q->is_told;
}

/* ---- items ---- */

/* In order of numbers; most come at the end. */
static void make_ready(struct named_queue *q, struct named_item *i)
{
	struct link *at = q->ready.prev;
	while (at != &q->ready && LIST_ENTRY(at, struct named_item, link)->n > i->n)
		at = at->prev;
	list_remove(&i->link);
	list_insert_before(at->next, &i->link);
	q->n_ready++;
}

static struct named_item *item_new(struct named_obj *o, uint64_t n, struct slice value)
{
	struct named_item *i = calloc(1, sizeof(*i) + value.n);
	if (i == NULL)
		return NULL;
	if (value.n > 0)
		memcpy(i->text, value.p, value.n);
	i->value = (struct slice){i->text, value.n};
	i->n = n;
	list_init(&i->link);
	o->queue.bytes += value.n;
	return i;
}

static bool hold(struct named *a, struct named_obj *o, struct named_item *i,
		 const struct named_ask *k)
{
	char *who = malloc(k->session.n + 1);
	if (who == NULL)
		return false;
	memcpy(who, k->session.p, k->session.n);
	i->holder = (struct slice){who, k->session.n};
	i->owner = k->owner;
	i->since_ns = a->now_ns;
	list_remove(&i->link);
	list_push_back(&o->queue.held, &i->link);
	o->queue.n_ready--;
	o->queue.n_held++;
	named_owns(a, i->owner, 1);
	return true;
}

static void unhold(struct named *a, struct named_obj *o, struct named_item *i)
{
	named_owns(a, i->owner, -1);
	list_remove(&i->link);
	o->queue.n_held--;
	free((void *)(uintptr_t)i->holder.p);
	i->holder = (struct slice){NULL, 0};
	i->owner = 0;
}

static struct named_item *held_item(struct named_obj *o, uint64_t n, struct slice holder)
{
	LIST_EACH (l, &o->queue.held) {
		struct named_item *i = LIST_ENTRY(l, struct named_item, link);
		if (i->n == n && slice_eq(i->holder, holder))
			return i;
	}
	return NULL;
}

/* ---- who waits ---- */

static void hand_over(struct named *a, struct named_obj *o, struct named_item *i,
		      const struct named_ask *k, uint64_t token)
{
	struct named_answer *r = calloc(1, sizeof(*r) + i->value.n);
	if (r == NULL || !hold(a, o, i, k)) {
		free(r);
		act_reply_error(a->self, token, ACT_ENOMEM);
		return;
	}
	memcpy(r->text, i->text, i->value.n);
	r->value = (struct slice){r->text, i->value.n};
	r->n = i->n;
	r->tries = i->tries;
	r->is_durable = i->is_durable;
	act_reply_buf(a->self, token, NAMED_ANSWER, r, sizeof(*r) + i->value.n, free);
}

static bool fits(const struct named_queue *q, const struct named_ask *k)
{
	return q->n_ready + q->n_room < q->cap &&
	       q->n_ready + q->n_held + q->n_room < QUEUE_ITEMS &&
	       q->bytes + q->room_bytes + k->size <= QUEUE_BYTES;
}

static void refuse_closed(struct named *a, const struct named_obj *o, uint64_t token)
{
	struct slice name = named_name_of(o);
	named_refuse(a, token, KIND_CLOSED, "the queue \"%.*s\" is closed%s", (int)name.n, name.p,
		     o->queue.n_ready == 0 ? " and empty" : "");
}

/* Nothing comes any more to whom `k` asks for: what tasks above it hold does not come back to it.
 */
static bool is_over(const struct named_queue *q, const struct named_ask *k)
{
	if (!q->is_closed || q->n_ready + q->n_room > 0)
		return false;
	LIST_EACH (l, &q->held) {
		const struct named_item *i = LIST_ENTRY(l, struct named_item, link);
		if (!named_is_above(i->holder, k->session))
			return false;
	}
	return true;
}

static void pump_takers(struct named *a, struct named_obj *o)
{
	struct named_queue *q = &o->queue;
	struct named_waiter *w;
	while (q->n_ready > 0 && (w = named_head(&o->line)) != NULL) {
		uint64_t token = w->token;
		struct named_ask *ask = named_unpark(a, w);
		hand_over(a, o, LIST_ENTRY(q->ready.next, struct named_item, link), ask, token);
		named_ask_free(ask);
	}
	for (struct link *l = o->line.next, *next; l != &o->line; l = next) {
		next = l->next;
		w = LIST_ENTRY(l, struct named_waiter, link);
		if (!is_over(q, w->ask))
			continue;
		uint64_t token = w->token;
		named_ask_free(named_unpark(a, w));
		refuse_closed(a, o, token);
		q->is_told = true;
	}
}

static void give_room(struct named *a, struct named_obj *o, const struct named_ask *k,
		      uint64_t token)
{
	o->queue.n_room++;
	o->queue.room_bytes += k->size;
	named_owns(a, k->owner, 1);
	named_grant(a, token, a->next_n++);
}

static void pump_putters(struct named *a, struct named_obj *o)
{
	struct named_queue *q = &o->queue;
	struct named_waiter *w;
	while ((w = named_head(&q->putters)) != NULL && (q->is_closed || fits(q, w->ask))) {
		uint64_t token = w->token;
		struct named_ask *ask = named_unpark(a, w);
		if (q->is_closed)
			refuse_closed(a, o, token);
		else
			give_room(a, o, ask, token);
		named_ask_free(ask);
	}
}

static void pump_joiners(struct named *a, struct named_obj *o)
{
	struct named_queue *q = &o->queue;
	struct named_waiter *w;
	while (q->n_ready + q->n_held + q->n_room == 0 && (w = named_head(&q->joiners)) != NULL) {
		uint64_t token = w->token;
		named_ask_free(named_unpark(a, w));
		named_grant(a, token, 0);
	}
}

void queue_pump(struct named *a, struct named_obj *o)
{
	pump_takers(a, o);
	pump_putters(a, o);
	pump_joiners(a, o);
}

static struct store_op *row_op(struct named *a, int kind, struct slice key, uint64_t n)
{
	struct store_op *op = named_op_new(a, kind);
	if (op != NULL)
		op->named = (struct store_named){.name = named_op_text(a, key), .n = n};
	return op;
}

/* ---- asks ---- */

static struct named_obj *object_of(struct named *a, const struct named_ask *ask)
{
	char buf[NAMED_KEY_MAX];
	return named_find(a, named_key(buf, NAMED_QUEUE, ask->uid, ask->name));
}

/* Refuses and frees the ask if there can be none. */
static struct named_obj *object_for(struct named *a, struct named_ask *ask, uint64_t token)
{
	char buf[NAMED_KEY_MAX];
	enum kind why;
	struct named_obj *o = object_of(a, ask);
	if (o == NULL)
		o = named_make(a, NAMED_QUEUE, ask->uid,
			       named_key(buf, NAMED_QUEUE, ask->uid, ask->name), &why);
	if (o == NULL) {
		named_refuse(a, token, why, "too many named objects");
		named_ask_free(ask);
	}
	return o;
}

void named_on_room(struct named *a, struct named_ask *ask, uint64_t token)
{
	struct named_obj *o;
	if (ask->size > NAMED_VALUE_MAX) {
		named_refuse(a, token, KIND_REQUEST_TOO_LARGE,
			     "an item of a queue has at most %u MiB", NAMED_VALUE_MAX >> 20);
		named_ask_free(ask);
		return;
	}
	if ((o = object_for(a, ask, token)) == NULL)
		return;
	if (named_park(a, o, &o->queue.putters, ask, token))
		pump_putters(a, o);
	named_reap(a, o);
}

static void room_is_used(struct named *a, struct named_obj *o, const struct named_ask *ask)
{
	struct named_queue *q = &o->queue;
	named_owns(a, ask->owner, -1);
	if (q->n_room == 0)
		return;
	q->n_room--;
	q->room_bytes -= ask->size < q->room_bytes ? ask->size : q->room_bytes;
}

void named_on_unroom(struct named *a, struct named_ask *ask, uint64_t token)
{
	struct named_obj *o = object_of(a, ask);
	(void)token;
	if (o != NULL) {
		room_is_used(a, o, ask);
		queue_pump(a, o);
		named_reap(a, o);
	}
	named_ask_free(ask);
}

void named_on_put(struct named *a, struct named_ask *ask, uint64_t token)
{
	struct named_obj *o = object_of(a, ask);
	struct named_item *i = o != NULL ? item_new(o, ask->n, ask->value) : NULL;
	(void)token;
	if (o != NULL)
		room_is_used(a, o, ask);
	if (i != NULL) {
		i->is_durable = !ask->is_volatile && a->store != 0;
		make_ready(&o->queue, i);
		queue_pump(a, o);
	} else {
		log_error(a->log, "named: an item is not at hand until the next start",
			  kv_t("queue", ask->name), kv_s("why", "out of memory"));
	}
	named_ask_free(ask);
}

void named_on_join(struct named *a, struct named_ask *ask, uint64_t token)
{
	struct named_obj *o = object_for(a, ask, token);
	if (o == NULL)
		return;
	if (named_park(a, o, &o->queue.joiners, ask, token))
		queue_pump(a, o);
	named_reap(a, o);
}

void named_on_take(struct named *a, struct named_ask *ask, uint64_t token)
{
	struct named_obj *o = object_for(a, ask, token);
	if (o == NULL)
		return;
	if (named_park(a, o, &o->line, ask, token))
		queue_pump(a, o);
	named_reap(a, o);
}

void named_on_close(struct named *a, struct named_ask *ask, uint64_t token)
{
	struct named_obj *o = object_for(a, ask, token);
	if (o == NULL)
		return;
	if (!o->queue.is_closed) {
		struct store_op *op = row_op(a, STORE_NAMED_PUT, o->key, 0);
		if (op != NULL)
			op->named.data = named_op_text(a, SLICE_LIT("closed"));
	}
	o->queue.is_closed = true;
	named_grant_after(a, token);
	named_ask_free(ask);
	queue_pump(a, o);
	named_reap(a, o);
}

void queue_forget(struct named *a, struct named_obj *o)
{
	if (o->queue.is_closed)
		row_op(a, STORE_NAMED_DROP, o->key, 0);
}

/* ---- what becomes of an item that was taken ---- */

static void is_done(struct named *a, struct named_obj *o, struct named_item *i, bool is_volatile)
{
	/* A durable job has dropped the row itself, with its outcome. */
	if (i->is_durable && is_volatile)
		row_op(a, STORE_NAMED_DROP, o->key, i->n);
	o->queue.bytes -= i->value.n;
	unhold(a, o, i);
	free_item(i);
}

/* Nobody has managed it so often: it goes where it blocks nobody. False: it stays. */
static bool bury(struct named *a, struct named_obj *o, struct named_item *i)
{
	char buf[NAMED_KEY_MAX + sizeof(DEAD)];
	enum kind why;
	int w = snprintf(buf, sizeof(buf), "%.*s" DEAD, (int)o->key.n, o->key.p);
	struct slice key = {buf, (size_t)w};
	if (o->key.n + strlen(DEAD) > NAMED_KEY_MAX - 1)
		return false;
	struct named_obj *dead = named_find(a, key);
	if (dead == NULL)
		dead = named_make(a, NAMED_QUEUE, o->uid, key, &why);
	if (dead == NULL || dead->queue.n_ready + dead->queue.n_held >= QUEUE_ITEMS ||
	    dead->queue.bytes + i->value.n > QUEUE_BYTES)
		return false;
	if (i->is_durable) {
		row_op(a, STORE_NAMED_DROP, o->key, i->n);
		struct store_op *op = row_op(a, STORE_NAMED_PUT, key, i->n);
		if (op != NULL)
			op->named.data = named_op_text(a, i->value);
	}
	o->queue.bytes -= i->value.n;
	dead->queue.bytes += i->value.n;
	i->tries = 0;
	make_ready(&dead->queue, i);
	queue_pump(a, dead);
	log_warn(a->log, "named: an item is put aside", kv_t("queue", named_name_of(o)),
		 kv_t("to", named_name_of(dead)), kv_i("failures", NAMED_TRIES));
	return true;
}

static void comes_back(struct named *a, struct named_obj *o, struct named_item *i, bool was_fault)
{
	unhold(a, o, i);
	if (was_fault)
		i->tries++;
	if (i->tries < NAMED_TRIES || !bury(a, o, i))
		make_ready(&o->queue, i);
}

void named_on_settle(struct named *a, struct named_ask *ask, uint64_t token)
{
	struct named_obj *o = object_of(a, ask);
	struct named_item *i = o != NULL ? held_item(o, ask->n, ask->session) : NULL;
	(void)token;
	if (i != NULL) {
		if (ask->op == NAMED_ACK)
			is_done(a, o, i, ask->is_volatile);
		else
			comes_back(a, o, i, ask->op == NAMED_NACK);
		queue_pump(a, o);
		named_reap(a, o);
	}
	named_ask_free(ask);
}

void queue_lost(struct named *a, struct named_obj *o, act_id owner)
{
	for (struct link *l = o->queue.held.next, *next; l != &o->queue.held; l = next) {
		struct named_item *i = LIST_ENTRY(l, struct named_item, link);
		next = l->next;
		if (i->owner == owner)
			comes_back(a, o, i, false);
	}
	queue_pump(a, o);
}

void queue_load(struct named *a, const struct store_named *row)
{
	enum kind why;
	struct named_obj *o = named_find(a, row->name);
	if (o == NULL && (o = named_make(a, NAMED_QUEUE, 0, row->name, &why)) == NULL)
		return;
	if (row->n == 0) { /* about the queue itself */
		o->queue.is_closed = slice_is(row->data, "closed");
		return;
	}
	struct named_item *i = item_new(o, row->n, row->data);
	if (i == NULL)
		return;
	const struct named_ask k = {.session = row->holder};
	i->is_durable = true;
	i->tries = row->tries;
	make_ready(&o->queue, i);
	if (row->holder.n > 0)
		hold(a, o, i, &k);
}
