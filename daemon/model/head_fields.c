#include "model/head_fields.h"

#include <string.h>

bool fields_frame_the_body(struct slice name)
{
	return slice_eq_nocase(name, SLICE_LIT("content-length")) ||
	       slice_eq_nocase(name, SLICE_LIT("transfer-encoding"));
}

bool fields_next_item(struct slice *rest, struct slice *ret_item)
{
	while (rest->n > 0) {
		const char *comma = memchr(rest->p, ',', rest->n);
		size_t n = comma != NULL ? (size_t)(comma - rest->p) : rest->n;
		struct slice item = {rest->p, n};
		size_t skip = comma != NULL ? n + 1 : n;
		rest->p += skip;
		rest->n -= skip;
		while (item.n > 0 && (*item.p == ' ' || *item.p == '\t')) {
			item.p++;
			item.n--;
		}
		while (item.n > 0 && (item.p[item.n - 1] == ' ' || item.p[item.n - 1] == '\t'))
			item.n--;
		if (item.n > 0) {
			*ret_item = item;
			return true;
		}
	}
	return false;
}

static bool refuse(struct head *h, const char *why)
{
	h->kind = KIND_PROTOCOL_MALFORMED;
	h->why = why;
	return false;
}

enum length { LENGTH_OK, LENGTH_BAD, LENGTH_HUGE };

#define LENGTH_MAX ((uint64_t)INT64_MAX)

/* Digits only: "+5", "0x5" and "5 bytes" would be read differently by others. */
static enum length parse_length(struct slice s, uint64_t *ret)
{
	uint64_t v = 0;
	bool huge = false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return LENGTH_BAD;
		uint64_t digit = (uint64_t)(s.p[i] - '0');
		huge |= v > (LENGTH_MAX - digit) / 10;
		v = huge ? v : v * 10 + digit;
	}
	*ret = v;
	return s.n == 0 ? LENGTH_BAD : huge ? LENGTH_HUGE : LENGTH_OK;
}

/* What the Content-Length fields say: nothing, one number, or a length beyond belief. */
struct said_length {
	bool present, huge;
	uint64_t v;
};

static bool one_length(struct head *h, struct slice value, struct said_length *said)
{
	struct slice rest = value, item;
	if (rest.n == 0 || rest.p[0] == ',')
		return refuse(h, "the Content-Length of the answer is empty");
	while (fields_next_item(&rest, &item)) {
		uint64_t v;
		enum length l = parse_length(item, &v);
		if (l == LENGTH_BAD)
			return refuse(h, "the Content-Length of the answer is not a number");
		if (said->present && (l == LENGTH_HUGE) != said->huge)
			return refuse(h, "the answer has two different lengths");
		if (said->present && !said->huge && v != said->v)
			return refuse(h, "the answer has two different lengths");
		h->ambiguous |= said->present;
		*said = (struct said_length){true, l == LENGTH_HUGE, v};
	}
	return said->present ? true : refuse(h, "the Content-Length of the answer is empty");
}

/* What the Transfer-Encoding fields say. */
struct said_codings {
	bool present, compresses;
	unsigned chunked;
};

bool fields_compress(struct slice coding)
{
	return slice_eq_nocase(coding, SLICE_LIT("gzip")) ||
	       slice_eq_nocase(coding, SLICE_LIT("x-gzip")) ||
	       slice_eq_nocase(coding, SLICE_LIT("deflate"));
}

/* Codings that were not asked for are undone (as curl does); chunked is the last (RFC 9112
 * section 6.1). */
static bool one_coding(struct head *h, struct slice value, struct said_codings *said)
{
	struct slice rest = value, item;
	said->present = true;
	while (fields_next_item(&rest, &item)) {
		bool compresses = fields_compress(item);
		if (slice_eq_nocase(item, SLICE_LIT("chunked")))
			said->chunked++;
		else if ((compresses && said->chunked == 0) ||
			 slice_eq_nocase(item, SLICE_LIT("identity")))
			h->ambiguous = true;
		else
			return refuse(h, "the answer has a transfer coding that is not understood");
		said->compresses |= compresses;
	}
	return true;
}

/* "timeout=5" among the parameters of Keep-Alive. */
static int64_t keep_alive(struct slice value)
{
	struct slice rest = value, item;
	while (fields_next_item(&rest, &item)) {
		uint64_t v;
		struct slice key = SLICE_LIT("timeout=");
		if (item.n <= key.n || !slice_eq_nocase((struct slice){item.p, key.n}, key))
			continue;
		struct slice num = {item.p + key.n, item.n - key.n};
		if (parse_length(num, &v) == LENGTH_OK)
			return v > 86400 ? 86400000 : (int64_t)v * 1000;
	}
	return -1;
}

static void connection_says(struct head *h)
{
	h->reusable = h->minor >= 1;
	if (head_has_token(h, "connection", "keep-alive") ||
	    (h->minor == 0 && head_has_token(h, "proxy-connection", "keep-alive")))
		h->reusable = true;
	if (head_has_token(h, "connection", "close"))
		h->reusable = false;
	const struct head_field *f = head_find(h, "keep-alive");
	if (f != NULL)
		h->keep_alive_ms = keep_alive(f->value);
}

static void decide_framing(struct head *h, const struct said_length *said,
			   const struct said_codings *codings)
{
	if (h->to_head || h->status == 204 || h->status == 304)
		h->framing = FRAMING_NONE;
	else if (codings->chunked > 0)
		h->framing = FRAMING_CHUNKED;
	else if (said->present && !said->huge && !codings->compresses)
		h->framing = FRAMING_LENGTH;
	else
		h->framing = FRAMING_CLOSE;
	h->length = h->framing == FRAMING_LENGTH ? said->v : 0;
	if (h->framing == FRAMING_LENGTH && said->v == 0)
		h->framing = FRAMING_NONE;
}

/* Where no body can come, its length only says what kind of server that is. */
static bool forgive_length(struct head *h)
{
	if (h->status != 204 && h->status != 304)
		return false;
	h->kind = KIND_NONE;
	h->why = NULL;
	h->ambiguous = true;
	return true;
}

bool fields_verdict(struct head *h)
{
	struct said_length said = {false, false, 0};
	struct said_codings codings = {false, false, 0};
	for (size_t i = 0; i < h->n_fields; i++) {
		const struct head_field *f = &h->fields[i];
		if (f->name.n == 14 && slice_eq_nocase(f->name, SLICE_LIT("content-length"))) {
			if (!one_length(h, f->value, &said) && !forgive_length(h))
				return false;
		} else if (f->name.n == 17 &&
			   slice_eq_nocase(f->name, SLICE_LIT("transfer-encoding"))) {
			if (!one_coding(h, f->value, &codings))
				return false;
		}
	}
	/* Transfer-Encoding wins (RFC 9112 section 6.3), and nobody else gets this connection. */
	if (codings.chunked > 1 || (codings.present && said.present) ||
	    (codings.chunked > 0 && h->minor == 0))
		h->ambiguous = true;
	connection_says(h);
	decide_framing(h, &said, &codings);
	if (h->framing == FRAMING_CLOSE || h->ambiguous)
		h->reusable = false;
	return true;
}
