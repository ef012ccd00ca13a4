/*
 * remote_nng -- requests to a daemon on another machine, through libnng: tcp:// and tls+tcp://.
 *
 * One REQ context and one aio per request under way. libnng calls back on its own threads; those
 * only put the answer into a list and wake the descriptor. Resending is off: our requests bear
 * op_id, and the caller decides what to repeat. A connection that is closed is abandoned, not
 * torn down: nng_close of a REQ socket can hang in the versions of Debian 12 while a reply
 * arrives, so the memory of one socket is the price of never hanging.
 */
#include "client/slurp.h"
#include "client/wire.h"
#include "proto/sp.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CALLS_MAX	64
#define SEND_TIMEOUT_MS 30000

enum call_state { CALL_FREE, CALL_SENDING, CALL_RECEIVING, CALL_DONE };

struct call {
	struct wire_nng *owner;
	enum call_state state;
	uint32_t id;
	nng_ctx ctx;
	nng_aio *aio;
	nng_msg *reply;
};

struct wire_nng {
	struct wire wire;
	nng_socket socket;
	int fd;
	pthread_mutex_t lock; /* of what callbacks touch: states, replies, is_closed */
	bool is_closed;
	nng_msg *shown; /* the reply handed out last */
	struct call call[CALLS_MAX];
};

static struct wire_nng *of(struct wire *w)
{
	return (struct wire_nng *)(void *)w;
}

static void wake(struct wire_nng *w)
{
	uint64_t one = 1;
	ssize_t n = write(w->fd, &one, sizeof(one));
	(void)n; /* a full counter is awake already */
}

/* On a thread of libnng. */
static void on_aio(void *arg)
{
	struct call *c = arg;
	struct wire_nng *w = c->owner;
	int rv = nng_aio_result(c->aio);
	pthread_mutex_lock(&w->lock);
	if (rv != 0) {
		if (c->state == CALL_SENDING)
			nng_msg_free(nng_aio_get_msg(c->aio));
		w->is_closed = true;
		c->state = CALL_FREE;
	} else if (c->state == CALL_SENDING) {
		c->state = CALL_RECEIVING;
	} else {
		c->reply = nng_aio_get_msg(c->aio);
		c->state = CALL_DONE;
	}
	bool is_sent = rv == 0 && c->state == CALL_RECEIVING;
	pthread_mutex_unlock(&w->lock);
	if (is_sent) {
		nng_aio_set_timeout(c->aio, NNG_DURATION_INFINITE);
		nng_ctx_recv(c->ctx, c->aio);
	} else {
		wake(w);
	}
}

static struct call *take_call(struct wire_nng *w, uint32_t id)
{
	struct call *found = NULL;
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < CALLS_MAX && found == NULL; i++)
		if (w->call[i].state == CALL_FREE)
			found = &w->call[i];
	if (found != NULL) {
		found->state = CALL_SENDING;
		found->id = id;
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

static void free_call(struct wire_nng *w, struct call *c)
{
	pthread_mutex_lock(&w->lock);
	c->state = CALL_FREE;
	pthread_mutex_unlock(&w->lock);
}

/* Contexts are made when first needed and kept. */
static enum err prepare(struct wire_nng *w, struct call *c)
{
	if (c->aio != NULL)
		return ERR_OK;
	if (nng_ctx_open(&c->ctx, w->socket) != 0)
		return ERR_NOMEM;
	nng_ctx_set_ms(c->ctx, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
	c->owner = w;
	return nng_aio_alloc(&c->aio, on_aio, c) == 0 ? ERR_OK : ERR_NOMEM;
}

static enum err start_call(struct wire_nng *w, struct call *c, struct slice body)
{
	nng_msg *msg;
	enum err e = prepare(w, c);
	if (e != ERR_OK)
		return e;
	if (nng_msg_alloc(&msg, 0) != 0)
		return ERR_NOMEM;
	if (nng_msg_append(msg, body.p, body.n) != 0) {
		nng_msg_free(msg);
		return ERR_NOMEM;
	}
	nng_aio_set_timeout(c->aio, SEND_TIMEOUT_MS);
	nng_aio_set_msg(c->aio, msg);
	nng_ctx_send(c->ctx, c->aio);
	return ERR_OK;
}

static enum err wire_nng_send(struct wire *base, uint32_t id, struct slice body)
{
	struct wire_nng *w = of(base);
	struct call *c = take_call(w, id);
	if (c == NULL)
		return ERR_FULL;
	enum err e = start_call(w, c, body);
	if (e != ERR_OK)
		free_call(w, c);
	return e;
}

static int wire_nng_fd(const struct wire *base)
{
	return ((const struct wire_nng *)(const void *)base)->fd;
}

static short wire_nng_events(const struct wire *base)
{
	(void)base;
	return POLLIN;
}

static enum err wire_nng_turn(struct wire *base)
{
	struct wire_nng *w = of(base);
	uint64_t count;
	ssize_t n = read(w->fd, &count, sizeof(count));
	(void)n; /* nothing to take is no error */
	pthread_mutex_lock(&w->lock);
	bool is_closed = w->is_closed;
	pthread_mutex_unlock(&w->lock);
	return is_closed ? ERR_CLOSED : ERR_OK;
}

static bool wire_nng_next(struct wire *base, uint32_t *ret_id, struct slice *ret_body)
{
	struct wire_nng *w = of(base);
	if (w->shown != NULL)
		nng_msg_free(w->shown);
	w->shown = NULL;
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < CALLS_MAX && w->shown == NULL; i++) {
		struct call *c = &w->call[i];
		if (c->state != CALL_DONE)
			continue;
		w->shown = c->reply;
		*ret_id = c->id;
		c->state = CALL_FREE;
	}
	pthread_mutex_unlock(&w->lock);
	if (w->shown == NULL)
		return false;
	*ret_body = (struct slice){nng_msg_body(w->shown), nng_msg_len(w->shown)};
	return true;
}

static void wire_nng_close(struct wire *base)
{
	struct wire_nng *w = of(base);
	pthread_mutex_lock(&w->lock);
	w->is_closed = true;
	pthread_mutex_unlock(&w->lock);
}

static const struct wire_ops wire_nng_ops = {
	.send = wire_nng_send,
	.fd = wire_nng_fd,
	.events = wire_nng_events,
	.turn = wire_nng_turn,
	.next = wire_nng_next,
	.close = wire_nng_close,
};

static char *read_file(const char *path)
{
	struct bytes b = BYTES_LIMIT(1 << 20);
	char *text = slurp(path, &b) == ERR_OK ? bytes_steal(&b, NULL) : NULL;
	bytes_fini(&b);
	return text;
}

static enum err set_tls(nng_dialer dialer, const struct muster_tls *tls, struct bytes *why)
{
	nng_tls_config *config;
	int rv = nng_tls_config_alloc(&config, NNG_TLS_MODE_CLIENT);
	if (rv != 0)
		return ERR_UNSUPPORTED;
	char *cert = tls->cert_file != NULL ? read_file(tls->cert_file) : NULL;
	char *key = tls->key_file != NULL ? read_file(tls->key_file) : cert;
	nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
	if (tls->ca_file != NULL)
		rv = nng_tls_config_ca_file(config, tls->ca_file);
	if (rv != 0)
		bytes_printf(why, "the certificates in %s cannot be used", tls->ca_file);
	if (rv == 0 && tls->cert_file != NULL) {
		rv = cert != NULL && key != NULL ? nng_tls_config_own_cert(config, cert, key, NULL)
						 : NNG_EINVAL;
		if (rv != 0)
			bytes_printf(why, "the certificate in %s or its key cannot be used",
				     tls->cert_file);
	}
	if (rv == 0)
		rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, config);
	nng_tls_config_free(config);
	if (key != cert)
		free(key);
	free(cert);
	return rv == 0 ? ERR_OK : ERR_INVALID;
}

static enum err dial(struct wire_nng *w, const char *url, const struct muster_tls *tls,
		     int timeout_ms, struct bytes *why)
{
	nng_dialer dialer;
	(void)timeout_ms; /* libnng's own connection timeout holds */
	int rv = nng_req0_open(&w->socket);
	if (rv == 0)
		rv = nng_socket_set_size(w->socket, NNG_OPT_RECVMAXSZ, SP_REPLY_MAX_BYTES);
	if (rv == 0)
		rv = nng_dialer_create(&dialer, w->socket, url);
	if (rv == 0 && strncmp(url, "tls+tcp://", 10) == 0) {
		enum err e = set_tls(dialer, tls, why);
		if (e != ERR_OK)
			return e;
	}
	if (rv == 0)
		rv = nng_dialer_start(dialer, 0);
	if (rv == 0)
		return ERR_OK;
	bytes_add_str(why, nng_strerror(rv));
	return rv == NNG_EADDRINVAL || rv == NNG_ENOTSUP ? ERR_INVALID : ERR_CLOSED;
}

enum err wire_nng_open(const char *url, const struct muster_tls *tls, int timeout_ms,
		       struct wire **ret, struct bytes *why)
{
	struct wire_nng *w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_NOMEM;
	w->wire.ops = &wire_nng_ops;
	pthread_mutex_init(&w->lock, NULL);
	w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	/* Signals stay with the threads of the program. */
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	enum err e = w->fd >= 0 ? dial(w, url, tls, timeout_ms, why) : ERR_IO;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e != ERR_OK) {
		/* No request was ever made, so nothing can arrive: this close cannot hang. */
		nng_close(w->socket);
		pthread_mutex_destroy(&w->lock);
		close(w->fd);
		free(w);
		return e;
	}
	*ret = &w->wire;
	return ERR_OK;
}
