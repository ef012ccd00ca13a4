#include "job/collect.h"

#define COLLECT_ITEMS 65536

void collect_fini(struct collect *c)
{
	json_decref(c->list);
	*c = (struct collect){0};
}

static void grow(struct collect *c, uint64_t n)
{
	if (n > COLLECT_ITEMS)
		collect_fini(c);
	while (c->list != NULL && json_array_size(c->list) < n)
		if (json_array_append_new(c->list, json_null()) != 0)
			collect_fini(c);
}

void collect_init(struct collect *c, uint64_t n)
{
	*c = (struct collect){.list = json_array()};
	grow(c, n);
}

json_t *collect_value(const struct outcome *o)
{
	if (o->state == OUTCOME_FAILED || o->state == OUTCOME_CANCELLED)
		return o->error != NULL ? json_pack("{s:o}", "error", failure_json(o->error))
					: json_null();
	return o->value != NULL ? json_incref(o->value) : json_null();
}

void collect_put_value(struct collect *c, uint64_t index, json_t *v)
{
	if (c->list == NULL) {
		json_decref(v);
		return;
	}
	c->n_bytes += v != NULL ? json_dumpb(v, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;
	grow(c, index + 1);
	if (c->n_bytes > COLLECT_BYTES || c->list == NULL || v == NULL) {
		json_decref(v);
		collect_fini(c);
		return;
	}
	json_array_set_new(c->list, index, v);
}

void collect_put(struct collect *c, uint64_t index, struct outcome *o)
{
	if (c->list != NULL)
		collect_put_value(c, index, collect_value(o));
}

json_t *collect_take(struct collect *c)
{
	json_t *list = c->list;
	c->list = NULL;
	return list;
}
