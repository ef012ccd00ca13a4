/*
 * names -- what ${name} means at a place of the tree: a chain of bindings, innermost first.
 *
 * A binding is an item of an `each`, the value of an earlier sibling that bears an id, ${error},
 * ${outcome}, or what `with` entered. Bindings are embedded in the frames of those who made them
 * and outlive every task that can see them. Raw items become trees only when somebody asks.
 * Threads: the job's.
 */
#pragma once

#include "job/outcome.h"
#include "model/cond.h"
#include "model/interp.h"

struct names {
	const struct names *outer;
	struct slice name;
	json_t *value;	  /* a reference; NULL: raw is not parsed yet, or there is none */
	struct slice raw; /* JSON text, borrowed */
	bool has_result;  /* a task with an id has ended: `of` may ask */
};

void names_init(struct names *n, const struct names *outer, struct slice name);
void names_fini(struct names *n);
/* The value, parsed if need be; NULL: none, or no memory. */
const json_t *names_value(struct names *n);

struct interp_env names_env(const struct names *n);
/* What conditions test: of a result's value (members status, error, headers, json), or an item. */
struct names_input {
	struct cond_input in;
	struct cond_header header[256];
};
void names_result_input(const json_t *value, struct names_input *ret);
/* Whether the condition holds in these surroundings. item may be NULL. */
bool names_hold(const struct cond *c, const json_t *item, const struct names *n);
