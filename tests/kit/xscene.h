/*
 * xscene -- an exchange, a scripted server, and a request from one to the other.
 */
#pragma once

#include "tests/kit/rawd.h"
#include "tests/kit/xkit.h"

#define XSCENE_NAME "www.example"

struct xscene {
	struct xkit kit;
	struct rawd *server;
	struct xreq req; /* GET / of the server, its authority believed */
	size_t piece;	 /* how xscene_say cuts */
};

/* Every promise about a response holds four ways: plain and TLS, at once and byte by byte. */
#define XSCENE_WAYS 4

void xscene_open(struct xscene *s, bool tls, size_t piece);
/* way: 0 to 3; even ones send at once. */
void xscene_open_way(struct xscene *s, int way);
void xscene_close(struct xscene *s);
void xscene_say(struct xscene *s, const char *bytes, enum rawd_then then);
struct xstats xscene_stats(struct xscene *s);
/* Fetches and asserts that it ended. */
void xscene_get(struct xscene *s, struct xgot *g);
/* Asserts success with that body, and that the connection is kept, or not. */
void xscene_expect(struct xscene *s, const char *body, bool kept);
void xscene_expect_status(struct xscene *s, int status);
/* Asserts a failure of that kind whose message has that part, and that nothing is left busy. */
void xscene_expect_failure(struct xscene *s, enum kind kind, const char *in_message);
