/*
 * url -- absolute http and https URLs in one normal form, and references against them.
 *
 * What it accepts is what curl accepts, minus guessing: the scheme must be written. Normal form:
 * scheme and host in lower case, host as A-label (IDNA 2008 with the UTS 46 mapping, libidn2)
 * without a trailing dot, every spelling of an IPv4 address (decimal, hex, octal, short) as dotted
 * quad, IPv6 as inet_ntop prints it, default port left out, dot segments removed (RFC 3986 5.2.4),
 * bytes that may not stand in a path or query percent-encoded, no fragment, userinfo split off.
 * Refused: control bytes, space, NUL, backslash before the path, zone ids, labels over 63 bytes,
 * hosts over 253, more than URL_MAX bytes.
 *
 * Ownership  a struct url owns one block of memory (text); slices point into it.
 * Threads    none of its own.
 */
#pragma once

#include "base/bytes.h"

#define URL_MAX 65536u /* bytes of a URL as given, and of its normal form */

enum url_host { URL_HOST_NAME, URL_HOST_V4, URL_HOST_V6 };

struct url {
	char *text; /* "https://host[:port]/path?query", NUL-terminated; NULL: empty */
	uint32_t n; /* bytes of text */
	uint16_t host_at, host_n; /* in text, without brackets */
	uint16_t origin_n;	  /* text[0..origin_n) is "https://host[:port]" */
	uint16_t port;		  /* default filled in */
	uint32_t path_n; /* of the path, which starts at origin_n; then '?' and the query */
	uint32_t user_at, user_n; /* behind text, percent-decoded; user_n 0 and pass_n 0: none */
	uint32_t pass_at, pass_n;
	bool is_https;
	bool has_user;
	enum url_host host_kind;
	unsigned char addr[16]; /* network order, of V4 (4 bytes) and V6 */
};

/*
 * Parses an absolute URL. Errors: INVALID (*ret_why, if not NULL, gets a static English phrase
 * for the message of "url.invalid"), NOMEM.
 */
enum err url_parse(struct slice in, struct url *ret, const char **ret_why);
/*
 * Resolves a reference (Location, Link) against base by RFC 3986 5.2, more leniently: surrounding
 * blanks are dropped, inner spaces become %20. Userinfo of base is not inherited.
 */
enum err url_resolve(const struct url *base, struct slice ref, struct url *ret,
		     const char **ret_why);
/* Path and query of u behind the origin, path and userinfo of base: a mirror. */
enum err url_rebase(const struct url *u, const struct url *base, struct url *ret);
enum err url_copy(const struct url *u, struct url *ret);
/* Accepts an empty struct. */
void url_fini(struct url *u);

static inline struct slice url_text(const struct url *u)
{
	return (struct slice){u->text, u->n};
}

/* "https://host[:port]", the name of the origin (RFC 6454); same origin = equal slices. */
static inline struct slice url_origin(const struct url *u)
{
	return (struct slice){u->text, u->origin_n};
}

/* Without brackets. */
static inline struct slice url_host(const struct url *u)
{
	return (struct slice){u->text + u->host_at, u->host_n};
}

/* The Host field: host with brackets where needed, port unless default. */
static inline struct slice url_authority(const struct url *u)
{
	size_t skip = u->is_https ? 8 : 7;
	return (struct slice){u->text + skip, u->origin_n - skip};
}

/* Origin-form of the request target: path and query. */
static inline struct slice url_target(const struct url *u)
{
	return (struct slice){u->text + u->origin_n, u->n - u->origin_n};
}

static inline struct slice url_path(const struct url *u)
{
	return (struct slice){u->text + u->origin_n, u->path_n};
}

static inline struct slice url_user(const struct url *u)
{
	return (struct slice){u->text + u->user_at, u->user_n};
}

static inline struct slice url_pass(const struct url *u)
{
	return (struct slice){u->text + u->pass_at, u->pass_n};
}

/*
 * The registrable domain by the public suffix list (libpsl's built-in one); the host itself for
 * addresses, single labels and public suffixes. Points into u.
 */
struct slice url_domain(const struct url *u);
/*
 * Appends a URL as given, valid or not, with its secret masked: "u:p@" becomes "u:***@", and a
 * userinfo without a colon (a token) "***@". Errors: of bytes.
 */
enum err url_mask(struct slice as_given, struct bytes *out);
/* The last segment of the path, possibly empty: for file names. */
struct slice url_last_segment(const struct url *u);
/*
 * Normalises a host alone (a rule's or a proxy's): as url_parse does, appended to out.
 * Errors: INVALID, and of bytes.
 */
enum err url_normal_host(struct slice host, struct bytes *out);
