/*
 * store_order -- one write or read on its way through actor/store: who waits for it, and the
 * answer.
 */
#pragma once

#include "actor/store.h"

/* Who waits for what. */
struct order {
	struct link link;
	struct store_batch *batch;     /* of a write */
	struct store_reading *reading; /* of a read */
	uint64_t token;		       /* of an ask, or 0 */
	act_id from;
	act_msg *reply; /* prepared for a sender; NULL: an ask, or the actor's own */
	size_t n_bytes, n_lines;
	bool is_new_work; /* may be refused for lack of room */
	bool is_prune;
};

/* Takes the payload out of a STORE_APPLY or STORE_READ; NULL: no memory. */
struct order *order_new(act_self *self, act_msg *m);
/* A bounded piece of forgetting, for nobody; NULL: no memory. */
struct order *order_new_prune(const struct store_actor_opts *opts);
/* The fault points between a commit and its answer, by what was committed. */
void order_pass_faults(const struct order *o, struct fault *fault);
/* Gives the batch or reading to whoever waits for it, and is gone. */
void order_answer(act_self *self, struct order *o);
/* With its batch or reading; nobody is answered. */
void order_free(act_self *self, struct order *o);
