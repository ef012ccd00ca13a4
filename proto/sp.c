/*
 * sp -- encoding and decoding of nng's ipc frames and request headers; see sp.h. It knows no
 * sockets: callers bring bytes and take bytes.
 */
#include "proto/sp.h"

#include <string.h>

#define WORD_BYTES 4

static uint32_t get_u32(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

void sp_hello_put(uint8_t out[SP_HELLO_BYTES], enum sp_role own)
{
	const uint8_t hello[SP_HELLO_BYTES] = {
		0, 'S', 'P', 0, (uint8_t)((unsigned)own >> 8), (uint8_t)own, 0, 0};
	memcpy(out, hello, sizeof(hello));
}

enum err sp_hello_check(const uint8_t in[SP_HELLO_BYTES], enum sp_role peer)
{
	uint8_t want[SP_HELLO_BYTES];
	sp_hello_put(want, peer);
	if (memcmp(in, want, 4) != 0 || in[6] != 0 || in[7] != 0)
		return ERR_CORRUPT;
	return memcmp(in, want, sizeof(want)) == 0 ? ERR_OK : ERR_DENIED;
}

void sp_frame_put(uint8_t out[SP_FRAME_HEAD_BYTES], uint64_t n_payload)
{
	out[0] = 1;
	put_u32(out + 1, (uint32_t)(n_payload >> 32));
	put_u32(out + 5, (uint32_t)n_payload);
}

enum err sp_frame_parse(const void *in, size_t n, size_t max, struct sp_frame *ret,
			size_t *ret_need)
{
	const uint8_t *b = in;
	if (n >= 1 && b[0] != 1)
		return ERR_CORRUPT;
	if (n < SP_FRAME_HEAD_BYTES) {
		*ret_need = SP_FRAME_HEAD_BYTES;
		return ERR_AGAIN;
	}
	uint64_t length = (uint64_t)get_u32(b + 1) << 32 | get_u32(b + 5);
	if (length > max)
		return ERR_TOO_LARGE;
	size_t total = SP_FRAME_HEAD_BYTES + (size_t)length;
	if (n < total) {
		*ret_need = total;
		return ERR_AGAIN;
	}
	ret->payload = (struct slice){(const char *)b + SP_FRAME_HEAD_BYTES, (size_t)length};
	ret->n_total = total;
	return ERR_OK;
}

enum err sp_request_parse(struct slice payload, struct sp_request *ret)
{
	for (unsigned i = 0; i <= SP_HOPS_MAX; i++) {
		size_t end = (size_t)(i + 1) * WORD_BYTES;
		if (end > payload.n)
			return ERR_CORRUPT;
		uint32_t word = get_u32(payload.p + end - WORD_BYTES);
		if ((word & SP_ID_BIT) == 0)
			continue;
		ret->words = (struct slice){payload.p, end};
		ret->body = (struct slice){payload.p + end, payload.n - end};
		ret->id = word;
		ret->n_hops = i;
		return ERR_OK;
	}
	return ERR_TOO_LARGE;
}

enum err sp_add_reply(struct bytes *out, struct slice words, struct slice body)
{
	uint8_t head[SP_FRAME_HEAD_BYTES];
	sp_frame_put(head, (uint64_t)words.n + body.n);
	enum err e = bytes_reserve(out, sizeof(head) + words.n + body.n);
	if (e != ERR_OK)
		return e;
	bytes_add(out, head, sizeof(head));
	bytes_add_slice(out, words);
	return bytes_add_slice(out, body);
}

enum err sp_add_request(struct bytes *out, uint32_t id, struct slice body)
{
	uint8_t word[WORD_BYTES];
	put_u32(word, id | SP_ID_BIT);
	return sp_add_reply(out, (struct slice){(const char *)word, sizeof(word)}, body);
}

enum err sp_add_message(struct bytes *out, struct slice body)
{
	return sp_add_reply(out, (struct slice){NULL, 0}, body);
}
