/*
 * head -- the head of an HTTP/1 response, from raw bytes to a verdict: what it says, how its body
 * is framed, whether the connection may be used again, or why it is refused.
 *
 * The reference is curl where it is safe, RFC 9112 where curl would guess: a body's length is
 * never guessed, and after anything ambiguous the connection is not used again. docs/http.md has
 * the table.
 *
 * Threads    none of its own. Ownership: fields and reason point into the head, valid until the
 *            next head_reset or head_fini.
 * Bounds     limits hold for the head and all 1xx heads before it together.
 */
#pragma once

#include "base/bytes.h"
#include "proto/errors.h"

#include <stdbool.h>
#include <stdint.h>

enum head_state { HEAD_MORE, HEAD_DONE, HEAD_BAD };

enum framing {
	FRAMING_NONE,	 /* no body, whatever the fields say */
	FRAMING_LENGTH,	 /* exactly head.length bytes */
	FRAMING_CHUNKED, /* dechunk.h */
	FRAMING_CLOSE,	 /* until the connection ends */
};

struct head_field {
	struct slice name, value; /* as received; outer blanks trimmed, folds joined by spaces */
};

struct head_limits {
	size_t bytes;
	size_t fields;
	uint32_t interim; /* 1xx heads before the final one */
};

struct head {
	/* to be set by head_init, kept by head_reset */
	struct head_limits limits;
	bool to_head; /* the request was HEAD: no body */

	/* the verdict, at HEAD_DONE */
	int status, minor;
	struct slice reason;
	struct head_field *fields;
	size_t n_fields;
	enum framing framing;
	uint64_t length;
	bool reusable;	       /* as far as version, Connection and framing say */
	bool ambiguous;	       /* something two readers may read differently */
	int64_t keep_alive_ms; /* of Keep-Alive: timeout=, else -1 */

	/* at HEAD_BAD */
	enum kind kind;	 /* protocol.malformed or headers.too_large */
	const char *why; /* a sentence */

	/* private */
	struct bytes raw;
	size_t cap_fields;
	size_t line; /* where the current line begins */
	size_t used; /* bytes and fields of earlier 1xx heads */
	size_t used_fields;
	uint32_t n_interim;
	bool interim_continue; /* a 100 was among them */
};

void head_init(struct head *h, struct head_limits limits, bool to_head);
void head_fini(struct head *h);
/* Gives back the texts, fields and reason; what they mean stays, until the next reset. */
void head_drop_texts(struct head *h);
/* Ready for another response; keeps limits and memory. */
void head_reset(struct head *h, bool to_head);
/*
 * Takes bytes up to the end of the final head; *ret_used tells how many. 1xx heads are counted and
 * swallowed; *ret_continue is set when a 100 was among them. At HEAD_DONE and HEAD_BAD it takes
 * nothing more. 101 is BAD: nobody asked for another protocol.
 */
enum head_state head_feed(struct head *h, const char *p, size_t n, size_t *ret_used);
/* A 100 Continue came since head_reset. */
bool head_saw_continue(const struct head *h);
/* At least one byte came since head_reset. */
bool head_begun(const struct head *h);
/* The first field of that name, ASCII case ignored; NULL if there is none. */
const struct head_field *head_find(const struct head *h, const char *name);
/* True if one of the comma-separated values of all fields of that name is the token. */
bool head_has_token(const struct head *h, const char *name, const char *token);

/*
 * One line of a field, "name: value" without its end, as in a trailer. False if it is none.
 * Sets *ret_odd if the name is not a token or blanks stand before the colon.
 */
bool head_split_field(struct slice line, struct head_field *ret, bool *ret_odd);
/* RFC 9110 section 5.6.2. */
bool head_is_tchar(unsigned char c);
