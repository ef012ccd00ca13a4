/*
 * fetchspec -- one request as a job asks for it: the `fetch` object, checked and complete.
 *
 * A struct fetch_spec is always concrete: every ${reference} replaced, every default filled in,
 * the body as the bytes to send. A fetch whose text still holds references is a struct fetch_tmpl;
 * rendering it against the surroundings of one run gives a fetch_spec.
 *
 * Threads    none of its own; one owner at a time.
 * Ownership  what render and from_item give is the caller's until fetch_spec_free; it points into
 *            the job_spec (or the defaults) it was made from, which must outlive it.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"
#include "model/interp.h"
#include "model/statuses.h"
#include "proto/errors.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum fetch_auth { FETCH_AUTH_NONE, FETCH_AUTH_BASIC, FETCH_AUTH_DIGEST, FETCH_AUTH_BEARER };
enum fetch_body {
	FETCH_BODY_NONE,
	FETCH_BODY_BYTES,     /* .body holds them: text, JSON, form or decoded base64 */
	FETCH_BODY_UPLOAD,    /* .upload names what job.upload brought */
	FETCH_BODY_MULTIPART, /* .part */
};

struct fetch_pair {
	struct slice name, value;
};

/* value.p == NULL: the default of that name is removed. Free of CR, LF and NUL. */
struct fetch_header {
	struct slice name, value;
};

/* One part of multipart/form-data: value, or a name of an upload. */
struct fetch_part {
	struct slice name, value;
	struct slice upload;   /* n > 0: instead of value */
	struct slice filename; /* n == 0: none */
	struct slice type;     /* n == 0: by filename */
};

struct fetch_resolve {
	struct slice host; /* as written, lower case not enforced */
	uint16_t port;
	struct slice addr; /* an address literal without brackets */
};

struct fetch_spec {
	/* As given, not normalised. What a job file spells out has passed url_parse; what items
	 * and references bring has not: whoever sends it parses it anyway. */
	struct slice url;
	struct slice method; /* a token; GET, or POST if there is a body and none was said */
	const struct fetch_header *header;
	uint32_t n_header;
	const struct fetch_pair *query; /* to be appended to the URL, percent-encoded */
	uint32_t n_query;
	enum fetch_body body_kind;
	struct slice body;	   /* FETCH_BODY_BYTES */
	struct slice content_type; /* what the body implies if no header says it; n == 0: none */
	struct slice upload;	   /* FETCH_BODY_UPLOAD */
	const struct fetch_part *part;
	uint32_t n_part;
	enum fetch_auth auth;
	struct slice user, secret;     /* password, or the bearer token in secret */
	struct statuses expect;	       /* 200-299 */
	bool follow;		       /* true */
	bool downgrade;		       /* false: no redirect from https to http is followed */
	int64_t max_redirects;	       /* 10 */
	bool decode;		       /* true */
	int64_t timeout_ms;	       /* of one attempt; 0: none */
	int64_t connect_timeout_ms;    /* 10 s; 0: none, as with the next two */
	int64_t first_byte_timeout_ms; /* 30 s */
	int64_t read_timeout_ms;       /* 30 s */
	int64_t max_body_bytes;	       /* 64 MiB decoded; 0: no limit */
	int64_t max_rate_bytes;	       /* per second; 0: no limit */
	int64_t min_rate_bytes;	       /* per second; 0: none */
	bool has_proxy;
	struct slice proxy; /* if has_proxy: a URL, or empty for none; else the daemon's default */
	const struct slice *mirror; /* base URLs, in order */
	uint32_t n_mirror;
	struct slice tls_ca, tls_cert, tls_key; /* PEM texts; n == 0: none */
	bool tls_verify;			/* true */
	struct slice unix_socket;		/* n == 0: none */
	const struct fetch_resolve *resolve;
	uint32_t n_resolve;
	bool cookies;			 /* share the job's cookie jar */
	const struct fetch_pair *cookie; /* put into the jar first */
	uint32_t n_cookie;
	bool cache, resume;
	bool has_sha256;
	unsigned char sha256[32];
	struct slice tag; /* compact JSON, to be returned as it is; n == 0: none */

	/* Private to fetchspec.c. */
	struct arena arena; /* what belongs to this one alone */
	json_t *keep;	    /* strings are borrowed from it */
};

struct fetch_error {
	enum kind kind; /* URL_INVALID, REQUEST_INVALID, MEMORY */
	char text[512]; /* a sentence; passwords of URLs masked */
};

/* A fetch as it stands in the job. */
struct fetch_tmpl {
	const struct fetch_spec *fixed;	   /* no references: complete; else NULL */
	const struct fetch_spec *defaults; /* defaults.fetch over the built-in ones, no url */
	const json_t *source;		   /* if not fixed: the string or object with references */
	const struct interp_env *last;	   /* the variables, as in struct tmpl */
	/* The payload is exactly "${name}" of the each right around it: the item is the fetch. */
	bool is_item_only;
};

/* The built-in defaults, with no url. */
void fetch_spec_init(struct fetch_spec *f);
void fetch_spec_free(struct fetch_spec *f);

/*
 * Renders against env. Errors: INVALID with *e (a reference that has no value, a URL or value that
 * is none), NOMEM. Fixed ones cost one allocation.
 */
enum err fetch_spec_render(const struct fetch_tmpl *t, const struct interp_env *env,
			   struct fetch_spec **ret, struct fetch_error *e);
/*
 * An item that is itself the fetch: raw JSON text of a URL string or a fetch object, as fed. A
 * plain string is taken without building a tree. The text is copied. Errors as above.
 */
enum err fetch_spec_from_item(struct slice raw, const struct fetch_spec *defaults,
			      struct fetch_spec **ret, struct fetch_error *e);
