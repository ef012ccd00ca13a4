/*
 * digest -- digest access authentication, the client's half (RFC 7616): challenges read, the best
 * one kept, answers made. MD5, SHA-256 and SHA-512-256, each also as -sess; qop auth, or none as
 * in RFC 2069; userhash. Not auth-int, no mutual authentication.
 *
 * Pure: the client's nonce is a parameter. Threads: none of its own.
 * Ownership  a struct digest owns its texts; digest_fini frees them. All zero: no challenge.
 */
#pragma once

#include "base/bytes.h"

enum digest_hash { DIGEST_NONE, DIGEST_MD5, DIGEST_SHA256, DIGEST_SHA512_256 };

struct digest {
	enum digest_hash hash; /* NONE: there is no challenge */
	bool is_sess, has_qop, is_stale, hashes_user;
	uint32_t n_used; /* answers given to this nonce */
	struct bytes realm, nonce, opaque;
	bool has_opaque;
};

struct digest_facts {
	struct slice user, pass;
	struct slice method, target; /* as on the request line */
	struct slice cnonce;	     /* visible ASCII without quote and backslash */
};

void digest_fini(struct digest *d);
/*
 * Looks through the challenges of one WWW-Authenticate field and keeps the best that can be
 * answered, if it is better than what *d has. Whether it took one. Texts beyond 4 KiB make a
 * challenge unusable.
 */
bool digest_take(struct digest *d, struct slice field);
/* Appends the value of Authorization and counts the use. Errors: NOMEM, and of bytes. */
enum err digest_answer(struct digest *d, const struct digest_facts *f, struct bytes *out);
