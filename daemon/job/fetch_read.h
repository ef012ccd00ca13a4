/*
 * fetch_read -- the inside of fetchspec: a fetch object without references into a struct
 * fetch_spec. Used by the parser of job files and by rendering.
 */
#pragma once

#include "base/arena.h"
#include "job/fetchspec.h"
#include "proto/fields.h"

struct fetch_reading {
	struct arena *a;
	struct fields_read *rd;
	const struct fetch_spec *defaults;
	bool is_defaults; /* an object without url, for others to begin with */
	bool checks_url;  /* url and mirrors must pass url_parse; else whoever sends will see */
	enum kind kind;	  /* after a failure: REQUEST_INVALID or URL_INVALID */
};

/*
 * v is a URL string or a fetch object; strings and trees of it are borrowed. *ret may be what
 * defaults points to. Errors: INVALID told by fields_fail, those of the arena.
 */
enum err fetch_read(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
		    struct fetch_spec *ret);
/*
 * A URL string or fetch object with its references replaced, as a new reference: url and mirrors as
 * URLs, all else as text. Errors as interp_render_json.
 */
enum err fetch_render_json(const json_t *v, const struct interp_env *env,
			   const struct interp_env *last, json_t **ret, struct interp_error *e);

/* What the object reader begins and ends with: every member as it was written. */
struct fetch_draft {
	const char *url, *method, *proxy, *unix_socket, *sha256;
	const json_t *headers, *query, *auth, *expect, *mirrors, *resolve, *cookies, *tag;
	const json_t *body, *json, *form, *body_base64, *multipart, *upload;
	struct fetch_tls_draft {
		const char *ca, *cert, *key;
		bool verify;
	} tls;
	bool follow, downgrade, decode, cache, resume;
	int64_t max_redirects, timeout_ms, connect_timeout_ms, first_byte_timeout_ms,
		read_timeout_ms, max_body_bytes, max_rate_bytes, min_rate_bytes;
};

extern const struct field_table fetch_table;

/* Each reads one member at at/NAME into *f; a NULL member is left alone. Errors as fetch_read. */
enum err fetch_read_url(struct fetch_reading *fr, const struct fields_at *at, struct slice url);
enum err fetch_read_headers(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f);
enum err fetch_read_pairs(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			  const struct fetch_pair **ret, uint32_t *ret_n);
enum err fetch_read_auth(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			 struct fetch_spec *f);
enum err fetch_read_mirrors(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f);
enum err fetch_read_resolve(struct fetch_reading *fr, const json_t *v, const struct fields_at *at,
			    struct fetch_spec *f);
enum err fetch_read_proxy(struct fetch_reading *fr, const char *text, const struct fields_at *at,
			  struct fetch_spec *f);
/* At most one of the six of the draft. */
enum err fetch_read_body(struct fetch_reading *fr, const struct fetch_draft *d,
			 const struct fields_at *at, struct fetch_spec *f);
/* Copies compact JSON into the arena. */
enum err fetch_dump(struct fetch_reading *fr, const json_t *v, struct slice *ret);
/* Whether text has none of CR, LF, NUL and other control characters but TAB. */
bool fetch_is_field_text(struct slice text);
bool fetch_is_token(struct slice text);
/*
 * What a reference brought for a member that is a number, true or false may be the text of one (a
 * variable of the command line always is): then it is made one. Takes v's reference.
 */
json_t *fetch_retype(const struct field_table *t, const char *name, json_t *v);
/* What a stranger wrote must not end a line: controls become question marks, in place. */
void fetch_clean_text(char *cstr);
