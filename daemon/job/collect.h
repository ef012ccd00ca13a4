/*
 * collect -- the list of values of a scope with an id: by index, at most COLLECT_BYTES as text.
 * Beyond that the list is given up, and the scope has no value. Threads: none of its own.
 */
#pragma once

#include "job/outcome.h"

#define COLLECT_BYTES (1u << 20)

struct collect {
	json_t *list; /* NULL: given up, or never begun */
	size_t n_bytes;
};

/* n: elements known beforehand; they are null until put. */
void collect_init(struct collect *c, uint64_t n);
/* What stands for an outcome in a list, a new reference; a failure becomes {"error":…}. */
json_t *collect_value(const struct outcome *o);
void collect_put(struct collect *c, uint64_t index, struct outcome *o);
/* The same of a value that was kept; takes the reference. */
void collect_put_value(struct collect *c, uint64_t index, json_t *v);
/* The list, now the caller's. */
json_t *collect_take(struct collect *c);
void collect_fini(struct collect *c);
