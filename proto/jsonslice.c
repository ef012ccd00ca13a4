/*
 * jsonslice -- cutting raw slices out of text that jsonscan_check has passed: items, members,
 * strings, and places for error messages. It trusts the grammar but never leaves the slice.
 */
#include "proto/jsonnames.h"
#include "proto/jsonscan.h"
#include "proto/utf8.h"

#include <string.h>

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/* From the opening quote to behind the closing one; end if there is none. */
static const char *skip_string(const char *p, const char *end)
{
	p++;
	for (;;) {
		p = utf8_skip_plain(p, end);
		if (p >= end)
			return end;
		if (*p == '"')
			return p + 1;
		p += *p == '\\' && end - p >= 2 ? 2 : 1;
	}
}

static const char *skip_container(const char *p, const char *end)
{
	size_t depth = 0;
	while (p < end) {
		char c = *p;
		if (c == '"') {
			p = skip_string(p, end);
			continue;
		}
		p++;
		if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && --depth == 0)
			break;
	}
	return p;
}

static const char *skip_value(const char *p, const char *end)
{
	if (p == end)
		return end;
	if (*p == '"')
		return skip_string(p, end);
	if (*p == '[' || *p == '{')
		return skip_container(p, end);
	while (p < end && *p != ',' && *p != ']' && *p != '}' && *p != ' ' && *p != '\n' &&
	       *p != '\r' && *p != '\t')
		p++;
	return p;
}

static enum err open_container(struct slice text, char open, struct jsonscan_iter *ret)
{
	const char *end = text.p + text.n;
	const char *p = skip_space(text.p, end);
	if (p == end || *p != open)
		return ERR_INVALID;
	*ret = (struct jsonscan_iter){p + 1, end};
	return ERR_OK;
}

enum err jsonscan_items(struct slice array, struct jsonscan_iter *ret)
{
	return open_container(array, '[', ret);
}

enum err jsonscan_members(struct slice object, struct jsonscan_iter *ret)
{
	return open_container(object, '{', ret);
}

/* Steps over the comma behind a value, or to the end behind the closing bracket. */
static void step(struct jsonscan_iter *it, const char *p)
{
	p = skip_space(p, it->end);
	it->p = p < it->end && *p == ',' ? p + 1 : it->end;
}

bool jsonscan_next_item(struct jsonscan_iter *it, struct slice *ret_item)
{
	const char *p = skip_space(it->p, it->end);
	const char *after = skip_value(p, it->end);
	if (after == p)
		return false;
	*ret_item = (struct slice){p, (size_t)(after - p)};
	step(it, after);
	return true;
}

bool jsonscan_next_member(struct jsonscan_iter *it, struct slice *ret_name, struct slice *ret_value)
{
	const char *name = skip_space(it->p, it->end);
	if (name == it->end || *name != '"')
		return false;
	const char *colon = skip_string(name, it->end);
	if (colon - name < 2 || colon[-1] != '"')
		return false;
	*ret_name = (struct slice){name + 1, (size_t)(colon - name) - 2};
	colon = skip_space(colon, it->end);
	if (colon == it->end || *colon != ':')
		return false;
	const char *p = skip_space(colon + 1, it->end);
	const char *after = skip_value(p, it->end);
	if (after == p)
		return false;
	*ret_value = (struct slice){p, (size_t)(after - p)};
	step(it, after);
	return true;
}

static bool find_member(struct slice object, struct slice name, struct slice *ret_name,
			struct slice *ret_value)
{
	struct jsonscan_iter it;
	struct slice n, v;
	if (jsonscan_members(object, &it) != ERR_OK)
		return false;
	while (jsonscan_next_member(&it, &n, &v)) {
		if (!jsonnames_same(n, name))
			continue;
		*ret_name = n;
		*ret_value = v;
		return true;
	}
	return false;
}

bool jsonscan_member(struct slice object, const char *name, struct slice *ret_value)
{
	struct slice at;
	return find_member(object, slice_of(name), &at, ret_value);
}

static uint32_t hex4(const char *p)
{
	uint32_t v = 0;
	for (int i = 0; i < 4; i++) {
		uint32_t c = (unsigned char)p[i];
		v = v << 4 | (c <= '9' ? c - '0' : ((c | 0x20) - 'a' + 10) & 15);
	}
	return v;
}

/* At the u; returns where the text goes on, or NULL. */
static const char *add_unicode(struct bytes *out, const char *p, const char *end)
{
	char c[4];
	if (end - p < 5)
		return NULL;
	uint32_t v = hex4(p + 1);
	p += 5;
	if (v >= 0xd800 && v <= 0xdbff && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		uint32_t low = hex4(p + 2);
		v = 0x10000 + ((v & 0x3ff) << 10 | (low & 0x3ff));
		p += 6;
	}
	bytes_add(out, c, utf8_put(c, v));
	return p;
}

enum err jsonscan_string(struct slice raw, struct bytes *out)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	if (raw.n < 2 || raw.p[0] != '"' || raw.p[raw.n - 1] != '"')
		return ERR_INVALID;
	const char *p = raw.p + 1, *end = raw.p + raw.n - 1;
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		bytes_add(out, p, (size_t)((slash != NULL ? slash : end) - p));
		if (slash == NULL)
			break;
		p = slash + 1;
		if (p < end && *p == 'u') {
			p = add_unicode(out, p, end);
			if (p == NULL)
				return ERR_INVALID;
			continue;
		}
		const char *which = p < end && *p != '\0' ? strchr(from, *p) : NULL;
		if (which == NULL)
			return ERR_INVALID;
		bytes_add_byte(out, to[which - from]);
		p++;
	}
	return out->err;
}

enum err jsonscan_plain(struct slice raw, struct slice *ret)
{
	if (raw.n < 2 || raw.p[0] != '"' || raw.p[raw.n - 1] != '"')
		return ERR_INVALID;
	if (memchr(raw.p, '\\', raw.n) != NULL)
		return ERR_UNSUPPORTED;
	*ret = (struct slice){raw.p + 1, raw.n - 2};
	return ERR_OK;
}

enum err jsonscan_u64(struct slice raw, uint64_t *ret)
{
	uint64_t v = 0;
	if (raw.n == 0)
		return ERR_INVALID;
	for (size_t i = 0; i < raw.n; i++) {
		uint64_t digit = (uint64_t)(unsigned char)raw.p[i] - '0';
		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return ERR_INVALID;
		v = v * 10 + digit;
	}
	*ret = v;
	return ERR_OK;
}

enum err jsonscan_bool(struct slice raw, bool *ret)
{
	if (!slice_is(raw, "true") && !slice_is(raw, "false"))
		return ERR_INVALID;
	*ret = raw.n == 4;
	return ERR_OK;
}

/* One step of a pointer from value; false if it leads nowhere. */
static bool pointer_step(struct slice *value, struct slice segment, struct bytes *name)
{
	struct jsonscan_iter it;
	struct slice at, item;
	uint64_t index;
	if (jsonscan_items(*value, &it) == ERR_OK) {
		if (jsonscan_u64(segment, &index) != ERR_OK)
			return false;
		for (uint64_t i = 0; jsonscan_next_item(&it, &item); i++) {
			if (i == index) {
				*value = item;
				return true;
			}
		}
		return false;
	}
	bytes_clear(name);
	for (size_t i = 0; i < segment.n; i++) {
		bool is_escape = segment.p[i] == '~' && i + 1 < segment.n;
		bytes_add_byte(name, !is_escape ? segment.p[i] : segment.p[++i] == '1' ? '/' : '~');
	}
	/* Names in pointers are plain; a backslash in one must not be taken for an escape. */
	if (memchr(bytes_cstr(name), '\\', name->n) != NULL)
		return false;
	return find_member(*value, bytes_slice(name), &at, value);
}

struct jsonscan_place jsonscan_locate(struct slice text, struct slice pointer, const char *member)
{
	struct slice value = text, name, ignored;
	struct bytes held = {.limit = 0};
	const char *start = text.p + text.n, *p = pointer.p, *end = pointer.p + pointer.n;
	start = skip_space(text.p, start);
	value = (struct slice){start, (size_t)(text.p + text.n - start)};
	bool is_found = true;
	while (is_found && p < end) {
		const char *slash = memchr(p + 1, '/', (size_t)(end - p - 1));
		const char *stop = slash != NULL ? slash : end;
		is_found =
			pointer_step(&value, (struct slice){p + 1, (size_t)(stop - p - 1)}, &held);
		p = stop;
	}
	bytes_fini(&held);
	const char *at = value.p;
	if (is_found && member != NULL && find_member(value, slice_of(member), &name, &ignored))
		at = name.p - 1;
	return jsonscan_place_at(text, (size_t)(at - text.p));
}
