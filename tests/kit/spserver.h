/*
 * spserver -- a scripted daemon for tests of clients: REP over a Unix socket, in a process of its
 * own that ends with the test.
 */
#pragma once

#include "base/bytes.h"

#include <sys/types.h>

enum spserver_say {
	SPSERVER_REPLY,
	SPSERVER_PARK,	/* asked again after every other request */
	SPSERVER_CLOSE, /* the connection ends without an answer */
};

/* Answers one request; out is empty. Every request is also written to the log before. */
typedef enum spserver_say (*spserver_script)(void *state, struct slice request, struct bytes *out);

struct spserver {
	pid_t pid;
	char dir[40];
	char address[64]; /* ipc:///... */
	char log[64];	  /* a file: one request a line, in order */
};

/* The child has its own copy of state. Fails the test if it cannot start. */
void spserver_start(struct spserver *s, spserver_script script, void *state);
void spserver_stop(struct spserver *s);
/* Whether some logged request holds the text. */
int spserver_count(const struct spserver *s, const char *text);
