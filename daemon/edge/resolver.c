#include "edge/resolver.h"

#include "base/table.h"

#include <ares.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES  4096
#define TTL_MIN_NS NS_PER_S
#define TTL_MAX_NS (300 * NS_PER_S)
#define TRY_MS	   5000
#define TRIES	   2
#define NAME_MAX_N 255
#define UDP_BYTES  1232 /* an answer of that size is not fragmented (DNS flag day 2020) */

struct resolver {
	struct event_base *base;
	const struct clock *clock;
	struct ticks *ticks;
	struct tick tick; /* the earliest timeout of c-ares */
	ares_channel channel;
	struct table names; /* struct name by host */
	struct link sockets;
	uint64_t queries;
	bool closing;
};

struct name {
	struct resolver *r;
	struct link waits;
	bool asking;
	int64_t expires_ns;
	struct resolved said;
	char host[];
};

struct dns_socket {
	struct link link;
	struct event *ev;
	struct resolver *r;
	int fd;
};

static void set_timer(struct resolver *r)
{
	struct timeval tv;
	if (ares_timeout(r->channel, NULL, &tv) == NULL) {
		tick_disarm(&r->tick);
		return;
	}
	int64_t wait = tv.tv_sec * NS_PER_S + tv.tv_usec * NS_PER_US;
	tick_arm(r->ticks, &r->tick, clock_mono_ns(r->clock) + wait);
}

static void on_tick(struct tick *t)
{
	struct resolver *r = LIST_ENTRY(t, struct resolver, tick);
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(r);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = ((struct dns_socket *)arg)->r;
	ares_process_fd(r->channel, what & EV_READ ? fd : ARES_SOCKET_BAD,
			what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(r);
}

static struct dns_socket *socket_of(struct resolver *r, int fd)
{
	LIST_EACH (l, &r->sockets) {
		struct dns_socket *s = LIST_ENTRY(l, struct dns_socket, link);
		if (s->fd == fd)
			return s;
	}
	return NULL;
}

static void socket_free(struct dns_socket *s)
{
	list_remove(&s->link);
	if (s->ev != NULL)
		event_free(s->ev);
	free(s);
}

/* c-ares tells which sockets it wants watched, and for what. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct dns_socket *s = socket_of(r, fd);
	short want = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));
	if (s != NULL)
		socket_free(s);
	if (want == 0)
		return;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return; /* the query then times out */
	s->fd = fd;
	s->r = r;
	list_push_back(&r->sockets, &s->link);
	s->ev = event_new(r->base, fd, (short)(want | EV_PERSIST), on_socket, s);
	if (s->ev != NULL)
		event_add(s->ev, NULL);
}

enum err resolver_new(struct event_base *base, const struct clock *clock, struct ticks *ticks,
		      uint64_t seed, const char *servers, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	if (r == NULL)
		return ERR_NOMEM;
	r->base = base;
	r->clock = clock;
	r->ticks = ticks;
	tick_init(&r->tick, on_tick);
	list_init(&r->sockets);
	table_init(&r->names, seed);
	struct ares_options o = {.flags = ARES_FLAG_EDNS,
				 .ednspsz = UDP_BYTES,
				 .timeout = TRY_MS,
				 .tries = TRIES,
				 .sock_state_cb = on_socket_state,
				 .sock_state_cb_data = r,
				 .lookups = (char[]){"fb"}};
	int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
		   ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
		goto fail;
	if (ares_init_options(&r->channel, &o, mask) != ARES_SUCCESS)
		goto fail_library;
	if (servers != NULL && ares_set_servers_ports_csv(r->channel, servers) != ARES_SUCCESS)
		goto fail_channel;
	*ret = r;
	return ERR_OK;
fail_channel:
	ares_destroy(r->channel);
fail_library:
	ares_library_cleanup();
fail:
	table_fini(&r->names);
	free(r);
	return ERR_IO;
}

void resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	r->closing = true;
	ares_destroy(r->channel);
	ares_library_cleanup();
	tick_disarm(&r->tick);
	while (!list_empty(&r->sockets))
		socket_free(LIST_ENTRY(list_first(&r->sockets), struct dns_socket, link));
	TABLE_EACH (e, &r->names) {
		free(e->value);
	}
	table_fini(&r->names);
	free(r);
}

uint64_t resolver_queries(const struct resolver *r)
{
	return r->queries;
}

static void said_failed(struct resolved *s, enum kind kind, const char *host, const char *why)
{
	s->kind = kind;
	s->n = 0;
	snprintf(s->why, sizeof(s->why), "%.80s %s", host, why);
}

static void say_failure(struct name *nm, int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
		said_failed(&nm->said, KIND_DNS_FAILED, nm->host, "does not exist");
		return;
	case ARES_ENODATA:
		said_failed(&nm->said, KIND_DNS_FAILED, nm->host, "has no address");
		return;
	case ARES_ETIMEOUT:
		said_failed(&nm->said, KIND_DNS_TIMEOUT, nm->host,
			    "was not resolved: no name server answered in time");
		return;
	case ARES_ENOMEM:
		said_failed(&nm->said, KIND_LOCAL_RESOURCE, nm->host, "was not resolved: memory");
		return;
	default:
		said_failed(&nm->said, KIND_DNS_FAILED, nm->host, "was not resolved: ");
		strncat(nm->said.why, ares_strerror(status),
			sizeof(nm->said.why) - strlen(nm->said.why) - 1);
	}
}

static void collect(struct resolved *s, const struct ares_addrinfo_node *n, int family)
{
	for (; n != NULL && s->n < RESOLVED_MAX; n = n->ai_next) {
		if (n->ai_family != family)
			continue;
		struct net_addr *a = &s->addr[s->n++];
		*a = (struct net_addr){.is_v6 = family == AF_INET6};
		if (a->is_v6)
			memcpy(a->b, &((struct sockaddr_in6 *)(void *)n->ai_addr)->sin6_addr, 16);
		else
			memcpy(a->b, &((struct sockaddr_in *)(void *)n->ai_addr)->sin_addr, 4);
	}
}

/* Families take turns, IPv6 first (RFC 8305 section 4); order within a family as answered. */
static void take_turns(struct resolved *s, const struct ares_addrinfo_node *nodes)
{
	struct resolved v6 = {0}, v4 = {0};
	collect(&v6, nodes, AF_INET6);
	collect(&v4, nodes, AF_INET);
	s->n = 0;
	for (size_t i = 0; s->n < RESOLVED_MAX && (i < v6.n || i < v4.n); i++) {
		if (i < v6.n)
			s->addr[s->n++] = v6.addr[i];
		if (i < v4.n && s->n < RESOLVED_MAX)
			s->addr[s->n++] = v4.addr[i];
	}
}

static int64_t keep_for(const struct ares_addrinfo_node *n)
{
	int64_t ttl = TTL_MAX_NS;
	for (; n != NULL; n = n->ai_next)
		if (n->ai_ttl * NS_PER_S < ttl)
			ttl = n->ai_ttl * NS_PER_S;
	return ttl < TTL_MIN_NS ? TTL_MIN_NS : ttl;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	(void)timeouts;
	struct name *nm = arg;
	struct link waits;
	nm->asking = false;
	if (nm->r->closing) {
		ares_freeaddrinfo(result);
		return;
	}
	nm->said = (struct resolved){.kind = KIND_NONE};
	nm->expires_ns = 0;
	if (status == ARES_SUCCESS && result != NULL) {
		take_turns(&nm->said, result->nodes);
		nm->expires_ns = clock_mono_ns(nm->r->clock) + keep_for(result->nodes);
	}
	if (nm->said.n == 0)
		say_failure(nm, status == ARES_SUCCESS ? ARES_ENODATA : status);
	ares_freeaddrinfo(result);
	list_init(&waits);
	while (!list_empty(&nm->waits))
		list_push_back(&waits, list_pop_front(&nm->waits));
	struct resolved said = nm->said; /* nm may go while they ask again */
	while (!list_empty(&waits)) {
		struct resolver_wait *w =
			LIST_ENTRY(list_pop_front(&waits), struct resolver_wait, link);
		w->done(w, &said);
	}
}

static void drop_names(struct resolver *r)
{
	TABLE_EACH (e, &r->names) {
		struct name *nm = e->value;
		if (!nm->asking) {
			table_remove(&r->names, slice_of(nm->host));
			free(nm);
		}
	}
}

static struct name *name_of(struct resolver *r, struct slice host)
{
	struct name *nm = table_get(&r->names, host);
	if (nm != NULL)
		return nm;
	if (table_count(&r->names) >= MAX_NAMES)
		drop_names(r);
	nm = calloc(1, sizeof(*nm) + host.n + 1);
	if (nm == NULL)
		return NULL;
	nm->r = r;
	list_init(&nm->waits);
	memcpy(nm->host, host.p, host.n);
	if (table_put(&r->names, host, nm, NULL) != ERR_OK) {
		free(nm);
		return NULL;
	}
	return nm;
}

/* RFC 6761 section 6.3: never asked of a server. */
static bool is_localhost(struct slice host)
{
	struct slice tail = SLICE_LIT(".localhost");
	if (slice_eq_nocase(host, SLICE_LIT("localhost")))
		return true;
	return host.n > tail.n &&
	       slice_eq_nocase((struct slice){host.p + host.n - tail.n, tail.n}, tail);
}

static bool answered_at_once(struct slice host, struct resolved *ret)
{
	*ret = (struct resolved){.kind = KIND_NONE};
	if (net_addr_parse(host, &ret->addr[0]) == ERR_OK) {
		ret->n = 1;
		return true;
	}
	if (is_localhost(host)) {
		ret->addr[0] = (struct net_addr){.is_v6 = false, .b = {127, 0, 0, 1}};
		ret->addr[1] = (struct net_addr){.is_v6 = true, .b = {[15] = 1}};
		ret->n = 2;
		return true;
	}
	if (host.n == 0 || host.n > NAME_MAX_N || memchr(host.p, '\0', host.n) != NULL) {
		said_failed(ret, KIND_DNS_FAILED, "the name", "is not one that can be resolved");
		return true;
	}
	return false;
}

enum err resolver_ask(struct resolver *r, struct slice host, struct resolver_wait *w,
		      struct resolved *ret)
{
	list_init(&w->link);
	if (answered_at_once(host, ret))
		return ERR_OK;
	struct name *nm = name_of(r, host);
	if (nm == NULL)
		return ERR_NOMEM;
	if (!nm->asking && nm->said.n > 0 && nm->expires_ns > clock_mono_ns(r->clock)) {
		*ret = nm->said;
		return ERR_OK;
	}
	list_push_back(&nm->waits, &w->link);
	if (nm->asking)
		return ERR_AGAIN;
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_flags = ARES_AI_NOSORT};
	nm->asking = true;
	r->queries++;
	ares_getaddrinfo(r->channel, nm->host, NULL, &hints, on_answer, nm);
	set_timer(r);
	return ERR_AGAIN;
}

void resolver_forget(struct resolver_wait *w)
{
	list_remove(&w->link);
}
