#include "model/statuses.h"

#include "proto/units.h"

#include <string.h>

static enum err read_code(struct slice text, uint16_t *ret)
{
	uint64_t v;
	if (text.n != 3 || units_u64(text, &v) != ERR_OK || v < 100)
		return ERR_INVALID;
	*ret = (uint16_t)v;
	return ERR_OK;
}

static struct slice trim(struct slice s)
{
	while (s.n > 0 && s.p[0] == ' ')
		s = (struct slice){s.p + 1, s.n - 1};
	while (s.n > 0 && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

static enum err add_range(struct statuses *s, uint16_t low, uint16_t high)
{
	if (low > high)
		return ERR_INVALID;
	if (s->n == STATUSES_MAX)
		return ERR_TOO_LARGE;
	s->range[s->n].low = low;
	s->range[s->n].high = high;
	s->n++;
	return ERR_OK;
}

static enum err add_entry(struct statuses *s, struct slice text)
{
	const char *dash = memchr(text.p, '-', text.n);
	size_t n_low = dash != NULL ? (size_t)(dash - text.p) : text.n;
	struct slice low_text = trim((struct slice){text.p, n_low});
	uint16_t low, high;
	if (read_code(low_text, &low) != ERR_OK)
		return ERR_INVALID;
	high = low;
	if (dash != NULL) {
		struct slice high_text = trim((struct slice){dash + 1, text.n - n_low - 1});
		if (read_code(high_text, &high) != ERR_OK)
			return ERR_INVALID;
	}
	return add_range(s, low, high);
}

enum err statuses_add_text(struct statuses *s, struct slice text)
{
	for (;;) {
		const char *comma = text.n != 0 ? memchr(text.p, ',', text.n) : NULL;
		size_t n = comma != NULL ? (size_t)(comma - text.p) : text.n;
		struct slice entry = trim((struct slice){text.p, n});
		if (entry.n == 0)
			return ERR_INVALID;
		enum err e = add_entry(s, entry);
		if (e != ERR_OK || comma == NULL)
			return e;
		text = (struct slice){comma + 1, text.n - n - 1};
	}
}

static enum err add_scalar(struct statuses *s, const json_t *v)
{
	if (json_is_string(v))
		return statuses_add_text(
			s, (struct slice){json_string_value(v), json_string_length(v)});
	if (!json_is_integer(v))
		return ERR_INVALID;
	json_int_t code = json_integer_value(v);
	if (code < 100 || code > 999)
		return ERR_INVALID;
	return add_range(s, (uint16_t)code, (uint16_t)code);
}

enum err statuses_add_json(struct statuses *s, const json_t *v)
{
	if (!json_is_array(v))
		return add_scalar(s, v);
	if (json_array_size(v) == 0)
		return ERR_INVALID;
	for (size_t i = 0; i < json_array_size(v); i++) {
		enum err e = add_scalar(s, json_array_get(v, i));
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

bool statuses_has(const struct statuses *s, int status)
{
	for (uint16_t i = 0; i < s->n; i++)
		if (status >= s->range[i].low && status <= s->range[i].high)
			return true;
	return false;
}
