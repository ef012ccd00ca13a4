/*
 * muster -- addresses, the JSON-RPC envelope, and calls on top of a wire.
 */
#include "client/muster.h"

#include "base/bytes.h"
#include "client/wire.h"
#include "proto/jsonscan.h"
#include "proto/sp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 5000

/* A reply that came while somebody waited for another one. */
struct parked {
	struct parked *next;
	uint32_t id;
	int fd; /* the open file that came with it; -1: none */
	size_t n;
	char text[];
};

struct muster {
	struct wire *wire; /* NULL: not connected */
	char *wanted;	   /* the address asked for; NULL: the defaults */
	char *address;	   /* where it is, or was last */
	char *tls_file[3];
	int timeout_ms;
	uint32_t last_id;
	struct bytes request, message;
	struct parked *first, **last;
	struct parked *shown; /* the parked reply handed out last */
};

static void parked_free(struct parked *p)
{
	if (p != NULL && p->fd >= 0)
		close(p->fd);
	free(p);
}

static char *copy_text(const char *text)
{
	return text != NULL ? strdup(text) : NULL;
}

static enum muster_status status_of(enum err e)
{
	switch (e) {
	case ERR_OK:
		return MUSTER_OK;
	case ERR_NOMEM:
		return MUSTER_NOMEM;
	case ERR_INVALID:
	case ERR_TOO_LARGE:
	case ERR_FULL:
		return MUSTER_INVALID;
	default:
		return MUSTER_LOST;
	}
}

static enum muster_status fail(struct muster *m, enum muster_status s, const char *message)
{
	bytes_clear(&m->message);
	bytes_add_str(&m->message, message);
	bytes_cstr(&m->message);
	return s;
}

static enum err open_wire(struct muster *m, const char *address, struct bytes *why)
{
	const struct muster_tls tls = {m->tls_file[0], m->tls_file[1], m->tls_file[2]};
	if (strncmp(address, "ipc://", 6) == 0)
		return wire_unix_open(address + 6, m->timeout_ms, &m->wire, why);
	if (strncmp(address, "unix://", 7) == 0)
		return wire_unix_open(address + 7, m->timeout_ms, &m->wire, why);
	if (strncmp(address, "tcp://", 6) == 0 || strncmp(address, "tls+tcp://", 10) == 0)
		return wire_nng_open(address, &tls, m->timeout_ms, &m->wire, why);
	bytes_add_str(why, "an address is ipc:///path, tcp://HOST:PORT or tls+tcp://HOST:PORT");
	return ERR_INVALID;
}

/* Tries one address; its failure is added to the message. */
static enum err try_address(struct muster *m, const char *address)
{
	struct bytes why = {.limit = 0};
	free(m->address);
	m->address = copy_text(address);
	enum err e = m->address != NULL ? open_wire(m, address, &why) : ERR_NOMEM;
	if (e != ERR_OK) {
		bytes_printf(&m->message, "%s %s (%s)",
			     m->message.n == 0 ? "no daemon answered at" : " nor at", address,
			     bytes_cstr(&why));
		bytes_cstr(&m->message);
	}
	bytes_fini(&why);
	return e;
}

static enum err try_defaults(struct muster *m)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	enum err e = try_address(m, "ipc:///run/musterd/control.sock");
	if (e == ERR_OK || runtime == NULL || runtime[0] != '/')
		return e;
	struct bytes own = {.limit = 0};
	bytes_printf(&own, "ipc://%s/musterd/control.sock", runtime);
	e = try_address(m, bytes_cstr(&own));
	bytes_fini(&own);
	return e;
}

static void drop_parked(struct muster *m)
{
	while (m->first != NULL) {
		struct parked *p = m->first;
		m->first = p->next;
		parked_free(p);
	}
	m->last = &m->first;
	parked_free(m->shown);
	m->shown = NULL;
}

enum muster_status muster_reopen(struct muster *m)
{
	if (m->wire != NULL)
		m->wire->ops->close(m->wire);
	m->wire = NULL;
	drop_parked(m);
	bytes_clear(&m->message);
	enum err e = m->wanted != NULL ? try_address(m, m->wanted) : try_defaults(m);
	if (e == ERR_OK)
		return MUSTER_OK;
	return e == ERR_NOMEM	  ? MUSTER_NOMEM
	       : e == ERR_INVALID ? MUSTER_INVALID
				  : MUSTER_UNREACHABLE;
}

enum muster_status muster_open(struct muster **ret, const struct muster_options *options)
{
	static const struct muster_options none = {.address = NULL};
	const struct muster_options *o = options != NULL ? options : &none;
	struct muster *m = calloc(1, sizeof(*m));
	if (m == NULL)
		return MUSTER_NOMEM;
	const char *address = o->address != NULL ? o->address : getenv("MUSTER_SOCKET");
	m->wanted = copy_text(address != NULL && address[0] != '\0' ? address : NULL);
	m->tls_file[0] = copy_text(o->tls.ca_file);
	m->tls_file[1] = copy_text(o->tls.cert_file);
	m->tls_file[2] = copy_text(o->tls.key_file);
	m->timeout_ms = o->timeout_ms > 0 ? o->timeout_ms : CONNECT_TIMEOUT_MS;
	m->last = &m->first;
	*ret = m;
	return muster_reopen(m);
}

void muster_close(struct muster *m)
{
	if (m == NULL)
		return;
	if (m->wire != NULL)
		m->wire->ops->close(m->wire);
	drop_parked(m);
	free(m->wanted);
	free(m->address);
	for (size_t i = 0; i < 3; i++)
		free(m->tls_file[i]);
	bytes_fini(&m->request);
	bytes_fini(&m->message);
	free(m);
}

const char *muster_message(const struct muster *m)
{
	return m->message.n != 0 ? m->message.p : "";
}

const char *muster_address(const struct muster *m)
{
	return m->address != NULL ? m->address : "";
}

enum muster_status muster_send(struct muster *m, const char *method, const char *params,
			       size_t n_params, uint32_t *ret_id)
{
	if (m->wire == NULL)
		return fail(m, MUSTER_LOST, "not connected");
	uint32_t id = (m->last_id + 1) & ~SP_ID_BIT;
	m->last_id = id == 0 ? 1 : id;
	struct bytes *b = &m->request;
	bytes_clear(b);
	bytes_printf(b, "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"%s\"", m->last_id, method);
	if (params != NULL) {
		bytes_add_str(b, ",\"params\":");
		bytes_add(b, params, n_params);
	}
	bytes_add_byte(b, '}');
	if (b->err != ERR_OK)
		return fail(m, MUSTER_NOMEM, "out of memory");
	if (b->n > SP_REQUEST_MAX_BYTES - 64)
		return fail(m, MUSTER_INVALID,
			    "the request is larger than the daemon takes (4 MiB)");
	enum err e = m->wire->ops->send(m->wire, m->last_id, bytes_slice(b));
	if (e != ERR_OK)
		return fail(m, status_of(e), "the daemon closed the connection");
	*ret_id = m->last_id;
	return MUSTER_OK;
}

int muster_fd(const struct muster *m)
{
	return m->wire != NULL ? m->wire->ops->fd(m->wire) : -1;
}

short muster_events(const struct muster *m)
{
	return m->wire != NULL ? m->wire->ops->events(m->wire) : 0;
}

enum muster_status muster_turn(struct muster *m)
{
	enum err e = m->wire != NULL ? m->wire->ops->turn(m->wire) : ERR_CLOSED;
	if (e != ERR_OK)
		return fail(m, status_of(e), "the daemon closed the connection");
	return MUSTER_OK;
}

static void copy_string(char *out, size_t cap, struct slice object, const char *name)
{
	struct bytes b = {.limit = 0};
	struct slice raw;
	if (jsonscan_member(object, name, &raw) && jsonscan_string(raw, &b) == ERR_OK)
		snprintf(out, cap, "%s", bytes_cstr(&b));
	bytes_fini(&b);
}

static void read_place(struct slice data, struct muster_reply *r)
{
	struct slice raw;
	uint64_t line = 0, column = 0;
	if (jsonscan_member(data, "line", &raw))
		jsonscan_u64(raw, &line);
	if (jsonscan_member(data, "column", &raw))
		jsonscan_u64(raw, &column);
	copy_string(r->path, sizeof(r->path), data, "path");
	r->line = (uint32_t)line;
	r->column = (uint32_t)column;
}

static void read_error(struct slice error, struct muster_reply *r)
{
	struct slice code, data;
	r->code = -32603;
	snprintf(r->kind, sizeof(r->kind), "internal");
	snprintf(r->message, sizeof(r->message), "the daemon gave no reason");
	if (jsonscan_member(error, "code", &code) && code.n < 12) {
		char digits[12] = "";
		memcpy(digits, code.p, code.n);
		r->code = atoi(digits);
	}
	copy_string(r->message, sizeof(r->message), error, "message");
	if (!jsonscan_member(error, "data", &data))
		return;
	copy_string(r->kind, sizeof(r->kind), data, "kind");
	read_place(data, r);
}

/*
 * Finds the result. The daemon writes its envelope in one way, so that a long result need not be
 * scanned; another writer's envelope is searched.
 */
static void read_envelope(struct slice text, struct muster_reply *r)
{
	struct slice value;
	char head[64];
	int n = snprintf(head, sizeof(head), "{\"jsonrpc\":\"2.0\",\"id\":%u,\"result\":", r->id);
	r->text = text.p;
	r->n_text = text.n;
	if (text.n > (size_t)n && memcmp(text.p, head, (size_t)n) == 0 &&
	    text.p[text.n - 1] == '}') {
		r->result = text.p + n;
		r->n_result = text.n - (size_t)n - 1;
	} else if (jsonscan_member(text, "result", &value)) {
		r->result = value.p;
		r->n_result = value.n;
	} else if (jsonscan_member(text, "error", &value)) {
		read_error(value, r);
	} else {
		read_error((struct slice){"{}", 2}, r);
	}
}

/* Hands out a parked reply: the one at *p. */
static void show_parked(struct muster *m, struct parked **p, struct muster_reply *ret)
{
	m->shown = *p;
	*p = m->shown->next;
	if (*p == NULL)
		m->last = p;
	*ret = (struct muster_reply){.id = m->shown->id};
	read_envelope((struct slice){m->shown->text, m->shown->n}, ret);
}

static void forget_shown(struct muster *m)
{
	parked_free(m->shown);
	m->shown = NULL;
}

static int wire_file(struct muster *m)
{
	bool never = m->wire == NULL || m->wire->ops->take_file == NULL;
	return never ? -1 : m->wire->ops->take_file(m->wire);
}

int muster_take_file(struct muster *m)
{
	if (m->shown == NULL)
		return wire_file(m);
	int fd = m->shown->fd;
	m->shown->fd = -1;
	return fd;
}

bool muster_next(struct muster *m, struct muster_reply *ret)
{
	uint32_t id;
	struct slice body;
	*ret = (struct muster_reply){.id = 0};
	forget_shown(m);
	if (m->first != NULL) {
		show_parked(m, &m->first, ret);
		return true;
	}
	if (m->wire == NULL || !m->wire->ops->next(m->wire, &id, &body))
		return false;
	ret->id = id;
	read_envelope(body, ret);
	return true;
}

static enum muster_status park(struct muster *m, const struct muster_reply *r)
{
	struct parked *p = malloc(sizeof(*p) + r->n_text);
	if (p == NULL)
		return fail(m, MUSTER_NOMEM, "out of memory");
	p->next = NULL;
	p->id = r->id;
	p->fd = wire_file(m);
	p->n = r->n_text;
	memcpy(p->text, r->text, r->n_text);
	*m->last = p;
	m->last = &p->next;
	return MUSTER_OK;
}

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until the reply of that id; others that come are parked. */
static enum muster_status await(struct muster *m, uint32_t id, int64_t until_ms,
				struct muster_reply *ret)
{
	while (m->wire != NULL) {
		uint32_t got;
		struct slice body;
		while (m->wire->ops->next(m->wire, &got, &body)) {
			*ret = (struct muster_reply){.id = got};
			read_envelope(body, ret);
			if (got == id)
				return ret->result != NULL ? MUSTER_OK : MUSTER_REFUSED;
			enum muster_status s = park(m, ret);
			if (s != MUSTER_OK)
				return s;
		}
		int64_t left = until_ms < 0 ? -1 : until_ms - now_ms();
		if (until_ms >= 0 && left <= 0)
			return fail(m, MUSTER_TIMEOUT, "the daemon did not answer in time");
		struct pollfd p = {.fd = muster_fd(m), .events = muster_events(m)};
		if (poll(&p, 1,
			 left < 0	? -1
			 : left > 60000 ? 60000
					: (int)left) < 0 &&
		    errno != EINTR)
			return fail(m, MUSTER_LOST, strerror(errno));
		enum muster_status s = muster_turn(m);
		if (s != MUSTER_OK)
			return s;
	}
	return fail(m, MUSTER_LOST, "not connected");
}

/* It may have come while another one was waited for. */
static bool find_parked(struct muster *m, uint32_t id, struct muster_reply *ret)
{
	for (struct parked **p = &m->first; *p != NULL; p = &(*p)->next) {
		if ((*p)->id != id)
			continue;
		show_parked(m, p, ret);
		return true;
	}
	return false;
}

enum muster_status muster_await(struct muster *m, uint32_t id, int timeout_ms,
				struct muster_reply *ret)
{
	enum muster_status s;
	forget_shown(m);
	if (find_parked(m, id, ret))
		s = ret->result != NULL ? MUSTER_OK : MUSTER_REFUSED;
	else
		s = await(m, id, timeout_ms < 0 ? -1 : now_ms() + timeout_ms, ret);
	if (s == MUSTER_REFUSED)
		fail(m, s, ret->message);
	return s;
}

enum muster_status muster_call(struct muster *m, const char *method, const char *params,
			       int timeout_ms, struct muster_reply *ret)
{
	uint32_t id;
	enum muster_status s =
		muster_send(m, method, params, params != NULL ? strlen(params) : 0, &id);
	return s == MUSTER_OK ? muster_await(m, id, timeout_ms, ret) : s;
}
