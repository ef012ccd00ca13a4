/*
 * render -- see render.h. Text from the daemon may come from strangers: control characters are
 * escaped, long texts cut.
 */
#include "client/render.h"

#include "proto/jsontree.h"
#include "proto/units.h"

#include <string.h>

#define COLUMNS_MAX 16
#define CELL_MAX    60
#define DEPTH_MAX   8

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);
	return n > m && strcmp(s + n - m, tail) == 0;
}

static void add_text(struct bytes *out, const char *s, size_t n, size_t max)
{
	for (size_t i = 0; i < n && i < max; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 || c == 0x7f)
			bytes_printf(out, "\\x%02x", c);
		else
			bytes_add_byte(out, s[i]);
	}
	if (n > max)
		bytes_add_str(out, "...");
}

static void add_integer(struct bytes *out, const char *name, json_int_t v)
{
	if (name != NULL && ends_with(name, "_ms") && v >= 0)
		units_add_elapsed(out, v);
	else if (name != NULL && ends_with(name, "_bytes") && v >= 0)
		units_add_bytes(out, v);
	else
		bytes_add_i64(out, v);
}

/* A value in one cell. */
static void add_cell(struct bytes *out, const char *name, const json_t *v, size_t max)
{
	if (v == NULL || json_is_null(v)) {
		bytes_add_byte(out, '-');
	} else if (json_is_string(v)) {
		add_text(out, json_string_value(v), json_string_length(v), max);
	} else if (json_is_integer(v)) {
		add_integer(out, name, json_integer_value(v));
	} else if (json_is_real(v)) {
		bytes_printf(out, "%.3g", json_real_value(v));
	} else if (json_is_boolean(v)) {
		bytes_add_str(out, json_is_true(v) ? "yes" : "no");
	} else {
		struct bytes text = {.limit = 0};
		jsontree_add(&text, v);
		add_text(out, text.p, text.n, max);
		bytes_fini(&text);
	}
}

static bool is_among(const char *name, const char *const *list)
{
	for (; list != NULL && *list != NULL; list++)
		if (strcmp(name, *list) == 0)
			return true;
	return false;
}

struct columns {
	const char *name[COLUMNS_MAX];
	size_t width[COLUMNS_MAX];
	bool is_number[COLUMNS_MAX];
	size_t n;
};

static void add_column(struct columns *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->name[i], name) == 0)
			return;
	if (c->n < COLUMNS_MAX)
		c->name[c->n++] = name;
}

/* jansson's iteration wants a pointer to non-const, and changes nothing. */
static json_t *unconst(const json_t *v)
{
	union {
		const json_t *in;
		json_t *out;
	} cast = {.in = v};
	return cast.out;
}

/* Columns that some row has: the wanted ones first, then in order of appearance. */
static void find_columns(struct columns *c, const struct render *r, const json_t *rows)
{
	const char *name;
	json_t *value;
	*c = (struct columns){.n = 0};
	for (const char *const *f = r->first; f != NULL && *f != NULL; f++)
		for (size_t i = 0; i < json_array_size(rows); i++)
			if (json_object_get(json_array_get(rows, i), *f) != NULL)
				add_column(c, *f);
	for (size_t i = 0; i < json_array_size(rows); i++) {
		json_object_foreach(unconst(json_array_get(rows, i)), name, value)
		{
			if (!is_among(name, r->hidden) && !json_is_object(value))
				add_column(c, name);
		}
	}
}

/* Characters, not bytes. */
static size_t width_of(const struct bytes *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++)
		n += ((unsigned char)b->p[i] & 0xc0) != 0x80;
	return n;
}

static void measure(struct columns *c, const json_t *rows)
{
	struct bytes cell = {.limit = 0};
	for (size_t k = 0; k < c->n; k++) {
		c->width[k] = strlen(c->name[k]);
		c->is_number[k] = true;
		for (size_t i = 0; i < json_array_size(rows); i++) {
			const json_t *v = json_object_get(json_array_get(rows, i), c->name[k]);
			bytes_clear(&cell);
			add_cell(&cell, c->name[k], v, CELL_MAX);
			size_t w = width_of(&cell);
			c->width[k] = w > c->width[k] ? w : c->width[k];
			c->is_number[k] &= v == NULL || json_is_number(v);
		}
	}
	bytes_fini(&cell);
}

static void add_spaces(struct bytes *out, size_t n)
{
	while (n-- > 0)
		bytes_add_byte(out, ' ');
}

static void add_padded(struct bytes *out, const struct columns *c, size_t k,
		       const struct bytes *cell)
{
	size_t w = width_of(cell), pad = c->width[k] > w ? c->width[k] - w : 0;
	if (c->is_number[k])
		add_spaces(out, pad);
	bytes_add_slice(out, bytes_slice(cell));
	if (!c->is_number[k] && k + 1 < c->n)
		add_spaces(out, pad);
	bytes_add_str(out, k + 1 < c->n ? "  " : "\n");
}

static void add_table(struct bytes *out, const struct render *r, const json_t *rows, size_t indent)
{
	struct columns c;
	struct bytes cell = {.limit = 0};
	find_columns(&c, r, rows);
	measure(&c, rows);
	add_spaces(out, indent);
	bytes_add_str(out, r->has_colours ? "\033[1m" : "");
	for (size_t k = 0; k < c.n; k++) {
		bytes_clear(&cell);
		bytes_add_str(&cell, c.name[k]);
		add_padded(out, &c, k, &cell);
	}
	bytes_add_str(out, r->has_colours ? "\033[0m" : "");
	for (size_t i = 0; i < json_array_size(rows); i++) {
		add_spaces(out, indent);
		for (size_t k = 0; k < c.n; k++) {
			bytes_clear(&cell);
			add_cell(&cell, c.name[k],
				 json_object_get(json_array_get(rows, i), c.name[k]), CELL_MAX);
			add_padded(out, &c, k, &cell);
		}
	}
	bytes_fini(&cell);
}

void render_table(struct bytes *out, const struct render *r, const json_t *rows, const char *none)
{
	if (json_array_size(rows) == 0)
		bytes_printf(out, "%s\n", none);
	else
		add_table(out, r, rows, 0);
}

static bool is_table(const json_t *v)
{
	return json_array_size(v) != 0 && json_is_object(json_array_get(v, 0));
}

static size_t name_width(const struct render *r, const json_t *object)
{
	const char *name;
	json_t *value;
	size_t width = 0;
	json_object_foreach(unconst(object), name, value)
	{
		if (!is_among(name, r->hidden) && strlen(name) > width)
			width = strlen(name);
	}
	return width;
}

static void add_object(struct bytes *out, const struct render *r, const json_t *object,
		       size_t indent, unsigned depth)
{
	const char *name;
	json_t *value;
	size_t width = name_width(r, object);
	json_object_foreach(unconst(object), name, value)
	{
		if (is_among(name, r->hidden))
			continue;
		add_spaces(out, indent);
		add_text(out, name, strlen(name), CELL_MAX);
		if (json_object_size(value) != 0 && depth < DEPTH_MAX) {
			bytes_add_byte(out, '\n');
			add_object(out, r, value, indent + 2, depth + 1);
		} else if (is_table(value)) {
			bytes_add_byte(out, '\n');
			add_table(out, r, value, indent + 2);
		} else {
			add_spaces(out, width - strlen(name) + 2);
			add_cell(out, name, value, 400);
			bytes_add_byte(out, '\n');
		}
	}
}

void render_object(struct bytes *out, const struct render *r, const json_t *object)
{
	add_object(out, r, object, 0, 0);
}
