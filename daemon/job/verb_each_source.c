/*
 * Sources of an each that are a task: it runs first, then its value is cut into items. A body that
 * is kept in a file has no value to cut.
 */
#include "job/verb_each.h"
#include "model/pointer.h"

#include <string.h>

bool each_source_is_task(enum source_kind k)
{
	return k == SOURCE_JSON || k == SOURCE_LINES;
}

/* A fetch gives its line, others what they say. */
static bool is_result(const json_t *value)
{
	return json_object_get(value, "task") != NULL && json_object_get(value, "attempts") != NULL;
}

static json_t *json_items(const struct source *s, const json_t *value)
{
	const json_t *doc = is_result(value) ? json_object_get(value, "json") : value;
	const json_t *items = doc != NULL ? pointer_get(doc, s->items) : NULL;
	return json_is_array(items) ? json_incref((json_t *)(uintptr_t)items) : NULL;
}

static json_t *line_items(const json_t *value)
{
	const json_t *text = is_result(value) ? json_object_get(value, "body") : value;
	json_t *list = json_is_string(text) ? json_array() : NULL;
	const char *p = json_string_value(text);
	const char *end = list != NULL ? p + json_string_length(text) : p;
	while (list != NULL && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		const char *stop = nl != NULL ? nl : end;
		size_t n = (size_t)(stop - p);
		n -= n > 0 && p[n - 1] == '\r';
		if (n > 0)
			json_array_append_new(list, json_stringn(p, n));
		p = stop + 1;
	}
	return list;
}

static bool cut(struct each_frame *e, struct task *t)
{
	const struct source *s = &t->node->u.each.in;
	const json_t *value = e->source->out.value;
	e->list = s->kind == SOURCE_JSON ? json_items(s, value) : line_items(value);
	if (e->list == NULL && s->kind == SOURCE_JSON)
		task_fail(t, KIND_BODY_DECODE, "in: there is no list at \"%.*s\" of the JSON",
			  (int)s->items.n, s->items.p != NULL ? s->items.p : "");
	else if (e->list == NULL)
		task_fail(t, KIND_BODY_DECODE, "in: the task gave no text at hand");
	return e->list != NULL;
}

bool each_source_take(struct each_frame *e, struct task *t)
{
	struct task *source = e->source;
	bool ok = outcome_is_ok(&source->out);
	task_sum(t, &source->out);
	if (ok) {
		ok = cut(e, t);
	} else {
		t->out.state = source->out.state;
		t->out.error = failure_ref(source->out.error);
	}
	task_free(source);
	e->source = NULL;
	return ok;
}
