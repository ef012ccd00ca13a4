#include "job/itemcut.h"

#include "proto/result.h"

#include <stdio.h>

enum err itemcut_init_json(struct itemcut *c, struct slice list, struct slice beside)
{
	*c = (struct itemcut){.kind = SOURCE_JSON};
	return jsonitems_init(&c->u.json, list, beside);
}

enum err itemcut_init(struct itemcut *c, const struct source *s)
{
	if (s->kind == SOURCE_JSON)
		return itemcut_init_json(c, s->items, (struct slice){NULL, 0});
	*c = (struct itemcut){.kind = s->kind};
	if (s->kind == SOURCE_LINES)
		lines_init(&c->u.lines);
	else
		between_init(&c->u.between, s->open, s->close);
	return ERR_OK;
}

void itemcut_fini(struct itemcut *c)
{
	if (c->kind == SOURCE_JSON)
		jsonitems_fini(&c->u.json);
	else if (c->kind == SOURCE_LINES)
		lines_fini(&c->u.lines);
	else
		between_fini(&c->u.between);
	bytes_fini(&c->item);
}

enum err itemcut_feed(struct itemcut *c, struct slice bytes)
{
	if (c->kind == SOURCE_JSON)
		return jsonitems_feed(&c->u.json, bytes);
	if (c->kind == SOURCE_LINES)
		return lines_feed(&c->u.lines, bytes);
	return between_feed(&c->u.between, bytes);
}

void itemcut_end(struct itemcut *c)
{
	c->is_ended = true;
	if (c->kind == SOURCE_JSON)
		jsonitems_end(&c->u.json);
	else if (c->kind == SOURCE_LINES)
		lines_end(&c->u.lines);
}

static enum err as_string(struct itemcut *c, enum err e, struct slice text, struct slice *ret)
{
	if (e == ERR_AGAIN && c->is_ended)
		return ERR_END;
	if (e == ERR_TOO_LARGE)
		snprintf(c->why, sizeof(c->why), "an item of more than %d KiB",
			 (c->kind == SOURCE_LINES ? LINES_MAX : BETWEEN_MAX_ITEM) / 1024);
	if (e != ERR_OK)
		return e;
	bytes_clear(&c->item);
	result_add_string(&c->item, text);
	*ret = bytes_slice(&c->item);
	return c->item.err == ERR_OK ? ERR_OK : ERR_NOMEM;
}

enum err itemcut_next(struct itemcut *c, struct slice *ret_json)
{
	struct slice text;
	enum err e;
	if (c->kind == SOURCE_JSON) {
		e = jsonitems_next(&c->u.json, ret_json);
		snprintf(c->why, sizeof(c->why), "%s", c->u.json.why);
		return e;
	}
	if (c->kind == SOURCE_LINES)
		e = lines_next(&c->u.lines, &text);
	else
		e = between_next(&c->u.between, &text);
	return as_string(c, e, text, ret_json);
}
