#include "edge/proxytalk.h"

#include "base/check.h"
#include "model/special.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum step { SAY_HELLO, HEAR_METHOD, HEAR_LOGIN, HEAR_REPLY, HEAR_ADDRESS, HEAR_CONNECT, OPEN };

enum {
	SOCKS5 = 5,
	NO_LOGIN = 0,
	LOGIN = 2,
	CMD_CONNECT = 1,
	ADDR_V4 = 1,
	ADDR_NAME = 3,
	ADDR_V6 = 4
};

static enum err fail(struct proxytalk *t, const char *why)
{
	t->why = why;
	return ERR_IO;
}

static void add_base64(struct bytes *out, const unsigned char *p, size_t n)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
			     (i + 2 < n ? p[i + 2] : 0);
		bytes_add_byte(out, digit[v >> 18]);
		bytes_add_byte(out, digit[v >> 12 & 63]);
		bytes_add_byte(out, i + 1 < n ? digit[v >> 6 & 63] : '=');
		bytes_add_byte(out, i + 2 < n ? digit[v & 63] : '=');
	}
}

static void say_connect(struct proxytalk *t)
{
	bool v6 = memchr(t->host.p, ':', t->host.n) != NULL;
	struct bytes at = BYTES_LIMIT(1024);
	bytes_add_str(&at, v6 ? "[" : "");
	bytes_add_slice(&at, t->host);
	bytes_add_str(&at, v6 ? "]:" : ":");
	bytes_add_u64(&at, t->port);
	bytes_add_str(&t->out, "CONNECT ");
	bytes_add_slice(&t->out, bytes_slice(&at));
	bytes_add_str(&t->out, " HTTP/1.1\r\nHost: ");
	bytes_add_slice(&t->out, bytes_slice(&at));
	bytes_fini(&at);
	if (t->proxy->user.n > 0 || t->proxy->pass.n > 0) {
		struct bytes up = BYTES_LIMIT(4096);
		bytes_add_slice(&up, t->proxy->user);
		bytes_add_byte(&up, ':');
		bytes_add_slice(&up, t->proxy->pass);
		bytes_add_str(&t->out, "\r\nProxy-Authorization: Basic ");
		add_base64(&t->out, (const unsigned char *)up.p, up.n);
		bytes_fini(&up);
	}
	bytes_add_str(&t->out, "\r\n\r\n");
	t->step = HEAR_CONNECT;
}

static void hear(struct proxytalk *t, enum step step, size_t want)
{
	t->step = (uint8_t)step;
	t->n_in = 0;
	t->want = want;
}

static bool has_login(const struct proxytalk *t)
{
	return t->proxy->user.n > 0;
}

static void say_hello(struct proxytalk *t)
{
	if (t->proxy->kind == XPROXY_HTTP) {
		say_connect(t);
		return;
	}
	const char with[] = {SOCKS5, 2, NO_LOGIN, LOGIN}, without[] = {SOCKS5, 1, NO_LOGIN};
	if (has_login(t))
		bytes_add(&t->out, with, sizeof(with));
	else
		bytes_add(&t->out, without, sizeof(without));
	hear(t, HEAR_METHOD, 2);
}

static void say_target(struct proxytalk *t)
{
	struct net_addr a;
	const char head[] = {SOCKS5, CMD_CONNECT, 0};
	bytes_add(&t->out, head, sizeof(head));
	if (net_addr_parse(t->host, &a) == ERR_OK) {
		bytes_add_byte(&t->out, a.is_v6 ? ADDR_V6 : ADDR_V4);
		bytes_add(&t->out, a.b, a.is_v6 ? 16 : 4);
	} else {
		bytes_add_byte(&t->out, ADDR_NAME);
		bytes_add_byte(&t->out, (char)t->host.n);
		bytes_add_slice(&t->out, t->host);
	}
	bytes_add_byte(&t->out, (char)(t->port >> 8));
	bytes_add_byte(&t->out, (char)(t->port & 255));
	hear(t, HEAR_REPLY, 5);
}

enum err proxytalk_init(struct proxytalk *t, const struct xproxy *proxy, struct slice host,
			uint16_t port)
{
	*t = (struct proxytalk){.proxy = proxy, .host = host, .port = port, .step = SAY_HELLO};
	if (host.n > 255 || proxy->user.n > 255 || proxy->pass.n > 255)
		return ERR_INVALID;
	bytes_init(&t->out, 8192);
	head_init(&t->head, (struct head_limits){65536, 256, 10}, true);
	return ERR_OK;
}

void proxytalk_fini(struct proxytalk *t)
{
	bytes_fini(&t->out);
	head_fini(&t->head);
}

static enum err on_method(struct proxytalk *t)
{
	if (t->in[0] != SOCKS5)
		return fail(t, "the proxy does not speak SOCKS5");
	if (t->in[1] == NO_LOGIN) {
		say_target(t);
		return ERR_OK;
	}
	if (t->in[1] != LOGIN || !has_login(t))
		return fail(t, "the SOCKS5 proxy wants a login that was not given");
	bytes_add_byte(&t->out, 1);
	bytes_add_byte(&t->out, (char)t->proxy->user.n);
	bytes_add_slice(&t->out, t->proxy->user);
	bytes_add_byte(&t->out, (char)t->proxy->pass.n);
	bytes_add_slice(&t->out, t->proxy->pass);
	hear(t, HEAR_LOGIN, 2);
	return ERR_OK;
}

static enum err on_login(struct proxytalk *t)
{
	if (t->in[1] != 0)
		return fail(t, "the SOCKS5 proxy refused the login");
	say_target(t);
	return ERR_OK;
}

static enum err on_reply(struct proxytalk *t)
{
	static const char *const text[] = {
		"it succeeded",	       "general failure",	"not allowed by its rules",
		"network unreachable", "host unreachable",	"connection refused",
		"it took too long",    "command not supported", "kind of address not supported",
	};
	unsigned code = t->in[1];
	if (t->in[0] != SOCKS5)
		return fail(t, "the proxy does not speak SOCKS5");
	if (code != 0) {
		snprintf(t->why_text, sizeof(t->why_text), "the SOCKS5 proxy could not connect: %s",
			 code < sizeof(text) / sizeof(*text) ? text[code] : "unknown reason");
		return fail(t, t->why_text);
	}
	size_t rest = t->in[3] == ADDR_V4   ? 4 + 2 - 1
		      : t->in[3] == ADDR_V6 ? 16 + 2 - 1
					    : (size_t)t->in[4] + 2;
	hear(t, HEAR_ADDRESS, rest);
	return ERR_OK;
}

static enum err on_heard(struct proxytalk *t)
{
	switch ((enum step)t->step) {
	case HEAR_METHOD:
		return on_method(t);
	case HEAR_LOGIN:
		return on_login(t);
	case HEAR_REPLY:
		return on_reply(t);
	case HEAR_ADDRESS:
		t->step = OPEN;
		return ERR_OK;
	default:
		CHECK(false);
		return ERR_IO;
	}
}

static enum err received(struct proxytalk *t, ssize_t n)
{
	if (n > 0)
		return ERR_OK;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return ERR_AGAIN;
	return fail(t, n == 0 ? "the proxy closed the connection" : strerror(errno));
}

static enum err hear_bytes(struct proxytalk *t, int fd)
{
	ssize_t n = recv(fd, t->in + t->n_in, t->want - t->n_in, 0);
	enum err e = received(t, n);
	if (e != ERR_OK)
		return e;
	t->n_in += (size_t)n;
	return t->n_in < t->want ? ERR_OK : on_heard(t);
}

/* Looks before it takes: what follows the head belongs to the origin. */
static enum err hear_head(struct proxytalk *t, int fd)
{
	char buf[4096];
	size_t used;
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_PEEK);
	enum err e = received(t, n);
	if (e != ERR_OK)
		return e;
	enum head_state s = head_feed(&t->head, buf, (size_t)n, &used);
	if (s == HEAD_BAD)
		return fail(t, "the proxy's answer to CONNECT is not HTTP");
	if (recv(fd, buf, used, 0) != (ssize_t)used)
		return fail(t, "the proxy's answer to CONNECT could not be read");
	if (s == HEAD_MORE)
		return ERR_OK;
	if (t->head.status / 100 != 2) {
		snprintf(t->why_text, sizeof(t->why_text),
			 "the proxy refused to connect, with status %d", t->head.status);
		return fail(t, t->why_text);
	}
	t->step = OPEN;
	return ERR_OK;
}

static enum err flush(struct proxytalk *t, int fd)
{
	if (t->out.err != ERR_OK)
		return fail(t, "the request to the proxy is too long");
	while (t->out.n > 0) {
		ssize_t n = send(fd, t->out.p, t->out.n, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return ERR_AGAIN;
		if (n <= 0)
			return fail(t, "the request to the proxy could not be sent");
		bytes_drop(&t->out, (size_t)n);
	}
	return ERR_OK;
}

enum err proxytalk_step(struct proxytalk *t, int fd, bool *ret_write)
{
	enum err e = ERR_OK;
	if (t->step == SAY_HELLO)
		say_hello(t);
	while (e == ERR_OK && t->step != OPEN) {
		*ret_write = true;
		e = flush(t, fd);
		if (e != ERR_OK)
			break;
		*ret_write = false;
		e = t->step == HEAR_CONNECT ? hear_head(t, fd) : hear_bytes(t, fd);
	}
	return e;
}
