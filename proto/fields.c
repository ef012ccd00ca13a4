/*
 * fields -- reading an object by its table. One reader per type, reached by a table; what a
 * wrong value should have been is said in the words of that table.
 */
#include "proto/fields.h"

#include "base/check.h"
#include "proto/jsonscan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX 64

static void add_segment(struct bytes *out, const struct fields_at *at)
{
	if (at->member == NULL) {
		bytes_printf(out, "/%zu", at->index);
		return;
	}
	bytes_add_byte(out, '/');
	for (const char *c = at->member; *c != '\0'; c++) {
		if (*c == '~' || *c == '/')
			bytes_add_str(out, *c == '~' ? "~0" : "~1");
		else
			bytes_add_byte(out, *c);
	}
}

static void add_pointer(struct bytes *out, const struct fields_at *at)
{
	if (at == NULL)
		return;
	add_pointer(out, at->up);
	add_segment(out, at);
}

enum err fields_fail(struct fields_read *rd, const struct fields_at *at, const char *member,
		     const char *fmt, ...)
{
	struct fields_error *e = rd->error;
	if (e == NULL)
		return ERR_INVALID;
	struct bytes pointer = BYTES_LIMIT(sizeof(e->pointer) - 2);
	*e = (struct fields_error){.member = ""};
	add_pointer(&pointer, at);
	snprintf(e->pointer, sizeof(e->pointer), "%s", bytes_cstr(&pointer));
	bytes_fini(&pointer);
	if (member != NULL)
		snprintf(e->member, sizeof(e->member), "%s", member);
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return ERR_INVALID;
}

/* Edit distance with swaps of neighbours (optimal string alignment), names cut at 31 bytes. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][32];
	size_t na = strnlen(a, 31), nb = strnlen(b, 31);
	for (size_t j = 0; j <= nb; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned *now = row[i % 3], *before = row[(i + 2) % 3], *two = row[(i + 1) % 3];
		now[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = before[j - 1] + (a[i - 1] != b[j - 1]);
			best = before[j] + 1 < best ? before[j] + 1 : best;
			best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    two[j - 2] + 1 < best)
				best = two[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[na % 3][nb];
}

const char *fields_nearest(const char *wrong, const char *const *names, size_t n)
{
	const char *nearest = NULL;
	size_t len = strlen(wrong);
	unsigned least = len <= 3 ? 2 : len <= 7 ? 3 : 4; /* one less is near enough */
	for (size_t i = 0; i < n; i++) {
		unsigned d = distance(wrong, names[i]);
		if (d < least && d < strlen(names[i])) {
			least = d;
			nearest = names[i];
		}
	}
	return nearest;
}

static enum err fail_unknown(struct fields_read *rd, const struct field_table *t,
			     const struct fields_at *at, const char *member)
{
	const char *names[FIELDS_MAX];
	for (size_t i = 0; i < t->n; i++)
		names[i] = t->field[i].name;
	const char *near = fields_nearest(member, names, t->n);
	if (near != NULL)
		return fields_fail(rd, at, member, "unknown member \"%.80s\"; did you mean \"%s\"?",
				   member, near);
	return fields_fail(rd, at, member, "unknown member \"%.80s\"", member);
}

struct spot {
	struct fields_read *rd;
	const struct field *f;
	const json_t *value;
	const struct fields_at *at; /* of the value */
	void *out;
};

static enum err fail_text(const struct spot *s, const char *what)
{
	return fields_fail(s->rd, s->at, NULL, "%s must be %s", s->f->name, what);
}

/* The text of a string without NUL. */
static enum err get_text(const struct spot *s, const char *what, struct slice *ret)
{
	if (!json_is_string(s->value))
		return fail_text(s, what);
	*ret = (struct slice){json_string_value(s->value), json_string_length(s->value)};
	if (memchr(ret->p, '\0', ret->n) != NULL)
		return fields_fail(s->rd, s->at, NULL, "%s must not hold a NUL", s->f->name);
	return ERR_OK;
}

static bool in_range(const struct field *f, int64_t v)
{
	return (f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max);
}

static enum err read_string(const struct spot *s)
{
	struct slice text;
	enum err e = get_text(s, "a string", &text);
	if (e != ERR_OK)
		return e;
	if (!in_range(s->f, (int64_t)text.n))
		return fields_fail(s->rd, s->at, NULL, "%s must be %lld to %lld bytes long",
				   s->f->name, (long long)s->f->min, (long long)s->f->max);
	*(const char **)s->out = text.p;
	return ERR_OK;
}

static enum err read_bool(const struct spot *s)
{
	if (!json_is_boolean(s->value))
		return fail_text(s, "true or false");
	*(bool *)s->out = json_is_true(s->value);
	return ERR_OK;
}

static enum err read_int(const struct spot *s)
{
	if (!json_is_integer(s->value))
		return fail_text(s, "a whole number");
	int64_t v = json_integer_value(s->value);
	if (!in_range(s->f, v))
		return fields_fail(s->rd, s->at, NULL, "%s must be %lld to %lld", s->f->name,
				   (long long)s->f->min, (long long)s->f->max);
	*(int64_t *)s->out = v;
	return ERR_OK;
}

static enum err read_number(const struct spot *s)
{
	if (!json_is_number(s->value))
		return fail_text(s, "a number");
	double v = json_number_value(s->value);
	bool is_any = s->f->min == 0 && s->f->max == 0;
	if (!is_any && !(v >= (double)s->f->min && v <= (double)s->f->max))
		return fields_fail(s->rd, s->at, NULL, "%s must be %lld to %lld", s->f->name,
				   (long long)s->f->min, (long long)s->f->max);
	*(double *)s->out = v;
	return ERR_OK;
}

static enum err fail_range(const struct spot *s, void (*add)(struct bytes *, int64_t))
{
	struct bytes range = {.limit = 0};
	add(&range, s->f->min);
	bytes_add_str(&range, " to ");
	add(&range, s->f->max);
	enum err e =
		fields_fail(s->rd, s->at, NULL, "%s must be %s", s->f->name, bytes_cstr(&range));
	bytes_fini(&range);
	return e;
}

static enum err read_duration(const struct spot *s)
{
	static const char what[] = "a duration such as \"250ms\", \"5s\", \"2m\", \"1h\", \"1d\"";
	struct slice text;
	int64_t ms;
	if (json_is_integer(s->value) && json_integer_value(s->value) == 0)
		text = SLICE_LIT("0");
	else if (get_text(s, what, &text) != ERR_OK)
		return ERR_INVALID;
	if (units_duration(text, &ms) != ERR_OK)
		return fail_text(s, what);
	if (!in_range(s->f, ms))
		return fail_range(s, units_add_duration);
	*(int64_t *)s->out = ms;
	return ERR_OK;
}

static enum err read_size(const struct spot *s)
{
	static const char what[] = "a size such as 512, \"64k\", \"16M\", \"1G\"";
	struct slice text;
	int64_t size = json_integer_value(s->value);
	if (!json_is_integer(s->value)) {
		if (get_text(s, what, &text) != ERR_OK)
			return ERR_INVALID;
		if (units_size(text, &size) != ERR_OK)
			return fail_text(s, what);
	}
	if (size < 0)
		return fail_text(s, what);
	if (!in_range(s->f, size))
		return fail_range(s, units_add_size);
	*(int64_t *)s->out = size;
	return ERR_OK;
}

static enum err read_rate(const struct spot *s)
{
	static const char what[] = "a rate such as \"5/s\", \"3/10s\", \"100/m\"";
	struct slice text;
	if (get_text(s, what, &text) != ERR_OK)
		return ERR_INVALID;
	if (units_rate(text, s->out) != ERR_OK)
		return fail_text(s, what);
	return ERR_OK;
}

static enum err read_enum(const struct spot *s)
{
	struct bytes list = {.limit = 0};
	struct slice text = {NULL, 0};
	if (json_is_string(s->value))
		text = (struct slice){json_string_value(s->value), json_string_length(s->value)};
	for (const struct field_name *n = s->f->names; n->name != NULL; n++) {
		if (text.p != NULL && slice_is(text, n->name)) {
			*(int *)s->out = n->value;
			bytes_fini(&list);
			return ERR_OK;
		}
		bytes_printf(&list, "%s\"%s\"",
			     list.n == 0	 ? ""
			     : n[1].name == NULL ? " or "
						 : ", ",
			     n->name);
	}
	enum err e = fail_text(s, bytes_cstr(&list));
	bytes_fini(&list);
	return e;
}

static enum err read_json(const struct spot *s)
{
	*(const json_t **)s->out = s->value;
	return ERR_OK;
}

static enum err read_object(const struct spot *s)
{
	return fields_read(s->rd, s->f->table, s->value, s->at, s->out, NULL);
}

static enum err read_custom(const struct spot *s)
{
	return s->f->read(s->rd, s->value, s->at, s->out);
}

static enum err (*const reader[])(const struct spot *) = {
	[FIELD_STRING] = read_string,	  [FIELD_BOOL] = read_bool,	[FIELD_INT] = read_int,
	[FIELD_NUMBER] = read_number,	  [FIELD_SIZE] = read_size,	[FIELD_RATE] = read_rate,
	[FIELD_DURATION] = read_duration, [FIELD_ENUM] = read_enum,	[FIELD_JSON] = read_json,
	[FIELD_OBJECT] = read_object,	  [FIELD_CUSTOM] = read_custom,
};

static size_t find_field(const struct field_table *t, const char *name)
{
	size_t i = 0;
	while (i < t->n && strcmp(t->field[i].name, name) != 0)
		i++;
	return i;
}

enum err fields_read(struct fields_read *rd, const struct field_table *t, const json_t *object,
		     const struct fields_at *at, void *out, uint64_t *ret_seen)
{
	CHECK(t->n <= FIELDS_MAX);
	if (!json_is_object(object))
		return fields_fail(rd, at, NULL, "%s must be an object", t->name);
	uint64_t seen = 0;
	const char *name;
	json_t *value;
	/* jansson's iteration wants a pointer to non-const, and changes nothing. */
	union {
		const json_t *in;
		json_t *out;
	} cast = {.in = object};
	json_object_foreach(cast.out, name, value)
	{
		size_t i = find_field(t, name);
		if (i == t->n)
			return fail_unknown(rd, t, at, name);
		const struct fields_at here = {.up = at, .member = name};
		const struct spot s = {rd, &t->field[i], value, &here,
				       (char *)out + t->field[i].offset};
		enum err e = reader[t->field[i].type](&s);
		if (e != ERR_OK)
			return e;
		seen |= UINT64_C(1) << i;
	}
	for (size_t i = 0; i < t->n; i++)
		if (t->field[i].need == FIELD_REQUIRED && (seen & UINT64_C(1) << i) == 0)
			return fields_fail(rd, at, NULL, "%s needs a member \"%s\"", t->name,
					   t->field[i].name);
	if (ret_seen != NULL)
		*ret_seen = seen;
	return ERR_OK;
}

enum err fields_read_object(const struct field_table *t, const json_t *object, void *out,
			    uint64_t *ret_seen, struct fields_error *ret_error)
{
	struct fields_read rd = {.error = ret_error};
	return fields_read(&rd, t, object, NULL, out, ret_seen);
}

void fields_error_add(struct bytes *out, const struct fields_error *e, struct slice text)
{
	if (text.n != 0) {
		struct jsonscan_place p = jsonscan_locate(text, slice_of(e->pointer),
							  e->member[0] != '\0' ? e->member : NULL);
		bytes_printf(out, "line %u, column %u, ", p.line, p.column);
	}
	bytes_printf(out, "at %s: %s", e->pointer[0] != '\0' ? e->pointer : "the top", e->text);
}
