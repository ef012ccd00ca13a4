/*
 * named_state -- what the files of the actor share. Nobody else includes it.
 *
 *	named.c        messages, objects, who waits, owners and their end
 *	named_gate.c   locks and semaphores
 *	named_event.c  events
 *	named_queue.c  queues
 *	named_store.c  loading, and what the actor itself writes
 *	named_rows.c   rows for people
 */
#pragma once

#include "actor/named.h"
#include "base/list.h"
#include "base/table.h"

struct store_batch;
struct store_named;
struct store_op;

/* Units of a gate that somebody holds. */
struct named_hold {
	struct link link;    /* of its gate */
	struct link writing; /* of the actor, while its row is */
	struct named_obj *obj;
	act_id owner;	 /* 0: an earlier life's, not yet back */
	bool is_written; /* its row is the actor's to write */
	bool is_leaving; /* its row goes; then its units are free */
	uint64_t token;	 /* to be answered once the row is there; 0: nobody waits */
	uint64_t commit; /* that its row goes with */
	int64_t units;
	int64_t since_ns;
	struct slice session;
	char text[];
};

struct named_item {
	struct link link; /* ready, by number; or held */
	uint64_t n;
	uint32_t tries;
	bool is_durable;
	act_id owner; /* of the holder; 0: an earlier life's */
	int64_t since_ns;
	struct slice holder; /* malloc'd; empty: ready */
	struct slice value;
	char text[];
};

struct named_gate {
	int64_t capacity, free;
	struct link holds;
	char *died; /* malloc'd: how the last holder was lost; NULL: it was not */
};

struct named_event {
	bool is_set;
	uint64_t last;	  /* number of the word that counts */
	uint64_t stored;  /* number of the row that is in the store; 0: none */
	uint32_t n_words; /* numbers given and not heard of again */
};

struct named_queue {
	uint32_t cap;
	bool is_closed, is_told; /* closed; and somebody knows who would have taken */
	struct link ready, held; /* struct named_item */
	struct link putters;	 /* struct named_waiter; takers stand in the object's line */
	struct link joiners;	 /* the same */
	uint32_t n_ready, n_held, n_room;
	size_t bytes, room_bytes;
};

struct named_obj {
	enum named_kind kind;
	uint32_t uid; /* whose first use made it */
	struct link line;
	union {
		struct named_gate gate;
		struct named_event event;
		struct named_queue queue;
	};
	struct slice key;
	char text[];
};

struct named_waiter {
	struct link link;
	struct named_obj *obj;
	struct named_ask *ask;
	uint64_t token;
	int64_t since_ns;
};

/* Who is answered when what goes with that commit is there. */
struct named_after {
	struct link link;
	uint64_t token, commit;
};

/* What of an owner is out: at its end there is something to give back. */
struct named_owner {
	act_id id;
	uint32_t n;
};

struct named {
	act_self *self; /* of the message that is handled */
	int64_t now_ns;
	const struct clock *clock;
	const struct log *log;
	act_id store;
	bool is_loading, loads_items;
	struct table objects; /* key -> struct named_obj */
	struct table waiters; /* token -> struct named_waiter */
	struct table owners;  /* act_id -> struct named_owner */
	struct table users;   /* uid -> number of its objects, as a pointer */
	struct link early;    /* struct named_waiter without an object: came while loading */
	struct link writing;  /* struct named_hold */
	struct link after;    /* struct named_after */
	uint64_t next_n;
	struct store_batch *batch; /* being filled; NULL: empty */
	uint64_t commit;	   /* number of the one being filled */
	bool is_committing;
	struct bytes last_name; /* where loading stands */
	struct bytes last_session;
	uint64_t last_n;
};

/* ---- named.c ---- */

/* The name without kind and uid. */
struct slice named_name_of(const struct named_obj *o);
struct named_obj *named_find(struct named *a, struct slice key);
/* NULL: no memory, or too many; *ret_why says which. */
struct named_obj *named_make(struct named *a, enum named_kind kind, uint32_t uid, struct slice key,
			     enum kind *ret_why);
/* Gone if nothing is in it and nobody uses it. */
void named_reap(struct named *a, struct named_obj *o);
/* Puts the asker at the end of the line; takes the ask. False: no memory (it has been refused). */
bool named_park(struct named *a, struct named_obj *o, struct link *line, struct named_ask *ask,
		uint64_t token);
/* Out of its line and gone; its ask is the caller's. */
struct named_ask *named_unpark(struct named *a, struct named_waiter *w);
struct named_waiter *named_head(const struct link *line);
void named_grant(struct named *a, uint64_t token, uint64_t n);
void named_refuse(struct named *a, uint64_t token, enum kind kind, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* by is +1 or -1. owner 0 is ignored. */
void named_owns(struct named *a, act_id owner, int by);

/* ---- one function per op; each takes the ask ---- */

typedef void (*named_on)(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_acquire(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_release(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_wait(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_word(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_said(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_room(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_unroom(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_put(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_join(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_look(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_close(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_take(struct named *a, struct named_ask *ask, uint64_t token);
void named_on_settle(struct named *a, struct named_ask *ask, uint64_t token);

/* ---- the kinds ---- */

void gate_init(struct named_obj *o);
void gate_fini(struct named_obj *o);
bool gate_is_idle(const struct named_obj *o);
/* A waiter left the line, or units came back. */
void gate_pump(struct named *a, struct named_obj *o);
/* The owner has ended: what it held is lost. */
void gate_lost(struct named *a, struct named_obj *o, act_id owner);
/* A row of an earlier life. */
void gate_load(struct named *a, struct slice key, struct slice session, struct slice data);
/* The rows up to this commit are there. */
void gate_written(struct named *a, uint64_t commit);
/* The asker whose row is being written has given up. */
void gate_gave_up(struct named *a, uint64_t token);

void event_init(struct named_obj *o);
bool event_is_idle(const struct named_obj *o);
void event_lost(struct named *a, struct named_obj *o, act_id owner);
void event_load(struct named *a, struct slice key, uint64_t n, struct slice data);

void queue_init(struct named_obj *o);
void queue_fini(struct named_obj *o);
bool queue_is_idle(const struct named_obj *o);
void queue_pump(struct named *a, struct named_obj *o);
void queue_lost(struct named *a, struct named_obj *o, act_id owner);
/* It goes; so does what the store says of it. */
void queue_forget(struct named *a, struct named_obj *o);
void queue_load(struct named *a, const struct store_named *row);

/* ---- named_store.c ---- */

void named_load(struct named *a);
void named_loaded(struct named *a, act_msg *m);
/* An op of the batch that goes next; NULL: no store, or no memory. */
struct store_op *named_op_new(struct named *a, int kind);
struct slice named_op_text(struct named *a, struct slice text);
/* Answers once all that has been written so far is there. */
void named_grant_after(struct named *a, uint64_t token);
void named_flush(struct named *a);
void named_committed(struct named *a, act_msg *m);
/* ---- named_rows.c ---- */
void named_on_explain(struct named *a, act_msg *m);
