#include "edge/reqhead.h"

#include "edge/decode.h"
#include "model/head.h"

#include <string.h>

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!head_is_tchar((unsigned char)s.p[i]))
			return false;
	return s.n > 0;
}

static bool is_target(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f || s.p[i] == '#')
			return false;
	return s.n > 0 && (s.p[0] == '/' || slice_is(s, "*"));
}

static bool is_value(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool is_authority(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 0x7f ||
		    strchr("/?#@\\", s.p[i]) != NULL)
			return false;
	return s.n > 0;
}

/* Made here, from what the engine knows for sure. */
static bool is_reserved(struct slice name)
{
	static const char *const ours[] = {"content-length", "transfer-encoding", "host", "upgrade",
					   "trailer"};
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (slice_eq_nocase(name, slice_of(ours[i])))
			return true;
	return false;
}

static bool has_field(const struct xreq *r, const char *name)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (slice_eq_nocase(r->headers[i].name, slice_of(name)))
			return true;
	return false;
}

static bool is_sound(const struct xreq *r)
{
	if (!is_token(r->method) || !is_target(r->target) || !is_authority(r->authority) ||
	    r->port == 0 || r->host.n == 0 || slice_is(r->method, "CONNECT"))
		return false;
	for (size_t i = 0; i < r->n_headers; i++) {
		const struct xheader *h = &r->headers[i];
		if (!is_token(h->name) || !is_value(h->value) || is_reserved(h->name))
			return false;
	}
	return r->body.kind != XBODY_PULL || r->body.pull != NULL;
}

static void add_base64(struct bytes *out, struct slice s)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			bytes_add_byte(out, i + k <= s.n ? digit[v >> (18 - 6 * k) & 63] : '=');
	}
}

static void add_proxy_login(const struct xreq *r, struct bytes *out)
{
	if (r->proxy.user.n == 0 && r->proxy.pass.n == 0)
		return;
	struct bytes both = BYTES_LIMIT(4096);
	bytes_add_slice(&both, r->proxy.user);
	bytes_add_byte(&both, ':');
	bytes_add_slice(&both, r->proxy.pass);
	bytes_add_str(out, "Proxy-Authorization: Basic ");
	add_base64(out, bytes_slice(&both));
	bytes_add_str(out, "\r\n");
	bytes_fini(&both);
}

static int64_t body_size(const struct xreq *r)
{
	switch (r->body.kind) {
	case XBODY_BYTES:
		return (int64_t)r->body.bytes.n;
	case XBODY_PULL:
		return r->body.size;
	case XBODY_NONE:
		break;
	}
	return 0;
}

static bool wants_length(struct slice method)
{
	return slice_is(method, "POST") || slice_is(method, "PUT") || slice_is(method, "PATCH");
}

static void add_framing(const struct xreq *r, struct bytes *out)
{
	int64_t size = body_size(r);
	if (size < 0) {
		bytes_add_str(out, "Transfer-Encoding: chunked\r\n");
	} else if (size > 0 || r->body.kind != XBODY_NONE || wants_length(r->method)) {
		bytes_add_str(out, "Content-Length: ");
		bytes_add_u64(out, (uint64_t)size);
		bytes_add_str(out, "\r\n");
	}
	if (r->body.expect_continue && size != 0 && !has_field(r, "expect"))
		bytes_add_str(out, "Expect: 100-continue\r\n");
}

static void add_line(struct bytes *out, struct slice name, struct slice value)
{
	bytes_add_slice(out, name);
	bytes_add(out, ": ", 2);
	bytes_add_slice(out, value);
	bytes_add(out, "\r\n", 2);
}

enum err reqhead_write(const struct xreq *r, struct bytes *out, bool *ret_streams)
{
	if (!is_sound(r))
		return ERR_INVALID;
	bool absolute = r->proxy.kind == XPROXY_HTTP && !r->tls && r->unix_socket.n == 0;
	bytes_add_slice(out, r->method);
	bytes_add_str(out, absolute ? " http://" : " ");
	if (absolute)
		bytes_add_slice(out, r->authority);
	if (!(absolute && slice_is(r->target, "*")))
		bytes_add_slice(out, r->target);
	bytes_add_str(out, " HTTP/1.1\r\n");
	add_line(out, SLICE_LIT("Host"), r->authority);
	if (absolute)
		add_proxy_login(r, out);
	for (size_t i = 0; i < r->n_headers; i++)
		add_line(out, r->headers[i].name, r->headers[i].value);
	if (r->decode && !has_field(r, "accept-encoding"))
		add_line(out, SLICE_LIT("Accept-Encoding"), SLICE_LIT(DECODE_ACCEPT));
	add_framing(r, out);
	bytes_add(out, "\r\n", 2);
	bool whole = r->body.kind == XBODY_BYTES && r->body.bytes.n <= REQHEAD_SMALL_BODY &&
		     !r->body.expect_continue;
	if (whole)
		bytes_add_slice(out, r->body.bytes);
	*ret_streams = r->body.kind != XBODY_NONE && !whole && body_size(r) != 0;
	return out->err;
}
