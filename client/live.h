/*
 * live -- runs a view: on a terminal a picture every second until q or a signal, through losses of
 * the daemon; elsewhere one picture.
 */
#pragma once

#include "client/args.h"
#include "client/frame.h"
#include "client/muster.h"

#include <jansson.h>

struct live {
	struct muster *m;
	int64_t now_ms;
	struct muster_reply reply; /* of the last question, when it was refused */
	const char *method;	   /* of the last question */
};

/* Draws all of it. What is not OK ends the picture: it is not shown. */
typedef enum muster_status (*live_draw)(struct live *l, void *view, struct frame *f);

/* The exit status of the process, below 0 a negated signal; what went wrong has been said. */
int live_run(const struct args *a, live_draw draw, void *view);

/* A question without a word to people. params (freed) may be NULL; *ret is the caller's. */
enum muster_status live_ask(struct live *l, const char *method, json_t *params, json_t **ret);
/* The same for a list that comes in pages: at most so many rows, as one array. */
enum muster_status live_ask_list(struct live *l, const char *method, const char *list, size_t max,
				 json_t **ret);

/* Members of answers; absent: 0, "". */
int64_t live_number(const json_t *object, const char *name);
const char *live_text(const json_t *object, const char *name);
/* "3.4 s" into text, which has room for LIVE_TEXT bytes. Gives text. */
#define LIVE_TEXT 32
const char *live_elapsed(char *text, int64_t ms);
