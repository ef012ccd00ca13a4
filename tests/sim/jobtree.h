/*
 * jobtree -- random small jobs for simulations: a tree of verbs and modifiers over fetches whose
 * servers are known, and the job file it is.
 *
 * Every verb comes with every modifier. A fetch has two attempts; `retry` runs its task twice.
 */
#pragma once

#include "base/bytes.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>

enum jobtree_verb {
	JOBTREE_FETCH,
	JOBTREE_EMIT,
	JOBTREE_FAIL,
	JOBTREE_SLEEP,
	JOBTREE_GATHER, /* from here on: with tasks below */
	JOBTREE_GROUP,
	JOBTREE_SEQUENCE,
	JOBTREE_FALLBACK,
	JOBTREE_ANY,
	JOBTREE_EACH,	    /* gather over items */
	JOBTREE_EACH_GROUP, /* fail-fast over items */
	JOBTREE_VERBS
};

enum jobtree_mod {
	JOBTREE_WHEN,
	JOBTREE_FINALLY,
	JOBTREE_CATCH,
	JOBTREE_TIMEOUT,
	JOBTREE_RETRY,
	JOBTREE_WITH,
	JOBTREE_MODS
};

/* What a server does, however often it is asked. */
enum jobtree_server {
	JOBTREE_WORKS,
	JOBTREE_MISSING,     /* 404 */
	JOBTREE_DOWN,	     /* 503 */
	JOBTREE_HANGS,	     /* no answer: the attempt's own timeout ends it */
	JOBTREE_FLAKY_ONCE,  /* 503, then 200: the second attempt succeeds */
	JOBTREE_FLAKY_TWICE, /* 503, 503, then 200: only if something asks once more */
	JOBTREE_SERVERS
};

/* Kinds of errors, as bits. */
enum {
	JOBTREE_KIND_STATUS = 1,
	JOBTREE_KIND_ATTEMPT = 2,
	JOBTREE_KIND_DEADLINE = 4,
	JOBTREE_KIND_FAIL = 8,
	JOBTREE_KIND_ALL = 15
};

enum jobtree_source { JOBTREE_LIST, JOBTREE_RANGE, JOBTREE_FED };

#define JOBTREE_CHILDREN 6
#define JOBTREE_FETCHES	 256 /* serials are below */

struct jobtree {
	enum jobtree_verb verb;
	unsigned mods; /* bits 1 << enum jobtree_mod */
	uint32_t serial;
	enum jobtree_server server; /* FETCH */
	uint32_t ms;		    /* FETCH: until the answer; SLEEP: how long */
	uint8_t host;
	bool is_item;	   /* FETCH: its URL is the item of the each above */
	uint32_t min_ok;   /* GATHER */
	int32_t stagger;   /* ANY: milliseconds; < 0: none */
	bool when_holds;   /* the condition looks at the emit that opens the sequence */
	unsigned catches;  /* kinds */
	int64_t timeout_s; /* an hour: it never comes */
	enum jobtree_source source;
	bool has_where, is_dropped; /* EACH: some items are dropped; the item is */
	struct jobtree *finally, *handler, *enter, *exit;
	uint32_t n;
	struct jobtree *child[JOBTREE_CHILDREN]; /* EACH: one for each item */
};

struct jobtree_job {
	struct jobtree *root;
	int64_t deadline_s; /* 0: none */
	bool is_ordered;
};

static inline bool jobtree_has(const struct jobtree *t, enum jobtree_mod m)
{
	return (t->mods >> m & 1u) != 0;
}
static inline bool jobtree_is_each(const struct jobtree *t)
{
	return t->verb == JOBTREE_EACH || t->verb == JOBTREE_EACH_GROUP;
}
static inline bool jobtree_is_fed(const struct jobtree *t)
{
	return jobtree_is_each(t) && t->source == JOBTREE_FED;
}
/* An hour is never over in a simulation. */
static inline bool jobtree_may_be_late(int64_t s)
{
	return s > 0 && s < 3600;
}

/* NULL only without memory. */
struct jobtree *jobtree_new(struct rng *rng);
/* A tree by its shape, as "group(404?catch,each(200,flaky),any(hang,200))": names are in the
 * source. Aborts on what it cannot read. */
struct jobtree *jobtree_shaped(const char *shape);
void jobtree_free(struct jobtree *t);
/* Visits t and all below it, modifiers' tasks included; `times` is how often a retry above may run
 * it. */
typedef void (*jobtree_visit)(void *ctx, const struct jobtree *t, uint32_t times);
void jobtree_walk(const struct jobtree *t, uint32_t times, jobtree_visit visit, void *ctx);

/* The whole job file. */
void jobtree_spec(const struct jobtree_job *job, struct bytes *out);
/* An item of an each, as JSON. */
void jobtree_item(const struct jobtree *each, uint32_t i, struct bytes *out);
