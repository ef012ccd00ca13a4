/*
 * rawd -- a server of raw scripted replies on the test's own event loop: any bytes, whole or in
 * pieces, then keep, close or reset; plain or TLS. It records all it was sent.
 *
 * A reply is due when the head of a request is complete. Replies are used in the order they were
 * added, over all connections; when there are none left, the connection stays silent.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct rawd;

enum rawd_then { RAWD_KEEP, RAWD_CLOSE, RAWD_RESET, RAWD_HALF_CLOSE };

struct rawd_reply {
	struct slice bytes; /* copied */
	size_t piece;	    /* bytes per write and loop turn; 0: all at once */
	size_t body_first;  /* wait for so many bytes behind the head of the request */
	enum rawd_then then;
	bool keep_rest;	 /* do not take the request's body for the head of another request */
	uint64_t repeat; /* send bytes that many times more */
};

struct rawd_cert {
	const char *name; /* of the certificate: DNS, or an address */
	bool expired;
	bool self_signed; /* else signed by the CA of rawd_ca_pem */
};

/* cert NULL: plain. Listens on 127.0.0.1. Aborts if it cannot: a test has no use for less. */
struct rawd *rawd_new(struct event_base *base, const struct rawd_cert *cert);
/* The same on a Unix socket. */
struct rawd *rawd_new_unix(struct event_base *base, const char *path);
/* A proxy and the origin behind it in one: answers CONNECT with 200, then shakes hands. */
struct rawd *rawd_new_tunnel(struct event_base *base, const struct rawd_cert *cert);
void rawd_free(struct rawd *r);
uint16_t rawd_port(const struct rawd *r);
/* PEM of the authority that signs all certificates of this process. */
struct slice rawd_ca_pem(void);

void rawd_add(struct rawd *r, const struct rawd_reply *reply);
/* The usual case: these bytes, in pieces of that size. */
void rawd_say(struct rawd *r, const char *bytes, size_t piece, enum rawd_then then);
/* Sends at once on connection i, asked or not. */
void rawd_push(struct rawd *r, size_t i, struct slice bytes);
void rawd_close_connection(struct rawd *r, size_t i);

size_t rawd_connections(const struct rawd *r); /* ever accepted */
size_t rawd_open(const struct rawd *r);	       /* still open */
size_t rawd_requests(const struct rawd *r);    /* heads seen */
struct slice rawd_received(const struct rawd *r, size_t i);
/* Of the last TLS handshake. */
bool rawd_resumed(const struct rawd *r);
/* The client does not read: stop reading from it too. */
void rawd_stop_reading(struct rawd *r, bool stop);
