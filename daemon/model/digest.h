/*
 * digest -- digest access authentication, the client's half (RFC 7616): challenges read, the best
 * one kept, answers made. MD5, SHA-256 and SHA-512-256, each also as -sess; qop auth, auth-int
 * where nothing else is offered, or none as in RFC 2069; userhash; nextnonce. No mutual
 * authentication.
 *
 * Pure: the client's nonce is a parameter. Threads: none of its own.
 * Ownership  a struct digest owns its texts; digest_fini frees them. All zero: no challenge.
 */
#pragma once

#include "base/bytes.h"

enum digest_hash { DIGEST_NONE, DIGEST_MD5, DIGEST_SHA256, DIGEST_SHA512_256 };

struct digest {
	enum digest_hash hash; /* NONE: there is no challenge */
	bool is_sess, has_qop, is_int, is_stale, hashes_user;
	char unknown[64]; /* what kept a challenge from being answered; empty: nothing */
	uint32_t n_used;  /* answers given to this nonce */
	struct bytes realm, nonce, opaque;
	bool has_opaque;
};

struct digest_facts {
	struct slice user, pass;
	struct slice method, target; /* as on the request line */
	struct slice cnonce;	     /* visible ASCII without quote and backslash */
	bool has_body;		     /* what is sent is at hand: body */
	struct slice body;	     /* for auth-int */
};

void digest_fini(struct digest *d);
/*
 * Looks through the challenges of one WWW-Authenticate field and keeps the best that can be
 * answered, if it is better than what *d has. Whether it took one. Texts beyond 4 KiB make a
 * challenge unusable.
 */
bool digest_take(struct digest *d, struct slice field);
/* One Authentication-Info field: the nonce it calls the next is used from now on. */
void digest_take_next(struct digest *d, struct slice field);
/*
 * Appends the value of Authorization and counts the use. Errors: UNSUPPORTED (auth-int of a body
 * that is not at hand), NOMEM, and of bytes.
 */
enum err digest_answer(struct digest *d, const struct digest_facts *f, struct bytes *out);
