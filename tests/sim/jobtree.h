/*
 * jobtree -- random small jobs for simulations: a tree of verbs over fetches whose servers answer
 * the same whenever they are asked, and the job file it is.
 */
#pragma once

#include "base/bytes.h"
#include "base/rng.h"

#include <stdbool.h>
#include <stdint.h>

enum jobtree_verb {
	JOBTREE_FETCH,
	JOBTREE_GATHER,
	JOBTREE_GROUP,
	JOBTREE_SEQUENCE,
	JOBTREE_FALLBACK,
	JOBTREE_EACH,	    /* gather over a list of URLs */
	JOBTREE_EACH_GROUP, /* fail-fast over a list of URLs */
	JOBTREE_VERBS
};

#define JOBTREE_CHILDREN 6

struct jobtree {
	enum jobtree_verb verb;
	int status;	 /* FETCH: what its server says */
	uint32_t serial; /* FETCH: its number, part of its URL */
	bool has_catch;	 /* a handler for `status`, which is a fetch that works */
	bool is_fed;	 /* the root of a job whose items are fed */
	uint32_t n;
	struct jobtree *child[JOBTREE_CHILDREN];
};

/* NULL only without memory. */
struct jobtree *jobtree_new(struct rng *rng);
void jobtree_free(struct jobtree *t);
/* How many fetches it has, handlers included; they are numbered from 0. */
uint32_t jobtree_count(const struct jobtree *t);
/* The whole job file. */
void jobtree_spec(const struct jobtree *t, struct bytes *out);
/* URL of one fetch, in quotes. */
void jobtree_url(const struct jobtree *fetch, struct bytes *out);
