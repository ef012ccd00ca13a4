/*
 * final -- the record of a whole job (show --json, wait --json, --summary json), and the error of
 * a scope: how a group lists what failed in it. Written like results (result.h).
 */
#pragma once

#include "proto/result.h"

#define FINAL_ERRORS_MAX 64 /* leaves listed in a group error */
#define FINAL_DEPTH_MAX	 16 /* nested groups listed */

struct final_tasks {
	uint64_t total, ok, failed, handled, cancelled, not_started;
};

struct final_scope {
	struct slice id, task;
	const char *state;
	int64_t elapsed_ms;
};

struct final_record {
	struct slice job;
	struct slice name; /* p == NULL: absent */
	const char *state; /* "succeeded" ... */
	struct final_tasks tasks;
	struct slice error; /* raw JSON; p == NULL: absent */
	const struct final_scope *scope;
	size_t n_scope;	    /* 0: absent */
	int64_t elapsed_ms; /* below 0: absent */
};

/* Appends one line without a newline. Errors: those of bytes. */
enum err final_add(struct bytes *out, const struct final_record *f);

/* A tree of errors: a leaf has no children, a group's kind is KIND_GROUP. */
struct final_error {
	enum kind kind;
	struct slice task; /* p == NULL: absent */
	struct slice message, phase;
	const struct final_error *child;
	size_t n_child;	       /* children that are listed */
	uint64_t n_failed;     /* a group: all that failed in it, listed or not */
	uint64_t n_total;      /* a group: of how many */
	const uint64_t *count; /* a group: by kind, KIND_COUNT long; NULL = counted from child */
};

/* Appends {"kind":...}: at most FINAL_ERRORS_MAX leaves and FINAL_DEPTH_MAX deep, all counted. */
enum err final_add_error(struct bytes *out, const struct final_error *e);
