/*
 * special -- the special-purpose address registries (RFC 6890 and IANA's current tables) and the
 * network policy made of them and of CIDR blocks.
 *
 * Rules look at the address that is about to be connected to, never at a spelling of it. An IPv4
 * address inside IPv6 (mapped, NAT64, 6to4) is also judged as that IPv4 address.
 *
 * Threads    immutable after net_policy_new; may be shared.
 */
#pragma once

#include "base/bytes.h"

#include <stdbool.h>

struct net_addr {
	bool is_v6;
	unsigned char b[16]; /* network order; IPv4 uses the first four */
};

/* An address literal without brackets, port or zone. Errors: INVALID. */
enum err net_addr_parse(struct slice text, struct net_addr *ret);
/* Appends the usual spelling. */
enum err net_addr_print(const struct net_addr *a, struct bytes *out);
/* True if a special-purpose registry lists it as not globally reachable, or it is multicast. */
bool special_is(const struct net_addr *a);

struct net_policy;

/*
 * Entries are "special" or CIDR blocks ("10.0.0.0/8", "fc00::/7", a lone address is one host).
 * allow wins over deny; what neither names is allowed. Errors: NOMEM; INVALID, and *ret_bad is the
 * entry that is neither.
 */
enum err net_policy_new(const struct slice *allow, size_t n_allow, const struct slice *deny,
			size_t n_deny, struct net_policy **ret, struct slice *ret_bad);
void net_policy_free(struct net_policy *p);
/* NULL allows all. */
bool net_policy_allows(const struct net_policy *p, const struct net_addr *a);
/* An entry of allow covers it: then even a redirect from a public address may lead there. */
bool net_policy_names(const struct net_policy *p, const struct net_addr *a);
