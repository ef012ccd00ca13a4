#include "model/special.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct block {
	struct net_addr base;
	uint8_t bits;
};

struct net_list {
	struct block *block;
	size_t n;
	bool special;
};

struct net_policy {
	struct net_list allow, deny;
};

#define V4(a, c, d, e, bits)                                                                       \
	{                                                                                          \
		{false, {a, c, d, e}}, bits                                                        \
	}

/* IANA IPv4 Special-Purpose Address Registry, and multicast. */
static const struct block special_v4[] = {
	V4(0, 0, 0, 0, 8),	/* "this network" */
	V4(10, 0, 0, 0, 8),	/* private */
	V4(100, 64, 0, 0, 10),	/* shared, carrier NAT */
	V4(127, 0, 0, 0, 8),	/* loopback */
	V4(169, 254, 0, 0, 16), /* link-local */
	V4(172, 16, 0, 0, 12),	/* private */
	V4(192, 0, 0, 0, 24),	/* IETF protocol assignments */
	V4(192, 0, 2, 0, 24),	/* documentation */
	V4(192, 31, 196, 0, 24), V4(192, 52, 193, 0, 24),
	V4(192, 88, 99, 0, 24),				/* 6to4 relays, deprecated */
	V4(192, 168, 0, 0, 16),				/* private */
	V4(192, 175, 48, 0, 24), V4(198, 18, 0, 0, 15), /* benchmarking */
	V4(198, 51, 100, 0, 24),			/* documentation */
	V4(203, 0, 113, 0, 24),				/* documentation */
	V4(224, 0, 0, 0, 4),				/* multicast */
	V4(240, 0, 0, 0, 4),				/* reserved, broadcast */
};

#define V6(bits, ...)                                                                              \
	{                                                                                          \
		{true, {__VA_ARGS__}}, bits                                                        \
	}

/* IANA IPv6 Special-Purpose Address Registry, site-local and multicast. */
static const struct block special_v6[] = {
	V6(127, 0),					  /* :: and ::1 */
	V6(96, 0),					  /* IPv4-compatible, deprecated */
	V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff), /* IPv4-mapped */
	V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff),	  /* IPv4-translated */
	V6(96, 0, 0x64, 0xff, 0x9b),			  /* NAT64 */
	V6(48, 0, 0x64, 0xff, 0x9b, 0, 1),		  /* NAT64, local use */
	V6(64, 1),					  /* discard only: 100::/64 */
	V6(64, 1, 0, 0, 0, 0, 0, 0, 1),			  /* dummy prefix 100:0:0:1::/64 */
	V6(23, 0x20, 0x01),				  /* protocol assignments, Teredo */
	V6(32, 0x20, 0x01, 0x0d, 0xb8),			  /* documentation */
	V6(16, 0x20, 0x02),				  /* 6to4 */
	V6(20, 0x3f, 0xff),				  /* documentation */
	V6(16, 0x5f, 0),				  /* segment routing */
	V6(7, 0xfc),					  /* unique local */
	V6(10, 0xfe, 0x80),				  /* link-local */
	V6(10, 0xfe, 0xc0),				  /* site-local, deprecated */
	V6(8, 0xff),					  /* multicast */
};

enum err net_addr_parse(struct slice text, struct net_addr *ret)
{
	char buf[INET6_ADDRSTRLEN];
	if (text.n == 0 || text.n >= sizeof(buf) || memchr(text.p, '\0', text.n) != NULL)
		return ERR_INVALID;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	struct net_addr a = {.is_v6 = memchr(text.p, ':', text.n) != NULL};
	if (inet_pton(a.is_v6 ? AF_INET6 : AF_INET, buf, a.b) != 1)
		return ERR_INVALID;
	*ret = a;
	return ERR_OK;
}

enum err net_addr_print(const struct net_addr *a, struct bytes *out)
{
	char buf[INET6_ADDRSTRLEN];
	const char *s = inet_ntop(a->is_v6 ? AF_INET6 : AF_INET, a->b, buf, sizeof(buf));
	return s == NULL ? ERR_INVALID : bytes_add_str(out, s);
}

static bool covers(const struct block *b, const struct net_addr *a)
{
	if (b->base.is_v6 != a->is_v6)
		return false;
	size_t whole = b->bits / 8, rest = b->bits % 8;
	if (memcmp(b->base.b, a->b, whole) != 0)
		return false;
	if (rest == 0)
		return true;
	unsigned char mask = (unsigned char)(0xff << (8 - rest));
	return ((b->base.b[whole] ^ a->b[whole]) & mask) == 0;
}

static bool any_covers(const struct block *b, size_t n, const struct net_addr *a)
{
	for (size_t i = 0; i < n; i++)
		if (covers(&b[i], a))
			return true;
	return false;
}

/* The IPv4 address that the packet would end at, if this is one wrapped in IPv6. */
static bool unwrap(const struct net_addr *a, struct net_addr *ret)
{
	static const struct block at_end[] = {
		V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff),
		V6(96, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff),
		V6(96, 0, 0x64, 0xff, 0x9b),
		V6(96, 0),
	};
	static const struct block six_to_four = V6(16, 0x20, 0x02);
	const unsigned char *v4;
	if (!a->is_v6)
		return false;
	if (any_covers(at_end, sizeof(at_end) / sizeof(*at_end), a))
		v4 = a->b + 12;
	else if (covers(&six_to_four, a))
		v4 = a->b + 2;
	else
		return false;
	*ret = (struct net_addr){.is_v6 = false};
	memcpy(ret->b, v4, 4);
	return true;
}

bool special_is(const struct net_addr *a)
{
	if (a->is_v6)
		return any_covers(special_v6, sizeof(special_v6) / sizeof(*special_v6), a);
	return any_covers(special_v4, sizeof(special_v4) / sizeof(*special_v4), a);
}

static enum err parse_block(struct slice s, struct block *ret)
{
	const char *slash = memchr(s.p, '/', s.n);
	struct slice addr = {s.p, slash != NULL ? (size_t)(slash - s.p) : s.n};
	enum err e = net_addr_parse(addr, &ret->base);
	if (e != ERR_OK)
		return e;
	unsigned max = ret->base.is_v6 ? 128 : 32, bits = 0;
	if (slash == NULL) {
		ret->bits = (uint8_t)max;
		return ERR_OK;
	}
	const char *p = slash + 1, *end = s.p + s.n;
	if (p == end || end - p > 3)
		return ERR_INVALID;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return ERR_INVALID;
		bits = bits * 10 + (unsigned)(*p - '0');
	}
	if (bits > max)
		return ERR_INVALID;
	ret->bits = (uint8_t)bits;
	return ERR_OK;
}

static enum err read_list(const struct slice *in, size_t n, struct net_list *l,
			  struct slice *ret_bad)
{
	l->block = calloc(n + 1, sizeof(*l->block));
	if (l->block == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (slice_is(in[i], "special")) {
			l->special = true;
		} else if (parse_block(in[i], &l->block[l->n]) == ERR_OK) {
			l->n++;
		} else {
			*ret_bad = in[i];
			return ERR_INVALID;
		}
	}
	return ERR_OK;
}

enum err net_policy_new(const struct slice *allow, size_t n_allow, const struct slice *deny,
			size_t n_deny, struct net_policy **ret, struct slice *ret_bad)
{
	struct net_policy *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	enum err e = read_list(allow, n_allow, &p->allow, ret_bad);
	if (e == ERR_OK)
		e = read_list(deny, n_deny, &p->deny, ret_bad);
	if (e != ERR_OK) {
		net_policy_free(p);
		return e;
	}
	*ret = p;
	return ERR_OK;
}

void net_policy_free(struct net_policy *p)
{
	if (p == NULL)
		return;
	free(p->allow.block);
	free(p->deny.block);
	free(p);
}

static bool lists(const struct net_list *l, const struct net_addr *a)
{
	return any_covers(l->block, l->n, a) || (l->special && special_is(a));
}

bool net_policy_names(const struct net_policy *p, const struct net_addr *a)
{
	struct net_addr inner;
	if (p == NULL)
		return false;
	return lists(&p->allow, a) || (unwrap(a, &inner) && lists(&p->allow, &inner));
}

bool net_policy_allows(const struct net_policy *p, const struct net_addr *a)
{
	struct net_addr inner;
	if (p == NULL || net_policy_names(p, a))
		return true;
	return !lists(&p->deny, a) && !(unwrap(a, &inner) && lists(&p->deny, &inner));
}
