/*
 * interp -- ${name} and ${name/pointer} inside strings: parsed once, rendered many times.
 *
 * A reference names a value of its surroundings; what follows the first "/" is a JSON pointer
 * (RFC 6901) into it. `$${` stands for the three characters ${. A string that is one reference and
 * nothing else keeps the type of the value; in any other a string is put in as it is, a number or
 * true, false, null as JSON writes it, a list or object as compact JSON.
 *
 * Threads    none of its own. Nothing here keeps state.
 * Ownership  a template and its slices live in the arena it was parsed into.
 */
#pragma once

#include "base/arena.h"
#include "base/bytes.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define INTERP_MAX_BYTES   (1024 * 1024) /* of one rendered text */
#define INTERP_MAX_REFS	   64		 /* in one string */
#define INTERP_MAX_NAME	   64
#define INTERP_MAX_POINTER 1024
#define INTERP_MAX_DEPTH   64 /* of a rendered value */

struct interp_env;

enum tmpl_kind {
	TMPL_LITERAL, /* no reference: part[0].text is the text, escapes undone */
	TMPL_VALUE,   /* one reference and nothing else: keeps the type */
	TMPL_MIXED,
};

struct tmpl_part {
	bool is_ref;
	struct slice text;    /* the literal text, or the name */
	struct slice pointer; /* of a reference: "" or "/a/0", escapes still in */
};

/* In a URL, what a reference gives after the authority is percent-encoded, "/" included. */
enum tmpl_use { TMPL_TEXT, TMPL_URL };

struct tmpl {
	enum tmpl_kind kind;
	enum tmpl_use use;
	uint32_t n_part;
	const struct tmpl_part *part;
	struct slice source; /* as it was written */
	/* Asked for what the surroundings of a rendering do not know: variables. NULL: nobody. */
	const struct interp_env *last;
};

struct interp_error {
	enum err err;	    /* NOT_FOUND, INVALID, TOO_LARGE, NOMEM */
	char sentence[256]; /* for a person; names the reference */
	uint32_t at;	    /* byte offset into the template's source */
};

/*
 * Parses text. Errors, told in *e: INVALID (an unclosed ${, a name that is none, a bad pointer),
 * TOO_LARGE, NOMEM. A name is [A-Za-z_][A-Za-z0-9_-]*.
 */
enum err tmpl_parse(struct arena *a, struct slice text, enum tmpl_use use, struct tmpl *ret,
		    struct interp_error *e);
/* Whether the text has "${" in it at all, so that it has to be parsed. */
bool tmpl_has_mark(struct slice text);
/* Whether text, the beginning of a URL, holds its whole authority (RFC 3986 3.2). */
bool interp_authority_is_over(struct slice text);
bool interp_name_valid(struct slice name);

/* A value of the surroundings: JSON, or a plain text that stands for a JSON string. */
struct interp_value {
	const json_t *json; /* borrowed, valid until the next lookup; NULL: .text is the value */
	struct slice text;
};

/* OK, NOT_FOUND (no such name now) or NOMEM. */
typedef enum err (*interp_lookup)(void *ctx, struct slice name, struct interp_value *ret);

struct interp_env {
	interp_lookup lookup;
	void *ctx;
	const struct interp_env *outer; /* asked when lookup says NOT_FOUND; NULL: none */
};

/* Appends the text to out. A value that is not a string is written as above. */
enum err tmpl_render_text(const struct tmpl *t, const struct interp_env *env, struct bytes *out,
			  struct interp_error *e);
/*
 * A JSON value: TMPL_VALUE keeps its type and shares it with the surroundings, else a string. A new
 * reference, of something that must not be changed.
 */
enum err tmpl_render_value(const struct tmpl *t, const struct interp_env *env, json_t **ret,
			   struct interp_error *e);
/*
 * v (with last as struct tmpl has it) with every reference in every string of it replaced (member
 * names are left alone), as a new reference of something that must not be changed. What the
 * references bring is bounded: INTERP_MAX_BYTES in all, INTERP_MAX_DEPTH.
 */
enum err interp_render_json(const json_t *v, const struct interp_env *env,
			    const struct interp_env *last, json_t **ret, struct interp_error *e);
/* Whether any string of v holds "${". */
bool interp_json_has_mark(const json_t *v);
/* OK, NOT_FOUND, NOMEM: the value of a name, asked from the inside out. */
enum err interp_env_lookup(const struct interp_env *env, struct slice name,
			   struct interp_value *ret);
