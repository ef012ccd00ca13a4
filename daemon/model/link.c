#include "model/link.h"

struct cursor {
	const char *p, *end;
};

/* One parameter: its value without quotes; p == NULL: none. Backslashes stay in. */
struct param {
	struct slice name, value;
};

static void skip_blank(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
		c->p++;
}

/* Behind the next comma that is in no quoted string and in no <>. */
static void skip_link(struct cursor *c)
{
	bool in_quotes = false, in_target = false;
	for (; c->p < c->end; c->p++) {
		if (in_quotes && *c->p == '\\' && c->p + 1 < c->end)
			c->p++;
		else if (*c->p == '"' && !in_target)
			in_quotes = !in_quotes;
		else if (!in_quotes && (*c->p == '<' || *c->p == '>'))
			in_target = *c->p == '<';
		else if (*c->p == ',' && !in_quotes && !in_target)
			break;
	}
}

static bool read_target(struct cursor *c, struct slice *ret)
{
	if (c->p == c->end || *c->p != '<')
		return false;
	const char *begin = ++c->p;
	while (c->p < c->end && *c->p != '>')
		c->p++;
	if (c->p == c->end)
		return false;
	*ret = (struct slice){begin, (size_t)(c->p++ - begin)};
	return true;
}

static bool is_token_char(char c)
{
	return c > ' ' && c < 0x7f && c != ';' && c != ',' && c != '=' && c != '"' && c != '<' &&
	       c != '>';
}

static struct slice read_token(struct cursor *c)
{
	const char *begin = c->p;
	while (c->p < c->end && is_token_char(*c->p))
		c->p++;
	return (struct slice){begin, (size_t)(c->p - begin)};
}

static struct slice read_value(struct cursor *c)
{
	if (c->p == c->end || *c->p != '"')
		return read_token(c);
	const char *begin = ++c->p;
	while (c->p < c->end && *c->p != '"')
		c->p += *c->p == '\\' && c->p + 1 < c->end ? 2 : 1;
	struct slice value = {begin, (size_t)(c->p - begin)};
	if (c->p < c->end)
		c->p++;
	return value;
}

/* ";name=value" or ";name"; false at anything else. */
static bool read_param(struct cursor *c, struct param *ret)
{
	skip_blank(c);
	if (c->p == c->end || *c->p != ';')
		return false;
	c->p++;
	skip_blank(c);
	*ret = (struct param){.name = read_token(c)};
	skip_blank(c);
	if (c->p < c->end && *c->p == '=') {
		c->p++;
		skip_blank(c);
		ret->value = read_value(c);
	}
	return true;
}

static bool has_word(struct slice words, const char *word)
{
	const char *end = words.p + words.n;
	for (const char *p = words.p; p < end;) {
		const char *begin = p;
		while (p < end && *p != ' ' && *p != '\t')
			p++;
		if (slice_eq_nocase((struct slice){begin, (size_t)(p - begin)}, slice_of(word)))
			return true;
		p += p < end;
	}
	return false;
}

/* One link-value; whether it is the one. RFC 8288 3.3: only the first rel counts. */
static bool read_link(struct cursor *c, const char *rel, struct slice *ret)
{
	struct slice target;
	struct param param;
	bool has_rel = false, is_it = false, has_anchor = false;
	skip_blank(c);
	if (!read_target(c, &target))
		return false;
	while (read_param(c, &param)) {
		if (slice_eq_nocase(param.name, SLICE_LIT("rel")) && !has_rel) {
			has_rel = true;
			is_it = param.value.n != 0 && has_word(param.value, rel);
		}
		has_anchor = has_anchor || slice_eq_nocase(param.name, SLICE_LIT("anchor"));
	}
	if (!is_it || has_anchor)
		return false;
	*ret = target;
	return true;
}

bool link_find(struct slice value, const char *rel, struct slice *ret_target)
{
	struct cursor c = {value.p, value.p + value.n};
	while (c.p < c.end) {
		if (read_link(&c, rel, ret_target))
			return true;
		skip_link(&c);
		if (c.p < c.end)
			c.p++;
	}
	return false;
}
