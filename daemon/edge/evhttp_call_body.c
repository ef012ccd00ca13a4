#include "edge/evhttp_call.h"

#include "model/head_fields.h"

#include <stdio.h>
#include <string.h>

#define RATIO_FREE_BYTES (1u << 20) /* a coding may expand that far whatever the ratio */

static void add_coding(struct bytes *out, struct slice coding)
{
	if (out->n > 0)
		bytes_add_byte(out, ',');
	bytes_add_slice(out, coding);
}

/* In the order in which they were applied; those of the transfer are undone whatever is asked. */
static bool join_codings(const struct head *h, bool decodes, struct bytes *out)
{
	for (size_t i = 0; i < h->n_fields && decodes; i++)
		if (slice_eq_nocase(h->fields[i].name, SLICE_LIT("content-encoding")))
			add_coding(out, h->fields[i].value);
	for (size_t i = 0; i < h->n_fields; i++) {
		struct slice rest = h->fields[i].value, item;
		if (!slice_eq_nocase(h->fields[i].name, SLICE_LIT("transfer-encoding")))
			continue;
		while (fields_next_item(&rest, &item))
			if (fields_compress(item))
				add_coding(out, item);
	}
	return out->err == ERR_OK;
}

bool body_begin(struct xcall *call, const struct head *h)
{
	struct bytes codings = BYTES_LIMIT(4096);
	enum err e = ERR_OK;
	if (h->framing == FRAMING_NONE)
		return true;
	if (!join_codings(h, call->decodes, &codings))
		e = ERR_UNSUPPORTED;
	else if (codings.n > 0)
		e = decode_new(bytes_slice(&codings), &call->decode);
	if (e == ERR_UNSUPPORTED)
		xcall_fail(call, KIND_BODY_DECODE, "body",
			   "the content coding \"%.*s\" is not understood",
			   (int)(codings.n < 60 ? codings.n : 60), codings.p);
	else if (e != ERR_OK)
		xcall_fail(call, KIND_LOCAL_RESOURCE, "body", "memory ran out");
	bytes_fini(&codings);
	if (e == ERR_OK && call->decode == NULL && h->framing == FRAMING_LENGTH &&
	    call->limits.body_bytes > 0 && h->length > (uint64_t)call->limits.body_bytes) {
		xcall_fail(call, KIND_BODY_TOO_LARGE, "body",
			   "the body has %llu bytes, the limit is %lld",
			   (unsigned long long)h->length, (long long)call->limits.body_bytes);
		return false;
	}
	return e == ERR_OK;
}

static bool is_bomb(const struct xcall *call)
{
	return call->decode != NULL && call->decoded_bytes > RATIO_FREE_BYTES &&
	       (call->decoded_bytes - RATIO_FREE_BYTES) / call->limits.decoded_per_wire >
		       call->wire_bytes;
}

/* False: nobody wants any more. */
static bool deliver(struct xcall *call, const char *p, size_t n)
{
	uint64_t limit = (uint64_t)call->limits.body_bytes;
	call->decoded_bytes += n;
	if (limit > 0 && call->decoded_bytes > limit) {
		call->decoded_bytes -= n;
		xcall_fail(call, KIND_BODY_TOO_LARGE, "body",
			   "the decoded body exceeds the limit of %llu bytes",
			   (unsigned long long)limit);
		return false;
	}
	if (is_bomb(call)) {
		xcall_fail(call, KIND_BODY_TOO_LARGE, "body",
			   "the body expands more than %u times when decoded",
			   call->limits.decoded_per_wire);
		return false;
	}
	if (call->credit != SIZE_MAX)
		call->credit -= n;
	call->ev.data(call->ctx, call->id, (struct slice){p, n});
	return !call->failed && !call->aborted;
}

static bool stall(struct xcall *call)
{
	call->stalled = true;
	xcall_await(call, WAIT_NOTHING, 0);
	return false;
}

static size_t room(const struct xcall *call)
{
	return call->credit < SCRATCH_BYTES ? call->credit : SCRATCH_BYTES;
}

static bool take_plain(struct xcall *call, const char *p, size_t n, size_t *used)
{
	while (*used < n) {
		if (call->credit == 0)
			return stall(call);
		size_t take = n - *used < room(call) ? n - *used : room(call);
		if (!deliver(call, p + *used, take)) {
			*used = n;
			return true;
		}
		*used += take;
	}
	return true;
}

static const char *decode_failure(enum err e)
{
	return e == ERR_NOMEM ? "memory ran out while the body was decoded"
			      : "the content coding of the body is broken, or bytes follow its end";
}

static bool take_coded(struct xcall *call, const char *p, size_t n, size_t *used)
{
	bool moved = true;
	while (moved && (*used < n || call->decode_more)) {
		size_t took, made;
		if (call->credit == 0)
			return stall(call);
		size_t cap = room(call);
		enum err e = decode_step(call->decode, (struct slice){p + *used, n - *used}, &took,
					 call->x->scratch, cap, &made);
		*used += took;
		call->decode_more = made == cap;
		moved = took > 0 || made > 0;
		if (e != ERR_OK)
			xcall_fail(call, e == ERR_NOMEM ? KIND_LOCAL_RESOURCE : KIND_BODY_DECODE,
				   "body", "%s", decode_failure(e));
		if (e != ERR_OK || (made > 0 && !deliver(call, call->x->scratch, made)))
			break;
	}
	*used = n;
	return true;
}

bool body_take(void *arg, const char *p, size_t n, size_t *ret_used)
{
	struct xcall *call = arg;
	if (call->failed || call->aborted) {
		*ret_used = n;
		return true;
	}
	if (call->decode != NULL)
		return take_coded(call, p, n, ret_used);
	return take_plain(call, p, n, ret_used);
}

void body_flush(struct xcall *call)
{
	size_t used = 0;
	if (call->decode != NULL && call->decode_more && !call->failed)
		take_coded(call, "", 0, &used);
}

bool body_is_whole(struct xcall *call)
{
	if (call->decode == NULL || decode_finish(call->decode) == ERR_OK)
		return true;
	xcall_fail(call, KIND_BODY_DECODE, "body", "the coded body ends before it is complete");
	return false;
}

/* ---- the request's body ---- */

static enum err pull_bytes(struct xcall *call, char *buf, size_t cap, size_t *ret_n)
{
	size_t left = call->body.bytes.n - call->body_at;
	size_t n = left < cap ? left : cap;
	if (n == 0)
		return ERR_END;
	memcpy(buf, call->body.bytes.p + call->body_at, n);
	call->body_at += n;
	*ret_n = n;
	return ERR_OK;
}

static enum err pull_sized(struct xcall *call, char *buf, size_t cap, size_t *ret_n)
{
	uint64_t left = (uint64_t)call->body.size - call->body_at;
	if (left == 0)
		return ERR_END;
	enum err e =
		call->body.pull(call->body.pull_ctx, buf, left < cap ? (size_t)left : cap, ret_n);
	if (e == ERR_OK)
		call->body_at += *ret_n;
	return e == ERR_END ? ERR_IO : e; /* less than it had promised */
}

/* RFC 9112 section 7.1: "SIZE CRLF data CRLF", in the end "0 CRLF CRLF". */
static enum err pull_chunked(struct xcall *call, char *buf, size_t cap, size_t *ret_n)
{
	enum { BEFORE = 6, AFTER = 2 }; /* "3ff8" CRLF, CRLF */
	size_t n = 0;
	if (call->body_ended)
		return ERR_END;
	enum err e = call->body.pull(call->body.pull_ctx, buf + BEFORE, cap - BEFORE - AFTER, &n);
	if (e == ERR_END) {
		call->body_ended = true;
		memcpy(buf, "0\r\n\r\n", 5);
		*ret_n = 5;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	char size[BEFORE + 1];
	snprintf(size, sizeof(size), "%04zx\r\n", n & 0xffff);
	memcpy(buf, size, BEFORE);
	memcpy(buf + BEFORE + n, "\r\n", AFTER);
	*ret_n = BEFORE + n + AFTER;
	return ERR_OK;
}

enum err body_pull(void *arg, char *buf, size_t cap, size_t *ret_n)
{
	struct xcall *call = arg;
	enum err e;
	if (call->failed || call->aborted)
		return ERR_AGAIN;
	call->body_begun = true;
	if (call->body.kind == XBODY_BYTES)
		e = pull_bytes(call, buf, cap, ret_n);
	else if (call->body.size >= 0)
		e = pull_sized(call, buf, cap, ret_n);
	else
		e = pull_chunked(call, buf, cap, ret_n);
	if (e == ERR_END && call->wait == WAIT_SEND)
		xcall_await(call, WAIT_ANSWER, call->timeouts.first_byte_ms);
	else if (e == ERR_AGAIN && call->wait == WAIT_SEND)
		xcall_await(call, WAIT_NOTHING, 0); /* our own source is slow, not the peer */
	return e;
}
