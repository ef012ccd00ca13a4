/*
 * bodytext -- the text that a task's value stands for, block by block: the body of a fetch, in its
 * line or in a file; the stdout of a program; a string.
 *
 * Threads: the job's shard; files are read by workers.
 */
#pragma once

#include "base/bytes.h"
#include "run/task.h"

#include <jansson.h>

struct bodypiece;
struct jobenv;

struct bodytext {
	struct jobenv *env;
	json_t *value;	    /* what the task gave */
	struct bytes plain; /* a body that came as base64 */
	struct slice rest;  /* not yet given; of value or plain */
	uint64_t file;	    /* the body that is to be read; 0: rest is all */
	struct bodypiece *piece;
};

/* A fetch gives its line, with `task` and `attempts` in it; a program its `exit`. */
bool bodytext_is_result(const json_t *value);
bool bodytext_is_exec(const json_t *value);

/*
 * A reference to value is taken; NULL is the empty text. Errors: INVALID (there is no text in it),
 * TOO_LARGE (the program wrote more than was kept), NOMEM. Zeroed or opened, it is to be closed.
 */
enum err bodytext_open(struct bodytext *b, struct jobenv *env, json_t *value);
void bodytext_close(struct bodytext *b);
/* Nobody needs it any more but its result: the file it is in, if it is, goes with that. */
void bodytext_release(struct bodytext *b);

struct bodytext_read {
	act_co co;
	int rc;
	struct bodytext *b;	 /* in */
	struct slice block;	 /* out: valid until the next reading; n 0: the end */
	enum err err;		 /* out: CORRUPT (damaged or gone), NOMEM */
	struct bodypiece *piece; /* under way */
	act_msg *m;
};
/* A step. rc other than ACT_OK: cancelled. */
int bodytext_read(act_self *self, void *frame);
