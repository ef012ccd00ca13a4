/*
 * named -- what tasks ask of named objects: locks, semaphores, events and queues that all jobs of a
 * user share (`/NAME`: all users).
 *
 * The objects live in one actor (actor/named). Whoever waits there stands in line until it is
 * granted; an ask that was cancelled has had no effect. What must outlive a crash a durable job
 * commits itself, together with the outcome it belongs to (NAMED_ROW_*): so a task holds what it
 * held before the crash, and a word or an item is there exactly once.
 *
 * Threads: the shard of the jobs.
 */
#pragma once

#include "base/bytes.h"
#include "proto/errors.h"
#include "run/task.h"

#define NAMED_NAME_MAX	  200
#define NAMED_KEY_MAX	  (NAMED_NAME_MAX + 24)
#define NAMED_SESSION_MAX 600
#define NAMED_VALUE_MAX	  (1u << 20) /* one item */
#define NAMED_CAP	  1000	     /* items of a queue, unless said otherwise */

enum named_kind { NAMED_LOCK, NAMED_SEMAPHORE, NAMED_EVENT, NAMED_QUEUE, NAMED_KINDS };

/* "lock" …; never NULL. */
const char *named_kind_text(enum named_kind k);

enum named_op {
	/* Asked, answered by struct named_answer: */
	NAMED_ACQUIRE, /* lock, semaphore: .units of .capacity */
	NAMED_WAIT,    /* event: until it is set */
	NAMED_WORD,    /* event: the number of a word that is about to be said: at once */
	NAMED_ROOM,    /* queue: room for an item of .size bytes, and its number */
	NAMED_TAKE,    /* queue: the first item, which .session then holds */
	NAMED_CLOSE,   /* queue: nothing is put any more; answered once that is committed */
	NAMED_JOIN,    /* queue: until every item that was put is done with */
	NAMED_LOOK,    /* event, queue: how it stands, as JSON in the answer's value */
	/* Told; they cannot fail: */
	NAMED_RELEASE, /* lock, semaphore: what .session holds */
	NAMED_SET,     /* event: word .n is committed */
	NAMED_CLEAR,
	NAMED_UNWORD, /* it will not be said */
	NAMED_PUT,    /* queue: item .n is committed: .value */
	NAMED_UNROOM, /* it will not be put */
	NAMED_ACK,    /* queue: item .n, held by .session, is done with */
	NAMED_NACK,   /* its task failed: it goes back to the head */
	NAMED_BACK,   /* the same, but nobody was at fault */
	NAMED_OPS
};

/* Made by named_ask_new, owned by the message that carries it. */
struct named_ask {
	enum named_op op;
	enum named_kind kind;
	uint32_t uid;
	act_id owner;	  /* the actor whose end gives everything back */
	bool is_volatile; /* what it does need not outlive a crash */
	int64_t units, capacity;
	uint64_t n;
	size_t size;
	struct slice name, session, value; /* into text */
	char text[];
};

/* Copies the texts; NULL: no memory. */
struct named_ask *named_ask_new(enum named_op op, enum named_kind kind, struct slice name,
				struct slice session, struct slice value);
void named_ask_free(void *ask);

struct named_answer {
	enum kind kind; /* KIND_NONE: granted */
	uint64_t n;
	uint32_t tries;	   /* TAKE: how often it came back because a task failed */
	bool was_held;	   /* ACQUIRE: an earlier life held it already */
	bool is_durable;   /* TAKE: the item is in the store */
	char message[400]; /* of a refusal */
	struct slice value;
	char text[];
};

/* "j7 0.3.w0": who holds; path is that of a task, with `.wI` for an entry of its `with`. */
struct slice named_session(char buf[NAMED_SESSION_MAX], struct slice job, struct slice path);
/* Whether the task of one session is that of the other, or above it in the same job. */
bool named_is_above(struct slice session, struct slice below);
/* The object's name in the store: kind, uid and name; `/NAME` is the same for all. */
struct slice named_key(char buf[NAMED_KEY_MAX], enum named_kind kind, uint32_t uid,
		       struct slice name);
/* Whether it can be a name: 1 to NAMED_NAME_MAX bytes, no control characters. */
bool named_is_name(struct slice name);
