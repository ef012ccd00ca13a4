#include "model/jsonitems.h"

#include "proto/jsonscan.h"

#include <stdio.h>
#include <string.h>

#define LIST	0
#define BESIDE	1
#define KEY_MAX 8192 /* raw; a longer one is in no pointer */

enum state {
	AT_VALUE, /* a value must come */
	AT_FIRST, /* of a list: a value or its end */
	AT_NAME,  /* a member's name must come */
	AT_FIRST_NAME,
	AT_COLON,
	IN_NAME,
	IN_NAME_ESCAPE,
	IN_STRING,
	IN_STRING_ESCAPE,
	IN_SCALAR, /* a number, true, false, null */
	AT_NEXT,   /* behind a value: a comma or the end of what it is in */
	AT_END,
};

/* ---- pointers ---- */

static enum err path_init(struct jsonitems_path *path, struct slice pointer)
{
	path->is_asked = pointer.p != NULL;
	for (size_t i = 0; i < pointer.n; i++) {
		char c = pointer.p[i];
		if (c == '/') {
			if (i > 0)
				bytes_add_byte(&path->text, 0);
			path->n++;
			continue;
		}
		if (c == '~' && i + 1 < pointer.n)
			c = pointer.p[++i] == '1' ? '/' : '~';
		bytes_add_byte(&path->text, c);
	}
	return bytes_add_byte(&path->text, 0);
}

static struct slice segment(const struct jsonitems_path *path, uint32_t i)
{
	const char *p = path->text.p, *end = p + path->text.n;
	while (i-- > 0)
		p = (const char *)memchr(p, 0, (size_t)(end - p)) + 1;
	return (struct slice){p, (size_t)((const char *)memchr(p, 0, (size_t)(end - p)) - p)};
}

enum err jsonitems_init(struct jsonitems *j, struct slice list, struct slice beside)
{
	*j = (struct jsonitems){.state = AT_VALUE};
	enum err e = path_init(&j->path[LIST], list);
	return e != ERR_OK ? e : path_init(&j->path[BESIDE], beside);
}

void jsonitems_fini(struct jsonitems *j)
{
	for (int i = 0; i < JSONITEMS_PATHS; i++)
		bytes_fini(&j->path[i].text);
	bytes_fini(&j->buf);
	bytes_fini(&j->key);
	bytes_fini(&j->beside);
}

enum err jsonitems_feed(struct jsonitems *j, struct slice bytes)
{
	size_t keep = j->at;
	if (j->in_item && j->begin < keep)
		keep = j->begin;
	if (j->in_beside && j->begin_beside < keep)
		keep = j->begin_beside;
	bytes_drop(&j->buf, keep);
	j->n_dropped += keep;
	j->at -= keep;
	j->begin -= j->in_item ? keep : 0;
	j->begin_beside -= j->in_beside ? keep : 0;
	return bytes_add_slice(&j->buf, bytes);
}

void jsonitems_end(struct jsonitems *j)
{
	j->is_ended = true;
}

struct slice jsonitems_beside(const struct jsonitems *j)
{
	return bytes_slice(&j->beside);
}

/* ---- what is wrong ---- */

static enum err wrong(struct jsonitems *j, const char *what)
{
	snprintf(j->why, sizeof(j->why), "%s at byte %llu of the JSON", what,
		 (unsigned long long)(j->n_dropped + j->at));
	return ERR_INVALID;
}

static enum err too_large(struct jsonitems *j, const char *what)
{
	wrong(j, what);
	return ERR_TOO_LARGE;
}

/* ---- values ---- */

/* Which paths lead to the next value of the innermost list or object. */
static uint8_t paths_to_next(const struct jsonitems *j)
{
	char number[16];
	const struct jsonitems_level *in = &j->level[j->depth - 1];
	struct slice here = bytes_slice(&j->key);
	uint8_t on = 0;
	if (in->on == 0)
		return 0;
	if (!in->is_object)
		here = (struct slice){number,
				      (size_t)snprintf(number, sizeof(number), "%u", in->index)};
	for (uint32_t i = 0; i < JSONITEMS_PATHS; i++)
		if (in->on >> i & 1u && j->path[i].n >= j->depth &&
		    slice_eq(segment(&j->path[i], j->depth - 1), here))
			on |= (uint8_t)(1u << i);
	return on;
}

static bool is_target(const struct jsonitems *j, uint32_t i)
{
	const struct jsonitems_path *path = &j->path[i];
	return j->on >> i & 1u && path->is_asked && !path->is_found && path->n == j->depth;
}

static enum err open_level(struct jsonitems *j, bool is_object)
{
	bool is_list = is_target(j, LIST);
	if (j->depth == JSONITEMS_DEPTH)
		return too_large(j, "deeper than 64 lists and objects");
	j->level[j->depth++] =
		(struct jsonitems_level){.is_object = is_object, .is_list = is_list, .on = j->on};
	j->path[LIST].is_found |= is_list;
	j->state = is_object ? AT_FIRST_NAME : AT_FIRST;
	return ERR_OK;
}

/* c is the first byte of a value. */
static enum err value_begins(struct jsonitems *j, char c)
{
	bool is_scalar = c == '-' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
	if (!is_scalar && c != '"' && c != '[' && c != '{')
		return wrong(j, "a value is missing");
	j->on = j->depth == 0 ? (1u << JSONITEMS_PATHS) - 1 : paths_to_next(j);
	if (is_target(j, LIST) && c != '[') {
		snprintf(j->why, sizeof(j->why), "what stands there is not a list");
		return ERR_NOT_FOUND;
	}
	if (is_target(j, BESIDE)) {
		j->path[BESIDE].is_found = j->in_beside = true;
		j->begin_beside = j->at;
		j->depth_beside = j->depth;
	}
	if (j->depth > 0 && j->level[j->depth - 1].is_list) {
		j->in_item = true;
		j->begin = j->at;
		j->depth_item = j->depth;
	}
	if (c == '[' || c == '{')
		return open_level(j, c == '{');
	j->state = is_scalar ? IN_SCALAR : IN_STRING;
	return ERR_OK;
}

/* Its last byte is before j->at. END: it was an item. */
static enum err value_ends(struct jsonitems *j)
{
	j->state = j->depth == 0 ? AT_END : AT_NEXT;
	if (j->in_beside && j->depth == j->depth_beside) {
		j->in_beside = false;
		if (bytes_add(&j->beside, j->buf.p + j->begin_beside, j->at - j->begin_beside) !=
		    ERR_OK)
			return ERR_NOMEM;
	}
	if (!j->in_item || j->depth != j->depth_item)
		return ERR_OK;
	j->in_item = false;
	return ERR_END;
}

static enum err close_level(struct jsonitems *j, char c)
{
	if (j->depth == 0 || (c == '}') != j->level[j->depth - 1].is_object)
		return wrong(j, "a bracket that closes nothing");
	j->depth--;
	j->at++;
	return value_ends(j);
}

/* ---- names ---- */

static bool is_named(const struct jsonitems *j)
{
	return j->level[j->depth - 1].on != 0 && j->key.n < KEY_MAX;
}

static enum err name_ends(struct jsonitems *j)
{
	struct bytes raw = BYTES_LIMIT(0);
	enum err e = ERR_OK;
	j->state = AT_COLON;
	if (j->key.n == 0 || memchr(j->key.p, '\\', j->key.n) == NULL)
		return ERR_OK;
	bytes_add_byte(&raw, '"');
	bytes_add_slice(&raw, bytes_slice(&j->key));
	bytes_add_byte(&raw, '"');
	bytes_clear(&j->key);
	if (raw.err == ERR_OK && jsonscan_string(bytes_slice(&raw), &j->key) == ERR_INVALID)
		e = wrong(j, "a broken name");
	bytes_fini(&raw);
	return e;
}

static enum err in_name(struct jsonitems *j, char c)
{
	if (j->state == IN_NAME && c == '"')
		return name_ends(j);
	if (is_named(j))
		bytes_add_byte(&j->key, c);
	j->state = j->state == IN_NAME && c == '\\' ? IN_NAME_ESCAPE : IN_NAME;
	return ERR_OK;
}

/* ---- one byte ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool ends_scalar(char c)
{
	return is_blank(c) || c == ',' || c == ']' || c == '}' || c == ':' || c == '"';
}

static enum err behind_value(struct jsonitems *j, char c)
{
	struct jsonitems_level *in = &j->level[j->depth - 1];
	if (c == ']' || c == '}')
		return close_level(j, c);
	if (c != ',')
		return wrong(j, "neither a comma nor an end");
	in->index++;
	j->state = in->is_object ? AT_NAME : AT_VALUE;
	j->at++;
	return ERR_OK;
}

static enum err before_name(struct jsonitems *j, char c)
{
	if (c == '}' && j->state == AT_FIRST_NAME)
		return close_level(j, c);
	if (c != '"')
		return wrong(j, "a member's name is missing");
	bytes_clear(&j->key);
	j->state = IN_NAME;
	j->at++;
	return ERR_OK;
}

static enum err in_string(struct jsonitems *j, char c)
{
	j->at++;
	if (j->state == IN_STRING && c == '"')
		return value_ends(j);
	j->state = j->state == IN_STRING && c == '\\' ? IN_STRING_ESCAPE : IN_STRING;
	return ERR_OK;
}

static enum err before_value(struct jsonitems *j, char c)
{
	if (c == ']' && j->state == AT_FIRST)
		return close_level(j, c);
	enum err e = value_begins(j, c);
	j->at += e == ERR_OK;
	return e;
}

static enum err between_tokens(struct jsonitems *j, char c)
{
	if (is_blank(c)) {
		j->at++;
		return ERR_OK;
	}
	switch ((enum state)j->state) {
	case AT_NEXT:
		return behind_value(j, c);
	case AT_NAME:
	case AT_FIRST_NAME:
		return before_name(j, c);
	case AT_COLON:
		if (c != ':')
			return wrong(j, "a colon is missing");
		j->state = AT_VALUE;
		j->at++;
		return ERR_OK;
	case AT_END:
		return wrong(j, "something follows");
	default:
		return before_value(j, c);
	}
}

static enum err take_byte(struct jsonitems *j, char c)
{
	enum err e;
	switch ((enum state)j->state) {
	case IN_STRING:
	case IN_STRING_ESCAPE:
		return in_string(j, c);
	case IN_NAME:
	case IN_NAME_ESCAPE:
		e = in_name(j, c);
		j->at += e == ERR_OK;
		return e;
	case IN_SCALAR:
		if (ends_scalar(c))
			return value_ends(j);
		j->at++;
		return ERR_OK;
	default:
		return between_tokens(j, c);
	}
}

/* ---- items ---- */

static enum err check_item(struct jsonitems *j, struct slice item)
{
	struct jsonscan_error why;
	enum err e = jsonscan_check(item, NULL, &why);
	if (e == ERR_OK || e == ERR_NOMEM)
		return e;
	snprintf(j->why, sizeof(j->why), "%.80s at byte %llu of the JSON", why.text,
		 (unsigned long long)(j->n_dropped + j->begin + why.offset));
	return e;
}

static enum err at_the_end(struct jsonitems *j)
{
	if (j->state == IN_SCALAR && j->depth == 0)
		j->state = AT_END;
	if (j->state != AT_END)
		return wrong(j, "the end comes too early");
	if (j->path[LIST].is_found)
		return ERR_END;
	snprintf(j->why, sizeof(j->why), "nothing stands there");
	return ERR_NOT_FOUND;
}

static bool is_overlong(const struct jsonitems *j)
{
	return (j->in_item && j->at - j->begin > JSONITEMS_MAX) ||
	       (j->in_beside && j->at - j->begin_beside > JSONITEMS_MAX);
}

enum err jsonitems_next(struct jsonitems *j, struct slice *ret_item)
{
	enum err e = ERR_OK;
	while (e == ERR_OK && j->at < j->buf.n)
		e = take_byte(j, j->buf.p[j->at]);
	if (is_overlong(j) || (e == ERR_END && j->at - j->begin > JSONITEMS_MAX))
		return too_large(j, "an item of more than 1 MiB");
	if (e == ERR_OK)
		return j->is_ended ? at_the_end(j) : ERR_AGAIN;
	if (e != ERR_END)
		return e;
	*ret_item = (struct slice){j->buf.p + j->begin, j->at - j->begin};
	return check_item(j, *ret_item);
}
