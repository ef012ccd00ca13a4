/*
 * render -- answers of the daemon for people: tables of lists of objects, names and values of an
 * object. What the daemon adds later shows up by itself.
 */
#pragma once

#include "base/bytes.h"

#include <jansson.h>

struct render {
	const char *const *first;  /* members that come first, in this order; NULL-terminated */
	const char *const *hidden; /* members that are left out; NULL-terminated; NULL: none */
	bool has_colours;
};

/* An array of objects, one row each; nothing for an empty array but the text of `none`. */
void render_table(struct bytes *out, const struct render *r, const json_t *rows, const char *none);
/* An object, one member a line; nested objects indented, lists of objects as tables. */
void render_object(struct bytes *out, const struct render *r, const json_t *object);
