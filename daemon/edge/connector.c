/* First: it takes the name LIST_ENTRY for itself and gives it back at its end. */
#include <event2/event_struct.h>

#include "edge/connector.h"

#include "base/check.h"
#include "edge/proxytalk.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define STAGGER_NS (250 * NS_PER_MS)

enum phase { PHASE_DNS, PHASE_CONNECT, PHASE_PROXY, PHASE_TLS };

struct attempt {
	struct connector *c;
	struct event ev;
	int fd; /* -1: not under way */
	struct net_addr addr;
};

struct connector {
	const struct connector_env *env;
	const struct connect_plan *plan;
	connector_done done;
	void *ctx;
	enum phase phase;
	int64_t phase_began_ns;
	struct channel ch;
	struct resolver_wait wait;
	struct resolved to;
	struct attempt attempt[RESOLVED_MAX];
	size_t next, n_open;
	struct tick stagger;
	int worst_errno;    /* the most telling one of the attempts that failed */
	enum kind denied;   /* an address was passed over */
	struct event ready; /* of ch.fd, after the race */
	bool has_ready;
	struct proxytalk talk;
	bool talking;
};

static const char *const phase_name[] = {"dns", "connect", "proxy", "tls"};

const char *connector_phase(const struct connector *c)
{
	return phase_name[c->phase];
}

enum kind connector_vet(const struct net_policy *policy, bool from_public, const struct net_addr *a)
{
	if (!net_policy_allows(policy, a))
		return KIND_POLICY_DENIED;
	if (from_public && special_is(a) && !net_policy_names(policy, a))
		return KIND_REDIRECT_DENIED;
	return KIND_NONE;
}

static struct slice near_host(const struct connector *c)
{
	return c->plan->proxy.kind != XPROXY_NONE ? c->plan->proxy.host : c->plan->host;
}

static uint16_t near_port(const struct connector *c)
{
	return c->plan->proxy.kind != XPROXY_NONE ? c->plan->proxy.port : c->plan->port;
}

static void attempt_close(struct attempt *a)
{
	if (a->fd < 0)
		return;
	event_del(&a->ev);
	close(a->fd);
	a->fd = -1;
	a->c->n_open--;
}

static void release(struct connector *c)
{
	resolver_forget(&c->wait);
	tick_disarm(&c->stagger);
	for (size_t i = 0; i < RESOLVED_MAX; i++)
		attempt_close(&c->attempt[i]);
	if (c->has_ready)
		event_del(&c->ready);
	if (c->talking)
		proxytalk_fini(&c->talk);
	free(c);
}

void connector_cancel(struct connector *c)
{
	if (c == NULL)
		return;
	SSL_free(c->ch.ssl);
	if (c->ch.fd >= 0)
		close(c->ch.fd);
	release(c);
}

static void fail(struct connector *c, enum kind kind, struct slice why)
{
	connector_done done = c->done;
	void *ctx = c->ctx;
	const char *phase = connector_phase(c);
	SSL_free(c->ch.ssl);
	c->ch.ssl = NULL;
	if (c->ch.fd >= 0)
		close(c->ch.fd);
	c->ch.fd = -1;
	if (c->has_ready)
		event_del(&c->ready);
	c->has_ready = false;
	done(ctx, NULL, kind, phase, why);
	release(c);
}

static void fail_text(struct connector *c, enum kind kind, const char *form, const char *detail)
{
	char buf[400], at[128];
	struct slice host = near_host(c);
	bool is_v6 = host.n > 0 && host.p[0] != '[' && memchr(host.p, ':', host.n) != NULL;
	snprintf(at, sizeof(at), is_v6 ? "[%.*s]:%u" : "%.*s:%u",
		 (int)(host.n < 100 ? host.n : 100), host.p, near_port(c));
	int n = snprintf(buf, sizeof(buf), form, at, detail);
	fail(c, kind, (struct slice){buf, (size_t)n < sizeof(buf) ? (size_t)n : sizeof(buf) - 1});
}

static int64_t phase_took(struct connector *c)
{
	int64_t now = clock_mono_ns(c->env->clock), took = now - c->phase_began_ns;
	c->phase_began_ns = now;
	return took;
}

static void succeed(struct connector *c)
{
	struct channel ch = c->ch;
	connector_done done = c->done;
	void *ctx = c->ctx;
	release(c);
	done(ctx, &ch, KIND_NONE, NULL, (struct slice){NULL, 0});
}

/* ---- after the race: proxy, TLS ---- */

static void advance(struct connector *c);

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	struct connector *c = arg;
	c->has_ready = false;
	advance(c);
}

static void wait_for(struct connector *c, bool write)
{
	event_assign(&c->ready, c->env->base, c->ch.fd, write ? EV_WRITE : EV_READ, on_ready, c);
	c->has_ready = true;
	event_add(&c->ready, NULL);
}

static void fail_tls(struct connector *c, int sys_error)
{
	struct bytes why = BYTES_LIMIT(512);
	enum kind kind = tls_explain(c->ch.ssl, ERR_get_error(), sys_error, &why);
	ERR_clear_error();
	fail(c, kind, bytes_slice(&why));
	bytes_fini(&why);
}

static bool begin_tls(struct connector *c)
{
	c->phase = PHASE_TLS;
	c->ch.ssl = tls_profile_ssl(c->plan->profile, c->plan->host, c->plan->session_key);
	if (c->ch.ssl != NULL && SSL_set_fd(c->ch.ssl, c->ch.fd) == 1)
		return true;
	fail(c, KIND_LOCAL_RESOURCE, SLICE_LIT("memory ran out"));
	return false;
}

static void step_tls(struct connector *c)
{
	if (c->ch.ssl == NULL && !begin_tls(c))
		return;
	ERR_clear_error();
	errno = 0;
	int r = SSL_do_handshake(c->ch.ssl);
	int sys_error = errno;
	if (r == 1) {
		c->ch.tls_ns = phase_took(c);
		succeed(c);
		return;
	}
	switch (SSL_get_error(c->ch.ssl, r)) {
	case SSL_ERROR_WANT_READ:
		wait_for(c, false);
		return;
	case SSL_ERROR_WANT_WRITE:
		wait_for(c, true);
		return;
	default:
		fail_tls(c, sys_error);
	}
}

static void step_proxy(struct connector *c)
{
	bool write = false;
	if (!c->talking) {
		c->talking = true;
		if (proxytalk_init(&c->talk, &c->plan->proxy, c->plan->host, c->plan->port) !=
		    ERR_OK) {
			fail(c, KIND_PROXY_FAILED, SLICE_LIT("the name is too long for SOCKS5"));
			return;
		}
	}
	enum err e = proxytalk_step(&c->talk, c->ch.fd, &write);
	if (e == ERR_AGAIN) {
		wait_for(c, write);
	} else if (e != ERR_OK) {
		fail(c, KIND_PROXY_FAILED, slice_of(c->talk.why));
	} else {
		c->ch.connect_ns += phase_took(c);
		c->phase = PHASE_TLS;
		advance(c);
	}
}

static void advance(struct connector *c)
{
	if (c->phase == PHASE_PROXY)
		step_proxy(c);
	else if (c->plan->profile != NULL)
		step_tls(c);
	else
		succeed(c);
}

/* ---- the race ---- */

static void on_connected(struct connector *c, int fd)
{
	int on = 1;
	c->ch.fd = fd;
	c->ch.connect_ns = phase_took(c);
	if (c->plan->unix_socket.n == 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	bool talks = c->plan->proxy.kind == XPROXY_SOCKS5 ||
		     (c->plan->proxy.kind == XPROXY_HTTP && c->plan->tunnel);
	c->phase = talks ? PHASE_PROXY : PHASE_TLS;
	advance(c);
}

static void win(struct attempt *a)
{
	struct connector *c = a->c;
	int fd = a->fd;
	event_del(&a->ev);
	a->fd = -1;
	c->n_open--;
	c->ch.has_peer = true;
	c->ch.peer = a->addr;
	tick_disarm(&c->stagger);
	for (size_t i = 0; i < RESOLVED_MAX; i++)
		attempt_close(&c->attempt[i]);
	on_connected(c, fd);
}

static bool is_shortage(int e)
{
	return e == EMFILE || e == ENFILE || e == ENOBUFS || e == ENOMEM || e == EADDRNOTAVAIL ||
	       e == EAGAIN;
}

/* Of several failures the one that tells most: a refusal beats a silence beats no route. */
static int weight(int e)
{
	if (is_shortage(e))
		return 4;
	return e == ECONNREFUSED ? 3 : e == ETIMEDOUT ? 2 : e != 0;
}

static void fail_race(struct connector *c)
{
	int e = c->worst_errno;
	if (e == 0 && c->denied == KIND_REDIRECT_DENIED)
		fail_text(c, c->denied, "a redirect from a public address may not lead to %s%s",
			  "");
	else if (e == 0)
		fail_text(c, KIND_POLICY_DENIED, "the network policy forbids every address of %s%s",
			  "");
	else if (is_shortage(e))
		fail_text(c, KIND_LOCAL_RESOURCE, "no socket for %s: %s", strerror(e));
	else if (e == ECONNREFUSED)
		fail_text(c, KIND_CONNECT_REFUSED, "%s refused the connection%s", "");
	else if (e == ETIMEDOUT)
		fail_text(c, KIND_CONNECT_TIMEOUT, "%s did not answer%s", "");
	else
		fail_text(c, KIND_CONNECT_FAILED, "no connection to %s: %s", strerror(e));
}

static void go_on(struct connector *c);

static void lose(struct connector *c, int e)
{
	if (weight(e) > weight(c->worst_errno))
		c->worst_errno = e;
}

static void on_attempt(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	struct attempt *a = arg;
	struct connector *c = a->c;
	int e = 0;
	socklen_t n = sizeof(e);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0)
		e = errno;
	if (e == 0) {
		win(a);
		return;
	}
	lose(c, e);
	attempt_close(a);
	go_on(c);
}

static socklen_t to_sockaddr(const struct net_addr *a, uint16_t port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (a->is_v6) {
		struct sockaddr_in6 *s = (void *)ss;
		s->sin6_family = AF_INET6;
		s->sin6_port = htons(port);
		memcpy(&s->sin6_addr, a->b, 16);
		return sizeof(*s);
	}
	struct sockaddr_in *s = (void *)ss;
	s->sin_family = AF_INET;
	s->sin_port = htons(port);
	memcpy(&s->sin_addr, a->b, 4);
	return sizeof(*s);
}

/* False if it failed at once. */
static bool attempt_open(struct attempt *a, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t n = to_sockaddr(&a->addr, port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, (void *)&ss, n) != 0 && errno != EINPROGRESS)) {
		lose(a->c, errno);
		if (fd >= 0)
			close(fd);
		return false;
	}
	a->fd = fd;
	a->c->n_open++;
	event_assign(&a->ev, a->c->env->base, fd, EV_WRITE, on_attempt, a);
	event_add(&a->ev, NULL);
	return true;
}

/* Starts the next address that is allowed and does not fail at once. */
static void go_on(struct connector *c)
{
	while (c->next < c->to.n) {
		struct attempt *a = &c->attempt[c->next];
		a->addr = c->to.addr[c->next++];
		enum kind k = connector_vet(c->plan->policy, c->plan->from_public, &a->addr);
		if (k != KIND_NONE) {
			c->denied = k;
			continue;
		}
		if (!attempt_open(a, near_port(c)))
			continue;
		if (c->next < c->to.n)
			tick_arm(c->env->ticks, &c->stagger,
				 clock_mono_ns(c->env->clock) + STAGGER_NS);
		return;
	}
	if (c->n_open == 0)
		fail_race(c);
}

static void on_stagger(struct tick *t)
{
	go_on(LIST_ENTRY(t, struct connector, stagger));
}

static void connect_unix(struct connector *c)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct slice path = c->plan->unix_socket;
	c->phase = PHASE_CONNECT;
	if (path.n >= sizeof(un.sun_path) || memchr(path.p, '\0', path.n) != NULL) {
		fail(c, KIND_CONNECT_FAILED, SLICE_LIT("the path of the Unix socket is too long"));
		return;
	}
	memcpy(un.sun_path, path.p, path.n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (void *)&un, sizeof(un)) == 0) {
		on_connected(c, fd);
		return;
	}
	int e = errno;
	if (fd >= 0)
		close(fd);
	char why[200];
	int n = snprintf(why, sizeof(why), "no connection to the Unix socket %.100s: %s",
			 un.sun_path, strerror(e));
	fail(c,
	     fd < 0		 ? KIND_LOCAL_RESOURCE
	     : e == ECONNREFUSED ? KIND_CONNECT_REFUSED
				 : KIND_CONNECT_FAILED,
	     (struct slice){why, (size_t)n});
}

/* ---- the name ---- */

static void on_addresses(struct connector *c)
{
	if (c->to.kind != KIND_NONE) {
		fail(c, c->to.kind, slice_of(c->to.why));
		return;
	}
	c->ch.dns_ns = phase_took(c);
	c->phase = PHASE_CONNECT;
	go_on(c);
}

static void on_resolved(struct resolver_wait *w, const struct resolved *r)
{
	struct connector *c = LIST_ENTRY(w, struct connector, wait);
	c->to = *r;
	on_addresses(c);
}

static bool overridden(struct connector *c)
{
	for (size_t i = 0; i < c->plan->n_resolve; i++) {
		const struct xresolve *r = &c->plan->resolve[i];
		if (r->port != near_port(c) || !slice_eq_nocase(r->host, near_host(c)))
			continue;
		c->to = (struct resolved){.kind = KIND_NONE, .n = 1};
		if (net_addr_parse(r->addr, &c->to.addr[0]) == ERR_OK)
			return true;
	}
	return false;
}

/* An address behind a proxy is the proxy's to connect to, but ours to forbid. */
static bool far_address_denied(struct connector *c)
{
	struct net_addr a;
	if (c->plan->proxy.kind == XPROXY_NONE || net_addr_parse(c->plan->host, &a) != ERR_OK)
		return false;
	c->denied = connector_vet(c->plan->policy, c->plan->from_public, &a);
	return c->denied != KIND_NONE;
}

enum err connector_new(const struct connector_env *env, const struct connect_plan *plan,
		       connector_done done, void *ctx, struct connector **ret)
{
	struct connector *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	c->env = env;
	c->plan = plan;
	c->done = done;
	c->ctx = ctx;
	c->ch = (struct channel){.fd = -1, .dns_ns = -1, .connect_ns = -1, .tls_ns = -1};
	c->wait.done = on_resolved;
	list_init(&c->wait.link);
	tick_init(&c->stagger, on_stagger);
	for (size_t i = 0; i < RESOLVED_MAX; i++) {
		c->attempt[i].c = c;
		c->attempt[i].fd = -1;
	}
	*ret = c;
	return ERR_OK;
}

void connector_start(struct connector *c)
{
	c->phase_began_ns = clock_mono_ns(c->env->clock);
	if (c->plan->unix_socket.n > 0) {
		connect_unix(c);
	} else if (far_address_denied(c)) {
		fail_race(c);
	} else if (overridden(c)) {
		on_addresses(c);
	} else {
		enum err e = resolver_ask(c->env->resolver, near_host(c), &c->wait, &c->to);
		if (e == ERR_OK)
			on_addresses(c);
		else if (e != ERR_AGAIN)
			fail(c, KIND_LOCAL_RESOURCE, SLICE_LIT("memory ran out"));
	}
}
