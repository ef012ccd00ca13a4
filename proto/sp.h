/*
 * sp -- the wire protocol of nng (SP, scalability protocols) over ipc, without any I/O.
 *
 * Framing and handshake as in nng's ipc transport; request headers as in its REQ/REP protocol:
 *   connect   both sides send 8 bytes at once: 00 'S' 'P' 00, protocol u16 BE, 00 00
 *   frame     01, length u64 BE, payload
 *   request   hop words (bit 31 clear), one id word (bit 31 set), body; the reply repeats all words
 * Numbers are big-endian. Lengths come from strangers and are bounded before they are believed.
 */
#pragma once

#include "base/bytes.h"

#include <stdint.h>

enum sp_role {
	SP_PUB = 0x20,
	SP_SUB = 0x21,
	SP_REQ = 0x30,
	SP_REP = 0x31,
};

#define SP_HELLO_BYTES	    8
#define SP_FRAME_HEAD_BYTES 9
/* The most payload of a request; more is answered with request.too_large, then the end. */
#define SP_REQUEST_MAX_BYTES (4u << 20)
/* The most payload of a reply that a client takes. */
#define SP_REPLY_MAX_BYTES (64u << 20)
#define SP_HOPS_MAX	   8
#define SP_WORD_BYTES	   4
#define SP_ID_BIT	   0x80000000u

void sp_hello_put(uint8_t out[SP_HELLO_BYTES], enum sp_role own);
/* Errors: CORRUPT (not SP), DENIED (SP, but not the role that we can talk to). */
enum err sp_hello_check(const uint8_t in[SP_HELLO_BYTES], enum sp_role peer);

void sp_frame_put(uint8_t out[SP_FRAME_HEAD_BYTES], uint64_t n_payload);

struct sp_frame {
	struct slice payload; /* within the input */
	size_t n_total;	      /* bytes of the input this frame took */
};

/*
 * Looks for one whole frame at the start of the input. AGAIN: not all there, and *ret_need bytes
 * in all are needed to go on (at least one more than n). TOO_LARGE: announces more than max
 * payload bytes. CORRUPT: not a frame. After the last two the connection has to end.
 */
enum err sp_frame_parse(const void *in, size_t n, size_t max, struct sp_frame *ret,
			size_t *ret_need);

struct sp_request {
	struct slice words; /* all header words, to be repeated before the reply */
	struct slice body;
	uint32_t id;	 /* of the last word, bit 31 set */
	unsigned n_hops; /* words before it: 0 for a direct caller */
};

/* Errors: CORRUPT (no word with bit 31: end the connection), TOO_LARGE (> 8 hops: drop it). */
enum err sp_request_parse(struct slice payload, struct sp_request *ret);

/* Appends a whole frame: head, header words, body. Errors: those of bytes. */
enum err sp_add_reply(struct bytes *out, struct slice words, struct slice body);
/* The same with a fresh id word; bit 31 is set for the caller. */
enum err sp_add_request(struct bytes *out, uint32_t id, struct slice body);
/* A frame without words (PUB, SUB). */
enum err sp_add_message(struct bytes *out, struct slice body);
